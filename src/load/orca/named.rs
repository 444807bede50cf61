//! Named metrics that stand for the utilization of a backend, where it has no estimate of its own: servers of language models, for
//! instance, report how full their cache is, and how many requests wait.

use super::BadReport;
use crate::endpoint::load::Report;
use crate::load::{MOST, share};

/// What the name of such a metric begins with in the configuration, and in reports as text.
pub const PREFIX: &str = "named_metrics.";

/// The highest of those that are asked for, as in Envoy's `metric_names_for_computing_utilization`.
pub(super) struct Named<'a> {
    asked: &'a [Box<str>],
    highest: Option<f32>,
}

impl<'a> Named<'a> {
    /// Those with these names, which are without [`PREFIX`].
    pub fn new(asked: &'a [Box<str>]) -> Self {
        Self { asked, highest: None }
    }

    /// Takes a metric. One that counts something, such as requests that wait, has no upper end: beyond what a share can be it is as high as that.
    pub fn see(&mut self, name: &str, value: f64) -> Result<(), BadReport> {
        if self.asked.iter().any(|asked| **asked == *name) {
            let value = if value.is_finite() { value.min(MOST) } else { value };
            let value = share(value, "a named metric")?;
            self.highest = Some(self.highest.map_or(value, |highest| highest.max(value)));
        }
        Ok(())
    }

    /// The report with the utilization that follows.
    pub fn complete(&self, report: Report) -> Report {
        Report { utilization: report.utilization.or(self.highest), ..report }
    }
}
