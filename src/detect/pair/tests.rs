//! What is proven, and what is not.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// So many answers of so many microseconds, and failures.
fn sample(answers: u64, micros: u64, failures: u64) -> Sample {
    let mut sample = Sample { begun: answers + failures, answers, ..Sample::default() };
    (0..answers).for_each(|_| sample.latencies.add(Duration::from_micros(micros)));
    sample.failures.status = failures;
    sample
}

/// What is found after so many seconds.
fn after(seconds: u32, new: &Sample, other: &Sample) -> Option<Finding> {
    let mut pair = Pair::default();
    (0..seconds).for_each(|_| pair.observe(new, other, SECOND));
    pair.finding(true, true)
}

#[test]
fn two_that_are_alike_never_stand_out() {
    for each in [sample(10, 5_000, 0), sample(100, 5_000, 30), sample(0, 0, 10), sample(3, 900, 1)] {
        assert_eq!(after(600, &each, &each), None, "{each:?}");
    }
}

#[test]
fn what_fails_or_is_slow_stands_out_in_words() {
    let other = sample(1_000, 5_000, 1);
    let found = after(10, &sample(0, 0, 10), &other).unwrap();
    assert_eq!(found.measure, Measure::Errors);
    assert!(found.reason.starts_with("100 % of its "), "{}", found.reason);
    let found = after(20, &sample(10, 50_000, 0), &other).unwrap();
    assert_eq!(found.measure, Measure::Latency);
    assert!(found.reason.contains("its answers take 50 ms, the other service's 5.0 ms"), "{}", found.reason);
}

#[test]
fn one_bad_moment_is_no_evidence() {
    let (good, other) = (sample(10, 5_000, 0), sample(1_000, 5_000, 0));
    let mut pair = Pair::default();
    (0..10).for_each(|_| pair.observe(&good, &other, SECOND));
    pair.observe(&sample(0, 0, 1_000), &other, SECOND);
    assert_eq!(pair.finding(true, true), None);
    (0..60).for_each(|_| pair.observe(&good, &other, SECOND));
    assert_eq!(pair.finding(true, true), None);
}

#[test]
fn a_difference_that_nobody_notices_is_none() {
    // three times as slow, by 600 µs
    assert_eq!(after(600, &sample(50, 900, 0), &sample(1_000, 300, 0)), None);
    // a tenth slower
    assert_eq!(after(600, &sample(50, 55_000, 0), &sample(1_000, 50_000, 0)), None);
}

#[test]
fn only_what_is_asked_for_is_found() {
    let mut pair = Pair::default();
    (0..20).for_each(|_| pair.observe(&sample(5, 50_000, 5), &sample(1_000, 5_000, 0), SECOND));
    assert_eq!(pair.finding(true, false).unwrap().measure, Measure::Errors);
    assert_eq!(pair.finding(false, true).unwrap().measure, Measure::Latency);
    assert_eq!(pair.finding(false, false), None);
}

#[test]
fn a_pause_is_no_silence_and_a_hang_is() {
    let other = sample(1_000, 5_000, 0);
    let mut waiting = Sample { begun: 20, ..Sample::default() };
    waiting.waiting.by_age[15] = 20;
    let mut pair = Pair::default();
    (0..5).for_each(|_| pair.observe(&sample(20, 5_000, 0), &other, SECOND));
    pair.observe(&waiting, &other, SECOND);
    assert_eq!(pair.finding(true, true), None);
    pair.observe(&waiting, &other, SECOND);
    assert_eq!(pair.finding(true, true).unwrap().measure, Measure::Silence);
    pair.observe(&sample(40, 5_000, 0), &other, SECOND);
    assert_eq!(pair.finding(true, true), None, "it was a pause");
}

#[test]
fn what_the_other_shows_is_known_while_it_gets_nothing_any_more() {
    let mut pair = Pair::default();
    (0..20).for_each(|_| pair.observe(&sample(100, 5_000, 0), &sample(100, 5_000, 0), SECOND));
    let nothing = Sample::default();
    (0..600).for_each(|_| pair.observe(&sample(100, 5_000, 0), &nothing, SECOND));
    assert_eq!(pair.finding(true, true), None);
    (0..10).for_each(|_| pair.observe(&sample(50, 5_000, 50), &nothing, SECOND));
    assert_eq!(pair.finding(true, true).unwrap().measure, Measure::Errors);
}
