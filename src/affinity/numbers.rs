//! Short numbers for backends' ids, so that a table's entry fits into one word.
//!
//! A backend keeps its number for as long as it is there, whatever happens to its place in the service's list, and for a while
//! after it has gone, because it may come back. Numbers of backends that have been away for so long that no session can be
//! left of them are given to others.

use std::time::Duration;

use ahash::AHashMap;

use crate::clock::Moment;

/// Stands for "no number": there are more backends than numbers.
pub(super) const NONE: u16 = 0;

/// Who has which number.
#[derive(Debug, Default)]
pub(super) struct BackendNumbers {
    by_id: AHashMap<String, Holder>,
    /// The highest number that was given away.
    last: u16,
    free: Vec<u16>,
}

#[derive(Debug)]
struct Holder {
    number: u16,
    /// When the backend left the service; `None` while it is there.
    left: Option<Moment>,
}

impl BackendNumbers {
    /// The numbers of the backends that are there now; all others are away from now on, and lose their number once they have
    /// been for longer than `keep`.
    pub fn assign<'a>(&mut self, ids: impl Iterator<Item = &'a str>, now: Moment, keep: Duration) -> Vec<u16> {
        for holder in self.by_id.values_mut() {
            holder.left.get_or_insert(now);
        }
        let mut numbers = Vec::new();
        let mut new = Vec::new();
        for (index, id) in ids.enumerate() {
            let holder = self.by_id.get_mut(id);
            numbers.push(holder.as_ref().map_or(NONE, |holder| holder.number));
            match holder {
                Some(holder) => holder.left = None,
                None => new.push((index, id)),
            }
        }
        self.make_room(new.len(), now, keep);
        for (index, id) in new {
            numbers[index] = self.give(id);
        }
        numbers
    }

    /// The number of the backend with this id, or [`NONE`].
    pub fn of(&self, id: &str) -> u16 {
        self.by_id.get(id).map_or(NONE, |holder| holder.number)
    }

    /// Frees the numbers of backends that have been away for longer than `keep`; when that is not enough, of those that
    /// have been away for longest. Sticky sessions that are left of such a backend go to the next holder of its number,
    /// which is as good a choice as any.
    fn make_room(&mut self, wanted: usize, now: Moment, keep: Duration) {
        let mut away: Vec<_> = self.by_id.values().filter_map(|holder| Some((holder.left?, holder.number))).collect();
        away.sort_unstable();
        let unused = usize::from(u16::MAX - self.last) + self.free.len();
        let short = wanted.saturating_sub(unused);
        let expired = away.iter().filter(|(left, _)| now.since(*left) > keep).count();
        away.truncate(short.max(expired));
        let taken: ahash::AHashSet<u16> = away.iter().map(|(_, number)| *number).collect();
        self.by_id.retain(|_, holder| !taken.contains(&holder.number));
        self.free.extend(taken);
    }

    fn give(&mut self, id: &str) -> u16 {
        // an id twice in one list, which the configuration refuses, has one number
        if let Some(holder) = self.by_id.get(id) {
            return holder.number;
        }
        let number = match self.free.pop() {
            Some(number) => number,
            None if self.last < u16::MAX => {
                self.last += 1;
                self.last
            }
            None => return NONE,
        };
        self.by_id.insert(id.to_owned(), Holder { number, left: None });
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEEP: Duration = Duration::from_secs(60);

    fn at(seconds: u64) -> Moment {
        Moment::from_millis(seconds * 1000)
    }

    #[test]
    fn numbers_stay_when_others_come_and_go() {
        let mut numbers = BackendNumbers::default();
        assert_eq!(numbers.assign(["a", "b", "c"].into_iter(), at(0), KEEP), [1, 2, 3]);
        assert_eq!(numbers.assign(["d", "c", "a"].into_iter(), at(1), KEEP), [4, 3, 1]);
        assert_eq!(numbers.assign(["b", "a"].into_iter(), at(30), KEEP), [2, 1], "b is back in time");
    }

    #[test]
    fn the_number_of_one_that_stays_away_is_given_to_another() {
        let mut numbers = BackendNumbers::default();
        numbers.assign(["a", "b"].into_iter(), at(0), KEEP);
        numbers.assign(["a"].into_iter(), at(10), KEEP);
        assert_eq!(numbers.assign(["a", "c"].into_iter(), at(70), KEEP), [1, 3], "60 s are not more than 60 s");
        assert_eq!(numbers.assign(["a", "c", "d"].into_iter(), at(71), KEEP), [1, 3, 2]);
        assert_eq!(numbers.assign(["a", "c", "d", "b"].into_iter(), at(72), KEEP), [1, 3, 2, 4]);
    }

    #[test]
    fn when_numbers_run_out_who_left_first_loses_its_own() {
        let mut numbers = BackendNumbers::default();
        let ids: Vec<_> = (0..u16::MAX).map(|id| id.to_string()).collect();
        let all = numbers.assign(ids.iter().map(String::as_str), at(0), KEEP);
        assert_eq!((all[0], all[65_534]), (1, u16::MAX));
        numbers.assign(ids[1..].iter().map(String::as_str), at(1), KEEP);
        numbers.assign(ids[2..].iter().map(String::as_str), at(2), KEEP);
        let some = ids[2..].iter().map(String::as_str);
        assert_eq!(numbers.assign(some.chain(["x"]), at(3), KEEP).last(), Some(&1));
        let too_many = ids.iter().map(String::as_str).chain(["x", "y"]);
        let over = numbers.assign(too_many, at(4), KEEP);
        assert_eq!(over.iter().filter(|number| **number == NONE).count(), 2);
    }

    #[test]
    fn churn_does_not_grow_it() {
        let mut numbers = BackendNumbers::default();
        for round in 0..1000_u64 {
            let ids = [format!("{round}a"), format!("{round}b")];
            numbers.assign(ids.iter().map(String::as_str), at(round * 100), KEEP);
        }
        assert!(numbers.by_id.len() <= 6 && numbers.last <= 6, "{} {}", numbers.by_id.len(), numbers.last);
    }
}
