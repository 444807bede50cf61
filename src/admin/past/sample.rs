//! The counters of a service at one time, and what happened between two such times.

use crate::metrics::concurrency::PRIORITIES;
use crate::metrics::{Distribution, Requests};
use crate::snapshot::Service;

/// The counters of a service at one time, or what was counted in a stretch of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::admin) struct Sample {
    /// Answered with a status below 500, or a session that ended as it should.
    pub(in crate::admin) succeeded: u64,
    /// Answered with a status from 500 on, or a session that failed, by a backend or for want of one.
    pub(in crate::admin) failed: u64,
    /// Attempts beyond the first that were made.
    pub(in crate::admin) retries: u64,
    /// Refused because more was in flight than the adaptive limit lets in, by priority as in [`PRIORITIES`]. They are among those that failed.
    pub(in crate::admin) shed: [u64; PRIORITIES.len()],
    /// How long these took, but for those that were shed.
    pub(in crate::admin) durations: Distribution,
}

impl Sample {
    /// The counters of a service as they are now.
    pub(in crate::admin) fn of(service: &Service) -> Self {
        let (succeeded, failed, _) = add_up([&service.totals.requests].into_iter());
        let [retries_succeeded, retries_failed, ..] = service.retries.read();
        Self {
            succeeded,
            failed,
            retries: retries_succeeded + retries_failed,
            shed: service.concurrency.as_ref().map(|limit| limit.state.counts().read_shed()).unwrap_or_default(),
            durations: service.durations.read(),
        }
    }

    /// What was counted since `before`. A service that was taken out and put back counts from 0 again.
    pub(in crate::admin) fn since(&self, before: &Self) -> Self {
        Self {
            succeeded: self.succeeded.saturating_sub(before.succeeded),
            failed: self.failed.saturating_sub(before.failed),
            retries: self.retries.saturating_sub(before.retries),
            shed: std::array::from_fn(|at| self.shed[at].saturating_sub(before.shed[at])),
            durations: self.durations.since(&before.durations),
        }
    }

    /// Adds what was counted of another service.
    pub(in crate::admin) fn add(&mut self, other: &Self) {
        self.succeeded += other.succeeded;
        self.failed += other.failed;
        self.retries += other.retries;
        self.shed.iter_mut().zip(other.shed).for_each(|(all, shed)| *all += shed);
        self.durations.add(&other.durations);
    }

    /// Exchanges and sessions that ended, but for those whose client went away.
    pub(in crate::admin) fn ended(&self) -> u64 {
        self.succeeded + self.failed
    }

    /// How many of them were shed, of whatever priority.
    pub(in crate::admin) fn all_shed(&self) -> u64 {
        self.shed.iter().sum()
    }

    /// The same without those that were shed: what the backends had to do with.
    pub(in crate::admin) fn let_in(&self) -> Self {
        Self { failed: self.failed.saturating_sub(self.all_shed()), shed: Default::default(), ..self.clone() }
    }

    /// The share of them that failed; `None` = none has ended.
    pub(in crate::admin) fn error_rate(&self) -> Option<f64> {
        (self.ended() > 0).then(|| self.failed as f64 / self.ended() as f64)
    }
}

/// Adds series up: those answered below 500, those from 500 on, and all that ended, which includes those whose client was gone
/// before the answer.
pub(in crate::admin) fn add_up<'a>(series: impl Iterator<Item = &'a Requests>) -> (u64, u64, u64) {
    series.map(Requests::read).fold((0, 0, 0), |(succeeded, failed, ended), classes| {
        let all: u64 = classes.iter().sum();
        let lost = classes[5] + classes[7];
        (succeeded + all - classes[0] - lost, failed + lost, ended + all)
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::metrics::Registry;

    #[test]
    fn a_gone_client_is_neither_a_success_nor_a_failure() {
        let registry = Registry::new(1);
        let requests = registry.requests("l", "s", "b");
        [200, 404, 500, 503, 0].into_iter().for_each(|status| requests.count(0, status));
        let none = registry.requests("l", "s", "");
        none.count(0, 503);
        assert_eq!(add_up([&*requests, &*none].into_iter()), (2, 3, 6));
    }

    #[test]
    fn what_happened_in_between_is_the_difference_and_adds_up_over_services() {
        let registry = Registry::new(1);
        let durations = registry.durations("s");
        let at = |succeeded, failed| Sample {
            succeeded,
            failed,
            retries: failed,
            shed: [0, 0, failed],
            durations: durations.read(),
        };
        let before = at(10, 1);
        durations.observe(0, Duration::from_millis(1), None);
        let between = at(14, 2).since(&before);
        assert_eq!((between.ended(), between.retries, between.durations.count()), (5, 1, 1));
        assert_eq!(between.error_rate(), Some(0.2));
        assert_eq!((between.shed, between.let_in().error_rate()), ([0, 0, 1], Some(0.0)));
        let mut both = between.clone();
        both.add(&between);
        assert_eq!((both.ended(), both.durations.count()), (10, 2));
        assert_eq!(before.since(&at(20, 2)).error_rate(), None, "it counts from 0 again");
    }
}
