//! Keeps the snapshot true between two reloads: who may be picked changes with checks, ejections, breakers and what operators
//! say, and some of it changes by the mere passing of time.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use metrics::counter;

use super::background;
use super::checks::{self, Agents};
use crate::clock::Moment;
use crate::endpoint::standing;
use crate::health::ejector::{Ejector, Totals};
use crate::health::monitor::Monitor;
use crate::health::outlier::RequestCounts;
use crate::metrics::names;
use crate::operator::Operators;
use crate::snapshot::{Snapshot, Store};

/// How often backends are looked at when nothing was reported: ejections and open breakers end by themselves.
const INTERVAL: Duration = Duration::from_millis(100);

/// The pause after a panic, which is a defect.
const PAUSE_AFTER_PANIC: Duration = Duration::from_secs(1);

/// The least time between two looks: many backends that fail at once are one look's work.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(5);

/// Looks after the availability of every backend, for ever: also after a defect, which costs what had not been written down.
pub(super) async fn run(store: Arc<Store>, monitor: Monitor, agents: Agents, operators: Arc<Operators>) {
    loop {
        let look = keep_up_to_date(Arc::clone(&store), monitor.clone(), agents.clone(), Arc::clone(&operators));
        match tokio::task::spawn_local(look).await {
            // the panic itself has been counted and said
            Err(error) if error.is_panic() => tokio::time::sleep(PAUSE_AFTER_PANIC).await,
            _ => return,
        }
    }
}

async fn keep_up_to_date(store: Arc<Store>, monitor: Monitor, agents: Agents, operators: Arc<Operators>) {
    let mut ejector = Ejector::default();
    let (mut generation, mut changes) = (0, 0);
    loop {
        let now = Moment::now();
        let snapshot = store.load();
        // availability changes within a generation, who there is does not
        let is_other = std::mem::replace(&mut generation, snapshot.generation) != snapshot.generation;
        if is_other {
            let targets = checks::targets(&snapshot);
            agents.update(&targets);
            monitor.update(targets);
            ejector.update(checks::watched(&snapshot));
        }
        for event in ejector.tick(now, &SnapshotTotals(&snapshot)) {
            if let Some(reason) = event.ejected {
                let (service, backend) = (event.service.to_string(), event.id.to_string());
                let labels = [("service", service), ("backend", backend), ("reason", reason.label().to_owned())];
                counter!(names::EJECTIONS.name, &labels).increment(1);
            }
        }
        agents.expire(now);
        if operators.expire(SystemTime::now(), snapshot.endpoints()) {
            // a disk may take its time, for which nothing here may wait
            let operators = Arc::clone(&operators);
            tokio::task::spawn_local(async move { operators.keep().await });
        }
        let before = std::mem::replace(&mut changes, standing::changes());
        store.refresh(now, is_other || changes != before);
        background::discard(store.sweep());
        tokio::time::sleep(SHORTEST_INTERVAL).await;
        tokio::select! {
            () = store.news().notified() => {}
            () = tokio::time::sleep(INTERVAL) => {}
        }
    }
}

/// The counts of a snapshot's backends, which are in the same order as those that are watched.
struct SnapshotTotals<'a>(&'a Snapshot);

impl Totals for SnapshotTotals<'_> {
    fn attempts(&self, service: usize) -> u64 {
        self.0.services.get(service).map(|service| service.attempts.ended()).unwrap_or_default()
    }

    fn counts(&self, service: usize, backend: usize) -> RequestCounts {
        let metrics = self.0.services.get(service).and_then(|service| service.upstream.get(backend));
        let attempts = metrics.map(|metrics| metrics.attempts()).unwrap_or_default();
        RequestCounts {
            requests: attempts.ended,
            failures: attempts.failed,
            elapsed: Duration::from_micros(attempts.micros),
        }
    }
}
