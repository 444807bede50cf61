//! Which backends may be picked, by the state of each.
//!
//! Backups are used only when no primary is available. When fewer of the primaries are available than the panic
//! threshold says, health is ignored and all of them are used: either the checks are wrong, or the few that are left
//! would be overloaded by the work of all (Envoy's "panic threshold"). A backend that is drained or disabled gets no
//! work even then.
//!
//! A failover within the service sends the work, or a part of it, to some of its backends, its destination. While none of
//! these can be used it is not in force, and while none of the others can, they get all of the work.

use crate::endpoint::standing::WHOLE;
use crate::endpoint::state::{Condition, DecidedBy, State};

/// The warmth of a backend whose slow start is over.
pub const WARM: u32 = 10;

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
    /// How far its slow start is, in tenths: what its zone can take goes by it. [`WARM`] where that is over, or of no matter.
    pub warmth: u32,
    /// A failover sends the work here.
    pub is_destination: bool,
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
    /// It gets no work: because somebody says so, recovery repairs it, or its address is not known.
    Disabled,
    /// Recovery holds its circuit open: it gets no work, and time alone ends that.
    HeldOpen,
}

/// The backends that may be picked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Eligible {
    /// Their indices, in order.
    pub backends: Vec<usize>,
    /// Whether health is ignored.
    pub panic: bool,
    /// What a failover does with the work.
    pub diverted: Diverted,
}

/// What of the work goes to the destination of a failover within the service.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Diverted {
    /// Nothing: there is no failover, or none that is in force.
    #[default]
    Nothing,
    /// Nothing, but these backups stand by for requests that all others have failed.
    StandBy(Vec<usize>),
    /// A part. These backends share it; they are not among those that share the rest.
    Part(Vec<usize>),
    /// All.
    All,
}

/// Chooses the backends that may be picked. `panic_threshold` is the share of the primaries that must be available; 0 =
/// health is never ignored. The result is empty only when there is no backend to use: with a threshold of 0 none is
/// usable, otherwise all are drained or disabled. `diverted` is the part of the work that a failover sends to its destination, in
/// thousandths.
pub fn eligible(members: &[Member], panic_threshold: f64, diverted: u32) -> Eligible {
    let failover = (diverted > 0).then(|| failed_over(members, diverted >= WHOLE)).flatten();
    failover.unwrap_or_else(|| undiverted(members, panic_threshold))
}

/// Those that may be picked while a failover sends all of the work, or a part of it, to its destination; `None` = nobody there can be used.
fn failed_over(members: &[Member], all: bool) -> Option<Eligible> {
    let usable = |is_destination: bool| -> Vec<usize> {
        let picked = |member: &Member| {
            member.is_destination == is_destination
                && (is_destination || !member.backup)
                && member.takes_work()
                && member.availability == Availability::Usable
        };
        members.iter().enumerate().filter(|(_, member)| picked(member)).map(|(index, _)| index).collect()
    };
    let (there, at_home) = (usable(true), usable(false));
    if there.is_empty() {
        return None;
    }
    Some(match all || at_home.is_empty() {
        true => Eligible { backends: there, panic: false, diverted: Diverted::All },
        false => Eligible { backends: at_home, panic: false, diverted: Diverted::Part(there) },
    })
}

/// Those that may be picked where no failover is in force.
fn undiverted(members: &[Member], panic_threshold: f64) -> Eligible {
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
            return Eligible { backends: backups, ..Eligible::default() };
        }
    }
    let enough = (usable.len() as f64) >= panic_threshold * primaries.len() as f64;
    if !usable.is_empty() && enough || panic_threshold <= 0.0 {
        // a request that all of them have failed may be saved by a backup, before anybody knows that they are gone
        let backups = if usable.is_empty() { Vec::new() } else { wanted(true, true) };
        let diverted = if backups.is_empty() { Diverted::Nothing } else { Diverted::StandBy(backups) };
        return Eligible { backends: usable, diverted, panic: false };
    }
    let backends = if primaries.is_empty() { wanted(true, false) } else { primaries };
    Eligible { panic: !backends.is_empty(), backends, diverted: Diverted::Nothing }
}

impl From<Condition> for Availability {
    fn from(Condition { state, by }: Condition) -> Self {
        match state {
            // without an address it can't be used, even while health is ignored
            State::Down if by == DecidedBy::Names => Self::Disabled,
            State::Up | State::Starting | State::Unknown => Self::Usable,
            State::Down => Self::Down,
            State::Broken if by == DecidedBy::Recovery => Self::HeldOpen,
            // what is repaired has to come to rest: it keeps not even the clients that stick to it
            State::Draining if by == DecidedBy::Recovery => Self::Disabled,
            State::Ejected | State::Broken => Self::Ejected,
            State::Draining => Self::Drained,
            State::Disabled => Self::Disabled,
        }
    }
}

impl Member {
    /// Whether it may get work while it is healthy.
    pub fn takes_work(&self) -> bool {
        self.weight > 0
            && !matches!(self.availability, Availability::Drained | Availability::Disabled | Availability::HeldOpen)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::Availability::{Disabled, Down, Drained, Ejected, HeldOpen, Usable};
    use super::*;

    const fn primary(availability: Availability) -> Member {
        Member { availability, weight: 1, backup: false, share: 1000, warmth: WARM, is_destination: false }
    }

    const fn backup(availability: Availability) -> Member {
        Member { availability, weight: 1, backup: true, share: 1000, warmth: WARM, is_destination: true }
    }

    const WEIGHTLESS: Member = Member { weight: 0, ..primary(Usable) };

    fn of(members: &[Member], threshold: f64) -> (Vec<usize>, bool) {
        let available = eligible(members, threshold, 0);
        (available.backends, available.panic)
    }

    #[test]
    fn usable_backups_stand_by_for_requests_that_all_primaries_have_failed() {
        let stand_by = |members: &[Member]| eligible(members, 0.5, 0).diverted;
        assert_eq!(stand_by(&[primary(Usable), backup(Usable), backup(Down)]), Diverted::StandBy(vec![1]));
        assert_eq!(stand_by(&[primary(Usable), backup(Down)]), Diverted::Nothing);
        assert_eq!(stand_by(&[primary(Down), backup(Usable)]), Diverted::Nothing, "they do all of the work");
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
    fn what_recovery_holds_open_gets_no_work_even_while_health_is_ignored() {
        assert_eq!(of(&[primary(HeldOpen), primary(Down), primary(Down)], 0.5), (vec![1, 2], true));
        assert_eq!(of(&[primary(HeldOpen), primary(Usable)], 1.0), (vec![1], false));
    }

    #[test]
    fn a_failover_sends_all_or_a_part_of_the_work_to_the_backups() {
        let of = |members: &[Member], share| {
            let Eligible { backends, diverted, .. } = eligible(members, 0.5, share);
            (backends, diverted)
        };
        let members = [primary(Usable), backup(Down), backup(Usable), primary(Ejected)];
        assert_eq!(of(&members, 1000), (vec![2], Diverted::All));
        assert_eq!(of(&members, 300), (vec![0], Diverted::Part(vec![2])));
        assert_eq!(of(&members, 0), (vec![0], Diverted::StandBy(vec![2])), "it stands by");
        assert_eq!(of(&[primary(Down), backup(Usable)], 300), (vec![1], Diverted::All), "nobody is left at home");
        let nobody_there = [primary(Usable), primary(Down), backup(Down)];
        assert_eq!(of(&nobody_there, 1000), (vec![0], Diverted::Nothing));
    }

    #[test]
    fn nobody_is_there_or_nobody_shall_work() {
        assert_eq!(of(&[], 0.5), (vec![], false));
        assert_eq!(of(&[primary(Drained), primary(Disabled), WEIGHTLESS], 0.5), (vec![], false));
    }

    fn any_member() -> impl Strategy<Value = Member> {
        let availability =
            prop_oneof![Just(Usable), Just(Down), Just(Ejected), Just(Drained), Just(Disabled), Just(HeldOpen)];
        (availability, 0..3_u32, any::<bool>(), any::<bool>()).prop_map(
            |(availability, weight, backup, is_destination)| Member {
                availability,
                weight,
                backup,
                share: 1000,
                warmth: WARM,
                is_destination,
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, rng_seed: RngSeed::Fixed(8), ..ProptestConfig::default() })]

        #[test]
        fn whatever_happens_the_rules_hold(
            members in proptest::collection::vec(any_member(), 0..12),
            threshold in prop_oneof![Just(0.0), 0.0..=1.0],
        ) {
            let available = eligible(&members, threshold, 0);
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

        #[test]
        fn a_failover_never_costs_a_request_that_could_be_served(
            members in proptest::collection::vec(any_member(), 0..12),
            threshold in prop_oneof![Just(0.0), 0.0..=1.0],
            share in 1..=1000_u32,
        ) {
            let available = eligible(&members, threshold, share);
            let usable = |member: &Member| member.takes_work() && member.availability == Usable;
            let all_usable = |backends: &[usize]| backends.iter().all(|&index| usable(&members[index]));
            let all_there = |backends: &[usize]| backends.iter().all(|&index| members[index].is_destination);
            match &available.diverted {
                Diverted::Nothing | Diverted::StandBy(_) => {
                    prop_assert!(!members.iter().any(|member| member.is_destination && usable(member)));
                    prop_assert_eq!(available, eligible(&members, threshold, 0), "as if there were no failover");
                }
                Diverted::Part(there) => {
                    prop_assert!(share < 1000 && !there.is_empty() && !available.backends.is_empty());
                    prop_assert!(all_usable(there) && all_there(there) && all_usable(&available.backends));
                    let is_home = |&index: &usize| !members[index].is_destination && !members[index].backup;
                    prop_assert!(available.backends.iter().all(is_home));
                }
                Diverted::All => {
                    prop_assert!(!available.backends.is_empty());
                    prop_assert!(all_usable(&available.backends) && all_there(&available.backends));
                }
            }
        }
    }
}
