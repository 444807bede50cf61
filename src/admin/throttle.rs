//! How often an address may show a wrong token: so seldom that none can be guessed.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use http::StatusCode;
use http::header::RETRY_AFTER;
use metrics::counter;

use super::answer::Problem;
use crate::clock::Moment;
use crate::metrics::names;

/// The most failures that an address may have within [`WINDOW`].
const MOST: usize = 10;

/// How long a failure counts.
const WINDOW: Duration = Duration::from_secs(60);

/// The most addresses that are remembered. Where one more fails, the one whose last failure is oldest is forgotten.
const ADDRESSES: usize = 1024;

/// The values of the metric's label `reason`.
const WRONG_TOKEN: &str = "wrong_token";
const TOO_MANY_FAILURES: &str = "too_many_failures";

/// The failures of the last minute, by the address that they came from.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    failures: HashMap<IpAddr, VecDeque<Moment>>,
}

/// Why somebody is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Denied {
    /// What was shown is none of the tokens.
    Unknown,
    /// The address has failed too often. What it shows is not looked at before this time has passed.
    TooMany(Duration),
}

impl Throttle {
    /// Gives back what was `found` for the token that this address shows; `None` = it is a wrong one, which counts as a failure.
    ///
    /// # Errors
    ///
    /// A wrong token, or too many failures: then a right one does not help either, since a guess would show by it.
    pub(super) fn check<T>(&mut self, from: IpAddr, found: Option<T>, now: Moment) -> Result<T, Denied> {
        if let Some(wait) = self.wait(from, now) {
            return Err(Denied::TooMany(wait));
        }
        if found.is_none() {
            self.failed(from, now);
        }
        found.ok_or(Denied::Unknown)
    }

    /// How long this address has to wait until it may try; `None` = it need not.
    fn wait(&self, from: IpAddr, now: Moment) -> Option<Duration> {
        let failures = self.failures.get(&network(from))?;
        let recent = failures.iter().filter(|at| now.since(**at) < WINDOW);
        let is_full = recent.clone().count() >= MOST;
        recent.min().filter(|_| is_full).map(|first| WINDOW.saturating_sub(now.since(*first)))
    }

    fn failed(&mut self, from: IpAddr, now: Moment) {
        let from = network(from);
        if self.failures.len() >= ADDRESSES && !self.failures.contains_key(&from) {
            let oldest = self.failures.iter().min_by_key(|(_, failures)| failures.back().copied());
            let oldest = oldest.map(|(address, _)| *address);
            oldest.and_then(|address| self.failures.remove(&address));
        }
        let failures = self.failures.entry(from).or_default();
        failures.push_back(now);
        if failures.len() > MOST {
            failures.pop_front();
        }
    }
}

impl Denied {
    /// The answer to whoever is not let in. It is counted, and the log says `what` a wrong token came with.
    pub(super) fn refuse(self, from: IpAddr, what: &str) -> Problem {
        match self {
            Self::Unknown => {
                count(WRONG_TOKEN, 1);
                tracing::warn!(from = %from.to_canonical(), "admin: {what}");
                Problem::unauthorized("This is not a token of this admin address.", true)
            }
            Self::TooMany(wait) => {
                count(TOO_MANY_FAILURES, 1);
                let seconds = wait.as_secs() + 1;
                let detail = format!("Too many wrong tokens have come from this address. Try again in {seconds} s.");
                Problem::new(StatusCode::TOO_MANY_REQUESTS, detail).field(RETRY_AFTER, seconds)
            }
        }
    }
}

/// Makes both series known with 0, so that the first refusal is seen as an increase.
pub(super) fn announce_counts() {
    [WRONG_TOKEN, TOO_MANY_FAILURES].into_iter().for_each(|reason| count(reason, 0));
}

fn count(reason: &'static str, more: u64) {
    counter!(names::ADMIN_REFUSED.name, "reason" => reason).increment(more);
}

/// The network that an address belongs to: whoever has one IPv6 address mostly has all that share its first 64 bits (RFC 6177, section 2).
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Moment = Moment::from_millis(1_100_000_000_000);
    const WRONG: Option<()> = None;

    fn after(seconds: u64) -> Moment {
        START.plus(Duration::from_secs(seconds))
    }

    #[test]
    fn ten_failures_within_a_minute_and_no_more() {
        let mut throttle = Throttle::default();
        let from = "2001:db8::1".parse().unwrap();
        let too_many = |seconds| Err(Denied::TooMany(Duration::from_secs(seconds)));
        for second in 0..10 {
            assert_eq!(throttle.check(from, Some(()), after(second)), Ok(()));
            assert_eq!(throttle.check(from, WRONG, after(second)), Err(Denied::Unknown));
        }
        assert_eq!(throttle.check(from, WRONG, after(10)), too_many(50));
        assert_eq!(throttle.check(from, Some(()), after(10)), too_many(50), "nor with the right one");
        assert_eq!(
            throttle.check("2001:db8::2".parse().unwrap(), Some(()), after(10)),
            too_many(50),
            "the same network"
        );
        assert_eq!(throttle.check("2001:db8:0:1::1".parse().unwrap(), Some(()), after(10)), Ok(()));
        // one for each that is a minute old
        assert_eq!(throttle.check(from, WRONG, after(60)), Err(Denied::Unknown));
        assert_eq!(throttle.check(from, WRONG, after(60)), too_many(1));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut throttle = Throttle::default();
        for n in 0..2 * ADDRESSES as u32 {
            assert_eq!(throttle.check(IpAddr::from(n.to_be_bytes()), WRONG, after(u64::from(n))), Err(Denied::Unknown));
        }
        assert_eq!(throttle.failures.len(), ADDRESSES);
        assert!(throttle.failures.contains_key(&IpAddr::from((2 * ADDRESSES as u32 - 1).to_be_bytes())));
    }
}
