//! Sessions that wait to be written into their store. Pure.
//!
//! For each session there is one write: a newer decision takes the place of the one before. Where there is no room for another session, the one
//! that has waited longest is given up.

use std::collections::{HashMap, VecDeque};

use crate::affinity::shared::Write;

/// What a session takes up beside its name and its backend's id: the write itself, its places in the map and in the order, and the headers of their
/// allocations.
const OVERHEAD: usize = 160;

/// What waits.
#[derive(Debug)]
pub(super) struct Backlog {
    writes: HashMap<String, Write>,
    /// By when they came first. Names of which nothing waits any more are skipped.
    order: VecDeque<String>,
    bytes: usize,
    limit: usize,
}

impl Backlog {
    /// Nothing waits; as many bytes may.
    pub fn new(limit: usize) -> Self {
        Self { writes: HashMap::new(), order: VecDeque::new(), bytes: 0, limit }
    }

    /// Adds what was decided of a session. Returns how many others were given up for it.
    pub fn add(&mut self, write: Write) -> u64 {
        let name = write.sessions.names.of(write.key);
        if let Some(known) = self.writes.get_mut(&name) {
            self.bytes = self.bytes + write.backend.len() - known.backend.len();
            *known = Write { replaces: known.replaces || write.replaces, ..write };
        } else {
            self.bytes += size(&name, &write);
            self.order.push_back(name.clone());
            self.writes.insert(name, write);
        }
        let mut dropped = 0;
        while self.bytes > self.limit && self.writes.len() > 1 {
            dropped += u64::from(self.pop().is_some());
        }
        dropped
    }

    /// Puts back what could not be written, unless something newer waits for the same session.
    pub fn put_back(&mut self, write: Write) -> u64 {
        let name = write.sessions.names.of(write.key);
        match self.writes.get_mut(&name) {
            Some(newer) => {
                newer.replaces |= write.replaces;
                0
            }
            None => self.add(write),
        }
    }

    /// Takes out those that have waited longest, at most so many.
    pub fn take(&mut self, most: usize) -> Vec<Write> {
        std::iter::from_fn(|| self.pop()).take(most).collect()
    }

    fn pop(&mut self) -> Option<Write> {
        while let Some(name) = self.order.pop_front() {
            if let Some(write) = self.writes.remove(&name) {
                self.bytes -= size(&name, &write);
                return Some(write);
            }
        }
        None
    }

    /// For how many sessions something waits.
    pub fn len(&self) -> usize {
        self.writes.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// How many bytes wait.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

fn size(name: &str, write: &Write) -> usize {
    OVERHEAD + 2 * name.len() + write.backend.len()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::affinity::shared::{Names, Sessions};
    use crate::affinity::table::StickTable;

    fn writes() -> impl Fn(u64, &str, bool) -> Write {
        let ttl = Duration::from_secs(60);
        let table = Arc::new(StickTable::new(10, ttl, 1));
        let sessions = Arc::new(Sessions { table, names: Names::new("evenkeel", "api", None), ttl });
        move |key, backend, replaces| Write { sessions: Arc::clone(&sessions), key, backend: backend.into(), replaces }
    }

    fn shown(writes: Vec<Write>) -> Vec<(u64, String, bool)> {
        writes.into_iter().map(|write| (write.key, write.backend.to_string(), write.replaces)).collect()
    }

    #[test]
    fn the_newest_decision_for_a_session_counts_and_its_place_is_the_first_one_s() {
        let (write, mut backlog) = (writes(), Backlog::new(1 << 20));
        backlog.add(write(1, "a", false));
        backlog.add(write(2, "b", false));
        backlog.add(write(1, "long name", true));
        backlog.add(write(1, "c", false));
        let all = shown(backlog.take(10));
        assert_eq!(all, [(1, "c".to_owned(), true), (2, "b".to_owned(), false)], "what has moved stays moved");
        assert!(backlog.is_empty() && backlog.bytes() == 0 && backlog.order.is_empty());
    }

    #[test]
    fn what_could_not_be_written_makes_way_for_what_came_meanwhile() {
        let (write, mut backlog) = (writes(), Backlog::new(1 << 20));
        backlog.add(write(1, "new", false));
        backlog.put_back(write(1, "old", true));
        backlog.put_back(write(2, "b", false));
        assert_eq!(shown(backlog.take(10)), [(1, "new".to_owned(), true), (2, "b".to_owned(), false)]);
    }

    #[test]
    fn who_has_waited_longest_is_given_up_for_want_of_room() {
        let (write, mut backlog) = (writes(), Backlog::new(2_600));
        let dropped: u64 = (0..100).map(|key| backlog.add(write(key, "a", false))).sum();
        let left = shown(backlog.take(1_000));
        assert_eq!(dropped + left.len() as u64, 100);
        assert!(left.len() > 5 && left.iter().map(|(key, ..)| *key).eq(dropped..100), "{left:?}");
    }

    #[test]
    fn any_course_of_it_counts_its_bytes_right() {
        let (write, mut backlog) = (writes(), Backlog::new(20_000));
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..20_000 {
            match random.u8(..3) {
                0 => drop(backlog.take(random.usize(..4))),
                1 => _ = backlog.put_back(write(random.u64(..200), "b", random.bool())),
                _ => _ = backlog.add(write(random.u64(..200), &"a".repeat(random.usize(..30)), random.bool())),
            }
            let counted: usize = backlog.writes.iter().map(|(name, write)| size(name, write)).sum();
            assert_eq!(backlog.bytes(), counted);
            assert!(counted <= 20_000 && backlog.order.len() <= 2 * backlog.writes.len() + 1);
        }
    }
}
