//! A service as workers see it: its settings, and which of its backends may be picked now.
//!
//! The two change at different times: settings with a reload, availability whenever a check, an ejection, an operator
//! or a breaker changes it. So the settings are shared from snapshot to snapshot, and a change of availability builds
//! no more than the balancer over the backends that may be used (`refresh`).

use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;

use super::{ConcurrencyLimit, Detour, Hedges, Maintenance, Protection, Shadow, ZonePreference, Zones};
use crate::affinity::Affinity;
use crate::balance::available::{Availability, Member};
use crate::balance::{Balancer, Pick, slow_start};
use crate::clock::Moment;
use crate::detect::service::Settings;
use crate::endpoint::precedence::{self, Rules};
use crate::endpoint::state::Condition;
use crate::endpoint::waiters::Waiters;
use crate::endpoint::{Endpoint, standing};
use crate::metrics::{
    Durations, GrpcCalls, PromisedRequests, Requests, Retries, ServiceAttempts, Totals, UpstreamMetrics,
};
use crate::pages::ErrorPages;
use crate::policy::{
    Balance, Breaker, Dependency, Fallback, HeaderChanges, Health, KeyFrom, LoadReports, Outlier, Pool, ProxyHeader,
    Retry, Statuses, Timeouts, UpstreamProtocol,
};
use crate::protocol::http::HeadLimits;
use crate::record;
use crate::sla::Promise;
use crate::sla::maintenance::Planned;

/// A service and its backends.
#[derive(Debug)]
pub struct Service {
    pub(super) settings: Arc<ServiceSettings>,
    /// Which backends may be picked now.
    pub available: Available,
}

/// The settings of a service, which only a reload changes.
///
/// The handles of the service's counters, and of its backends', are kept here. They are made when the snapshot is
/// built, so that the data path looks up nothing by name.
#[derive(Debug)]
pub struct ServiceSettings {
    /// Its place in [`Snapshot::services`](super::Snapshot::services).
    pub index: usize,
    /// Its name.
    pub name: Arc<str>,
    /// The algorithm.
    pub balance: Balance,
    /// The algorithms that choose beside it, and what they have chosen; `None` = there are none.
    pub shadow: Option<Shadow>,
    /// What a consistent hash is taken of; `None` = no algorithm needs one, not even in the shadow.
    pub hash_on: Option<KeyFrom>,
    /// A client stays with its backend.
    pub affinity: Option<Affinity>,
    /// What its sticky sessions are told apart by; `None` = the cookie.
    pub sticky_by: Option<KeyFrom>,
    /// A backend that comes, or comes back, gets its full share after this time.
    pub slow_start: Duration,
    /// The share of available backends under which health is ignored; 0 = never.
    pub panic_threshold: f64,
    /// Backends in this instance's own zone are preferred; `None` = zones are ignored.
    pub zones: Option<ZonePreference>,
    /// How its answers' heads are read.
    pub heads: HeadLimits,
    /// Requests are marked with `Via`.
    pub via: bool,
    /// What is spoken to its backends.
    pub protocol: UpstreamProtocol,
    /// What connections to its backends begin with.
    pub proxy_header: Option<ProxyHeader>,
    /// Time-outs, for routes that set none.
    pub timeouts: Timeouts,
    /// What is kept of the connections to its backends.
    pub pool: Pool,
    /// When a request is sent again.
    pub retry: Retry,
    /// A backend that fails gets no requests for a while.
    pub breaker: Option<Breaker>,
    /// Active checks.
    pub health: Option<Health>,
    /// When a backend is taken out because of its answers.
    pub outlier: Outlier,
    /// How faults of it and its backends are detected.
    pub detection: Detection,
    /// Answers that count as failures of a backend.
    pub failure_status: Statuses,
    /// The answer when no backend can be used.
    pub fallback: Option<Fallback>,
    /// Its pages by status.
    pub error_pages: Option<Arc<ErrorPages>>,
    /// What its clients are shown in place of what they ask for, while that is under way.
    pub maintenance: Maintenance,
    /// Changes to the fields of its requests.
    pub request_headers: HeaderChanges,
    /// Changes to the fields of its answers.
    pub response_headers: HeaderChanges,
    /// What backends say about their load.
    pub load_reports: LoadReports,
    /// All its backends, in the order of the configuration, also those that get no new work.
    pub endpoints: Vec<Arc<Endpoint>>,
    /// TLS towards the backends.
    pub tls: Option<Arc<rustls::ClientConfig>>,
    /// The same, but offering HTTP/1.1 only: for requests that HTTP/2 can't carry. `None` where the backend has no
    /// choice.
    pub tls_http1: Option<Arc<rustls::ClientConfig>>,
    /// The name that is asked for and verified in TLS, for all backends; `None` = each backend's host
    /// (see [`ServiceSettings::server_name`]).
    pub tls_server_name: Option<ServerName<'static>>,
    /// The requests that wait for a place at its backends.
    pub waiting: Arc<Waiters>,
    /// A client that ends its side is taken for gone while it waits for a place, and nothing was sent to a backend.
    pub abort_on_close: bool,
    /// Its exchanges, all together.
    pub totals: Arc<Totals>,
    /// How long they take.
    pub durations: Arc<Durations>,
    /// Its retries.
    pub retries: Arc<Retries>,
    /// Its hedges, and when they are made; `None` = it hedges nothing.
    pub hedges: Option<Arc<Hedges>>,
    /// Its adaptive limit; `None` = it has none.
    pub concurrency: Option<ConcurrencyLimit>,
    /// How its gRPC calls ended.
    pub grpc: Arc<GrpcCalls>,
    /// What is promised of it.
    pub promised: Option<Arc<Promised>>,
    /// Whether others give way to it, or it to others.
    pub protection: Arc<Protection>,
    /// Where recovery sends its work, and what of it is cut off.
    pub detour: Arc<Detour>,
    /// The attempts with its backends, all together.
    pub attempts: Arc<ServiceAttempts>,
    /// By listener: its exchanges.
    pub series: Vec<ExchangeCounters>,
    /// By backend: the connections to it, and how attempts with it end.
    pub upstream: Vec<Arc<UpstreamMetrics>>,
    /// What the TLS settings were, so that the next build can tell whether they have changed.
    pub(super) tls_fingerprint: u64,
}

/// How faults of a service and its backends are detected.
#[derive(Debug)]
pub struct Detection {
    /// What its detectors are told, and which of them it has.
    pub settings: Settings,
    /// What its backends depend on.
    pub dependencies: Vec<Dependency>,
    /// The file to which is recorded what its detectors see.
    pub record: Option<PathBuf>,
}

/// What is promised of a service, and what its requests are counted in.
#[derive(Debug)]
pub struct Promised {
    /// The promise.
    pub promise: Promise,
    /// When it does not hold, because that was announced.
    pub maintenance: Vec<Planned>,
    /// How its requests end.
    pub requests: Arc<PromisedRequests>,
}

/// The backends that may be picked.
#[derive(Debug)]
pub struct Available {
    /// Picks one of them.
    pub balancer: Box<dyn Balancer>,
    /// Pick of the same in the shadow, in the order of [`Shadow::beside`]; empty = nobody does.
    pub shadows: Vec<Box<dyn Balancer>>,
    /// Their indices and weights.
    pub members: Vec<(usize, u32)>,
    /// Whether so few are healthy that health is ignored (panic).
    pub panic: bool,
    /// How the work is divided among zones; `None` = it is not: zones are ignored, there is no other one, too few backends are healthy, or a failover says where
    /// it goes.
    pub zones: Option<Box<Zones>>,
    /// What of the work goes to the destination of a failover within the service.
    pub diverted: Diverted,
    /// By place in the service, the share of its work that each backend gets, in thousandths; empty = each gets all of it.
    pub shares: Vec<u32>,
    /// The input of this: what every backend could be used for, and the part of the work that a failover sends elsewhere. It is calculated
    /// again only when that has changed.
    pub(super) seen: (Vec<Member>, u32),
    /// Whether some of them were ejected, or are held open, which time alone ends.
    pub(super) are_some_ejected: bool,
}

/// What of a service's work goes to the destination of a failover within the service.
#[derive(Debug)]
pub enum Diverted {
    /// Nothing.
    Nothing,
    /// A part.
    Part {
        /// The part, in thousandths; 0 = the destination only stands by, for requests that all others have failed.
        share: u32,
        /// Picks a backend of the destination.
        balancer: Box<dyn Balancer>,
        /// The indices of its backends.
        members: Vec<usize>,
    },
    /// All: the backends that may be picked are those of the destination.
    All,
}

/// The counters of a service's exchanges that came by one listener.
#[derive(Debug)]
pub struct ExchangeCounters {
    /// By backend, as in [`ServiceSettings::endpoints`].
    pub backends: Vec<Arc<Requests>>,
    /// The counters of exchanges that reached no backend.
    pub none: Arc<Requests>,
}

impl Available {
    /// The indices of all backends that may get a request, also when others have failed it. Some may come twice.
    pub fn all(&self) -> impl Iterator<Item = usize> {
        let there = match &self.diverted {
            Diverted::Part { members, .. } => &members[..],
            Diverted::Nothing | Diverted::All => &[],
        };
        self.members.iter().map(|(index, _)| *index).chain(there.iter().copied())
    }

    /// The backends, with their weights, among which the one with this index is picked: those of a failover's destination, those of its zone where the work is
    /// divided among zones, or all others.
    /// Empty = it gets no new work.
    pub fn group_of(&self, index: usize) -> Vec<(usize, u32)> {
        let there = match &self.diverted {
            Diverted::Part { members, .. } => &members[..],
            Diverted::Nothing | Diverted::All => &[],
        };
        if let Some(group) = self.zones.as_ref().and_then(|zones| zones.group_of(index)) {
            return group.iter().map(|&at| (at, self.seen.0[at].weight)).collect();
        }
        let is_there = |index: &usize| there.binary_search(index).is_ok();
        match (is_there(&index), self.has(index)) {
            (true, _) => there.iter().map(|&at| (at, self.seen.0[at].weight)).collect(),
            (false, true) => self.members.iter().filter(|(at, _)| !is_there(at)).copied().collect(),
            (false, false) => Vec::new(),
        }
    }

    /// Whether the backend with this index may be picked.
    pub fn has(&self, index: usize) -> bool {
        self.members.binary_search_by_key(&index, |(member, _)| *member).is_ok()
    }
}

impl Promised {
    /// What an exchange is counted in.
    pub fn counted(&self) -> record::Promised<'_> {
        record::Promised { requests: &self.requests, latency: self.promise.latency }
    }
}

impl ServiceSettings {
    /// Whether a value of its header changes, its fallback or one of its pages has variables.
    pub(super) fn has_variables(&self) -> bool {
        self.request_headers.has_variables()
            || self.response_headers.has_variables()
            || self.fallback.as_ref().is_some_and(|fallback| fallback.body.is_template())
            || self.error_pages.as_ref().is_some_and(|pages| pages.tell_of_request())
            || self.maintenance.page.as_ref().is_some_and(|page| page.tells_of_request())
    }

    /// Whether its backends may speak HTTP/2.
    pub fn is_multiplexed(&self) -> bool {
        match self.protocol {
            UpstreamProtocol::Http1 => false,
            UpstreamProtocol::Http2 => true,
            UpstreamProtocol::Auto => self.tls.is_some(),
        }
    }

    /// The name to ask `endpoint` for in TLS, and to verify its certificate against. With TLS there is always one: a service
    /// for which this would be `None` isn't built.
    pub fn server_name(&self, endpoint: &Endpoint) -> Option<ServerName<'static>> {
        self.tls_server_name.clone().or_else(|| parse_server_name(&endpoint.host))
    }
}

impl Service {
    /// Whether one of its backends is well enough to be used. Where health is ignored because too few are, that changes nothing here.
    pub fn has_usable_backend(&self) -> bool {
        self.available.usable() > 0
    }

    /// The backend for the next attempt, as an index into `endpoints`; `None` when none may be used.
    pub fn pick(&self, pick: Pick<'_>) -> Option<usize> {
        let home = &*self.available.balancer;
        let pick_home = |pick: Pick<'_>| match &self.available.zones {
            Some(zones) => zones.pick(home, pick, |balancer, pick| self.pick_by(balancer, pick)),
            None => self.pick_by(home, pick),
        };
        let Diverted::Part { share, balancer: destination, .. } = &self.available.diverted else {
            return pick_home(pick);
        };
        let Pick { cursor, tried, random, now, key } = pick;
        let goes_away = *share > 0 && random.u32(..standing::WHOLE) < *share;
        let mut pick_of = |goes_away: bool| match goes_away {
            true => self.pick_by(&**destination, Pick { cursor: cursor.aside(), tried, random, now, key }),
            false => pick_home(Pick { cursor, tried, random, now, key }),
        };
        // where one group has nobody left who was not tried, the other one may have
        let found = pick_of(goes_away);
        found.filter(|index| !tried.contains(*index)).or_else(|| pick_of(!goes_away)).or(found)
    }

    /// The pick of this balancer, which need not be the service's own, with the share that each backend has now.
    pub fn pick_by(&self, balancer: &dyn Balancer, pick: Pick<'_>) -> Option<usize> {
        if self.slow_start.is_zero() && self.available.shares.is_empty() {
            return balancer.pick(pick);
        }
        let now = pick.now;
        slow_start::pick(balancer, pick, |index| self.share(index, now))
    }

    /// The share of its work that a backend gets at `now`, above 0 and at most 1.
    fn share(&self, index: usize, now: Moment) -> f64 {
        let suspect =
            self.available.shares.get(index).map_or(1.0, |share| f64::from(*share) / f64::from(standing::WHOLE));
        if self.slow_start.is_zero() {
            return suspect;
        }
        suspect * slow_start::share(self.endpoints[index].live.standing.joined(), now, self.slow_start)
    }
}

impl Service {
    /// Whether both have the same settings, and differ at most in which backends may be picked.
    pub fn has_settings_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.settings, &other.settings)
    }

    /// A number that identifies its settings for as long as they are held.
    pub fn settings_id(&self) -> usize {
        Arc::as_ptr(&self.settings).addr()
    }

    /// Counts a pick on the thread of `worker`, where zones are counted.
    pub fn count_zone(&self, worker: usize, index: usize) {
        if let Some(zones) = &self.zones {
            zones.picks.count(worker, *self.endpoints[index].zone == *zones.own);
        }
    }

    /// Whether sticky sessions may go on at the backend with this index: a drained one keeps them.
    pub fn keeps_sticky_sessions(&self, index: usize, now: Moment) -> bool {
        match Availability::from(self.condition(index, now)) {
            // a failover that takes all of the work takes that of those who stick to a backend as well
            Availability::Usable => !matches!(self.available.diverted, Diverted::All) || self.available.has(index),
            Availability::Drained => true,
            Availability::Down | Availability::Ejected => self.available.panic,
            Availability::Disabled | Availability::HeldOpen => false,
        }
    }
}

impl ServiceSettings {
    /// The condition of the backend with this index at `now`.
    pub fn condition(&self, index: usize, now: Moment) -> Condition {
        precedence::condition(&self.endpoints[index], self.rules(), now)
    }

    /// The condition that the backend with this index would be in at `now` if recovery did not repair it.
    pub fn condition_but_for_repair(&self, index: usize, now: Moment) -> Condition {
        precedence::condition_but_for_repair(&self.endpoints[index], self.rules(), now)
    }

    /// What the state of its backends depends on.
    pub fn rules(&self) -> Rules<'_> {
        Rules { breaker: self.breaker.as_ref(), slow_start: self.slow_start, is_checked: self.health.is_some() }
    }
}

impl Deref for Service {
    type Target = ServiceSettings;

    fn deref(&self) -> &ServiceSettings {
        &self.settings
    }
}

/// A DNS name or an IP address (IPv6 in brackets or without) as a name for TLS.
pub(super) fn parse_server_name(name: &str) -> Option<ServerName<'static>> {
    let bare = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
    ServerName::try_from(bare.to_owned()).ok()
}
