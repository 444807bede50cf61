//! `[[listener.rate_limit]]` and `[listener.client_limits]`

use super::section;
use crate::config::units::{Size, TimeSpan};

section! {
    /// How many requests may be sent; over it: 429.
    #[schemars(extend("required" = ["rate"]))]
    RateLimit {
        /// What it is called in answers, metrics and the log; default: its rate and what it goes by.
        #[schemars(extend("x-syntax" = "name"))]
        name: Option<String> = None,
        /// So many requests in a time: "100/s", "5/m", "1000/h", "10000/d".
        #[schemars(extend("x-syntax" = "rate"))]
        rate: Option<String> = None,
        /// How many may come at once after a pause; default: as many as come in a second at this rate, at least one.
        #[schemars(range(min = 1, max = 10_000_000))]
        burst: Option<u32> = None,
        /// What is counted apart: "client", "network", "path", "uri", "header:NAME", "cookie:NAME", "query:NAME", "claim:NAME" of a token, or "all" for nothing.
        #[schemars(extend("x-syntax" = "limit-key"))]
        by: String = "client".to_owned(),
        /// How long a request over the limit may be held back; what would have to wait for longer is refused.
        delay: TimeSpan = TimeSpan::ms(0),
        /// Room for so many clients (or whatever it goes by) at a time; 40 bytes each.
        #[schemars(range(min = 1, max = 10_000_000))]
        keys: u32 = 100_000,
        /// true = nothing is refused or held back; it is counted what would have been.
        dry_run: bool = false,
        /// Redis by which all instances enforce the limit together: "redis://", "rediss://" (TLS) or "unix://".
        #[schemars(extend("x-syntax" = "session-store"))]
        store: Option<String> = None,
        /// File with the password of the store: one line.
        #[schemars(extend("x-syntax" = "text"))]
        store_password_file: Option<String> = None,
        /// PEM file with the authorities that the store's certificate is verified against; default: the system's.
        #[schemars(extend("x-syntax" = "text"))]
        store_ca: Option<String> = None,
        /// What names in the store begin with: the same on all instances that share the limit.
        #[schemars(extend("x-syntax" = "text"))]
        store_prefix: String = "evenkeel".to_owned(),
    }
}

section! {
    /// What each client may have: an IPv4 address, or a /64 of IPv6.
    ClientLimits {
        /// Connections open at a time (over UDP: sessions); 0 = no limit. Above it a new one is reset.
        connections: u32 = 0,
        /// So many connections (over UDP: sessions) may begin in a time, such as "20/s"; not there = no limit.
        #[schemars(extend("x-syntax" = "rate"))]
        new_connections: Option<String> = None,
        /// How many may begin at once after a pause; default: as many as in a second, at least one.
        #[schemars(range(min = 1, max = 10_000_000))]
        new_connections_burst: Option<u32> = None,
        /// So many TLS handshakes may begin in a time; those that resume a session don't count. Above it the connection is reset.
        #[schemars(extend("x-syntax" = "rate"))]
        handshakes: Option<String> = None,
        /// How many may begin at once after a pause; default: as many as in a second, at least one.
        #[schemars(range(min = 1, max = 10_000_000))]
        handshakes_burst: Option<u32> = None,
        /// Requests in flight at a time, over all connections; 0 = no limit. Above it: 429.
        requests: u32 = 0,
        /// Bytes that it may send in a second, over all connections, such as "10MiB/s"; not there = no limit. Above it: slowed down.
        #[schemars(extend("x-syntax" = "bandwidth"))]
        upload: Option<String> = None,
        /// How many it may send at once after a pause; 0 = as many as in a second.
        upload_burst: Size = Size(0),
        /// Bytes that it is sent in a second, over all connections, such as "10MiB/s"; not there = no limit.
        #[schemars(extend("x-syntax" = "bandwidth"))]
        download: Option<String> = None,
        /// How many it is sent at once after a pause; 0 = as many as in a second.
        download_burst: Size = Size(0),
        /// Room for so many clients at a time in each rate; 40 bytes each.
        #[schemars(range(min = 1, max = 10_000_000))]
        keys: u32 = 100_000,
        /// true = nothing is refused; it is counted what would have been.
        dry_run: bool = false,
    }
}
