//! `[listener.client_limits]`

use super::section;

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
        /// Room for so many clients at a time in each rate; 40 bytes each.
        #[schemars(range(min = 1, max = 10_000_000))]
        keys: u32 = 100_000,
        /// true = nothing is refused; it is counted what would have been.
        dry_run: bool = false,
    }
}
