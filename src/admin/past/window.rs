//! What a service did in the last five minutes: the difference between its counters now and then.
//!
//! Counters only grow. So it is enough to keep a sample of them now and then, and the data path has nothing to do with it.

use std::collections::VecDeque;

use super::sample::Sample;

/// The samples that are kept: five minutes of them.
const SAMPLES: usize = 60;

/// The last samples of a service, the oldest first. A service that is new began with zeros.
#[derive(Debug, Default)]
pub(in crate::admin) struct Window(VecDeque<Sample>);

impl Window {
    /// Adds the newest sample. Before the first one there are zeros: a service may have had requests by then.
    pub(in crate::admin) fn push(&mut self, sample: Sample) {
        if self.0.is_empty() {
            self.0.push_back(Sample::default());
        }
        if self.0.len() == SAMPLES {
            self.0.pop_front();
        }
        self.0.push_back(sample);
    }

    /// What happened from the oldest sample to `now`.
    pub(in crate::admin) fn up_to(&self, now: Sample) -> Sample {
        match self.0.front() {
            None => now,
            Some(then) => now.since(then),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::metrics::{Distribution, Registry};

    fn at(succeeded: u64, durations: &Distribution) -> Sample {
        Sample { succeeded, failed: succeeded / 10, durations: durations.clone(), ..Sample::default() }
    }

    #[test]
    fn a_new_service_counts_from_its_beginning() {
        let registry = Registry::new(1);
        let durations = registry.durations("s");
        durations.observe(0, Duration::from_millis(1), None);
        assert_eq!(Window::default().up_to(at(20, &durations.read())), at(20, &durations.read()));
    }

    #[test]
    fn what_came_before_the_first_sample_is_of_the_window_too() {
        let registry = Registry::new(1);
        let durations = registry.durations("s");
        durations.observe(0, Duration::from_millis(1), None);
        let mut window = Window::default();
        window.push(at(20, &durations.read()));
        assert_eq!(window.up_to(at(20, &durations.read())), at(20, &durations.read()));
    }

    #[test]
    fn what_is_older_than_the_window_counts_no_more() {
        let registry = Registry::new(1);
        let durations = registry.durations("s");
        let mut window = Window::default();
        window.push(at(0, &durations.read()));
        durations.observe(0, Duration::from_secs(50), None);
        for _ in 1..SAMPLES {
            window.push(at(100, &durations.read()));
        }
        durations.observe(0, Duration::from_millis(1), None);
        let now = at(130, &durations.read());
        let all = window.up_to(now.clone());
        assert_eq!((all.succeeded, all.failed, all.durations.count()), (130, 13, 2));
        window.push(now.clone());
        let recent = window.up_to(now);
        assert_eq!((recent.succeeded, recent.failed, recent.durations.count()), (30, 3, 1));
    }
}
