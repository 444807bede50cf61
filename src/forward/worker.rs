//! What one worker brings to each exchange and session: its time-outs, its connections to backends, its queues, budgets and cursors.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use ahash::AHashMap;
use tokio::sync::Notify;

use super::concurrency::lines::Lines;
use super::placement::queue::{Queues, Slot};
use super::request_id::RequestIds;
use super::retry::budget::{Budget, HEDGED};
use crate::auth::Remembered;
use crate::balance::{BackendSet, Cursor, Cursors};
use crate::clock::Moment;
use crate::compress;
use crate::endpoint::waiters::Waiters;
use crate::endpoint::{Endpoint, Target};
use crate::io::pipe::Pipes;
use crate::layer4::duplex;
use crate::layer4::proxy_protocol::Peer;
use crate::metrics::hedges::HedgeResult;
use crate::policy::ProxyHeader;
use crate::protocol::http::fields::Date;
use crate::record::Recorder;
use crate::snapshot::{self, Listener, Service};
use crate::timer::Timers;
use crate::trace::Tracer;
use crate::upstream::Pools;

/// What one worker brings to each exchange.
#[derive(Debug)]
pub struct Worker {
    /// Its number, from 0.
    pub index: usize,
    /// Its time-outs.
    pub timers: Timers,
    /// The `Date` of its answers.
    pub date: Date,
    /// Its connections to backends.
    pub pools: Rc<Pools>,
    /// Pipes of the kernel that bodies and sessions are spliced through.
    pub pipes: Rc<Pipes>,
    /// What its sessions of Layer 4 share.
    pub shared: duplex::Shared,
    /// Where the outcomes of exchanges and sessions are recorded.
    pub recorder: Recorder,
    /// What exchanges are traced with, while they are.
    pub tracer: Tracer,
    /// Notified when a client's connection has ended.
    pub ended: Notify,
    /// The worker ends: connections that are dropped from here on were cut off by us.
    pub is_over: Cell<bool>,
    snapshot: snapshot::Reader,
    /// Wakes the control plane when something has happened that it should look at now: a breaker opened, or failures in a row eject.
    pub(super) news: Arc<Notify>,
    pub(super) queues: Queues,
    /// Who waits for a place within the adaptive limit of a service.
    pub(super) lines: Lines,
    /// What may be retried, by the service's place in the snapshot.
    budgets: RefCell<Vec<Budget>>,
    /// What may be hedged, likewise.
    hedge_budgets: RefCell<Vec<Budget>>,
    pub(super) cursors: RefCell<Cursors>,
    /// Where algorithms in the shadow stand, by the place of their service and their number there.
    pub(super) shadow_cursors: RefCell<AHashMap<(usize, usize), Cursor>>,
    /// Backends that can't take the exchange that is being placed. It is kept here for its memory.
    pub(super) refused: RefCell<BackendSet>,
    pub(super) random: RefCell<fastrand::Rng>,
    /// The passwords and tokens that it has seen verified.
    pub(super) remembered: Remembered,
    /// Where the text of a value with variables is put together. It is kept here for its memory.
    pub(super) scratch: RefCell<Vec<u8>>,
    /// The bytes of bodies that wait for backends that get copies of requests.
    pub(super) mirrored_bytes: Rc<Cell<usize>>,
    /// What the content of answers is compressed and decompressed with.
    pub(super) codecs: Rc<compress::Pool>,
    /// The ids that its requests get.
    pub(super) request_ids: RequestIds,
}

/// Random bits of the kernel, so that two processes never make the same numbers.
fn random_seed() -> u128 {
    let mut seed = [0; 16];
    match aws_lc_rs::rand::fill(&mut seed) {
        Ok(()) => u128::from_ne_bytes(seed),
        Err(_) => fastrand::u128(..),
    }
}

impl Worker {
    /// Worker number `index`; to be made on its own thread.
    pub fn new(index: usize, snapshot: snapshot::Reader, recorder: Recorder) -> Self {
        let timers = Timers::new();
        let pipes = Rc::default();
        Self {
            index,
            date: Date::default(),
            pools: Rc::new(Pools::new(index, &timers)),
            shared: duplex::Shared::new(&pipes),
            pipes,
            tracer: Tracer::new(random_seed(), recorder.spans()),
            recorder,
            ended: Notify::new(),
            is_over: Cell::new(false),
            news: Arc::clone(snapshot.news()),
            snapshot,
            queues: Queues::default(),
            lines: Lines::default(),
            refused: RefCell::default(),
            budgets: RefCell::default(),
            hedge_budgets: RefCell::default(),
            cursors: RefCell::new(Cursors::new(index)),
            shadow_cursors: RefCell::default(),
            random: RefCell::new(fastrand::Rng::new()),
            remembered: Remembered::default(),
            scratch: RefCell::default(),
            mirrored_bytes: Rc::default(),
            codecs: Rc::default(),
            request_ids: RequestIds::default(),
            timers,
        }
    }

    /// The current snapshot.
    pub fn snapshot(&self) -> Rc<snapshot::Current> {
        self.snapshot.current()
    }

    /// The PROXY header for connections that are made for this client of the listener.
    pub(super) fn header<'p>(&self, peer: &'p Peer, version: ProxyHeader, listener: &Listener) -> &'p [u8] {
        let listens_at = match listener.bind {
            Target::Tcp(address) => Some(address),
            Target::Unix(_) => None,
        };
        peer.header(version, listens_at, || self.random.borrow_mut().u128(..))
    }

    /// Gives a slot at a backend back. `service` is the place of its service in the snapshot, with its name, and with those who wait there.
    pub(super) fn give_back(&self, service: usize, name: &str, waiting: &Waiters, endpoint: &Endpoint, slot: Slot) {
        self.cursors.borrow_mut().of(service).ended(slot.backend);
        let limit = endpoint.limit();
        // nobody waits for a backend without a limit; and while more exchanges are there than a limit that was lowered allows, the slot is
        // not used again
        if limit > 0 && slot.in_flight.live().in_flight() <= limit {
            self.queues.give_back(self.index, name, waiting, slot);
        }
    }

    /// An exchange, or a session, with this service began: its share is added to what may be retried.
    pub(super) fn deposit(&self, service: &Service, now: Moment) {
        let mut budgets = self.budgets.borrow_mut();
        if budgets.len() <= service.index {
            budgets.resize_with(service.index + 1, Budget::default);
        }
        budgets[service.index].deposit(service.retry.budget, now);
        if service.hedges.is_some() {
            self.deposit_hedge(service.index, now);
        }
    }

    fn deposit_hedge(&self, service: usize, now: Moment) {
        let mut budgets = self.hedge_budgets.borrow_mut();
        if budgets.len() <= service {
            budgets.resize_with(service + 1, Budget::of_hedges);
        }
        budgets[service].deposit(HEDGED, now);
    }

    /// Pays for a hedge, from what may be hedged and from what may be retried, if both have enough and `place` finds a place for it.
    ///
    /// # Errors
    ///
    /// What the service lacks.
    pub(super) fn pay_for_hedge<T>(
        &self,
        service: &Service,
        now: Moment,
        place: impl FnOnce() -> Option<T>,
    ) -> Result<T, HedgeResult> {
        let (mut hedges, mut retries) = (self.hedge_budgets.borrow_mut(), self.budgets.borrow_mut());
        let budgets = hedges.get_mut(service.index).zip(retries.get_mut(service.index));
        let (hedges, retries) = budgets.ok_or(HedgeResult::OverBudget)?;
        let (mut hedges_left, mut retries_left) = (*hedges, *retries);
        if !hedges_left.withdraw(now) || !retries_left.withdraw(now) {
            return Err(HedgeResult::OverBudget);
        }
        let placed = place().ok_or(HedgeResult::NoPlace)?;
        (*hedges, *retries) = (hedges_left, retries_left);
        Ok(placed)
    }

    /// Whether the budget allows a retry with this service; if it does, the retry is paid for.
    pub(super) fn withdraw(&self, service: &Service, now: Moment) -> bool {
        self.budgets.borrow_mut().get_mut(service.index).is_some_and(|budget| budget.withdraw(now))
    }
}
