//! A backend at work: what it does with a request while this or that happens to it.

use std::time::Duration;

use evenkeel::detect::sample::Sample;
use fastrand::Rng;

use crate::fleet::Fleet;
use crate::random::{between, chance, normal};
use crate::trace::{Effect, Event, Slow};

/// Until a connection is given up.
const CONNECT: f64 = 2.0;
/// How long the backend's load and its wandering are remembered, in seconds.
const MEMORY: f64 = 3.0;

/// An attempt that was begun.
#[derive(Debug, Clone, Copy)]
pub struct Attempt {
    pub begun: f64,
    pub ends: f64,
    pub end: End,
    pub path: usize,
    pub key: usize,
    /// Attempts of the same request before this one.
    pub before: u8,
}

/// How it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Answered,
    Refused,
    Unreachable,
    TimedOut,
    Reset,
    Status,
}

#[derive(Debug, Default)]
pub struct Member {
    /// What happens to it now.
    pub now: Vec<Event>,
    pub in_flight: Vec<Attempt>,
    /// What has happened since the last sample.
    pub sample: Sample,
    /// The logarithm of how much longer it takes at present, whatever happens to it.
    pub wander: f64,
    /// Its requests a second, of late.
    pub load: f64,
    /// How many times longer it takes because of its load.
    pub crowded: f64,
    /// The share of its memory in use.
    pub memory: f64,
    pub last_beat: f64,
    pub next_beat: f64,
    pub next_check: f64,
    /// Checks that failed in a row, or succeeded while it was down.
    pub in_a_row: u32,
    pub is_down: bool,
    pub joined: f64,
}

impl Member {
    pub fn has(&self, effect: Effect) -> bool {
        self.now.iter().any(|event| event.effect == effect)
    }

    /// Whether its process can't do anything.
    pub fn is_dead(&self) -> bool {
        [Effect::Refuse, Effect::Silent, Effect::Unreachable, Effect::Pause].iter().any(|effect| self.has(*effect))
    }

    /// What becomes of an attempt that is begun now.
    pub fn serve(&self, at: f64, log: f64, path: usize, fleet: &Fleet, rng: &mut Rng) -> (f64, End) {
        let (mut time, mut end, mut waits) = (fleet.time(log + self.wander) * self.crowded, End::Answered, 0.0);
        for event in &self.now {
            match event.effect {
                Effect::Refuse => return (at + between(rng, 0.000_2, 0.001), End::Refused),
                Effect::Silent => return (at + CONNECT.min(fleet.timeout), End::TimedOut),
                Effect::Unreachable => return (at + between(rng, 0.001, 1.0), End::Unreachable),
                Effect::Reset(share) if chance(rng, share) => return (at + time * rng.f64(), End::Reset),
                Effect::Fail(share) if chance(rng, share) => (time, end) = (time * between(rng, 0.2, 0.8), End::Status),
                Effect::FailPath(failing) if failing == path => (time, end) = (time * 0.5, End::Status),
                Effect::Pause => waits = event.to - at,
                Effect::Slow(slow) => time = slower(slow, time, at - event.from, path, fleet, rng),
                Effect::LongPolls(share) if chance(rng, share) => time = between(rng, 10.0, 30.0),
                _ => {}
            }
        }
        if chance(rng, fleet.errors) {
            end = End::Status;
        }
        let time = time + waits;
        if time > fleet.timeout { (at + fleet.timeout, End::TimedOut) } else { (at + time, end) }
    }

    /// Something begins to happen: to what is in flight too.
    pub fn strike(&mut self, event: &Event, timeout: f64) {
        let at = event.from;
        for attempt in &mut self.in_flight {
            let delay = match event.effect {
                Effect::Refuse => 0.0,
                Effect::Pause => event.to - event.from,
                Effect::Silent | Effect::Unreachable => timeout,
                _ => return,
            };
            if event.effect == Effect::Refuse {
                (attempt.ends, attempt.end) = (at, End::Reset);
            } else {
                attempt.ends += delay;
            }
            if attempt.ends > attempt.begun + timeout {
                (attempt.ends, attempt.end) = (attempt.begun + timeout, End::TimedOut);
            }
        }
    }

    /// Counts an attempt that has ended.
    pub fn count(&mut self, attempt: &Attempt) {
        let failures = &mut self.sample.failures;
        match attempt.end {
            End::Answered => {
                self.sample.answers += 1;
                self.sample.latencies.add(Duration::from_secs_f64(attempt.ends - attempt.begun));
            }
            End::Refused => failures.refused += 1,
            End::Unreachable => failures.unreachable += 1,
            End::TimedOut => failures.timed_out += 1,
            End::Reset => failures.reset += 1,
            End::Status => failures.status += 1,
        }
    }

    /// What changes slowly: load, memory, and the speed that no two moments have in common.
    pub fn age(&mut self, lasted: f64, begun: u64, fleet: &Fleet, rng: &mut Rng) {
        let keep = (-lasted / MEMORY).exp();
        self.load = keep * self.load + (1.0 - keep) * begun as f64 / lasted;
        self.wander = keep * self.wander + fleet.wander * (1.0 - keep * keep).sqrt() * normal(rng);
        // a processor that is shared by all that it works on (M/G/1-PS)
        let used = (fleet.utilisation * self.load / fleet.rate).min(0.95);
        self.crowded = (1.0 - fleet.utilisation) / (1.0 - used);
        self.memory = (self.memory + 0.002 * normal(rng) * lasted.sqrt()).clamp(0.2, 0.75);
    }

    /// What it says of itself, if it says something: processors and memory.
    pub fn report(&self, now: f64, fleet: &Fleet, rng: &mut Rng) -> Option<(f64, f64)> {
        if !fleet.reports {
            return None;
        }
        let mut cpu = (fleet.utilisation * self.load / fleet.rate + 0.03 * normal(rng)).clamp(0.01, 0.75);
        let mut memory = self.memory;
        for event in &self.now {
            match event.effect {
                Effect::Busy => cpu = 0.99 + 0.005 * normal(rng),
                Effect::Fill(to) => {
                    // two minutes until it is full
                    let share = ((now - event.from) / 120.0).min(1.0);
                    memory += (to - memory) * share;
                }
                _ => {}
            }
        }
        Some((cpu, memory))
    }

    /// A check of it: whether it fails, and how long it takes.
    pub fn check(&self, at: f64, log: f64, fleet: &Fleet, rng: &mut Rng) -> (bool, f64) {
        let (ends, end) = self.serve(at, log, usize::MAX, fleet, rng);
        // what answers checks answers well as long as there is anything that does
        let is_failed = match end {
            End::Answered => false,
            End::Status => self.has(Effect::Fail(1.0)),
            _ => true,
        };
        (is_failed || ends - at >= CONNECT, (ends - at).min(CONNECT))
    }
}

/// How long something takes that usually takes `time`.
fn slower(slow: Slow, time: f64, since: f64, path: usize, fleet: &Fleet, rng: &mut Rng) -> f64 {
    match slow {
        Slow::Times(times) => time * times,
        Slow::Plus(medians) => time + medians * fleet.median * between(rng, 0.9, 1.1),
        Slow::Half(times) if chance(rng, 0.5) => time * times,
        Slow::Paths(paths, times) if path < 16 && paths & (1 << path) != 0 => time * times,
        Slow::Half(_) | Slow::Paths(..) => time,
        Slow::Instead(seconds) => seconds * (0.1 * normal(rng)).exp(),
        Slow::Growing(within, times) => time * (1.0 + (times - 1.0) * (since / within).min(1.0)),
    }
}
