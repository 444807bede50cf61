//! Sentences about what is learned; `choosing` and `passing` simulate services for long.

mod choosing;
mod passing;

use proptest::prelude::*;

use super::*;

const FAULT: Fault = Fault::Unresponsive;
const NOBODY: Peers = Peers { still_bad: 0, healed: 0 };

fn secs(secs: f64) -> Duration {
    Duration::from_secs_f64(secs)
}

fn healed(acted: f64, healed: f64) -> Treated {
    Treated::Healed { acted: secs(acted), healed: secs(healed), within: secs(35.0), peers: NOBODY }
}

/// Somebody has watched that faults do not pass by themselves.
fn informed() -> Learned {
    let mut learned = Learned::default();
    (0..5).for_each(|_| learned.untreated("api", FAULT, Duration::ZERO, secs(100.0), false));
    learned
}

#[test]
fn a_success_moves_effectiveness_a_tenth_of_the_way_to_1_and_a_failure_a_tenth_of_the_way_to_0() {
    let mut learned = informed();
    let lesson = learned.treated("api", FAULT, "restart", 0.5, healed(1.0, 3.0));
    assert!((lesson.effectiveness - 0.55).abs() < 1e-9 && lesson.credited, "{lesson:?}");
    let lesson = learned.treated("api", FAULT, "restart", 0.5, Treated::Worse);
    assert!((lesson.effectiveness - 0.495).abs() < 1e-9 && !lesson.credited, "{lesson:?}");
    assert_eq!(lesson.text, "it got worse; effectiveness 0.50 (1 of 2 attempts)");
    (0..100).for_each(|_| _ = learned.treated("api", FAULT, "restart", 0.5, Treated::Failed));
    let shown = learned.effectiveness("api", FAULT, "restart", 0.5);
    assert_eq!((shown.effectiveness, shown.attempts, shown.successes), (0.1, 102, 1));
    assert_eq!(
        learned.effectiveness("api", FAULT, "failover", 0.7).effectiveness,
        0.7,
        "a prior, as nothing was tried"
    );
}

#[test]
fn what_passes_by_itself_gives_no_credit() {
    let mut learned = Learned::default();
    (0..4).for_each(|_| learned.untreated("api", FAULT, Duration::ZERO, secs(5.0), true));
    let lesson = learned.treated("api", FAULT, "restart", 0.5, healed(1.0, 2.0));
    assert!(!lesson.credited);
    let text = "not credited: 4 of 4 faults of this kind passed by themselves within 36 s; \
                effectiveness 0.50 (1 of 1 attempts, 1 without credit)";
    assert_eq!(lesson.text, text);
}

#[test]
fn what_nobody_knows_gives_the_benefit_of_the_doubt_twice() {
    let mut learned = Learned::default();
    let mut lesson = || learned.treated("api", FAULT, "restart", 0.5, healed(1.0, 2.0));
    let lessons = [lesson(), lesson(), lesson()];
    assert_eq!(lessons.clone().map(|lesson| lesson.credited), [true, true, false]);
    let start = "credited for now: whether such faults pass by themselves within 36 s has not been seen yet; ";
    assert!(lessons[0].text.starts_with(start), "{}", lessons[0].text);
    assert!((lessons[2].effectiveness - 0.595).abs() < 1e-9);
    (0..4).for_each(|_| _ = learned.treated("api", FAULT, "failover", 0.5, in_vain(1.0)));
    assert!(
        learned.treated("api", FAULT, "restart", 0.5, healed(1.0, 2.0)).credited,
        "others have failed: it does not pass"
    );
}

fn in_vain(acted: f64) -> Treated {
    Treated::NotHealed { acted: secs(acted), watched: secs(acted + 35.0) }
}

#[test]
fn untreated_peers_of_the_moment_are_evidence() {
    let with = |peers| {
        let mut learned = Learned::default();
        let result = Treated::Healed { acted: secs(1.0), healed: secs(33.0), within: secs(35.0), peers };
        learned.treated("api", FAULT, "restart", 0.5, result).text
    };
    assert!(with(Peers { still_bad: 3, healed: 0 }).starts_with("credited: 0 of 3 faults"));
    assert!(with(Peers { still_bad: 1, healed: 2 }).starts_with("not credited: 2 of 3 faults"));
}

#[test]
fn a_service_that_knows_nothing_learns_from_the_others() {
    let mut learned = Learned::default();
    for service in ["a", "b"] {
        for _ in 0..8 {
            learned.untreated(service, FAULT, Duration::ZERO, secs(60.0), false);
            learned.treated(service, FAULT, "failover", 0.5, healed(1.0, 2.0));
            learned.treated(service, FAULT, "restart", 0.5, in_vain(1.0));
        }
    }
    let candidates = ["restart", "failover"].map(|name| Candidate { name, prior: 0.5, estimate: secs(10.0) });
    let first = |seed| learned.choose("new", FAULT, &candidates, &mut fastrand::Rng::with_seed(seed)).unwrap().at;
    assert!((0..100).map(first).sum::<usize>() > 95, "failover is chosen");
    assert!(
        learned.clone().treated("new", FAULT, "restart", 0.5, healed(1.0, 2.0)).text.starts_with("credited: 0 of 2")
    );
    assert_eq!(learned.effectiveness("new", FAULT, "failover", 0.5).attempts, 0, "what is shown is its own");
}

#[test]
fn a_choice_says_why() {
    let mut learned = informed();
    (0..7).for_each(|_| _ = learned.treated("api", FAULT, "restart", 0.5, healed(1.0, 2.0)));
    (0..2).for_each(|_| _ = learned.treated("api", FAULT, "scale_up", 0.5, Treated::Failed));
    let candidates = ["scale_up", "restart"].map(|name| Candidate { name, prior: 0.5, estimate: secs(30.0) });
    let mut random = fastrand::Rng::with_seed(1);
    let choice = learned.choose("api", FAULT, &candidates, &mut random).unwrap();
    assert_eq!((choice.at, choice.is_exploring), (1, false));
    let start = "restart: effectiveness 0.76 for unresponsive here (7 of 7 attempts), scale_up 0.41; best draw of \
                 Thompson sampling 0.";
    assert!(choice.why.starts_with(start), "{}", choice.why);
    let only = learned.choose("api", FAULT, &candidates[..1], &mut random).unwrap();
    assert_eq!(only.why, "scale_up: effectiveness 0.41 for unresponsive here (0 of 2 attempts); there is no other");
    assert_eq!(learned.choose("api", FAULT, &[], &mut random), None);
}

#[test]
fn what_nobody_can_have_kept_is_ignored() {
    let mut learned = informed();
    learned.treated("api", FAULT, "restart", 0.5, healed(1.0, 2.0));
    let (key, json) = learned.take_changes().remove(0);
    assert_eq!(key, "unresponsive:api");
    let bad = [
        ("unknown:api", json.clone()),
        ("api", json.clone()),
        (&*key, "{}".to_owned()),
        (&*key, json.replace("0.55", "7.5")),
        (&*key, json.replace("[[", "[[-")),
        (&*key, json[1..].to_owned()),
    ];
    let mut other = Learned::default();
    assert_eq!(other.restore(bad.iter().map(|(key, json)| (*key, &**json))), bad.len());
    assert_eq!(other, Learned::default());
}

#[test]
fn a_service_that_is_gone_and_was_never_repaired_is_forgotten() {
    let mut learned = Learned::default();
    learned.untreated("watched", FAULT, Duration::ZERO, secs(5.0), true);
    learned.treated("repaired", FAULT, "restart", 0.5, Treated::Failed);
    assert_eq!(learned.clone().retain(|_| true), Vec::<String>::new());
    assert_eq!(learned.retain(|_| false), ["unresponsive:watched"]);
    assert_eq!(learned.all().len(), 1);
    assert_eq!(learned.retain(|_| false), Vec::<String>::new(), "what was tried is kept");
}

/// Something that is learned from.
#[derive(Debug, Clone)]
enum Step {
    Untreated { from: u64, length: u64, passed: bool },
    Treated { strategy: usize, result: Treated },
}

fn step() -> impl Strategy<Value = (usize, usize, Step)> {
    let ms = Duration::from_millis;
    let untreated = (0u64..10_000_000, 0u64..10_000_000, any::<bool>());
    let untreated = untreated.prop_map(|(from, length, passed)| Step::Untreated { from, length, passed });
    let treated = (0usize..4, 0u64..5_000_000, 0u64..5_000_000, 0u64..200_000, 0usize..5, 0usize..5);
    let treated = treated.prop_map(move |(kind, acted, length, within, still_bad, healed)| {
        let (acted, end) = (ms(acted), ms(acted + length));
        let result = match kind {
            0 => Treated::Healed { acted, healed: end, within: ms(within), peers: Peers { still_bad, healed } },
            1 => Treated::NotHealed { acted, watched: end },
            2 => Treated::Worse,
            _ => Treated::Failed,
        };
        Step::Treated { strategy: healed % 3, result }
    });
    (0usize..3, 0usize..7, prop_oneof![untreated, treated])
}

fn learn(learned: &mut Learned, (service, fault, step): (usize, usize, Step), prior: f64) {
    let (service, fault) = (["a", "b:c", ""][service], Fault::ALL[fault]);
    match step {
        Step::Untreated { from, length, passed } => {
            let ms = Duration::from_millis;
            learned.untreated(service, fault, ms(from), ms(from + length), passed);
        }
        Step::Treated { strategy, result } => {
            let name = ["restart", "failover", "custom \"x\""][strategy];
            let before = learned.effectiveness(service, fault, name, prior);
            let lesson = learned.treated(service, fault, name, prior, result);
            let after = learned.effectiveness(service, fault, name, prior);
            assert_eq!(after.effectiveness, lesson.effectiveness);
            assert!((0.1..=1.0).contains(&after.effectiveness) && after.credited <= after.successes);
            assert_eq!(after.attempts, before.attempts + 1);
            let is_healed = matches!(result, Treated::Healed { .. });
            assert_eq!(lesson.credited, after.credited > before.credited);
            assert!(is_healed || !lesson.credited);
            match (is_healed, lesson.credited) {
                (true, false) => assert_eq!(after.effectiveness, before.effectiveness, "nothing was learned"),
                (true, true) => assert!(after.effectiveness >= before.effectiveness),
                (false, _) => assert!(after.effectiveness <= before.effectiveness),
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_happens_bounds_hold_and_what_was_learned_survives_a_restart(
        steps in prop::collection::vec(step(), 0..60),
        prior in 0.1f64..=1.0,
        seed in any::<u64>(),
    ) {
        let mut learned = Learned::default();
        let mut kept = BTreeMap::new();
        for (n, step) in steps.into_iter().enumerate() {
            learn(&mut learned, step, prior);
            if n % 7 == 0 {
                kept.extend(learned.take_changes());
            }
        }
        kept.extend(learned.take_changes());
        prop_assert_eq!(learned.take_changes(), vec![]);
        let (mut forwards, mut backwards) = (Learned::default(), Learned::default());
        prop_assert_eq!(forwards.restore(kept.iter().map(|(key, json)| (&**key, &**json))), 0);
        prop_assert_eq!(backwards.restore(kept.iter().rev().map(|(key, json)| (&**key, &**json))), 0);
        prop_assert_eq!(&forwards, &backwards);
        let (shown, restored) = (learned.all(), forwards.all());
        prop_assert_eq!(shown.len(), restored.len());
        for (one, other) in shown.iter().zip(&restored) {
            prop_assert_eq!((&one.0, one.1, &one.2), (&other.0, other.1, &other.2));
            prop_assert!((one.3.effectiveness - other.3.effectiveness).abs() < 1e-9);
            prop_assert_eq!((one.3.attempts, one.3.successes, one.3.credited), (other.3.attempts, other.3.successes, other.3.credited));
        }
        let candidates = ["restart", "failover"].map(|name| Candidate { name, prior, estimate: secs(10.0) });
        for fault in Fault::ALL {
            let choice = learned.choose("a", fault, &candidates, &mut fastrand::Rng::with_seed(seed)).unwrap();
            let again = forwards.choose("a", fault, &candidates, &mut fastrand::Rng::with_seed(seed)).unwrap();
            prop_assert_eq!(choice.at, again.at);
        }
    }
}
