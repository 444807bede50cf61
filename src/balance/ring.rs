//! The hash ring: who owns which key.
//!
//! Each backend has points on a circle of 2^64 places, at hashes of its identity; a key belongs to the first point at or
//! after its own hash (Karger et al., "Consistent Hashing and Random Trees", 1997). So a backend that goes leaves its keys to
//! its neighbours on the circle and no other key moves. With 150 points for each unit of weight the shares of equal backends
//! differ by about 1/sqrt(150) = 8 %.
//!
//! Nothing here is random, nothing depends on the order of the backends or on the machine: every instance builds the same
//! ring, before and after a restart. It is never changed; when a backend goes or comes another one is built.

use std::fmt;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::Candidate;

/// A ring over candidates, which are named by their place in the list that it was built from.
pub struct Ring {
    /// The points, in order. A large ring does not fit into a near cache, so the owner stands beside each point and
    /// comes with the same cache miss.
    points: Vec<Point>,
    /// For each value of a key's leading bits: the index of the first point at or after the first key with these bits;
    /// and the end. Between two of these lie four points on average, which is a cache line; a search over all points
    /// would read twenty.
    starts: Vec<u32>,
    /// How many bits of a key are not among the leading ones.
    shift: u32,
}

/// A place on the circle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Point {
    at: u64,
    owner: u32,
}

/// Any value will do as long as it never changes: the bytes of "evenkeel".
const SEED: u64 = 0x6576_656e_6b65_656c;

/// The most points, which take 68 MB. With more, all backends get half as many, and half of that, until they fit:
/// weights of 100 each, which people write for percentages, would otherwise cost a hundred times as much as they are
/// worth.
const MAX_POINTS: u64 = 1 << 22;

/// The hash of a key, the same on every instance.
pub fn hash_key(bytes: &[u8]) -> u64 {
    xxh3_64_with_seed(bytes, SEED)
}

impl Ring {
    /// A ring with this many points for each unit of weight.
    pub fn new(candidates: &[Candidate], virtual_nodes: u32) -> Self {
        let total = candidates.iter().map(|candidate| points(candidate.weight, virtual_nodes, 0)).sum::<u64>();
        let mut halved = 0;
        while total >> halved > MAX_POINTS {
            halved += 1;
        }
        let mut ring: Vec<Point> = Vec::with_capacity(usize::try_from(total >> halved).unwrap_or(0));
        let mut name = Vec::new();
        for (place, candidate) in (0_u32..).zip(candidates) {
            for point in 0..points(candidate.weight, virtual_nodes, halved) {
                name.clear();
                name.extend_from_slice(candidate.id.as_bytes());
                name.extend_from_slice(&point.to_le_bytes());
                ring.push(Point { at: hash_key(&name), owner: place });
            }
        }
        // two points at the same place, which hardly ever happens, are ordered by their ids, which are the same
        // everywhere
        ring.sort_unstable_by(|a, b| {
            let id = |place: u32| &candidates[place as usize].id;
            a.at.cmp(&b.at).then_with(|| id(a.owner).cmp(id(b.owner)))
        });
        // at least one bit: a shift by all 64 is none
        let bits = (ring.len() / 4).next_power_of_two().trailing_zeros().max(1);
        let shift = u64::BITS - bits;
        Self { starts: starts(&ring, bits), points: ring, shift }
    }

    /// The places of the owners along the ring, from the key onwards and once around.
    pub fn owners_from(&self, key: u64) -> impl Iterator<Item = usize> {
        let leading = (key >> self.shift) as usize;
        let (from, to) = (self.starts[leading] as usize, self.starts[leading + 1] as usize);
        // when all of these come before the key, its point is the next one; beyond the last of all, the first
        let start = from + self.points[from..to].partition_point(|point| point.at < key);
        let (sooner, later) = self.points.split_at(start);
        later.iter().chain(sooner).map(|point| point.owner as usize)
    }

    /// The arcs of the ring, in order: how many of its 2^64 places belong to a point, and the place of the point's owner.
    pub fn arcs(&self) -> impl Iterator<Item = (u64, usize)> {
        let befores = self.points.last().into_iter().chain(&self.points);
        befores.zip(&self.points).map(|(before, point)| (point.at.wrapping_sub(before.at), point.owner as usize))
    }

    /// The number of points.
    pub fn len(&self) -> usize {
        self.points.len()
    }

    /// Whether it has no point.
    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }
}

/// For each value of the leading bits: how many points are before it; and how many there are.
fn starts(points: &[Point], bits: u32) -> Vec<u32> {
    let mut starts = Vec::with_capacity((1 << bits) + 1);
    let mut before = 0_u32;
    for leading in 0..1_u64 << bits {
        let first = leading << (u64::BITS - bits);
        while points.get(before as usize).is_some_and(|point| point.at < first) {
            before += 1;
        }
        starts.push(before);
    }
    starts.push(u32::try_from(points.len()).unwrap_or(u32::MAX));
    starts
}

fn points(weight: u32, virtual_nodes: u32, halved: u32) -> u64 {
    ((u64::from(weight) * u64::from(virtual_nodes)) >> halved).max(1)
}

/// A snapshot that is printed should not be a list of 150,000 numbers.
impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring").field("points", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Fleet;
    use super::*;

    fn owner(ring: &Ring, key: &str) -> usize {
        ring.owners_from(hash_key(key.as_bytes())).next().unwrap()
    }

    /// Golden: these are what every instance of every version has to give, or sessions move when a proxy is updated.
    #[test]
    fn the_ring_is_the_same_on_every_instance_and_in_every_version() {
        assert_eq!([hash_key(b""), hash_key(b"evenkeel"), hash_key(b"192.0.2.1")], GOLDEN_HASHES);
        let ring = Ring::new(&Fleet::new(&[1, 1, 2, 1]).candidates(), 150);
        assert_eq!(ring.len(), 5 * 150);
        assert_eq!([0, 1, 2].map(|point| ring.points[point].at), GOLDEN_POINTS);
        let owners: Vec<_> = (0..20).map(|i| owner(&ring, &format!("user-{i}"))).collect();
        assert_eq!(owners, GOLDEN_OWNERS);
    }

    // computed with another implementation of XXH3
    const GOLDEN_HASHES: [u64; 3] = [0x978e_bc42_1c7c_d39f, 0x8bf0_debf_d72a_93f7, 0x58d5_6fe8_11fb_7db4];
    const GOLDEN_POINTS: [u64; 3] = [0x003f_ddc7_3935_762e, 0x008b_d417_df35_2fe0, 0x00bc_4f42_eeb5_e96a];
    const GOLDEN_OWNERS: [usize; 20] = [1, 3, 2, 2, 3, 2, 2, 0, 1, 1, 2, 2, 3, 1, 2, 2, 2, 1, 3, 2];

    #[test]
    fn the_arcs_go_once_around_and_each_belongs_to_the_owner_of_its_keys() {
        let ring = Ring::new(&Fleet::new(&[1, 2, 1]).candidates(), 50);
        let arcs: Vec<_> = ring.arcs().collect();
        assert_eq!(arcs.len(), ring.len());
        assert_eq!(arcs.iter().map(|(width, _)| u128::from(*width)).sum::<u128>(), 1 << 64);
        for (point, (_, owner)) in ring.points.iter().zip(arcs) {
            assert_eq!(ring.owners_from(point.at).next(), Some(owner));
        }
        assert_eq!(Ring::new(&Fleet::new(&[]).candidates(), 50).arcs().count(), 0);
    }

    #[test]
    fn the_order_of_the_backends_does_not_matter() {
        let candidates = Fleet::new(&[1, 3, 2, 1, 1]).candidates();
        let reversed: Vec<_> = candidates.iter().rev().cloned().collect();
        let (one, other) = (Ring::new(&candidates, 20), Ring::new(&reversed, 20));
        for key in (0..1_000).map(|i| format!("key-{i}")) {
            assert_eq!(candidates[owner(&one, &key)].id, reversed[owner(&other, &key)].id);
        }
    }

    #[test]
    fn the_first_point_at_or_after_a_key_is_found_for_every_key() {
        for (weights, virtual_nodes) in [(&[1][..], 1), (&[1, 1], 1), (&[1, 2], 3), (&[3; 50], 20)] {
            let ring = Ring::new(&Fleet::new(weights).candidates(), virtual_nodes);
            let near = ring.points.iter().flat_map(|point| [point.at - 1, point.at, point.at + 1]);
            for key in near.chain([0, u64::MAX]).chain((0..64).map(|bit| 1 << bit)) {
                let place = ring.points.iter().position(|point| point.at >= key).unwrap_or(0);
                assert_eq!(ring.owners_from(key).next(), Some(ring.points[place].owner as usize), "{key:x}");
            }
        }
    }

    #[test]
    fn once_around_meets_every_backend_also_from_the_last_key() {
        let ring = Ring::new(&Fleet::new(&[1; 7]).candidates(), 10);
        for key in [0, 1, u64::MAX / 2, u64::MAX] {
            let mut met: Vec<_> = ring.owners_from(key).collect();
            assert_eq!(met.len(), 70);
            met.sort_unstable();
            met.dedup();
            assert_eq!(met, [0, 1, 2, 3, 4, 5, 6]);
        }
        assert_eq!(ring.owners_from(u64::MAX).next(), ring.owners_from(0).next());
        assert_eq!(Ring::new(&[], 150).owners_from(7).next(), None);
    }

    #[test]
    fn huge_weights_keep_their_shares_in_a_ring_of_bounded_size() {
        let ring = Ring::new(&Fleet::new(&[4_000_000_000, 2_000_000_000, 1]).candidates(), 150);
        assert!(ring.len() as u64 <= MAX_POINTS + 3, "{}", ring.len());
        let of = |place: u32| ring.points.iter().filter(|point| point.owner == place).count();
        assert_eq!((of(0) / of(1), of(2)), (2, 1));
    }
}
