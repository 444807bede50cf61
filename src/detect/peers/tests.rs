//! Traces: what backends show under faults and under what is nobody's fault.

mod world;

use self::world::{WELL, Way, World, failing, hanging, resetting, slower};
use crate::detect::fault::Fault;

/// How many times each trace is played.
fn seeds() -> u64 {
    std::env::var("TRACES").ok().and_then(|traces| traces.parse().ok()).unwrap_or(1)
}

/// Plays a fault of backend 1 after half a minute of health. Gives back the median of the delays after which it was accused, and the fault
/// that most named. Nobody else may be accused.
fn delay(backends: usize, rate: f64, seconds: f64, fault: impl Fn(f64) -> Way) -> (f64, Fault) {
    let mut delays = Vec::new();
    let mut named = Vec::new();
    for seed in 0..4 * seeds() {
        let mut world = World::new(backends, rate, seed);
        let before = world.play(30.0 + (seed % 7) as f64 / 70.0, |_, _| WELL);
        assert!(before.is_empty(), "accused in health: {before:?}");
        let found = world.play(seconds, |backend, at| if backend == 1 { fault(at) } else { WELL });
        assert!(found.iter().all(|(backend, ..)| *backend == 1), "a bystander is accused: {found:?}");
        delays.push(found.first().map_or(f64::INFINITY, |(_, at, _)| *at));
        named.extend(found.first().map(|(.., vote)| vote.fault));
    }
    delays.sort_unstable_by(f64::total_cmp);
    let common = |fault: &Fault| named.iter().filter(|name| *name == fault).count();
    let fault = Fault::ALL.into_iter().max_by_key(|fault| common(fault)).unwrap();
    (delays[delays.len() / 2], fault)
}

/// A row of a table of faults: what, backends, requests a second for each, the way of the faulty one, the longest median delay, and the name.
type Row = (&'static str, usize, f64, Way, f64, Fault);

fn check(rows: &[Row]) {
    let mut bad = Vec::new();
    for &(what, backends, rate, way, limit, name) in rows {
        let (delay, fault) = delay(backends, rate, limit * 4.0 + 5.0, |_| way);
        eprintln!("{what}, {backends} backends, {rate}/s: {delay:.2} s ({limit}), {fault:?}");
        if delay > limit || fault != name {
            bad.push((what, backends, rate, delay, fault));
        }
    }
    assert!(bad.is_empty(), "{bad:#?}");
}

#[test]
fn a_slow_backend_is_accused_the_sooner_the_slower_it_is_and_the_more_it_is_asked() {
    let slow = |backends, rate, times, limit| ("slower", backends, rate, slower(times), limit, Fault::HighLatency);
    check(&[
        slow(8, 250.0, 10.0, 1.0),
        slow(8, 250.0, 5.0, 2.0),
        slow(8, 250.0, 2.0, 4.0),
        slow(8, 50.0, 5.0, 3.0),
        slow(8, 50.0, 2.0, 6.0),
        slow(3, 50.0, 5.0, 3.0),
        slow(2, 50.0, 5.0, 3.0),
        slow(2, 50.0, 2.0, 6.0),
        slow(50, 20.0, 3.0, 5.0),
        slow(8, 5.0, 5.0, 8.0),
        slow(8, 5.0, 2.0, 25.0),
        slow(8, 0.2, 10.0, 120.0),
    ]);
}

#[test]
fn of_one_that_is_alone_nobody_speaks_of_peers() {
    let mut world = World::new(1, 50.0, 1);
    assert!(world.play(30.0, |_, _| WELL).is_empty());
    let found = world.play(5.0, |_, _| resetting(1.0));
    let reason = &found[0].2.reason;
    assert!(reason.ends_with("requests failed (no other backend is there to compare it with)"), "{reason}");
}

#[test]
fn a_backend_that_fails_more_often_than_its_peers_is_accused() {
    let fails = |rate, share, limit| ("fails", 8, rate, failing(share), limit, Fault::HighErrorRate);
    let resets = |rate, share, limit, name| ("resets", 8, rate, resetting(share), limit, name);
    check(&[
        fails(250.0, 1.0, 0.5),
        fails(250.0, 0.1, 5.0),
        fails(50.0, 0.1, 10.0),
        fails(50.0, 0.5, 1.5),
        fails(5.0, 0.5, 6.0),
        fails(5.0, 1.0, 1.5),
        fails(0.2, 1.0, 25.0),
        resets(250.0, 1.0, 0.5, Fault::Unresponsive),
        resets(5.0, 1.0, 1.5, Fault::Unresponsive),
        resets(50.0, 0.2, 5.0, Fault::HighErrorRate),
    ]);
}

#[test]
fn a_backend_that_hangs_is_accused_before_anything_ends() {
    let hangs = |backends, rate, limit| ("hangs", backends, rate, hanging(1.0), limit, Fault::Unresponsive);
    let late = Way { millis: 800.0, sigma: 0.05, ..WELL };
    check(&[
        hangs(8, 250.0, 0.65),
        hangs(2, 250.0, 0.65),
        hangs(3, 667.0, 0.65),
        hangs(8, 50.0, 0.7),
        hangs(8, 5.0, 1.2),
        hangs(8, 0.2, 25.0),
        ("answers after 800 ms", 3, 667.0, late, 0.65, Fault::Unresponsive),
        ("a quarter hangs", 8, 50.0, hanging(0.25), 4.0, Fault::HighLatency),
        ("one path of ten hangs", 8, 50.0, hanging(0.1), 10.0, Fault::HighLatency),
    ]);
}

#[test]
fn a_backend_that_grows_slow_by_and_by_is_accused() {
    let (delay, _) = delay(8, 50.0, 300.0, |at| slower(1.0 + (at / 60.0).min(2.0)));
    eprintln!("{delay}");
    assert!(delay < 110.0, "{delay}");
}

/// Plays what is nobody's fault, and wants nobody accused.
fn nobody(what: &str, seconds: f64, way: impl Fn(usize, f64) -> Way) {
    for (backends, rate) in [(8, 100.0), (8, 20.0), (3, 50.0), (2, 50.0), (5, 1.0)] {
        for seed in 0..seeds() {
            let mut world = World::new(backends, rate, seed);
            let found = world.play(seconds, &way);
            let highest = world.highest.iter().copied().fold(0.0, f64::max);
            eprintln!("{what}, {backends} backends, {rate}/s: suspicion {highest:.2} {found:?}");
            assert!(found.is_empty(), "{what}, {backends} backends, {rate}/s: {found:?}");
        }
    }
}

#[test]
fn what_all_share_is_nobodys_fault() {
    nobody("health", 200.0, |_, _| WELL);
    nobody("all slow at once", 120.0, |_, at| if at > 60.0 { slower(6.0) } else { WELL });
    nobody("all fail at 20 %", 120.0, |_, at| if at > 60.0 { failing(0.2) } else { WELL });
    nobody("all fail at 2 %", 300.0, |_, _| failing(0.02));
    nobody("all hang", 120.0, |_, at| if at > 60.0 { hanging(1.0) } else { WELL });
    nobody("all slow by and by", 300.0, |_, at| slower(1.0 + at / 60.0));
}

#[test]
fn what_all_begin_to_share_within_two_seconds_is_nobodys_fault() {
    let began = |backend: usize, at: f64| at > 60.0 + (backend as f64 * 0.618).fract() * 2.0;
    nobody("fail at 20 %", 90.0, |backend, at| if began(backend, at) { failing(0.2) } else { WELL });
    nobody("slow 3x", 90.0, |backend, at| if began(backend, at) { slower(3.0) } else { WELL });
    nobody("slow 6x", 90.0, |backend, at| if began(backend, at) { slower(6.0) } else { WELL });
}

#[test]
fn a_pause_of_one_backend_is_no_fault() {
    let pause = |from: f64, at: f64, lasts: f64| match (from..from + lasts).contains(&at) {
        true => Way { paused_until: from + lasts, ..WELL },
        false => WELL,
    };
    nobody("pauses", 120.0, |backend, at| if backend == 0 { pause((at / 5.0).floor() * 5.0, at, 0.3) } else { WELL });
    nobody("half a second now and then", 100.0, |backend, at| {
        pause((at / 30.0).floor() * 30.0 + 3.0 * backend as f64, at, 0.5)
    });
    nobody("one pause at the start", 20.0, |backend, at| if backend == 0 { pause(1.0, at, 0.5) } else { WELL });
}

#[test]
fn long_answers_are_no_fault() {
    nobody("reports", 100.0, |_, _| Way { is_long: 0.002, long: 25.0, ..WELL });
    nobody("long polling", 100.0, |_, _| Way { is_long: 0.5, long: 20.0, ..WELL });
    nobody("one report", 60.0, |backend, at| match backend == 0 && (30.0..30.1).contains(&at) {
        true => Way { is_long: 0.1, long: 25.0, ..WELL },
        false => WELL,
    });
}

#[test]
fn a_machine_that_has_always_been_slower_is_left_in_peace_and_its_fault_is_seen() {
    nobody("1.6 times as slow", 200.0, |backend, _| if backend == 0 { slower(1.6) } else { WELL });
    let mut world = World::new(8, 100.0, 1);
    let habit = |backend: usize| if backend == 1 { 1.6 } else { 1.0 };
    assert_eq!(world.play(60.0, |backend, _| slower(habit(backend))).len(), 0);
    let found = world.play(20.0, |backend, _| slower(habit(backend) * if backend == 1 { 3.0 } else { 1.0 }));
    assert_eq!(found.first().map(|(backend, ..)| *backend), Some(1));
}

#[test]
fn a_cold_start_is_no_fault() {
    nobody("cold", 60.0, |backend, at| if backend == 0 && at < 10.0 { slower(3.0) } else { WELL });
}

#[test]
fn the_reason_tells_what_was_seen() {
    let mut world = World::new(4, 100.0, 7);
    world.play(30.0, |_, _| WELL);
    let found = world.play(10.0, |backend, _| if backend == 2 { slower(5.0) } else { WELL });
    eprintln!("{found:?}");
    let [(2, _, vote)] = &found[..] else { panic!("{found:?}") };
    assert!(
        vote.reason.starts_with("its answers take 2")
            && (vote.reason.contains("its peers 4.") || vote.reason.contains("its peers 5.")),
        "{vote:?}"
    );
    world.cpu = vec![Some(0.4), Some(0.4), Some(0.97), Some(0.4)];
    world.peers.forgive(2);
    let found = world.play(10.0, |backend, _| if backend == 2 { slower(5.0) } else { WELL });
    assert_eq!(found[0].2.fault, Fault::ResourceExhaustion);
}
