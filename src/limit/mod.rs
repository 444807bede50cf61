//! How many requests a client may send: limits by the generic cell rate algorithm (GCRA; ITU-T I.371, annex A).
//!
//! Of each key (a client, a header, a path) one time is kept: the theoretical arrival time, at which all that the key has sent would have been
//! sent if it had kept exactly to the rate. A request moves it on by the time that one request takes at that rate. It may be ahead of the clock by
//! as much as the burst takes; what would move it further is refused. A time that has passed says the same as no time at all, so nothing has to be
//! tidied up, and the [`Table`] forgets keys without being wrong about them.
//!
//! A look at a key is a hash, one look at a bucket of the table and one compare-and-swap. No lock is taken, and all workers share the table.
//!
//! What a client has at a time (connections, requests in flight) is counted by [`Clients`].
//!
//! Several instances can enforce a limit together: see [`Reporter`].

mod clients;
mod reporter;
mod shared;
mod table;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use crate::policy::KeyFrom;
pub use clients::{ClientRates, Clients, Counted, PerClient, Place};
pub use reporter::{Answer, DEMAND_FADES, Report, Reporter, faded};
pub use table::{Look, Table};

/// A rate limit, as the configuration has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateLimitRule {
    /// What it is called in answers, metrics and the log.
    pub name: String,
    /// How fast, and how many at once.
    pub rate: Rate,
    /// What it counts apart.
    pub by: By,
    /// How long a request may be held back instead of being refused.
    pub delay: Duration,
    /// For how many keys at a time there is room; above 0.
    pub keys: usize,
    /// It refuses and delays nothing, and counts what it would have.
    pub dry_run: bool,
}

/// What a limit counts apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum By {
    /// Nothing: all requests together.
    All,
    /// Clients: an IPv4 address, or a network of IPv6 of 64 bits, because a client has all addresses of such a network (RFC 6177).
    Client,
    /// The networks that clients are in, of 24 bits in IPv4 and of 48 bits, which a site has, in IPv6.
    Network,
    /// What something in the request says; requests that do not have it are counted by client.
    Key(KeyFrom),
    /// What the token of a request says in this claim, where its route verifies tokens; tokens that say nothing there are counted by client.
    Claim(String),
}

impl By {
    /// Whether requests are counted only when it is known what their tokens say.
    pub fn is_claim(&self) -> bool {
        matches!(self, Self::Claim(_))
    }

    /// The part of a client's address that is counted together.
    pub fn prefix(&self, client: IpAddr) -> IpAddr {
        let (v4, v6) = if *self == Self::Network { (24, 48) } else { (32, 64) };
        match client.to_canonical() {
            IpAddr::V4(address) => Ipv4Addr::from_bits(address.to_bits() & (u32::MAX << (32 - v4))).into(),
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << (128 - v6))).into(),
        }
    }
}

/// As the configuration has it.
impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Client | Self::Key(KeyFrom::ClientIp) => f.write_str("client"),
            Self::Network => f.write_str("network"),
            Self::Key(KeyFrom::Path) => f.write_str("path"),
            Self::Key(KeyFrom::Uri) => f.write_str("uri"),
            Self::Key(KeyFrom::Header(name)) => write!(f, "header:{name}"),
            Self::Key(KeyFrom::Cookie(name)) => write!(f, "cookie:{name}"),
            Self::Key(KeyFrom::Query(name)) => write!(f, "query:{name}"),
            Self::Claim(name) => write!(f, "claim:{name}"),
        }
    }
}

/// How fast, and how many at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// So many requests in `per`, as it was written.
    requests: u32,
    per: Duration,
    /// The time that one request takes at this rate, in nanoseconds; above 0.
    interval: u64,
    /// How many requests may come at once after a pause; above 0.
    burst: u32,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It may go on.
    Allowed {
        /// How many more may follow at once.
        remaining: u32,
    },
    /// It may go on when it has waited for so long. Its place is taken.
    Delayed(Duration),
    /// It may not go on. In so much time one may.
    Refused(Duration),
}

impl Rate {
    /// So many requests in this time, both above 0; after a pause `burst` requests may come at once. A rate above one in a nanosecond is that.
    pub fn new(requests: u32, per: Duration, burst: u32) -> Self {
        let nanos = u64::try_from(per.as_nanos()).unwrap_or(u64::MAX);
        Self { requests, per, interval: (nanos / u64::from(requests.max(1))).max(1), burst: burst.max(1) }
    }

    /// How many requests may come at once after a pause.
    pub fn burst(self) -> u32 {
        self.burst
    }

    /// The same as a quota policy of the RateLimit fields (draft-ietf-httpapi-ratelimit-headers-10, section 3): so many requests in so many seconds. Who sends no
    /// more than that at any time is within the rate: the whole burst, and the time in which it comes back, which is rounded up.
    pub fn quota(self) -> (u32, u64) {
        (self.burst, self.ahead().div_ceil(1_000_000_000).max(1))
    }

    /// The time that one request takes at this rate; above 0.
    pub fn interval(self) -> Duration {
        Duration::from_nanos(self.interval)
    }

    /// The time that the whole burst takes at this rate.
    pub fn time_of_burst(self) -> Duration {
        Duration::from_nanos(self.ahead())
    }

    /// How far the theoretical arrival time may be ahead of the clock.
    fn ahead(self) -> u64 {
        self.interval.saturating_mul(u64::from(self.burst))
    }

    /// By how much a request moves a key's time on, where that counts for `factor` / 256 requests.
    fn cost(self, factor: u64) -> u64 {
        self.interval.saturating_mul(factor) >> 8
    }

    /// Whether what keys have used at this rate means the same at the other one: a request takes as long, and no key has used more than its burst.
    fn goes_on_as(self, after: Self) -> bool {
        self.interval == after.interval && self.burst <= after.burst
    }

    /// What the theoretical arrival time of a key that was at the rate `before` is at this one, at `now`: the key has used as many requests as it had, and
    /// no more than its burst.
    fn convert(self, tat: u64, before: Self, now: u64) -> u64 {
        let ahead = u128::from(tat.saturating_sub(now)) * u128::from(self.interval) / u128::from(before.interval);
        now.saturating_add(u64::try_from(ahead).unwrap_or(u64::MAX).min(self.ahead()))
    }

    /// What becomes of a request of a key whose theoretical arrival time is `tat`, at `now` (both in nanoseconds since any one moment), if it may wait
    /// for `delay`; and the time that is kept from then on, if it goes on. Whether it goes on does not depend on the factor: where a limit is
    /// shared, an instance to which few of the requests come has the same threshold as the others.
    fn take(self, tat: u64, now: u64, delay: u64, factor: u64) -> (Taken, Option<u64>) {
        let tat = tat.max(now);
        let next = tat.saturating_add(self.cost(factor));
        let (ahead, allowed) = ((tat - now).saturating_add(self.interval), self.ahead());
        if ahead <= allowed {
            let remaining = u32::try_from((allowed - ahead) / self.interval).unwrap_or(u32::MAX);
            return (Taken::Allowed { remaining }, Some(next));
        }
        let wait = ahead - allowed;
        match wait <= delay {
            true => (Taken::Delayed(Duration::from_nanos(wait)), Some(next)),
            false => (Taken::Refused(Duration::from_nanos(wait)), None),
        }
    }
}

/// As the configuration has it.
impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.per.as_secs() {
            1 => "s",
            60 => "m",
            3_600 => "h",
            86_400 => "d",
            seconds => return write!(f, "{}/{seconds}s", self.requests),
        };
        write!(f, "{}/{unit}", self.requests)
    }
}
