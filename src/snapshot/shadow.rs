//! Algorithms that choose beside the one that decides, on live traffic, in a sample of it. What they choose changes nothing: it is counted.
//!
//! Each sees the backends as they are: who may be picked, what is in flight, how fast they answer. So it is known what an algorithm would have
//! picked in that moment, and not what its picks would have made of the backends: that nobody knows without sending the exchanges there.

use std::sync::Arc;

use crate::balance::Balancer;
use crate::metrics::ShadowPicks;
use crate::policy::Balance;

/// One of so many picks is sampled.
pub const SAMPLED: u32 = 16;

/// The counters of the algorithms in the shadow of a service, which a reload keeps.
#[derive(Debug)]
pub struct Shadow {
    /// What the algorithm that decides has picked in the sample.
    pub real: ShadowCounters,
    /// The algorithms beside it, in the order of the configuration.
    pub beside: Vec<ShadowCounters>,
}

/// What an algorithm has picked in the sample.
#[derive(Debug)]
pub struct ShadowCounters {
    /// The algorithm.
    pub balance: Balance,
    /// How often it has picked each backend, by place in the service.
    pub picks: Vec<Arc<ShadowPicks>>,
    /// How often it has picked the same as the one that decides.
    pub agreed: Arc<ShadowPicks>,
}

impl Shadow {
    /// Counts what was picked by the algorithm that decides, and what each of the others picks in its place. `balancers` are those of the
    /// others, in the same order, and `pick` picks by the one with that number.
    pub fn sample(
        &self,
        balancers: &[Box<dyn Balancer>],
        real: usize,
        worker: usize,
        mut pick: impl FnMut(usize, &dyn Balancer) -> Option<usize>,
    ) {
        count(&self.real, real, worker);
        for (number, (counters, balancer)) in self.beside.iter().zip(balancers).enumerate() {
            let Some(picked) = pick(number, &**balancer) else { continue };
            count(counters, picked, worker);
            if picked == real {
                counters.agreed.count(worker);
            }
        }
    }
}

fn count(counters: &ShadowCounters, picked: usize, worker: usize) {
    if let Some(picks) = counters.picks.get(picked) {
        picks.count(worker);
    }
}

/// Whether the pick of an exchange belongs to the sample.
pub fn is_sampled(random: &mut fastrand::Rng) -> bool {
    random.u32(..).is_multiple_of(SAMPLED)
}

#[cfg(test)]
mod tests {
    use super::super::testing::of_toml;
    use super::*;
    use crate::balance::{Cursor, Pick, Tried};
    use crate::clock::Moment;
    use crate::metrics::Registry;

    const TOML: &str = "[[listener]]\nname = 'l'\nbind = '127.0.0.1:1'\nservice = 's'\n\
        [service.s]\nshadow = ['least_connections']\n\
        backend = [{ address = '127.0.0.1:1', id = 'a' }, { address = '127.0.0.1:2', id = 'b' }]\n";

    #[test]
    fn what_another_algorithm_would_pick_is_counted_over_reloads_and_changes_nothing() {
        let registry = Registry::new(1);
        let first = of_toml(TOML, None, &registry);
        let second = of_toml(TOML, Some(&first), &registry);
        let held = first.services[0].endpoints[0].live.enter();
        let (mut cursor, mut random) = (Cursor::new(0), fastrand::Rng::with_seed(1));
        for snapshot in [&first, &second] {
            let service = &snapshot.services[0];
            let shadow = service.shadow.as_ref().unwrap();
            assert_eq!(service.available.shadows.len(), 1);
            for real in [0, 1] {
                shadow.sample(&service.available.shadows, real, 0, |_, balancer| {
                    let (cursor, random) = (&mut cursor, &mut random);
                    service
                        .pick_by(balancer, Pick { cursor, tried: Tried::default(), random, now: Moment::now(), key: 0 })
                });
            }
        }
        let shadow = second.services[0].shadow.as_ref().unwrap();
        let picks = |of: &ShadowCounters| of.picks.iter().map(|picks| picks.read()).collect::<Vec<_>>();
        assert_eq!((picks(&shadow.real), picks(&shadow.beside[0])), (vec![2, 2], vec![0, 4]), "b has less in flight");
        assert_eq!(shadow.beside[0].agreed.read(), 2);
        assert_eq!(held.live().in_flight(), 1);
    }

    #[test]
    fn one_of_sixteen_is_sampled() {
        let mut random = fastrand::Rng::with_seed(3);
        let sampled = (0..160_000).filter(|_| is_sampled(&mut random)).count();
        assert!(sampled.abs_diff(10_000) < 400, "{sampled}");
    }
}
