//! How fast a service spends its error budget, and when somebody has to know: the alerts of the Google SRE workbook, chapter 5, "Alerting on
//! SLOs" (multiple windows, multiple burn rates).
//!
//! A burn rate of 1 spends exactly the budget. An alert wants it high over a long window, so that it matters, and over a short one, so that
//! it still goes on. Of few requests a single failure makes a high rate, which proves nothing; so the requests of the long window must also
//! show by an exact binomial test that the service fails more often than the factor allows (`alert`).

mod alert;
mod history;

use crate::clock::Stamp;
use crate::sla::tally::Tally;

pub use alert::{Alert, AlertChange, Measure, PAIRS, Pair, Severity};
pub use history::Lookback;

use history::{History, Sums};

/// For how long the condition of an alert must be gone for the alert to end.
const CLEAR_AFTER_MS: i64 = 120_000;

/// The burn rates and the alerts of one service. It takes about 7 KiB.
#[derive(Debug, Clone)]
pub struct Burn {
    target: f64,
    history: History,
    /// One for each severity.
    raised: [Option<Raised>; Severity::ALL.len()],
}

/// An alert that is on.
#[derive(Debug, Clone, Copy)]
struct Raised {
    alert: Alert,
    /// When its condition was true last.
    seen: Stamp,
}

/// How many times as fast as the target allows.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Rate {
    /// By the requests that count; `None` = there were none.
    pub by_requests: Option<f64>,
    /// By the time that counts and is known; `None` = there was none.
    pub by_time: Option<f64>,
}

impl Rate {
    /// The higher of the two.
    pub fn worst(self) -> Option<f64> {
        match (self.by_requests, self.by_time) {
            (Some(one), Some(other)) => Some(one.max(other)),
            (one, other) => one.or(other),
        }
    }
}

impl Burn {
    /// Nothing has happened yet. `target` is the share that is to be good, above 0 and below 1.
    pub fn new(target: f64) -> Self {
        Self { target, history: History::new(), raised: [None; Severity::ALL.len()] }
    }

    /// The target that rates are measured by from now on (after a reload); what has happened stays.
    pub fn set_target(&mut self, target: f64) {
        self.target = target;
    }

    /// Adds what happened in the time that ended at `at`. That time should be short against the windows: a second as it passes, minutes of the
    /// last two hours and hours before that when history is restored. The order does not matter. A correction is a tally with negative
    /// members; it goes where it belongs if `at` is the end of what it corrects.
    pub fn add(&mut self, at: Stamp, tally: &Tally) {
        self.history.add(at, tally);
    }

    /// How fast the budget burns over the `window` that ends at `now`. Of a window that the service has not lived through, what it has counts.
    pub fn rate(&self, window: Lookback, now: Stamp) -> Rate {
        self.rate_of(&self.history.over(window, now))
    }

    /// What was raised and what was cleared up to `now`; to be asked about once a second. It also forgets what lies later than `now`, where the
    /// clock was set back: that time is lived again, and would count twice.
    pub fn alerts(&mut self, now: Stamp) -> Vec<AlertChange> {
        self.history.forget_after(now);
        Severity::ALL.into_iter().filter_map(|severity| self.judge(severity, now)).collect()
    }

    /// The alerts that are on, with the figures of the last time their condition was true.
    pub fn active(&self) -> impl Iterator<Item = &Alert> {
        self.raised.iter().flatten().map(|raised| &raised.alert)
    }

    fn judge(&mut self, severity: Severity, now: Stamp) -> Option<AlertChange> {
        let firing = PAIRS.iter().filter(|pair| pair.severity == severity).find_map(|pair| self.firing(pair, now));
        let slot = &mut self.raised[severity as usize];
        match (firing, slot.as_mut()) {
            (Some(alert), None) => {
                *slot = Some(Raised { alert, seen: now });
                Some(AlertChange { is_raised: true, alert })
            }
            (Some(alert), Some(raised)) => {
                *raised = Raised { alert: Alert { since: raised.alert.since.min(now), ..alert }, seen: now };
                None
            }
            (None, Some(raised)) => {
                raised.seen = raised.seen.min(now);
                if now.since(raised.seen) < CLEAR_AFTER_MS {
                    return None;
                }
                slot.take().map(|raised| AlertChange { is_raised: false, alert: raised.alert })
            }
            (None, None) => None,
        }
    }

    /// The alert of this pair of windows, if its condition is true.
    fn firing(&self, pair: &Pair, now: Stamp) -> Option<Alert> {
        if self.history.is_clean(pair.reach, now) {
            return None;
        }
        let long = self.history.over(pair.long, now);
        let by_time = |sums: &Sums, window: Lookback| {
            let rate = self.rate_of(sums).by_time.filter(|rate| pair.is_reached(*rate))?;
            pair.is_spent(sums, window, self.target).then_some(rate)
        };
        if let Some(long_rate) = by_time(&long, pair.long)
            && let Some(short_rate) = by_time(&self.history.over(pair.short, now), pair.short)
        {
            return Some(Alert::new(pair, Measure::Time, [long_rate, short_rate], &long, now));
        }
        let by_requests = |sums: &Sums| self.rate_of(sums).by_requests.filter(|rate| pair.is_reached(*rate));
        let long = self.history.with_requests(long, pair.reach, now);
        let long_rate = by_requests(&long)?;
        let short = self.history.with_requests(self.history.over(pair.short, now), pair.reach, now);
        let short_rate = by_requests(&short)?;
        let is_proven = pair.is_proven(&long, &short, self.target);
        is_proven.then(|| Alert::new(pair, Measure::Requests, [long_rate, short_rate], &long, now))
    }

    fn rate_of(&self, sums: &Sums) -> Rate {
        let budget = 1.0 - self.target;
        let rate = |part: i64, whole: i64| (whole > 0).then(|| part.max(0) as f64 / whole as f64 / budget);
        Rate { by_requests: rate(sums.bad, sums.counted), by_time: rate(sums.down, sums.up + sums.down) }
    }
}

#[cfg(test)]
mod tests;
