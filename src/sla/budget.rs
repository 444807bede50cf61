//! The error budget: how much a target allows to go wrong in a period, and what is left of that. The term is that of B. Beyer et al.,
//! "Site Reliability Engineering" (2016), chapter 3.
//!
//! Whoever has the figures of a report can recompute both budgets:
//!
//! * by time: allowed = (1 - target) x (length of the period - planned time - unknown time); spent = the time that the service was down.
//!   The part of the period that is still to come counts, and so does time before the service existed: a young service, or a month that
//!   has just begun, has the budget of the whole period.
//! * by requests: allowed = (1 - target) x requests that count; spent = requests that failed or were too slow.

use super::Tally;

/// Milliseconds of a year of 365 days, over which downtime is usually promised.
pub const YEAR_MS: i64 = 365 * 24 * 3600 * 1000;

/// What is allowed to go wrong in a period, and what did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Budget {
    /// Milliseconds that the service may be down, rounded to whole ones.
    pub allowed_ms: i64,
    /// Milliseconds that it was down.
    pub spent_ms: i64,
    /// Requests that may fail or be slow; a share of a request counts.
    pub allowed_requests: f64,
    /// Requests that did.
    pub spent_requests: i64,
    /// A part of the history was deleted: what was spent then is not known, so what is left is not known either.
    pub is_partial: bool,
}

impl Budget {
    /// Of a period of `period_ms` milliseconds, of which `tally` is what is over.
    pub fn of(target: f64, period_ms: i64, tally: &Tally) -> Self {
        Self {
            allowed_ms: allowed_ms(target, period_ms - tally.planned - tally.unknown),
            spent_ms: tally.down,
            allowed_requests: allowance(target) * tally.counted() as f64,
            spent_requests: tally.bad(),
            is_partial: false,
        }
    }

    /// The share of the allowed downtime that is left: 1 = all, 0 = none, below 0 = overspent. `None` = the period has no time that counts, or
    /// it is not known.
    pub fn left_by_time(&self) -> Option<f64> {
        left(self.spent_ms as f64, self.allowed_ms as f64).filter(|_| !self.is_partial)
    }

    /// The share of the allowed bad requests that is left, as [`left_by_time`](Self::left_by_time). `None` = there were no requests, or it
    /// is not known.
    pub fn left_by_requests(&self) -> Option<f64> {
        left(self.spent_requests as f64, self.allowed_requests).filter(|_| !self.is_partial)
    }

    /// In how many milliseconds the budget is used up when it goes on to burn at these rates, of which 1 spends exactly the budget of a window of
    /// `window_ms`: left x window / rate, the sooner of the two measures ("The Site Reliability Workbook", chapter 5, table "Time to exhaustion"). 0 = it
    /// is used up. `None` = it does not burn, or not so fast that it is used up within `most_ms`, when the window is over or has moved on.
    pub fn exhausted_in_ms(
        &self,
        by_time: Option<f64>,
        by_requests: Option<f64>,
        window_ms: i64,
        most_ms: i64,
    ) -> Option<i64> {
        let each = [(self.left_by_time(), by_time), (self.left_by_requests(), by_requests)];
        let lasts = |(left, rate): (Option<f64>, Option<f64>)| match (left?, rate) {
            (left, _) if left <= 0.0 => Some(0),
            (left, Some(rate)) if rate > 0.0 => Some((left * window_ms as f64 / rate) as i64),
            _ => None,
        };
        each.into_iter().filter_map(lasts).min().filter(|in_ms| *in_ms <= most_ms)
    }

    /// The smaller of the two: the budget lasts only as long as both do. `None` = there is nothing to count by either.
    pub fn left(&self) -> Option<f64> {
        [self.left_by_time(), self.left_by_requests()].into_iter().flatten().min_by(f64::total_cmp)
    }
}

/// How many milliseconds of `time_ms` a service with this target may be down, rounded to whole ones.
pub fn allowed_ms(target: f64, time_ms: i64) -> i64 {
    (allowance(target) * time_ms.max(0) as f64).round() as i64
}

/// The share that may be lost. The difference is rounded to 12 decimals because 1 - 0.9999 is not 0.0001 in binary: somebody who spent
/// exactly what was allowed would have overspent.
pub fn allowance(target: f64) -> f64 {
    ((1.0 - target) * 1e12).round() / 1e12
}

fn left(spent: f64, allowed: f64) -> Option<f64> {
    (allowed > 0.0).then(|| 1.0 - spent / allowed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sla::Tier;

    const DAY: i64 = 24 * 3600 * 1000;

    #[test]
    fn at_its_burn_rate_the_budget_lasts_so_long() {
        // half of the 43.2 minutes of 30 days, and a quarter of what its requests allow
        let tally = Tally { up: 10 * DAY, down: 1_296_000, good: 999_250, failed: 750, ..Tally::default() };
        let budget = Budget::of(0.999, 30 * DAY, &tally);
        let lasts = |by_time, by_requests| budget.exhausted_in_ms(by_time, by_requests, 30 * DAY, 30 * DAY);
        assert_eq!(lasts(Some(1.0), None), Some(15 * DAY));
        assert_eq!(lasts(Some(14.4), Some(1.0)), Some(90_000_000));
        assert_eq!(lasts(None, Some(15.0)), Some(DAY / 2), "the sooner of the two");
        assert_eq!(lasts(Some(0.0), Some(0.0)), None, "it does not burn");
        assert_eq!(lasts(Some(0.1), None), None, "not in this window");
        let spent = Budget::of(0.999, DAY, &tally);
        assert_eq!(spent.exhausted_in_ms(None, None, DAY, DAY), Some(0));
    }

    #[test]
    fn the_allowed_downtime_of_a_year_is_that_of_the_tiers() {
        let of = |tier: Tier| allowed_ms(tier.target(), YEAR_MS);
        // 87.6 h, 8.76 h, 52.6 min, 5.26 min, 31.5 s
        assert_eq!(Tier::ALL.map(of), [315_360_000, 31_536_000, 3_153_600, 315_360, 31_536]);
    }

    #[test]
    fn planned_and_unknown_time_is_no_time_to_spend() {
        let tally = Tally { up: 10 * DAY, down: 1_296_000, planned: 2 * DAY, unknown: 3 * DAY, ..Tally::default() };
        let budget = Budget::of(0.999, 30 * DAY, &tally);
        assert_eq!(budget.allowed_ms, 25 * DAY / 1000);
        assert_eq!(budget.left_by_time(), Some(0.4), "21.6 of 36 minutes");
        assert_eq!(budget.left_by_requests(), None);
        assert_eq!(budget.left(), Some(0.4));
    }

    #[test]
    fn whoever_spent_exactly_what_was_allowed_has_nothing_left_and_owes_nothing() {
        for tier in Tier::ALL {
            let whole = 1_000_000;
            let bad = ((1.0 - tier.target()) * whole as f64).round() as i64;
            let tally = Tally { up: whole - bad, down: bad, good: whole - bad, failed: bad, ..Tally::default() };
            let budget = Budget::of(tier.target(), whole, &tally);
            assert_eq!((budget.left_by_time(), budget.left_by_requests()), (Some(0.0), Some(0.0)), "{tier:?}");
        }
    }

    #[test]
    fn of_two_budgets_the_smaller_counts() {
        let tally = Tally { up: DAY, good: 39, failed: 1, ..Tally::default() };
        let budget = Budget::of(0.99, 30 * DAY, &tally);
        assert_eq!(budget.left_by_time(), Some(1.0));
        assert_eq!(budget.left(), Some(-1.5), "1 of 0.4 requests");
    }

    #[test]
    fn where_all_time_is_planned_or_unknown_there_is_no_budget() {
        let tally = Tally { planned: DAY, unknown: DAY, ..Tally::default() };
        assert_eq!(Budget::of(0.99, 2 * DAY, &tally).left(), None);
        assert_eq!(Budget::of(0.99, 0, &Tally::default()).left(), None);
    }

    proptest! {
        #[test]
        fn more_downtime_never_leaves_more(down in 0..DAY, more in 0..DAY, target in 0.5..0.999_999) {
            let of = |down| Budget::of(target, 30 * DAY, &Tally { up: 3 * DAY - down, down, ..Tally::default() });
            prop_assert!(of(down + more).left() <= of(down).left());
            prop_assert!(of(down).left() <= Some(1.0));
        }
    }
}
