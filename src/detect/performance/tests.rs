use super::super::fault::{Fault, Subject};
use super::super::sample::{AGES, Failures, Waiting};
use super::*;

const SETTINGS: Performance = Performance { latency: Duration::from_secs(5), error_rate: 0.05, cpu: 0.8, memory: 0.9 };

/// A backend that takes part and has long been there.
fn sample() -> Sample {
    Sample { takes_part: true, joined: Duration::from_secs(3600), ..Sample::default() }
}

/// So many answers that take about so many milliseconds, and so many failures by status.
fn answers(answers: u64, millis: f64, failed: u64) -> Sample {
    let mut sample = Sample { answers, failures: Failures { status: failed, ..Failures::default() }, ..sample() };
    let spread = |n: u64| 1.0 + 0.2 * ((n as f64 + 0.5) / answers as f64 - 0.5);
    (0..answers).for_each(|n| sample.latencies.add(Duration::from_secs_f64(millis * spread(n) / 1e3)));
    sample
}

/// Plays samples of `backends`, made for each backend and second; the votes of the last second.
fn play(seconds: u64, backends: usize, mut make: impl FnMut(usize, u64) -> Sample) -> Vec<Vote> {
    let mut monitor = Monitor::default();
    let mut votes = Vec::new();
    for second in 0..seconds {
        votes.clear();
        let samples: Vec<Sample> = (0..backends).map(|at| make(at, second)).collect();
        monitor.observe(&SETTINGS, &samples, &mut votes);
    }
    assert!(votes.iter().all(|vote| vote.confidence == 0.8 && vote.detector == Detector::Performance));
    votes
}

fn named(votes: &[Vote]) -> Vec<(Subject, Fault)> {
    votes.iter().map(|vote| (vote.subject.clone(), vote.fault)).collect()
}

#[test]
fn errors_over_the_threshold_are_the_backends_that_has_them() {
    let votes = play(12, 4, |at, _| answers(100, 5.0, if at == 2 { 12 } else { 1 }));
    assert_eq!(named(&votes), [(Subject::Backend(2), Fault::HighErrorRate)]);
    assert!(
        votes[0].reason.contains("(11 %), allowed are 5.0 %; of its peers' attempts 1.0 % failed"),
        "{}",
        votes[0].reason
    );
}

#[test]
fn errors_of_all_backends_alike_are_the_services_also_in_the_first_second() {
    for seconds in [1, 2, 11, 40] {
        let votes = play(30 + seconds, 4, |_, second| answers(80, 5.0, if second < 30 { 0 } else { 20 }));
        assert_eq!(named(&votes), [(Subject::Service, Fault::HighErrorRate)], "{seconds}");
    }
}

#[test]
fn who_fails_much_more_than_its_failing_peers_is_accused_too() {
    let votes = play(12, 4, |at, _| answers(50, 5.0, if at == 1 { 50 } else { 5 }));
    assert!(named(&votes).contains(&(Subject::Backend(1), Fault::HighErrorRate)));
    assert!(named(&votes).iter().all(|(subject, _)| *subject != Subject::Backend(0)));
}

#[test]
fn a_few_failures_of_few_attempts_prove_nothing_and_many_in_a_row_do() {
    let one_of_two =
        play(3, 2, |at, second| if at == 0 && second == 2 { answers(1, 5.0, 1) } else { answers(2, 5.0, 0) });
    assert_eq!(one_of_two, []);
    // one request each five seconds, and all fail
    let rare =
        |at, second: u64| if second.is_multiple_of(5) { answers(1 - at as u64, 5.0, at as u64) } else { sample() };
    assert_eq!(play(8, 2, rare), []);
    assert_eq!(named(&play(12, 2, rare)), [(Subject::Backend(1), Fault::HighErrorRate)]);
}

#[test]
fn random_failures_of_all_at_little_traffic_accuse_no_backend() {
    for seed in 0..40 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut monitor = Monitor::default();
        for _ in 0..300 {
            let mut draw = |_| {
                let failed = (0..2).filter(|_| random.f64() < 0.2).count() as u64;
                answers(2 - failed, 5.0, failed)
            };
            let samples: Vec<Sample> = (0..8).map(&mut draw).collect();
            let mut votes = Vec::new();
            monitor.observe(&SETTINGS, &samples, &mut votes);
            assert!(votes.iter().all(|vote| vote.subject == Subject::Service), "{seed}: {votes:?}");
        }
    }
}

#[test]
fn what_is_not_answered_at_all_is_unresponsive() {
    let reset = Sample { failures: Failures { reset: 40, ..Failures::default() }, ..sample() };
    let votes = play(5, 3, |at, _| if at == 0 { reset.clone() } else { answers(40, 5.0, 0) });
    assert_eq!(named(&votes), [(Subject::Backend(0), Fault::Unresponsive)]);
}

#[test]
fn a_readmitted_backend_is_judged_by_what_it_does_now() {
    let mut monitor = Monitor::default();
    let mut votes = Vec::new();
    for _ in 0..5 {
        monitor.observe(&SETTINGS, &[answers(0, 5.0, 50), answers(50, 5.0, 0)], &mut votes);
    }
    monitor.forgive(0);
    votes.clear();
    monitor.observe(&SETTINGS, &[answers(50, 5.0, 0), answers(50, 5.0, 0)], &mut votes);
    assert_eq!(votes, []);
}

#[test]
fn what_was_seen_long_ago_accuses_nobody() {
    let fails_and_stops = |seconds| {
        move |at, second| match (at, second) {
            (0, 0..20) => answers(0, 5.0, 50),
            (0, _) => sample(),
            _ => answers(if second < seconds { 50 } else { 0 }, 5.0, 0),
        }
    };
    assert_eq!(play(25, 2, fails_and_stops(99)).len(), 1);
    assert_eq!(play(50, 2, fails_and_stops(99)), []);
}

#[test]
fn answers_slower_than_allowed_are_high_latency() {
    let votes = play(1, 3, |at, _| answers(20, if at == 1 { 6_000.0 } else { 10.0 }, 0));
    assert_eq!(named(&votes), [(Subject::Backend(1), Fault::HighLatency)]);
    let all = play(1, 3, |_, _| answers(20, 6_000.0, 0));
    assert_eq!(named(&all), [(Subject::Service, Fault::HighLatency)]);
}

#[test]
fn a_latency_over_the_threshold_needs_ten_answers_and_a_typical_one() {
    let with_slow = |slow: u64| {
        let mut sample = answers(20 - slow, 10.0, 0);
        sample.answers += slow;
        (0..slow).for_each(|_| sample.latencies.add(Duration::from_secs(60)));
        sample
    };
    assert_eq!(play(9, 1, |_, _| with_slow(5)), []);
    assert_eq!(play(9, 1, |_, _| answers(1, 6_000.0, 0)), []);
    assert_eq!(play(10, 1, |_, _| answers(1, 6_000.0, 0)).len(), 1);
    // a third of the answers is slow, one a second
    assert_eq!(play(300, 1, |_, second| answers(1, if second % 3 == 0 { 20_000.0 } else { 50.0 }, 0)), []);
}

#[test]
fn what_waits_for_too_long_while_nothing_is_answered_is_unresponsive() {
    let mut by_age = [0; AGES];
    by_age[AGES - 1] = 12;
    let hung = Sample { waiting: Waiting { by_age, oldest: Duration::from_secs(7) }, ..sample() };
    let votes = play(3, 2, |at, _| if at == 0 { hung.clone() } else { answers(9, 5.0, 0) });
    assert_eq!(named(&votes), [(Subject::Backend(0), Fault::Unresponsive)]);
    assert_eq!(play(2, 1, |_, _| hung.clone()), []);
    // what waits was begun long ago, and hardly anything since
    let then_hung = |begun| {
        move |second, hung: &Sample| if second < 5 { answers(4, 9.0, 0) } else { Sample { begun, ..hung.clone() } }
    };
    assert_eq!(play(9, 1, |_, second| then_hung(4)(second, &hung)).len(), 1);
    assert_eq!(play(9, 1, |_, second| then_hung(1)(second, &hung)), []);
    let answering = Sample { waiting: hung.waiting, ..answers(9, 5.0, 0) };
    assert_eq!(play(9, 1, |_, _| answering.clone()), []);
}

#[test]
fn a_high_load_is_exhaustion_when_it_lasts_and_a_peak_is_not() {
    let load = |cpu, memory| Sample { cpu: Some(cpu), memory: Some(memory), ..sample() };
    let hot = |at, _| if at == 0 { load(0.99, 0.5) } else { load(0.5, 0.5) };
    assert_eq!(play(2, 3, hot), []);
    assert_eq!(named(&play(3, 3, hot)), [(Subject::Backend(0), Fault::ResourceExhaustion)]);
    assert_eq!(play(3, 3, hot)[0].reason, "99 % of its processors are in use, allowed are 80 %");
    assert_eq!(play(200, 1, |_, second| load(if second % 3 == 0 { 1.0 } else { 0.6 }, 0.5)), []);
    assert_eq!(named(&play(12, 3, |_, _| load(0.95, 0.3))), [(Subject::Service, Fault::ResourceExhaustion)]);
    let full = play(12, 3, |at, _| load(0.1, if at == 2 { 0.96 } else { 0.5 }));
    assert_eq!(named(&full), [(Subject::Backend(2), Fault::ResourceExhaustion)]);
}

#[test]
fn a_backend_that_gets_slower_step_by_step_runs_out_of_something() {
    let slower = |at, second: u64| {
        answers(20, if at == 1 { 5.0 * 1.03f64.powi(second.saturating_sub(70) as i32) } else { 5.0 }, 0)
    };
    assert_eq!(play(80, 4, slower), []);
    let votes = play(100, 4, slower);
    assert_eq!(named(&votes), [(Subject::Backend(1), Fault::ResourceExhaustion)]);
    let reason = &votes[0].reason;
    assert!(
        reason.starts_with("it degrades: its answers take 10 ms, 2.1 x the 5.0 ms") && reason.ends_with("peers 1.0 x"),
        "{reason}"
    );
    // alone, there is nobody to compare it with
    assert_eq!(play(100, 1, |_, second| slower(1, second)).len(), 1);
}

#[test]
fn a_backend_that_becomes_slower_at_once_is_slow_unless_it_reports_that_it_is_short_of_something() {
    let slower = |at, second, cpu| {
        let sample = answers(20, if at == 1 && second >= 90 { 8.5 } else { 5.0 }, 0);
        Sample { cpu, ..sample }
    };
    for (cpu, fault) in
        [(None, Fault::HighLatency), (Some(0.3), Fault::HighLatency), (Some(0.75), Fault::ResourceExhaustion)]
    {
        assert_eq!(named(&play(103, 4, |at, second| slower(at, second, cpu))), [(Subject::Backend(1), fault)]);
    }
}

#[test]
fn latencies_of_two_kinds_at_little_traffic_are_no_trend() {
    for seed in 0..40 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut monitor = Monitor::default();
        for second in 0..600 {
            let samples: Vec<Sample> =
                (0..4).map(|_| answers(random.u64(1..5), if random.f64() < 0.5 { 1.0 } else { 30.0 }, 0)).collect();
            let mut votes = Vec::new();
            monitor.observe(&SETTINGS, &samples, &mut votes);
            assert_eq!(votes, [], "seed {seed}, second {second}");
        }
    }
}

#[test]
fn what_is_left_of_work_that_was_begun_long_ago_shows_only_the_slowest() {
    let left = |second| Sample {
        begun: if second < 20 { 40 } else { 1 },
        ..answers(40, if second < 20 { 5.0 } else { 18_000.0 }, 0)
    };
    assert_eq!(play(30, 2, |at, second| if at == 0 { left(second) } else { answers(40, 5.0, 0) }), []);
}

#[test]
fn over_the_threshold_but_not_far_from_its_peers_is_no_fault_of_a_backend() {
    assert_eq!(play(9, 3, |at, _| answers(40, if at == 0 { 6_000.0 } else { 4_500.0 }, 0)), []);
}

#[test]
fn refused_attempts_among_answers_are_of_a_backend_that_does_not_answer() {
    let refused = Sample { failures: Failures { refused: 20, ..Failures::default() }, ..answers(80, 5.0, 0) };
    let votes = play(5, 3, |at, _| if at == 0 { refused.clone() } else { answers(80, 5.0, 0) });
    assert_eq!(named(&votes), [(Subject::Backend(0), Fault::Unresponsive)]);
}

#[test]
fn what_is_over_is_past_after_some_hundred_attempts() {
    let failing = |second| answers(200, 5.0, if second < 20 { 150 } else { 0 });
    assert_eq!(play(23, 2, |at, second| if at == 0 { failing(second) } else { answers(200, 5.0, 0) }), []);
}

#[test]
fn what_gets_slower_together_or_was_always_slow_or_has_just_begun_degrades_not() {
    assert_eq!(play(100, 4, |_, second| answers(20, if second >= 90 { 20.0 } else { 5.0 }, 0)), []);
    assert_eq!(play(100, 4, |at, _| answers(20, if at == 0 { 9.0 } else { 5.0 }, 0)), []);
    assert_eq!(play(25, 4, |at, second| answers(20, if at == 0 && second >= 15 { 9.0 } else { 5.0 }, 0)), []);
}

#[test]
fn intervals_that_scatter_much_are_no_trend() {
    for seed in 0..30 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut monitor = Monitor::default();
        for second in 0..600 {
            // one answer a second, a log-normal latency with a factor of 2.7 for one sigma
            let mut normal = || (0..12).map(|_| random.f64()).sum::<f64>() - 6.0;
            let samples: Vec<Sample> = (0..6).map(|_| answers(1, 20.0 * normal().exp(), 0)).collect();
            let mut votes = Vec::new();
            monitor.observe(&SETTINGS, &samples, &mut votes);
            assert_eq!(votes, [], "seed {seed}, second {second}");
        }
    }
}

#[test]
fn errors_that_become_more_degrade_a_backend_unless_its_peers_do_so_too() {
    let failing = |at, second| answers(97, 5.0, if second < 90 || at > 0 { 0 } else { 3 });
    let votes = play(100, 3, failing);
    assert_eq!(named(&votes), [(Subject::Backend(0), Fault::HighErrorRate)]);
    assert!(votes[0].reason.starts_with("it degrades"));
    let short = |at, second| Sample { memory: Some(0.89), ..failing(at, second) };
    assert_eq!(named(&play(100, 3, short)), [(Subject::Backend(0), Fault::ResourceExhaustion)]);
    assert_eq!(play(100, 3, |_, second| failing(0, second)), []);
    let few = |at, second| answers(100, 5.0, u64::from(second >= 90 && at == 0 && second % 2 == 0));
    assert_eq!(play(100, 3, few), []);
}

#[test]
fn what_is_known_moves_with_the_backends() {
    let mut monitor = Monitor::default();
    let mut votes = Vec::new();
    monitor.observe(&SETTINGS, &[answers(9, 5.0, 0), answers(1, 5.0, 1)], &mut votes);
    monitor.observe(&SETTINGS, &[answers(9, 5.0, 0), answers(0, 5.0, 2)], &mut votes);
    monitor.update(&[Some(1), None, Some(0)]);
    votes.clear();
    monitor.observe(&SETTINGS, &[answers(0, 5.0, 2), answers(9, 5.0, 0), answers(9, 5.0, 0)], &mut votes);
    assert_eq!(named(&votes), [(Subject::Backend(0), Fault::HighErrorRate)]);
}

#[test]
fn a_backend_takes_little() {
    let mut history = History::default();
    (0..500).for_each(|_| history.push(&answers(9, 5.0, 0), false));
    assert!(history.bytes() + size_of::<State>() <= 576, "{} bytes", history.bytes() + size_of::<State>());
}
