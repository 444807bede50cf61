//! The limit, and how it is found.
//!
//! It is the gradient of Netflix' concurrency-limits (`Gradient2Limit`) and of Envoy's adaptive concurrency filter: the limit is multiplied by how many
//! times the latency without load fits into the present one, and the square root of the limit is added, so that there is always a small queue by which
//! room for more would be found. In balance, with backends that work on M requests at a time, the limit is L = tolerance * M + sqrt(L): they never stand
//! idle, and a request takes about L / M times what it takes without load.
//!
//! Both are known for faults, which decide the rest:
//!
//! * *The latency without load drifts* where it is learned under load, because a queue that lasts becomes what is normal (`Gradient2Limit` learns it as a
//!   long average). Here it is learned in stretches only in which no more than half of the limit was in flight. Where there are none, the limit is halved
//!   for a moment (a probe), and not cut to 3 as in Envoy's windows: in balance, half of the limit just keeps the backends busy, so that a probe costs
//!   next to no throughput, and important requests still get through. Where that finds the latency that is known, it is over. If not, the limit is halved
//!   again, until half as many requests are as slow: so what is found does not depend on where the limit was. (With one halving only, and fewer than eight
//!   requests that are worked on at a time, limit and latency would agree at 16 requests in flight, whatever the backends can do.)
//! * *A probe measures what was sent before it* (Envoy waits for a time that may be too short). Here the samples of a limit are those of exchanges that
//!   were let in under it, that is, when fewer were in flight than it allows: whenever the limit changes, a new epoch begins, and workers leave out
//!   what began in an earlier one. The same keeps the limit from being cut again and again for one queue, before the first cut could show.
//! * *The limit creeps up while there is little to do*, until it is far too high when much comes. Here it grows only while more than half of it is used,
//!   so it is at most about twice what was ever in flight.
//! * *Everything is refused because a backend's own dependency is slow*: latencies rise, and fewer requests don't help. When the limit has fallen to half, it
//!   is probed without delay; where half as many requests are as slow, it is not by their number, and that latency is the one without load from now on.
//! * *All instances probe at the same time* and see a service that is idle for once. The time between two probes is drawn at random.

use std::time::Duration;

use super::window::{Seen, Window};
use crate::clock::Moment;
use crate::policy::Concurrency;

/// What follows from one window is at least half of the limit (as in Envoy's filter): one strange window is not the end.
const STEEPEST: f64 = 0.5;
/// More than this part of the limit is in flight: the service is under load.
const LOADED: f64 = 0.5;
/// Each step of a probe lets in such a part of what the one before did.
const STEP: f64 = 0.5;
/// The least time between two probes.
const BETWEEN_PROBES: Duration = Duration::from_secs(1);
/// A probe is given up after this time, and some latencies.
const PROBE_TAKES: Duration = Duration::from_secs(3);
/// Certainty is waited for no longer than this, and some latencies: the first step of a probe costs next to nothing.
const CERTAINTY_TAKES: Duration = Duration::from_secs(10);
/// How many latencies that are.
const PROBE_LATENCIES: f64 = 4.0;
/// Half as many in flight, and the latency is at least this part of what it was: it is not by their number.
const NOT_BY_NUMBER: f64 = 0.9;
/// A probe has found what is known, if it has found no more than so many times that, and no less than that divided by it. The mean of fifty samples is
/// right to a seventh; that it is another one is said by more of them ([`Window::differs`]).
const ALIKE: f64 = 1.15;
/// Without load, what is known follows a latency that is lower within about this time,
const DOWN: f64 = 1.0;
/// and one that is higher within about this time, in seconds: a rush that nearly fills the backends has longer latencies too, and is no reason to take
/// those for normal.
const UP: f64 = 30.0;
/// A window counts for at most this time, in seconds.
const LONGEST_STEP: f64 = 5.0;

/// The limit of one service.
#[derive(Debug)]
pub struct Limiter {
    rule: Concurrency,
    limit: f64,
    epoch: u32,
    /// The latency without load, in seconds; `None` = it is not known yet.
    unloaded: Option<f64>,
    /// That is only what was seen first, under load.
    is_guessed: bool,
    window: Window,
    probe: Option<Probe>,
    next_probe: Option<Moment>,
    /// When the last probe ended, and what the limit was then.
    probed: (Moment, f64),
    random: fastrand::Rng,
}

/// A probe that is under way.
#[derive(Debug, Clone, Copy)]
struct Probe {
    /// When its present step began.
    since: Moment,
    /// The part of the limit that is let in.
    part: f64,
    /// The latency before that.
    latency: f64,
}

/// What is to be published.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Decision {
    /// The limit that is in force.
    pub limit: u32,
    /// The number of the epoch since which it is.
    pub epoch: u32,
    /// The latency without load; `None` = it is not known yet.
    pub unloaded: Option<Duration>,
}

impl Limiter {
    /// Begins with the rule's first limit, or with one that was in force before, with its epoch.
    pub fn new(rule: Concurrency, before: Option<(u32, u32)>, now: Moment, seed: u64) -> Self {
        let (limit, epoch) = before.unwrap_or((rule.initial, 0));
        let limit = f64::from(limit.clamp(rule.min, rule.max));
        Self {
            rule,
            limit,
            epoch: epoch.wrapping_add(1),
            unloaded: None,
            is_guessed: false,
            window: Window::new(now),
            probe: None,
            next_probe: None,
            probed: (now, limit),
            random: fastrand::Rng::with_seed(seed),
        }
    }

    /// Goes on by this rule. What was learned is kept.
    pub fn set_rule(&mut self, rule: Concurrency) {
        let before = self.decision().limit;
        self.rule = rule;
        self.limit = self.limit.clamp(f64::from(rule.min), f64::from(rule.max));
        if self.decision().limit != before {
            self.epoch = self.epoch.wrapping_add(1);
        }
    }

    /// What holds now.
    pub fn decision(&self) -> Decision {
        let limit = match self.probe {
            Some(probe) => self.limit * probe.part,
            None => self.limit,
        };
        Decision {
            limit: (limit as u32).max(1),
            epoch: self.epoch,
            unloaded: self.unloaded.map(Duration::from_secs_f64),
        }
    }

    /// What follows from what was seen since the last look.
    pub fn look(&mut self, now: Moment, seen: &Seen<'_>) -> Decision {
        let before = self.decision().limit;
        self.window.add(seen);
        match self.probe {
            Some(probe) => self.measure(probe, now),
            None if self.window.is_ready(now) => self.follow(now),
            None if self.window.is_too_old(now) => self.window = Window::new(now),
            None => {}
        }
        if self.decision().limit != before {
            self.epoch = self.epoch.wrapping_add(1);
        }
        self.decision()
    }

    /// Follows a window in which the limit was not probed.
    fn follow(&mut self, now: Moment) {
        let window = std::mem::replace(&mut self.window, Window::new(now));
        let Some(latency) = window.latency() else { return };
        let step = window.age(now).as_secs_f64().min(LONGEST_STEP);
        if window.shed == 0 && f64::from(window.peak) <= self.limit * LOADED {
            self.learn(latency, step, now);
            return;
        }
        self.is_guessed |= self.unloaded.is_none();
        let known = *self.unloaded.get_or_insert(latency);
        if latency < known {
            self.unloaded = Some(approach(known, latency, step / DOWN));
        }
        let gradient = (self.rule.tolerance * known / latency).clamp(STEEPEST, 1.0);
        let wanted = self.limit * gradient + self.limit.sqrt();
        self.limit = wanted.clamp(f64::from(self.rule.min), f64::from(self.rule.max));
        let is_pressed = window.shed > 0 || gradient < 1.0;
        if is_pressed && self.is_probe_due(now) {
            self.probe = Some(Probe { since: now, part: STEP, latency });
        }
    }

    /// The service was not under load, and had this latency.
    fn learn(&mut self, latency: f64, step: f64, now: Moment) {
        let known = match self.unloaded {
            Some(known) => known,
            None => {
                self.schedule_probe(now);
                latency
            }
        };
        let time = if latency < known { DOWN } else { UP };
        self.unloaded = Some(approach(known, latency, step / time));
        self.is_guessed = false;
    }

    fn is_probe_due(&self, now: Moment) -> bool {
        let (ended, limit) = self.probed;
        let is_halved = self.limit <= limit * STEEPEST && now.since(ended) >= BETWEEN_PROBES;
        let is_due = is_halved || self.next_probe.is_none_or(|due| now >= due);
        // a limit that can't change needs no latency
        is_due && self.rule.min < self.rule.max
    }

    /// The next probe is due after the time that the rule says, a fifth more or less.
    fn schedule_probe(&mut self, now: Moment) {
        let factor = 0.8 + 0.4 * self.random.f64();
        self.next_probe = Some(now.plus(self.rule.probe.mul_f64(factor)));
    }

    /// Ends a step of a probe, when enough was seen or it takes too long.
    fn measure(&mut self, probe: Probe, now: Moment) {
        let is_ready = self.window.is_ready(now);
        let takes = if is_ready { CERTAINTY_TAKES } else { PROBE_TAKES };
        let is_late = now.since(probe.since) >= takes + Duration::from_secs_f64(PROBE_LATENCIES * probe.latency);
        let latency = self.window.latency().filter(|_| is_ready);
        let known = self.unloaded.filter(|known| latency.is_some_and(|latency| are_alike(*known, latency)));
        // a further step cuts deeper, also into what matters most: not because of what may be chance
        let may_be_chance = probe.part == STEP && !self.is_guessed && known.is_none();
        let differs = |latency| self.unloaded.is_none_or(|known| self.window.differs(latency, known));
        let is_certain = !may_be_chance || latency.is_some_and(differs);
        if !(is_late || is_ready && is_certain) {
            return;
        }
        self.window = Window::new(now);
        let is_by_number = latency.is_some_and(|latency| latency < probe.latency * NOT_BY_NUMBER);
        if let Some(latency) = latency
            && known.is_none()
            && is_by_number
            && self.limit * probe.part * STEP >= 1.0
        {
            self.probe = Some(Probe { since: now, part: probe.part * STEP, latency });
            return;
        }
        self.probe = None;
        self.probed = (now, self.limit);
        self.schedule_probe(now);
        self.unloaded = match (known, latency) {
            // not upwards: with each probe a little of the queue would become normal
            (Some(known), Some(latency)) => Some(known.min((known + latency) / 2.0)),
            (_, latency) => latency.or(self.unloaded),
        };
        self.is_guessed &= latency.is_none();
    }
}

/// Whether two latencies are the same, as far as can be told.
fn are_alike(one: f64, other: f64) -> bool {
    one <= other * ALIKE && other <= one * ALIKE
}

/// What was known, as it follows what was seen over `time`, in units of the time in which it does.
fn approach(known: f64, seen: f64, time: f64) -> f64 {
    known + (seen - known) * (1.0 - (-time).exp())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::metrics::concurrency::FINE_BUCKETS;

    const RULE: Concurrency = Concurrency {
        min: 3,
        max: 200,
        initial: 20,
        tolerance: 1.5,
        probe: Duration::from_secs(30),
        normal: 800,
        low: 600,
    };

    fn at(millis: u64) -> Moment {
        Moment::from_millis(1_000_000 + millis)
    }

    /// One look each 100 ms, in which this is seen; `bucket` of 60 samples.
    fn looks(limiter: &mut Limiter, times: std::ops::Range<u64>, bucket: usize, peak: u32, shed: u64) -> Decision {
        let mut latencies = [0; FINE_BUCKETS];
        latencies[bucket] = 60;
        for time in times {
            limiter.look(at(100 * time), &Seen { latencies: &latencies, peak, shed });
        }
        limiter.decision()
    }

    #[test]
    fn it_does_not_creep_up_while_there_is_little_to_do() {
        let mut limiter = Limiter::new(RULE, None, at(0), 1);
        let told = looks(&mut limiter, 1..10_000, 40, 8, 0);
        assert_eq!(told.limit, 20);
        let told = looks(&mut limiter, 10_000..20_000, 40, 30, 0);
        assert!((60..80).contains(&told.limit), "about twice what was in flight: {told:?}");
    }

    #[test]
    fn it_falls_when_answers_take_longer() {
        let mut limiter = Limiter::new(RULE, None, at(0), 1);
        looks(&mut limiter, 1..50, 40, 5, 0);
        let told = looks(&mut limiter, 50..52, 64, 20, 10);
        assert!(told.limit < 20, "{told:?}");
        let told = looks(&mut limiter, 52..53, 64, 20, 10);
        assert_eq!(told.limit, 4, "8.8 by now, which is probed because it is less than half of 20: {told:?}");
    }

    #[test]
    fn a_service_that_is_slow_for_another_reason_is_not_refused_for_long() {
        let mut limiter = Limiter::new(RULE, None, at(0), 1);
        looks(&mut limiter, 1..50, 40, 5, 0);
        // eight times as slow, whatever is in flight
        let told = looks(&mut limiter, 50..150, 64, 20, 10);
        let unloaded = told.unloaded.unwrap().as_secs_f64();
        assert!((unloaded / crate::metrics::concurrency::middle_of(64) - 1.0).abs() < 0.01, "{told:?}");
        assert!(told.limit > 20, "within 10 s: {told:?}");
    }

    #[test]
    fn a_limit_that_can_not_change_is_not_probed() {
        let mut limiter = Limiter::new(Concurrency { min: 20, max: 20, ..RULE }, None, at(0), 1);
        for time in 1..1_000 {
            let told = looks(&mut limiter, time..time + 1, 40 + (time as usize / 50) % 30, 20, 10);
            assert_eq!((told.limit, told.epoch), (20, 1));
        }
    }

    #[test]
    fn a_probe_goes_on_until_fewer_requests_are_not_faster() {
        let mut limiter = Limiter::new(RULE, None, at(0), 1);
        // 20 in flight, then 12, then 6, then 3: what is worked on is 6 at a time
        for (time, bucket, limit) in [(1, 56, 12), (2, 48, 6), (3, 40, 3), (4, 40, 24)] {
            let told = looks(&mut limiter, time..time + 1, bucket, 20, 10);
            assert_eq!(told.limit, limit, "{time}");
        }
        let unloaded = limiter.decision().unloaded.unwrap().as_secs_f64();
        assert!((unloaded / crate::metrics::concurrency::middle_of(40) - 1.0).abs() < 0.01, "{unloaded}");
    }

    #[test]
    fn a_probe_that_nobody_answers_is_given_up() {
        let mut limiter = Limiter::new(RULE, None, at(0), 1);
        let told = looks(&mut limiter, 1..2, 40, 20, 10);
        assert_eq!(told.limit, 12, "a probe, because nothing is known: {told:?}");
        let nothing = [0; FINE_BUCKETS];
        let mut limit = 0;
        for time in 2..60 {
            limit = limiter.look(at(100 * time), &Seen { latencies: &nothing, peak: 12, shed: 5 }).limit;
        }
        assert_eq!(limit, 24);
    }

    #[test]
    fn another_limit_begins_another_epoch_and_the_same_does_not() {
        let mut limiter = Limiter::new(RULE, Some((50, 7)), at(0), 1);
        assert_eq!((limiter.decision().limit, limiter.decision().epoch), (50, 8));
        assert_eq!(looks(&mut limiter, 1..50, 40, 5, 0).epoch, 8);
        let told = looks(&mut limiter, 50..51, 40, 40, 0);
        assert_eq!((told.limit, told.epoch), (57, 9));
        limiter.set_rule(Concurrency { max: 30, ..RULE });
        assert_eq!((limiter.decision().limit, limiter.decision().epoch), (30, 10));
    }

    proptest! {
        #[test]
        fn whatever_is_seen_the_limit_stays_between_its_bounds(
            seen in prop::collection::vec((0..FINE_BUCKETS, 0..200_u32, 0..300_u32, 0..50_u64, 1..2_000_u64), 1..300),
            seed: u64,
        ) {
            let mut limiter = Limiter::new(RULE, None, at(0), seed);
            let mut time = 0;
            let mut before = limiter.decision();
            for (bucket, count, peak, shed, pause) in seen {
                time += pause;
                let mut latencies = [0; FINE_BUCKETS];
                latencies[bucket] = count;
                let told = limiter.look(at(time), &Seen { latencies: &latencies, peak, shed });
                // half of the least while it is probed
                prop_assert!((1..=RULE.max).contains(&told.limit), "{told:?}");
                prop_assert!(limiter.probe.is_some() || told.limit >= RULE.min, "{told:?}");
                prop_assert_eq!(told.limit != before.limit, told.epoch != before.epoch);
                prop_assert!(told.unloaded.is_none_or(|latency| latency > Duration::ZERO));
                before = told;
            }
        }
    }
}
