//! Connections that wait for their next exchange.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::{Arc, Weak};
use std::time::Duration;

use hashbrown::HashTable;

use super::context::{OpenConnection, PoolContext};
use super::h1::connection::Connection;
use super::h2;
use crate::endpoint::Endpoint;
use crate::endpoint::addresses::Addresses;
use crate::metrics::UpstreamMetrics;
use crate::policy::Pool as Policy;
use crate::protocol::h2::client::Room;
use crate::timer::{TICK, Timers};

/// How often idle connections are looked through.
const SWEEP: Duration = Duration::from_secs(1);

/// Ticks for which requests that can't be repeated get new connections to a backend that closed one as it was used: 10 s.
const RACES: u64 = 10_000 / TICK.as_millis() as u64;

/// A worker's connections to all backends.
#[derive(Debug)]
pub struct Pools {
    /// By [`Endpoint::key`], for the backends that there are and those that were taken away and still have exchanges.
    pools: RefCell<HashTable<(u32, Rc<Pool>)>>,
    worker: usize,
    timers: Timers,
}

/// One client's connections to backends that are told whose they are. They go when the client does.
#[derive(Debug)]
pub struct ClientPools {
    /// By [`Endpoint::key`]; a client meets few backends.
    pools: RefCell<Vec<(u32, Rc<Pool>)>>,
    worker: usize,
    timers: Timers,
}

/// Connections to one backend: a worker's, or one client's.
#[derive(Debug)]
pub struct Pool {
    /// The endpoints of all snapshots that share this pool share their addresses too: when nobody has those any more, the backend is
    /// gone and no exchange with it is left.
    backend: Weak<Addresses>,
    idle: RefCell<Vec<Idle>>,
    pub(super) context: PoolContext,
    /// Tick until which the backend is taken for one that closes connections as they are used.
    races_until: Cell<u64>,
    /// Those over HTTP/2, which exchanges share.
    pub shared: h2::Connections,
}

#[derive(Debug)]
struct Idle {
    connection: Box<Connection>,
    since: u64,
}

impl Pools {
    /// No connections yet.
    pub fn new(worker: usize, timers: &Timers) -> Self {
        Self { pools: RefCell::default(), worker, timers: timers.clone() }
    }

    /// The connections to `endpoint`.
    pub fn of(&self, endpoint: &Endpoint, policy: Policy, metrics: &Arc<UpstreamMetrics>) -> Rc<Pool> {
        let key = endpoint.key;
        let mut pools = self.pools.borrow_mut();
        let entry = pools.entry(hash(key), |(known, _)| *known == key, |(known, _)| hash(*known));
        let made = || (key, Pool::new(endpoint, policy, metrics, self.worker, &self.timers));
        let entry = entry.or_insert_with(made);
        let (_, pool) = entry.get();
        pool.context.policy.set(policy);
        Rc::clone(pool)
    }

    /// Closes what has been idle for too long or was closed by its backend, and forgets backends that are gone, for ever. Each time
    /// `first` is called before. To be spawned once on the worker.
    pub async fn sweep(self: Rc<Self>, first: impl Fn()) {
        loop {
            tokio::time::sleep(SWEEP).await;
            first();
            self.pools.borrow_mut().retain(|(_, pool)| {
                pool.sweep();
                !pool.is_forgotten()
            });
        }
    }

    /// Closes every idle connection: the worker is about to stop.
    pub fn clear(&self) {
        self.pools.borrow_mut().clear();
    }
}

/// Keys are given out one after the other: spread over all bits by Fibonacci hashing (Knuth, TAOCP vol. 3, section 6.4).
fn hash(key: u32) -> u64 {
    u64::from(key).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl ClientPools {
    /// No connections yet.
    pub fn new(worker: usize, timers: &Timers) -> Self {
        Self { pools: RefCell::default(), worker, timers: timers.clone() }
    }

    /// The client's connections to `endpoint`. Nobody else looks through them, so those that have waited for too long are
    /// closed here, on the way.
    pub fn of(&self, endpoint: &Endpoint, policy: Policy, metrics: &Arc<UpstreamMetrics>) -> Rc<Pool> {
        let mut pools = self.pools.borrow_mut();
        pools.retain(|(_, pool)| {
            pool.sweep();
            Rc::strong_count(pool) > 1 || !pool.is_empty()
        });
        if let Some((_, pool)) = pools.iter().find(|(key, _)| *key == endpoint.key) {
            pool.context.policy.set(policy);
            return Rc::clone(pool);
        }
        let pool = Pool::new(endpoint, policy, metrics, self.worker, &self.timers);
        pools.push((endpoint.key, Rc::clone(&pool)));
        pool
    }
}

impl Pool {
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
            context: PoolContext::new(policy, metrics, worker, timers),
            races_until: Cell::new(0),
            shared: h2::Connections::default(),
        })
    }

    /// A connection that was used before and that its backend has not closed since, as far as is known: the one that was used
    /// last, because the backend will close that one last.
    pub fn take(&self) -> Option<Box<Connection>> {
        loop {
            let mut idle = self.idle.borrow_mut().pop()?;
            if !self.context.is_too_old(idle.connection.open.age) && idle.connection.is_quiet() {
                idle.connection.open.idle(false);
                return Some(idle.connection);
            }
        }
    }

    /// Room for another stream on a connection over HTTP/2, unless somebody waits for it.
    pub fn room(&self) -> Option<Room> {
        self.shared.take(&self.context)
    }

    /// Counts a new connection.
    pub fn opened(&self) -> OpenConnection {
        self.context.opened()
    }

    /// Keeps a connection for the next exchange.
    pub fn park(&self, mut connection: Box<Connection>) {
        let mut idle = self.idle.borrow_mut();
        if idle.len() < self.context.policy.get().max_idle && !self.context.is_too_old(connection.open.age) {
            connection.open.idle(true);
            idle.push(Idle { connection, since: self.context.timers.now() });
        }
    }

    /// A kept connection was closed as it was used.
    pub fn raced(&self) {
        self.races_until.set(self.context.timers.now() + RACES);
    }

    /// Whether that happened lately.
    pub fn races(&self) -> bool {
        self.races_until.get() > 0 && self.races_until.get() > self.context.timers.now()
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
            false => self.context.policy.get().idle_timeout.as_millis() / TICK.as_millis(),
        };
        let now = self.context.timers.now();
        self.idle.borrow_mut().retain_mut(|idle| {
            u128::from(now.saturating_sub(idle.since)) < limit
                && !self.context.is_too_old(idle.connection.open.age)
                && idle.connection.is_quiet()
        });
        self.shared.sweep(&self.context, now, limit);
    }
}
