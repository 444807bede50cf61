//! Every kind of fault, in several shapes, with who is at fault.

use evenkeel::detect::fault::Fault;
use fastrand::Rng;

use crate::fleet::{Fleet, Wish};
use crate::random::{between, chance, log_between, one_of, some_of};
use crate::trace::{Effect, Event, Slow, Trace, Truth, Whom};

/// How one kind of fault is made.
pub struct Kind {
    pub name: &'static str,
    /// A trace of it, with a fleet as wished.
    pub make: fn(&mut Rng, Wish) -> Trace,
}

/// The names of faults that are hard: they hit every request.
pub const HARD: [&str; 4] = ["refused", "hung", "all errors", "all reset"];

/// All kinds.
pub const KINDS: [Kind; 24] = [
    Kind { name: "refused", make: |rng, wish| single(rng, wish, &[Fault::Unresponsive], 60.0, |_, _| Effect::Refuse) },
    Kind { name: "hung", make: |rng, wish| single(rng, wish, &[Fault::Unresponsive], 60.0, |_, _| Effect::Pause) },
    Kind {
        name: "all errors",
        make: |rng, wish| single(rng, wish, &[Fault::HighErrorRate], 60.0, |_, _| Effect::Fail(1.0)),
    },
    Kind {
        name: "all reset",
        make: |rng, wish| {
            single(rng, wish, &[Fault::Unresponsive, Fault::HighErrorRate], 60.0, |_, _| Effect::Reset(1.0))
        },
    },
    Kind { name: "20 % reset", make: |rng, wish| single(rng, wish, ERRORS, 90.0, |_, _| Effect::Reset(0.2)) },
    Kind { name: "10 % errors", make: |rng, wish| single(rng, wish, ERRORS, 120.0, |_, _| Effect::Fail(0.1)) },
    Kind {
        name: "errors on one path of ten",
        make: |rng, wish| single(rng, wish, ERRORS, 180.0, |rng, _| Effect::FailPath(rng.usize(1..8))),
    },
    Kind { name: "10x slower", make: |rng, wish| slow(rng, wish, 10.0) },
    Kind { name: "5x slower", make: |rng, wish| slow(rng, wish, 5.0) },
    Kind { name: "3x slower", make: |rng, wish| slow(rng, wish, 3.0) },
    Kind { name: "2x slower", make: |rng, wish| slow(rng, wish, 2.0) },
    Kind { name: "800 ms instead of 5 ms", make: eight_hundred },
    Kind { name: "slowly to 3x slower", make: gradual },
    Kind { name: "flapping: refused", make: |rng, wish| flapping(rng, wish, Effect::Refuse, Fault::Unresponsive) },
    Kind { name: "flapping: errors", make: |rng, wish| flapping(rng, wish, Effect::Fail(1.0), Fault::HighErrorRate) },
    Kind {
        name: "flapping: 10x slower",
        make: |rng, wish| flapping(rng, wish, Effect::Slow(Slow::Times(10.0)), Fault::HighLatency),
    },
    Kind { name: "processors busy, 3x slower", make: busy },
    Kind { name: "memory fills up", make: fills_up },
    Kind { name: "no heartbeat", make: no_heartbeat },
    Kind { name: "dependency down", make: dependency_down },
    Kind { name: "host gone", make: host_gone },
    Kind { name: "zone cut off", make: zone_cut_off },
    Kind { name: "trickle: dead", make: trickle_dead },
    Kind { name: "trickle: 10x slower", make: trickle_slow },
];

const ERRORS: &[Fault] = &[Fault::HighErrorRate];

/// A fleet and nothing that happens to it, and when a fault begins and ends.
fn calm(rng: &mut Rng, wish: Wish, lasts: f64) -> (Trace, f64, f64) {
    let fleet = Fleet::any(rng, wish);
    let from = between(rng, 70.0, 110.0);
    // what is rare needs more time: a fault hits some hundreds of requests
    let to = from + lasts.max((300.0 / fleet.rate).min(1_200.0));
    (Trace::of(fleet, to + 30.0, rng), from, to)
}

impl Trace {
    /// Nothing happens.
    pub fn of(fleet: Fleet, length: f64, rng: &mut Rng) -> Self {
        Self {
            name: "",
            seed: rng.u64(..),
            fleet,
            length,
            events: Vec::new(),
            truth: Vec::new(),
            surges: Vec::new(),
            dependency_down: None,
            gaps: Vec::new(),
            is_bad_as_a_whole: false,
        }
    }

    pub fn happens(&mut self, backend: usize, from: f64, to: f64, effect: Effect) {
        self.events.push(Event { backend, from, to, effect });
    }

    fn blame(&mut self, backend: usize, names: &[Fault], from: f64, to: f64) {
        let names = names.to_vec();
        self.truth.push(Truth { whom: Whom::Backend(backend), backends: vec![backend], names, from, to });
    }
}

/// One backend most of the time, else up to 40 % of them.
fn culprits(rng: &mut Rng, count: usize) -> Vec<usize> {
    let most = ((count as f64 * 0.4) as usize).max(1);
    let several = if most > 1 && chance(rng, 0.35) { rng.usize(2..=most) } else { 1 };
    some_of(rng, count, several)
}

/// The same happens to one or several backends at (nearly) the same time.
fn single(rng: &mut Rng, wish: Wish, names: &[Fault], lasts: f64, effect: fn(&mut Rng, &Fleet) -> Effect) -> Trace {
    let (mut trace, from, to) = calm(rng, wish, lasts);
    let effect = effect(rng, &trace.fleet);
    for backend in culprits(rng, trace.fleet.backends.len()) {
        let from = from + between(rng, 0.0, 0.5);
        trace.happens(backend, from, to, effect);
        trace.blame(backend, names, from, to);
    }
    trace
}

/// Slower on average by this factor, in one of three shapes.
fn slow(rng: &mut Rng, wish: Wish, times: f64) -> Trace {
    let (mut trace, from, to) = calm(rng, wish, 120.0);
    // else some answers would be failures
    trace.fleet.timeout = trace.fleet.timeout.max(30.0);
    let shape = match rng.u8(..10) {
        0..=5 => Slow::Times(times),
        6..=7 => Slow::Plus((times - 1.0) * trace.fleet.typical(rng)),
        _ => Slow::Half(2.0 * times - 1.0),
    };
    for backend in culprits(rng, trace.fleet.backends.len()) {
        trace.happens(backend, from, to, Effect::Slow(shape));
        trace.blame(backend, &[Fault::HighLatency], from, to);
    }
    trace
}

fn eight_hundred(rng: &mut Rng, wish: Wish) -> Trace {
    let (mut trace, from, to) = calm(rng, Wish { rate: (5.0, wish.rate.1.min(2_000.0)), ..wish }, 60.0);
    (trace.fleet.median, trace.fleet.timeout) = (0.005, 30.0);
    for backend in culprits(rng, trace.fleet.backends.len()) {
        trace.happens(backend, from, to, Effect::Slow(Slow::Instead(0.8)));
        trace.blame(backend, &[Fault::HighLatency], from, to);
    }
    trace
}

fn gradual(rng: &mut Rng, wish: Wish) -> Trace {
    let (mut trace, from, to) = calm(rng, wish, 180.0);
    trace.fleet.timeout = trace.fleet.timeout.max(30.0);
    for backend in culprits(rng, trace.fleet.backends.len()) {
        trace.happens(backend, from, to, Effect::Slow(Slow::Growing(120.0, 3.0)));
        // the trend is a sign that something runs out
        trace.blame(backend, &[Fault::HighLatency, Fault::ResourceExhaustion], from, to);
    }
    trace
}

/// 5 s of it, 10 s without it.
fn flapping(rng: &mut Rng, wish: Wish, effect: Effect, name: Fault) -> Trace {
    let (mut trace, from, to) = calm(rng, wish, 90.0);
    trace.fleet.timeout = trace.fleet.timeout.max(30.0);
    for backend in culprits(rng, trace.fleet.backends.len()) {
        let mut at = from;
        while at < to {
            trace.happens(backend, at, at + 5.0, effect);
            at += 15.0;
        }
        trace.blame(backend, &[name], from, to);
    }
    trace
}

fn busy(rng: &mut Rng, wish: Wish) -> Trace {
    let (mut trace, from, to) = calm(rng, wish, 90.0);
    trace.fleet.timeout = trace.fleet.timeout.max(30.0);
    trace.fleet.reports = true;
    for backend in culprits(rng, trace.fleet.backends.len()) {
        trace.happens(backend, from, to, Effect::Busy);
        trace.happens(backend, from, to, Effect::Slow(Slow::Times(3.0)));
        trace.blame(backend, &[Fault::ResourceExhaustion], from, to);
    }
    trace
}

fn fills_up(rng: &mut Rng, wish: Wish) -> Trace {
    let (mut trace, from, to) = calm(rng, wish, 180.0);
    trace.fleet.reports = true;
    for backend in culprits(rng, trace.fleet.backends.len()) {
        trace.happens(backend, from, to, Effect::Fill(0.95));
        trace.blame(backend, &[Fault::ResourceExhaustion], from, to);
    }
    trace
}

fn no_heartbeat(rng: &mut Rng, wish: Wish) -> Trace {
    let (mut trace, from, to) = calm(rng, wish, 60.0);
    trace.fleet.heartbeats = Some(5.0);
    for backend in culprits(rng, trace.fleet.backends.len()) {
        trace.happens(backend, from, to, Effect::NoHeartbeat);
        trace.blame(backend, &[Fault::Unresponsive], from, to);
    }
    trace
}

/// What the service depends on is gone: nothing shows in its answers, or all backends fail.
fn dependency_down(rng: &mut Rng, wish: Wish) -> Trace {
    let (mut trace, from, to) = calm(rng, wish, 60.0);
    trace.fleet.dependency = true;
    trace.dependency_down = Some((from, to));
    let backends: Vec<usize> = (0..trace.fleet.backends.len()).collect();
    let effect = match rng.u8(..3) {
        0 => None,
        1 => Some(Effect::Fail(between(rng, 0.3, 1.0))),
        _ => Some(Effect::Slow(Slow::Times(log_between(rng, 2.0, 10.0)))),
    };
    for &backend in &backends {
        let late = between(rng, 0.0, 0.5);
        effect.into_iter().for_each(|effect| trace.happens(backend, from + late, to, effect));
    }
    let names = vec![Fault::DependencyFailure];
    trace.truth.push(Truth { whom: Whom::Service, backends, names, from, to });
    trace.is_bad_as_a_whole = true;
    trace
}

fn host_gone(rng: &mut Rng, wish: Wish) -> Trace {
    let (mut trace, from, to) = calm(rng, Wish { backends: (5, wish.backends.1), ..wish }, 60.0);
    let places = &mut trace.fleet.backends;
    let most = (places.len() * 2 / 5).min(6);
    let per_host = rng.usize(2..=most);
    places.iter_mut().enumerate().for_each(|(at, place)| place.host = at / per_host);
    // of a zone that has other hosts too
    let zones = one_of(rng, &[0, 2]);
    places.iter_mut().for_each(|place| place.zone = (zones > 0).then_some(place.host % zones.max(1)));
    let backends: Vec<usize> = (0..per_host).collect();
    gone(&mut trace, rng, Whom::Host(0), backends, Fault::HardwareFailure, (from, to))
}

fn zone_cut_off(rng: &mut Rng, wish: Wish) -> Trace {
    let (mut trace, from, to) = calm(rng, Wish { backends: (6, wish.backends.1), ..wish }, 60.0);
    trace.fleet.backends.iter_mut().enumerate().for_each(|(at, place)| (place.host, place.zone) = (at, Some(at % 3)));
    let backends = (0..trace.fleet.backends.len()).filter(|at| at % 3 == 1).collect();
    gone(&mut trace, rng, Whom::Zone(1), backends, Fault::NetworkPartition, (from, to))
}

/// Nothing of these backends can be reached: packets are lost, or a router says so.
fn gone(trace: &mut Trace, rng: &mut Rng, whom: Whom, backends: Vec<usize>, name: Fault, when: (f64, f64)) -> Trace {
    let (from, to) = when;
    let effect = one_of(rng, &[Effect::Silent, Effect::Unreachable]);
    backends.iter().for_each(|&backend| trace.happens(backend, from, to, effect));
    trace.truth.push(Truth { whom, backends, names: vec![name], from, to });
    trace.clone()
}

fn trickle_dead(rng: &mut Rng, wish: Wish) -> Trace {
    let wish = Wish { rate: (0.2, 1.0), ..wish };
    match rng.u8(..3) {
        0 => single(rng, wish, &[Fault::Unresponsive], 120.0, |_, _| Effect::Refuse),
        1 => single(rng, wish, &[Fault::Unresponsive], 120.0, |_, _| Effect::Pause),
        _ => single(rng, wish, ERRORS, 120.0, |_, _| Effect::Fail(1.0)),
    }
}

fn trickle_slow(rng: &mut Rng, wish: Wish) -> Trace {
    let wish = Wish { rate: (0.2, 1.0), ..wish };
    let mut trace = single(rng, wish, &[Fault::HighLatency], 300.0, |_, _| Effect::Slow(Slow::Times(10.0)));
    trace.fleet.timeout = 60.0;
    trace
}
