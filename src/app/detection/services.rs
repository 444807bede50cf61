//! The detection of one service: which of its backends is which, and what their counters show.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ahash::AHashMap;
use rustix::time::{ClockId, clock_gettime};

use super::readings::{BackendReadings, EpochTimes};
use crate::clock::Moment;
use crate::detect::fault::{Subject, Verdict, Vote};
use crate::detect::sample::Sample;
use crate::detect::service::{Changes, Detection, Input};
use crate::detect::settings::{Backend, Dependency};
use crate::endpoint::{Endpoint, Target, precedence};
use crate::health::dependencies::Dependencies;
use crate::health::monitor::Monitor;
use crate::record::samples::SampleLog;
use crate::snapshot::Service;

/// How often a backend is checked that has refused the connection of a request.
const REFUSING_EVERY: Duration = Duration::from_millis(100);
/// For how long after the last such connection, unless it is well before.
const REFUSING_FOR: Duration = Duration::from_secs(3);
/// The most backends of a service that begin to be checked so often at a time.
const MOST_REFUSING: usize = 8;

/// The detection of one service.
#[derive(Debug)]
pub struct ServiceDetection {
    /// The service's name.
    pub name: Arc<str>,
    endpoints: Vec<Arc<Endpoint>>,
    readings: Vec<BackendReadings>,
    detection: Detection,
    /// When it was looked at last.
    looked: Moment,
    /// When it was looked at last with all that is read once an interval.
    looked_closely: Moment,
    /// Attempts that had begun and ended by then.
    attempts: (u64, u64),
    /// Nothing waited for an answer then, and nothing spoke against anybody.
    is_quiet: bool,
    /// How what it depends on was at the last close look.
    dependencies: Vec<Dependency>,
    /// What was seen since the last close look, where that is recorded.
    recorded: Vec<Sample>,
}

/// Where a look finds what it looks at, beside the service.
#[derive(Debug, Clone, Copy)]
pub struct LookSources<'a> {
    /// By which the ages of attempts are told.
    pub times: &'a EpochTimes,
    /// The epoch that begins after this look, if one does.
    pub next: Option<usize>,
    /// The present.
    pub now: Moment,
    /// The checks of backends.
    pub monitor: &'a Monitor,
    /// The checks of what services depend on.
    pub dependencies: &'a Dependencies,
}

impl ServiceDetection {
    /// Nothing is known yet.
    pub fn new(service: &Service, now: Moment) -> Self {
        let settings = service.detection.settings.clone();
        let mut detection = Detection::new(settings.clone(), backends(service));
        detection.set_clock(processor_time);
        let readings = service.upstream.iter().map(|upstream| BackendReadings::from_now_on(upstream));
        Self {
            name: Arc::clone(&service.name),
            endpoints: service.endpoints.clone(),
            readings: readings.collect(),
            detection,
            looked: now,
            // services of one start do not all look closely at the same moment
            looked_closely: now.plus(settings.interval.mul_f64(fastrand::f64())),
            attempts: (0, 0),
            is_quiet: false,
            dependencies: Vec::new(),
            recorded: Vec::new(),
        }
    }

    /// Whether it is that of this service.
    pub fn is_of(&self, service: &Service) -> bool {
        self.name == service.name
    }

    /// Takes over the service's settings and backends as they are now. Gives back the verdicts on backends that are gone, with their ids.
    pub fn update(&mut self, service: &Service) -> Vec<(Arc<str>, Verdict)> {
        let places = places(&self.endpoints, &service.endpoints);
        let gone = self.detection.update(service.detection.settings.clone(), backends(service), &places);
        let gone = gone.into_iter().filter_map(|verdict| Some((self.backend_of(&verdict.subject)?, verdict))).collect();
        let mut before: Vec<_> = self.readings.drain(..).map(Some).collect();
        let kept = places.iter().zip(&service.upstream).map(|(place, upstream)| {
            let known = place.and_then(|at| before.get_mut(at)?.take());
            known.unwrap_or_else(|| BackendReadings::from_now_on(upstream))
        });
        self.readings = kept.collect();
        self.endpoints = service.endpoints.clone();
        // what was known of dependencies that it has no more would be believed for ever
        self.dependencies.clear();
        self.recorded.clear();
        self.is_quiet = false;
        gone
    }

    /// The verdicts that hold.
    pub fn verdicts(&self) -> &[Verdict] {
        self.detection.verdicts()
    }

    /// Looks at the service, unless nothing can have changed; `None` = it was not looked at.
    pub fn look(&mut self, service: &Service, sources: &LookSources<'_>, samples: &mut Vec<Sample>) -> Option<Changes> {
        let LookSources { times, next, now, monitor, dependencies } = *sources;
        let is_close = now.since(self.looked_closely) >= service.detection.settings.interval;
        let attempts = (service.attempts.begun(), service.attempts.ended());
        let is_unchanged = std::mem::replace(&mut self.attempts, attempts) == attempts;
        if is_unchanged && self.is_quiet && !is_close {
            return None;
        }
        samples.resize_with(self.endpoints.len().max(samples.len()), Sample::default);
        let samples = &mut samples[..self.endpoints.len()];
        for (at, sample) in samples.iter_mut().enumerate() {
            let (endpoint, upstream) = (&service.endpoints[at], &service.upstream[at]);
            *sample = standing(endpoint, service.load_reports.expire, now);
            // what a backend did before it went away does not speak against the one that has come back
            if self.readings[at].has_joined(endpoint.live.standing.joined()) {
                self.detection.forgive(at);
            }
            self.readings[at].read(upstream, times, next, now, sample);
            if is_close {
                self.readings[at].read_histogram(upstream, &mut sample.latencies);
                if service.health.is_some() {
                    take_check(monitor, endpoint, &mut self.readings[at].checked, sample);
                }
            }
        }
        check_refusing(monitor, service, samples, now);
        self.is_quiet = samples.iter().all(|sample| sample.waiting.count() == 0);
        if service.detection.record.is_some() {
            self.add_to_record(samples);
        }
        if is_close && !service.detection.dependencies.is_empty() {
            self.dependencies = dependencies.of(&self.name);
        }
        let changes = self.detection.observe(&Input {
            now: Duration::from_millis(now.as_millis()),
            lasted: now.since(self.looked),
            samples,
            dependencies: &self.dependencies,
        });
        self.looked = now;
        if is_close {
            self.looked_closely = now;
        }
        self.is_quiet &= (0..self.endpoints.len()).all(|at| self.detection.suspicion(at) <= 0.0);
        Some(changes)
    }

    fn add_to_record(&mut self, samples: &[Sample]) {
        if self.recorded.len() == samples.len() {
            self.recorded.iter_mut().zip(samples).for_each(|(sum, sample)| sum.follow(sample));
        } else {
            self.recorded = samples.to_vec();
        }
    }

    /// Records what has been seen since this was called last, if the last look was a close one.
    pub fn record(&mut self, log: &SampleLog, now: Moment) {
        if self.looked_closely == now && !self.recorded.is_empty() {
            let ids = self.endpoints.iter().map(|endpoint| &*endpoint.id);
            let samples: Vec<_> = ids.zip(&self.recorded).collect();
            log.record(SystemTime::now(), &self.name, &samples);
            self.recorded.clear();
        }
    }

    /// What speaks against the backend at this place.
    pub fn suspicion(&self, backend: usize) -> f64 {
        if self.is_quiet { 0.0 } else { self.detection.suspicion(backend) }
    }

    /// Whether the backend at this place seems to hang.
    pub fn seems_to_hang(&self, backend: usize) -> bool {
        !self.is_quiet && self.detection.seems_to_hang(backend)
    }

    /// What the backend at this place is accused of.
    pub fn accusation(&self, backend: usize) -> Option<&Vote> {
        if self.is_quiet { None } else { self.detection.accusation(backend) }
    }

    /// Forgets what speaks against a backend: it was ejected or readmitted.
    pub fn forgive(&mut self, backend: &str) {
        if let Some(at) = self.endpoints.iter().position(|endpoint| &*endpoint.id == backend) {
            self.detection.forgive(at);
        }
    }

    /// The id of the backend that a verdict is on, if it is on one.
    pub fn backend_of(&self, subject: &Subject) -> Option<Arc<str>> {
        match subject {
            Subject::Backend(at) => self.endpoints.get(*at).map(|endpoint| Arc::clone(&endpoint.id)),
            _ => None,
        }
    }
}

/// Has backends checked at once that refuse the connections of requests. A balancer may keep away from such a backend so well that too few
/// requests fail to have it ejected, and its checks, left alone, may take seconds to find out what clients' requests have shown already.
fn check_refusing(monitor: &Monitor, service: &Service, samples: &[Sample], now: Moment) {
    let Some(health) = &service.health else { return };
    let every = REFUSING_EVERY.min(health.fast_interval);
    let refusing = samples
        .iter()
        .zip(&service.endpoints)
        .filter(|(sample, _)| sample.takes_part && !sample.is_ejected && sample.failures.refused > 0);
    // those that are checked so often already do not keep others from it
    let hurry =
        |(_, endpoint): &(_, &Arc<Endpoint>)| monitor.hurry(&service.name, &endpoint.id, every, now.plus(REFUSING_FOR));
    refusing.filter(hurry).take(MOST_REFUSING).for_each(drop);
}

/// For each of these endpoints, the place that it had before; `None` = it is new.
fn places(before: &[Arc<Endpoint>], now: &[Arc<Endpoint>]) -> Vec<Option<usize>> {
    let known: AHashMap<_, _> = before.iter().enumerate().map(|(at, known)| (Arc::as_ptr(&known.live), at)).collect();
    now.iter().map(|endpoint| known.get(&Arc::as_ptr(&endpoint.live)).copied()).collect()
}

/// The processor time of this thread: how long a detector takes does not depend on what else the machine does.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// What is known of a backend beside its counters.
fn standing(endpoint: &Endpoint, expire: Duration, now: Moment) -> Sample {
    let live = &endpoint.live;
    let report = live.load.last().filter(|(_, at)| now.since(*at) < expire).map(|(report, _)| report);
    Sample {
        takes_part: precedence::takes_part(endpoint),
        is_withdrawn: precedence::is_withdrawn(endpoint),
        is_ejected: live.standing.is_ejected(now),
        joined: now.since(live.standing.joined()),
        in_flight: live.in_flight(),
        cpu: report.and_then(|report| report.cpu).map(f64::from),
        memory: report.and_then(|report| report.memory).map(f64::from),
        heartbeat: live.load.last_heartbeat().map(|at| now.since(at)),
        ..Sample::default()
    }
}

/// Adds the last check, if it has not been seen.
fn take_check(monitor: &Monitor, endpoint: &Endpoint, seen: &mut Moment, sample: &mut Sample) {
    let Some(check) = monitor.last_check(&endpoint.service, &endpoint.id).filter(|check| check.at > *seen) else {
        return;
    };
    *seen = check.at;
    sample.checks = 1;
    sample.failed_checks = u32::from(!check.ok);
    sample.check_latency = Some(check.took);
}

fn backends(service: &Service) -> Vec<Backend> {
    let backend = |endpoint: &Arc<Endpoint>| Backend {
        id: Arc::clone(&endpoint.id),
        host: match &endpoint.target {
            Target::Tcp(address) => address.ip().to_string().into(),
            Target::Unix(_) => "".into(),
        },
        zone: endpoint.zone.as_str().into(),
    };
    service.endpoints.iter().map(backend).collect()
}
