//! The fleet under load, on a virtual clock: requests come, are worked on, fail and are tried again, and each tick takes a sample.

use std::time::Duration;

use evenkeel::detect::sample::{AGE_STEP, AGES, Sample, Waiting};
use fastrand::Rng;

use crate::balancer::Balancer;
use crate::fleet::{Fleet, path};
use crate::member::{Attempt, End, Member};
use crate::random::{between, chance, exponential, normal, poisson};
use crate::trace::{Effect, Trace};

/// Attempts beyond the first.
const RETRIES: u8 = 2;
/// Retries may be this share of what is begun.
const BUDGET: f64 = 0.2;
/// Failed checks that make a backend down, and good ones that bring it back.
const FALL: u32 = 3;
const RISE: u32 = 2;

pub struct Simulation<'a> {
    pub balancer: Balancer,
    trace: &'a Trace,
    members: Vec<Member>,
    rng: Rng,
    now: f64,
    /// When something begins or ends to happen to a backend, the earliest last.
    turns: Vec<f64>,
    /// The logarithm of how much longer everything takes at present.
    together: f64,
    burst: (f64, f64),
    sampled: f64,
    /// Tokens for retries.
    budget: f64,
}

impl<'a> Simulation<'a> {
    pub fn new(trace: &'a Trace) -> Self {
        let mut rng = Rng::with_seed(trace.seed);
        let balancer = Balancer::new(&trace.fleet, &mut rng);
        let member = |rng: &mut Rng| Member {
            crowded: 1.0,
            load: trace.fleet.rate * trace.fleet.daylight(0.0),
            memory: between(rng, 0.3, 0.7),
            next_check: 5.0 * rng.f64(),
            next_beat: 5.0 * rng.f64(),
            ..Member::default()
        };
        let members = trace.fleet.backends.iter().map(|_| member(&mut rng)).collect();
        let mut turns: Vec<f64> = trace.events.iter().flat_map(|event| [event.from, event.to]).collect();
        turns.sort_by(|a, b| b.total_cmp(a));
        Self {
            balancer,
            trace,
            members,
            rng,
            now: 0.0,
            turns,
            together: 0.0,
            burst: (-1.0, -1.0),
            sampled: 0.0,
            budget: 10.0,
        }
    }

    /// Time passes.
    pub fn advance(&mut self, until: f64) {
        while self.now < until {
            while self.turns.last().is_some_and(|turn| *turn <= self.now) {
                self.turns.pop();
            }
            self.turn();
            let next = self.turns.last().map_or(until, |turn| turn.min(until));
            self.work(next);
            self.now = next;
        }
    }

    /// What begins or ends now.
    fn turn(&mut self) {
        let now = self.now;
        for member in &mut self.members {
            member.now.retain(|event| event.to > now);
        }
        for event in self.trace.events.iter().filter(|event| event.from <= now && event.to > now) {
            let member = &mut self.members[event.backend];
            if !member.now.iter().any(|other| other.from == event.from && other.effect == event.effect) {
                member.now.push(*event);
                member.strike(event, self.trace.fleet.timeout);
            }
        }
    }

    /// All requests from now until then.
    fn work(&mut self, until: f64) {
        let mean = self.rate() * (until - self.now);
        let mut again = Vec::new();
        self.budget = (self.budget + BUDGET * mean).min(10.0 + BUDGET * self.rate());
        for _ in 0..poisson(&mut self.rng, mean) {
            let at = between(&mut self.rng, self.now, until);
            let (path, key) = (path(&mut self.rng), self.balancer.key(&mut self.rng));
            self.attempt(at, path, key, 0, None, until, &mut again);
        }
        for at in 0..self.members.len() {
            let mut left = std::mem::take(&mut self.members[at].in_flight);
            left.retain(|attempt| {
                if attempt.ends < until {
                    self.members[at].count(attempt);
                    again.push((at, *attempt));
                }
                attempt.ends >= until
            });
            left.append(&mut self.members[at].in_flight);
            self.members[at].in_flight = left;
        }
        while let Some((at, failed)) = again.pop() {
            let is_worth_it = matches!(failed.end, End::Refused | End::Unreachable | End::Reset)
                || failed.end == End::TimedOut && failed.ends - failed.begun < 5.0;
            if is_worth_it && failed.before < RETRIES && self.budget >= 1.0 {
                self.budget -= 1.0;
                self.attempt(failed.ends, failed.path, failed.key, failed.before + 1, Some(at), until, &mut again);
            }
        }
    }

    /// Requests a second of all backends together.
    fn rate(&mut self) -> f64 {
        let fleet = &self.trace.fleet;
        if fleet.bursts > 0.0 && self.now > self.burst.1 {
            let begins = self.now + exponential(&mut self.rng, fleet.bursts);
            self.burst = (begins, begins + between(&mut self.rng, 0.2, 1.0));
        }
        let burst = if self.now >= self.burst.0 && self.now < self.burst.1 { 3.0 } else { 1.0 };
        let surge =
            self.trace.surges.iter().find(|surge| surge.0 <= self.now && self.now < surge.1).map_or(1.0, |s| s.2);
        fleet.rate * fleet.backends.len() as f64 * fleet.daylight(self.now) * burst * surge
    }

    #[expect(clippy::too_many_arguments, reason = "an attempt is all of this")]
    fn attempt(
        &mut self,
        at: f64,
        path: usize,
        key: usize,
        before: u8,
        not: Option<usize>,
        until: f64,
        ended: &mut Vec<(usize, Attempt)>,
    ) {
        let Some(picked) = self.balancer.pick(key, not, &self.members, &mut self.rng) else { return };
        let fleet = &self.trace.fleet;
        let log = fleet.paths[path]
            + self.balancer.habit(key)
            + fleet.backends[picked].habit
            + self.together
            + fleet.spread(&mut self.rng);
        let member = &mut self.members[picked];
        let (ends, end) = member.serve(at, log, path, fleet, &mut self.rng);
        let attempt = Attempt { begun: at, ends, end, path, key, before };
        member.sample.begun += 1;
        if ends < until {
            member.count(&attempt);
            if end != End::Answered {
                ended.push((picked, attempt));
            }
        } else {
            member.in_flight.push(attempt);
        }
    }

    /// One sample for each backend: what the driver would hand to detection now.
    pub fn samples(&mut self) -> Vec<Sample> {
        let (now, lasted, fleet) = (self.now, self.now - self.sampled, &self.trace.fleet);
        self.sampled = now;
        let keep = (-lasted / 20.0).exp();
        self.together =
            keep * self.together + fleet.wander_together * (1.0 - keep * keep).sqrt() * normal(&mut self.rng);
        let mut samples = Vec::with_capacity(self.members.len());
        for (at, member) in self.members.iter_mut().enumerate() {
            member.age(lasted, member.sample.begun, fleet, &mut self.rng);
            check(member, now, fleet, self.together, &mut self.rng);
            let is_absent = member.has(Effect::Absent);
            let standing = &mut self.balancer.standings[at];
            if standing.is_out && !is_absent && !member.is_down {
                member.joined = now;
            }
            standing.is_out = is_absent || member.is_down;
            let mut sample = std::mem::take(&mut member.sample);
            sample.takes_part = !standing.is_out;
            sample.is_ejected = standing.ejected_until.is_some();
            sample.joined = Duration::from_secs_f64(now - member.joined.max(standing.readmitted.unwrap_or(0.0)));
            sample.waiting = waiting(member, now);
            sample.in_flight = member.in_flight.len() as u32;
            let report = member.report(now, fleet, &mut self.rng).filter(|_| !member.is_dead() && !is_absent);
            (sample.cpu, sample.memory) = (report.map(|report| report.0), report.map(|report| report.1));
            sample.heartbeat = beat(member, now, fleet, &mut self.rng);
            samples.push(sample);
        }
        self.balancer.add_up();
        samples
    }
}

fn check(member: &mut Member, now: f64, fleet: &Fleet, together: f64, rng: &mut Rng) {
    let Some(interval) = fleet.checks.filter(|_| now >= member.next_check) else { return };
    member.next_check = now + interval * between(rng, 0.9, 1.1);
    // what answers checks is among the fastest
    let log = together - 1.0 + fleet.spread(rng);
    let (is_failed, took) = member.check(now, log, fleet, rng);
    member.sample.checks += 1;
    member.sample.failed_checks += u32::from(is_failed);
    member.sample.check_latency = Some(Duration::from_secs_f64(took));
    member.in_a_row = if is_failed != member.is_down { member.in_a_row + 1 } else { 0 };
    if member.in_a_row >= if member.is_down { RISE } else { FALL } {
        (member.is_down, member.in_a_row) = (!member.is_down, 0);
    }
}

fn beat(member: &mut Member, now: f64, fleet: &Fleet, rng: &mut Rng) -> Option<Duration> {
    let interval = fleet.heartbeats?;
    let is_silent = member.is_dead() || member.has(Effect::NoHeartbeat) || member.has(Effect::Absent);
    if now >= member.next_beat && !is_silent {
        // now and then one is late
        let late = if chance(rng, 0.02) { between(rng, 0.0, 3.0) } else { 0.0 };
        member.last_beat = now;
        member.next_beat = now + interval * between(rng, 0.98, 1.02) + late;
    }
    // who has never sent one has promised none
    (member.last_beat > 0.0).then(|| Duration::from_secs_f64(now - member.last_beat))
}

fn waiting(member: &Member, now: f64) -> Waiting {
    let mut waiting = Waiting::default();
    for attempt in &member.in_flight {
        let age = (now - attempt.begun).max(0.0);
        waiting.by_age[((age / AGE_STEP.as_secs_f64()) as usize).min(AGES - 1)] += 1;
        waiting.oldest = waiting.oldest.max(Duration::from_secs_f64(age));
    }
    waiting
}
