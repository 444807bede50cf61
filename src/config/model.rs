//! The configuration as the rest of the program sees it: valid by construction.
//!
//! Names are resolved to indices, files are read, durations are durations. Nothing here can be wrong any more, so code
//! that reads it has no error path.

mod cluster;
mod key_source;
mod maintenance;
mod rate_limit;
mod means;
mod otlp;
mod recovery;
mod service;
mod state;
mod tls;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::header::{HeaderName, HeaderValue};
use http::{StatusCode, Uri};

use crate::auth::{AccessList, Auth, TrustedProxies};
use crate::canary::Plan;
use crate::event::Filter;
use crate::io::outbound::SocketOptions;
use crate::limit::PerClient;
use crate::pages::{ErrorPages, PageFile};
use crate::policy::access_log::{AccessDestination, AccessLines};
use crate::policy::compression::Recoding;
use crate::policy::template::AnswerBody;
use crate::policy::{
    AdminToken, Cors, HeaderChanges, ListenerProtocol, Mirroring, PathRules, Priority, RequestLimits, Rewrite, SplitBy,
    TimeoutOverride,
};
use crate::route::{Conditions, Host};

pub use cluster::{Cluster, Elect, Etcd};
pub use key_source::KeySource;
pub use maintenance::Maintenance;
pub use means::Means;
pub use otlp::{Otlp, OtlpProtocol};
pub use rate_limit::{RateLimit, RateLimitStore};
pub use recovery::{PLACEHOLDERS, Recovery, StrategyMeans};
pub use service::{Affinity, Backend, Detect, Discover, RedisStore, Service, SharedBy, Sla, Source, StoreAddress};
pub use state::{BACKUP_PLACE, Backup, BackupPlace};
pub use tls::{Authorities, ClientAuth, ClientTls, ServerTls, SystemAuthorities};

/// A whole configuration.
#[derive(Debug)]
pub struct Config {
    /// `[server]`
    pub server: Server,
    /// `[admin]`
    pub admin: Admin,
    /// `[log]`
    pub log: Log,
    /// `[metrics]`
    pub metrics: Metrics,
    /// `[[listener]]`, in the order of the file.
    pub listeners: Vec<Listener>,
    /// `[service.*]`, in the order of their names; a [`ServiceId`] is an index into it.
    pub services: Vec<Service>,
    /// `[[notify]]`, in the order of the file; no two have the same name.
    pub notify: Vec<Notify>,
    /// `[otlp]`
    pub otlp: Option<Otlp>,
    /// `state.backup`
    pub backup: Option<Backup>,
    /// `[cluster]`
    pub cluster: Option<Cluster>,
    /// The URLs that routes have the keys of tokens from (`auth.jwt.jwks`), each once.
    pub key_sources: Vec<KeySource>,
    /// The files that clients are shown, each once.
    pub page_files: Vec<Arc<PageFile>>,
}

/// Index of a service in [`Config::services`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ServiceId(pub usize);

/// `[server]`
#[derive(Debug)]
pub struct Server {
    /// Data-plane threads, at least 1 (0 in the file has become the number of cores).
    pub workers: usize,
    /// How long open exchanges may finish at a stop.
    pub drain_timeout: Duration,
    /// Where state is kept.
    pub state_dir: PathBuf,
    /// Whether the configuration is read again when its files have changed.
    pub reload_on_change: bool,
    /// Pages by status, for all listeners.
    pub error_pages: Option<Arc<ErrorPages>>,
}

/// `[admin]`
#[derive(Debug)]
pub struct Admin {
    /// Where the admin address listens.
    pub bind: SocketAddr,
    /// Names by which it may be asked, in lower case, beside IP addresses and `localhost`.
    pub hosts: Vec<Host>,
    /// The tokens: a request must show one of them, unless it asks for `/healthz` or `/readyz`; none = no token is
    /// needed. No two have the same name or the same secret.
    pub tokens: Vec<AdminToken>,
    /// TLS on the admin address.
    pub tls: Option<ServerTls>,
}

/// `[log]`
#[derive(Debug)]
pub struct Log {
    /// A `tracing` filter, such as `info` or `evenkeel=debug`.
    pub level: String,
    /// How log lines are written.
    pub format: LogFormat,
    /// Where the access log goes; `None` = there is none.
    pub access: Option<AccessDestination>,
    /// What its lines say.
    pub access_lines: Arc<AccessLines>,
}

/// `[metrics]`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metrics {
    /// So many backends have series of their own; 0 = all.
    pub max_backends: usize,
    /// There is a histogram of durations for each of them.
    pub backend_histograms: bool,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// `[[notify]]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notify {
    /// Its unique name.
    pub name: Arc<str>,
    /// Where messages go: http or https, with a host.
    pub webhook: Uri,
    /// The events that are sent.
    pub on: Filter,
    /// Signs messages.
    pub secret: Option<NotifySecret>,
    /// Authorities that verify the receiver's certificate.
    pub ca: Authorities,
}

/// The secret of a webhook. It is never shown, not even in a dump of what holds it.
#[derive(Clone, PartialEq, Eq)]
pub struct NotifySecret(Vec<u8>);

impl NotifySecret {
    /// Keeps these bytes.
    pub fn new(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for NotifySecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// `[[listener]]`
#[derive(Debug)]
pub struct Listener {
    /// Its unique name.
    pub name: String,
    /// Where it listens.
    pub bind: Address,
    /// Whether that may be an address that this machine does not have yet.
    pub free_bind: bool,
    /// What is spoken.
    pub protocol: ListenerProtocol,
    /// Connections begin with a PROXY header.
    pub proxy_protocol: bool,
    /// What is set of its sockets.
    pub options: SocketOptions,
    /// Where everything goes that no route takes.
    pub service: Option<ServiceId>,
    /// Whose PROXY header, `Forwarded` and `X-Forwarded-*` are believed.
    pub trusted_proxies: Arc<TrustedProxies>,
    /// Who may come in; `None` = everybody.
    pub access: Option<Arc<AccessList>>,
    /// How paths are treated.
    pub paths: PathRules,
    /// Connections at a time; 0 = no limit.
    pub max_connections: usize,
    /// A connection with nothing under way is closed after this time.
    pub idle_timeout: Duration,
    /// What clients may do.
    pub limits: RequestLimits,
    /// TLS, when it is terminated here.
    pub tls: Option<ServerTls>,
    /// The field that carries the id of each request; `None` = requests get none.
    pub request_id: Option<HeaderName>,
    /// The field that tells backends the client's address; `None` = none does.
    pub client_ip_header: Option<HeaderName>,
    /// Changes to the fields of all requests.
    pub request_headers: HeaderChanges,
    /// Changes to the fields of all answers.
    pub response_headers: HeaderChanges,
    /// Its pages by status.
    pub error_pages: Option<Arc<ErrorPages>>,
    /// What its clients are shown during maintenance.
    pub maintenance: Maintenance,
    /// What is done with the content of answers, where no route says it.
    pub recoding: Recoding,
    /// Limits over all routes.
    pub rate_limits: Vec<RateLimit>,
    /// What each client may have; `None` = as much as it likes.
    pub client_limits: Option<PerClient>,
    /// The routes, in the order of the file (which settles nothing but a tie).
    pub routes: Vec<Route>,
}

/// An address to listen on or to connect to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// TCP.
    Tcp(SocketAddr),
    /// A Unix socket's path.
    Unix(PathBuf),
}

/// `[[listener.route]]`
#[derive(Debug)]
pub struct Route {
    /// Which requests it takes.
    pub when: Conditions,
    /// What happens to them.
    pub action: Action,
    /// What keeps a client on its side of a split; `None` = nothing.
    pub split_by: Option<SplitBy>,
    /// The plan by which its split shifts; `None` = it does not.
    pub canary: Option<Canary>,
    /// The service that gets a copy of each request, and what holds for the copies; `None` = none does.
    pub mirror: Option<(ServiceId, Mirroring)>,
    /// What changes on the way to the backend.
    pub rewrite: Option<Rewrite>,
    /// Changes to the request's fields.
    pub request_headers: HeaderChanges,
    /// Changes to the response's fields.
    pub response_headers: HeaderChanges,
    /// Which pages of other origins may use it; `None` = nothing is said of that.
    pub cors: Option<Cors>,
    /// Its pages by status.
    pub error_pages: Option<Arc<ErrorPages>>,
    /// What is done with the content of its answers.
    pub recoding: Recoding,
    /// Limits of its own.
    pub rate_limits: Vec<RateLimit>,
    /// How important its requests are.
    pub priority: Priority,
    /// The field in which proxies that are trusted say so; `None` = they don't.
    pub priority_header: Option<HeaderName>,
    /// Time-outs that replace the service's.
    pub timeout: TimeoutOverride,
    /// Who may come in by address; `None` = everybody.
    pub access: Option<Arc<AccessList>>,
    /// What a client has to show; `None` = nothing.
    pub auth: Option<Arc<Auth>>,
}

/// A new version of a service, to which requests move by plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Canary {
    /// The new version.
    pub service: ServiceId,
    /// The version in use.
    pub stable: ServiceId,
    /// The plan.
    pub plan: Plan,
}

/// What happens to a request.
#[derive(Debug, Clone)]
pub enum Action {
    /// It goes to a service.
    Service(ServiceId),
    /// It goes to one of these at random, by weight; the sum of the weights is not 0.
    Split(Vec<(ServiceId, u32)>),
    /// It is answered with a redirect.
    Redirect {
        /// The target, a template in which variables are filled in.
        to: String,
        /// 301, 302, 303, 307 or 308.
        status: StatusCode,
    },
    /// It is answered with a file.
    File {
        /// The status.
        status: StatusCode,
        /// The file.
        file: Arc<PageFile>,
    },
    /// It is answered here.
    Respond {
        /// The status.
        status: StatusCode,
        /// The body.
        body: AnswerBody,
        /// The `Content-Type`, when there is a body.
        content_type: HeaderValue,
    },
}
