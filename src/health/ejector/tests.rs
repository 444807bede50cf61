use std::cell::Cell;

use super::*;
use crate::detect::fault::{Detector, Subject};
use crate::endpoint::breaker::Circuit;
use crate::endpoint::standing::{Health, Override};
use crate::endpoint::{Target, testing};
use crate::policy::LatencyRule;

const POLICY: Outlier = Outlier {
    consecutive_failures: 5,
    error_rate: 0.5,
    latency: LatencyRule::Auto,
    window: Duration::from_secs(10),
    min_requests: 20,
    eject_for: Duration::from_secs(10),
    max_eject_for: Duration::from_secs(300),
    max_ejected: 0.5,
};

/// Three backends, what each has done, and the time.
struct World {
    ejector: Ejector,
    backends: Vec<Arc<Endpoint>>,
    totals: [RequestCounts; 3],
    suspicion: [f64; 3],
    /// How many backends were looked at.
    looks: Cell<u32>,
    now: Moment,
}

struct Counted<'a> {
    totals: [RequestCounts; 3],
    suspicion: [f64; 3],
    accusation: Option<Vote>,
    looks: &'a Cell<u32>,
}

impl Evidence for Counted<'_> {
    fn suspicion(&self, _: usize, backend: usize) -> f64 {
        self.suspicion[backend]
    }

    fn seems_to_hang(&self, _: usize, backend: usize) -> bool {
        self.suspicion[backend] >= 0.9
    }

    fn accusation(&self, _: usize, backend: usize) -> Option<&Vote> {
        self.accusation.as_ref().filter(|_| self.suspicion[backend] >= 1.0)
    }

    fn attempts(&self, _: usize) -> u64 {
        self.totals.iter().map(|counts| counts.requests).sum()
    }

    fn counts(&self, _: usize, backend: usize) -> RequestCounts {
        self.looks.set(self.looks.get() + 1);
        self.totals[backend]
    }
}

fn backend(id: &str) -> Arc<Endpoint> {
    Arc::new(Endpoint {
        key: 0,
        id: id.into(),
        service: "api".into(),
        name: String::new(),
        target: Target::Unix(id.into()),
        addresses: Arc::default(),
        outbound: None,
        host: String::new(),
        weight: 1,
        max_connections: 0,
        backup: false,
        zone: String::new(),
        draining: false,
        live: Arc::default(),
    })
}

impl World {
    fn new() -> Self {
        let backends = ["a", "b", "c"].map(backend).to_vec();
        let mut ejector = Ejector::default();
        ejector.update(service(backends.clone()));
        let mut world = Self {
            ejector,
            backends,
            totals: Default::default(),
            suspicion: Default::default(),
            looks: Cell::default(),
            now: Moment::from_millis(1 << 40),
        };
        assert_eq!(world.tick(), [] as [&str; 0]);
        world
    }

    /// A tick, and what came of it: `-b` is out, `+b` is in again.
    fn tick(&mut self) -> Vec<String> {
        self.now = self.now.plus(TICK);
        let vote = Vote {
            detector: Detector::Peers,
            subject: Subject::Backend(0),
            fault: Fault::Unresponsive,
            confidence: 0.9,
            reason: "12 requests wait in vain".to_owned(),
        };
        let (totals, suspicion) = (self.totals, self.suspicion);
        let evidence = Counted { totals, suspicion, accusation: Some(vote), looks: &self.looks };
        let events = self.ejector.tick(self.now, &evidence);
        let shown = |event: &EjectionChange| format!("{}{}", if event.ejected.is_some() { '-' } else { '+' }, event.id);
        events.iter().map(shown).collect()
    }

    /// Ticks until something comes of one; gives back what, and how long it took.
    fn until_an_event(&mut self) -> (Vec<String>, Duration) {
        let began = self.now;
        for _ in 0..10_000 {
            let events = self.tick();
            if !events.is_empty() {
                return (events, self.now.since(began));
            }
        }
        panic!("nothing happens");
    }

    fn fail(&mut self, at: usize, times: u32) {
        for _ in 0..times {
            self.totals[at].requests += 1;
            self.backends[at].live.failure_streak.record(true);
        }
    }

    /// How many backends the next ticks look at.
    fn looks(&mut self, ticks: u32) -> u32 {
        let before = self.looks.get();
        for _ in 0..ticks {
            assert_eq!(self.tick(), [] as [&str; 0]);
        }
        self.looks.get() - before
    }
}

fn service(backends: Vec<Arc<Endpoint>>) -> Vec<WatchedService> {
    vec![WatchedService { name: "api".into(), policy: POLICY, backends }]
}

fn moment(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn it_is_out_for_longer_each_time_until_it_has_been_well_for_long() {
    let mut world = World::new();
    for seconds in [10, 20, 30] {
        world.fail(1, 5);
        assert_eq!(world.tick(), ["-b"]);
        assert!(world.backends[1].live.standing.is_ejected(world.now));
        // what was under way fails after it has gone
        world.fail(1, 5);
        assert_eq!(world.until_an_event(), (vec!["+b".to_owned()], moment(seconds)));
        assert_eq!(world.backends[1].live.standing.joined(), world.now, "slow start begins");
    }
    for _ in 0..1001 {
        assert_eq!(world.tick(), [] as [&str; 0]);
    }
    world.fail(1, 5);
    assert_eq!(world.tick(), ["-b"]);
    assert_eq!(world.until_an_event().1, moment(10));
}

#[test]
fn failures_from_before_a_backend_went_down_are_not_counted_when_it_comes_back() {
    let mut world = World::new();
    let standing = |world: &World| Arc::clone(&world.backends[0].live);
    standing(&world).standing.set_health(Health::Down, "");
    world.totals[0] = RequestCounts { requests: 40, failures: 40, elapsed: moment(1) };
    assert_eq!(world.tick(), [] as [&str; 0], "it gets no work anyway");
    standing(&world).standing.set_health(Health::Up, "");
    standing(&world).standing.join(world.now);
    assert_eq!(world.tick(), [] as [&str; 0]);
    world.totals[0] = RequestCounts { requests: 80, failures: 80, elapsed: moment(1) };
    assert_eq!(world.tick(), ["-a"], "but those from since then");
}

#[test]
fn failures_from_before_an_ejection_are_not_counted_again_after_it() {
    let mut world = World::new();
    world.totals[2] = RequestCounts { requests: 40, failures: 30, elapsed: moment(1) };
    assert_eq!(world.tick(), ["-c"]);
    world.totals[2] = RequestCounts { requests: 80, failures: 70, elapsed: moment(2) };
    assert_eq!(world.until_an_event().0, ["+c"]);
    for _ in 0..20 {
        assert_eq!(world.tick(), [] as [&str; 0]);
    }
}

#[test]
fn an_ejection_that_somebody_ends_is_noticed() {
    let mut world = World::new();
    world.fail(0, 5);
    assert_eq!(world.tick(), ["-a"]);
    world.backends[0].live.standing.readmit();
    assert_eq!(world.tick(), ["+a"]);
}

#[test]
fn what_stays_is_kept_over_an_update_and_what_nobody_watches_is_let_in() {
    let mut world = World::new();
    world.fail(0, 5);
    assert_eq!(world.tick(), ["-a"]);
    world.ejector.update(service(world.backends.clone()));
    assert_eq!(world.until_an_event(), (vec!["+a".to_owned()], moment(10)));
    world.fail(0, 5);
    assert_eq!(world.tick(), ["-a"]);
    world.ejector.update(Vec::new());
    assert!(!world.backends[0].live.standing.is_ejected(world.now));
}

#[test]
fn what_is_down_or_not_wanted_is_not_ejected_on_top() {
    let mut world = World::new();
    (0..3).for_each(|at| world.fail(at, 9));
    world.backends[0].live.standing.set_health(Health::Down, "");
    world.backends[1].live.standing.set_operator(Override::Drained, "");
    assert_eq!(world.tick(), [] as [&str; 0], "and the third is the last one");
    world.backends[1].live.standing.set_operator(Override::Configured, "");
    assert_eq!(world.tick().len(), 1);
}

#[test]
fn nobody_is_looked_at_while_nothing_is_under_way() {
    let mut world = World::new();
    assert_eq!(world.looks(100), 3, "the second look is the last");
    world.totals[1].requests += 1;
    let seconds = |looks: u32| looks / 3 / 10;
    assert_eq!(seconds(world.looks(1000)), 10, "for as long as the window shows it");
    assert_eq!(world.looks(100), 0);
    world.fail(2, 5);
    assert_eq!(world.tick(), ["-c"]);
    assert_eq!(world.until_an_event(), (vec!["+c".to_owned()], moment(10)));
    assert_eq!(world.looks(2), 6, "its ejections are not forgotten yet");
    world.ejector.update(service(world.backends.clone()));
    assert_eq!(world.looks(3), 9, "nor after an update");
}

#[test]
fn what_moves_within_its_service_is_kept_as_well() {
    let mut world = World::new();
    world.fail(2, 5);
    assert_eq!(world.tick(), ["-c"]);
    let moved = [2, 0].map(|at: usize| world.backends[at].clone()).to_vec();
    world.ejector.update(service(moved));
    world.totals = [world.totals[2], world.totals[0], world.totals[1]];
    assert_eq!(world.until_an_event(), (vec!["+c".to_owned()], moment(10)));
}

#[test]
fn what_is_suspect_gets_less_work_and_comes_back_by_a_trickle() {
    let mut world = World::new();
    let share = |world: &World| world.backends[1].live.standing.share();
    let hangs = |world: &World| world.backends[1].live.hangs();
    for (suspicion, work) in [(0.4, 1000), (0.6, 500), (0.8, 250), (0.3, 1000)] {
        world.suspicion[1] = suspicion;
        assert_eq!(world.tick(), [] as [&str; 0]);
        assert_eq!(share(&world), work);
    }
    assert_eq!(hangs(&world), 0);
    world.suspicion[1] = 0.95;
    for _ in 0..3 {
        assert_eq!(world.tick(), [] as [&str; 0]);
        assert_eq!(hangs(&world), 1, "what waits for its answer is told, once");
    }
    world.suspicion[1] = 1.0;
    assert_eq!(world.tick(), ["-b"]);
    assert_eq!(hangs(&world), 2, "and so is what has come since");
    world.suspicion[1] = 0.0;
    assert_eq!(world.until_an_event(), (vec!["+b".to_owned()], moment(10)));
    assert_eq!(share(&world), 50);
    for _ in 0..50 {
        assert_eq!(world.tick(), [] as [&str; 0]);
    }
    assert_eq!(share(&world), 1000);
}

#[test]
fn a_circuit_that_recovery_held_open_comes_back_by_a_trickle_and_closed() {
    let mut world = World::new();
    let policy = crate::policy::Breaker { failures: 1, ..testing::breaker() };
    let live = Arc::clone(&world.backends[1].live);
    world.fail(1, 1);
    let permit = live.breaker.admit(&policy, world.now).unwrap();
    live.breaker.record(permit, true, &policy, world.now).unwrap();
    live.standing.break_for(world.now.plus(moment(3)), "half of its answers failed");
    assert_eq!(world.until_an_event(), (vec!["+b".to_owned()], moment(3)));
    assert_eq!(live.standing.share(), 50);
    assert_eq!((live.standing.joined(), live.failure_streak.consecutive()), (world.now, 0));
    assert_eq!(live.breaker.state(&policy, world.now), Circuit::Closed);
    assert_eq!(live.standing.ejections(), 0);

    live.standing.break_for(world.now.plus(moment(3)), "half of its answers failed");
    assert_eq!(world.tick(), [] as [&str; 0]);
    live.standing.mend();
    assert_eq!(world.tick(), ["+b"]);
}

#[test]
fn a_backend_that_is_started_anew_is_out_no_longer() {
    let mut world = World::new();
    world.fail(0, 5);
    assert_eq!(world.tick(), ["-a"]);
    world.backends[0].live.restarted(world.now);
    assert_eq!(world.tick(), ["+a"]);
    assert_eq!(world.backends[0].live.standing.share(), 50);
}
