//! The state of a breaker, packed: several small numbers share one atomic, so that they change together.

use std::time::Duration;

use super::Circuit;
use crate::clock::Moment;
use crate::policy;

/// Trials that have not ended after this time (or after `open_for`, if that is longer) are no longer waited for: an
/// exchange may stream for days, and the breaker would stay half-open with it. The time is twice the default of
/// `timeout.response`.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Bits of the epoch. They hold a million changes: even at ten a second, a permit would have to be a day old to be
/// taken for one of a new epoch.
const EPOCH_BITS: u32 = 20;
/// All bits of an epoch.
pub const EPOCHS: u64 = (1 << EPOCH_BITS) - 1;
/// Bits of a moment in milliseconds: enough for 100 years beyond where the clock starts.
const SINCE_BITS: u32 = 42;
const SINCES: u64 = (1 << SINCE_BITS) - 1;
/// Bits of each count of trials.
const COUNT_BITS: u32 = 22;
const COUNTS: u64 = (1 << COUNT_BITS) - 1;

/// Whether the circuit is closed, open or half-open, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CircuitWord {
    pub state: Circuit,
    pub epoch: u64,
    pub since: Moment,
}

/// The trials of one half-open phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trials {
    pub epoch: u64,
    pub in_flight: u64,
    pub succeeded: u64,
}

impl CircuitWord {
    /// Packs the numbers into one word for an atomic.
    pub fn pack(self) -> u64 {
        let state = match self.state {
            Circuit::Closed => 0,
            Circuit::Open => 1,
            Circuit::HalfOpen => 2,
        };
        (state << EPOCH_BITS | self.epoch) << SINCE_BITS | (self.since.as_millis() & SINCES)
    }

    /// Reads what [`pack`](Self::pack) wrote.
    pub fn unpack(packed: u64) -> Self {
        let state = match packed >> (EPOCH_BITS + SINCE_BITS) {
            0 => Circuit::Closed,
            1 => Circuit::Open,
            _ => Circuit::HalfOpen,
        };
        Self { state, epoch: packed >> SINCE_BITS & EPOCHS, since: Moment::from_millis(packed & SINCES) }
    }

    /// Whether the breaker has been open for `open_for`.
    pub fn is_over(self, policy: &policy::Breaker, now: Moment) -> bool {
        now.since(self.since) >= policy.open_for
    }

    /// Whether the trials have been waited for long enough.
    pub fn is_stale(self, policy: &policy::Breaker, now: Moment) -> bool {
        now.since(self.since) >= policy.open_for.max(PATIENCE)
    }
}

impl Trials {
    /// Packs the numbers into one word for an atomic.
    pub fn pack(self) -> u64 {
        (self.epoch << COUNT_BITS | self.in_flight.min(COUNTS)) << COUNT_BITS | self.succeeded.min(COUNTS)
    }

    /// Reads what [`pack`](Self::pack) wrote.
    pub fn unpack(packed: u64) -> Self {
        Self { epoch: packed >> (2 * COUNT_BITS), in_flight: packed >> COUNT_BITS & COUNTS, succeeded: packed & COUNTS }
    }

    /// These trials, if they belong to this epoch.
    pub fn of(self, epoch: u64) -> Option<Self> {
        (self.epoch == epoch).then_some(self)
    }

    /// Whether another trial may begin. A trial that has succeeded goes on counting, so there are never more trials
    /// than have to succeed.
    pub fn has_room(self, policy: &policy::Breaker) -> bool {
        self.in_flight + self.succeeded < trials_needed(policy)
    }
}

/// How many trials have to succeed before the breaker closes, and so how many there may be.
pub fn trials_needed(policy: &policy::Breaker) -> u64 {
    u64::from(policy.half_open.max(1)).min(COUNTS)
}
