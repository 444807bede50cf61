//! How the work of an instance is divided among zones: as much as is fair stays in its own, and the rest goes where there is more than a fair share of
//! backends. This is what Envoy's zone-aware routing does
//! (envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/load_balancing/zone_aware): an own zone with as large a share of the backends as it has of the work
//! keeps all of it; else it keeps what makes both shares equal, and the rest is divided by what other zones have above their own share of the work.
//!
//! Envoy has to be told how its own instances are spread over zones. Here they are taken to be spread evenly over the zones that a service has backends in. The
//! other known way, Istio's and Linkerd's failover by locality, sends everything to the own zone until too few of its backends are healthy: a zone with one
//! backend of ten gets half of the work then (istio/istio#35102).

use crate::endpoint::standing::WHOLE;

/// What of the work stays, and what goes to each other zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Division {
    /// The part that stays, in thousandths.
    pub own: u32,
    /// The parts of the other zones, in the order in which they were given; all together they are a whole.
    pub others: Vec<u32>,
}

/// Divides the work of an instance in a zone whose backends can take `own`, with other zones that can take `others`. `zones` is how many zones there are,
/// those included in which nobody can be used. `None` = nobody can take anything.
pub fn divide(own: u64, others: &[u64], zones: usize) -> Option<Division> {
    let total = own + others.iter().sum::<u64>();
    if total == 0 {
        return None;
    }
    // in units of `total`: what a zone has of the backends, times the number of zones, against `total`, which is its share of the work
    let zones = u64::try_from(zones).unwrap_or(u64::MAX).max(1 + others.len() as u64);
    let above = |capacity: u64| (capacity.saturating_mul(zones)).saturating_sub(total);
    let all_above: u64 = others.iter().map(|other| above(*other)).sum();
    let whole = u64::from(WHOLE);
    let kept = (own.saturating_mul(zones).saturating_mul(whole) / total).min(whole);
    if kept == whole || all_above == 0 {
        return Some(Division { own: WHOLE, others: vec![0; others.len()] });
    }
    let spilled = whole - kept;
    let mut parts: Vec<u64> = others.iter().map(|other| spilled * above(*other) / all_above).collect();
    // what rounding has left over goes to the largest
    let left = spilled - parts.iter().sum::<u64>();
    if let Some(largest) = parts.iter_mut().max() {
        *largest += left;
    }
    // all of them are at most a thousand
    let narrow = |part: u64| u32::try_from(part).unwrap_or(WHOLE);
    Some(Division { own: narrow(kept), others: parts.into_iter().map(narrow).collect() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;

    fn divided(own: u64, others: &[u64], zones: usize) -> (u32, Vec<u32>) {
        divide(own, others, zones).map(|division| (division.own, division.others)).unwrap()
    }

    #[test]
    fn a_zone_that_has_its_share_of_the_backends_keeps_its_work() {
        assert_eq!(divided(3, &[3], 2), (1000, vec![0]));
        assert_eq!(divided(5, &[1, 2], 3), (1000, vec![0, 0]));
        assert_eq!(divided(3, &[], 1), (1000, vec![]));
    }

    #[test]
    fn a_weak_zone_spills_over_to_those_that_have_more_than_their_share() {
        assert_eq!(divided(1, &[3], 2), (500, vec![500]));
        assert_eq!(divided(1, &[5, 3, 3], 4), (333, vec![667, 0, 0]));
    }

    #[test]
    fn a_zone_without_backends_sends_its_work_to_where_it_is_missing_least() {
        assert_eq!(divided(0, &[2, 2], 3), (0, vec![500, 500]));
        assert_eq!(divided(0, &[1, 3], 3), (0, vec![0, 1000]));
        assert_eq!(divide(0, &[0, 0], 3), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(1), cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

        /// With the same work in each zone, each backend gets the same, to the thousandths that parts are given in.
        #[test]
        fn each_backend_of_any_zone_gets_the_same_where_each_zone_gets_the_same_work(
            capacities in proptest::collection::vec(0_u64..20, 2..7)
        ) {
            let total: u64 = capacities.iter().sum();
            prop_assume!(total > 0);
            let zones = capacities.len();
            let mut work = vec![0_f64; zones];
            for own in 0..zones {
                let others: Vec<usize> = (0..zones).filter(|at| *at != own).collect();
                let given: Vec<u64> = others.iter().map(|at| capacities[*at]).collect();
                let division = divide(capacities[own], &given, zones).unwrap();
                prop_assert_eq!(division.own + division.others.iter().sum::<u32>(), WHOLE);
                work[own] += f64::from(division.own);
                others.iter().zip(&division.others).for_each(|(at, part)| work[*at] += f64::from(*part));
            }
            for (work, capacity) in work.iter().zip(&capacities) {
                let even = 1000.0 * zones as f64 * *capacity as f64 / total as f64;
                // a thousandth is lost for each zone that gives something
                prop_assert!((work - even).abs() <= 2.0 * zones as f64, "{} for {}", work, even);
            }
        }
    }
}
