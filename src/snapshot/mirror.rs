//! A second service that gets copies of a route's requests.

use std::sync::Arc;

use super::Point;
use super::split::mix;
use crate::balance::hash_key;
use crate::canary::WHOLE;
use crate::metrics::Mirrored;
use crate::policy::Mirroring;

/// A second service that gets copies of a route's requests.
#[derive(Debug)]
pub struct Mirror {
    /// The service, by its place in [`Snapshot::services`](super::Snapshot::services).
    pub service: usize,
    /// What holds for the copies.
    pub rule: Mirroring,
    /// What the copies are counted in. It stays from snapshot to snapshot.
    pub counts: Arc<Mirrored>,
    /// Sets who is copied apart from who is on which side of a split.
    seed: u64,
}

impl Mirror {
    /// To the service at this place, which is called so.
    pub fn new(service: usize, name: &str, rule: Mirroring, counts: Arc<Mirrored>) -> Self {
        Self { service, rule, counts, seed: hash_key(name.as_bytes()) }
    }

    /// Whether all requests are copied.
    pub fn takes_all(&self) -> bool {
        self.rule.share >= WHOLE
    }

    /// Whether the request is copied that has this point: by chance, or always the same for the same client.
    pub fn takes(&self, point: Point) -> bool {
        let uniform = match point {
            Point::Random(random) => random,
            // mixed twice, because the sides of a split draw their numbers from it once
            Point::Client(client) => (mix(mix(client) ^ self.seed) >> 32) as u32,
        };
        // scaled rather than `%`, which would favour small numbers
        (u64::from(uniform) * u64::from(WHOLE)) >> 32 < u64::from(self.rule.share)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::metrics::Registry;

    fn mirror(share: u32) -> Mirror {
        let rule = Mirroring { share, max_body: 0, max_in_flight: 1, timeout: Duration::from_secs(1) };
        Mirror::new(0, "next", rule, Registry::new(1).mirrored("web", "next"))
    }

    #[test]
    fn the_share_is_kept_by_chance_and_by_client() {
        for share in [1, 100, 1_000, 5_000, 10_000] {
            let mirror = mirror(share);
            let mut random = fastrand::Rng::with_seed(7);
            let due = f64::from(share) / f64::from(WHOLE);
            let by_chance = (0..200_000).filter(|_| mirror.takes(Point::Random(random.u32(..)))).count();
            let by_client = (0..200_000).filter(|client| mirror.takes(Point::Client(*client))).count();
            for taken in [by_chance, by_client] {
                let seen = taken as f64 / 200_000.0;
                // six standard deviations
                let most = 6.0 * (due * (1.0 - due) / 200_000.0).sqrt();
                assert!((seen - due).abs() <= most, "{seen} instead of {due}");
            }
        }
        assert!(mirror(WHOLE).takes_all() && !mirror(WHOLE - 1).takes_all());
        assert!(mirror(WHOLE).takes(Point::Random(u32::MAX)));
    }

    #[test]
    fn a_larger_share_copies_all_clients_of_a_smaller_one() {
        let (few, many) = (mirror(500), mirror(2_000));
        assert!((0..50_000).map(Point::Client).filter(|client| few.takes(*client)).all(|client| many.takes(client)));
    }

    #[test]
    fn who_is_copied_does_not_depend_on_the_side_of_a_split() {
        let split = super::super::Split::new([(0, "stable", 50), (1, "next", 50)], None).unwrap();
        let mirror = mirror(5_000);
        let both = (0..100_000).map(Point::Client).filter(|c| mirror.takes(*c) && split.choose(*c) == 1).count();
        assert!((24_000..26_000).contains(&both), "{both}");
    }
}
