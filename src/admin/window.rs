//! What a service did in the last five minutes: the difference between its counters now and then.
//!
//! Counters only grow. So it is enough to keep a sample of them every [`SAMPLE`], and the data path has nothing to do with it.

use std::collections::VecDeque;
use std::time::Duration;

use crate::metrics::{Distribution, Requests};

/// The time between two samples.
pub(super) const SAMPLE: Duration = Duration::from_secs(5);

/// The samples that are kept: five minutes of them.
const SAMPLES: usize = 60;

/// The counters of a service at one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sample {
    /// Answered with a status below 500, or a session that ended as it should.
    pub succeeded: u64,
    /// Answered with a status from 500 on, or a session that failed, by a backend or for want of one.
    pub failed: u64,
    /// How long these took.
    pub durations: Distribution,
}

/// The last samples of a service, the oldest first. A service that is new began with zeros.
#[derive(Debug, Default)]
pub(super) struct Window(VecDeque<Sample>);

impl Window {
    /// Adds the newest sample.
    pub fn push(&mut self, sample: Sample) {
        if self.0.len() == SAMPLES {
            self.0.pop_front();
        }
        self.0.push_back(sample);
    }

    /// What happened from the oldest sample to `now`.
    pub fn up_to(&self, now: Sample) -> Sample {
        match self.0.front() {
            None => now,
            Some(then) => Sample {
                // a service that was taken out and put back counts from 0 again
                succeeded: now.succeeded.saturating_sub(then.succeeded),
                failed: now.failed.saturating_sub(then.failed),
                durations: now.durations.since(&then.durations),
            },
        }
    }
}

/// Adds series up: those answered below 500, those from 500 on, and all that ended, which includes those whose client was gone
/// before the answer.
pub(super) fn add_up<'a>(series: impl Iterator<Item = &'a Requests>) -> (u64, u64, u64) {
    series.map(Requests::read).fold((0, 0, 0), |(succeeded, failed, ended), classes| {
        let all: u64 = classes.iter().sum();
        let lost = classes[5] + classes[7];
        (succeeded + all - classes[0] - lost, failed + lost, ended + all)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Registry;

    fn at(succeeded: u64, durations: &Distribution) -> Sample {
        Sample { succeeded, failed: succeeded / 10, durations: durations.clone() }
    }

    #[test]
    fn a_new_service_counts_from_its_beginning() {
        let registry = Registry::new(1);
        let durations = registry.durations("s");
        durations.observe(0, Duration::from_millis(1));
        assert_eq!(Window::default().up_to(at(20, &durations.read())), at(20, &durations.read()));
    }

    #[test]
    fn what_is_older_than_the_window_counts_no_more() {
        let registry = Registry::new(1);
        let durations = registry.durations("s");
        let mut window = Window::default();
        window.push(at(0, &durations.read()));
        durations.observe(0, Duration::from_secs(50));
        for _ in 1..SAMPLES {
            window.push(at(100, &durations.read()));
        }
        durations.observe(0, Duration::from_millis(1));
        let now = at(130, &durations.read());
        let all = window.up_to(now.clone());
        assert_eq!((all.succeeded, all.failed, all.durations.count()), (130, 13, 2));
        window.push(now.clone());
        let recent = window.up_to(now);
        assert_eq!((recent.succeeded, recent.failed, recent.durations.count()), (30, 3, 1));
    }

    #[test]
    fn a_gone_client_is_neither_a_success_nor_a_failure() {
        let registry = Registry::new(1);
        let requests = registry.requests("l", "s", "b");
        [200, 404, 500, 503, 0].into_iter().for_each(|status| requests.count(0, status));
        let none = registry.requests("l", "s", "");
        none.count(0, 503);
        assert_eq!(add_up([&*requests, &*none].into_iter()), (2, 3, 6));
    }
}
