//! The pools of connections that are kept for the next exchange.

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
use crate::endpoint::paths::Via;
use crate::metrics::UpstreamMetrics;
use crate::policy::Pool as Policy;
use crate::protocol::h2::client::Room;
use crate::timer::{TICK, Timers};

/// How often idle connections are checked.
const SWEEP: Duration = Duration::from_secs(1);

/// For so many ticks (10 s) after a kept connection was closed while it was taken into use, requests that can't be repeated get
/// new connections to that backend.
const RACE_TICKS: u64 = 10_000 / TICK.as_millis() as u64;

/// A worker's connections to all backends.
#[derive(Debug)]
pub struct Pools {
    /// By [`Endpoint::key`]. Holds the backends of the current configuration, and removed ones that still have exchanges.
    pools: RefCell<HashTable<(u32, Rc<Pool>)>>,
    worker: usize,
    timers: Timers,
}

/// The connections of one client to backends that are told of the client at the start of each connection (PROXY protocol). They
/// are closed when the client's connection ends.
#[derive(Debug)]
pub struct ClientPools {
    /// By [`Endpoint::key`]. A vector, because one client uses few backends.
    pools: RefCell<Vec<(u32, Rc<Pool>)>>,
    worker: usize,
    timers: Timers,
}

/// The connections to one backend, either of a worker or of one client.
#[derive(Debug)]
pub struct Pool {
    /// The endpoints of all snapshots share these addresses. When nobody holds them any more, the backend was removed and no
    /// exchange with it is left.
    backend: Weak<Addresses>,
    idle: RefCell<Vec<Idle>>,
    pub(super) context: PoolContext,
    /// The tick until which the backend is expected to close connections as they are taken into use.
    races_until: Cell<u64>,
    /// The connections over HTTP/2, which several exchanges use at a time.
    pub shared: h2::Connections,
}

#[derive(Debug)]
struct Idle {
    connection: Box<Connection>,
    since: u64,
}

impl Pools {
    /// A set of pools without connections.
    pub fn new(worker: usize, timers: &Timers) -> Self {
        Self { pools: RefCell::default(), worker, timers: timers.clone() }
    }

    /// The pool of connections to `endpoint`.
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

    /// Runs for ever, and once a second closes connections that have been idle for too long or were closed by their backend, and
    /// drops the pools of removed backends. `first` is called before each round. To be spawned once on each worker.
    pub async fn sweep(self: Rc<Self>, first: impl Fn()) {
        loop {
            tokio::time::sleep(SWEEP).await;
            first();
            self.pools.borrow_mut().retain(|(_, pool)| {
                pool.sweep();
                !pool.is_unused()
            });
        }
    }

    /// Closes every idle connection, because the worker is about to stop.
    pub fn clear(&self) {
        self.pools.borrow_mut().clear();
    }
}

/// Spreads keys, which are consecutive numbers, over all bits by Fibonacci hashing (Knuth, TAOCP vol. 3, section 6.4).
fn hash(key: u32) -> u64 {
    u64::from(key).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl ClientPools {
    /// A set of pools without connections.
    pub fn new(worker: usize, timers: &Timers) -> Self {
        Self { pools: RefCell::default(), worker, timers: timers.clone() }
    }

    /// The pool of the client's connections to `endpoint`. No task sweeps these pools, so connections that were idle for too long
    /// are closed here.
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
            context: PoolContext::new(policy, metrics, worker, timers, endpoint.addresses.paths().cloned()),
            races_until: Cell::new(0),
            shared: h2::Connections::default(),
        })
    }

    /// Takes an idle connection which its backend has not closed, as far as is known. It is the one that was used last, because
    /// the backend will close that one last.
    pub fn take(&self) -> Option<Box<Connection>> {
        loop {
            let mut idle = self.idle.borrow_mut().pop()?;
            if !self.context.is_spent(idle.connection.open.life) && idle.connection.is_quiet() {
                idle.connection.open.idle(false);
                return Some(idle.connection);
            }
        }
    }

    /// Room for another stream on an HTTP/2 connection; `None` when there is none, or when others already wait for it.
    pub fn room(&self) -> Option<Room> {
        self.shared.take(&self.context)
    }

    /// Counts a new connection as open until the returned value is dropped. `took` is how long it took to make it; `None` for a UDP socket, which is
    /// there at once. `via` is the path that it was made over, where the backend has several.
    pub fn opened(&self, took: Option<Duration>, via: Option<Via>) -> OpenConnection {
        self.context.opened(took, via)
    }

    /// Keeps a connection for the next exchange, unless there are enough, or it is too old, or its path was left.
    pub fn park(&self, mut connection: Box<Connection>) {
        let mut idle = self.idle.borrow_mut();
        if idle.len() < self.context.policy.get().max_idle && !self.context.is_spent(connection.open.life) {
            connection.open.idle(true);
            idle.push(Idle { connection, since: self.context.timers.now() });
        }
    }

    /// The path that a stream's connection was made over, where the backend has several.
    pub fn via_of(&self, room: &Room) -> Option<Via> {
        if self.context.has_paths() { self.shared.via_of(room.client()) } else { None }
    }

    /// Records that a kept connection was closed while it was taken into use.
    pub fn raced(&self) {
        self.races_until.set(self.context.timers.now() + RACE_TICKS);
    }

    /// Whether the backend has closed a kept connection in this way lately.
    pub fn races(&self) -> bool {
        self.races_until.get() > 0 && self.races_until.get() > self.context.timers.now()
    }

    fn is_empty(&self) -> bool {
        self.idle.borrow().is_empty() && self.shared.is_empty()
    }

    /// Whether the backend was removed and nothing uses this pool any more.
    fn is_unused(self: &Rc<Self>) -> bool {
        self.is_backend_removed() && self.is_empty() && Rc::strong_count(self) == 1
    }

    fn is_backend_removed(&self) -> bool {
        self.backend.strong_count() == 0
    }

    fn sweep(&self) {
        let limit = match self.is_backend_removed() {
            true => 0,
            false => self.context.policy.get().idle_timeout.as_millis() / TICK.as_millis(),
        };
        let now = self.context.timers.now();
        self.idle.borrow_mut().retain_mut(|idle| {
            u128::from(now.saturating_sub(idle.since)) < limit
                && !self.context.is_spent(idle.connection.open.life)
                && idle.connection.is_quiet()
        });
        self.shared.sweep(&self.context, now, limit);
    }
}
