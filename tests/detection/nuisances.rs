//! What happens to fleets in which nobody is at fault.

use fastrand::Rng;

use crate::faults::Kind;
use crate::fleet::{Balance, Day, Fleet, PATHS, Shape, Wish};
use crate::random::{between, chance, exponential, log_between, normal};
use crate::trace::{Effect, Slow, Trace};

/// How long a trace lasts, in seconds.
const LENGTH: f64 = 300.0;

/// All of them, in several shapes.
pub const KINDS: [Kind; 22] = [
    Kind { name: "four quiet hours", make: quiet_hours },
    Kind { name: "all slow together", make: |rng, wish| all_slow(rng, wish, false) },
    Kind { name: "all slow, gradually", make: |rng, wish| all_slow(rng, wish, true) },
    Kind { name: "some paths slow on all", make: some_paths_slow },
    Kind { name: "all fail at 20 %", make: all_fail },
    Kind { name: "one path fails on all", make: path_fails },
    Kind { name: "one client's errors", make: bad_client },
    Kind { name: "load x5", make: load_step },
    Kind { name: "garbage collections", make: garbage_collections },
    Kind { name: "a backend joins, cold", make: cold_start },
    Kind { name: "rolling deploy", make: rolling_deploy },
    Kind { name: "always 1.6x slower", make: always_slower },
    Kind { name: "heavy tails", make: heavy_tails },
    Kind { name: "one report of 30 s", make: slow_report },
    Kind { name: "long polls", make: long_polls },
    Kind { name: "daily curve", make: daily_curve },
    Kind { name: "all drift", make: drift },
    Kind { name: "keys with habits", make: keys },
    Kind { name: "a night of little traffic", make: night },
    Kind { name: "the driver stalls", make: stalls },
    Kind { name: "a few of everything's errors", make: background_errors },
    Kind { name: "all cold after a restart", make: all_cold },
];

/// Those in which all backends are bad together: nobody may be accused at all.
pub const TOGETHER: [&str; 6] = [
    "all slow together",
    "all slow, gradually",
    "some paths slow on all",
    "all fail at 20 %",
    "one path fails on all",
    "one client's errors",
];

fn calm(rng: &mut Rng, wish: Wish) -> Trace {
    let fleet = Fleet::any(rng, Wish { most: wish.most.min(5_000.0), ..wish });
    Trace::of(fleet, LENGTH, rng)
}

/// The same for all, each from a moment of its own within so many seconds.
fn for_all(trace: &mut Trace, rng: &mut Rng, within: f64, mut effect: impl FnMut(&mut Rng) -> Effect) {
    let from = between(rng, 70.0, 120.0);
    let to = from + between(rng, 60.0, 120.0);
    for backend in 0..trace.fleet.backends.len() {
        let (late, early) = (between(rng, 0.0, within), between(rng, 0.0, within));
        let effect = effect(rng);
        trace.happens(backend, from + late, to - early, effect);
    }
    trace.is_bad_as_a_whole = true;
}

fn quiet_hours(rng: &mut Rng, wish: Wish) -> Trace {
    let fleet = Fleet::any(rng, Wish { rate: (0.2, 200.0), most: 500.0, ..wish });
    Trace::of(fleet, 4.0 * 3_600.0, rng)
}

/// What all share has got slower: a database.
fn all_slow(rng: &mut Rng, wish: Wish, is_gradual: bool) -> Trace {
    let mut trace = calm(rng, wish);
    trace.fleet.timeout = trace.fleet.timeout.max(30.0);
    let (times, within) = (log_between(rng, 2.0, 10.0), between(rng, 0.0, 1.0));
    for_all(&mut trace, rng, within, |rng| {
        // not all of them by exactly as much
        let times = times * (0.05 * normal(rng)).exp();
        Effect::Slow(if is_gradual { Slow::Growing(60.0, times) } else { Slow::Times(times) })
    });
    trace
}

fn some_paths_slow(rng: &mut Rng, wish: Wish) -> Trace {
    let mut trace = calm(rng, wish);
    trace.fleet.timeout = trace.fleet.timeout.max(30.0);
    let (paths, times) = (rng.u16(1..1 << PATHS), log_between(rng, 3.0, 20.0));
    for_all(&mut trace, rng, 0.5, |_| Effect::Slow(Slow::Paths(paths, times)));
    trace
}

fn all_fail(rng: &mut Rng, wish: Wish) -> Trace {
    let mut trace = calm(rng, wish);
    let (share, within) = (between(rng, 0.1, 0.3), between(rng, 0.0, 2.0));
    let resets = chance(rng, 0.3);
    for_all(&mut trace, rng, within, |_| if resets { Effect::Reset(share) } else { Effect::Fail(share) });
    trace
}

fn path_fails(rng: &mut Rng, wish: Wish) -> Trace {
    let mut trace = calm(rng, wish);
    let path = rng.usize(..PATHS);
    for_all(&mut trace, rng, 0.0, |_| Effect::FailPath(path));
    trace
}

/// One client whose requests no backend can answer; they are spread over all, unless they come by key.
fn bad_client(rng: &mut Rng, wish: Wish) -> Trace {
    let mut trace = calm(rng, wish);
    if trace.fleet.balance == Balance::Keyed {
        trace.fleet.balance = Balance::RoundRobin;
    }
    let share = log_between(rng, 0.02, 0.3);
    for_all(&mut trace, rng, 0.0, |_| Effect::Fail(share));
    trace
}

fn load_step(rng: &mut Rng, wish: Wish) -> Trace {
    let mut trace = calm(rng, wish);
    // the fleet gets near its limits in some of them, all of it
    let most = if trace.fleet.balance == Balance::Keyed { 0.1 } else { 0.16 };
    trace.fleet.utilisation = between(rng, 0.03, most);
    let from = between(rng, 70.0, 120.0);
    trace.surges.push((from, from + between(rng, 30.0, 120.0), 5.0));
    trace
}

fn garbage_collections(rng: &mut Rng, wish: Wish) -> Trace {
    let mut trace = calm(rng, wish);
    let every = between(rng, 5.0, 30.0);
    for backend in 0..trace.fleet.backends.len() {
        let mut at = exponential(rng, every);
        while at < LENGTH {
            let pause = between(rng, 0.1, 0.6);
            trace.happens(backend, at, at + pause, Effect::Pause);
            at += pause + exponential(rng, every);
        }
    }
    trace
}

/// Slower by three for its first ten seconds.
fn is_cold(trace: &mut Trace, backend: usize, from: f64) {
    // else some answers would be failures
    trace.fleet.timeout = trace.fleet.timeout.max(30.0);
    trace.happens(backend, from, from + 10.0, Effect::Slow(Slow::Times(3.0)));
}

fn cold_start(rng: &mut Rng, wish: Wish) -> Trace {
    let mut trace = calm(rng, wish);
    for _ in 0..rng.usize(1..=2.min(trace.fleet.backends.len() - 1)) {
        let (backend, joins) = (rng.usize(..trace.fleet.backends.len()), between(rng, 60.0, 120.0));
        trace.happens(backend, 0.0, joins, Effect::Absent);
        is_cold(&mut trace, backend, joins);
    }
    trace
}

fn rolling_deploy(rng: &mut Rng, wish: Wish) -> Trace {
    let mut trace = calm(rng, wish);
    let (mut at, pause) = (between(rng, 60.0, 90.0), between(rng, 2.0, 10.0));
    for backend in 0..trace.fleet.backends.len() {
        let returns = at + between(rng, 2.0, 8.0);
        trace.happens(backend, at, returns, Effect::Absent);
        is_cold(&mut trace, backend, returns);
        at = returns + pause;
    }
    trace.length = trace.length.max(at + 30.0);
    trace
}

fn all_cold(rng: &mut Rng, wish: Wish) -> Trace {
    let mut trace = calm(rng, wish);
    (0..trace.fleet.backends.len()).for_each(|backend| is_cold(&mut trace, backend, 0.0));
    trace
}

fn always_slower(rng: &mut Rng, wish: Wish) -> Trace {
    let mut trace = calm(rng, wish);
    let backend = rng.usize(..trace.fleet.backends.len());
    trace.fleet.backends[backend].habit += 1.6_f64.ln();
    trace
}

fn heavy_tails(rng: &mut Rng, wish: Wish) -> Trace {
    let mut trace = calm(rng, wish);
    trace.fleet.shape = Shape::HeavyTailed(between(rng, 1.0, 1.5));
    trace.fleet.timeout = 60.0;
    trace
}

/// Now and then somebody asks for something that takes 30 s: for that moment all that a backend begins takes as long.
fn slow_report(rng: &mut Rng, wish: Wish) -> Trace {
    let mut trace = calm(rng, wish);
    trace.fleet.timeout = 60.0;
    for _ in 0..rng.usize(1..5) {
        let (backend, at) = (rng.usize(..trace.fleet.backends.len()), between(rng, 60.0, 250.0));
        // long enough for one request or so
        trace.happens(backend, at, at + 1.0 / trace.fleet.rate, Effect::Slow(Slow::Instead(30.0)));
    }
    trace
}

fn long_polls(rng: &mut Rng, wish: Wish) -> Trace {
    let mut trace = calm(rng, wish);
    trace.fleet.timeout = 60.0;
    // an answer takes 5 s on average: too long, by the threshold that is set
    trace.is_bad_as_a_whole = true;
    let share = between(rng, 0.05, 0.4);
    // from the beginning, or when a new version of the client comes out
    let from = if chance(rng, 0.5) { 0.0 } else { between(rng, 70.0, 150.0) };
    (0..trace.fleet.backends.len()).for_each(|backend| trace.happens(backend, from, LENGTH, Effect::LongPolls(share)));
    trace
}

fn daily_curve(rng: &mut Rng, wish: Wish) -> Trace {
    let mut trace = calm(rng, wish);
    trace.fleet.utilisation = between(rng, 0.3, if trace.fleet.balance == Balance::Keyed { 0.4 } else { 0.6 });
    trace.fleet.day =
        Some(Day { length: between(rng, 300.0, 900.0), begins: rng.f64(), night: between(rng, 0.02, 0.3) });
    trace.length = 900.0;
    trace
}

fn drift(rng: &mut Rng, wish: Wish) -> Trace {
    let mut trace = calm(rng, wish);
    let times = between(rng, 1.3, 2.0);
    trace.fleet.timeout = trace.fleet.timeout.max(30.0);
    trace.length = 600.0;
    for backend in 0..trace.fleet.backends.len() {
        trace.happens(backend, 30.0, trace.length, Effect::Slow(Slow::Growing(500.0, times)));
    }
    trace
}

fn keys(rng: &mut Rng, wish: Wish) -> Trace {
    let mut trace = calm(rng, wish);
    trace.fleet.balance = Balance::Keyed;
    trace.fleet.utilisation = trace.fleet.utilisation.min(0.25);
    trace
}

fn night(rng: &mut Rng, wish: Wish) -> Trace {
    let mut fleet = Fleet::any(rng, Wish { rate: (0.005, 0.1), ..wish });
    fleet.errors = 0.01;
    Trace::of(fleet, 3_600.0, rng)
}

fn stalls(rng: &mut Rng, wish: Wish) -> Trace {
    let mut trace = calm(rng, wish);
    (0..5).for_each(|_| trace.gaps.push((between(rng, 10.0, LENGTH), between(rng, 1.5, 3.0))));
    trace
}

fn background_errors(rng: &mut Rng, wish: Wish) -> Trace {
    let mut trace = calm(rng, wish);
    trace.fleet.errors = log_between(rng, 0.005, 0.03);
    trace
}
