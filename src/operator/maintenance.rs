//! Maintenance that was started by hand: what happens to a service meanwhile does not count. It is kept in the ledger, beside the accounts that it
//! is part of, so that it outlives a restart.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use ahash::RandomState;
use dashmap::DashMap;

use crate::clock::Stamp;
use crate::ledger::{Batch, Keeper, Ledger, Maintenance};

/// How long an answer waits for the disk.
const PATIENCE: Duration = Duration::from_secs(5);
/// And where it is known that nothing can be written.
const AT_ONCE: Duration = Duration::from_millis(100);

/// The maintenance of all services that was started by hand: one at a time for each.
#[derive(Debug)]
pub struct Maintenances {
    running: DashMap<Arc<str>, Maintenance, RandomState>,
    /// Grows with each change.
    changes: AtomicU64,
    /// The last number that was given.
    last: AtomicI64,
    ledger: Ledger,
    keeper: Keeper,
}

impl Maintenances {
    /// None yet. What changes is written to this ledger, as by this run of the process.
    pub fn new(ledger: Ledger, keeper: Keeper) -> Self {
        Self { running: DashMap::default(), changes: AtomicU64::new(0), last: AtomicI64::new(0), ledger, keeper }
    }

    /// Takes on what the ledger has, as far as it is not over at `now`.
    pub fn recall(&self, kept: Vec<Maintenance>, now: Stamp) {
        for maintenance in kept.into_iter().filter(|maintenance| maintenance.to > now) {
            self.running.insert(Arc::clone(&maintenance.service), maintenance);
        }
        self.changes.fetch_add(1, Ordering::Relaxed);
    }

    /// A number that grows with each change.
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Relaxed)
    }

    /// That of a service.
    pub fn of(&self, service: &str) -> Option<Maintenance> {
        self.running.get(service).map(|running| running.clone())
    }

    /// Starts it, or sets another end and another reason for what is under way. Gives back what holds now.
    pub fn start(&self, service: &Arc<str>, now: Stamp, until: Stamp, reason: String, who: String) -> Maintenance {
        let running = self.of(service).filter(|running| running.to > now);
        let (id, from) = running.map_or_else(|| (self.number(now), now), |running| (running.id, running.from));
        let maintenance = Maintenance { id, service: Arc::clone(service), from, to: until, reason, who };
        self.running.insert(Arc::clone(service), maintenance.clone());
        self.changes.fetch_add(1, Ordering::Relaxed);
        maintenance
    }

    /// A number that no maintenance had before: the time in milliseconds, or one more than the number before where two come at once.
    fn number(&self, now: Stamp) -> i64 {
        let next = |last: i64| Some(now.as_millis().max(last + 1));
        let last = self.last.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).unwrap_or_default();
        now.as_millis().max(last + 1)
    }

    /// Ends it; `None` = there was none.
    pub fn end(&self, service: &str, now: Stamp) -> Option<Maintenance> {
        let (_, running) = self.running.remove(service)?;
        self.changes.fetch_add(1, Ordering::Relaxed);
        (running.to > now).then_some(Maintenance { to: now, ..running })
    }

    /// Writes it to the ledger, and waits for the disk; `false` = it could not be written so far. Blocks.
    pub fn keep(&self, maintenance: Maintenance) -> bool {
        self.ledger.begin();
        let batch = Batch { maintenance: vec![maintenance], keeper: self.keeper, ..Batch::default() };
        let patience = if self.ledger.is_failing() { AT_ONCE } else { PATIENCE };
        self.ledger.keep(batch, patience)
    }
}
