//! The age at which a connection to a backend carries no further exchange: `pool.max_age`.
//!
//! A connection stays with the machine that it was opened to, even when its address has come to mean other machines behind a load
//! balancer, a virtual address or a name. Limiting its life lets new connections spread over all of them.

use std::time::Duration;

use crate::timer::TICK;

/// The shortest life of a connection, in thousandths of the longest. Lives are drawn at random between the two, so that
/// connections that were opened in one burst don't all end at once.
const SHORTEST: u16 = 900;

/// The tick at which a connection was opened, and its randomly drawn share of the longest life.
#[derive(Debug, Clone, Copy)]
pub(super) struct Age {
    born: u64,
    share: u16,
}

impl Age {
    /// A connection opened at the tick `born`. `random` draws its share of the longest life.
    pub fn new(born: u64, random: &mut fastrand::Rng) -> Self {
        Self { born, share: random.u16(SHORTEST..=1000) }
    }

    /// Whether the connection's life is over at the tick `now`. `max` is the longest life; with `None` a life never ends.
    pub fn is_over(self, now: impl FnOnce() -> u64, max: Option<Duration>) -> bool {
        let Some(max) = max else { return false };
        let life = max.as_millis() * u128::from(self.share) / 1000 / TICK.as_millis();
        u128::from(now().saturating_sub(self.born)) >= life
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ticks of one minute.
    const MINUTE: u64 = 60_000 / TICK.as_millis() as u64;

    fn over(age: Age, now: u64) -> bool {
        age.is_over(|| now, Some(Duration::from_secs(60)))
    }

    #[test]
    fn a_life_ends_within_the_last_tenth_of_the_longest_and_not_for_all_at_once() {
        let mut random = fastrand::Rng::with_seed(7);
        let ages: Vec<_> = (0..100).map(|_| Age::new(1000, &mut random)).collect();
        assert!(ages.iter().all(|age| !over(*age, 1000 + MINUTE * 9 / 10 - 1)));
        assert!(ages.iter().all(|age| over(*age, 1000 + MINUTE)));
        let half_way = ages.iter().filter(|age| over(**age, 1000 + MINUTE * 19 / 20)).count();
        assert!((25..75).contains(&half_way), "{half_way} of 100 are over half-way");
    }

    #[test]
    fn without_a_longest_life_there_is_no_end_and_no_look_at_the_clock() {
        let age = Age::new(0, &mut fastrand::Rng::with_seed(7));
        assert!(!age.is_over(|| panic!("the clock is read"), None));
    }

    #[test]
    fn the_longest_life_may_change_while_it_lives() {
        let age = Age::new(0, &mut fastrand::Rng::with_seed(7));
        assert!(!age.is_over(|| MINUTE, Some(Duration::from_secs(3600))));
        assert!(age.is_over(|| MINUTE, Some(Duration::from_secs(10))));
    }
}
