//! When the exchanges of a service are hedged. The control plane says it, workers look at it for each attempt.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::metrics::HedgeCounts;

/// The hedges of one service. It is kept from snapshot to snapshot.
#[derive(Debug)]
pub struct Hedges {
    /// In microseconds; 0 = not known.
    after: AtomicU64,
    /// What workers count of them.
    pub counts: Arc<HedgeCounts>,
}

impl Hedges {
    /// None are made until it is known when.
    pub(super) fn new(counts: Arc<HedgeCounts>) -> Self {
        Self { after: AtomicU64::new(0), counts }
    }

    /// How long an attempt is waited for before another one is made beside it; `None` = that is not known yet.
    pub fn after(&self) -> Option<Duration> {
        match self.after.load(Ordering::Relaxed) {
            0 => None,
            micros => Some(Duration::from_micros(micros)),
        }
    }

    /// The control plane says how long an attempt is waited for.
    pub fn set_after(&self, after: Option<Duration>) {
        let micros = after.map_or(0, |after| u64::try_from(after.as_micros()).unwrap_or(u64::MAX).max(1));
        self.after.store(micros, Ordering::Relaxed);
    }
}
