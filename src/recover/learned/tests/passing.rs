//! Faults that pass by themselves, and strategies that do nothing, or much.

use super::*;

const STRATEGIES: [&str; 5] = ["restart", "failover", "scale_up", "circuit_break", "custom"];
const PRIOR: f64 = 0.5;
const WITHIN: f64 = 35.0;

/// After how many seconds a fault passes by itself.
type Passes = fn(&mut fastrand::Rng) -> f64;

fn after_4_seconds(_: &mut fastrand::Rng) -> f64 {
    4.0
}

fn exponentially(random: &mut fastrand::Rng) -> f64 {
    -5.0 * (1.0 - random.f64()).ln()
}

fn uniformly(random: &mut fastrand::Rng) -> f64 {
    2.0 + 18.0 * random.f64()
}

const ALL: [(&str, Passes); 3] =
    [("after 4 s", after_4_seconds), ("exponentially, mean 5 s", exponentially), ("uniformly, 2 to 20 s", uniformly)];

/// How far the effectiveness of any strategy without an effect gets from its prior over 500 faults, of which every fifth is not acted on, and how
/// many successes they were credited.
fn farthest_from_the_prior(passes: Passes, seed: u64) -> (f64, u32) {
    let (mut random, mut learned) = (fastrand::Rng::with_seed(seed), Learned::default());
    let candidates = STRATEGIES.map(|name| Candidate { name, prior: PRIOR, estimate: secs(30.0) });
    let mut farthest = 0.0;
    for n in 1..=500 {
        let (end, acted) = (passes(&mut random), 0.5 + 1.5 * random.f64());
        if end <= acted || n % 5 == 0 {
            learned.untreated("api", FAULT, Duration::ZERO, secs(end), true);
            continue;
        }
        learned.untreated("api", FAULT, Duration::ZERO, secs(acted), false);
        let choice = learned.choose("api", FAULT, &candidates, &mut random).unwrap();
        let result = if end <= acted + WITHIN { healed(acted, end) } else { in_vain(acted) };
        let lesson = learned.treated("api", FAULT, STRATEGIES[choice.at], PRIOR, result);
        farthest = f64::max(farthest, (lesson.effectiveness - PRIOR).abs());
    }
    (farthest, learned.all().iter().map(|row| row.3.credited).sum())
}

#[test]
fn a_fault_that_passes_by_itself_teaches_nothing() {
    for (how, passes) in ALL {
        for seed in 0..10 {
            let (farthest, _) = farthest_from_the_prior(passes, seed);
            assert!(farthest < 0.1, "{how}, seed {seed}: {farthest:.3} from the prior");
        }
    }
}

#[test]
#[ignore = "takes some seconds; prints a table"]
#[expect(clippy::print_stdout, reason = "the table is what it is for")]
fn a_fault_that_passes_by_itself_teaches_nothing_at_length() {
    println!(
        "faults pass              | farthest from the prior, 200 seeds | successes credited, of 5 strategies, at most"
    );
    for (how, passes) in ALL {
        let all: Vec<_> = (0..200).map(|seed| farthest_from_the_prior(passes, seed)).collect();
        let farthest = all.iter().map(|(farthest, _)| *farthest).fold(0.0, f64::max);
        let credited = all.iter().map(|(_, credited)| *credited).max().unwrap();
        println!("{how:24} | {farthest:34.3} | {credited}");
        assert!(farthest < 0.1, "{how}");
    }
}

/// The effectiveness, after 40 faults that never pass by themselves, of a strategy that always helps, when one fault in so many is not acted on for
/// a minute.
fn of_one_that_works(watched: usize, seed: u64) -> f64 {
    let (mut random, mut learned) = (fastrand::Rng::with_seed(seed), Learned::default());
    for n in 1..=40 {
        let late = if n % watched == 0 { 60.0 } else { 0.0 };
        let acted = late + 0.5 + 4.5 * random.f64();
        learned.untreated("api", FAULT, Duration::ZERO, secs(acted), false);
        let result = healed(acted, acted + 1.0 + 2.0 * random.f64());
        learned.treated("api", FAULT, "restart", PRIOR, result);
    }
    learned.effectiveness("api", FAULT, "restart", PRIOR).effectiveness
}

#[test]
fn a_strategy_that_works_is_known_within_40_faults() {
    for watched in [2, 5, 10] {
        for seed in 0..20 {
            let effectiveness = of_one_that_works(watched, seed);
            assert!(effectiveness >= 0.85, "1 in {watched} watched, seed {seed}: {effectiveness:.3}");
        }
    }
}

#[test]
fn a_strategy_that_works_against_what_seldom_passes_is_told_from_one_that_does_not() {
    // three quarters of the faults last, the others pass after 10 s; every tenth is not acted on
    let (mut random, mut learned) = (fastrand::Rng::with_seed(7), Learned::default());
    for n in 1..=300 {
        let passes = if random.f64() < 0.25 { 10.0 } else { 60.0 };
        if n % 10 == 0 {
            learned.untreated("api", FAULT, Duration::ZERO, secs(passes), passes < 60.0);
            continue;
        }
        learned.untreated("api", FAULT, Duration::ZERO, secs(1.0), false);
        let works = n % 2 == 0;
        let result = match (works, passes < 60.0) {
            (true, _) => healed(1.0, 3.0),
            (false, true) => healed(1.0, 10.0),
            (false, false) => in_vain(1.0),
        };
        learned.treated("api", FAULT, if works { "restart" } else { "custom" }, PRIOR, result);
    }
    let effectiveness = |name| learned.effectiveness("api", FAULT, name, PRIOR).effectiveness;
    let (works, does_not) = (effectiveness("restart"), effectiveness("custom"));
    assert!(works > 0.85 && does_not < 0.4, "{works:.2} and {does_not:.2}");
}
