//! When an exchange is tried again: what may be, what the configuration wants, and what the budget allows. Pure.

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

/// Retries that may be made at once after a quiet time, whatever the share: a service with little traffic must be able to
/// retry too (Finagle's RetryBudget keeps a reserve for the same reason).
const RESERVE: f64 = 50.0;
/// Retries that the reserve gains in a second.
const RESERVE_A_SECOND: f64 = 10.0;
/// Exchanges whose share is kept for later, at most.
const MEMORY: f64 = 10_000.0;

/// The retries that one worker may make for one service: a share of its exchanges of late.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    tokens: f64,
    refilled: Moment,
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
        Self { tokens: RESERVE, refilled: Moment::NEVER }
    }
}

impl Budget {
    /// An exchange began.
    pub fn deposit(&mut self, share: f64, now: Moment) {
        let since = now.since(self.refilled).as_secs_f64();
        self.refilled = now;
        if self.tokens < RESERVE {
            self.tokens = (self.tokens + since * RESERVE_A_SECOND).min(RESERVE);
        }
        self.tokens = (self.tokens + share).min(RESERVE + share * MEMORY);
    }

    /// Whether a retry may be made; it counts from here on, its back-off included.
    pub fn withdraw(&mut self) -> bool {
        let enough = self.tokens >= 1.0;
        if enough {
            self.tokens -= 1.0;
        }
        enough
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
        Kind::Connect | Kind::ConnectTimeout | Kind::UpstreamTls | Kind::UpstreamCertificate => policy.on_connect,
        // nothing has left this machine
        Kind::Lack(_) => true,
        Kind::UpstreamClosed => policy.on_reset,
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

    #[test]
    fn a_fifth_of_the_exchanges_may_be_retries_once_the_reserve_is_used() {
        let now = Moment::now();
        let mut budget = Budget::default();
        budget.deposit(0.0, now);
        while budget.withdraw() {}
        let made = (0..1000).filter(|_| {
            budget.deposit(0.2, now);
            budget.withdraw()
        });
        assert!((199..=200).contains(&made.count()));
    }

    #[test]
    fn a_quiet_service_gets_its_reserve_back_and_no_more() {
        let now = Moment::now();
        let mut budget = Budget::default();
        budget.deposit(0.0, now);
        while budget.withdraw() {}
        budget.deposit(0.0, now.plus(Duration::from_secs(2)));
        assert_eq!((0..100).filter(|_| budget.withdraw()).count(), 20);
        budget.deposit(0.0, now.plus(Duration::from_secs(3600)));
        assert_eq!((0..100).filter(|_| budget.withdraw()).count(), 50);
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
