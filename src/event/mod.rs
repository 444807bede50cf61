//! Events: each is told once, put into one list, and read there by all who want to know.
//!
//! Whoever changes something on the control plane tells it here. An event is written to the log and counted as it is told; the last
//! [`KEPT`] are kept, and a [`Subscription`] reads them from there, each at its own pace. There is one list, so a subscriber that does
//! not read costs no memory and holds nobody up: it finds its place gone and is told how many events it has missed.

mod filter;
pub mod kind;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use metrics::{Counter, counter};
use serde_json::{Map, Value, json};
use tokio::sync::watch;

pub use filter::Filter;
pub use kind::{
    AccessFileChange, BackupChange, CanaryChange, Certificate, CertificateChange, ClusterChange, DiscoveryChange,
    FaultChange, GivingWay, HandOverChange, Kind, LedgerChange, Level, ListenerChange, MaintenancePageChange,
    OtlpChange, PageFileChange, PathChange, PromiseChange, ProtectionEnd, RecoveryChange, Refused, Sessions,
    ShareChange, SheddingChange, SplitBack, StoreChange, StoreUse,
};

use crate::clock::{Moment, rfc3339};
use crate::metrics::names;

/// Events that are kept for those who come later.
pub const KEPT: usize = 10_000;

/// What an event is about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subject {
    /// A service, by name.
    pub service: Option<Arc<str>>,
    /// A backend of it, by id.
    pub backend: Option<Arc<str>>,
    /// A listener, by name.
    pub listener: Option<Arc<str>>,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Greater than that of each event before, also of those before a restart.
    pub id: u64,
    /// When it happened, by the wall's clock.
    pub time: SystemTime,
    /// When it happened, by the process's clock.
    pub moment: Moment,
    /// What it happened to.
    pub subject: Subject,
    /// What happened.
    pub kind: Kind,
}

/// All events of the process.
#[derive(Debug)]
pub struct Events {
    list: Mutex<List>,
    /// The id of the newest event.
    newest: watch::Sender<u64>,
    /// The counter of each kind, by its name.
    counters: HashMap<&'static str, Counter>,
}

#[derive(Debug)]
struct List {
    kept: VecDeque<Arc<Event>>,
    next: u64,
    /// The id of the first event of this process.
    first: u64,
}

/// Reads events as they come.
#[derive(Debug)]
pub struct Subscription {
    events: Arc<Events>,
    newest: watch::Receiver<u64>,
    /// The id of the last event that was read.
    last: u64,
}

/// What a subscriber gets.
#[derive(Debug, Default, PartialEq)]
pub struct Batch {
    /// Events in their order.
    pub events: Vec<Arc<Event>>,
    /// Events before them that are not kept any more.
    pub missed: u64,
}

impl Subject {
    /// A service.
    pub fn service(name: &Arc<str>) -> Self {
        Self { service: Some(Arc::clone(name)), ..Self::default() }
    }

    /// A backend.
    pub fn backend(service: &Arc<str>, id: &Arc<str>) -> Self {
        Self { service: Some(Arc::clone(service)), backend: Some(Arc::clone(id)), listener: None }
    }

    /// A listener.
    pub fn listener(name: &Arc<str>) -> Self {
        Self { listener: Some(Arc::clone(name)), ..Self::default() }
    }
}

impl Event {
    /// The event as the API gives it.
    pub fn to_json(&self) -> Value {
        let mut event = Map::new();
        event.insert("id".to_owned(), json!(self.id));
        event.insert("time".to_owned(), json!(rfc3339(self.time)));
        event.insert("kind".to_owned(), json!(self.kind.name()));
        event.insert("level".to_owned(), json!(self.kind.level().as_str()));
        let subject = &self.subject;
        let named = [("listener", &subject.listener), ("service", &subject.service), ("backend", &subject.backend)];
        for (name, value) in named {
            if let Some(value) = value {
                event.insert(name.to_owned(), json!(&**value));
            }
        }
        event.insert("text".to_owned(), json!(self.kind.text()));
        event.insert("cause".to_owned(), self.kind.cause());
        Value::Object(event)
    }
}

impl Default for Events {
    /// An empty list. Ids begin with the microseconds since 1970: they grow over restarts, and a number of JavaScript holds them exactly.
    fn default() -> Self {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self::beginning_with(u64::try_from(since.as_micros()).unwrap_or_default().max(1))
    }
}

impl Events {
    fn beginning_with(id: u64) -> Self {
        let list = List { kept: VecDeque::new(), next: id, first: id };
        // every series is there from the start, so that the first event of a kind is an increase
        let counters = kind::NAMES.iter().map(|kind| (*kind, counter!(names::EVENTS.name, "kind" => *kind))).collect();
        Self { list: Mutex::new(list), newest: watch::Sender::new(id - 1), counters }
    }

    /// Tells of something that has happened at this moment.
    pub fn tell(&self, subject: Subject, kind: Kind) {
        self.tell_of(subject, kind, SystemTime::now(), Moment::now());
    }

    /// Tells of something that happened at this time.
    pub fn tell_of(&self, subject: Subject, kind: Kind, time: SystemTime, moment: Moment) {
        if let Some(counter) = self.counters.get(kind.name()) {
            counter.increment(1);
        }
        let mut list = self.list();
        // while the list is held: so the lines of the log are in the order of the ids, whichever threads tell
        kind.log(&subject);
        let id = list.next;
        list.next += 1;
        if list.kept.len() == KEPT {
            list.kept.pop_front();
        }
        list.kept.push_back(Arc::new(Event { id, time, moment, subject, kind }));
        self.newest.send_replace(id);
    }

    /// The events after the one with the id `last`, as far as they are kept: the first `most` of them.
    pub fn since(&self, last: u64, most: usize) -> Batch {
        let list = self.list();
        let Some(oldest) = list.kept.front().map(|event| event.id) else { return Batch::default() };
        // an id of another life of the process, of which nothing is known here
        let last = if (list.first..list.next).contains(&last) { last } else { 0 };
        // ids are given one after the other, so that a place in the list is known by its id
        let skipped = usize::try_from((last + 1).saturating_sub(oldest)).unwrap_or(usize::MAX);
        let events = list.kept.iter().skip(skipped).take(most).cloned().collect();
        let missed = if last == 0 { 0 } else { oldest.saturating_sub(last + 1) };
        Batch { events, missed }
    }

    /// How many of the events since the start are not kept any more.
    pub fn dropped(&self) -> u64 {
        let list = self.list();
        list.kept.front().map_or(0, |oldest| oldest.id.saturating_sub(list.first))
    }

    /// The last `most` events, the oldest of them first.
    pub fn newest(&self, most: usize) -> Batch {
        let list = self.list();
        let skipped = list.kept.len().saturating_sub(most);
        Batch { events: list.kept.iter().skip(skipped).cloned().collect(), missed: 0 }
    }

    /// Subscribes to the events after the one with the id `last`; `None` = to those from now on.
    pub fn subscribe(self: &Arc<Self>, last: Option<u64>) -> Subscription {
        let newest = self.newest.subscribe();
        let now = *newest.borrow();
        let last = last.map_or(now, |last| if last > now { 0 } else { last });
        Subscription { events: Arc::clone(self), newest, last }
    }

    fn list(&self) -> MutexGuard<'_, List> {
        // the list is whole whatever panicked while it was held
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Subscription {
    /// The id of the last event that was given, or after which it began.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// Waits for what comes next, and gives up to `most` events of it.
    pub async fn next(&mut self, most: usize) -> Batch {
        loop {
            let batch = self.events.since(self.last, most);
            if let Some(newest) = batch.events.last() {
                self.last = newest.id;
                return batch;
            }
            // the sender is in `events`, which is held
            let last = self.last;
            let _ = self.newest.wait_for(|newest| *newest > last).await;
        }
    }
}

#[cfg(test)]
mod tests;
