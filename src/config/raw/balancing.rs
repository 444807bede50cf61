//! Sections of a service that say which backend is picked: what the hash is taken of, affinity, load reports.

use super::section;
use crate::config::units::{Size, TimeSpan};

section! {
    /// What the consistent hash is taken of.
    HashKey {
        /// "client_ip", "path", "uri", "header:NAME", "cookie:NAME" or "query:NAME".
        #[schemars(extend("x-syntax" = "hash-key"))]
        on: String = "client_ip".to_owned(),
        /// Points on the ring for each unit of a backend's weight.
        #[schemars(range(min = 1, max = 10_000))]
        virtual_nodes: u32 = 150,
        /// 0 = off; 1.25 = no backend above 125 % of the mean.
        #[schemars(range(min = 0.0, max = 100.0))]
        bounded_load: f64 = 0.0,
    }
}

section! {
    /// A client stays with its backend.
    Affinity {
        /// "cookie" (signed, set by Evenkeel), "client_ip", "header:NAME", "cookie:NAME" or "query:NAME".
        #[schemars(extend("x-syntax" = "session-key"))]
        by: String = "cookie".to_owned(),
        /// The name of the cookie that Evenkeel sets.
        #[schemars(extend("x-syntax" = "cookie-name"))]
        name: String = "evenkeel".to_owned(),
        /// For how long a client stays with its backend after its last request.
        #[schemars(extend("x-positive" = true))]
        ttl: TimeSpan = TimeSpan::secs(3600),
        /// The most sessions that are remembered at a time, for all but "cookie".
        #[schemars(range(min = 1))]
        max_entries: u32 = 100_000,
        /// File with the key that signs the cookie; missing = made once and kept in state_dir. With `store`, the key that sessions are hashed with there.
        #[schemars(extend("x-syntax" = "text"))]
        secret_file: Option<String> = None,
        /// Files with further keys that cookies may be signed with: the one before, or the next one.
        #[schemars(extend("x-syntax" = "text"))]
        accepted_secret_files: Vec<String> = Vec::new(),
        /// Redis that shares the table with other instances: "redis://", "rediss://" (TLS) or "unix://".
        #[schemars(extend("x-syntax" = "session-store"))]
        store: Option<String> = None,
        /// File with the password of the store: one line.
        #[schemars(extend("x-syntax" = "text"))]
        store_password_file: Option<String> = None,
        /// PEM file with the authorities that the store's certificate is verified against; default: the system's.
        #[schemars(extend("x-syntax" = "text"))]
        store_ca: Option<String> = None,
        /// How long a request waits for the store at most.
        #[schemars(extend("x-positive" = true))]
        store_timeout: TimeSpan = TimeSpan::millis(5),
        /// What the names of sessions in the store begin with: the same on all instances that share them.
        #[schemars(extend("x-syntax" = "text"))]
        store_prefix: String = "evenkeel".to_owned(),
        /// Memory for what waits to be written into the store; over it, the oldest is dropped.
        #[schemars(extend("minimum" = 65_536, "maximum" = 1_073_741_824))]
        store_queue: Size = Size(4 << 20),
    }
}

section! {
    /// What backends say about their load.
    LoadReports {
        /// Read `endpoint-load-metrics` in responses.
        orca: bool = true,
        /// Metrics whose highest is the utilization of a backend that does not report `application_utilization`: "named_metrics.NAME".
        #[schemars(extend("x-syntax" = "named-metric"))]
        utilization: Vec<String> = Vec::new(),
        /// Ask an agent beside the backend.
        agent: Option<Agent> = None,
        /// A report is forgotten after this time.
        #[schemars(extend("x-positive" = true))]
        expire: TimeSpan = TimeSpan::secs(10),
    }
}

section! {
    /// An agent beside each backend.
    #[schemars(extend("required" = ["port"]))]
    Agent {
        /// The port of the agent.
        #[schemars(range(min = 1))]
        port: Option<u16> = None,
        /// How often the agent is asked.
        #[schemars(extend("x-positive" = true))]
        interval: TimeSpan = TimeSpan::secs(2),
    }
}
