//! The configuration as the rest of the program sees it: valid by construction.
//!
//! Names are resolved to indices, files are read, durations are durations. Nothing here can be wrong any more, so nothing
//! that reads it has an error path.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::header::HeaderValue;
use http::{StatusCode, Uri};
use ipnet::IpNet;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::event::Filter;
use crate::policy::{
    self, AdminToken, AnswerLimits, HeaderChanges, KeyFrom, Limits, ListenerProtocol, Pool, ProxyHeader, Rewrite,
    TimeoutOverride, Timeouts, UpstreamProtocol,
};
use crate::route::{Conditions, Host};

/// A whole configuration.
#[derive(Debug)]
pub struct Config {
    /// `[server]`
    pub server: Server,
    /// `[admin]`
    pub admin: Admin,
    /// `[log]`
    pub log: Log,
    /// `[[listener]]`, in the order of the file.
    pub listeners: Vec<Listener>,
    /// `[service.*]`, in the order of their names; a [`ServiceId`] is an index into it.
    pub services: Vec<Service>,
    /// `[[notify]]`, in the order of the file; no two have the same name.
    pub notify: Vec<Notify>,
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
}

/// `[admin]`
#[derive(Debug)]
pub struct Admin {
    /// Where the admin address listens.
    pub bind: SocketAddr,
    /// Names by which it may be asked, in lower case, beside IP addresses and `localhost`.
    pub hosts: Vec<Host>,
    /// Of these a request must show one, unless it asks for `/healthz` or `/readyz`; none = nothing has to be shown. No two have
    /// the same name or the same secret.
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
    /// Where the access log goes.
    pub access: AccessLog,
    /// How access log lines are written.
    pub access_format: AccessFormat,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Where the access log goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccessLog {
    /// Nowhere.
    Off,
    /// Standard output.
    Stdout,
    /// Appended to this file.
    File(PathBuf),
}

/// How access log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessFormat {
    /// One JSON object a line.
    Json,
    /// The Apache "combined" format.
    Combined,
}

/// `[[notify]]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notify {
    /// Its unique name.
    pub name: Arc<str>,
    /// Where messages go: http or https, with a host.
    pub webhook: Uri,
    /// Which events.
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
    /// These bytes.
    pub fn new(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }

    /// As they are.
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
    /// What is spoken.
    pub protocol: ListenerProtocol,
    /// Connections begin with a PROXY header.
    pub proxy_protocol: bool,
    /// Where everything goes that no route takes.
    pub service: Option<ServiceId>,
    /// Networks whose PROXY header, `Forwarded` and `X-Forwarded-*` are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Connections at a time; 0 = no limit.
    pub max_connections: usize,
    /// A connection with nothing under way is closed after this time.
    pub idle_timeout: Duration,
    /// What clients may do.
    pub limits: Limits,
    /// TLS, when it is terminated here.
    pub tls: Option<ServerTls>,
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

/// Terminated TLS: `[listener.tls]`, `admin.tls`.
#[derive(Debug)]
pub struct ServerTls {
    /// At least one; each key fits its certificate.
    pub certificates: Vec<Certificate>,
    /// Protocols offered, in order of preference. Empty on the admin address (HTTP/1.1 only).
    pub alpn: Vec<Vec<u8>>,
    /// TLS 1.2 is spoken too.
    pub tls12: bool,
    /// Whether clients show a certificate.
    pub client_auth: ClientAuth,
}

/// A certificate chain with its key.
#[derive(Debug)]
pub struct Certificate {
    /// End entity first.
    pub chain: Vec<CertificateDer<'static>>,
    /// The private key.
    pub key: PrivateKeyDer<'static>,
    /// The DNS names (lower case, `*.` wildcards as they stand) that it is for.
    pub names: Vec<String>,
    /// The file it came from, for messages.
    pub path: PathBuf,
}

/// Whether clients show a certificate, and who signs it.
#[derive(Debug)]
pub enum ClientAuth {
    /// They are not asked.
    Off,
    /// They are asked; those who show one must show a good one.
    Optional(Vec<CertificateDer<'static>>),
    /// No connection without a good one.
    Required(Vec<CertificateDer<'static>>),
}

/// `[[listener.route]]`
#[derive(Debug)]
pub struct Route {
    /// Which requests it takes.
    pub when: Conditions,
    /// What happens to them.
    pub action: Action,
    /// What changes on the way to the backend.
    pub rewrite: Option<Rewrite>,
    /// Changes to the request's fields.
    pub request_headers: HeaderChanges,
    /// Changes to the response's fields.
    pub response_headers: HeaderChanges,
    /// Time-outs that replace the service's.
    pub timeout: TimeoutOverride,
}

/// What happens to a request.
#[derive(Debug, Clone)]
pub enum Action {
    /// It goes to a service.
    Service(ServiceId),
    /// It goes to one of these at random, by weight; the sum of the weights is not 0.
    Split(Vec<(ServiceId, u32)>),
    /// It is answered with a redirect. `${host}`, `${path}`, `${query}` (with its `?`) in `to` are filled in.
    Redirect {
        /// The target, a template.
        to: String,
        /// 301, 302, 303, 307 or 308.
        status: StatusCode,
    },
    /// It is answered here.
    Respond {
        /// The status.
        status: StatusCode,
        /// The body.
        body: Arc<str>,
        /// The `Content-Type`, when there is a body.
        content_type: HeaderValue,
    },
}

/// `[service.NAME]`
#[derive(Debug)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// How a backend is picked.
    pub balance: policy::Balance,
    /// What a consistent hash is taken of.
    pub hash_on: KeyFrom,
    /// A backend that comes, or comes back, gets its full share after this time.
    pub slow_start: Duration,
    /// The share of available backends under which health is ignored; 0 = never.
    pub panic_threshold: f64,
    /// A client that ends its side while its request waits for a place at a backend is taken for gone.
    pub abort_on_close: bool,
    /// The lines of an answer's head may end in LF without CR.
    pub allow_bare_lf: bool,
    /// Requests are marked with `Via`.
    pub via: bool,
    /// What an answer may be at most.
    pub limits: AnswerLimits,
    /// A client stays with its backend.
    pub affinity: Option<Affinity>,
    /// Active checks.
    pub health: Option<policy::Health>,
    /// When a backend is taken out because of its answers.
    pub outlier: policy::Outlier,
    /// A backend that fails gets no requests for a while.
    pub breaker: Option<policy::Breaker>,
    /// Answers that count as failures of a backend.
    pub failure_status: policy::Statuses,
    /// When a request is sent again.
    pub retry: policy::Retry,
    /// The answer when no backend can be used.
    pub fallback: Option<policy::Fallback>,
    /// What backends say about their load.
    pub load_reports: policy::LoadReports,
    /// Backends from elsewhere, beside those of the file.
    pub discover: Option<Discover>,
    /// What is spoken to the backends.
    pub protocol: UpstreamProtocol,
    /// What connections to them begin with.
    pub proxy_header: Option<ProxyHeader>,
    /// The backends, in the order of the file; behind them those that were discovered.
    pub backends: Vec<Backend>,
    /// How many of them the file has.
    pub written: usize,
    /// TLS towards them.
    pub tls: Option<ClientTls>,
    /// Time-outs.
    pub timeout: Timeouts,
    /// The connection pool.
    pub pool: Pool,
}

/// `[service.NAME.affinity]`
#[derive(Debug)]
pub struct Affinity {
    /// What the data plane obeys.
    pub policy: policy::Affinity,
    /// The key that signs the cookie; `None` = the one that is kept in `state_dir`.
    pub secret: Option<Vec<u8>>,
}

/// `discover = { ... }`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discover {
    /// Where backends are found.
    pub from: Source,
    /// How often names are looked up.
    pub refresh: Duration,
}

/// Where backends are found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The A and AAAA records of a name.
    Dns {
        /// The name.
        name: String,
        /// The port of every backend.
        port: u16,
    },
    /// The SRV records of a name.
    Srv(String),
    /// A JSON file.
    File(PathBuf),
}

/// `[[service.NAME.backend]]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backend {
    /// Unique in the service.
    pub id: String,
    /// The address as written.
    pub name: String,
    /// Where it is (a name has been looked up).
    pub address: Address,
    /// Further addresses of its name, in the resolver's order.
    pub further: Vec<SocketAddr>,
    /// Why its name can't be looked up. Of `address` only the port is true then.
    pub unknown: Option<String>,
    /// The host part of what was written, for SNI and certificate verification.
    pub host: String,
    /// Its weight; 0 = no new work.
    pub weight: u32,
    /// Exchanges at a time; 0 = no limit.
    pub max_connections: u32,
    /// Used only when no other backend is available.
    pub backup: bool,
    /// Its zone; may be empty.
    pub zone: String,
    /// Gets no new work.
    pub drain: bool,
}

/// `[service.NAME.tls]`
#[derive(Debug)]
pub struct ClientTls {
    /// The name asked for and verified; `None` = the backend's host.
    pub server_name: Option<String>,
    /// Who signs the certificates of backends.
    pub ca: Authorities,
    /// `false` = whatever certificate the backend shows is taken.
    pub verify: bool,
    /// What we show when asked.
    pub client: Option<Certificate>,
}

/// Authorities that certificates are verified against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authorities {
    /// Of a file.
    File(Vec<CertificateDer<'static>>),
    /// The system's, as they were when the configuration was read: all services share one copy.
    System(Arc<SystemAuthorities>),
}

/// The authorities that the system trusts.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct SystemAuthorities {
    /// Those that could be read; empty as well where no certificate is verified against them.
    pub certificates: Vec<CertificateDer<'static>>,
    /// The first thing that could not be read, for people.
    pub error: Option<String>,
}

impl Authorities {
    /// Their certificates.
    pub fn certificates(&self) -> &[CertificateDer<'static>] {
        match self {
            Self::File(certificates) => certificates,
            Self::System(system) => &system.certificates,
        }
    }
}
