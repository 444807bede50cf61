//! A backend as the data plane sees it: its identity and settings, and an `Arc` of atomics that outlives every
//! snapshot.

pub mod addresses;
pub mod breaker;
pub mod latency;
pub mod paths;
pub mod load;
pub mod failure_streak;
pub mod precedence;
pub mod standing;
pub mod state;
#[cfg(test)]
pub mod testing;
pub mod waiters;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::clock::Moment;
use crate::io::outbound::Outbound;
use addresses::Addresses;
use breaker::Breaker;
use failure_streak::FailureStreak;
use latency::Latency;
use load::Load;
use standing::Standing;

/// A backend of a service. Shared by all workers and the control plane; carried from snapshot to snapshot.
#[derive(Debug)]
pub struct Endpoint {
    /// Unique in the process. By it each worker's pool finds the connections to this backend that were made in this way
    /// (address, protocol, TLS). It stays from snapshot to snapshot while a connection made before is as good as one
    /// made now.
    pub key: u32,
    /// Unique in its service.
    pub id: Arc<str>,
    /// The service's name.
    pub service: Arc<str>,
    /// The address as written in the configuration, which is shown to people.
    pub name: String,
    /// Its address: the first one where its name has several. While it [is unresolved](Self::is_unresolved) only the
    /// port is right.
    pub target: Target,
    /// All addresses of its name, or its paths, or its only one; none for a Unix socket, and none where its name can't be looked up.
    pub addresses: Arc<Addresses>,
    /// The host part of the address as written: `Host` of last resort, and the name asked for in TLS.
    pub host: String,
    /// Configured weight; 0 = no new work.
    pub weight: u32,
    /// Where connections to it come from, and how these are marked; `None` = as the kernel does by itself.
    pub outbound: Option<Arc<Outbound>>,
    /// Exchanges at a time as configured; 0 = no limit.
    pub max_connections: u32,
    /// Used only when no other backend is available.
    pub backup: bool,
    /// Its zone; may be empty.
    pub zone: String,
    /// Whether the configuration has `drain`: it gets no new work.
    pub draining: bool,
    /// Its state at run time.
    pub live: Arc<Live>,
}

/// The address of a backend.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Target {
    /// TCP.
    Tcp(SocketAddr),
    /// A Unix socket's path.
    Unix(PathBuf),
}

/// The hot atomics of an endpoint, on cache lines of their own: every worker writes them at each exchange, and reads
/// the fields beside them in [`Endpoint`]. The alignment is 128 bytes because x86-64 prefetches lines in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Live {
    in_flight: AtomicU32,
    /// How often it was found to hang.
    hangs: AtomicU32,
    /// How long its answers take.
    pub latency: Latency,
    /// The load that it reports.
    pub load: Load,
    /// Its circuit breaker.
    pub breaker: Breaker,
    /// Its failures in a row.
    pub failure_streak: FailureStreak,
    /// What the control plane knows of it.
    pub standing: Standing,
}

/// One exchange in flight; the count goes down when this is dropped, however the exchange ends.
#[derive(Debug)]
pub struct InFlight(Arc<Live>);

impl Endpoint {
    /// A key that no endpoint had before.
    pub fn new_key() -> u32 {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        NEXT.fetch_add(1, Ordering::Relaxed)
    }

    /// Whether its name has no address, so that nobody can connect to it.
    pub fn is_unresolved(&self) -> bool {
        matches!(self.target, Target::Tcp(_)) && self.addresses.is_empty()
    }

    /// Whether it may be picked.
    pub fn gets_new_work(&self) -> bool {
        self.weight > 0 && !self.draining
    }

    /// Exchanges at a time, by the configuration and by its agent; 0 = no limit.
    pub fn limit(&self) -> u32 {
        self.live.standing.limit(self.max_connections)
    }
}

impl Live {
    /// Counts one exchange more.
    pub fn enter(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(Arc::clone(self))
    }

    /// Counts one exchange more unless there are `limit` already; 0 = no limit.
    pub fn enter_below(self: &Arc<Self>, limit: u32) -> Option<InFlight> {
        if limit == 0 {
            return Some(self.enter());
        }
        let one_more = |count: u32| (count < limit).then_some(count + 1);
        self.in_flight.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok()?;
        Some(InFlight(Arc::clone(self)))
    }

    /// How often it was found to hang. An attempt that sees this change need not wait for an answer any longer.
    pub fn hangs(&self) -> u32 {
        self.hangs.load(Ordering::Relaxed)
    }

    /// It was found to hang: what waits for its answer now may try another one. Those who wait have to be [woken](crate::timer::wake_all).
    pub fn hang(&self) {
        self.hangs.fetch_add(1, Ordering::Relaxed);
    }

    /// Its process was started anew: its ejection ends (but not what recovery holds open), its breaker closes, and what was learned of its
    /// answers and its load is forgotten. Its slow start begins. The number of its ejections stays: one that has to be restarted again and
    /// again is no better for it.
    pub fn restarted(&self, now: Moment) {
        self.standing.readmit();
        self.closed_again(now);
        self.latency.forget();
        self.load.forget();
        self.standing.join(now);
    }

    /// It gets work again after a time without: what failed before that counts no more.
    pub fn closed_again(&self, now: Moment) {
        self.failure_streak.reset();
        self.breaker.close(now);
    }

    /// Exchanges in flight now.
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }
}

impl InFlight {
    /// The backend's atomics.
    pub fn live(&self) -> &Arc<Live> {
        &self.0
    }
}

impl Target {
    /// The `Host` or `:authority` of a request to it when nothing else sets one: `host`, its name, with the port unless
    /// that is the default of the scheme (RFC 9110, section 7.2; RFC 3986, section 3.2). `port` replaces the port of
    /// its address; a Unix socket has none.
    pub fn authority(&self, host: &str, port: Option<u16>, secure: bool) -> String {
        let Self::Tcp(address) = self else { return host.to_owned() };
        let port = port.unwrap_or(address.port());
        let usual = if secure { 443 } else { 80 };
        // only an IPv6 address contains a colon, and it is written in brackets
        match (host.contains(':'), port == usual) {
            (true, true) => format!("[{host}]"),
            (true, false) => format!("[{host}]:{port}"),
            (false, true) => host.to_owned(),
            (false, false) => format!("{host}:{port}"),
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backend_that_was_started_anew_begins_as_a_new_one_but_for_the_count_of_its_ejections() {
        let (live, now) = (Arc::new(Live::default()), Moment::now());
        let policy = crate::policy::Breaker { failures: 1, ..testing::breaker() };
        let minute = std::time::Duration::from_secs(60);
        let _under_way = live.enter();
        let failed = live.breaker.admit(&policy, now).unwrap();
        let late = live.breaker.admit(&policy, now).unwrap();
        live.breaker.record(failed, true, &policy, now).unwrap();
        live.failure_streak.record(true);
        live.latency.observe_failure(minute, now);
        live.load.report(load::Report { memory: Some(0.95), ..load::Report::default() }, 1, now);
        live.standing.eject(now.plus(minute), "1 failure in a row");
        live.standing.break_for(now.plus(minute), "half of its answers failed");
        live.restarted(now);
        assert!(!live.standing.is_ejected(now) && live.standing.is_held_open(now));
        assert_eq!((live.standing.ejections(), live.standing.joined(), live.in_flight()), (1, now, 1));
        assert_eq!(live.breaker.state(&policy, now), breaker::Circuit::Closed);
        assert_eq!((live.failure_streak.consecutive(), live.latency.failure_penalty(now)), (0, 0));
        assert_eq!((live.latency.average(now), live.load.last()), (None, None));
        assert_eq!(live.breaker.record(late, true, &policy, now), None, "what was sent to the old process");
        assert_eq!(live.breaker.state(&policy, now), breaker::Circuit::Closed);
    }

    #[test]
    fn a_backend_is_asked_for_with_its_port_unless_that_is_the_schemes_own() {
        let at = |address: &str| Target::Tcp(address.parse().unwrap());
        let named = |port: u16, secure| at(&format!("10.0.0.1:{port}")).authority("api.internal", None, secure);
        assert_eq!([named(80, false), named(443, true)], ["api.internal", "api.internal"]);
        assert_eq!([named(80, true), named(443, false)], ["api.internal:80", "api.internal:443"]);
        assert_eq!(named(8080, false), "api.internal:8080");
        assert_eq!(
            at("10.0.0.1:80").authority("10.0.0.1", Some(9101), false),
            "10.0.0.1:9101",
            "asked at another port"
        );
        assert_eq!(at("[::1]:8080").authority("::1", None, false), "[::1]:8080");
        assert_eq!(at("[::1]:80").authority("::1", None, false), "[::1]");
        assert_eq!(Target::Unix("/run/api.sock".into()).authority("localhost", None, false), "localhost");
    }
}
