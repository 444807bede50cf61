//! Sections of a service that keep it up: checks, ejection, breakers, retries, fallback, and where backends come from.

use std::collections::BTreeMap;

use super::{section, words};
use crate::config::units::{LatencyFactor, Size, TimeSpan};

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
        /// The path that a check asks for.
        #[schemars(extend("x-syntax" = "health-path"))]
        path: String = "/".to_owned(),
        /// The method of a check.
        #[schemars(extend("x-syntax" = "method"))]
        method: String = "GET".to_owned(),
        /// The Host that a check sends; empty = the backend's.
        #[schemars(extend("x-syntax" = "authority-or-empty"))]
        host: String = String::new(),
        /// Headers that a check sends beside Host.
        #[schemars(extend("x-key-syntax" = "header-name", "x-syntax" = "header-value"))]
        headers: BTreeMap<String, String> = BTreeMap::new(),
        /// The gRPC service asked about; empty = the whole server.
        service: String = String::new(),
        /// The statuses of a healthy backend.
        #[schemars(extend("x-syntax" = "status-ranges"))]
        expect_status: String = "200-399".to_owned(),
        /// Text that the body of a healthy backend has in it.
        expect_body: Option<String> = None,
        /// The port that is checked; missing = the backend's own.
        #[schemars(range(min = 1))]
        port: Option<u16> = None,
        /// What a check sends, for "tcp".
        send: Option<String> = None,
        /// What must come back from the backend, for "tcp".
        expect: Option<String> = None,
        /// The time between two checks.
        #[schemars(extend("x-positive" = true))]
        interval: TimeSpan = TimeSpan::secs(2),
        /// The time between two checks while the state is in doubt.
        #[schemars(extend("x-positive" = true))]
        fast_interval: TimeSpan = TimeSpan::ms(500),
        /// How long a check may take.
        #[schemars(extend("x-positive" = true))]
        timeout: TimeSpan = TimeSpan::secs(1),
        /// So many failures in a row take a backend out.
        #[schemars(range(min = 1))]
        fall: u32 = 3,
        /// So many successes in a row bring it back.
        #[schemars(range(min = 1))]
        rise: u32 = 2,
        /// How much intervals vary, as a share of them.
        #[schemars(range(min = 0.0, max = 1.0))]
        jitter: f64 = 0.1,
        /// What a backend is before its first check.
        initial: Initial = Initial::Up,
    }
}

section! {
    /// When a backend is taken out because of its answers.
    Outlier {
        /// So many failures in a row take a backend out; 0 = off.
        consecutive_failures: u32 = 5,
        /// Share of failures over `window`, with at least `min_requests`.
        #[schemars(range(min = 0.0, max = 1.0))]
        error_rate: f64 = 0.5,
        /// "auto" = slower than the peers, as soon as there is evidence enough; 3.0 = slower than 3 times the peers' median; 0 = off.
        latency_factor: LatencyFactor = LatencyFactor::Auto,
        /// The time over which failures and latencies are judged.
        #[schemars(extend("x-positive" = true))]
        window: TimeSpan = TimeSpan::secs(10),
        /// With fewer requests in `window`, neither a rate nor a latency is judged.
        #[schemars(range(min = 1))]
        min_requests: u32 = 20,
        /// For how long a backend is out, times the number of its ejections so far.
        #[schemars(extend("x-positive" = true))]
        eject_for: TimeSpan = TimeSpan::secs(10),
        /// For how long a backend is out at most; at least `eject_for`.
        #[schemars(extend("x-positive" = true))]
        max_eject_for: TimeSpan = TimeSpan::secs(300),
        /// The share of the backends that may be out at a time.
        #[schemars(range(min = 0.0, max = 1.0))]
        max_ejected: f64 = 0.5,
    }
}

section! {
    /// A backend that fails gets no requests for a while.
    CircuitBreaker {
        /// So many failures in a row open the breaker.
        #[schemars(range(min = 1))]
        failures: u32 = 5,
        /// The share of failures that opens the breaker; 0 = off.
        #[schemars(range(min = 0.0, max = 1.0))]
        error_rate: f64 = 0.0,
        /// For how long the backend gets no requests.
        #[schemars(extend("x-positive" = true))]
        open_for: TimeSpan = TimeSpan::secs(30),
        /// So many requests try whether the backend is well again.
        #[schemars(range(min = 1))]
        half_open: u32 = 3,
    }
}

words! {
    /// How important a request is.
    Priority { High = "high", Normal = "normal", Low = "low", }
}

section! {
    /// An adaptive limit of the exchanges in flight: what is above it is answered with 503, by priority.
    Concurrency {
        /// The limit is never below.
        #[schemars(range(min = 1, max = 1_000_000))]
        min: u32 = 3,
        /// Nor is it above.
        #[schemars(range(min = 1, max = 1_000_000))]
        max: u32 = 1_000,
        /// What it begins with; at least `min`, and at most `max`.
        #[schemars(range(min = 1, max = 1_000_000))]
        initial: u32 = 20,
        /// So many times the latency without load is taken for no sign of a queue.
        #[schemars(range(min = 1.1, max = 10.0))]
        tolerance: f64 = 1.5,
        /// How often that latency is measured again while the limit is reached.
        #[schemars(extend("x-positive" = true))]
        probe: TimeSpan = TimeSpan::secs(30),
        /// The part of the limit that requests of normal priority may use; those of high priority may use all of it.
        #[schemars(range(min = 0.01, max = 1.0))]
        normal: f64 = 0.8,
        /// The part of the limit that requests of low priority may use; at most `normal`.
        #[schemars(range(min = 0.01, max = 1.0))]
        low: f64 = 0.6,
    }
}

section! {
    /// When a request is sent again.
    Retry {
        /// How many attempts are made beyond the first; 0 = none.
        #[schemars(range(max = 10))]
        attempts: u32 = 2,
        /// The share of all requests that further attempts may be.
        #[schemars(range(min = 0.0, max = 1.0))]
        budget: f64 = 0.2,
        /// What is tried again: "connect", "reset", or a status.
        #[schemars(extend("x-syntax" = "retry-condition"))]
        on: Vec<String> = ["connect", "reset", "502", "503", "504"].map(str::to_owned).to_vec(),
        /// The pause before the second repetition; it doubles. The first repetition comes at once.
        back_off: TimeSpan = TimeSpan::ms(25),
        /// An answer of at most this length is passed on only when it is whole; 0 = at once.
        #[schemars(range(max = 1_048_576))]
        hold: Size = Size(16 << 10),
        /// When a second attempt is made beside one that is late: "p50" to "p99.9" of what attempts take, or a time; missing = never.
        #[schemars(extend("x-syntax" = "hedge"))]
        hedge: Option<String> = None,
    }
}

section! {
    /// The answer when no backend can be used.
    Fallback {
        /// The status of the answer.
        #[schemars(range(min = 200, max = 599))]
        status: u16 = 503,
        /// The body of the answer.
        body: String = String::new(),
        /// The Content-Type of the body.
        #[schemars(extend("x-syntax" = "header-value"))]
        content_type: String = "text/plain".to_owned(),
        /// The Retry-After of the answer.
        retry_after: Option<TimeSpan> = None,
    }
}

section! {
    /// Backends from elsewhere: one of dns, srv, file, etcd.
    Discover {
        /// A name and a port: the backends are its A and AAAA records.
        #[schemars(extend("x-syntax" = "name-and-port"))]
        dns: Option<String> = None,
        /// The name of SRV records.
        #[schemars(extend("x-syntax" = "srv-name"))]
        srv: Option<String> = None,
        /// A watched JSON file: [{ "address": "...", "weight": 1 }].
        #[schemars(extend("x-syntax" = "text"))]
        file: Option<String> = None,
        /// What keys of etcd begin with, each of which is a backend: an address, or JSON as in a file.
        #[schemars(extend("x-syntax" = "text"))]
        etcd: Option<String> = None,
        /// How often names are looked up again.
        #[schemars(extend("x-positive" = true))]
        refresh: TimeSpan = TimeSpan::secs(10),
        /// The members of etcd: http or https URLs; default: those of cluster.elect, with the keys below.
        #[schemars(extend("x-syntax" = "etcd"))]
        endpoints: Vec<String> = Vec::new(),
        /// PEM file with the authorities that etcd's certificates are verified against; default: the system's.
        #[schemars(extend("x-syntax" = "text"))]
        ca: Option<String> = None,
        /// PEM file with the certificate that is shown to etcd.
        #[schemars(extend("x-syntax" = "text"))]
        cert: Option<String> = None,
        /// PEM file with its key.
        #[schemars(extend("x-syntax" = "text"))]
        key: Option<String> = None,
        /// The user, where etcd asks for one.
        #[schemars(extend("x-syntax" = "text"))]
        user: Option<String> = None,
        /// File with the user's password: one line.
        #[schemars(extend("x-syntax" = "text"))]
        password_file: Option<String> = None,
    }
}
