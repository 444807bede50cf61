//! Sections of a service that say which backend is picked: what the hash is taken of, affinity, load reports.

use super::section;
use crate::config::units::TimeSpan;

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
        /// For how long.
        #[schemars(extend("x-positive" = true))]
        ttl: TimeSpan = TimeSpan::secs(3600),
        /// Of the table, for all but "cookie".
        #[schemars(range(min = 1))]
        max_entries: u32 = 100_000,
        /// File with the key that signs the cookie; missing = made once and kept in state_dir.
        #[schemars(extend("x-syntax" = "text"))]
        secret_file: Option<String> = None,
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
        #[schemars(extend("x-positive" = true))]
        expire: TimeSpan = TimeSpan::secs(10),
    }
}

section! {
    /// An agent beside each backend.
    #[schemars(extend("required" = ["port"]))]
    Agent {
        /// Its port.
        #[schemars(range(min = 1))]
        port: Option<u16> = None,
        /// How often it is asked.
        #[schemars(extend("x-positive" = true))]
        interval: TimeSpan = TimeSpan::secs(2),
    }
}
