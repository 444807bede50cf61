//! A simulated fleet: exchanges that come at random moments, backends that take their time, a virtual clock. No sockets, no
//! waiting: a minute of a busy service takes a second.
//!
//! A backend works on so many exchanges at a time; further ones wait in line. Two workers pick, as two threads of the proxy
//! would. Each backend reports its load once a second.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::ops::Range;
use std::time::Duration;

use evenkeel::balance::{Balancer, Candidate, build, hash_key};
use evenkeel::clock::Moment;
use evenkeel::endpoint::InFlight;
use evenkeel::endpoint::load::Report;
use evenkeel::policy::Balance;

use crate::fleet::{START, Worker, candidates};

/// What is simulated.
pub struct Scenario {
    pub backends: Vec<Backend>,
    /// Exchanges a second.
    pub rate: f64,
    pub seconds: u64,
    /// Whose hash is the exchange's key; all are as busy.
    pub clients: u32,
    pub seed: u64,
}

#[derive(Clone, Copy)]
pub struct Backend {
    pub weight: u32,
    /// Exchanges at a time.
    pub slots: usize,
    /// What it does with an exchange that it begins in this second.
    pub does: fn(u64) -> Does,
}

#[derive(Clone, Copy)]
pub enum Does {
    /// Answers, after so many milliseconds on average.
    Answers(f64),
    /// Fails at once.
    Fails,
}

/// What happened.
pub struct Run {
    pub exchanges: Vec<Exchange>,
    /// When each attempt was made, in microseconds, and with which backend.
    pub attempts: Vec<(u64, usize)>,
}

pub struct Exchange {
    /// When it came, in microseconds.
    pub at: u64,
    /// Until its answer, in microseconds; `None` = there was none.
    pub took: Option<u64>,
}

/// Attempts beyond the first.
const RETRIES: usize = 1;

struct Simulation<'a> {
    scenario: &'a Scenario,
    balancer: Box<dyn Balancer>,
    candidates: Vec<Candidate>,
    workers: [Worker; 2],
    random: fastrand::Rng,
    /// What ends when, and which attempt.
    ends: BinaryHeap<Reverse<(u64, usize)>>,
    queues: Vec<Queue>,
    attempts: Vec<Attempt>,
    run: Run,
}

#[derive(Default)]
struct Queue {
    busy: usize,
    waiting: VecDeque<usize>,
}

struct Attempt {
    exchange: usize,
    backend: usize,
    /// Those before it.
    tried: Vec<usize>,
    began: u64,
    fails: bool,
    guard: Option<InFlight>,
}

pub fn simulate(balance: Balance, scenario: &Scenario) -> Run {
    let weights: Vec<_> = scenario.backends.iter().map(|backend| backend.weight).collect();
    let candidates = candidates(&weights);
    let mut simulation = Simulation {
        scenario,
        balancer: build(balance, candidates.clone()),
        candidates,
        workers: [0, 1].map(|number| Worker::new(number, scenario.seed)),
        random: fastrand::Rng::with_seed(scenario.seed + 100),
        ends: BinaryHeap::new(),
        queues: scenario.backends.iter().map(|_| Queue::default()).collect(),
        attempts: Vec::new(),
        run: Run { exchanges: Vec::new(), attempts: Vec::new() },
    };
    simulation.go();
    simulation.run
}

impl Simulation<'_> {
    fn go(&mut self) {
        let (mut arrival, mut report) = (self.interval(), 0);
        while arrival < self.scenario.seconds * 1_000_000 {
            let end = self.ends.peek().map_or(u64::MAX, |Reverse((at, _))| *at);
            if report <= arrival.min(end) {
                self.report(report);
                report += 1_000_000;
            } else if end <= arrival {
                self.end();
            } else {
                self.run.exchanges.push(Exchange { at: arrival, took: None });
                self.attempt(self.run.exchanges.len() - 1, Vec::new(), arrival);
                arrival += self.interval();
            }
        }
        while !self.ends.is_empty() {
            self.end();
        }
    }

    /// Between two arrivals of a Poisson process.
    fn interval(&mut self) -> u64 {
        (-(1.0 - self.random.f64()).ln() / self.scenario.rate * 1e6) as u64
    }

    fn attempt(&mut self, exchange: usize, tried: Vec<usize>, now: u64) {
        let key = hash_key(&self.random.u32(..self.scenario.clients).to_le_bytes());
        let worker = &mut self.workers[exchange % 2];
        let backend = worker.pick(&*self.balancer, &tried, key, moment(now)).unwrap();
        self.run.attempts.push((now, backend));
        let guard = Some(self.candidates[backend].live.enter());
        self.attempts.push(Attempt { exchange, backend, tried, began: now, fails: false, guard });
        let attempt = self.attempts.len() - 1;
        if self.queues[backend].busy < self.scenario.backends[backend].slots {
            self.begin(attempt, now);
        } else {
            self.queues[backend].waiting.push_back(attempt);
        }
    }

    /// A backend begins to work on an exchange.
    fn begin(&mut self, attempt: usize, now: u64) {
        let backend = self.attempts[attempt].backend;
        self.queues[backend].busy += 1;
        let takes = match (self.scenario.backends[backend].does)(now / 1_000_000) {
            // between half and one and a half times the average, and now and then, by an exponential tail, more
            Does::Answers(millis) => millis * (0.5 + self.random.f64() * 0.5 - 0.25 * (1.0 - self.random.f64()).ln()),
            Does::Fails => {
                self.attempts[attempt].fails = true;
                0.5
            }
        };
        self.ends.push(Reverse((now + (takes * 1e3) as u64, attempt)));
    }

    /// The next attempt ends.
    fn end(&mut self) {
        let Some(Reverse((now, attempt))) = self.ends.pop() else { return };
        let attempt = &mut self.attempts[attempt];
        let (backend, exchange, fails) = (attempt.backend, attempt.exchange, attempt.fails);
        let elapsed = Duration::from_micros(now - attempt.began);
        let mut tried = std::mem::take(&mut attempt.tried);
        attempt.guard = None;
        let latency = &self.candidates[backend].live.latency;
        match fails {
            false => latency.observe(elapsed, moment(now)),
            true => latency.observe_failure(elapsed, moment(now)),
        }
        self.queues[backend].busy -= 1;
        if let Some(next) = self.queues[backend].waiting.pop_front() {
            self.begin(next, now);
        }
        if !fails {
            let exchange = &mut self.run.exchanges[exchange];
            exchange.took = Some(now - exchange.at);
        } else if tried.len() < RETRIES {
            tried.push(backend);
            self.attempt(exchange, tried, now);
        }
    }

    fn report(&self, now: u64) {
        let all = self.candidates.iter().zip(&self.queues).zip(&self.scenario.backends);
        for ((candidate, queue), backend) in all {
            if matches!((backend.does)(now / 1_000_000), Does::Answers(_)) {
                let cpu = queue.busy as f32 / backend.slots as f32;
                let report = Report { cpu: Some(cpu), memory: Some(0.3), utilization: None };
                candidate.live.load.report(report, candidate.live.in_flight(), moment(now));
            }
        }
    }
}

impl Run {
    /// The time within which this share of the exchanges that came in these seconds was answered, in milliseconds.
    pub fn percentile(&self, share: f64, seconds: Range<u64>) -> f64 {
        let within = |exchange: &&Exchange| seconds.contains(&(exchange.at / 1_000_000));
        let mut took: Vec<_> = self.exchanges.iter().filter(within).filter_map(|exchange| exchange.took).collect();
        took.sort_unstable();
        took[((took.len() - 1) as f64 * share) as usize] as f64 / 1e3
    }

    /// The share of the attempts in these seconds that were made with this backend.
    pub fn share(&self, backend: usize, seconds: Range<u64>) -> f64 {
        self.count(backend, seconds.clone()) as f64 / self.within(seconds).count() as f64
    }

    /// How many attempts were made with this backend in these seconds.
    pub fn count(&self, backend: usize, seconds: Range<u64>) -> usize {
        self.within(seconds).filter(|(_, with)| *with == backend).count()
    }

    fn within(&self, seconds: Range<u64>) -> impl Iterator<Item = &(u64, usize)> {
        self.attempts.iter().filter(move |(at, _)| seconds.contains(&(at / 1_000_000)))
    }
}

fn moment(micros: u64) -> Moment {
    START.plus(Duration::from_micros(micros))
}
