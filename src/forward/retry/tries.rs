//! The tries of one exchange, or of one session, with the backends of its service: how many, with whom, and whether there may be
//! another.

use std::rc::Rc;
use std::time::Duration;

use crate::clock::Moment;
use crate::error::{Error, Kind};
use crate::forward::{Worker, retry};
use crate::metrics::retries::Outcome;
use crate::snapshot::Service;

/// What has been tried so far.
pub struct Tries<'a> {
    worker: &'a Rc<Worker>,
    service: &'a Service,
    /// Backends that failed.
    pub tried: Vec<usize>,
    /// Attempts beyond the first, those after a lost race not counted.
    retries: u32,
    /// One of them has not answered in time.
    was_late: bool,
}

impl<'a> Tries<'a> {
    /// Nothing yet.
    pub fn new(worker: &'a Rc<Worker>, service: &'a Service) -> Self {
        Self { worker, service, tried: Vec::new(), retries: 0, was_late: false }
    }

    /// These have failed, and after each of them another try was made.
    pub fn resumed(worker: &'a Rc<Worker>, service: &'a Service, tried: Vec<usize>) -> Self {
        let retries = u32::try_from(tried.len()).unwrap_or(u32::MAX);
        Self { worker, service, tried, retries, was_late: false }
    }

    /// The pause before another try after this failure, if one is wanted, makes sense and may be made.
    pub fn after_failure(&mut self, backend: usize, error: &Error, idempotent: bool) -> Option<Duration> {
        self.tried.push(backend);
        self.was_late |= error.kind() == Kind::UpstreamTimeout;
        if !retry::is_wanted(error, idempotent, &self.service.retry) {
            return None;
        }
        let lack = match error.kind() {
            Kind::Lack(lack) => Some(lack),
            _ => None,
        };
        // one that can't be reached will not be in a moment either; a port may be free then, or a kept connection
        let stays = is_unreachable(error) || lack.is_some_and(|lack| !lack.is_passing());
        if stays && !self.has_another() {
            return None;
        }
        self.after(lack.is_some())
    }

    /// The pause before another try, if one may be made.
    pub fn again(&mut self) -> Option<Duration> {
        self.after(false)
    }

    /// The same. `unfelt`: no backend has had any work of the try before.
    fn after(&mut self, unfelt: bool) -> Option<Duration> {
        let policy = &self.service.retry;
        if self.retries >= policy.attempts {
            return None;
        }
        // one that has let the client wait in vain is not asked again
        if self.was_late && !self.has_another() {
            return None;
        }
        // the budget spares backends
        if !unfelt && !self.worker.withdraw(self.service, Moment::now()) {
            self.service.retries.count(self.worker.index, Outcome::OverBudget);
            return None;
        }
        if self.retries > 0 {
            self.service.retries.count(self.worker.index, Outcome::Failed);
        }
        // somebody who was not asked yet need not be spared
        let step = if self.has_another() { 0 } else { self.retries + 1 };
        self.retries += 1;
        Some(retry::back_off(step, policy.back_off, &mut self.worker.random.borrow_mut()))
    }

    /// Whether there is a backend that was not tried.
    pub fn has_another(&self) -> bool {
        self.service.available.members.iter().any(|(index, _)| !self.tried.contains(index))
    }

    /// Whether there is one beside this one.
    pub fn has_another_than(&self, backend: usize) -> bool {
        self.service.available.members.iter().any(|(index, _)| *index != backend && !self.tried.contains(index))
    }

    /// The pause before a backend that has refused a stream is asked again.
    pub fn pause(&self) -> Duration {
        retry::back_off(1, self.service.retry.back_off, &mut self.worker.random.borrow_mut())
    }

    /// The last try ended so.
    pub fn settled(&self, outcome: Outcome) {
        if self.retries > 0 {
            self.service.retries.count(self.worker.index, outcome);
        }
    }

    /// What the client is told when nothing more is tried. One that can't be reached is not there: that is no answer of a
    /// backend's, and the service has nothing to answer with.
    pub fn last_word(&self, error: Error) -> Error {
        match is_unreachable(&error) {
            true => Error::new(Kind::NoBackend, "no backend can be reached").because(error),
            false => error,
        }
    }
}

/// An error that says that this backend could not be reached at all.
fn is_unreachable(error: &Error) -> bool {
    matches!(error.kind(), Kind::Connect)
}
