//! The series of one metric, by their labels.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// Series by labels, each for as long as somebody holds its handle.
///
/// The registry holds them weakly: a reload that builds the next snapshot before it drops the last one gets the same
/// series again, counts included, while those of a backend that is gone leave the exposition with the last exchange
/// that knew it. Touched by the control plane only, so a lock and an ordered map (a stable exposition) are good enough.
#[derive(Debug)]
pub(super) struct Family<const LABELS: usize, T> {
    series: Mutex<BTreeMap<[String; LABELS], Weak<T>>>,
}

impl<const LABELS: usize, T> Default for Family<LABELS, T> {
    fn default() -> Self {
        Self { series: Mutex::new(BTreeMap::new()) }
    }
}

impl<const LABELS: usize, T> Family<LABELS, T> {
    /// The series with these labels, made with `make` when there is none.
    pub(super) fn get(&self, labels: [&str; LABELS], make: impl FnOnce() -> T) -> Arc<T> {
        let mut series = self.series();
        let slot = series.entry(labels.map(str::to_owned)).or_default();
        slot.upgrade().unwrap_or_else(|| {
            let made = Arc::new(make());
            *slot = Arc::downgrade(&made);
            made
        })
    }

    /// All series that somebody holds, ordered by their labels; forgets the others.
    pub(super) fn held(&self) -> Vec<([String; LABELS], Arc<T>)> {
        let mut series = self.series();
        series.retain(|_, series| series.strong_count() > 0);
        series.iter().filter_map(|(labels, series)| Some((labels.clone(), series.upgrade()?))).collect()
    }

    fn series(&self) -> MutexGuard<'_, BTreeMap<[String; LABELS], Weak<T>>> {
        // the map is whole whatever panicked while it was held
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
}
