//! What a worker sees: listeners with their routes, services with their backends. Nothing in it changes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http::header::HeaderValue;
use ipnet::IpNet;
use rustls::pki_types::ServerName;

use super::{RedirectTemplate, Split};
use crate::balance::{Balancer, Cursors, Pick};
use crate::clock::Moment;
use crate::endpoint::{Endpoint, Target};
use crate::metrics::{Durations, Requests, UpstreamMetrics};
use crate::policy::{HeaderChanges, Limits, Pool, Rewrite, TimeoutOverride, Timeouts, UpstreamProtocol};
use crate::route::Table;

/// Everything that an exchange is decided by.
#[derive(Debug)]
pub struct Snapshot {
    /// 1 for the first, then one more for each that is built from another.
    pub generation: u64,
    /// In the order of the configuration.
    pub listeners: Vec<Arc<Listener>>,
    /// In the order of the configuration.
    pub services: Vec<Arc<Service>>,
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
    /// Which route takes a request.
    pub routes: Table<Arc<Route>>,
    /// What takes a request that no route takes: the listener's `service` as a route.
    pub default: Option<Arc<Route>>,
    /// Networks whose `Forwarded` and `X-Forwarded-*` are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// What clients may do.
    pub limits: Limits,
    /// A connection with nothing under way is closed after this time.
    pub idle_timeout: Duration,
    /// Connections at a time; 0 = no limit.
    pub max_connections: usize,
    /// Exchanges that no service takes.
    pub local: Arc<Requests>,
}

/// What happens to a request that a route takes.
#[derive(Debug)]
pub struct Route {
    /// Who answers it.
    pub action: Action,
    /// What changes in its target on the way to the backend.
    pub rewrite: Option<Rewrite>,
    /// Bytes at the start of the path that `rewrite.prefix` replaces: the length of the route's `path` or `path_prefix`.
    /// `None` for a route that has neither: its `rewrite.prefix` has nothing to replace.
    pub matched_prefix: Option<usize>,
    /// Changes to the request's fields.
    pub request_headers: HeaderChanges,
    /// Changes to the response's fields.
    pub response_headers: HeaderChanges,
    /// Time-outs that replace the service's.
    pub timeout: TimeoutOverride,
}

/// Who answers a request.
#[derive(Debug)]
pub enum Action {
    /// A service.
    Service(Arc<Service>),
    /// One of several services, at random.
    Split(Split),
    /// We do, with a redirect.
    Redirect {
        /// Where to.
        to: RedirectTemplate,
        /// 301, 302, 303, 307 or 308.
        status: StatusCode,
    },
    /// We do, with what the configuration says.
    Respond {
        /// The status.
        status: StatusCode,
        /// The body; may be empty.
        body: Bytes,
        /// Its type.
        content_type: HeaderValue,
    },
}

/// A service and its backends.
///
/// What is counted for a service and for its backends gets its handles here, made when the snapshot is built, so that the
/// data path looks nothing up by name.
#[derive(Debug)]
pub struct Service {
    /// Its place in [`Snapshot::services`].
    pub index: usize,
    /// Its name.
    pub name: Arc<str>,
    /// The algorithm's name, as in the configuration.
    pub balance: &'static str,
    /// What is spoken to its backends.
    pub protocol: UpstreamProtocol,
    /// Time-outs, for routes that set none.
    pub timeouts: Timeouts,
    /// What is kept of the connections to its backends.
    pub pool: Pool,
    /// All its backends, in the order of the configuration, also those that get no new work.
    pub endpoints: Vec<Arc<Endpoint>>,
    /// TLS towards the backends.
    pub tls: Option<Arc<rustls::ClientConfig>>,
    /// The name that is asked for and verified in TLS, for all backends; `None` = each backend's host
    /// (see [`Service::server_name`]).
    pub tls_server_name: Option<ServerName<'static>>,
    /// Picks among the backends that get new work.
    pub balancer: Box<dyn Balancer>,
    /// How long its exchanges take.
    pub durations: Arc<Durations>,
    /// By listener: its exchanges.
    pub series: Vec<Series>,
    /// By backend: the connections to it.
    pub upstream: Vec<Arc<UpstreamMetrics>>,
    /// What the TLS settings were, so that the next build can tell whether they have changed.
    pub(super) tls_fingerprint: u64,
}

/// A service's exchanges that came by one listener.
#[derive(Debug)]
pub struct Series {
    /// By backend, as in [`Service::endpoints`].
    pub backends: Vec<Arc<Requests>>,
    /// Those that reached no backend.
    pub none: Arc<Requests>,
}

impl Listener {
    /// A key that no listener had before.
    pub fn new_key() -> u32 {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        NEXT.fetch_add(1, Ordering::Relaxed)
    }

    /// Whether it is bound to what `bind` says and `name` still means the same sockets: port 0 is another port for each
    /// listener, so there the name decides.
    pub fn is_at(&self, bind: &Target, name: &str) -> bool {
        let chosen = matches!(bind, Target::Tcp(address) if address.port() == 0);
        self.bind == *bind && (!chosen || *self.name == *name)
    }
}

impl Route {
    /// The time-outs of an exchange of this route with `service`.
    pub fn timeouts(&self, service: &Service) -> Timeouts {
        let (own, base) = (&self.timeout, &service.timeouts);
        Timeouts {
            connect: own.connect.unwrap_or(base.connect),
            response: own.response.unwrap_or(base.response),
            idle: own.idle.unwrap_or(base.idle),
            total: own.total.unwrap_or(base.total),
        }
    }
}

impl Service {
    /// The backend for the next attempt, as an index into `endpoints`; `None` when none gets new work.
    ///
    /// `tried` are the backends that this exchange was sent to already: none of them is picked while there is another.
    pub fn pick(
        &self,
        cursors: &mut Cursors,
        random: &mut fastrand::Rng,
        tried: &[usize],
        now: Moment,
        key: u64,
    ) -> Option<usize> {
        self.balancer.pick(Pick { cursor: cursors.of(self.index), tried, random, now, key })
    }

    /// The name to ask `endpoint` for in TLS, and to verify its certificate against. With TLS there is always one: a service
    /// for which this would be `None` isn't built.
    pub fn server_name(&self, endpoint: &Endpoint) -> Option<ServerName<'static>> {
        self.tls_server_name.clone().or_else(|| parse_server_name(&endpoint.host))
    }
}

/// A DNS name or an IP address (IPv6 in brackets or without) as a name for TLS.
pub(super) fn parse_server_name(name: &str) -> Option<ServerName<'static>> {
    let bare = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
    ServerName::try_from(bare.to_owned()).ok()
}
