//! `proxy.toml` as serde sees it: every section, every key, every default, and nothing checked yet.
//!
//! The JSON Schema is generated from these types, and the shape of a file is checked against that schema, so this is the one
//! place where a key is added. The comments here are the descriptions in the schema. Keys of the schema that are ours:
//!
//! - `x-syntax`: the language of a string, or of the strings in an array or a table (see `syntax.rs`);
//! - `x-key-syntax`: the language of a table's keys;
//! - `x-positive`: a duration or a size that can't be 0.
//!
//! Nothing is required as far as serde is concerned: a required key (`required` in the schema) that is missing has been
//! reported before, and the checks go on without it.

mod auth;
mod balancing;
mod canary;
mod cluster;
mod compression;
mod defaults;
mod detection;
mod headers;
mod limit;
mod listener;
mod listener_tls;
mod log;
mod mirror;
mod notify;
mod otlp;
mod pages;
mod recovery;
mod resilience;
mod service;
mod sla;
mod state;

use std::collections::BTreeMap;

use super::units::TimeSpan;

pub(super) use auth::{Auth, BasicAuth, ClientCert, ForwardAuth, JwtAuth};
pub(super) use balancing::{Affinity, HashKey, LoadReports};
pub(super) use canary::{Canary, StopOn};
pub(super) use cluster::{Cluster, Elect};
pub(super) use compression::{Algorithm, Compress, Compression};
pub(super) use defaults::Defaults;
pub(super) use detection::{Dependency, Detect};
pub(super) use headers::{Cors, HeaderChanges, SecurityHeaders};
pub(super) use limit::RateLimit;
pub(super) use listener::{
    AmbiguousPaths, Limits, Listener, ListenerProtocol, Paths, ProxyProtocol, RequestId, Respond, Rewrite, Route, Share,
};
pub(super) use listener_tls::{
    CertificateFiles, Cipher, ClientAuth, ClientCertHeader, Group, ListenerTls, TlsPreset, TlsVersion,
};
pub(super) use log::{AccessFormat, Facility, Log, LogFormat};
pub(super) use mirror::Mirror;
pub(super) use notify::Notify;
pub(super) use otlp::{Otlp, OtlpProtocol};
pub(super) use pages::{ErrorPage, MaintenancePage};
pub(super) use recovery::{Approve, Recover, Recovery, Strategy};
pub(super) use resilience::{
    CircuitBreaker, Concurrency, Discover, Fallback, Health, HealthKind, Initial, Outlier, Priority, Retry,
};
pub(super) use service::{
    AnswerLimits, Backend, Balance, Pool, SendProxyProtocol, Service, ServiceProtocol, ServiceTls, Timeout, Via, Zones,
};
pub(super) use sla::{CalendarUnit, Maintenance, Sla, Tier};
pub(super) use state::{Backup, State};

/// A table of the file, written as in the documentation: `key: Type = default`.
macro_rules! section {
    ($(#[$meta:meta])* $name:ident { $($(#[$field_meta:meta])* $field:ident: $type:ty = $default:expr,)* }) => {
        #[derive(Debug, Clone, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        #[serde(default, deny_unknown_fields)]
        $(#[$meta])*
        pub(in crate::config) struct $name {
            $($(#[$field_meta])* pub(in crate::config) $field: $type,)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }
    };
}

/// One of several words.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($variant:ident = $word:literal,)* }) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        $(#[$meta])*
        pub(in crate::config) enum $name {
            $(#[serde(rename = $word)] $variant,)*
        }

        impl $name {
            /// As written in the file.
            #[allow(dead_code)]
            pub(in crate::config) fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }
        }
    };
}

pub(in crate::config) use {section, words};

section! {
    /// The configuration of Evenkeel, a reverse proxy and load balancer.
    File {
        /// Other files that belong to the configuration: paths, in which *, ? and [a-z] stand for parts of names, relative to this file.
        #[schemars(extend("x-syntax" = "text"))]
        include: Vec<String> = Vec::new(),
        /// The process as a whole.
        server: Server = Server::default(),
        /// The admin address: status, metrics, dashboard.
        admin: Admin = Admin::default(),
        /// Log and access log.
        log: Log = Log::default(),
        /// What `/metrics` shows.
        metrics: Metrics = Metrics::default(),
        /// Where clients are listened to; at least one.
        listener: Vec<Listener> = Vec::new(),
        /// The services, by name: a group of backends that do the same.
        #[schemars(extend("x-key-syntax" = "name"))]
        service: BTreeMap<String, Service> = BTreeMap::new(),
        /// What each service and each listener has where it says nothing else.
        #[serde(skip_serializing)]
        defaults: Defaults = Defaults::default(),
        /// What is kept in `server.state_dir`, beyond this machine.
        state: State = State::default(),
        /// Who is told of events.
        notify: Vec<Notify> = Vec::new(),
        /// Present = traces, and metrics where they are wanted, are sent to an OpenTelemetry collector.
        otlp: Option<Otlp> = None,
        /// Present = this instance is one of several that do the same.
        cluster: Option<Cluster> = None,
    }
}

section! {
    /// The process as a whole.
    Server {
        /// Data-plane threads; 0 = one per core.
        #[schemars(range(max = 1024))]
        workers: u32 = 0,
        /// How long open exchanges may finish at stop, upgrade, or removal of a backend.
        drain_timeout: TimeSpan = TimeSpan::secs(30),
        /// Where what must outlive the process is kept; created when something is. Missing = the first folder of
        /// $STATE_DIRECTORY (systemd), or "state" beside this file.
        #[schemars(extend("x-syntax" = "text"))]
        state_dir: Option<String> = None,
        /// Whether the configuration is read again when its files have changed; false = when somebody says so.
        reload_on_change: bool = true,
        /// Values for ${NAME} in this file, beside the process's environment variables, which they hide.
        environment: BTreeMap<String, String> = BTreeMap::new(),
        /// Pages by status for all listeners, behind those of listeners, services and routes.
        #[schemars(extend("x-key-syntax" = "error-page"))]
        error_pages: BTreeMap<String, ErrorPage> = BTreeMap::new(),
    }
}

section! {
    /// The admin address: status, metrics, dashboard.
    Admin {
        /// Where it listens; anything but loopback needs `token_file`, `tokens` or `tls`.
        #[schemars(extend("x-syntax" = "socket"))]
        bind: String = "127.0.0.1:9900".to_owned(),
        /// Names by which it may be asked, beside IP addresses and `localhost`; "*.example.com" for every name below one.
        #[schemars(extend("x-syntax" = "host"))]
        hosts: Vec<String> = Vec::new(),
        /// File with the bearer token that requests must show: the one named "admin", which may do everything.
        #[schemars(extend("x-syntax" = "text"))]
        token_file: Option<String> = None,
        /// Further bearer tokens, each with a name and with what it may do.
        tokens: Vec<AdminToken> = Vec::new(),
        /// TLS on the admin address.
        tls: Option<AdminTls> = None,
    }
}

words! {
    /// What whoever shows a token may do.
    TokenAccess { Read = "read", Write = "write", }
}

section! {
    /// A bearer token of the admin address.
    #[schemars(extend("required" = ["name", "file"]))]
    AdminToken {
        /// What the log calls whoever shows it; unique.
        #[schemars(extend("x-syntax" = "name"))]
        name: Option<String> = None,
        /// File with the token: one line.
        #[schemars(extend("x-syntax" = "text"))]
        file: Option<String> = None,
        /// "read": look at everything, change nothing (GET and HEAD only); "write": everything.
        access: TokenAccess = TokenAccess::Read,
    }
}

section! {
    /// TLS on the admin address.
    #[schemars(extend("required" = ["cert", "key"]))]
    AdminTls {
        /// PEM file with the certificate chain, the server's own first.
        #[schemars(extend("x-syntax" = "text"))]
        cert: Option<String> = None,
        /// PEM file with the private key.
        #[schemars(extend("x-syntax" = "text"))]
        key: Option<String> = None,
        /// PEM file with the authorities of client certificates; present = a client certificate is required.
        #[schemars(extend("x-syntax" = "text"))]
        client_ca: Option<String> = None,
    }
}

section! {
    /// What `/metrics` shows.
    Metrics {
        /// So many backends have series of their own, of all services together; the others are added up for each service. 0 = all.
        max_backends: u32 = 1000,
        /// A histogram of durations for each backend.
        backend_histograms: bool = true,
    }
}
