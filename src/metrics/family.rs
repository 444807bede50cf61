//! The series of one metric, by their labels.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use ahash::RandomState;
use hashbrown::HashTable;

/// Series by labels, each for as long as somebody holds its handle.
///
/// The registry holds them weakly: a reload that builds the next snapshot before it drops the last one gets the same
/// series again, counts included, while those of a backend that is gone leave the exposition with the last exchange
/// that knew it. Touched by the control plane only, so a lock is good enough; but a reload may ask for tens of thousands, so
/// a series that is there is found by borrowed labels.
#[derive(Debug)]
pub(super) struct Family<const LABELS: usize, T> {
    series: Mutex<HashTable<Series<LABELS, T>>>,
    hasher: RandomState,
}

/// A series with the values of its labels.
type Series<const LABELS: usize, T> = ([Box<str>; LABELS], Weak<T>);

impl<const LABELS: usize, T> Default for Family<LABELS, T> {
    fn default() -> Self {
        Self { series: Mutex::default(), hasher: RandomState::new() }
    }
}

impl<const LABELS: usize, T> Family<LABELS, T> {
    /// The series with these labels, made with `make` when there is none.
    pub(super) fn get(&self, labels: [&str; LABELS], make: impl FnOnce() -> T) -> Arc<T> {
        let mut all = self.series();
        // where nobody reads, nobody else forgets
        if all.len() == all.capacity() {
            all.retain(|(_, series)| series.strong_count() > 0);
        }
        let same = |(own, _): &Series<LABELS, T>| own.iter().zip(labels).all(|(own, label)| **own == *label);
        let hash = |(own, _): &Series<LABELS, T>| self.hasher.hash_one(own.each_ref().map(|label| &**label));
        let entry = all.entry(self.hasher.hash_one(labels), same, hash);
        let mut entry = entry.or_insert_with(|| (labels.map(Box::from), Weak::new()));
        let series = &mut entry.get_mut().1;
        series.upgrade().unwrap_or_else(|| {
            let made = Arc::new(make());
            *series = Arc::downgrade(&made);
            made
        })
    }

    /// All series that somebody holds, ordered by their labels; forgets the others.
    pub(super) fn held(&self) -> Vec<([String; LABELS], Arc<T>)> {
        let mut all = self.series();
        all.retain(|(_, series)| series.strong_count() > 0);
        let labels = |own: &[Box<str>; LABELS]| own.each_ref().map(|label| label.to_string());
        let mut held: Vec<_> = all.iter().filter_map(|(own, series)| Some((labels(own), series.upgrade()?))).collect();
        held.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        held
    }

    /// Whether somebody holds this one.
    pub(super) fn is_held(&self, labels: [&str; LABELS]) -> bool {
        let same = |(own, _): &Series<LABELS, T>| own.iter().zip(labels).all(|(own, label)| **own == *label);
        let found = self.series().find(self.hasher.hash_one(labels), same).map(|(_, series)| series.strong_count() > 0);
        found.unwrap_or(false)
    }

    fn series(&self) -> MutexGuard<'_, HashTable<Series<LABELS, T>>> {
        // the table is whole whatever panicked while it was held
        self.series.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_labels_are_the_same_series_while_somebody_holds_it() {
        let family = Family::<1, u32>::default();
        let first = family.get(["a"], || 1);
        assert_eq!(*family.get(["a"], || 2), 1);
        assert_eq!(*family.get(["b"], || 3), 3);
        assert_eq!(family.held(), [(["a".to_owned()], Arc::clone(&first))], "nobody holds b");
        drop(first);
        assert!(family.held().is_empty());
        assert_eq!(*family.get(["a"], || 4), 4);
    }

    #[test]
    fn what_nobody_holds_takes_no_room_also_where_nobody_reads() {
        let family = Family::<1, u32>::default();
        let held = family.get(["held"], || 1);
        (0..10_000).for_each(|n| drop(family.get([&n.to_string()], || n)));
        assert!(family.series().len() < 100);
        assert_eq!(*family.get(["held"], || 2), *held);
        assert!(family.is_held(["held"]) && !family.is_held(["9999"]) && !family.is_held(["another"]));
    }
}
