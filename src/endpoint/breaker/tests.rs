use std::sync::atomic::AtomicU32;
use std::thread;
use std::time::Duration;

use super::packed::PATIENCE;
use super::*;

const POLICY: policy::Breaker =
    policy::Breaker { failures: 5, error_rate: 0.0, open_for: Duration::from_secs(30), half_open: 3 };

const fn at(millis: u64) -> Moment {
    Moment::from_millis((1 << 40) + millis)
}

fn admit(breaker: &Breaker, now: Moment) -> Permit {
    breaker.admit(&POLICY, now).expect("it lets pass")
}

/// A breaker that opened at the moment 0.
fn opened() -> Breaker {
    let breaker = Breaker::default();
    for n in 1..=5 {
        let permit = admit(&breaker, at(0));
        let changed = breaker.record(permit, true, &POLICY, at(0));
        assert_eq!(changed, (n == 5).then_some(Circuit::Open));
    }
    breaker
}

#[test]
fn it_opens_after_failures_in_a_row_and_a_success_breaks_the_row() {
    let breaker = Breaker::default();
    for failed in [true, true, true, true, false, true, true, true, true] {
        let permit = admit(&breaker, at(0));
        assert_eq!(breaker.record(permit, failed, &POLICY, at(0)), None);
    }
    assert_eq!(breaker.state(&POLICY, at(0)), Circuit::Closed);
    let permit = admit(&breaker, at(1));
    assert_eq!(breaker.record(permit, true, &POLICY, at(1)), Some(Circuit::Open));
    assert_eq!(breaker.admit(&POLICY, at(1)), None);
    assert!(!breaker.would_admit(&POLICY, at(1)));
}

#[test]
fn what_says_nothing_neither_fails_nor_breaks_the_row() {
    let breaker = Breaker::default();
    for _ in 0..4 {
        let permit = admit(&breaker, at(0));
        breaker.record(permit, true, &POLICY, at(0));
        let permit = admit(&breaker, at(0));
        breaker.forgo(permit);
    }
    let permit = admit(&breaker, at(0));
    assert_eq!(breaker.record(permit, true, &POLICY, at(0)), Some(Circuit::Open));
}

#[test]
fn it_opens_by_the_share_of_failures_where_one_is_set() {
    let policy = policy::Breaker { failures: 1000, error_rate: 0.5, ..POLICY };
    let breaker = Breaker::default();
    let mut changes = Vec::new();
    for n in 0..40 {
        let permit = breaker.admit(&policy, at(5000)).unwrap();
        changes.extend(breaker.record(permit, n % 2 == 1, &policy, at(5000)));
        if !changes.is_empty() {
            assert_eq!(n, 19, "with 20 exchanges and not before");
            break;
        }
    }
    assert_eq!(changes, [Circuit::Open]);
}

#[test]
fn after_its_time_it_lets_a_few_try_and_no_more() {
    let breaker = opened();
    assert!(!breaker.would_admit(&POLICY, at(29_999)));
    assert_eq!(breaker.admit(&POLICY, at(29_999)), None);
    assert_eq!(breaker.state(&POLICY, at(30_000)), Circuit::HalfOpen);
    assert!(breaker.would_admit(&POLICY, at(30_000)));
    let trials: Vec<_> = (0..3).map(|_| admit(&breaker, at(30_000))).collect();
    assert!(trials.iter().all(Permit::is_trial));
    let first: Vec<_> = trials.iter().map(Permit::is_first_trial).collect();
    assert_eq!(first, [true, false, false]);
    assert!(!breaker.would_admit(&POLICY, at(30_001)));
    assert_eq!(breaker.admit(&POLICY, at(30_001)), None);
}

#[test]
fn when_all_trials_succeed_it_closes() {
    let breaker = opened();
    let trials: Vec<_> = (0..3).map(|_| admit(&breaker, at(30_000))).collect();
    let changes: Vec<_> = trials.into_iter().map(|permit| breaker.record(permit, false, &POLICY, at(30_010))).collect();
    assert_eq!(changes, [None, None, Some(Circuit::Closed)]);
    let permit = admit(&breaker, at(30_010));
    assert!(!permit.is_trial());
    assert_eq!(breaker.record(permit, true, &POLICY, at(30_010)), None, "the row starts anew");
}

#[test]
fn one_after_the_other_they_close_it_as_well() {
    let breaker = opened();
    for n in 1..=3 {
        let permit = admit(&breaker, at(30_000 + n));
        assert_eq!(breaker.record(permit, false, &POLICY, at(30_000 + n)), (n == 3).then_some(Circuit::Closed));
    }
}

#[test]
fn when_a_trial_fails_it_is_open_again_for_the_whole_time() {
    let breaker = opened();
    let (one, two) = (admit(&breaker, at(30_000)), admit(&breaker, at(30_000)));
    assert_eq!(breaker.record(one, true, &POLICY, at(31_000)), Some(Circuit::Open));
    assert_eq!(breaker.record(two, true, &POLICY, at(32_000)), None);
    assert_eq!(breaker.admit(&POLICY, at(60_999)), None);
    assert_eq!(breaker.state(&POLICY, at(61_000)), Circuit::HalfOpen, "the second failure put nothing off");
}

#[test]
fn what_started_before_it_opened_changes_nothing_afterwards() {
    let breaker = Breaker::default();
    let early: Vec<_> = (0..20).map(|_| admit(&breaker, at(0))).collect();
    let mut early = early.into_iter();
    for permit in early.by_ref().take(5) {
        breaker.record(permit, true, &POLICY, at(0));
    }
    for permit in early.by_ref().take(5) {
        assert_eq!(breaker.record(permit, true, &POLICY, at(29_000)), None);
    }
    assert_eq!(breaker.state(&POLICY, at(30_000)), Circuit::HalfOpen);
    let trial = admit(&breaker, at(30_000));
    for permit in early.by_ref().take(5) {
        assert_eq!(breaker.record(permit, true, &POLICY, at(30_000)), None);
    }
    for permit in early {
        assert_eq!(breaker.record(permit, false, &POLICY, at(30_000)), None, "nor do successes close it");
    }
    assert_eq!(breaker.state(&POLICY, at(30_000)), Circuit::HalfOpen);
    breaker.forgo(trial);
}

#[test]
fn a_cancelled_trial_gives_its_place_back() {
    let breaker = opened();
    for _ in 0..100 {
        let trials: Vec<_> = (0..3).map(|_| admit(&breaker, at(30_000))).collect();
        assert_eq!(breaker.admit(&POLICY, at(30_000)), None);
        trials.into_iter().for_each(|permit| breaker.forgo(permit));
    }
    assert_eq!(breaker.state(&POLICY, at(30_000)), Circuit::HalfOpen);
}

#[test]
fn trials_that_never_end_do_not_keep_it_half_open() {
    let breaker = opened();
    let old: Vec<_> = (0..3).map(|_| admit(&breaker, at(30_000))).collect();
    assert_eq!(breaker.admit(&POLICY, at(89_999)), None);
    assert!(breaker.would_admit(&POLICY, at(90_000)));
    let new: Vec<_> = (0..3).map(|_| admit(&breaker, at(90_000))).collect();
    assert_eq!(breaker.admit(&POLICY, at(90_000)), None);
    for permit in old {
        assert_eq!(breaker.record(permit, true, &POLICY, at(90_001)), None);
    }
    let changes: Vec<_> = new.into_iter().map(|permit| breaker.record(permit, false, &POLICY, at(90_002))).collect();
    assert_eq!(changes, [None, None, Some(Circuit::Closed)]);
}

#[test]
fn the_epoch_may_wrap() {
    let breaker = Breaker::default();
    let policy = policy::Breaker { failures: 1, open_for: Duration::ZERO, half_open: 1, ..POLICY };
    // three changes a turn
    for turn in 0..=EPOCHS / 3 + 2 {
        let permit = breaker.admit(&policy, at(turn)).unwrap();
        assert_eq!(breaker.record(permit, true, &policy, at(turn)), Some(Circuit::Open));
        let trial = breaker.admit(&policy, at(turn)).unwrap();
        assert!(trial.is_first_trial());
        assert_eq!(breaker.record(trial, false, &policy, at(turn)), Some(Circuit::Closed));
    }
}

/// The same in plain words, for one thread.
#[derive(Debug, Default)]
struct Model {
    phase: Phase,
    /// Phases so far, to know the permits of an earlier one.
    number: u64,
}

#[derive(Debug)]
enum Phase {
    Closed { in_a_row: u32 },
    Open { until: Moment },
    HalfOpen { in_flight: u32, succeeded: u32, patience_ends: Moment },
}

impl Default for Phase {
    fn default() -> Self {
        Self::Closed { in_a_row: 0 }
    }
}

impl Model {
    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.number += 1;
    }

    fn admit(&mut self, now: Moment) -> Option<u64> {
        let trials = || Phase::HalfOpen { in_flight: 0, succeeded: 0, patience_ends: now.plus(PATIENCE) };
        match self.phase {
            Phase::Open { until } if now >= until => self.enter(trials()),
            Phase::HalfOpen { in_flight, succeeded, patience_ends }
                if in_flight + succeeded == POLICY.half_open && now >= patience_ends =>
            {
                self.enter(trials());
            }
            _ => {}
        }
        match &mut self.phase {
            Phase::Closed { .. } => Some(self.number),
            Phase::HalfOpen { in_flight, succeeded, .. } if *in_flight + *succeeded < POLICY.half_open => {
                *in_flight += 1;
                Some(self.number)
            }
            _ => None,
        }
    }

    /// `None`: forgone.
    fn end(&mut self, number: u64, failed: Option<bool>, now: Moment) {
        if number != self.number {
            return;
        }
        let open = Phase::Open { until: now.plus(POLICY.open_for) };
        match (&mut self.phase, failed) {
            (Phase::Closed { in_a_row }, Some(true)) => {
                *in_a_row += 1;
                if *in_a_row == POLICY.failures {
                    self.enter(open);
                }
            }
            (Phase::Closed { in_a_row }, Some(false)) => *in_a_row = 0,
            (Phase::HalfOpen { .. }, Some(true)) => self.enter(open),
            (Phase::HalfOpen { in_flight, succeeded, .. }, Some(false)) => {
                *in_flight -= 1;
                *succeeded += 1;
                if *succeeded == POLICY.half_open {
                    self.enter(Phase::Closed { in_a_row: 0 });
                }
            }
            (Phase::HalfOpen { in_flight, .. }, None) => *in_flight -= 1,
            (Phase::Closed { .. } | Phase::Open { .. }, _) => {}
        }
    }

    fn state(&self, now: Moment) -> Circuit {
        match self.phase {
            Phase::Closed { .. } => Circuit::Closed,
            Phase::Open { until } if now < until => Circuit::Open,
            Phase::Open { .. } | Phase::HalfOpen { .. } => Circuit::HalfOpen,
        }
    }
}

#[test]
fn it_does_what_the_model_does_whatever_happens() {
    for seed in 0..200 {
        let mut random = fastrand::Rng::with_seed(seed);
        let (breaker, mut model) = (Breaker::default(), Model::default());
        let mut under_way: Vec<(Permit, u64)> = Vec::new();
        let (mut now, mut seen) = (at(0), [false; 3]);
        // of a hundred endings this many fail
        let mut failing = 50;
        for step in 0..2000 {
            match random.u32(0..100) {
                0..5 => now = now.plus(Duration::from_millis(random.u64(0..20_000))),
                5..7 => failing = random.u32(0..=100),
                7..55 => {
                    let would = breaker.would_admit(&POLICY, now);
                    let permit = breaker.admit(&POLICY, now);
                    assert_eq!(would, permit.is_some(), "seed {seed}, step {step}");
                    let modelled = model.admit(now);
                    assert_eq!(permit.is_some(), modelled.is_some(), "seed {seed}, step {step}: {model:?} {breaker:?}");
                    under_way.extend(permit.zip(modelled));
                }
                _ if under_way.is_empty() => {}
                n => {
                    let (permit, number) = under_way.swap_remove(random.usize(0..under_way.len()));
                    let failed = (n < 90).then(|| random.u32(0..100) < failing);
                    model.end(number, failed, now);
                    match failed {
                        Some(failed) => drop(breaker.record(permit, failed, &POLICY, now)),
                        None => breaker.forgo(permit),
                    }
                }
            }
            let state = breaker.state(&POLICY, now);
            assert_eq!(state, model.state(now), "seed {seed}, step {step}: {model:?} {breaker:?}");
            seen[state as usize] = true;
        }
        assert_eq!(seen, [true; 3], "seed {seed}: every state was come by");
    }
}

/// A clock that every step of every thread moves on, so that the phases change at full speed. Four steps are a millisecond: all
/// of them together take less than the time after which a silent trial is given up, however long a thread is not run.
fn hammer(breaker: &Breaker, policy: &policy::Breaker, clock: &AtomicU64, trials: &[AtomicU32], seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    for _ in 0..50_000 {
        let now = at(clock.fetch_add(1, Ordering::Relaxed) / 4);
        let Some(permit) = breaker.admit(policy, now) else { continue };
        let in_flight = permit.is_trial().then(|| &trials[permit.epoch as usize % trials.len()]);
        if let Some(in_flight) = in_flight {
            let before = in_flight.fetch_add(1, Ordering::Relaxed);
            assert!(before < policy.half_open, "{before} trials were in flight already");
        }
        if random.u32(0..4) == 0 {
            thread::yield_now();
        }
        // counted down first: afterwards another one may be admitted at once
        if let Some(in_flight) = in_flight {
            in_flight.fetch_sub(1, Ordering::Relaxed);
        }
        match random.u32(0..10) {
            0..2 => breaker.forgo(permit),
            2..6 => drop(breaker.record(permit, true, policy, now)),
            _ => drop(breaker.record(permit, false, policy, now)),
        }
    }
}

#[test]
fn many_threads_never_have_too_many_trials_and_never_lose_a_place() {
    let policy = policy::Breaker { failures: 2, error_rate: 0.9, open_for: Duration::from_millis(20), half_open: 2 };
    let (breaker, clock) = (Breaker::default(), AtomicU64::new(0));
    let trials: Vec<_> = (0..4096).map(|_| AtomicU32::new(0)).collect();
    thread::scope(|scope| {
        for seed in 0..4 {
            let (breaker, policy, clock, trials) = (&breaker, &policy, &clock, &trials);
            scope.spawn(move || hammer(breaker, policy, clock, trials, seed));
        }
    });
    let epoch = CircuitWord::unpack(breaker.word.load(Ordering::Relaxed)).epoch;
    assert!(epoch > 100, "it moved: {epoch}");
    // nothing is in flight: it opens up within its open time, without waiting for lost trials
    let now = at(clock.load(Ordering::Relaxed) / 4).plus(policy.open_for);
    for _ in 0..policy.half_open {
        let permit = breaker.admit(&policy, now).expect("no place was lost");
        breaker.record(permit, false, &policy, now);
    }
    assert_eq!(breaker.state(&policy, now), Circuit::Closed);
}
