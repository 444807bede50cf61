//! What a worker sees: listeners with their routes, and services with their backends. It is immutable.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use http::StatusCode;
use http::header::{HeaderName, HeaderValue};

use super::service::ServiceSettings;
use super::{Canary, ClientLimits, Course, Diverted, Maintenance, Mirror, Point, RedirectTemplate, Service, Split};
use crate::auth::{AccessList, Auth, TrustedProxies};
use crate::clock::Moment;
use crate::endpoint::standing::WHOLE;
use crate::endpoint::{Endpoint, Target};
use crate::limit::{self, RateLimitRule};
use crate::metrics::rate_limited::RateLimited;
use crate::metrics::recoded::Recoded;
use crate::metrics::{Denial, Denials, Requests, RouteHits, Totals};
use crate::pages::{ErrorPages, PageFile};
use crate::policy::access_log::AccessLines;
use crate::policy::compression;
use crate::policy::template::AnswerBody;
use crate::policy::{
    CertificateHeader, Cors, HeaderChanges, ListenerProtocol, PathRules, Priority, RequestLimits, Rewrite,
    TimeoutOverride, Timeouts, Tracing,
};
use crate::route::Table;

/// Everything that an exchange is decided by.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// 1 for the first, then one more for each that is built from another.
    pub generation: u64,
    /// In the order of the configuration.
    pub listeners: Vec<Arc<Listener>>,
    /// In the order of the configuration.
    pub services: Vec<Arc<Service>>,
    /// The new versions of services to which requests move by plan.
    pub canaries: Vec<Canary>,
    /// By service, what recovery does to the ways of its exchanges. Empty while it does nothing to any.
    pub courses: Vec<Course>,
    /// Whether some services send PROXY headers: what is known of clients has to be kept for them.
    pub sends_proxy_headers: bool,
    /// What the lines of the access log say.
    pub access_lines: Arc<AccessLines>,
    /// How exchanges are traced; `None` = they are not.
    pub tracing: Option<Tracing>,
}

impl Snapshot {
    /// The backends of all services.
    pub fn endpoints(&self) -> impl Iterator<Item = &Arc<Endpoint>> {
        self.services.iter().flat_map(|service| &service.endpoints)
    }

    /// The service for a request that a split divides. While a service with a smaller share is protected, all goes to the largest share, where
    /// that has backends: what is new is tried out some other time.
    pub fn choose(&self, split: &Split, point: Point) -> usize {
        let mut protected =
            split.weights().map(|(service, _)| service).filter(|&at| self.services[at].protection.is_protected());
        protected.find_map(|service| self.in_place_of(service, split)).unwrap_or_else(|| split.choose(point))
    }

    /// The service that gets all requests of a split while the service at this place is protected: the one with the largest share. `None` = the
    /// split stays as it is: the service has no share or the largest one, or the other one has no backends.
    pub fn in_place_of(&self, protected: usize, split: &Split) -> Option<usize> {
        let largest = split.largest();
        let is_smaller = protected != largest && split.weights().any(|(service, _)| service == protected);
        (is_smaller && !self.services[largest].available.members.is_empty()).then_some(largest)
    }

    /// The part of a service's work that goes elsewhere, in thousandths; 0 while its way is not in force.
    pub fn diverted(&self, service: &Service) -> u32 {
        match &service.available.diverted {
            Diverted::Nothing | Diverted::Part { share: 0, .. } => {
                self.courses.get(service.index).map_or(0, Course::share)
            }
            Diverted::Part { share, .. } => *share,
            Diverted::All => WHOLE,
        }
    }

    /// Whether the service at the second place does a part of the work of the one at the first.
    pub fn is_working_for(&self, asked: usize, service: usize) -> bool {
        self.courses.get(asked).is_some_and(|course| course.leads_to(service))
    }

    /// How long requests of this path to the service at this place are still cut off; `None` = they are not.
    pub fn cut_off(&self, asked: usize, path: &str, now: impl FnOnce() -> Moment) -> Option<Duration> {
        self.courses.get(asked).filter(|course| course.has_cuts()).and_then(|course| course.cut_off(path, now()))
    }

    /// The service whose backends do the work of an exchange with the service at this place: that one itself, but for what recovery sends
    /// to another one. `random` gives a number below 1000.
    pub fn working(&self, asked: usize, random: impl FnOnce() -> u32) -> usize {
        // nearly always there is nothing at all
        self.courses.get(asked).and_then(|course| course.away(random)).unwrap_or(asked)
    }
}

/// What happens to the requests of one listener.
#[derive(Debug)]
pub struct Listener {
    /// Unique in the process: by it a connection finds its listener in whatever snapshot is current, where it may stand at
    /// another place. It stays for as long as the address does, whatever else changes.
    pub key: u32,
    /// Its place in [`Snapshot::listeners`].
    pub index: usize,
    /// Its name.
    pub name: Arc<str>,
    /// What it is bound to, as in the configuration.
    pub bind: Target,
    /// What is spoken.
    pub protocol: ListenerProtocol,
    /// Connections begin with a PROXY header, believed when it comes from one of `trusted_proxies`.
    pub proxy_protocol: bool,
    /// Which route takes a request.
    pub routes: Table<Arc<Route>>,
    /// Those of the routes that have limits.
    pub limited: Vec<Arc<Route>>,
    /// Those of the routes that let not everybody in.
    pub guarded: Vec<Arc<Route>>,
    /// Those of the routes whose requests are copied to a second service.
    pub mirroring: Vec<Arc<Route>>,
    /// The path of each route as its condition has it, in the order of the configuration; empty = the route takes any.
    pub route_paths: Vec<Arc<str>>,
    /// What takes a request that no route takes: the listener's `service` as a route.
    pub default: Option<Arc<Route>>,
    /// The splits of its routes, each with the place of its route, for whoever shifts their weights.
    pub splits: Vec<(usize, Arc<Split>)>,
    /// By its place in the snapshot, whether a service may be asked by requests that come here. Copies of them do not count.
    pub asks: Vec<bool>,
    /// What each route has taken, in the order of the configuration.
    pub hits: Vec<Arc<RouteHits>>,
    /// Whose PROXY header, `Forwarded` and `X-Forwarded-*` are believed.
    pub trusted_proxies: Arc<TrustedProxies>,
    /// Who may come in; `None` = everybody.
    pub guard: Option<Guard>,
    /// How paths are treated.
    pub paths: PathRules,
    /// What backends are told of clients' certificates.
    pub certificate_header: CertificateHeader,
    /// Fields that only the proxy writes: what clients send under these names is dropped.
    pub own_fields: Vec<HeaderName>,
    /// A route is protected for some methods only: fields by which a backend may take another method than the request's are dropped.
    pub guards_methods: bool,
    /// What clients may do.
    pub limits: RequestLimits,
    /// Limits over all its routes.
    pub rate_limits: Box<[RateLimit]>,
    /// What each client may have; `None` = as much as it likes.
    pub client_limits: Option<Box<ClientLimits>>,
    /// A connection with nothing under way is closed after this time.
    pub idle_timeout: Duration,
    /// Connections at a time; 0 = no limit.
    pub max_connections: usize,
    /// Exchanges that no service takes.
    pub local: Arc<Requests>,
    /// Exchanges and sessions that end before a service is found for them, of all listeners.
    pub unrouted: Arc<Totals>,
    /// The field that carries the id of each request; `None` = requests get none.
    pub request_id: Option<HeaderName>,
    /// The field that tells backends the client's address; `None` = none does.
    pub client_ip_header: Option<HeaderName>,
    /// Changes to the fields of all requests, before those of service and route.
    pub request_headers: HeaderChanges,
    /// Changes to the fields of all answers, before those of service and route.
    pub response_headers: HeaderChanges,
    /// Its pages by status, and those of all listeners.
    pub error_pages: [Option<Arc<ErrorPages>>; 2],
    /// What its clients are shown in place of what they ask for, while that is under way.
    pub maintenance: Maintenance,
    /// What is done with the content of answers to requests that no route takes; `None` = nothing.
    pub recoding: Option<Recoding>,
    /// Whether a value has variables, of this listener, of one of its routes or of a service. What a request says is kept for them then.
    pub has_variables: bool,
}

/// What is done with the content of answers.
#[derive(Debug)]
pub struct Recoding {
    /// As the configuration has it.
    pub policy: compression::Recoding,
    /// What was done.
    pub counts: Arc<Recoded>,
}

/// How many requests may be sent.
#[derive(Debug)]
pub struct RateLimit {
    /// As the configuration has it.
    pub rule: RateLimitRule,
    /// What its keys have used. It stays from snapshot to snapshot.
    pub table: Arc<limit::Table>,
    /// What sets it apart from the limits of other listeners and routes: the same on all instances ([`rate_limit_scope`](super::rate_limit_scope)).
    pub scope: u64,
    /// A secret that sets the hashes of what requests say apart from those of addresses, because clients can compute both.
    pub apart: u64,
    /// The name and the quota in the form of the field `RateLimit-Policy`.
    pub policy: HeaderValue,
    /// What it has done.
    pub counts: Arc<RateLimited>,
}

/// What happens to a request that a route takes.
#[derive(Debug)]
pub struct Route {
    /// Its place among the listener's routes; `None` = it is the one that takes all others.
    pub place: Option<usize>,
    /// What answers the request.
    pub action: Action,
    /// A second service that gets copies of its requests.
    pub mirror: Option<Mirror>,
    /// What changes in its target on the way to the backend.
    pub rewrite: Option<Rewrite>,
    /// Bytes at the start of the path that `rewrite.prefix` replaces: the length of the route's `path` or `path_prefix`.
    /// `None` for a route that has neither: its `rewrite.prefix` has nothing to replace.
    pub matched_prefix: Option<usize>,
    /// Changes to the request's fields.
    pub request_headers: HeaderChanges,
    /// Changes to the response's fields.
    pub response_headers: HeaderChanges,
    /// Which pages of other origins may use it; `None` = nothing is said of that.
    pub cors: Option<Cors>,
    /// Its pages by status.
    pub error_pages: Option<Arc<ErrorPages>>,
    /// What is done with the content of its answers; `None` = nothing.
    pub recoding: Option<Recoding>,
    /// Limits of its own.
    pub rate_limits: Box<[RateLimit]>,
    /// How important its requests are, where their service has an adaptive limit.
    pub priority: Priority,
    /// The field in which proxies that are trusted say so; `None` = they don't.
    pub priority_header: Option<HeaderName>,
    /// Time-outs that replace the service's.
    pub timeout: TimeoutOverride,
    /// The requests that it has taken.
    pub hits: Arc<RouteHits>,
    /// Its conditions, in words.
    pub text: Arc<str>,
    /// Who may come in; `None` = everybody.
    pub guard: Option<Guard>,
}

/// Who may come in by a listener, or by a route.
#[derive(Debug)]
pub struct Guard {
    /// By address; `None` = everybody.
    pub access: Option<Arc<AccessList>>,
    /// By what a client shows; `None` = nothing is asked for.
    pub auth: Option<Arc<Auth>>,
    /// What has not come in.
    pub denied: Arc<Denials>,
}

/// What answers a request.
#[derive(Debug)]
pub enum Action {
    /// A service, by its place in [`Snapshot::services`].
    Service(usize),
    /// One of several services.
    Split(Arc<Split>),
    /// Evenkeel, with a redirect.
    Redirect {
        /// Where to.
        to: RedirectTemplate,
        /// 301, 302, 303, 307 or 308.
        status: StatusCode,
    },
    /// Evenkeel, with a file.
    File {
        /// The status.
        status: StatusCode,
        /// The file.
        file: Arc<PageFile>,
    },
    /// Evenkeel, with what the configuration says.
    Respond {
        /// The status.
        status: StatusCode,
        /// The body; may be empty.
        body: AnswerBody,
        /// Its type.
        content_type: HeaderValue,
    },
}

impl Listener {
    /// Its rate limits, and those of its routes.
    pub fn all_rate_limits(&self) -> impl Iterator<Item = &RateLimit> {
        self.rate_limits.iter().chain(self.limited.iter().flat_map(|route| &route.rate_limits))
    }

    /// A key that no listener had before.
    pub fn new_key() -> u32 {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        NEXT.fetch_add(1, Ordering::Relaxed)
    }

    /// Whether this is the address of a proxy that is trusted, which speaks for others.
    pub fn trusts(&self, address: IpAddr) -> bool {
        self.trusted_proxies.has(address)
    }

    /// Whether who connects from this address can be refused without a look at what it sends. Proxies that are trusted speak for others.
    pub fn refuses(&self, source: Option<IpAddr>) -> bool {
        let Some(access) = self.guard.as_ref().and_then(|guard| guard.access.as_ref()) else { return false };
        !self.proxy_protocol && !source.is_some_and(|source| self.trusts(source)) && !access.admits(source)
    }

    /// Whether it is bound to what `bind` says and `name` still means the same sockets: datagrams have sockets of their own,
    /// and port 0 is another port for each listener, so there the name decides.
    pub fn is_at(&self, bind: &Target, protocol: ListenerProtocol, name: &str) -> bool {
        let datagrams = |protocol| protocol == ListenerProtocol::Udp;
        if datagrams(self.protocol) != datagrams(protocol) {
            return false;
        }
        let chosen = matches!(bind, Target::Tcp(address) if address.port() == 0);
        self.bind == *bind && (!chosen || *self.name == *name)
    }
}

impl Guard {
    /// Whether who has this address may come in; a refusal is counted, on the thread of `worker`. `None` = nobody knows the address.
    pub fn admits(&self, worker: usize, address: impl FnOnce() -> Option<IpAddr>) -> bool {
        let admits = self.access.as_ref().is_none_or(|access| access.admits(address()));
        if !admits {
            self.denied.count(worker, Denial::Network);
        }
        admits
    }
}

impl Route {
    /// Whether one of its values has variables.
    pub(super) fn has_variables(&self) -> bool {
        let in_action = match &self.action {
            Action::Service(_) | Action::Split(_) | Action::File { .. } => false,
            Action::Redirect { to, .. } => to.has_variables(),
            Action::Respond { body, .. } => body.is_template(),
        };
        in_action
            || self.request_headers.has_variables()
            || self.response_headers.has_variables()
            || self.error_pages.as_ref().is_some_and(|pages| pages.tell_of_request())
    }

    /// The time-outs of an exchange of this route with `service`.
    pub fn timeouts(&self, service: &ServiceSettings) -> Timeouts {
        let (own, base) = (&self.timeout, &service.timeouts);
        Timeouts {
            connect: own.connect.unwrap_or(base.connect),
            response: own.response.unwrap_or(base.response),
            idle: own.idle.unwrap_or(base.idle),
            total: own.total.unwrap_or(base.total),
            queue: own.queue.unwrap_or(base.queue),
            queue_length: own.queue_length.unwrap_or(base.queue_length),
        }
    }
}
