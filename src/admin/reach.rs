//! How much of the fleet this instance reaches, as one number: what `/readyz?weight` tells.

use crate::clock::Moment;
use crate::endpoint::state::State;
use crate::snapshot::Snapshot;

/// The weight at `now`, 0 to 100: for each service the share of its backends that can be reached, and the mean of these shares in
/// percent, rounded down. Backends that somebody has taken out (drained, disabled, of weight 0) count on neither side, and a service
/// without others counts not at all: what people decide says nothing of this machine's network.
///
/// It is the mean and not the worst, because a service that is down for all instances would otherwise hide what sets them apart.
pub(super) fn weight(snapshot: &Snapshot, now: Moment) -> u8 {
    let of = |service: &crate::snapshot::Service| {
        let states = (0..service.endpoints.len()).map(|index| service.condition(index, now).state);
        count(states)
    };
    mean(snapshot.services.iter().map(|service| of(service)))
}

/// How many backends in these states are reached, and out of how many.
fn count(states: impl Iterator<Item = State>) -> (usize, usize) {
    states.fold((0, 0), |(reached, all), state| match state {
        State::Up | State::Starting | State::Unknown => (reached + 1, all + 1),
        State::Down | State::Ejected | State::Broken => (reached, all + 1),
        State::Draining | State::Disabled => (reached, all),
    })
}

/// The mean of shares (so many of so many) in percent, rounded down; 100 where there is none.
fn mean(shares: impl Iterator<Item = (usize, usize)>) -> u8 {
    let (mut sum, mut services) = (0.0, 0_u32);
    for (reached, all) in shares.filter(|(_, all)| *all > 0) {
        sum += reached as f64 / all as f64;
        services += 1;
    }
    // a little is added, so that three thirds are a whole
    if services == 0 { 100 } else { (sum / f64::from(services) * 100.0 + 1e-9) as u8 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_mean_of_the_services_shares_rounded_down() {
        assert_eq!(mean([].into_iter()), 100);
        assert_eq!(mean([(0, 0)].into_iter()), 100, "there is nobody to reach");
        assert_eq!(mean([(3, 3), (7, 7)].into_iter()), 100);
        assert_eq!(mean([(1, 1), (0, 1)].into_iter()), 50);
        assert_eq!(mean([(2, 3), (0, 0)].into_iter()), 66);
        assert_eq!(mean([(999, 1000)].into_iter()), 99, "100 means all");
        assert_eq!(mean([(0, 9)].into_iter()), 0);
    }

    #[test]
    fn who_was_taken_out_counts_on_neither_side() {
        use State::{Broken, Disabled, Down, Draining, Ejected, Starting, Unknown, Up};
        assert_eq!(count([Up, Starting, Unknown, Down, Ejected, Broken, Draining, Disabled].into_iter()), (3, 6));
        assert_eq!(count([Draining, Disabled].into_iter()), (0, 0));
    }
}
