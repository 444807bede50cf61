//! Exchanges that failed, by reason.

use super::super::failures::FailureReason;
use super::super::fold::Sink;
use super::super::{Registry, names};

impl Registry {
    /// A series of a reason appears with the first failure in it: most services never see most of them.
    pub(super) fn failures_to(&self, out: &mut Sink<'_>) {
        out.announce(&names::FAILURES);
        for ([service], totals) in self.totals.held() {
            let read = FailureReason::ALL.into_iter().zip(totals.failures.read());
            for ((_, reason), count) in read.filter(|(_, count)| *count > 0) {
                out.series(&names::FAILURES, &[&service, reason], count);
            }
        }
    }
}
