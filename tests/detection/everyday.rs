//! What is reached, held on small fleets with fixed seeds: a change to a detector that makes it blind or trigger-happy fails here. The thresholds
//! leave some room; the score of all traces is the measure.

use std::sync::OnceLock;

use crate::faults::{self, HARD, Kind};
use crate::fleet::Wish;
use crate::nuisances::{self, TOGETHER};
use crate::report::{Sum, details, sum};
use crate::runs::run;
use crate::score::Score;

/// Small fleets, so that an unoptimised build plays them in seconds.
const SMALL: Wish = Wish { rate: (5.0, 60.0), backends: (3, 8), most: 150.0 };
const SEED: u64 = 1;
/// These take hours of virtual time.
const LONG: [&str; 2] = ["four quiet hours", "a night of little traffic"];

fn short(kinds: &[Kind]) -> Vec<Kind> {
    let short = kinds.iter().filter(|kind| !LONG.contains(&kind.name) && !kind.name.starts_with("trickle"));
    short.map(|kind| Kind { name: kind.name, make: kind.make }).collect()
}

/// Traces with faults, played once for all tests.
fn with_faults() -> &'static [Score] {
    static SCORES: OnceLock<Vec<Score>> = OnceLock::new();
    SCORES.get_or_init(|| run(&short(&faults::KINDS), SMALL, SEED, 2, None))
}

/// Traces in which nobody is at fault.
fn calm() -> &'static [Score] {
    static SCORES: OnceLock<Vec<Score>> = OnceLock::new();
    SCORES.get_or_init(|| run(&short(&nuisances::KINDS), SMALL, SEED, 1, None))
}

fn of(scores: &[Score], names: &[&str]) -> Sum {
    let mut all = Sum { lowest: 1.0, ..Sum::default() };
    for name in names {
        let one = sum(scores, name);
        all.traces += one.traces;
        all.found.extend(one.found);
        all.mistakes += one.mistakes;
        all.wrong_ejections += one.wrong_ejections;
        all.lowest = all.lowest.min(one.lowest);
    }
    all
}

#[test]
fn faults_are_found_and_called_by_their_names() {
    let all = sum(with_faults(), "");
    assert!(all.recall() >= 0.9, "recall {:.3}\n{}", all.recall(), details(with_faults()));
    assert!(all.named_right() >= 0.85, "named right {:.3}\n{}", all.named_right(), details(with_faults()));
}

#[test]
fn who_fails_every_request_is_found_within_two_seconds() {
    let delay = of(with_faults(), &HARD).delay(0.5, 0.0).unwrap();
    assert!(delay <= 2.0, "{delay:.1} s");
}

#[test]
fn who_is_five_times_slower_is_found_within_seconds() {
    let delay = of(with_faults(), &["5x slower", "10x slower"]).delay(0.5, 0.0).unwrap();
    assert!(delay <= 10.0, "{delay:.1} s");
}

#[test]
fn nobody_is_ejected_when_all_get_slow_or_fail_together() {
    let together = of(calm(), &TOGETHER);
    assert_eq!(together.traces, TOGETHER.len());
    assert_eq!(together.wrong_ejections, 0, "{}", details(calm()));
}

#[test]
fn who_is_healthy_is_hardly_ever_accused() {
    let calm_ones = sum(calm(), "");
    assert!(calm_ones.wrong_ejections <= 2, "{}", details(calm()));
    assert!(calm_ones.mistakes <= 8, "{}", details(calm()));
    let twins = sum(with_faults(), "");
    assert!(twins.wrong_ejections <= 4, "{}", details(with_faults()));
    assert_eq!(calm_ones.left_out + twins.left_out, 0, "a detector was left out");
}
