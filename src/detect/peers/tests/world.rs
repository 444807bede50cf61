//! A service that is simulated: attempts arrive at random, are answered, fail or hang, and every 100 ms there is a sample of each backend.

use std::time::Duration;

use super::super::Peers;
use crate::detect::fault::Vote;
use crate::detect::sample::{AGES, Sample};

pub(super) const TICK: Duration = Duration::from_millis(100);

/// How a backend treats the attempts that come to it at a moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Way {
    /// The median time of its answers, in milliseconds.
    pub(super) millis: f64,
    /// The standard deviation of the logarithms (base 2) of these times.
    pub(super) sigma: f64,
    /// The share that is answered with a status of failure, and that is reset.
    pub(super) fails: f64,
    pub(super) resets: f64,
    /// The share that takes `long` seconds.
    pub(super) is_long: f64,
    pub(super) long: f64,
    /// What is not answered yet waits until this moment, in seconds.
    pub(super) paused_until: f64,
}

pub(super) const WELL: Way =
    Way { millis: 5.0, sigma: 0.5, fails: 0.0, resets: 0.0, is_long: 0.0, long: 0.0, paused_until: 0.0 };

#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    Answer,
    Status,
    Reset,
    TimedOut,
}

#[derive(Debug, Clone, Copy)]
struct Attempt {
    began: f64,
    ends: f64,
    end: End,
}

/// Attempts are given up after this many seconds.
const TIMEOUT: f64 = 30.0;

pub(super) struct World {
    pub(super) peers: Peers,
    pub(super) random: fastrand::Rng,
    pub(super) now: f64,
    /// Requests a second and backend.
    pub(super) rate: f64,
    /// What backends report of their processors.
    pub(super) cpu: Vec<Option<f64>>,
    attempts: Vec<Vec<Attempt>>,
    pub(super) highest: Vec<f64>,
}

/// Who was accused, when (in seconds since play began), and of what.
pub(super) type Accused = (usize, f64, Vote);

impl World {
    pub(super) fn new(backends: usize, rate: f64, seed: u64) -> Self {
        Self {
            peers: Peers::default(),
            random: fastrand::Rng::with_seed(seed),
            now: 0.0,
            rate,
            cpu: vec![None; backends],
            attempts: vec![Vec::new(); backends],
            highest: vec![0.0; backends],
        }
    }

    /// Plays for so many seconds. `way` gets the backend and the seconds since this began. Who is accused goes on as before.
    pub(super) fn play(&mut self, seconds: f64, way: impl Fn(usize, f64) -> Way) -> Vec<Accused> {
        let began = self.now;
        let mut found: Vec<Accused> = Vec::new();
        while self.now - began < seconds {
            let samples = self.tick(|backend, at| way(backend, at - began));
            self.peers.observe(&samples, TICK);
            for vote in self.peers.votes() {
                let crate::detect::fault::Subject::Backend(backend) = vote.subject else { panic!("{vote:?}") };
                if !found.iter().any(|(known, ..)| *known == backend) {
                    found.push((backend, self.now - began, vote.clone()));
                }
            }
            for at in 0..samples.len() {
                self.highest[at] = self.highest[at].max(self.peers.suspicion(at));
            }
        }
        found
    }

    /// Lets a tick pass.
    pub(super) fn tick(&mut self, way: impl Fn(usize, f64) -> Way) -> Vec<Sample> {
        let (from, step) = (self.now, TICK.as_secs_f64());
        self.now += step;
        let samples = (0..self.attempts.len()).map(|backend| {
            let mut at = from + self.exponential() / self.rate;
            let mut begun = 0;
            while at < self.now {
                let attempt = self.attempt(at, way(backend, at));
                self.attempts[backend].push(attempt);
                at += self.exponential() / self.rate;
                begun += 1;
            }
            let pauses = way(backend, self.now).paused_until;
            Sample { begun, ..self.sample(backend, pauses) }
        });
        samples.collect()
    }

    fn attempt(&mut self, began: f64, way: Way) -> Attempt {
        let millis = way.millis * (self.normal() * way.sigma).exp2();
        let takes = if self.random.f64() < way.is_long { way.long } else { millis / 1e3 };
        let ends = if way.paused_until > began { way.paused_until + self.random.f64() * 0.02 } else { began } + takes;
        let end = match self.random.f64() {
            chance if chance < way.fails => End::Status,
            chance if chance < way.fails + way.resets => End::Reset,
            _ if ends - began > TIMEOUT => End::TimedOut,
            _ => End::Answer,
        };
        Attempt { began, ends: ends.min(began + TIMEOUT), end }
    }

    fn sample(&mut self, backend: usize, paused_until: f64) -> Sample {
        let now = self.now;
        let joined = Duration::from_secs_f64(now);
        let mut sample = Sample { takes_part: true, joined, cpu: self.cpu[backend], ..Sample::default() };
        let mut waiting = std::mem::take(&mut self.attempts[backend]);
        waiting.retain_mut(|attempt| {
            if paused_until > now && attempt.ends > now - TICK.as_secs_f64() {
                attempt.ends = attempt.ends.max(paused_until);
            }
            if attempt.ends > now {
                let age = now - attempt.began;
                sample.waiting.by_age[((age * 10.0) as usize).min(AGES - 1)] += 1;
                sample.waiting.oldest = sample.waiting.oldest.max(Duration::from_secs_f64(age));
                return true;
            }
            match attempt.end {
                End::Answer => {
                    sample.answers += 1;
                    sample.latencies.add(Duration::from_secs_f64(attempt.ends - attempt.began));
                }
                End::Status => sample.failures.status += 1,
                End::Reset => sample.failures.reset += 1,
                End::TimedOut => sample.failures.timed_out += 1,
            }
            false
        });
        self.attempts[backend] = waiting;
        sample
    }

    fn exponential(&mut self) -> f64 {
        -(1.0 - self.random.f64()).ln()
    }

    /// A number of the standard normal distribution (Box and Muller, 1958).
    fn normal(&mut self) -> f64 {
        let (a, b) = (1.0 - self.random.f64(), self.random.f64());
        (-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos()
    }
}

pub(super) fn slower(times: f64) -> Way {
    Way { millis: WELL.millis * times, ..WELL }
}

pub(super) fn failing(share: f64) -> Way {
    Way { fails: share, ..WELL }
}

pub(super) fn resetting(share: f64) -> Way {
    Way { resets: share, ..WELL }
}

/// This share of the attempts is never answered.
pub(super) fn hanging(share: f64) -> Way {
    Way { is_long: share, long: 1e6, ..WELL }
}
