//! The figures of a service over a period: availability, failures, repairs, and whether what was promised was kept.

use std::ops::Range;

use crate::clock::Stamp;

use super::budget::Budget;
use super::{Incident, Promise, Tally};

/// What came of a promise in a period. Times are milliseconds.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// The time and the requests of the period.
    pub tally: Tally,
    /// Incidents that began in the period.
    pub failures: usize,
    /// Incidents that ended in the period because the service was back. One that was cut, because the process stopped, did not.
    pub recoveries: usize,
    /// From the begin of a failure to its detection, on average (mean time to detect). `None` = there was no failure.
    pub mttd_ms: Option<i64>,
    /// From the begin of an incident to its end, on average over the recoveries (mean time to repair). `None` = there was no recovery.
    pub mttr_ms: Option<i64>,
    /// Uptime per failure (mean time between failures). `None` = there was no failure.
    pub mtbf_ms: Option<i64>,
    /// How long the longest incident lasted, from its begin to its end even where these lie outside of the period. `None` = there was none.
    pub longest_ms: Option<i64>,
    /// Incidents that lasted longer than the recovery time objective (RTO), whether they are over or not. Each is counted in every period
    /// that it touches: no average can hide it, and neither can the end of a month.
    pub rto_violations: usize,
    /// The error budget of the period.
    pub budget: Budget,
    /// Whether the target was met so far, by time and by requests. A measure of which nothing is known does not count; `None` = nothing is
    /// known of either, or what was deleted by hand could have made the difference.
    pub compliant: Option<bool>,
    /// Whether the mean time to repair is as aimed at. `None` = nothing was repaired.
    pub mttr_met: Option<bool>,
    /// Whether the mean time between failures is as aimed at; without a failure it is. `None` = the service was never seen to be up or down.
    pub mtbf_met: Option<bool>,
    /// Of the unknown time, the milliseconds whose history was deleted by hand.
    pub deleted_ms: i64,
}

impl Summary {
    /// Of a period of which `tally` is what is over. Of the incidents, those that touch the period count. A rolling period ends now; one of
    /// the calendar ends with its month, also where that is still to come.
    pub fn of<'a>(
        promise: &Promise,
        period: &Range<Stamp>,
        tally: &Tally,
        incidents: impl IntoIterator<Item = &'a Incident>,
    ) -> Self {
        let incidents: Vec<_> = incidents.into_iter().filter(|incident| incident.touches(period)).collect();
        let begun: Vec<_> = incidents.iter().filter(|incident| period.contains(&incident.began)).collect();
        let repaired: Vec<_> = incidents.iter().filter(|incident| is_repaired_in(incident, period)).collect();
        let mttr_ms = mean(repaired.iter().map(|incident| incident.lasted_ms));
        let mtbf_ms = (!begun.is_empty()).then(|| tally.up / begun.len() as i64);
        let shares = [tally.by_time(), tally.by_requests()].into_iter().flatten();
        let is_watched = tally.up + tally.down > 0;
        Self {
            tally: *tally,
            failures: begun.len(),
            recoveries: repaired.len(),
            mttd_ms: mean(begun.iter().map(|incident| incident.detected.since(incident.began).max(0))),
            mttr_ms,
            mtbf_ms,
            longest_ms: incidents.iter().map(|incident| incident.lasted_ms).max(),
            rto_violations: incidents.iter().filter(|incident| !incident.is_within_rto()).count(),
            budget: Budget::of(promise.target, period.end.since(period.start), tally),
            compliant: shares.map(|share| share >= promise.target).reduce(|time, requests| time && requests),
            mttr_met: mttr_ms.map(|mean| u128::from(mean.unsigned_abs()) <= promise.mttr.as_millis()),
            mtbf_met: is_watched
                .then(|| mtbf_ms.is_none_or(|mean| u128::from(mean.unsigned_abs()) >= promise.mtbf.as_millis())),
            deleted_ms: 0,
        }
    }

    /// The same, where the history of so many milliseconds of the period was deleted by hand. Nobody is to gain by that: what could have been
    /// otherwise by what is gone is not known. A target is missed all the same where it would be even if the service had been up all that time;
    /// requests say nothing any more, for nobody knows how many are gone.
    #[must_use]
    pub fn with_deleted(self, promise: &Promise, deleted_ms: i64) -> Self {
        if deleted_ms <= 0 {
            return self;
        }
        let at_best = Tally { up: self.tally.up.saturating_add(deleted_ms), ..self.tally };
        let is_missed = at_best.by_time().is_some_and(|share| share < promise.target);
        Self {
            compliant: is_missed.then_some(false),
            mttr_met: None,
            mtbf_met: None,
            budget: Budget { is_partial: true, ..self.budget },
            deleted_ms,
            ..self
        }
    }
}

impl Incident {
    /// Whether some of it lies in the period.
    pub fn touches(&self, period: &Range<Stamp>) -> bool {
        self.began < period.end && self.ended.is_none_or(|ended| ended >= period.start)
    }
}

fn is_repaired_in(incident: &Incident, period: &Range<Stamp>) -> bool {
    !incident.is_cut && incident.ended.is_some_and(|ended| period.contains(&ended))
}

fn mean(values: impl ExactSizeIterator<Item = i64>) -> Option<i64> {
    let count = values.len() as i64;
    (count > 0).then(|| values.sum::<i64>() / count)
}

#[cfg(test)]
mod tests;
