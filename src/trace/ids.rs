//! The numbers of traces and spans, and the draw that decides which traces are recorded.

use super::context::TraceId;

/// The bits of a trace's number that are random by any maker's rules, and by which a draw is made (OpenTelemetry, "TraceState: Probability
/// Sampling": the last 56).
const RANDOM_BITS: u32 = 56;

/// Makes numbers. Its state has 64 bits, so two processes may come to the same sequence; half of a trace's number does not depend on it.
#[derive(Debug)]
pub(super) struct Ids {
    random: fastrand::Rng,
    salt: u64,
}

impl Ids {
    /// Begins with 128 random bits.
    pub fn new(seed: u128) -> Self {
        Self { random: fastrand::Rng::with_seed(seed as u64), salt: (seed >> 64) as u64 }
    }

    /// The number of a new trace.
    pub fn trace(&mut self) -> TraceId {
        let (high, low) = (self.random.u64(..) ^ self.salt, self.random.u64(..));
        // 0 is no number
        TraceId((u128::from(high) << 64 | u128::from(low)).max(1))
    }

    /// The number of a new span.
    pub fn span(&mut self) -> u64 {
        self.random.u64(..).max(1)
    }
}

/// Whether a new trace is recorded where that is the share `sample` (0 to 1) of them. Everybody who draws by the trace's number in this way
/// comes to the same result, or to one that includes it.
pub(super) fn is_drawn(trace: TraceId, sample: f64) -> bool {
    const ALL: u64 = 1 << RANDOM_BITS;
    let wanted = (sample * ALL as f64) as u64;
    trace.0 as u64 & (ALL - 1) >= ALL - wanted
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn numbers_do_not_repeat_and_two_seeds_have_different_ones() {
        let (mut one, mut other) = (Ids::new(1 << 64 | 7), Ids::new(2 << 64 | 7));
        let mut seen = HashSet::new();
        for _ in 0..10_000 {
            assert!(seen.insert(one.trace().0) && seen.insert(other.trace().0));
            one.span();
            other.span();
        }
    }

    #[test]
    fn so_large_a_share_is_drawn() {
        let mut ids = Ids::new(3);
        for sample in [0.0, 0.01, 0.25, 0.5, 1.0] {
            let drawn = (0..100_000).filter(|_| is_drawn(ids.trace(), sample)).count() as f64 / 1e5;
            assert!((drawn - sample).abs() < 0.005, "{sample}: {drawn}");
        }
        assert!(is_drawn(TraceId(1), 1.0) && !is_drawn(TraceId(u128::MAX), 0.0));
    }

    #[test]
    fn a_smaller_share_is_a_part_of_a_larger_one() {
        let mut ids = Ids::new(4);
        let traces: Vec<_> = (0..10_000).map(|_| ids.trace()).collect();
        assert!(traces.iter().all(|trace| !is_drawn(*trace, 0.1) || is_drawn(*trace, 0.2)));
    }
}
