//! `[service.NAME]` and what this version supports below it.

use std::collections::BTreeMap;

use super::balancing::{Affinity, HashKey, LoadReports};
use super::detection::Detect;
use super::headers::HeaderChanges;
use super::pages::{ErrorPage, MaintenancePage};
use super::recovery::{Recover, Recovery};
use super::resilience::{CircuitBreaker, Concurrency, Discover, Fallback, Health, Outlier, Retry};
use super::sla::Sla;
use super::{section, words};
use crate::config::units::{Size, TimeSpan};

words! {
    /// How a backend is picked.
    Balance {
        RoundRobin = "round_robin",
        WeightedRoundRobin = "weighted_round_robin",
        LeastConnections = "least_connections",
        WeightedLeastConnections = "weighted_least_connections",
        ResourceBased = "resource_based",
        ResponseTime = "response_time",
        ConsistentHash = "consistent_hash",
        PowerOfTwo = "power_of_two",
    }
}

words! {
    /// What is spoken to the backends.
    ServiceProtocol { Http1 = "http1", H2 = "h2", Auto = "auto", }
}

words! {
    /// Whether requests are marked with `Via`.
    Via { On = "on", Off = "off", }
}

words! {
    /// Whether connections to the backends begin with a PROXY header.
    SendProxyProtocol { Off = "off", V1 = "v1", V2 = "v2", }
}

words! {
    /// What zones mean for the pick of a backend.
    Zones { Ignore = "ignore", Prefer = "prefer", }
}

section! {
    /// A group of backends that do the same.
    Service {
        /// "prefer": backends in `cluster.zone` get the work, as far as that is fair to them; "ignore": all alike.
        zones: Zones = Zones::Ignore,
        /// How a backend is picked.
        balance: Balance = Balance::RoundRobin,
        /// Algorithms that choose beside `balance` in a sample of the requests; what they choose is only counted.
        shadow: Vec<Balance> = Vec::new(),
        /// What is spoken to the backends: "http1", "h2" (by prior knowledge, or by ALPN with tls), or "auto".
        protocol: ServiceProtocol = ServiceProtocol::Http1,
        /// A backend that comes back gets its full share after this time.
        slow_start: TimeSpan = TimeSpan::secs(0),
        /// The share of available backends under which health is ignored; 0 = never.
        #[schemars(range(min = 0.0, max = 1.0))]
        panic_threshold: f64 = 0.5,
        /// A client that ends its side of the connection while its request waits for a place at a backend is taken for gone.
        abort_on_close: bool = true,
        /// Addresses of this machine that connections to the backends come from, in turns: addresses, ranges, networks; empty = the kernel chooses.
        #[schemars(extend("x-syntax" = "source"))]
        source: Vec<String> = Vec::new(),
        /// The interface that connections to the backends go through.
        #[schemars(extend("x-syntax" = "interface"))]
        interface: Option<String> = None,
        /// The mark of packets to the backends (SO_MARK), for routing rules and firewalls.
        mark: Option<u32> = None,
        /// The differentiated services code point of packets to the backends.
        #[schemars(range(max = 63))]
        dscp: Option<u8> = None,
        /// Whether connections to the backends begin with a PROXY header.
        send_proxy_protocol: SendProxyProtocol = SendProxyProtocol::Off,
        /// true = the lines of an answer's head may end in LF without CR, as those of some old HTTP/1.0 servers do; false = 502.
        allow_bare_lf: bool = false,
        /// "off" = requests get no Via of ours; what clients sent is passed on.
        via: Via = Via::On,
        /// Changes to the headers of its requests, after those of the listener and before those of the route.
        request_headers: HeaderChanges = HeaderChanges::default(),
        /// Changes to the headers of its answers, after those of the listener and before those of the route.
        response_headers: HeaderChanges = HeaderChanges::default(),
        /// Backends from DNS, from a watched file, or from keys of etcd.
        discover: Option<Discover> = None,
        /// The answer when no backend can be used.
        fallback: Option<Fallback> = None,
        /// Pages by status (502, "5xx"), before those of listener and [server] and after those of the route.
        #[schemars(extend("x-key-syntax" = "error-page"))]
        error_pages: BTreeMap<String, ErrorPage> = BTreeMap::new(),
        /// What its clients are shown during maintenance; what is planned, and does not count, is `sla.maintenance`.
        maintenance: Option<MaintenancePage> = None,
        /// The backends; at least one.
        backend: Vec<Backend> = Vec::new(),
        /// What the consistent hash is taken of.
        hash: HashKey = HashKey::default(),
        /// Present = a client stays with its backend.
        affinity: Option<Affinity> = None,
        /// Present = TLS towards the backends.
        tls: Option<ServiceTls> = None,
        /// Present = active checks.
        health: Option<Health> = None,
        /// When a backend is taken out because of its answers.
        outlier: Outlier = Outlier::default(),
        /// Present = a backend that fails gets no requests for a while.
        circuit_breaker: Option<CircuitBreaker> = None,
        /// Present = an adaptive limit of the exchanges in flight.
        concurrency: Option<Concurrency> = None,
        /// Answers that count as failures of a backend, for `outlier`, `circuit_breaker` and balance = "response_time".
        #[schemars(extend("x-syntax" = "status-ranges"))]
        failure_status: String = "500-599".to_owned(),
        /// When a request is sent again.
        retry: Retry = Retry::default(),
        /// How long things may take.
        timeout: Timeout = Timeout::default(),
        /// Idle connections to the backends.
        pool: Pool = Pool::default(),
        /// What an answer may be at most.
        limits: AnswerLimits = AnswerLimits::default(),
        /// What backends say about their load.
        load_reports: LoadReports = LoadReports::default(),
        /// Present = faults are detected.
        detect: Option<Detect> = None,
        /// What is done about faults.
        recover: Option<Vec<Recover>> = None,
        /// How much may be done about them.
        recovery: Option<Recovery> = None,
        /// Present = availability is accounted.
        sla: Option<Sla> = None,
    }
}

section! {
    /// One backend of a service.
    Backend {
        /// address:port, name:port or "unix:/path/of/socket".
        #[schemars(extend("x-syntax" = "backend"))]
        address: Option<String> = None,
        /// Instead of `address`: several addresses of one machine, which are paths to it; the better one is used.
        #[schemars(extend("x-syntax" = "path-address"))]
        addresses: Vec<String> = Vec::new(),
        /// Unique in the service; the (first) address when missing.
        #[schemars(extend("x-syntax" = "text"))]
        id: Option<String> = None,
        /// 0 = no new work.
        #[schemars(range(max = 65_535))]
        weight: u32 = 1,
        /// The most exchanges that it has at a time; 0 = no limit.
        max_connections: u32 = 0,
        /// true = it is used only when no other backend is available.
        backup: bool = false,
        /// The zone where it stands, for `zones`.
        zone: String = String::new(),
        /// true = it keeps its sessions and gets no new ones.
        drain: bool = false,
    }
}

section! {
    /// TLS towards the backends.
    ServiceTls {
        /// The name asked for and verified; empty = the host of the backend's address.
        server_name: String = String::new(),
        /// PEM file with the authorities that the backends' certificates are verified against; missing = the system's.
        #[schemars(extend("x-syntax" = "text"))]
        ca: Option<String> = None,
        /// false = whatever certificate a backend shows is taken.
        verify: bool = true,
        /// PEM file with the client certificate shown to the backends.
        #[schemars(extend("x-syntax" = "text"))]
        cert: Option<String> = None,
        /// PEM file with its private key.
        #[schemars(extend("x-syntax" = "text"))]
        key: Option<String> = None,
    }
}

section! {
    /// How long things may take.
    Timeout {
        /// The time to a connection, its TLS handshake included.
        #[schemars(extend("x-positive" = true))]
        connect: TimeSpan = TimeSpan::secs(2),
        /// The time to the response's headers.
        #[schemars(extend("x-positive" = true))]
        response: TimeSpan = TimeSpan::secs(30),
        /// The time between two reads or writes of a body.
        #[schemars(extend("x-positive" = true))]
        idle: TimeSpan = TimeSpan::secs(60),
        /// The time that the whole exchange may take; 0 = no limit.
        total: TimeSpan = TimeSpan::secs(0),
        /// How long a request may wait for a backend below its max_connections.
        #[schemars(extend("x-positive" = true))]
        queue: TimeSpan = TimeSpan::secs(1),
        /// The most requests that may wait so.
        queue_length: u32 = 1024,
    }
}

section! {
    /// Idle connections to the backends.
    Pool {
        /// The most idle connections that each worker keeps to each backend.
        #[schemars(range(max = 65_535))]
        max_idle: u32 = 256,
        /// For how long an idle connection is kept; less than the backends' own keep-alive time.
        #[schemars(extend("x-positive" = true))]
        idle_timeout: TimeSpan = TimeSpan::secs(50),
        /// An older connection carries no other request; 0 = no limit.
        max_age: TimeSpan = TimeSpan::secs(0),
    }
}

section! {
    /// What an answer may be at most.
    AnswerLimits {
        /// The whole head of an answer, and its trailers; over it: 502.
        #[schemars(extend("minimum" = 1024, "maximum" = 16_777_216))]
        max_header_bytes: Size = Size(64 << 10),
        /// The most fields that an answer may have; over it: 502.
        #[schemars(range(min = 1, max = 10_000))]
        max_headers: u32 = 100,
    }
}

impl Service {
    /// Fills in the defaults that depend on other settings.
    pub(in crate::config) fn fill_in(&mut self) {
        let Some(recover) = &mut self.recover else { return };
        recover.iter_mut().for_each(Recover::fill_in);
        self.recovery.get_or_insert_with(Recovery::default);
    }
}
