//! What is counted of the configurations that run.

use metrics::{Counter, counter, gauge};

use crate::config::model;
use crate::metrics::{Registry, names};

/// Counts how often the configuration was read again.
pub(super) struct ReloadCounters {
    ok: Counter,
    failed: Counter,
}

impl ReloadCounters {
    /// Both are there from the start, so that the first failure is an increase.
    pub fn new() -> Self {
        let [ok, failed] = ["ok", "failed"].map(|outcome| counter!(names::RELOADS.name, "outcome" => outcome));
        // the one that the process started with
        gauge!(names::RELOAD_OK.name).set(1.0);
        Self { ok, failed }
    }

    /// Counts a reload that has ended.
    pub fn count(&self, is_ok: bool) {
        if is_ok { &self.ok } else { &self.failed }.increment(1);
        gauge!(names::RELOAD_OK.name).set(f64::from(u8::from(is_ok)));
    }
}

/// A configuration with this generation is about to run.
pub(super) fn count_generation(generation: u64) {
    gauge!(names::CONFIG_GENERATION.name).set(generation as f64);
}

/// What `/metrics` shows of a configuration that is about to run.
pub(super) fn show(config: &model::Config, hash: &str, registry: &Registry) {
    gauge!(names::CONFIG_HASH.name, "hash" => hash.to_owned()).set(1.0);
    registry.keep(&names::CONFIG_HASH, |labels| labels.first().is_some_and(|known| known == hash));
    registry.show_backends(config.metrics.max_backends, config.metrics.backend_histograms);
}
