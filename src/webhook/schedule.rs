//! When a call that failed is made again, and when it is given up.

use std::time::{Duration, SystemTime};

use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};

/// The pauses between tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pauses {
    /// The first pause, before up to a half of it is added at random.
    pub first: Duration,
    /// The longest pause, before up to a half of it is added at random.
    pub longest: Duration,
}

/// No receiver may ask for a longer pause than this.
const LONGEST_ASKED: Duration = Duration::from_secs(3600);

/// What an answer means for the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handling {
    /// The receiver has it.
    Sent,
    /// The receiver may take it later, after this time at the earliest.
    Later(Duration),
    /// The receiver refuses it, and would refuse it again.
    Refused,
}

/// What the head of an answer means for the call. A redirect (3xx) is a refusal: a signed message is not sent to an address that is
/// not in the configuration.
pub fn handling(status: StatusCode, fields: &HeaderMap, now: SystemTime) -> Handling {
    match status {
        status if status.is_success() => Handling::Sent,
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => Handling::Later(asked(fields, now)),
        status if status.is_server_error() => Handling::Later(asked(fields, now)),
        _ => Handling::Refused,
    }
}

/// The pause that `Retry-After` asks for (RFC 9110, section 10.2.3): seconds or a date; zero when it asks for none.
pub fn asked(fields: &HeaderMap, now: SystemTime) -> Duration {
    let value = fields.get(RETRY_AFTER).and_then(|value| value.to_str().ok()).unwrap_or_default().trim();
    let pause = match value.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => httpdate::parse_http_date(value).ok().and_then(|at| at.duration_since(now).ok()).unwrap_or_default(),
    };
    pause.min(LONGEST_ASKED)
}

impl Pauses {
    /// The pause after so many failures in a row (at least one): doubled with each, and lengthened by up to a half, so that many
    /// instances do not come back at the same time. `random` is in 0..1.
    pub fn after(self, failures: u32, asked: Duration, random: f64) -> Duration {
        let doubled = self.first.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1))).min(self.longest);
        doubled.mul_f64(1.0 + random / 2.0).max(asked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(status: u16, retry_after: Option<&str>) -> Handling {
        let mut fields = HeaderMap::new();
        retry_after.into_iter().for_each(|value| _ = fields.insert(RETRY_AFTER, value.parse().unwrap()));
        let now = httpdate::parse_http_date("Wed, 21 Oct 2015 07:28:00 GMT").unwrap();
        handling(StatusCode::from_u16(status).unwrap(), &fields, now)
    }

    #[test]
    fn what_may_succeed_later_is_tried_again_and_nothing_else() {
        [200, 202, 204].into_iter().for_each(|status| assert_eq!(after(status, None), Handling::Sent, "{status}"));
        [408, 429, 500, 502, 503, 504]
            .into_iter()
            .for_each(|status| assert_eq!(after(status, None), Handling::Later(Duration::ZERO)));
        [301, 307, 400, 401, 403, 404, 410, 422]
            .into_iter()
            .for_each(|status| assert_eq!(after(status, None), Handling::Refused));
    }

    #[test]
    fn a_receiver_says_how_long_to_wait_in_seconds_or_by_a_date_and_not_for_ever() {
        let later = |seconds| Handling::Later(Duration::from_secs(seconds));
        assert_eq!(after(429, Some("7")), later(7));
        assert_eq!(after(503, Some("Wed, 21 Oct 2015 07:28:30 GMT")), later(30));
        assert_eq!(after(503, Some("Wed, 21 Oct 2015 07:00:00 GMT")), later(0));
        assert_eq!(after(429, Some("soon")), later(0));
        assert_eq!(after(429, Some("999999999")), later(3600));
    }

    #[test]
    fn pauses_double_and_are_lengthened_by_up_to_a_half() {
        let pauses = Pauses { first: Duration::from_secs(1), longest: Duration::from_secs(200) };
        let seconds = |failures, random| pauses.after(failures, Duration::ZERO, random).as_secs_f64();
        assert_eq!([1, 2, 3, 8, 9, 1000].map(|failures| seconds(failures, 0.0)), [1.0, 2.0, 4.0, 128.0, 200.0, 200.0]);
        assert_eq!((seconds(1, 1.0), seconds(1000, 1.0)), (1.5, 300.0));
        assert_eq!(pauses.after(1, Duration::from_secs(9), 1.0), Duration::from_secs(9));
    }
}
