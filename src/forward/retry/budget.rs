//! The budgets of retries and of hedges. Pure.

use crate::clock::Moment;

/// Retries that may be made in [`MEMORY`], whatever the share: a service with little traffic must be able to retry too
/// (Finagle's `RetryBudget` keeps such a reserve, and tower's `TpsBudget` after it).
const RESERVE: f64 = 50.0;
/// Exchanges are remembered for so many seconds: what may be retried is a share of those, so that a busy day pays for no retries
/// of the night. As many as in Finagle and in tower.
const MEMORY: u64 = 10;
const SLOTS: usize = MEMORY as usize;

/// The share of the exchanges that may be hedged: what backends get beside is never more than that. J. Dean and L. A. Barroso (The Tail at Scale, CACM
/// 2013) hedge after the 95th percentile, which limits what is sent beside to as much.
pub const HEDGED: f64 = 0.05;
/// Hedges that a service may have saved up when its exchanges are too old to count: one that gets a request a second can hedge too.
const SAVED: f64 = 5.0;

/// The retries that one worker may make for one service: a share of its exchanges of the last [`MEMORY`] seconds, and a reserve. Or the hedges: a
/// share, and a few that were saved up.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    /// By second: what the exchanges that began then have paid in and nobody has taken out.
    slots: [f64; SLOTS],
    /// The second of the newest slot.
    second: u64,
    reserve: f64,
    /// The reserve is what exchanges have paid in, and not given.
    is_saved: bool,
}

impl Default for Budget {
    fn default() -> Self {
        Self { slots: [0.0; SLOTS], second: 0, reserve: RESERVE, is_saved: false }
    }
}

impl Budget {
    /// Of hedges. Whoever deposits [`HEDGED`] for each exchange never has more than that share of all exchanges so far.
    pub fn of_hedges() -> Self {
        Self { slots: [0.0; SLOTS], second: 0, reserve: 0.0, is_saved: true }
    }

    /// An exchange began.
    pub fn deposit(&mut self, share: f64, now: Moment) {
        self.forget(now);
        *self.slot(self.second) += share;
    }

    /// Whether a retry may be made; it counts from here on, its back-off included. What was paid in first is taken first.
    pub fn withdraw(&mut self, now: Moment) -> bool {
        self.forget(now);
        if self.slots.iter().sum::<f64>() + self.reserve < 1.0 {
            return false;
        }
        let mut due = 1.0;
        for second in self.second + 1..=self.second + MEMORY {
            let slot = self.slot(second);
            let taken = slot.min(due);
            *slot -= taken;
            due -= taken;
        }
        self.reserve -= due;
        true
    }

    /// What was paid in too long ago is gone, and the reserve grows with time. Moments may be a little out of order: those that are
    /// late count for the newest second.
    fn forget(&mut self, now: Moment) {
        let second = now.as_millis() / 1000;
        let passed = second.saturating_sub(self.second).min(MEMORY);
        if passed == 0 {
            return;
        }
        let forgotten: f64 = (second - passed + 1..=second).map(|old| std::mem::take(self.slot(old))).sum();
        self.reserve = match self.is_saved {
            true => (self.reserve + forgotten).min(SAVED),
            false => (self.reserve + passed as f64 * RESERVE / MEMORY as f64).min(RESERVE),
        };
        self.second = second;
    }

    /// The oldest slot is the one that a second later than the newest will use.
    fn slot(&mut self, second: u64) -> &mut f64 {
        &mut self.slots[(second % MEMORY) as usize]
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// A budget whose reserve is used up.
    fn used_up(now: Moment) -> Budget {
        let mut budget = Budget::default();
        while budget.withdraw(now) {}
        budget
    }

    fn withdrawals(budget: &mut Budget, now: Moment) -> usize {
        (0..1_000_000).take_while(|_| budget.withdraw(now)).count()
    }

    #[test]
    fn a_fifth_of_the_exchanges_may_be_retries_once_the_reserve_is_used() {
        let now = Moment::now();
        let mut budget = used_up(now);
        let made = (0..1000).filter(|_| {
            budget.deposit(0.2, now);
            budget.withdraw(now)
        });
        assert!((199..=200).contains(&made.count()));
    }

    #[test]
    fn a_quiet_service_gets_its_reserve_back_and_no_more() {
        let now = Moment::from_millis(5_000);
        let mut budget = used_up(now);
        assert_eq!(withdrawals(&mut budget, now.plus(Duration::from_secs(2))), 10, "five a second");
        assert_eq!(withdrawals(&mut budget, now.plus(Duration::from_secs(3600))), 50);
    }

    #[test]
    fn what_the_exchanges_of_a_busy_day_have_paid_in_is_gone_ten_seconds_later() {
        let day = Moment::from_millis(1_000_000);
        let mut budget = used_up(day);
        (0..10_000).for_each(|_| budget.deposit(0.2, day));
        let before = budget;
        let after = |seconds| withdrawals(&mut before.clone(), day.plus(Duration::from_secs(seconds)));
        assert_eq!(after(0), 2_000);
        assert_eq!(after(9), 2_000 + 45);
        assert_eq!([after(10), after(3600 * 8)], [50, 50], "only the reserve");
    }

    #[test]
    fn what_was_paid_in_first_is_taken_first_and_the_reserve_last() {
        let start = Moment::from_millis(1_000_000);
        let mut budget = Budget::default();
        (0..40).for_each(|_| budget.deposit(0.25, start));
        let later = start.plus(Duration::from_secs(5));
        (0..40).for_each(|_| budget.deposit(0.25, later));
        assert_eq!((0..10).filter(|_| budget.withdraw(later)).count(), 10);
        // the ten that are left are the later ones
        assert_eq!(withdrawals(&mut budget, start.plus(Duration::from_secs(10))), 60);
    }

    #[test]
    fn in_any_ten_seconds_of_steady_load_retries_are_no_more_than_the_share_and_the_reserve() {
        let mut budget = Budget::default();
        let made: Vec<usize> = (0..100)
            .map(|second| {
                let now = Moment::from_millis(1_000_000 + second * 1000);
                (0..100).for_each(|_| budget.deposit(0.2, now));
                // everything fails for a while, then nothing does
                if second % 30 < 15 { withdrawals(&mut budget, now) } else { 0 }
            })
            .collect();
        // a window of 10 s may take what was paid in during the 10 s before it as well
        for window in made.windows(10) {
            assert!(window.iter().sum::<usize>() <= 2 * (200 + 50), "{window:?}");
        }
        assert!(made[5..15].iter().all(|&made| (24..=26).contains(&made)), "{made:?}");
    }

    #[test]
    fn of_all_exchanges_so_far_no_more_than_one_in_twenty_is_hedged() {
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..50 {
            let (mut budget, mut now) = (Budget::of_hedges(), Moment::from_millis(1_000_000));
            let (mut exchanges, mut hedged) = (0_u32, 0_u32);
            for _ in 0..5_000 {
                let pause = [1, 30, 3_000][random.usize(..3)];
                now = now.plus(Duration::from_millis(random.u64(..pause)));
                budget.deposit(HEDGED, now);
                exchanges += 1;
                hedged += u32::from(random.bool() && budget.withdraw(now));
                assert!(f64::from(hedged) <= f64::from(exchanges) * HEDGED + 1e-6, "{hedged} of {exchanges}");
            }
            assert!(hedged > 200, "{hedged}");
        }
    }

    #[test]
    fn a_service_that_is_asked_little_saves_a_few_hedges_and_a_busy_one_has_those_of_ten_seconds() {
        let start = Moment::from_millis(1_000_000);
        let mut budget = Budget::of_hedges();
        assert!(!budget.withdraw(start));
        (0..1_000).for_each(|second| budget.deposit(HEDGED, start.plus(Duration::from_secs(second))));
        assert_eq!(withdrawals(&mut budget, start.plus(Duration::from_secs(5_000))), 5);
        (0..1_000).for_each(|_| budget.deposit(HEDGED, start.plus(Duration::from_secs(6_000))));
        let busy = withdrawals(&mut budget, start.plus(Duration::from_secs(6_009)));
        assert!((49..=50).contains(&busy), "{busy}");
    }

    #[test]
    fn a_moment_that_comes_late_counts_for_the_newest_second() {
        let mut budget = used_up(Moment::from_millis(20_000));
        budget.deposit(1.0, Moment::from_millis(19_500));
        assert_eq!(withdrawals(&mut budget, Moment::from_millis(29_000)), 1 + 45);
    }
}
