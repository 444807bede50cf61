//! Keeps the snapshot true between two reloads: who may be picked changes with checks, ejections, breakers and what operators
//! say, and some of it changes by the mere passing of time.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use metrics::counter;

use super::accounts::Accounting;
use super::background;
use super::canaries::CanaryDriver;
use super::checks::{self, Agents};
use super::concurrency::Concurrency;
use super::detection::Detections;
use super::hedging::Hedging;
use super::maintenance_pages::MaintenancePages;
use super::paths::PathSuspicions;
use super::recovery::Recovering;
use crate::clock::Moment;
use crate::detect::fault::Vote;
use crate::endpoint::standing;
use crate::health::dependencies::Dependencies;
use crate::health::ejector::{EjectionChange, Ejector, Evidence};
use crate::health::monitor::Monitor;
use crate::health::outlier::RequestCounts;
use crate::metrics::{Registry, names};
use crate::operator::Operators;
use crate::snapshot::{Service, Snapshot, Store};
use crate::why::{Recorder, Why};

/// How often backends are looked at when nothing was reported: ejections and open breakers end by themselves.
const INTERVAL: Duration = Duration::from_millis(100);

/// The pause after a panic, which is a defect.
const PAUSE_AFTER_PANIC: Duration = Duration::from_secs(1);

/// The least time between two looks: many backends that fail at once are one look's work.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(5);

/// What the upkeep works with.
#[derive(Clone)]
pub(super) struct Upkeep {
    /// The snapshot.
    pub store: Arc<Store>,
    /// The checks.
    pub monitor: Monitor,
    /// What agents have said.
    pub agents: Agents,
    /// What operators have said.
    pub operators: Arc<Operators>,
    /// The counters.
    pub registry: Arc<Registry>,
    /// The checks of what services depend on.
    pub dependencies: Dependencies,
    /// The accounts of what is promised.
    pub accounting: Accounting,
    /// What is done about faults.
    pub recovering: Recovering,
    /// What is asked by those who want to know why: the ejector, and what backends were like when they changed.
    pub why: Why,
}

impl Upkeep {
    /// Looks after the availability of every backend, for ever: also after a defect, which costs what had not been written down.
    pub async fn run(self) {
        loop {
            match tokio::task::spawn_local(self.clone().keep_up_to_date()).await {
                // the panic itself has been counted and said
                Err(error) if error.is_panic() => tokio::time::sleep(PAUSE_AFTER_PANIC).await,
                _ => return,
            }
        }
    }

    async fn keep_up_to_date(self) {
        let Self { store, monitor, agents, operators, registry, dependencies, accounting, recovering, why } = self;
        *why.sources.ejector() = Ejector::default();
        let mut recorder = Recorder::new(why.clone(), Arc::clone(store.events()));
        let events = Arc::clone(store.events());
        let mut canaries = CanaryDriver::new(Arc::clone(&registry), Arc::clone(&why.sources.faults));
        let mut detections =
            Detections::new(registry, monitor.clone(), dependencies, Arc::clone(&why.sources.faults), events);
        let (mut suspicions, mut hedging) = (PathSuspicions::default(), Hedging::default());
        let (mut concurrency, mut pages) = (Concurrency::default(), MaintenancePages::default());
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
                why.sources.ejector().update(checks::watched(&snapshot));
                detections.update(&snapshot, now);
                suspicions.update(&snapshot);
                hedging.update(&snapshot);
                concurrency.update(&snapshot, now);
                canaries.update(&snapshot);
            }
            hedging.look(now);
            concurrency.look(now, store.events());
            suspicions.look(&snapshot, &monitor, now);
            detections.observe(&snapshot, now);
            let evidence = SnapshotEvidence { snapshot: &snapshot, detections: &detections };
            let ejections = why.sources.ejector().tick(now, &evidence);
            for change in ejections {
                count_ejection(&change);
                detections.acted(&change.service, &change.id, &change.action);
            }
            canaries.look(&snapshot, &operators, now);
            agents.expire(now);
            if operators.expire(SystemTime::now(), snapshot.endpoints()) {
                // a disk may take its time, for which nothing here may wait
                let operators = Arc::clone(&operators);
                tokio::task::spawn_local(async move { operators.keep().await });
            }
            pages.look(&snapshot, is_other, &operators, store.events());
            let before = std::mem::replace(&mut changes, standing::changes());
            store.refresh(now, is_other || changes != before);
            recorder.look(&store.load(), now);
            accounting.look(&store.load(), Moment::now());
            recovering.look(&store.load(), Moment::now());
            background::discard(store.sweep());
            tokio::time::sleep(SHORTEST_INTERVAL).await;
            tokio::select! {
                () = store.news().notified() => {}
                () = recovering.news() => {}
                () = tokio::time::sleep(INTERVAL) => {}
            }
        }
    }
}

fn count_ejection(change: &EjectionChange) {
    let Some(reason) = change.ejected else { return };
    let (service, backend) = (change.service.to_string(), change.id.to_string());
    let labels = [("service", service), ("backend", backend), ("reason", reason.label().to_owned())];
    counter!(names::EJECTIONS.name, &labels).increment(1);
}

/// What the backends of a snapshot are judged by. They are in the same order as those that are watched.
struct SnapshotEvidence<'a> {
    snapshot: &'a Snapshot,
    detections: &'a Detections,
}

impl Evidence for SnapshotEvidence<'_> {
    fn attempts(&self, service: usize) -> u64 {
        let attempts = |service: &Arc<Service>| service.attempts.begun().wrapping_add(service.attempts.ended());
        self.snapshot.services.get(service).map(attempts).unwrap_or_default()
    }

    fn counts(&self, service: usize, backend: usize) -> RequestCounts {
        let metrics = self.snapshot.services.get(service).and_then(|service| service.upstream.get(backend));
        let attempts = metrics.map(|metrics| metrics.attempts()).unwrap_or_default();
        RequestCounts {
            requests: attempts.ended,
            failures: attempts.failed,
            elapsed: Duration::from_micros(attempts.micros),
        }
    }

    fn suspicion(&self, service: usize, backend: usize) -> f64 {
        self.detections.suspicion(service, backend)
    }

    fn seems_to_hang(&self, service: usize, backend: usize) -> bool {
        self.detections.seems_to_hang(service, backend)
    }

    fn accusation(&self, service: usize, backend: usize) -> Option<&Vote> {
        self.detections.accusation(service, backend)
    }
}
