//! `[service.NAME]`: a group of backends, and how requests to it are treated.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::{Address, Authorities, ClientTls, Etcd, Maintenance, NotifySecret, Recovery};
use crate::affinity::shared::Link;
use crate::detect::service::Settings;
use crate::io::outbound::Outbound;
use crate::pages::ErrorPages;
use crate::policy::{self, AnswerLimits, KeyFrom, Pool, ProxyHeader, Timeouts, UpstreamProtocol};
use crate::sla::Promise;
use crate::sla::maintenance::Planned;

/// `[service.NAME]`
#[derive(Debug)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// How a backend is picked.
    pub balance: policy::Balance,
    /// Algorithms that choose beside it, and change nothing.
    pub shadow: Vec<policy::Balance>,
    /// What a consistent hash is taken of.
    pub hash_on: KeyFrom,
    /// A backend that was added, or has recovered, gets its full share after this time.
    pub slow_start: Duration,
    /// The share of available backends under which health is ignored; 0 = never.
    pub panic_threshold: f64,
    /// The zone whose backends are preferred; `None` = zones are ignored.
    pub zone: Option<Arc<str>>,
    /// Whether a client that ends its side while its request waits for a place at a backend is taken for gone.
    pub abort_on_close: bool,
    /// Whether the lines of an answer's head may end in LF without CR.
    pub allow_bare_lf: bool,
    /// Whether requests get a `Via` field.
    pub via: bool,
    /// The greatest sizes of an answer.
    pub limits: AnswerLimits,
    /// Session affinity; `None` = a client may get another backend each time.
    pub affinity: Option<Affinity>,
    /// Active checks.
    pub health: Option<policy::Health>,
    /// When a backend is taken out because of its answers.
    pub outlier: policy::Outlier,
    /// The circuit breaker; `None` = there is none.
    pub breaker: Option<policy::Breaker>,
    /// The adaptive limit; `None` = there is none.
    pub concurrency: Option<policy::Concurrency>,
    /// Answers that count as failures of a backend.
    pub failure_status: policy::Statuses,
    /// When a request is sent again.
    pub retry: policy::Retry,
    /// The answer when no backend can be used.
    pub fallback: Option<policy::Fallback>,
    /// Its pages by status.
    pub error_pages: Option<Arc<ErrorPages>>,
    /// What its clients are shown during maintenance.
    pub maintenance: Maintenance,
    /// Changes to the fields of its requests.
    pub request_headers: policy::HeaderChanges,
    /// Changes to the fields of its answers.
    pub response_headers: policy::HeaderChanges,
    /// How backends report their load.
    pub load_reports: policy::LoadReports,
    /// Where further backends are discovered, beside those of the file.
    pub discover: Option<Discover>,
    /// Detection of faults; `None` = none are detected.
    pub detect: Option<Detect>,
    /// What is done about faults; `None` = nothing.
    pub recovery: Option<Recovery>,
    /// What is promised of it; `None` = nothing is accounted.
    pub sla: Option<Sla>,
    /// What is spoken to the backends.
    pub protocol: UpstreamProtocol,
    /// Where connections to them come from, and how these are marked; `None` = as the kernel does by itself.
    pub outbound: Option<Arc<Outbound>>,
    /// What connections to them begin with.
    pub proxy_header: Option<ProxyHeader>,
    /// The backends: those of the file in its order, then the discovered ones.
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

impl Service {
    /// Whether backends were found that are to get more work than others, and neither the algorithm nor one in the shadow looks at that.
    pub fn ignores_found_weights(&self) -> bool {
        let heeds = |by: &policy::Balance| by.heeding().is_none();
        let is_heeded = [&self.balance].into_iter().chain(&self.shadow).any(heeds);
        self.backends.len() > self.written
            && !is_heeded
            && policy::weights_differ(self.backends.iter().map(|of| (of.weight, of.backup)))
    }
}

/// `[service.NAME.affinity]`
#[derive(Debug)]
pub struct Affinity {
    /// The settings that the data plane uses.
    pub policy: policy::Affinity,
    /// The key that signs the cookie; `None` = the one that is kept in `state_dir`. With a store, the key that sessions are hashed with there;
    /// `None` = a public one.
    pub secret: Option<Vec<u8>>,
    /// Further keys that cookies may be signed with.
    pub accepted_secrets: Vec<Vec<u8>>,
    /// The store that shares the table with other instances.
    pub store: Option<SharedBy>,
}

/// What shares the table of a service with other instances.
#[derive(Debug)]
pub struct SharedBy {
    /// The store.
    pub store: RedisStore,
    /// What the names of sessions in it begin with.
    pub prefix: String,
    /// The link to it, once somebody has made it.
    pub link: Option<Arc<Link>>,
}

/// A Redis. Those with an equal one use it together.
#[derive(Debug, Clone, PartialEq)]
pub struct RedisStore {
    /// Where it is.
    pub address: StoreAddress,
    /// Authorities that verify its certificate; `None` = it is spoken to in clear.
    pub tls: Option<Authorities>,
    /// Who logs in; `None` = the default user.
    pub user: Option<String>,
    /// The password, where there is one.
    pub password: Option<NotifySecret>,
    /// The number of the database.
    pub db: u32,
    /// How long a request waits for it.
    pub time_limit: Duration,
    /// Bytes that may wait to be written.
    pub queue: usize,
}

/// Where a store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreAddress {
    /// A host, IPv6 without brackets, and a port.
    Tcp(String, u16),
    /// The path of a socket.
    Unix(PathBuf),
}

impl RedisStore {
    /// Where it is, for people: without user and password.
    pub fn shown(&self) -> String {
        match &self.address {
            StoreAddress::Tcp(host, port) => {
                let scheme = if self.tls.is_some() { "rediss" } else { "redis" };
                let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
                format!("{scheme}://{host}:{port}/{}", self.db)
            }
            StoreAddress::Unix(path) => format!("unix://{}?db={}", path.display(), self.db),
        }
    }
}

/// `[service.NAME.detect]`
#[derive(Debug, Clone, PartialEq)]
pub struct Detect {
    /// What the detectors are told.
    pub settings: Settings,
    /// What the backends depend on; no two have the same name.
    pub dependencies: Vec<policy::Dependency>,
    /// The file to which what the detectors see is appended. Several services may have the same.
    pub record: Option<PathBuf>,
}

/// `[service.NAME.sla]`
#[derive(Debug, Clone)]
pub struct Sla {
    /// What is promised.
    pub promise: Promise,
    /// Planned times that do not count.
    pub maintenance: Vec<Planned>,
}

/// `discover = { ... }`
#[derive(Debug, Clone, PartialEq)]
pub struct Discover {
    /// Where backends are found.
    pub from: Source,
    /// How often names are looked up.
    pub refresh: Duration,
}

/// Where backends are found.
#[derive(Debug, Clone, PartialEq)]
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
    /// The keys of etcd that begin with a prefix.
    Etcd {
        /// Where and how etcd is asked.
        etcd: Etcd,
        /// The prefix.
        prefix: String,
    },
}

/// `[[service.NAME.backend]]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backend {
    /// Unique in the service.
    pub id: String,
    /// The address as written.
    pub name: String,
    /// Its address; a name has been looked up.
    pub address: Address,
    /// Further addresses: of its name, in the resolver's order, or those of `addresses`.
    pub further: Vec<SocketAddr>,
    /// Whether its addresses are those of `addresses`: paths to it, each with a health of its own.
    pub are_paths: bool,
    /// Why its name can't be looked up; only the port of `address` is right then.
    pub unresolved: Option<String>,
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
    /// Whether it gets no new work.
    pub drain: bool,
}
