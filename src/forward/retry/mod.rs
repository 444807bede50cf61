//! When an exchange is tried again: what may be, what the configuration wants, and what the budget allows. Pure.

pub mod tries;

use std::time::Duration;

use http::StatusCode;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::clock::Moment;
use crate::error::{Error, Kind, Retry};
use crate::policy;

/// gRPC's word on when to try again (gRFC A6): milliseconds; what is no such number means never.
const GRPC_PUSHBACK: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");

/// The longest back-off, and the longest that a backend's own word is waited for.
const LONGEST: Duration = Duration::from_secs(1);

/// Retries that may be made in [`MEMORY`], whatever the share: a service with little traffic must be able to retry too
/// (Finagle's `RetryBudget` keeps such a reserve, and tower's `TpsBudget` after it).
const RESERVE: f64 = 50.0;
/// Exchanges are remembered for so many seconds: what may be retried is a share of those, so that a busy day pays for no retries
/// of the night. As many as in Finagle and in tower.
const MEMORY: u64 = 10;
const SLOTS: usize = MEMORY as usize;

/// The retries that one worker may make for one service: a share of its exchanges of the last [`MEMORY`] seconds, and a reserve.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    /// By second: what the exchanges that began then have paid in and nobody has taken out.
    slots: [f64; SLOTS],
    /// The second of the newest slot.
    second: u64,
    reserve: f64,
}

/// What a backend asks of those who would try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushback {
    /// Nothing.
    None,
    /// Not to, wherever (a gRPC server knows that it would not help).
    Stop,
    /// Not before this time is over, wherever.
    Wait(Duration),
    /// Not to come back before this time is over, `None` = not in any time that is worth waiting. Others may be asked at once.
    Elsewhere(Option<Duration>),
}

impl Default for Budget {
    fn default() -> Self {
        Self { slots: [0.0; SLOTS], second: 0, reserve: RESERVE }
    }
}

impl Budget {
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
        (second - passed + 1..=second).for_each(|old| *self.slot(old) = 0.0);
        self.reserve = (self.reserve + passed as f64 * RESERVE / MEMORY as f64).min(RESERVE);
        self.second = second;
    }

    /// The oldest slot is the one that a second later than the newest will use.
    fn slot(&mut self, second: u64) -> &mut f64 {
        &mut self.slots[(second % MEMORY) as usize]
    }
}

/// Whether an attempt that failed so may be made again, as far as the request and the configuration say.
pub fn is_wanted(error: &Error, idempotent: bool, policy: &policy::Retry) -> bool {
    let may = match error.retryability() {
        Retry::Safe => true,
        Retry::IfIdempotent => idempotent,
        Retry::Never => false,
    };
    let wanted = match error.kind() {
        Kind::Connect | Kind::ConnectTimeout | Kind::NoStream | Kind::UpstreamTls | Kind::UpstreamCertificate => {
            policy.on_connect
        }
        // nothing has left this machine
        Kind::Lack(_) => true,
        Kind::UpstreamClosed | Kind::UpstreamRefused | Kind::UpstreamReset | Kind::UpstreamProtocol => policy.on_reset,
        // what the client would be answered with decides
        Kind::UpstreamTimeout => policy.on_status.contains(&StatusCode::GATEWAY_TIMEOUT),
        Kind::UpstreamMalformed | Kind::UpstreamHeadersTooLarge => policy.on_status.contains(&StatusCode::BAD_GATEWAY),
        _ => false,
    };
    may && wanted
}

/// The pause before the retry with this number, from 0: none before the first, then up to `base`, doubled each time. Drawn
/// evenly from zero on ("full jitter", M. Brooker, AWS Architecture Blog 2015), so that those who failed together do not come
/// back together.
pub fn back_off(retry: u32, base: Duration, random: &mut fastrand::Rng) -> Duration {
    match retry.checked_sub(1) {
        None => Duration::ZERO,
        Some(doublings) => base.saturating_mul(1 << doublings.min(10)).min(LONGEST).mul_f64(random.f64()),
    }
}

/// What the answer says about trying again: `grpc-retry-pushback-ms`, or `Retry-After` in seconds (a date is far enough away
/// to mean never).
pub fn pushback(headers: &HeaderMap) -> Pushback {
    let number = |value: &HeaderValue| value.to_str().ok().and_then(|text| text.trim().parse::<u64>().ok());
    let short = |time: &Duration| *time <= LONGEST;
    if let Some(value) = headers.get(GRPC_PUSHBACK) {
        let time = number(value).map(Duration::from_millis).filter(short);
        return time.map_or(Pushback::Stop, Pushback::Wait);
    }
    match headers.get(header::RETRY_AFTER) {
        Some(value) => Pushback::Elsewhere(number(value).map(Duration::from_secs).filter(short)),
        None => Pushback::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> policy::Retry {
        policy::Retry {
            attempts: 2,
            budget: 0.2,
            on_connect: true,
            on_reset: true,
            on_status: vec![StatusCode::BAD_GATEWAY, StatusCode::GATEWAY_TIMEOUT],
            back_off: Duration::from_millis(25),
            hold: 0,
        }
    }

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
    fn a_moment_that_comes_late_counts_for_the_newest_second() {
        let mut budget = used_up(Moment::from_millis(20_000));
        budget.deposit(1.0, Moment::from_millis(19_500));
        assert_eq!(withdrawals(&mut budget, Moment::from_millis(29_000)), 1 + 45);
    }

    #[test]
    fn only_what_is_safe_and_wanted_is_tried_again() {
        let closed = |retry| Error::new(Kind::UpstreamClosed, "").retry(retry);
        assert!(is_wanted(&closed(Retry::Safe), false, &policy()));
        assert!(is_wanted(&closed(Retry::IfIdempotent), true, &policy()));
        assert!(!is_wanted(&closed(Retry::IfIdempotent), false, &policy()), "it may have been executed");
        assert!(!is_wanted(&closed(Retry::Never), true, &policy()));
        let slow = Error::new(Kind::UpstreamTimeout, "").retry(Retry::IfIdempotent);
        assert!(is_wanted(&slow, true, &policy()));
        assert!(!is_wanted(&slow, true, &policy::Retry { on_status: Vec::new(), ..policy() }));
        assert!(!is_wanted(&Error::new(Kind::ClientGone, "").retry(Retry::Safe), true, &policy()));
    }

    #[test]
    fn pauses_grow_from_nothing_and_stay_below_a_second() {
        let mut random = fastrand::Rng::with_seed(1);
        let base = Duration::from_millis(25);
        assert_eq!(back_off(0, base, &mut random), Duration::ZERO);
        for (retry, most) in [(1, 25), (2, 50), (3, 100), (9, 1000), (60, 1000)] {
            let longest = (0..1000).map(|_| back_off(retry, base, &mut random)).max();
            let most = Duration::from_millis(most);
            assert!(longest.is_some_and(|longest| longest <= most && longest > most.mul_f64(0.9)), "{longest:?}");
        }
    }

    #[test]
    fn a_backend_can_ask_for_time_or_for_no_retry_at_all() {
        let said = |name, value| pushback(&HeaderMap::from_iter([(name, HeaderValue::from_static(value))]));
        assert_eq!(pushback(&HeaderMap::new()), Pushback::None);
        assert_eq!(said(GRPC_PUSHBACK, "250"), Pushback::Wait(Duration::from_millis(250)));
        assert_eq!(said(GRPC_PUSHBACK, "-1"), Pushback::Stop);
        assert_eq!(said(header::RETRY_AFTER, "1"), Pushback::Elsewhere(Some(Duration::from_secs(1))));
        assert_eq!(said(header::RETRY_AFTER, "120"), Pushback::Elsewhere(None));
        assert_eq!(said(header::RETRY_AFTER, "Tue, 24 Nov 2026 10:00:00 GMT"), Pushback::Elsewhere(None));
    }
}
