//! What there is to say of a backend at this moment, read in one place for all who show it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::Shared;
use crate::clock::Moment;
use crate::endpoint::breaker::Circuit;
use crate::endpoint::load::Report;
use crate::endpoint::state::{Announced, State};
use crate::endpoint::{Endpoint, standing};
use crate::health::checks::LastCheck;
use crate::snapshot::Service;

/// A backend as it is at one moment.
#[derive(Debug)]
pub(super) struct BackendReading {
    /// Its identity, and what the configuration says of it.
    pub(super) endpoint: Arc<Endpoint>,
    /// How it stands, as the log and the events have told it last.
    pub(super) told: Announced,
    /// The weight in force.
    pub(super) weight: u32,
    /// Exchanges under way.
    pub(super) in_flight: u32,
    /// The word for its circuit.
    pub(super) breaker: &'static str,
    /// The share of its work that it gets while it is available, 0 to 1.
    pub(super) work_share: f64,
    /// How long its answers take, weighted by age.
    pub(super) latency: Option<Duration>,
    /// The load that it has reported, unless that is too old.
    pub(super) report: Option<Report>,
    /// Attempts that followed one which it has failed.
    pub(super) retries: u64,
    /// What its last check came to.
    pub(super) last_check: Option<LastCheck>,
}

impl BackendReading {
    /// Reads the backend at this place.
    pub(super) fn of(shared: &Shared, service: &Service, at: usize, now: Moment) -> Self {
        let endpoint = &service.endpoints[at];
        let live = &endpoint.live;
        let report = live.load.last().filter(|(_, when)| now.since(*when) < service.load_reports.expire);
        Self {
            told: told(service, at, now),
            weight: live.standing.weight(endpoint.weight),
            in_flight: live.in_flight(),
            breaker: match circuit(service, endpoint, now) {
                None | Some(Circuit::Closed) => "closed",
                Some(Circuit::Open) => "open",
                Some(Circuit::HalfOpen) => "half_open",
            },
            work_share: work_share(endpoint),
            latency: live.latency.average(now),
            report: report.map(|(report, _)| report),
            retries: service.upstream[at].retries(),
            last_check: shared.monitor.last_check(&service.name, &endpoint.id),
            endpoint: Arc::clone(endpoint),
        }
    }

    /// A time in milliseconds.
    pub(super) fn millis(time: Duration) -> f64 {
        time.as_secs_f64() * 1e3
    }
}

/// The state of its circuit; `None` = its service has no breaker.
pub(super) fn circuit(service: &Service, endpoint: &Endpoint, now: Moment) -> Option<Circuit> {
    service.breaker.as_ref().map(|policy| endpoint.live.breaker.state(policy, now))
}

/// The share of its work that a backend gets while it is available, 0 to 1.
pub(super) fn work_share(endpoint: &Endpoint) -> f64 {
    f64::from(endpoint.live.standing.share()) / f64::from(standing::WHOLE)
}

/// How a backend stands, as the log and the events have told it last. A backend that has come in this moment was not told of yet.
pub(super) fn told(service: &Service, at: usize, now: Moment) -> Announced {
    let found = || Announced {
        condition: service.condition(at, now),
        reason: String::new(),
        since: now,
        at: SystemTime::now(),
    };
    service.endpoints[at].live.standing.announced().unwrap_or_else(found)
}

/// The state of the same. It costs much less where nothing else is wanted.
pub(super) fn told_state(service: &Service, at: usize, now: Moment) -> State {
    let announced = service.endpoints[at].live.standing.announced_state();
    announced.unwrap_or_else(|| service.condition(at, now).state)
}
