//! Drives the detection: reads the counters of every backend, lets the detectors of its service look at what is new, and tells of what
//! they have found.
//!
//! The counters belong to the workers, which know nothing of this. Backends that nobody asks and against which nothing speaks are looked at once an
//! interval only, so that ten thousand idle backends cost next to nothing.

pub(super) mod readings;
mod services;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use metrics::counter;

use crate::clock::Moment;
use crate::detect::fault::{Verdict, Vote};
use crate::detect::sample::Sample;
use crate::detect::service::Changes;
use crate::event::{self, Events, FaultChange, Kind};
use crate::health::dependencies::Dependencies;
use crate::health::faults::{Fault, Faults};
use crate::health::monitor::Monitor;
use crate::metrics::{Registry, names};
use crate::record::samples::SampleLogs;
use crate::snapshot::Snapshot;
use readings::EpochTimes;
use services::{LookSources, ServiceDetection};

/// The detection of all services.
pub(super) struct Detections {
    registry: Arc<Registry>,
    monitor: Monitor,
    dependencies: Dependencies,
    logs: SampleLogs,
    faults: Arc<Faults>,
    events: Arc<Events>,
    times: EpochTimes,
    /// In the order of the snapshot.
    services: Vec<ServiceDetection>,
    /// The samples of one service at a time; kept so that they need not be allocated again.
    samples: Vec<Sample>,
}

impl Detections {
    /// Looks at nothing yet.
    pub fn new(
        registry: Arc<Registry>,
        monitor: Monitor,
        dependencies: Dependencies,
        faults: Arc<Faults>,
        events: Arc<Events>,
    ) -> Self {
        let times = EpochTimes::new(registry.epoch(), Moment::now());
        let logs = SampleLogs::default();
        // what was found by a detection that has panicked nobody would clear
        faults.forget();
        Self { registry, monitor, dependencies, logs, faults, events, times, services: Vec::new(), samples: Vec::new() }
    }

    /// Another snapshot is in force. What is known of backends that stay is kept.
    pub fn update(&mut self, snapshot: &Snapshot, now: Moment) {
        let mut before: Vec<_> = self.services.drain(..).map(Some).collect();
        for service in &snapshot.services {
            let known = before.iter_mut().find(|known| known.as_ref().is_some_and(|known| known.is_of(service)));
            let detection = match known.and_then(Option::take) {
                Some(mut known) => {
                    for (backend, verdict) in known.update(service) {
                        self.tell_cleared(&known.name, Some(backend), verdict);
                    }
                    known
                }
                None => ServiceDetection::new(service, now),
            };
            self.services.push(detection);
        }
        for gone in before.into_iter().flatten() {
            for verdict in gone.verdicts() {
                self.tell_cleared(&gone.name, gone.backend_of(&verdict.subject), verdict.clone());
            }
        }
        let depending = snapshot.services.iter().map(|service| (&service.name, &*service.detection.dependencies));
        self.dependencies.update(depending);
        self.logs.update(snapshot.services.iter().filter_map(|service| service.detection.record.as_deref()));
        self.logs.reopen();
    }

    /// Looks at all services once.
    pub fn observe(&mut self, snapshot: &Snapshot, now: Moment) {
        let next = self.times.next(now);
        let mut changed = Vec::new();
        for (at, (detection, service)) in self.services.iter_mut().zip(&snapshot.services).enumerate() {
            let (times, monitor, dependencies) = (&self.times, &self.monitor, &self.dependencies);
            let sources = LookSources { times, next, now, monitor, dependencies };
            let Some(changes) = detection.look(service, &sources, &mut self.samples) else { continue };
            if let Some(log) = service.detection.record.as_deref().and_then(|file| self.logs.get(file)) {
                detection.record(log, now);
            }
            if changes != Changes::default() {
                changed.push((at, changes));
            }
        }
        changed.into_iter().for_each(|(at, changes)| self.tell(at, changes));
        if next.is_some() {
            self.times.advance(self.registry.epoch(), now);
        }
    }

    /// What speaks against a backend, both named by their places: 0 = nothing, 1 = it is accused.
    pub fn suspicion(&self, service: usize, backend: usize) -> f64 {
        self.services.get(service).map_or(0.0, |service| service.suspicion(backend))
    }

    /// Whether a backend seems to hang.
    pub fn seems_to_hang(&self, service: usize, backend: usize) -> bool {
        self.services.get(service).is_some_and(|service| service.seems_to_hang(backend))
    }

    /// What a backend is accused of.
    pub fn accusation(&self, service: usize, backend: usize) -> Option<&Vote> {
        self.services.get(service)?.accusation(backend)
    }

    /// A backend was ejected or readmitted, for this reason.
    pub fn acted(&mut self, service: &str, backend: &str, action: &str) {
        if let Some(detection) = self.services.iter_mut().find(|detection| &*detection.name == service) {
            detection.forgive(backend);
        }
        self.faults.acted(service, backend, action);
    }

    /// Tells of what has changed in the verdicts on the service at this place.
    fn tell(&self, at: usize, changes: Changes) {
        let Changes { raised, cleared, left_out } = changes;
        let detection = &self.services[at];
        let name = &detection.name;
        for verdict in raised {
            let fault = verdict.fault.as_str();
            counter!(names::FAULTS.name, "service" => name.to_string(), "fault" => fault).increment(1);
            let backend = detection.backend_of(&verdict.subject);
            self.faults.raise(Fault {
                service: Arc::clone(name),
                backend: backend.clone(),
                verdict: verdict.clone(),
                since: SystemTime::now(),
                until: None,
                action: String::new(),
            });
            self.events.tell(subject(name, backend.as_ref()), Kind::Fault(FaultChange { verdict, held: None }));
        }
        for verdict in cleared {
            self.tell_cleared(name, detection.backend_of(&verdict.subject), verdict);
        }
        for (detector, reason) in left_out {
            let detector = detector.as_str();
            self.events.tell(event::Subject::service(name), Kind::DetectorLeftOut { detector, reason });
        }
    }

    /// Tells of a verdict that holds no more, on this backend where it is on one.
    fn tell_cleared(&self, service: &Arc<str>, backend: Option<Arc<str>>, verdict: Verdict) {
        let now = SystemTime::now();
        let known = self.faults.clear(service, backend.as_deref(), &verdict.subject, now);
        let held = known.and_then(|fault| now.duration_since(fault.since).ok()).unwrap_or(Duration::ZERO);
        self.events.tell(subject(service, backend.as_ref()), Kind::Fault(FaultChange { verdict, held: Some(held) }));
    }
}

/// Whom an event is about.
fn subject(service: &Arc<str>, backend: Option<&Arc<str>>) -> event::Subject {
    match backend {
        Some(backend) => event::Subject::backend(service, backend),
        None => event::Subject::service(service),
    }
}
