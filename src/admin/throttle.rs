//! How often somebody may try to log in: so seldom that no token can be guessed.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use crate::clock::Moment;

/// Failures that an address may have within [`WINDOW`].
const MOST: usize = 10;

/// How long a failure counts.
const WINDOW: Duration = Duration::from_secs(60);

/// Addresses that are remembered. Where one more fails, the one whose last failure is oldest is forgotten.
const ADDRESSES: usize = 1024;

/// The failures of late, by the address that they came from.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    failures: HashMap<IpAddr, VecDeque<Moment>>,
}

impl Throttle {
    /// Whether this address may try now; otherwise when it may again.
    pub(super) fn may_try(&self, from: IpAddr, now: Moment) -> Result<(), Duration> {
        let Some(failures) = self.failures.get(&network(from)) else { return Ok(()) };
        let recent = failures.iter().filter(|at| now.since(**at) < WINDOW);
        match (recent.clone().count() < MOST, recent.min()) {
            (false, Some(first)) => Err(WINDOW.saturating_sub(now.since(*first))),
            _ => Ok(()),
        }
    }

    /// It has tried in vain.
    pub(super) fn failed(&mut self, from: IpAddr, now: Moment) {
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

/// Whoever has an IPv6 address mostly has all those with the same first 64 bits.
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

    fn after(seconds: u64) -> Moment {
        START.plus(Duration::from_secs(seconds))
    }

    #[test]
    fn ten_failures_within_a_minute_and_no_more() {
        let mut throttle = Throttle::default();
        let from = "2001:db8::1".parse().unwrap();
        for second in 0..10 {
            assert_eq!(throttle.may_try(from, after(second)), Ok(()));
            throttle.failed(from, after(second));
        }
        assert_eq!(throttle.may_try(from, after(10)), Err(Duration::from_secs(50)));
        assert!(throttle.may_try("2001:db8::2".parse().unwrap(), after(10)).is_err(), "the same network");
        assert_eq!(throttle.may_try("2001:db8:0:1::1".parse().unwrap(), after(10)), Ok(()));
        // one for each that is a minute old
        assert_eq!(throttle.may_try(from, after(60)), Ok(()));
        throttle.failed(from, after(60));
        assert_eq!(throttle.may_try(from, after(60)), Err(Duration::from_secs(1)));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut throttle = Throttle::default();
        for n in 0..2 * ADDRESSES as u32 {
            throttle.failed(IpAddr::from(n.to_be_bytes()), after(u64::from(n)));
        }
        assert_eq!(throttle.failures.len(), ADDRESSES);
        assert!(throttle.failures.contains_key(&IpAddr::from((2 * ADDRESSES as u32 - 1).to_be_bytes())));
    }
}
