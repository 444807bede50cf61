//! Connections that wait for their next exchange.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::{Arc, Weak};
use std::task::{Context, Waker};
use std::time::Duration;

use hashbrown::HashTable;

use super::age::Age;
use super::{h1, h2};
use crate::endpoint::Endpoint;
use crate::endpoint::addresses::Addresses;
use crate::metrics::UpstreamMetrics;
use crate::policy::Pool as Policy;
use crate::timer::{TICK, Timers};

/// How often idle connections are looked through.
const SWEEP: Duration = Duration::from_secs(1);

/// Ticks for which requests that can't be repeated get new connections to a backend that closed one as it was used: 10 s.
const RACES: u64 = 10_000 / TICK.as_millis() as u64;

/// A worker's connections to all backends.
#[derive(Debug)]
pub struct Pools {
    /// By [`Endpoint::key`], for the backends that there are and those that were taken away and still have exchanges.
    homes: RefCell<HashTable<(u32, Rc<Home>)>>,
    worker: usize,
    timers: Timers,
}

/// One client's connections to backends that are told whose they are. They go when the client does.
#[derive(Debug)]
pub struct ClientPools {
    /// By [`Endpoint::key`]; a client meets few backends.
    homes: RefCell<Vec<(u32, Rc<Home>)>>,
    worker: usize,
    timers: Timers,
}

/// Connections to one backend: a worker's, or one client's.
#[derive(Debug)]
pub struct Home {
    /// The endpoints of all snapshots that share this home share their addresses too: when nobody has those any more, the backend is
    /// gone and no exchange with it is left.
    backend: Weak<Addresses>,
    idle: RefCell<Vec<Idle>>,
    policy: Cell<Policy>,
    pub(super) timers: Timers,
    /// Tick until which the backend is taken for one that closes connections as they are used.
    races_until: Cell<u64>,
    /// Those over HTTP/2, which exchanges share.
    pub shared: h2::Connections,
    gauge: Gauge,
}

#[derive(Debug)]
struct Idle {
    connection: Box<h1::Connection>,
    since: u64,
}

/// Counts the connections of one worker to one backend.
#[derive(Debug, Clone)]
struct Gauge {
    metrics: Arc<UpstreamMetrics>,
    worker: usize,
}

/// One open connection, counted while it exists.
#[derive(Debug)]
pub struct Counted {
    gauge: Gauge,
    idle: bool,
    pub(super) age: Age,
}

impl Pools {
    /// No connections yet.
    pub fn new(worker: usize, timers: &Timers) -> Self {
        Self { homes: RefCell::default(), worker, timers: timers.clone() }
    }

    /// The connections to `endpoint`.
    pub fn home(&self, endpoint: &Endpoint, policy: Policy, metrics: &Arc<UpstreamMetrics>) -> Rc<Home> {
        let key = endpoint.key;
        let mut homes = self.homes.borrow_mut();
        let entry = homes.entry(hash(key), |(known, _)| *known == key, |(known, _)| hash(*known));
        let made = || (key, Home::new(endpoint, policy, metrics, self.worker, &self.timers));
        let entry = entry.or_insert_with(made);
        let (_, home) = entry.get();
        home.policy.set(policy);
        Rc::clone(home)
    }

    /// Closes what has been idle for too long or was closed by its backend, and forgets backends that are gone, for ever. Each time
    /// `first` is called before. To be spawned once on the worker.
    pub async fn sweep(self: Rc<Self>, first: impl Fn()) {
        loop {
            tokio::time::sleep(SWEEP).await;
            first();
            self.homes.borrow_mut().retain(|(_, home)| {
                home.sweep();
                !home.is_forgotten()
            });
        }
    }

    /// Closes every idle connection: the worker is about to stop.
    pub fn clear(&self) {
        self.homes.borrow_mut().clear();
    }
}

/// Keys are given out one after the other: spread over all bits by Fibonacci hashing (Knuth, TAOCP vol. 3, section 6.4).
fn hash(key: u32) -> u64 {
    u64::from(key).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl ClientPools {
    /// No connections yet.
    pub fn new(worker: usize, timers: &Timers) -> Self {
        Self { homes: RefCell::default(), worker, timers: timers.clone() }
    }

    /// The client's connections to `endpoint`. Nobody else looks through them, so those that have waited for too long are
    /// closed here, on the way.
    pub fn home(&self, endpoint: &Endpoint, policy: Policy, metrics: &Arc<UpstreamMetrics>) -> Rc<Home> {
        let mut homes = self.homes.borrow_mut();
        homes.retain(|(_, home)| {
            home.sweep();
            Rc::strong_count(home) > 1 || !home.is_empty()
        });
        if let Some((_, home)) = homes.iter().find(|(key, _)| *key == endpoint.key) {
            home.policy.set(policy);
            return Rc::clone(home);
        }
        let home = Home::new(endpoint, policy, metrics, self.worker, &self.timers);
        homes.push((endpoint.key, Rc::clone(&home)));
        home
    }
}

impl Home {
    fn new(
        endpoint: &Endpoint,
        policy: Policy,
        metrics: &Arc<UpstreamMetrics>,
        worker: usize,
        timers: &Timers,
    ) -> Rc<Self> {
        Rc::new(Self {
            backend: Arc::downgrade(&endpoint.addresses),
            idle: RefCell::default(),
            policy: Cell::new(policy),
            timers: timers.clone(),
            races_until: Cell::new(0),
            shared: h2::Connections::default(),
            gauge: Gauge { metrics: Arc::clone(metrics), worker },
        })
    }

    /// A connection that was used before and that its backend has not closed since, as far as is known: the one that was used
    /// last, because the backend will close that one last.
    pub fn take(&self) -> Option<Box<h1::Connection>> {
        loop {
            let mut idle = self.idle.borrow_mut().pop()?;
            if !self.is_too_old(idle.connection.counted.age) && idle.connection.is_quiet() {
                idle.connection.counted.idle(false);
                return Some(idle.connection);
            }
        }
    }

    /// Counts a new connection.
    pub fn opened(&self) -> Counted {
        self.gauge.metrics.connected(self.gauge.worker);
        let age = Age::new(self.timers.now(), &mut fastrand::Rng::new());
        Counted { gauge: self.gauge.clone(), idle: false, age }
    }

    /// Whether a connection of ours of this age may carry no other exchange (`pool.max_age`).
    pub(super) fn is_too_old(&self, age: Age) -> bool {
        age.is_over(|| self.timers.now(), self.policy.get().max_age)
    }

    /// Keeps a connection for the next exchange.
    pub fn park(&self, mut connection: Box<h1::Connection>) {
        let mut idle = self.idle.borrow_mut();
        if idle.len() < self.policy.get().max_idle && !self.is_too_old(connection.counted.age) {
            connection.counted.idle(true);
            idle.push(Idle { connection, since: self.timers.now() });
        }
    }

    /// A kept connection was closed as it was used.
    pub fn raced(&self) {
        self.races_until.set(self.timers.now() + RACES);
    }

    /// Whether that happened lately.
    pub fn races(&self) -> bool {
        self.races_until.get() > 0 && self.races_until.get() > self.timers.now()
    }

    fn is_empty(&self) -> bool {
        self.idle.borrow().is_empty() && self.shared.is_empty()
    }

    /// Whether its backend is gone, and everything that was under way with it has ended.
    fn is_forgotten(self: &Rc<Self>) -> bool {
        self.is_abandoned() && self.is_empty() && Rc::strong_count(self) == 1
    }

    fn is_abandoned(&self) -> bool {
        self.backend.strong_count() == 0
    }

    fn sweep(&self) {
        let limit = match self.is_abandoned() {
            true => 0,
            false => self.policy.get().idle_timeout.as_millis() / TICK.as_millis(),
        };
        let now = self.timers.now();
        self.idle.borrow_mut().retain_mut(|idle| {
            u128::from(now.saturating_sub(idle.since)) < limit
                && !self.is_too_old(idle.connection.counted.age)
                && idle.connection.is_quiet()
        });
        self.shared.sweep(self, now, limit);
    }
}

impl Counted {
    fn idle(&mut self, idle: bool) {
        if self.idle != idle {
            self.idle = idle;
            match idle {
                true => self.gauge.metrics.parked(self.gauge.worker),
                false => self.gauge.metrics.unparked(self.gauge.worker),
            }
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.idle(false);
        self.gauge.metrics.closed(self.gauge.worker);
    }
}

/// A context whose waker does nothing: to look at a connection without waiting for it.
pub(super) fn glance<T>(look: impl FnOnce(&mut Context<'_>) -> T) -> T {
    look(&mut Context::from_waker(Waker::noop()))
}
