//! Takes a record at each change of a backend that is told.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use super::facts::Limits;
use super::history::{History, Record};
use super::read::{Common, Sources};
use crate::clock::Moment;
use crate::event::{Event, Events, Kind};
use crate::snapshot::Snapshot;

/// How many events are looked at in a turn. The events of a turn that tells of more wait for the next one, in the list of events.
const AT_ONCE: usize = 2000;

/// What is needed to say why: where facts are read, and those of the past. Its copies share the same history.
#[derive(Debug, Clone)]
pub struct Why {
    /// Where facts are read.
    pub sources: Sources,
    history: Arc<Mutex<History>>,
}

/// Takes the records. The upkeep has it.
#[derive(Debug)]
pub struct Recorder {
    why: Why,
    events: Arc<Events>,
    /// The last event that was looked at.
    last: u64,
    /// By service, so that all facts of a service share them.
    limits: HashMap<Arc<str>, Arc<Limits>>,
}

impl Why {
    /// With an empty history.
    pub fn new(sources: Sources) -> Self {
        Self { sources, history: Arc::default() }
    }

    /// The facts of the past. Only the control plane takes this lock, and never across an `await`.
    pub fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recorder {
    /// Records what is told in this list, from its beginning on.
    pub fn new(why: Why, events: Arc<Events>) -> Self {
        Self { why, events, last: 0, limits: HashMap::new() }
    }

    /// Takes a record of each change that was told since the last call. To be called right after changes were told, so that the facts are those
    /// of the change.
    pub fn look(&mut self, snapshot: &Snapshot, now: Moment) {
        let batch = self.events.since(self.last, AT_ONCE);
        let Some(newest) = batch.events.last() else { return };
        self.last = newest.id;
        let time = SystemTime::now();
        let mut common: HashMap<Arc<str>, Common> = HashMap::new();
        for event in batch.events.iter().filter(|event| is_change(event)) {
            self.record(event, snapshot, &mut common, (now, time));
        }
    }

    fn record(
        &mut self,
        event: &Arc<Event>,
        snapshot: &Snapshot,
        common: &mut HashMap<Arc<str>, Common>,
        (now, time): (Moment, SystemTime),
    ) {
        let (Some(name), Some(id)) = (&event.subject.service, &event.subject.backend) else { return };
        let mut history = self.why.history();
        // asked first, because to look a backend up among ten thousand is part of what has to be bounded
        let found = history.may_read(now).then(|| {
            let service = snapshot.services.iter().find(|service| service.name == *name)?;
            Some((service, service.endpoints.iter().position(|endpoint| endpoint.id == *id)?))
        });
        let found = found.flatten();
        let facts = found.map(|(service, place)| {
            let sources = &self.why.sources;
            let shared = common
                .entry(Arc::clone(name))
                .or_insert_with(|| sources.common(snapshot, service, self.limits.get(name)));
            self.limits.insert(Arc::clone(name), Arc::clone(shared.limits()));
            Arc::new(sources.facts(service, shared, place, now, time))
        });
        // without facts only a change of the state says anything
        if facts.is_some() || matches!(event.kind, Kind::Backend { .. } | Kind::BackendRemoved { .. }) {
            history.add(Record { event: Arc::clone(event), facts });
        }
    }
}

/// Whether something of how a backend stands may have changed.
fn is_change(event: &Event) -> bool {
    matches!(
        event.kind,
        Kind::Backend { .. }
            | Kind::BackendRemoved { .. }
            | Kind::Fault(_)
            | Kind::Operator { .. }
            | Kind::OperatorExpired { .. }
    )
}
