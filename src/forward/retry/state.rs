//! The retries of one exchange, or of one session: how many there were, which backends have failed, and whether another attempt follows.

use std::rc::Rc;
use std::time::Duration;

use crate::clock::Moment;
use crate::error::{Error, Kind};
use crate::forward::{Worker, retry};
use crate::metrics::retries::RetryResult;
use crate::snapshot::Service;

/// What was tried so far.
#[derive(Debug)]
pub struct RetryState<'a> {
    worker: &'a Rc<Worker>,
    service: &'a Service,
    /// The backends that have failed, by their places in the service.
    pub tried: Vec<usize>,
    /// Attempts beyond the first, those after a lost race not counted.
    retries: u32,
    /// An attempt was made beside another one: one of those that are allowed.
    is_hedged: bool,
    /// A backend has not answered in time.
    was_late: bool,
}

impl<'a> RetryState<'a> {
    /// Nothing was tried yet.
    pub fn new(worker: &'a Rc<Worker>, service: &'a Service) -> Self {
        Self { worker, service, tried: Vec::new(), retries: 0, is_hedged: false, was_late: false }
    }

    /// These backends have failed, and after each of them another attempt was made.
    pub fn resumed(worker: &'a Rc<Worker>, service: &'a Service, tried: Vec<usize>) -> Self {
        let retries = u32::try_from(tried.len()).unwrap_or(u32::MAX);
        Self { worker, service, tried, retries, is_hedged: false, was_late: false }
    }

    /// The pause before another attempt after this failure; `None` when none is wanted, makes sense or is allowed.
    pub fn pause_after_failure(&mut self, backend: usize, error: &Error, idempotent: bool) -> Option<Duration> {
        self.tried.push(backend);
        self.was_late |= error.kind() == Kind::UpstreamTimeout;
        if !retry::is_wanted(error, idempotent, &self.service.retry) {
            return None;
        }
        let lack = match error.kind() {
            Kind::Shortage(lack) => Some(lack),
            _ => None,
        };
        // a backend that can't be reached will not be in a moment either, but a port may be free then, or a kept connection
        let is_unreachable = is_unreachable(error);
        let will_last = is_unreachable || lack.is_some_and(|lack| !lack.is_passing());
        if will_last && !self.has_another() {
            return None;
        }
        // what had waited for a backend that hangs is no storm: it was sent before that was known, and leaves once
        self.pause(is_unreachable || lack.is_some() || error.kind() == Kind::UpstreamHung)
    }

    /// The pause before another attempt, if one may be made.
    pub fn pause_before_another(&mut self) -> Option<Duration> {
        self.pause(false)
    }

    /// `is_free`: the budget does not count it. No backend has had any work with the last attempt, since it has not left this machine or the
    /// connection was refused; or its backend hangs.
    fn pause(&mut self, is_free: bool) -> Option<Duration> {
        let policy = &self.service.retry;
        if !self.is_allowed() {
            return None;
        }
        // a backend that has not answered in time is not asked again
        if self.was_late && !self.has_another() {
            return None;
        }
        if !is_free && self.service.protection.gives_way() {
            self.service.retries.count(self.worker.index, RetryResult::HeldBack);
            return None;
        }
        // the budget is there to spare backends
        if !is_free && !self.worker.withdraw(self.service, Moment::now()) {
            self.service.retries.count(self.worker.index, RetryResult::OverBudget);
            return None;
        }
        if self.retries > 0 {
            self.service.retries.count(self.worker.index, RetryResult::Failed);
        }
        if let Some(&failed) = self.tried.last() {
            self.service.upstream[failed].retried(self.worker.index);
        }
        // a backend that was not asked yet need not be given time
        let step = if self.has_another() { 0 } else { self.retries + 1 };
        self.retries += 1;
        Some(retry::back_off(step, policy.back_off, &mut self.worker.random.borrow_mut()))
    }

    /// Whether an attempt with this backend may be given up for one with another.
    pub fn may_leave(&self, backend: usize) -> bool {
        self.is_allowed() && self.has_another_than(backend)
    }

    /// Whether the configuration allows another attempt.
    fn is_allowed(&self) -> bool {
        self.retries + u32::from(self.is_hedged) < self.service.retry.attempts
    }

    /// Whether an attempt may be made beside the one with this backend, as far as the exchange goes: there is one such attempt at most.
    pub fn may_hedge(&self, backend: usize) -> bool {
        !self.is_hedged && self.may_leave(backend)
    }

    /// An attempt is made beside another one.
    pub fn hedged(&mut self) {
        self.is_hedged = true;
    }

    /// Whether there is a backend that was not tried.
    pub fn has_another(&self) -> bool {
        self.service.available.all().any(|index| !self.tried.contains(&index))
    }

    /// Whether there is one that was not tried, other than this one.
    pub fn has_another_than(&self, backend: usize) -> bool {
        self.service.available.all().any(|index| index != backend && !self.tried.contains(&index))
    }

    /// The pause before a backend that has refused a stream is asked again.
    pub fn pause_after_refusal(&self) -> Duration {
        retry::back_off(1, self.service.retry.back_off, &mut self.worker.random.borrow_mut())
    }

    /// Counts what came of the last attempt, if that was a retry.
    pub fn count(&self, outcome: RetryResult) {
        if self.retries > 0 {
            self.service.retries.count(self.worker.index, outcome);
        }
    }

    /// The error of the whole exchange when this was the last attempt's. A backend that can't be reached is not there, so that its service
    /// has nobody to answer with: that is not a bad answer (502) but none (503).
    pub fn final_error(&self, error: Error) -> Error {
        match is_unreachable(&error) {
            true => Error::new(Kind::NoBackend, "no backend can be reached").because(error),
            false => error,
        }
    }
}

/// Whether the backend could not be reached at all.
fn is_unreachable(error: &Error) -> bool {
    matches!(error.kind(), Kind::Connect | Kind::Unreachable)
}
