//! The circuit breaker of a backend: closed, open, half-open, in atomics only.
//!
//! It opens after some failures in a row, or when too large a share of the exchanges of the last 10 s failed. While it is open
//! nothing passes; after `open_for` a few trials do. When all of them succeed it closes, when one fails it opens again.
//!
//! Whether it is closed, open or half-open, since when, and its epoch share one word. The epoch grows with each change,
//! and every [`Permit`] carries the epoch in which it was given. So an exchange that ends late, after the breaker has
//! changed, has no effect: it neither keeps the breaker open for longer nor counts in a round of trials that it does
//! not belong to. The other words carry the epoch as well, so that none of them has to be reset in one step with the
//! first.
//!
//! An exchange that passes and succeeds while the breaker is closed costs two relaxed loads and no write.

mod figures;
mod packed;
mod window;

use std::sync::atomic::{AtomicU64, Ordering};

use crate::clock::Moment;
use crate::policy;
pub use figures::Figures;
use packed::{CircuitWord, EPOCHS, Trials, trials_needed};
use window::Window;

/// The permission for one exchange. It must be given back to [`Breaker::record`] or [`Breaker::forgo`], also when the
/// exchange is cancelled: a trial that is not given back keeps its place.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a trial that is not given back keeps its place"]
pub struct Permit {
    epoch: u64,
    trial: bool,
    first: bool,
}

/// The position of the circuit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Circuit {
    /// All exchanges pass.
    Closed,
    /// No exchange passes.
    Open,
    /// A few exchanges pass, as trials.
    HalfOpen,
}

/// The breaker of one backend, shared by all workers without a lock.
#[derive(Debug, Default)]
pub struct Breaker {
    /// [`CircuitWord`], packed. Zero is closed.
    word: AtomicU64,
    /// Failures in a row: the epoch in the upper half, their number in the lower.
    streak: AtomicU64,
    /// [`Trials`], packed.
    trials: AtomicU64,
    /// Used only where an error rate is set.
    window: Window,
}

impl Permit {
    /// Whether the exchange is a trial of a half-open breaker.
    pub fn is_trial(&self) -> bool {
        self.trial
    }

    /// Whether the exchange is the first trial of its round: with it the breaker went from open to half-open.
    pub fn is_first_trial(&self) -> bool {
        self.first
    }
}

impl Breaker {
    /// Whether an exchange may go to the backend at `now`; a place among the trials is taken when it is half-open.
    pub fn admit(&self, policy: &policy::Breaker, now: Moment) -> Option<Permit> {
        let word = CircuitWord::unpack(self.word.load(Ordering::Relaxed));
        if word.state == Circuit::Closed {
            return Some(Permit { epoch: word.epoch, trial: false, first: false });
        }
        self.admit_trial(policy, now)
    }

    /// Whether [`admit`](Self::admit) would let an exchange pass; this one takes no place.
    pub fn would_admit(&self, policy: &policy::Breaker, now: Moment) -> bool {
        let word = CircuitWord::unpack(self.word.load(Ordering::Acquire));
        match word.state {
            Circuit::Closed => true,
            Circuit::Open => word.is_over(policy, now),
            Circuit::HalfOpen => {
                let trials = Trials::unpack(self.trials.load(Ordering::Acquire));
                trials.of(word.epoch).is_none_or(|trials| trials.has_room(policy)) || word.is_stale(policy, now)
            }
        }
    }

    /// Records the end of an exchange. Returns the circuit when this has changed it.
    pub fn record(&self, permit: Permit, failed: bool, policy: &policy::Breaker, now: Moment) -> Option<Circuit> {
        match (permit.trial, failed) {
            (false, false) => {
                self.succeeded(permit.epoch, policy, now);
                None
            }
            (false, true) => self.failed(permit.epoch, policy, now),
            (true, false) => self.trial_succeeded(permit.epoch, policy, now),
            (true, true) => self.change(permit.epoch, Circuit::HalfOpen, Circuit::Open, now),
        }
    }

    /// Gives a permit back for an exchange that says nothing about the backend: its client went away, or made a
    /// mistake. A trial gives its place to another one.
    pub fn forgo(&self, permit: Permit) {
        if permit.trial {
            self.end_trial(permit.epoch, false);
        }
    }

    /// The position of the circuit at `now`.
    pub fn state(&self, policy: &policy::Breaker, now: Moment) -> Circuit {
        let word = CircuitWord::unpack(self.word.load(Ordering::Relaxed));
        if word.state == Circuit::Open && word.is_over(policy, now) { Circuit::HalfOpen } else { word.state }
    }

    /// Closes the circuit, whatever it was. Exchanges under way count no more: they belong to an epoch that is over.
    pub fn close(&self, now: Moment) {
        let close = |packed| {
            let word = CircuitWord::unpack(packed);
            Some(CircuitWord { state: Circuit::Closed, epoch: (word.epoch + 1) & EPOCHS, since: now }.pack())
        };
        // it never fails, since there is always a next word
        let _ = self.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, close);
    }

    /// Takes a place among the trials, if it is time for them and there is one.
    #[cold]
    fn admit_trial(&self, policy: &policy::Breaker, now: Moment) -> Option<Permit> {
        loop {
            let standing = self.word.load(Ordering::Acquire);
            let word = CircuitWord::unpack(standing);
            match word.state {
                Circuit::Closed => return Some(Permit { epoch: word.epoch, trial: false, first: false }),
                Circuit::Open if !word.is_over(policy, now) => return None,
                Circuit::Open => {
                    self.change(word.epoch, Circuit::Open, Circuit::HalfOpen, now);
                    continue;
                }
                Circuit::HalfOpen => {}
            }
            let before = self.trials.load(Ordering::Acquire);
            if self.word.load(Ordering::Acquire) != standing {
                // the trials that were read may belong to a later epoch
                continue;
            }
            let known = Trials::unpack(before).of(word.epoch);
            let trials = known.unwrap_or(Trials { epoch: word.epoch, in_flight: 0, succeeded: 0 });
            if trials.has_room(policy) {
                let taken = Trials { in_flight: trials.in_flight + 1, ..trials };
                if swap(&self.trials, before, taken.pack()) {
                    return Some(Permit { epoch: word.epoch, trial: true, first: known.is_none() });
                }
            } else if word.is_stale(policy, now) {
                self.change(word.epoch, Circuit::HalfOpen, Circuit::HalfOpen, now);
            } else {
                return None;
            }
        }
    }

    fn succeeded(&self, epoch: u64, policy: &policy::Breaker, now: Moment) {
        let streak = self.streak.load(Ordering::Relaxed);
        if streak & LOWER != 0 && streak >> HALF == epoch {
            self.streak.store(epoch << HALF, Ordering::Relaxed);
        }
        if policy.error_rate > 0.0 && CircuitWord::unpack(self.word.load(Ordering::Relaxed)).epoch == epoch {
            self.window.add(false, now);
        }
    }

    #[cold]
    fn failed(&self, epoch: u64, policy: &policy::Breaker, now: Moment) -> Option<Circuit> {
        let word = CircuitWord::unpack(self.word.load(Ordering::Acquire));
        if word.epoch != epoch {
            return None;
        }
        let streak = self.lengthen_streak(epoch);
        let mut trips = policy.failures > 0 && streak >= u64::from(policy.failures);
        if policy.error_rate > 0.0 {
            self.window.add(true, now);
            trips |= self.window.exceeds(policy.error_rate, word.since, now);
        }
        if trips { self.change(epoch, Circuit::Closed, Circuit::Open, now) } else { None }
    }

    /// Counts one more failure in a row; returns how many there are.
    fn lengthen_streak(&self, epoch: u64) -> u64 {
        loop {
            let streak = self.streak.load(Ordering::Relaxed);
            let before = if streak >> HALF == epoch { streak & LOWER } else { 0 };
            let length = (before + 1).min(LOWER);
            if swap(&self.streak, streak, epoch << HALF | length) {
                return length;
            }
        }
    }

    fn trial_succeeded(&self, epoch: u64, policy: &policy::Breaker, now: Moment) -> Option<Circuit> {
        let succeeded = self.end_trial(epoch, true)?;
        if succeeded < trials_needed(policy) {
            return None;
        }
        self.change(epoch, Circuit::HalfOpen, Circuit::Closed, now)
    }

    /// Ends a trial and frees its place. Returns how many have succeeded; `None` when the breaker has moved on.
    fn end_trial(&self, epoch: u64, succeeded: bool) -> Option<u64> {
        loop {
            let packed = self.trials.load(Ordering::Acquire);
            let trials = Trials::unpack(packed).of(epoch)?;
            let ended = Trials {
                in_flight: trials.in_flight.saturating_sub(1),
                succeeded: trials.succeeded + u64::from(succeeded),
                ..trials
            };
            if swap(&self.trials, packed, ended.pack()) {
                return Some(ended.succeeded);
            }
        }
    }

    /// Changes the circuit, if it is still in `from` and in that epoch.
    fn change(&self, epoch: u64, from: Circuit, to: Circuit, now: Moment) -> Option<Circuit> {
        loop {
            let packed = self.word.load(Ordering::Acquire);
            let word = CircuitWord::unpack(packed);
            if word.epoch != epoch || word.state != from {
                return None;
            }
            let next = CircuitWord { state: to, epoch: (epoch + 1) & EPOCHS, since: now };
            if swap(&self.word, packed, next.pack()) {
                return Some(to);
            }
        }
    }
}

/// Bits of the count of failures in a row; the epoch stands in the bits above.
const HALF: u32 = 32;
const LOWER: u64 = (1 << HALF) - 1;

fn swap(word: &AtomicU64, from: u64, to: u64) -> bool {
    word.compare_exchange_weak(from, to, Ordering::AcqRel, Ordering::Relaxed).is_ok()
}

#[cfg(test)]
mod tests;
