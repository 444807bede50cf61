//! Which backends may be picked, by the state of each.
//!
//! Backups are used only when no primary is available. When fewer of the primaries are available than the panic
//! threshold says, health is ignored and all of them are used: either the checks are wrong, or the few that are left
//! would be overloaded by the work of all (Envoy's "panic threshold"). A backend that is drained or disabled gets no
//! work even then.

use crate::endpoint::state::{Condition, DecidedBy, State};

/// What decides whether a backend may be picked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// What it may be used for.
    pub availability: Availability,
    /// 0 = no work.
    pub weight: u32,
    /// Used only when no other is available.
    pub backup: bool,
    /// The share of its work that it gets, in thousandths: less than all while its answers are suspect.
    pub share: u32,
}

/// What a backend may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Availability {
    /// It may be picked.
    Usable,
    /// Its checks fail.
    Down,
    /// It is ejected because of real traffic, or its breaker is open.
    Ejected,
    /// It keeps its sticky sessions and gets no other new work.
    Drained,
    /// It gets no work, or its address is not known.
    Disabled,
}

/// The backends that may be picked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Eligible {
    /// Their indices, in order.
    pub backends: Vec<usize>,
    /// Whether health is ignored.
    pub panic: bool,
}

/// Chooses the backends that may be picked. `panic_threshold` is the share of the primaries that must be available; 0 =
/// health is never ignored. The result is empty only when there is no backend to use: with a threshold of 0 none is
/// usable, otherwise all are drained or disabled.
pub fn eligible(members: &[Member], panic_threshold: f64) -> Eligible {
    let wanted = |backup: bool, usable_only: bool| -> Vec<usize> {
        let picked = |member: &Member| {
            member.backup == backup
                && member.takes_work()
                && (!usable_only || member.availability == Availability::Usable)
        };
        members.iter().enumerate().filter(|(_, member)| picked(member)).map(|(index, _)| index).collect()
    };
    let (primaries, usable) = (wanted(false, false), wanted(false, true));
    if usable.is_empty() {
        let backups = wanted(true, true);
        if !backups.is_empty() {
            return Eligible { backends: backups, panic: false };
        }
    }
    let enough = (usable.len() as f64) >= panic_threshold * primaries.len() as f64;
    if !usable.is_empty() && enough || panic_threshold <= 0.0 {
        return Eligible { backends: usable, panic: false };
    }
    let backends = if primaries.is_empty() { wanted(true, false) } else { primaries };
    Eligible { panic: !backends.is_empty(), backends }
}

impl From<Condition> for Availability {
    fn from(Condition { state, by }: Condition) -> Self {
        match state {
            // without an address it can't be used, even while health is ignored
            State::Down if by == DecidedBy::Names => Self::Disabled,
            State::Up | State::Starting | State::Unknown => Self::Usable,
            State::Down => Self::Down,
            State::Ejected | State::Broken => Self::Ejected,
            State::Draining => Self::Drained,
            State::Disabled => Self::Disabled,
        }
    }
}

impl Member {
    /// Whether it may get work while it is healthy.
    pub fn takes_work(&self) -> bool {
        self.weight > 0 && !matches!(self.availability, Availability::Drained | Availability::Disabled)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::Availability::{Disabled, Down, Drained, Ejected, Usable};
    use super::*;

    const fn primary(availability: Availability) -> Member {
        Member { availability, weight: 1, backup: false, share: 1000 }
    }

    const fn backup(availability: Availability) -> Member {
        Member { availability, weight: 1, backup: true, share: 1000 }
    }

    const WEIGHTLESS: Member = Member { availability: Usable, weight: 0, backup: false, share: 1000 };

    fn of(members: &[Member], threshold: f64) -> (Vec<usize>, bool) {
        let available = eligible(members, threshold);
        (available.backends, available.panic)
    }

    #[test]
    fn usable_primaries_take_the_work() {
        let members = [primary(Usable), primary(Down), primary(Usable), primary(Ejected), backup(Usable)];
        assert_eq!(of(&members, 0.5), (vec![0, 2], false), "half of them is not less than half");
    }

    #[test]
    fn below_the_threshold_all_primaries_are_used_but_not_those_that_shall_not_work() {
        let members = [
            primary(Usable),
            primary(Down),
            primary(Ejected),
            primary(Drained),
            primary(Disabled),
            WEIGHTLESS,
            backup(Usable),
        ];
        assert_eq!(of(&members, 0.5), (vec![0, 1, 2], true));
        assert_eq!(of(&members, 0.3), (vec![0], false), "a third is available: those told not to work don't count");
        assert_eq!(of(&members, 0.0), (vec![0], false));
    }

    #[test]
    fn backups_stand_in_when_no_primary_is_available() {
        let members = [primary(Down), primary(Drained), backup(Usable), backup(Down), backup(Usable)];
        for threshold in [0.0, 0.5, 1.0] {
            assert_eq!(of(&members, threshold), (vec![2, 4], false));
        }
    }

    #[test]
    fn with_everything_down_the_primaries_are_tried_unless_health_must_not_be_ignored() {
        let members = [primary(Down), primary(Ejected), primary(Disabled), backup(Down)];
        assert_eq!(of(&members, 0.5), (vec![0, 1], true));
        assert_eq!(of(&members, 0.0), (vec![], false));
        assert_eq!(
            of(&[primary(Drained), backup(Down)], 0.5),
            (vec![1], true),
            "or the backups where there are no others"
        );
    }

    #[test]
    fn nobody_is_there_or_nobody_shall_work() {
        assert_eq!(of(&[], 0.5), (vec![], false));
        assert_eq!(of(&[primary(Drained), primary(Disabled), WEIGHTLESS], 0.5), (vec![], false));
    }

    fn any_member() -> impl Strategy<Value = Member> {
        let availability = prop_oneof![Just(Usable), Just(Down), Just(Ejected), Just(Drained), Just(Disabled)];
        (availability, 0..3_u32, any::<bool>()).prop_map(|(availability, weight, backup)| Member {
            availability,
            weight,
            backup,
            share: 1000,
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, rng_seed: RngSeed::Fixed(8), ..ProptestConfig::default() })]

        #[test]
        fn whatever_happens_the_rules_hold(
            members in proptest::collection::vec(any_member(), 0..12),
            threshold in prop_oneof![Just(0.0), 0.0..=1.0],
        ) {
            let available = eligible(&members, threshold);
            let picked: Vec<_> = available.backends.iter().map(|&index| members[index]).collect();
            prop_assert!(picked.iter().all(Member::takes_work), "those told not to work never do");
            prop_assert!(available.backends.is_sorted_by(|a, b| a < b));
            let usable = |member: &Member| member.takes_work() && member.availability == Usable;
            if members.iter().any(usable) {
                prop_assert!(picked.iter().any(usable), "never nothing while a backend is usable");
            }
            if members.iter().any(|member| usable(member) && !member.backup) {
                prop_assert!(picked.iter().all(|member| !member.backup), "no backup while a primary is available");
            }
            if !available.panic {
                prop_assert!(picked.iter().all(usable), "nobody unwell without panic");
            }
            prop_assert!(!(available.panic && threshold == 0.0));
        }
    }
}
