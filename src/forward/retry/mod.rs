//! Whether another attempt is made: what is safe, what the configuration wants, what the backend asks for, and what the `budget` allows.
//! `state` puts that together for one exchange or session.

pub mod budget;
pub mod state;

use std::time::Duration;

use http::StatusCode;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::error::{Error, Kind, Retry};
use crate::policy;

/// gRPC's word on when to try again (gRFC A6): milliseconds; what is no such number means never.
const GRPC_PUSHBACK: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");

/// The longest back-off, and the longest that a backend's own word is waited for.
const LONGEST: Duration = Duration::from_secs(1);

/// What a backend asks of a client that would try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushback {
    /// Nothing.
    None,
    /// Not to try again at all: a gRPC server says that where it knows that it would not help.
    Stop,
    /// To try again, with whatever backend, when this time is over.
    Wait(Duration),
    /// Not to come back before this time is over; `None` = it is longer than is worth waiting. Other backends may be asked at once.
    Elsewhere(Option<Duration>),
}

/// Whether another attempt may follow one that failed with this error, as far as the request and the configuration say.
pub fn is_wanted(error: &Error, idempotent: bool, policy: &policy::Retry) -> bool {
    let may = match error.retryability() {
        Retry::Safe => true,
        Retry::IfIdempotent => idempotent,
        Retry::Never => false,
    };
    let wanted = match error.kind() {
        Kind::Connect
        | Kind::Unreachable
        | Kind::ConnectTimeout
        | Kind::NoStream
        | Kind::UpstreamTls
        | Kind::UpstreamCertificate => policy.on_connect,
        // nothing has left this machine; and what hangs is only given up where another attempt may follow
        Kind::Shortage(_) | Kind::UpstreamHung => true,
        Kind::UpstreamClosed | Kind::UpstreamRefused | Kind::UpstreamReset | Kind::UpstreamProtocol => policy.on_reset,
        // what the client would be answered with decides
        Kind::UpstreamTimeout => policy.on_status.contains(&StatusCode::GATEWAY_TIMEOUT),
        Kind::UpstreamMalformed | Kind::UpstreamHeadersTooLarge => policy.on_status.contains(&StatusCode::BAD_GATEWAY),
        _ => false,
    };
    may && wanted
}

/// The pause before the retry with this number, from 0: none before the first, then up to `base`, doubled each time. Drawn
/// evenly from zero on ("full jitter", M. Brooker, AWS Architecture Blog 2015), so that exchanges that failed together are not retried
/// together.
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
            hedge: None,
        }
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
