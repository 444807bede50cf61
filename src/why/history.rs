//! The facts at each change of a backend, as far as there is room for them.
//!
//! A record is taken when a change of a backend is told. What is kept is bounded in bytes: the oldest records go first, but the last one of a
//! backend stays for as long as there is any that a newer one has replaced. How many facts are read in a second is bounded as well, so that ten
//! thousand backends which flap do not hold up the control plane: of the changes beyond that only the event is kept.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::SystemTime;

use super::facts::Facts;
use crate::clock::{Moment, Stamp};
use crate::event::{Event, Kind};

/// The most bytes that all records take: with facts of 1 kB, 8,000 of them.
pub const ROOM: usize = 8 << 20;

/// The most facts that are read in a second. One reading walks over the backends of its service, which takes about 20 µs for ten thousand.
pub const PER_SECOND: u32 = 200;

/// A change of a backend.
#[derive(Debug, Clone)]
pub struct Record {
    /// What was told of it.
    pub event: Arc<Event>,
    /// The facts right after it; `None` = too much changed in that second.
    pub facts: Option<Arc<Facts>>,
}

/// What is known of a backend at a time.
#[derive(Debug, Clone)]
pub enum Then {
    /// The last change before that time.
    Record(Record),
    /// That time is before the first change that is kept of it. This is that change, from which the state before it is known, and since when.
    Before(Record),
    /// Nothing is kept of it.
    Nothing,
}

/// The service and the id of a backend.
type Name = (Arc<str>, Arc<str>);

/// The records of all backends.
#[derive(Debug)]
pub struct History {
    backends: HashMap<Name, VecDeque<(u64, Record)>>,
    /// By number, which grows with time: the backends that have a record that a newer one has replaced.
    replaced: BTreeMap<u64, Name>,
    /// The same for the last record of each.
    last: BTreeMap<u64, Name>,
    next: u64,
    bytes: usize,
    room: usize,
    budget: Budget,
}

/// How many facts may still be read.
#[derive(Debug)]
struct Budget {
    left: u32,
    second: u64,
}

impl Default for History {
    fn default() -> Self {
        Self::with_room(ROOM)
    }
}

impl History {
    /// An empty history that takes this many bytes at most.
    pub fn with_room(room: usize) -> Self {
        Self {
            backends: HashMap::new(),
            replaced: BTreeMap::new(),
            last: BTreeMap::new(),
            next: 0,
            bytes: 0,
            room,
            budget: Budget { left: PER_SECOND, second: 0 },
        }
    }

    /// Whether facts may be read now; they count as read then.
    pub fn may_read(&mut self, now: Moment) -> bool {
        let second = now.as_millis() / 1000;
        if second != self.budget.second {
            self.budget = Budget { left: PER_SECOND, second };
        }
        let left = self.budget.left.checked_sub(1);
        self.budget.left = left.unwrap_or(0);
        left.is_some()
    }

    /// Adds a change of the backend that its event is about; those about anything else are passed over.
    pub fn add(&mut self, record: Record) {
        let subject = &record.event.subject;
        let (Some(service), Some(backend)) = (&subject.service, &subject.backend) else { return };
        let name = (Arc::clone(service), Arc::clone(backend));
        let number = self.next;
        self.next += 1;
        self.bytes += bytes(&record);
        let records = self.backends.entry(name.clone()).or_default();
        if let Some((before, _)) = records.back()
            && let Some(name) = self.last.remove(before)
        {
            self.replaced.insert(*before, name);
        }
        records.push_back((number, record));
        self.last.insert(number, name);
        while self.bytes > self.room && self.forget_one() {}
    }

    /// Forgets the oldest record that a newer one has replaced, or else the oldest of all.
    fn forget_one(&mut self) -> bool {
        let Some((number, name)) = self.replaced.pop_first().or_else(|| self.last.pop_first()) else { return false };
        let Some(records) = self.backends.get_mut(&name) else { return true };
        // the records of a backend are in order, so the oldest is the first
        let end = records.partition_point(|(first, _)| *first <= number);
        let forgotten: usize = records.drain(..end).map(|(_, record)| bytes(&record)).sum();
        self.bytes = self.bytes.saturating_sub(forgotten);
        if records.is_empty() {
            self.backends.remove(&name);
        }
        true
    }

    /// What is known of a backend at a time of the wall's clock, to the millisecond: the API tells times no finer, and what it tells is asked for.
    pub fn at(&self, service: &str, backend: &str, time: SystemTime) -> Then {
        let name = (Arc::from(service), Arc::from(backend));
        let Some(records) = self.backends.get(&name) else { return Then::Nothing };
        let time = Stamp::from(time);
        let before = records.iter().rev().find(|(_, record)| Stamp::from(record.event.time) <= time);
        // what it was before is known from the first change of its state; a fault may have been found before that
        let is_of_state = |(_, record): &&(u64, Record)| matches!(record.event.kind, Kind::Backend { .. });
        match (before, records.iter().find(is_of_state).or(records.front())) {
            (Some((_, record)), _) => Then::Record(record.clone()),
            (None, Some((_, first))) => Then::Before(first.clone()),
            (None, None) => Then::Nothing,
        }
    }

    /// The facts of the change to the state that a backend is in; `None` = they are not kept.
    pub fn change(&self, service: &str, backend: &str) -> Option<Arc<Facts>> {
        let records = self.backends.get(&(Arc::from(service), Arc::from(backend)))?;
        let is_change = |(_, record): &&(u64, Record)| matches!(record.event.kind, Kind::Backend { .. });
        records.iter().rev().find(is_change)?.1.facts.clone()
    }

    /// How many records there are, and how many bytes they take.
    pub fn size(&self) -> (usize, usize) {
        (self.replaced.len() + self.last.len(), self.bytes)
    }
}

/// About how many bytes a record takes, with its places in the lists. Its event is also in the list of events, for a while.
fn bytes(record: &Record) -> usize {
    const PLACES: usize = size_of::<(u64, Record)>() + 2 * size_of::<(u64, Name)>() + size_of::<Event>();
    PLACES + record.facts.as_ref().map_or(0, |facts| facts.bytes())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::endpoint::state::{DecidedBy, State};
    use crate::event::Subject;
    use crate::why::testing::facts;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn change(backend: &str, seconds: u64, state: State) -> Record {
        let kind = Kind::Backend { state, by: DecidedBy::Checks, reason: String::new(), was: None, after: None };
        let subject = Subject::backend(&"api".into(), &backend.into());
        let event = Event { id: seconds, time: at(seconds), moment: Moment::NEVER, subject, kind };
        Record { event: Arc::new(event), facts: Some(Arc::new(facts())) }
    }

    fn then(history: &History, backend: &str, seconds: u64) -> (&'static str, u64) {
        match history.at("api", backend, at(seconds)) {
            Then::Record(record) => ("record", record.event.id),
            Then::Before(record) => ("before", record.event.id),
            Then::Nothing => ("nothing", 0),
        }
    }

    #[test]
    fn the_record_in_force_at_a_time_is_the_last_one_before_it() {
        let mut history = History::default();
        for seconds in [10, 20, 30] {
            history.add(change("a", seconds, State::Down));
        }
        assert_eq!(
            [9, 10, 19, 25, 99].map(|time| then(&history, "a", time)),
            [("before", 10), ("record", 10), ("record", 10), ("record", 20), ("record", 30)]
        );
        assert_eq!(then(&history, "b", 99), ("nothing", 0));
    }

    #[test]
    fn the_oldest_go_first_and_the_last_of_each_backend_stays_while_there_are_others() {
        let each = bytes(&change("a", 0, State::Up));
        let mut history = History::with_room(5 * each);
        history.add(change("quiet", 1, State::Down));
        for seconds in 2..100 {
            history.add(change("flaps", seconds, State::Down));
        }
        assert_eq!(history.size(), (5, 5 * each));
        assert_eq!(then(&history, "quiet", 50), ("record", 1), "its last one is older than all others");
        assert_eq!(then(&history, "flaps", 50), ("before", 96));
        for backend in ["b", "c", "d", "e", "f", "g"] {
            history.add(change(backend, 200, State::Down));
        }
        assert_eq!(history.size().0, 5, "where there are only last ones, the oldest of these goes");
        assert_eq!((then(&history, "quiet", 300).0, then(&history, "g", 300).0), ("nothing", "record"));
    }

    #[test]
    fn only_so_many_facts_are_read_in_a_second() {
        let mut history = History::default();
        let second = |n: u64| Moment::from_millis((1 << 40) / 1000 * 1000 + n * 1000 + 7);
        assert_eq!((0..1000).filter(|_| history.may_read(second(0))).count(), 200);
        assert_eq!((0..1000).filter(|_| history.may_read(second(1))).count(), 200);
    }

    #[test]
    fn ten_thousand_backends_that_flap_take_no_more_than_the_room() {
        let mut history = History::default();
        let facts = Arc::new(facts());
        for round in 0..3 {
            for backend in 0..10_000 {
                let record = change(&backend.to_string(), round, State::Down);
                history.add(Record { facts: Some(Arc::clone(&facts)), ..record });
            }
        }
        let (records, bytes) = history.size();
        assert!(bytes <= ROOM && records > 5_000, "{records} records in {bytes} bytes");
    }
}
