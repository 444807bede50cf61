//! Sections of a service whose keys are known but which this version refuses. Their shape is checked all the same.

use super::{section, words};
use crate::config::units::{Size, Span};

section! {
    /// Backends from elsewhere: one of dns, srv, file.
    Discover {
        /// A name and a port: the backends are its A and AAAA records.
        dns: Option<String> = None,
        /// The name of SRV records.
        srv: Option<String> = None,
        /// A watched JSON file: [{ "address": "...", "weight": 1 }].
        file: Option<String> = None,
        /// How often names are looked up.
        refresh: Span = Span::secs(10),
    }
}

section! {
    /// The answer when no backend can be used.
    Fallback {
        /// Its status.
        #[schemars(range(min = 200, max = 599))]
        status: u16 = 503,
        /// Its body.
        body: String = String::new(),
        /// The Content-Type of the body.
        #[schemars(extend("x-syntax" = "header-value"))]
        content_type: String = "text/plain".to_owned(),
        /// Its Retry-After.
        retry_after: Option<Span> = None,
    }
}

section! {
    /// What the consistent hash is taken of.
    HashKey {
        /// "client_ip", "path", "uri", "header:NAME", "cookie:NAME" or "query:NAME".
        on: String = "client_ip".to_owned(),
        /// Points of each backend on the ring.
        virtual_nodes: u32 = 150,
        /// 0 = off; 1.25 = no backend above 125 % of the mean.
        bounded_load: f64 = 0.0,
    }
}

section! {
    /// A client stays with its backend.
    Affinity {
        /// "cookie" (signed, set by Evenkeel), "client_ip", "header:NAME", "cookie:NAME" or "query:NAME".
        by: String = "cookie".to_owned(),
        /// The name of the cookie that Evenkeel sets.
        name: String = "evenkeel".to_owned(),
        /// For how long.
        ttl: Span = Span::secs(3600),
        /// Of the table, for all but "cookie".
        max_entries: u32 = 100_000,
        /// File with the key that signs the cookie; missing = made once and kept in state_dir.
        secret_file: Option<String> = None,
    }
}

words! {
    /// What an active check does.
    HealthKind { Http = "http", Tcp = "tcp", Grpc = "grpc", Agent = "agent", }
}

words! {
    /// What a backend is before its first check.
    Initial { Up = "up", Down = "down", CheckFirst = "check_first", }
}

section! {
    /// Active checks.
    Health {
        /// What a check does.
        kind: HealthKind = HealthKind::Http,
        /// The path asked for.
        path: String = "/".to_owned(),
        /// The method used.
        #[schemars(extend("x-syntax" = "method"))]
        method: String = "GET".to_owned(),
        /// The Host sent; empty = the backend's.
        host: String = String::new(),
        /// The statuses of a healthy backend.
        expect_status: String = "200-399".to_owned(),
        /// Text that must be in the body.
        expect_body: Option<String> = None,
        /// Where to check; missing = the backend's port.
        port: Option<u16> = None,
        /// What is sent, for "tcp".
        send: Option<String> = None,
        /// What must come back, for "tcp".
        expect: Option<String> = None,
        /// Between two checks.
        interval: Span = Span::secs(2),
        /// The same while the state is in doubt.
        fast_interval: Span = Span::ms(500),
        /// How long a check may take.
        timeout: Span = Span::secs(1),
        /// Failures in a row that take a backend out.
        fall: u32 = 3,
        /// Successes in a row that bring it back.
        rise: u32 = 2,
        /// How much intervals vary.
        jitter: f64 = 0.1,
        /// What a backend is before its first check.
        initial: Initial = Initial::Up,
    }
}

section! {
    /// When a backend is taken out because of its answers.
    Outlier {
        /// Failures in a row.
        consecutive_failures: u32 = 5,
        /// Share of failures over `window`, with at least `min_requests`.
        error_rate: f64 = 0.5,
        /// 0 = off; 3.0 = slower than 3 times the peers' median.
        latency_factor: f64 = 0.0,
        /// Over what time.
        window: Span = Span::secs(10),
        /// Below it nothing is said.
        min_requests: u32 = 20,
        /// For how long, times the number of ejections so far.
        eject_for: Span = Span::secs(10),
        /// Share of the backends that may be out.
        max_ejected: f64 = 0.5,
    }
}

section! {
    /// A backend that fails gets no requests for a while.
    CircuitBreaker {
        /// Failures in a row.
        failures: u32 = 5,
        /// Share of failures; 0 = off.
        error_rate: f64 = 0.0,
        /// For how long it gets none.
        open_for: Span = Span::secs(30),
        /// Requests that try whether it is well again.
        half_open: u32 = 3,
    }
}

section! {
    /// When a request is sent again.
    Retry {
        /// Beyond the first.
        attempts: u32 = 2,
        /// Share of all requests that may be such attempts.
        budget: f64 = 0.2,
        /// What is tried again: "connect", "reset", or a status.
        on: Vec<String> = ["connect", "reset", "502", "503", "504"].map(str::to_owned).to_vec(),
        /// Before the second attempt; it grows.
        back_off: Span = Span::ms(25),
        /// An answer of at most this length is passed on only when it is whole; 0 = at once.
        hold: Size = Size(16 << 10),
    }
}

section! {
    /// What backends say about their load.
    LoadReports {
        /// Read `endpoint-load-metrics` in responses.
        orca: bool = true,
        /// Ask an agent beside the backend.
        agent: Option<Agent> = None,
        /// A report is forgotten after this time.
        expire: Span = Span::secs(10),
    }
}

section! {
    /// An agent beside each backend.
    Agent {
        /// Its port.
        port: Option<u16> = None,
        /// How often it is asked.
        interval: Span = Span::secs(2),
    }
}

section! {
    /// Detection of faults.
    Detect {
        /// Between two looks.
        interval: Span = Span::secs(1),
        /// The voting threshold of the composite.
        vote: f64 = 0.8,
        /// A backend that stops telling that it lives.
        heartbeat: Option<Heartbeat> = None,
        /// A backend whose figures are beyond these.
        performance: Option<Performance> = None,
        /// A backend whose figures are unlike its own.
        anomaly: Option<Anomaly> = None,
        /// What the backends depend on.
        dependency: Vec<Dependency> = Vec::new(),
    }
}

section! {
    /// A backend that stops telling that it lives.
    Heartbeat {
        /// How often it should.
        interval: Span = Span::secs(5),
        /// How many may be missing.
        missed: u32 = 3,
    }
}

section! {
    /// A backend whose figures are beyond these.
    Performance {
        /// Mean latency.
        latency: Span = Span::secs(5),
        /// Share of failures.
        error_rate: f64 = 0.05,
        /// Share of its processors.
        cpu: f64 = 0.8,
        /// Share of its memory.
        memory: f64 = 0.9,
    }
}

section! {
    /// A backend whose figures are unlike its own.
    Anomaly {
        /// Standard deviations.
        threshold: f64 = 2.5,
        /// Samples.
        window: u32 = 50,
    }
}

section! {
    /// Something that the backends depend on.
    #[schemars(extend("required" = ["name", "endpoint"]))]
    Dependency {
        /// Its name.
        name: Option<String> = None,
        /// "tcp://address:port" or "http://...".
        endpoint: Option<String> = None,
        /// How long a check may take.
        timeout: Span = Span::secs(1),
        /// Between two checks.
        interval: Span = Span::secs(5),
    }
}

words! {
    /// What is done about a fault.
    Strategy { Restart = "restart", Failover = "failover", ScaleUp = "scale_up", CircuitBreak = "circuit_break", }
}

section! {
    /// One thing that is done about a fault.
    #[schemars(extend("required" = ["strategy"]))]
    Recover {
        /// What is done.
        strategy: Option<Strategy> = None,
        /// About which faults.
        on: Vec<String> = Vec::new(),
        /// A command with its arguments; ${backend} is the backend's id.
        run: Option<Vec<String>> = None,
        /// A systemd unit to restart.
        systemd: Option<String> = None,
        /// A URL to post to.
        webhook: Option<String> = None,
        /// How often it is tried.
        attempts: u32 = 3,
        /// Between two attempts.
        delay: Span = Span::secs(5),
        /// How long until the backend must be seen healthy again.
        within: Span = Span::secs(35),
    }
}

section! {
    /// How recovery as a whole behaves.
    Recovery {
        /// Only say what would be done.
        dry_run: bool = false,
        /// Between two recoveries of one backend.
        cool_down: Span = Span::secs(60),
        /// Recoveries at a time.
        max_at_once: u32 = 1,
    }
}

words! {
    /// A promise of availability.
    Tier {
        Basic = "basic",
        Standard = "standard",
        Enhanced = "enhanced",
        Premium = "premium",
        Mission = "mission",
    }
}

section! {
    /// Accounting of availability.
    Sla {
        /// The promise, by name.
        tier: Option<Tier> = None,
        /// The promise, as a share of the time.
        target: Option<f64> = None,
        /// Within what time service is back.
        rto: Span = Span::secs(60),
        /// How much work may be lost.
        rpo: Span = Span::secs(1),
        /// Mean time to repair.
        mttr: Span = Span::secs(300),
        /// Mean time between failures.
        mtbf: Span = Span::secs(720 * 3600),
        /// Over what time.
        window: Span = Span::secs(30 * 86_400),
        /// Planned times that do not count.
        maintenance: Vec<Maintenance> = Vec::new(),
    }
}

section! {
    /// A planned time.
    #[schemars(extend("required" = ["from", "to"]))]
    Maintenance {
        /// RFC 3339.
        from: Option<String> = None,
        /// RFC 3339.
        to: Option<String> = None,
    }
}
