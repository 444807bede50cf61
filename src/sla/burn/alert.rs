//! The conditions of alerts, and what an alert says.

use super::history::{Lookback, Sums};
use crate::clock::Stamp;
use crate::sla::statistics::at_least;

/// How urgent an alert is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Severity {
    /// Somebody has to be woken.
    Page,
    /// Somebody has to look at it within days.
    Ticket,
}

/// By what a service was found to burn its budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Measure {
    /// The time that it was down.
    Time,
    /// The requests that failed or were slow.
    Requests,
}

/// Two windows and the burn rate that both must reach for an alert.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pair {
    /// The severity of the alert.
    pub severity: Severity,
    /// The window over which it matters.
    pub long: Lookback,
    /// The window that tells whether it still goes on.
    pub short: Lookback,
    /// The burn rate.
    pub factor: f64,
    /// How far back the windows may grow for [`History::with_requests`](super::history::History::with_requests).
    pub(super) reach: Lookback,
}

/// The pairs, as the workbook recommends them ("Recommended parameters for a 99.9% SLO alerting configuration": 2 % of the budget of 30 days
/// in an hour, 5 % in six hours, 10 % in a day or in three), the fastest first. The windows of the second pair may grow to a day, because
/// otherwise a service with fewer than three requests in six hours could fail for ever without a page.
pub const PAIRS: [Pair; 4] = [
    pair(Severity::Page, Lookback::Hour, Lookback::FiveMinutes, 14.4, Lookback::Hour),
    pair(Severity::Page, Lookback::SixHours, Lookback::HalfHour, 6.0, Lookback::Day),
    pair(Severity::Ticket, Lookback::Day, Lookback::TwoHours, 3.0, Lookback::Day),
    pair(Severity::Ticket, Lookback::ThreeDays, Lookback::SixHours, 1.0, Lookback::ThreeDays),
];

const fn pair(severity: Severity, long: Lookback, short: Lookback, factor: f64, reach: Lookback) -> Pair {
    Pair { severity, long, short, factor, reach }
}

/// An alert that is on, or was.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Alert {
    /// How urgent it is.
    pub severity: Severity,
    /// Since when it has been on.
    pub since: Stamp,
    /// The window over which it matters.
    pub long: Lookback,
    /// The window that tells whether it still goes on.
    pub short: Lookback,
    /// The burn rate that both have reached.
    pub factor: f64,
    /// By what.
    pub measure: Measure,
    /// The burn rate over the long window, by that measure.
    pub long_rate: f64,
    /// The burn rate over the short window, by that measure.
    pub short_rate: f64,
    /// Requests in the long window that failed or were slow. Where that held too few requests, this and what follows reach back further.
    pub bad: i64,
    /// Requests in the long window that count.
    pub counted: i64,
    /// Milliseconds in the long window that the service was down.
    pub down_ms: i64,
}

/// An alert that has begun or ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AlertChange {
    /// It has begun; otherwise it has ended.
    pub is_raised: bool,
    /// The alert; where it has ended, with the figures of the last time its condition was true.
    pub alert: Alert,
}

impl Severity {
    /// All of them, the most urgent first.
    pub const ALL: [Self; 2] = [Self::Page, Self::Ticket];

    /// The name in the API, events and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Ticket => "ticket",
        }
    }

    /// What the requests of a long window have to prove: at least so many bad ones, which a service that burns at exactly the factor would
    /// show with at most this probability.
    ///
    /// A page wakes somebody, so chance may be its reason once in 4,000 at most, and three failures make it one: with a target of 99 % three in a
    /// row are proof then (0.06 ^ 3 = 1 / 4,630). A service that spends just its budget is far from that: with 40 requests a day, at 99 %, three
    /// in a row come once in 70 years. A ticket may be wrong once in 100; with less than that, two failures among 120 requests in three days (0.7 %) would prove nothing, and 40 requests a day could fail
    /// at 27 times the budget for days unseen.
    fn proof(self) -> (i64, f64) {
        match self {
            Self::Page => (3, 1.0 / 4000.0),
            Self::Ticket => (2, 1e-2),
        }
    }
}

impl Measure {
    /// The name in the API, events and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::Requests => "requests",
        }
    }
}

impl Pair {
    /// How much of the error budget of a window of so many milliseconds is spent when the alert comes by a burn rate of just the factor: 0.02 of that
    /// of 30 days for the first pair. From 1 on the alert says nothing that the end of the budget has not said before.
    pub fn budget_share(&self, window_ms: i64) -> f64 {
        self.factor * self.long.length_ms() as f64 / window_ms as f64
    }

    /// Whether a burn rate is as high as the factor, but for the last digits of the arithmetic.
    pub(super) fn is_reached(&self, rate: f64) -> bool {
        rate >= self.factor * (1.0 - 1e-9)
    }

    /// Whether the service was down for as long as the factor means over a whole window of this length: at 99.9 %, 14.4 times the budget of an
    /// hour is 52 s. That is to be so however little of the window the service has lived through, and whatever of it was planned or is not known:
    /// half a second of the first minute is a high rate and no loss.
    pub(super) fn is_spent(&self, sums: &Sums, window: Lookback, target: f64) -> bool {
        self.is_reached(sums.down as f64 / window.length_ms() as f64 / (1.0 - target))
    }

    /// Whether the requests prove that a service with this target burns faster than the factor: those of the long window or, for a page, those
    /// of the short one. After 40 requests that went well within hours, three failures in a row are still few of all in the long window, but
    /// nothing that happens by chance.
    pub(super) fn is_proven(&self, long: &Sums, short: &Sums, target: f64) -> bool {
        let (least, chance) = self.severity.proof();
        let share = (self.factor * (1.0 - target)).min(0.999);
        let proves = |sums: &Sums| {
            sums.bad >= least && at_least(sums.bad.unsigned_abs(), sums.counted.unsigned_abs(), share) <= chance
        };
        proves(long) || (self.severity == Severity::Page && proves(short))
    }
}

impl Alert {
    pub(super) fn new(pair: &Pair, measure: Measure, rates: [f64; 2], long: &Sums, now: Stamp) -> Self {
        let &Pair { severity, long: window, short, factor, .. } = pair;
        let [long_rate, short_rate] = rates;
        let &Sums { bad, counted, down, .. } = long;
        Self {
            severity,
            since: now,
            long: window,
            short,
            factor,
            measure,
            long_rate,
            short_rate,
            bad,
            counted,
            down_ms: down,
        }
    }
}
