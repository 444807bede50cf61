//! Slow start: a backend that was just added gets a small share of its work, which grows to the whole over a time.
//!
//! It is done outside the algorithms, in the same way for all of them: what an algorithm has picked is accepted with
//! the probability of the backend's share, otherwise the pick is repeated without it. So no balancer has to be built
//! anew while a share grows.

use std::time::Duration;

use super::{Balancer, Pick};
use crate::clock::Moment;

/// The first share. A smaller one would hardly warm the backend up: caches fill by use.
const LEAST: f64 = 0.1;

/// The share of its work that a backend gets at `now`, above 0 and at most 1; `slow_start` is how long it takes to get all.
pub fn share(joined: Moment, now: Moment, slow_start: Duration) -> f64 {
    let since = now.since(joined);
    if since >= slow_start { 1.0 } else { (since.as_secs_f64() / slow_start.as_secs_f64()).max(LEAST) }
}

/// Picks with the share that each backend has now. When nothing is left but backends that were not accepted, it is the one
/// that the algorithm wanted first: all of them may have come a moment ago.
pub fn pick(balancer: &dyn Balancer, pick: Pick<'_>, share: impl Fn(usize) -> f64) -> Option<usize> {
    let Pick { cursor, tried, random, now, key } = pick;
    let first = balancer.pick(Pick { cursor, tried, random, now, key })?;
    if accepted(share(first), random) {
        return Some(first);
    }
    // only while a backend is in slow start, so mostly no list has to be made
    let mut rejected = tried.few().to_vec();
    let mut last = first;
    loop {
        rejected.push(last);
        let passed = tried.with_few(&rejected);
        match balancer.pick(Pick { cursor, tried: passed, random, now, key }) {
            Some(next) if !passed.contains(next) => last = next,
            _ => return Some(first),
        }
        if accepted(share(last), random) {
            return Some(last);
        }
    }
}

fn accepted(share: f64, random: &mut fastrand::Rng) -> bool {
    share >= 1.0 || random.f64() < share
}

#[cfg(test)]
mod tests {
    use super::super::tests::Fleet;
    use super::super::{Cursor, RoundRobin, build};
    use super::*;
    use crate::policy::{Balance, Ring};

    const RAMP: Duration = Duration::from_secs(30);

    #[test]
    fn the_share_grows_from_a_tenth_to_all() {
        let joined = Fleet::NOW;
        let after = |seconds| share(joined, joined.plus(Duration::from_secs(seconds)), RAMP);
        assert_eq!([0, 1, 3, 15, 30, 31].map(after), [0.1, 0.1, 0.1, 0.5, 1.0, 1.0]);
        assert_eq!(share(joined, Moment::NEVER, RAMP), 0.1, "a clock reading from before it joined");
        assert_eq!(share(Moment::NEVER, joined, RAMP), 1.0, "there since long ago");
        assert_eq!(share(joined, joined, Duration::ZERO), 1.0, "no slow start");
    }

    fn counts(balancer: &dyn Balancer, tried: &[usize], share: impl Fn(usize) -> f64) -> [u32; 4] {
        let (mut cursor, mut random) = (Cursor::new(0), fastrand::Rng::with_seed(11));
        let mut counts = [0; 4];
        for request in 0..40_000_u64 {
            let key = super::super::hash_key(&request.to_le_bytes());
            let pick_now = Pick { cursor: &mut cursor, tried: tried.into(), random: &mut random, now: Fleet::NOW, key };
            counts[pick(balancer, pick_now, &share).unwrap()] += 1;
        }
        counts
    }

    #[test]
    fn a_new_backend_gets_its_share_of_what_it_would_get_with_every_algorithm() {
        use Balance::{
            ConsistentHash, LeastConnections, PowerOfTwo, ResourceBased, ResponseTime, RoundRobin,
            WeightedLeastConnections, WeightedRoundRobin,
        };
        let ring = Ring { virtual_nodes: 150, bounded_load: 0.0 };
        for balance in [
            RoundRobin,
            WeightedRoundRobin,
            LeastConnections,
            WeightedLeastConnections,
            ResourceBased,
            ResponseTime,
            ConsistentHash(ring),
            PowerOfTwo,
        ] {
            let balancer = build(balance, Fleet::new(&[1; 4]).candidates());
            let whole = counts(&*balancer, &[], |_| 1.0)[2];
            let part = counts(&*balancer, &[], |backend| if backend == 2 { 0.2 } else { 1.0 })[2];
            let share = f64::from(part) / f64::from(whole);
            assert!((0.15..0.25).contains(&share), "{balance:?}: {share}");
        }
    }

    #[test]
    fn when_all_are_new_none_is_left_out() {
        let balancer = RoundRobin::new(vec![0, 1, 2, 3]);
        let counts = counts(&balancer, &[], |_| 0.1);
        assert!(counts.iter().all(|got| got.abs_diff(10_000) < 1_000), "{counts:?}");
    }

    #[test]
    fn a_new_one_that_is_the_only_one_left_is_used_and_never_one_that_was_tried() {
        let balancer = RoundRobin::new(vec![0, 1, 2, 3]);
        assert_eq!(counts(&balancer, &[0, 1, 3], |_| 0.1), [0, 0, 40_000, 0]);
        let none = RoundRobin::new(Vec::new());
        let (mut cursor, mut random) = (Cursor::new(0), fastrand::Rng::with_seed(11));
        assert_eq!(pick(&none, Pick::test(&mut cursor, &[], &mut random), |_| 0.1), None);
    }
}
