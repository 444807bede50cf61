//! A service of several backends, simulated: requests come at random, each backend works on one at a time, what the limiter lets in waits in one
//! queue, and what it does not let in waits for a moment in the line of its priority.
//! Time is simulated, and all that is random comes from a seed.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::limiter::Limiter;
use super::waiting;
use super::window::Seen;
use super::{AdaptiveLimit, ConcurrencyPlace};
use crate::clock::Moment;
use crate::metrics::Registry;
use crate::policy::{Concurrency, Priority};

const RULE: Concurrency = Concurrency {
    min: 3,
    max: 1_000,
    initial: 20,
    tolerance: 1.5,
    probe: Duration::from_secs(30),
    normal: 800,
    low: 600,
};

/// How long a request is worked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    /// Always the same.
    Fixed,
    /// Exponentially distributed.
    Exponential,
}

/// What comes.
#[derive(Debug, Clone, Copy)]
struct Load {
    /// What is offered, in times of what the backends can do.
    offered: f64,
    /// The shares of the priorities in that.
    shares: [f64; 3],
}

/// What was let in: when it came, when it was let in, and its place.
type LetIn = (u64, u64, ConcurrencyPlace);

/// A simulated service.
struct Service {
    limit: Arc<AdaptiveLimit>,
    /// When those came who wait for a place, by priority.
    lines: [VecDeque<u64>; 3],
    limiter: Limiter,
    servers: usize,
    /// The mean time of the work on a request, in microseconds.
    work: f64,
    kind: Work,
    now: u64,
    random: fastrand::Rng,
    /// What is not worked on yet.
    queue: VecDeque<LetIn>,
    /// When each of those will be done that are worked on, and where it is in `working`.
    busy: BinaryHeap<Reverse<(u64, usize)>>,
    working: Vec<Option<LetIn>>,
    next_look: u64,
    seen: ([u32; crate::metrics::concurrency::FINE_BUCKETS], u64),
}

/// What came of it.
#[derive(Debug, Default)]
struct Result {
    latencies: Vec<u64>,
    offered: [u64; 3],
    shed: [u64; 3],
    greatest_limit: u32,
}

impl Result {
    /// A quantile of the latencies, in microseconds.
    fn quantile(&mut self, share: f64) -> f64 {
        self.latencies.sort_unstable();
        self.latencies[((self.latencies.len() - 1) as f64 * share) as usize] as f64
    }
}

impl Service {
    fn new(servers: usize, work: Duration, kind: Work, seed: u64) -> Self {
        let limit = Arc::new(AdaptiveLimit::new(Registry::new(1).concurrency("api")));
        let limiter = Limiter::new(RULE, None, moment(0), seed);
        let first = limiter.decision();
        limit.publish(first.limit, first.epoch);
        Self {
            limit,
            lines: Default::default(),
            limiter,
            servers,
            work: work.as_secs_f64() * 1e6,
            kind,
            now: 0,
            random: fastrand::Rng::with_seed(seed),
            queue: VecDeque::new(),
            busy: BinaryHeap::new(),
            working: Vec::new(),
            next_look: 100_000,
            seen: ([0; crate::metrics::concurrency::FINE_BUCKETS], 0),
        }
    }

    /// Goes on for this time under this load.
    fn run(&mut self, time: Duration, load: Load) -> Result {
        let mut result = Result::default();
        let end = self.now + time.as_micros() as u64;
        let between = self.work / self.servers as f64 / load.offered;
        let mut next = self.now + self.exponential(between);
        loop {
            let done = self.busy.peek().map_or(u64::MAX, |Reverse((at, ..))| *at);
            self.now = done.min(next).min(self.next_look).min(end);
            match self.now {
                now if now == end => return result,
                now if now == done => self.finish(&mut result),
                now if now == self.next_look => self.look(&mut result),
                _ => {
                    self.arrive(load, &mut result);
                    next = self.now + self.exponential(between);
                }
            }
        }
    }

    fn arrive(&mut self, load: Load, result: &mut Result) {
        let mut drawn = self.random.f64();
        let priority = Priority::ALL.into_iter().find(|priority| {
            drawn -= load.shares[*priority as usize];
            drawn < 0.0
        });
        let priority = priority.unwrap_or(Priority::Low);
        result.offered[priority as usize] += 1;
        self.let_in(result);
        let is_first = self.lines[..=priority as usize].iter().all(VecDeque::is_empty);
        match is_first.then(|| self.limit.enter(RULE.part(priority))).flatten() {
            Some(place) => {
                self.queue.push_back((self.now, self.now, place));
                self.begin();
            }
            None => self.wait(priority, result),
        }
    }

    /// Puts one into the line of its priority, where there is room.
    fn wait(&mut self, priority: Priority, result: &mut Result) {
        self.leave(priority, result);
        let line = &mut self.lines[priority as usize];
        let limit = self.limit.limit().unwrap_or(RULE.initial);
        if line.len() < waiting::room(limit, 1, priority) {
            line.push_back(self.now);
        } else {
            self.shed(priority, result);
        }
    }

    /// Those leave a line who have waited for too long.
    fn leave(&mut self, priority: Priority, result: &mut Result) {
        let longest = waiting::longest(self.limit.unloaded(), priority).as_micros() as u64;
        while self.lines[priority as usize].front().is_some_and(|came| self.now - came > longest) {
            self.lines[priority as usize].pop_front();
            self.shed(priority, result);
        }
    }

    fn shed(&mut self, priority: Priority, result: &mut Result) {
        self.limit.counts().shed(0, priority as usize);
        result.shed[priority as usize] += 1;
    }

    /// Those who wait are let in as far as there is room, the most important first, and of these the one that came first.
    fn let_in(&mut self, result: &mut Result) {
        for priority in Priority::ALL {
            self.leave(priority, result);
            while let Some(&came) = self.lines[priority as usize].front() {
                let Some(place) = self.limit.enter(RULE.part(priority)) else { return };
                self.lines[priority as usize].pop_front();
                self.queue.push_back((came, self.now, place));
                self.begin();
            }
        }
    }

    /// Has an idle server begin with the next one.
    fn begin(&mut self) {
        if self.busy.len() >= self.servers {
            return;
        }
        let Some(next) = self.queue.pop_front() else { return };
        let takes = match self.kind {
            Work::Fixed => self.work as u64,
            Work::Exponential => self.exponential(self.work),
        };
        let free = self.working.iter().position(Option::is_none).unwrap_or_else(|| {
            self.working.push(None);
            self.working.len() - 1
        });
        self.working[free] = Some(next);
        self.busy.push(Reverse((self.now + takes, free)));
    }

    fn finish(&mut self, result: &mut Result) {
        let Some(Reverse((_, at))) = self.busy.pop() else { return };
        let Some((came, let_in, place)) = self.working[at].take() else { return };
        place.took(0, Duration::from_micros(self.now - let_in));
        result.latencies.push(self.now - came);
        drop(place);
        self.let_in(result);
        self.begin();
    }

    fn look(&mut self, result: &mut Result) {
        self.next_look += 100_000;
        let (latencies, shed) = (self.limit.counts().latencies(), self.limit.counts().read_shed().iter().sum());
        let new = std::array::from_fn(|at| latencies[at].wrapping_sub(self.seen.0[at]));
        let seen = Seen { latencies: &new, peak: self.limit.take_peak(), shed: shed - self.seen.1 };
        self.seen = (latencies, shed);
        let told = self.limiter.look(moment(self.now), &seen);
        self.limit.publish(told.limit, told.epoch);
        self.limit.set_unloaded(told.unloaded);
        result.greatest_limit = result.greatest_limit.max(told.limit);
    }

    fn exponential(&mut self, mean: f64) -> u64 {
        (-mean * (1.0 - self.random.f64()).ln()) as u64
    }

    /// The quantile of the latencies when one request is there at a time, in microseconds.
    fn unloaded(&self, share: f64) -> f64 {
        match self.kind {
            Work::Fixed => self.work,
            Work::Exponential => -self.work * (1.0 - share).ln(),
        }
    }
}

fn moment(micros: u64) -> Moment {
    Moment::from_millis(1 << 40).plus(Duration::from_micros(micros))
}

const SECOND: Duration = Duration::from_secs(1);
const NORMAL: [f64; 3] = [0.0, 1.0, 0.0];

#[test]
fn of_three_times_what_the_backends_can_do_nine_tenths_of_that_are_served_in_three_times_the_time() {
    for (servers, millis) in [(2, 10), (4, 10), (8, 40), (10, 10), (10, 200), (32, 25), (100, 50)] {
        for kind in [Work::Fixed, Work::Exponential] {
            for shares in [NORMAL, [0.1, 0.0, 0.9], [0.1, 0.3, 0.6]] {
                let what = format!("{servers} of {millis} ms, {kind:?}, {shares:?}");
                overloaded(servers, Duration::from_millis(millis), kind, shares, &what);
            }
        }
    }
}

fn overloaded(servers: usize, work: Duration, kind: Work, shares: [f64; 3], what: &str) {
    let mut service = Service::new(servers, work, kind, 7);
    // it begins in the middle of it, with nothing known
    let load = Load { offered: 3.0, shares };
    service.run(15 * SECOND + 40 * work, load);
    let mut result = service.run(30 * SECOND, load);
    let capacity = servers as f64 / work.as_secs_f64() * 30.0;
    let goodput = result.latencies.len() as f64 / capacity;
    let slower = result.quantile(0.99) / service.unloaded(0.99);
    let lost = result.shed[0] as f64 / result.offered[0].max(1) as f64;
    let told = service.limiter.decision();
    let seen = format!("{what}: goodput {goodput:.3}, {slower:.2} times as slow, lost {:?}, {told:?}", result.shed);
    assert!(goodput >= 0.9, "{seen}");
    // with two at a time the limit is at least three
    assert!(slower <= if servers > 2 { 3.0 } else { 3.5 }, "{seen}");
    // what matters most is a third of what the backends can do
    assert!(result.shed[0] == 0 || servers == 2 || kind == Work::Exponential, "{seen}");
    assert!(lost <= 0.01, "{seen}");
}

#[test]
fn the_latency_without_load_does_not_drift_in_long_overload() {
    let mut service = Service::new(8, Duration::from_millis(20), Work::Exponential, 3);
    let load = Load { offered: 2.0, shares: NORMAL };
    service.run(20 * SECOND, load);
    for _ in 0..10 {
        let mut result = service.run(120 * SECOND, load);
        let unloaded = service.limiter.decision().unloaded.unwrap().as_secs_f64();
        // the mean of the fastest nineteen in twenty of an exponential distribution is 0.84 of its mean
        assert!((0.6..1.3).contains(&(unloaded / 0.0168)), "{unloaded}");
        assert!(result.quantile(0.99) <= 3.0 * service.unloaded(0.99));
    }
}

#[test]
fn after_hours_of_little_work_a_rush_is_met_with_a_limit_that_fits() {
    let mut service = Service::new(8, Duration::from_millis(20), Work::Exponential, 5);
    let quiet = service.run(3_600 * SECOND, Load { offered: 0.3, shares: NORMAL });
    assert_eq!(quiet.shed, [0; 3], "nothing is refused");
    assert!(quiet.greatest_limit <= 40, "{}", quiet.greatest_limit);
    let mut result = service.run(5 * SECOND, Load { offered: 3.0, shares: NORMAL });
    assert!(result.quantile(0.99) <= 3.5 * service.unloaded(0.99), "{}", result.quantile(0.99));
}

#[test]
fn a_busy_service_that_keeps_up_is_left_alone() {
    let mut service = Service::new(16, Duration::from_millis(10), Work::Exponential, 9);
    service.run(30 * SECOND, Load { offered: 0.2, shares: NORMAL });
    let result = service.run(600 * SECOND, Load { offered: 0.8, shares: NORMAL });
    let share = result.shed[1] as f64 / result.offered[1] as f64;
    assert!(share < 0.002, "{share}: {:?}", service.limiter.decision());
}

#[test]
fn who_matters_more_is_served_while_others_give_way() {
    let mut service = Service::new(20, Duration::from_millis(10), Work::Exponential, 11);
    // a sixth of 3 times the capacity is half of it
    let load = Load { offered: 3.0, shares: [1.0 / 6.0, 2.0 / 6.0, 3.0 / 6.0] };
    service.run(20 * SECOND, load);
    let result = service.run(60 * SECOND, load);
    let [high, normal, low] = [0, 1, 2].map(|at| result.shed[at] as f64 / result.offered[at] as f64);
    assert!(high < 0.001, "{high}");
    assert!(normal < low && low > 0.9, "{normal} {low}");
}

#[test]
fn backends_that_are_lost_and_come_back_are_followed() {
    let mut service = Service::new(20, Duration::from_millis(10), Work::Exponential, 13);
    let load = |servers: f64| Load { offered: 1.5 * 20.0 / servers, shares: NORMAL };
    service.run(20 * SECOND, load(20.0));
    service.servers = 5;
    service.run(10 * SECOND, load(5.0));
    let mut fewer = service.run(30 * SECOND, load(5.0));
    assert!(fewer.quantile(0.99) <= 3.5 * service.unloaded(0.99), "{}", fewer.quantile(0.99));
    service.servers = 20;
    service.run(10 * SECOND, load(20.0));
    let more = service.run(30 * SECOND, load(20.0));
    assert!(more.latencies.len() as f64 >= 0.9 * 30.0 * 20.0 / 0.01, "{}", more.latencies.len());
}

#[test]
fn a_service_that_has_become_slow_by_itself_is_kept_busy() {
    let mut service = Service::new(8, Duration::from_millis(10), Work::Exponential, 15);
    service.run(30 * SECOND, Load { offered: 0.5, shares: NORMAL });
    service.work *= 8.0;
    service.run(10 * SECOND, Load { offered: 2.0, shares: NORMAL });
    let after = service.run(30 * SECOND, Load { offered: 2.0, shares: NORMAL });
    let goodput = after.latencies.len() as f64 / (30.0 * 8.0 / 0.080);
    assert!(goodput >= 0.9, "{goodput:.3}: {:?}", service.limiter.decision());
}
