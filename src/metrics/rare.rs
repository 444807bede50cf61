//! Counters of what happens rarely and on the control plane: by name and labels, behind a lock.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::names::Metric;

/// Counts by metric and labels' values.
#[derive(Debug, Default)]
pub(super) struct Rare(Mutex<BTreeMap<(&'static str, Vec<String>), u64>>);

impl Rare {
    /// Counts one more.
    pub(super) fn count(&self, metric: &Metric, labels: &[&str]) {
        self.add(metric, labels, 1);
    }

    /// Counts so many more.
    pub(super) fn add(&self, metric: &Metric, labels: &[&str], count: u64) {
        let key = (metric.name, labels.iter().map(|&label| label.to_owned()).collect());
        *self.counts().entry(key).or_default() += count;
    }

    /// The counts of one metric, by its labels' values.
    pub(super) fn of(&self, metric: &Metric) -> Vec<(Vec<String>, u64)> {
        let counts = self.counts();
        let own = counts.iter().filter(|((name, _), _)| *name == metric.name);
        own.map(|((_, labels), count)| (labels.clone(), *count)).collect()
    }

    /// Forgets those of one metric whose labels' values are not wanted any more.
    pub(super) fn keep(&self, metric: &Metric, wanted: impl Fn(&[String]) -> bool) {
        self.counts().retain(|(name, labels), _| *name != metric.name || wanted(labels));
    }

    fn counts(&self) -> MutexGuard<'_, BTreeMap<(&'static str, Vec<String>), u64>> {
        // the map is whole whatever panicked while it was held
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
