//! Random histories: backends fail and recover, hooks help, fail, hang and make things worse, people interfere, the configuration changes, the
//! process is killed. After each step everything that has to hold is checked by [`Watch`], which knows nothing of the brakes.

use std::collections::{BTreeMap, VecDeque};

use super::super::*;
use super::bench::describe;
use super::watch::{Seen, Watch};
use crate::detect::fault::Fault;
use crate::recover::attempt::Phase;
use crate::recover::plan::{Destination, Limits, StrategyPlan};
use crate::recover::scene::{BackendScene, Measure, Trouble};

/// The milliseconds from one look to the next: now and then the driver is late.
const TICK: std::ops::RangeInclusive<u64> = 100..=600;

/// What will come of a command.
#[derive(Debug)]
struct Command {
    run: Run,
    /// When it ends; `None` = it hangs until it is killed.
    ends: Option<Moment>,
    ok: bool,
    effect: Effect,
}

#[derive(Debug, Clone, Copy)]
enum Effect {
    None,
    Heals,
    BreaksAnother,
    DeletesItself,
    AddsOne,
    RemovesOne,
}

/// A world with one service.
struct Simulation {
    random: fastrand::Rng,
    now: Moment,
    at: Stamp,
    scene: Scene,
    plan: Arc<Plan>,
    coordinator: Coordinator,
    learned: Learned,
    next_id: i64,
    next_run: u64,
    paused: bool,
    watch: Watch,
    commands: Vec<Command>,
    /// What the ledger will say, and when.
    entries: VecDeque<(Moment, Attempt, Option<bool>)>,
    ledger: BTreeMap<i64, Attempt>,
    names: u32,
    /// How often each outcome was seen, and each kind of order.
    outcomes: BTreeMap<&'static str, u32>,
}

impl Simulation {
    fn new(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let plan = Arc::new(plan(&mut random));
        let mut simulation = Self {
            now: Moment::from_millis(1 << 41),
            at: Stamp::from_millis(1_800_000_000_000),
            scene: Scene { usable_services: vec!["other".into()], ..Scene::default() },
            coordinator: Coordinator::new("api".into(), plan.clone()),
            plan,
            learned: Learned::default(),
            next_id: 1,
            next_run: 1,
            paused: false,
            watch: Watch::default(),
            commands: Vec::new(),
            entries: VecDeque::new(),
            ledger: BTreeMap::new(),
            names: 0,
            outcomes: BTreeMap::new(),
            random,
        };
        for _ in 0..simulation.random.usize(1..9) {
            simulation.add();
        }
        simulation
    }

    fn chance(&mut self, one_in: u32) -> bool {
        self.random.u32(0..one_in) == 0
    }

    fn add(&mut self) {
        self.names += 1;
        let id = format!("b{}", self.names).into();
        let zone = ["a", "b"][self.random.usize(0..2)].into();
        let backup = self.chance(4);
        let (well_since, is_checked) = (Some(self.now), self.random.bool());
        let known = BackendScene { id, zone, backup, usable: true, is_checked, well_since, ..Default::default() };
        self.scene.backends.push(known);
    }

    fn pick(&mut self) -> Option<usize> {
        let all = self.scene.backends.len();
        (all > 0).then(|| self.random.usize(0..all))
    }

    fn trouble(&mut self) -> Trouble {
        let fault = Fault::ALL[self.random.usize(0..7)];
        Trouble { fault, since: self.now, confidence: 0.9, votes: Arc::new([("peers".into(), "because".into())]) }
    }

    fn ail(&mut self, at: usize) {
        let trouble = self.trouble();
        let usable = !matches!(trouble.fault, Fault::Unresponsive | Fault::HardwareFailure) && !self.chance(4);
        let backend = &mut self.scene.backends[at];
        backend.usable = usable && !backend.taken_out;
        let since = backend.trouble.as_ref().map_or(trouble.since, |before| before.since);
        (backend.trouble, backend.well_since) = (Some(Trouble { since, ..trouble }), None);
    }

    fn heal(&mut self, at: usize) {
        let backend = &mut self.scene.backends[at];
        (backend.trouble, backend.usable) = (None, !backend.taken_out);
        backend.well_since = backend.usable.then_some(self.now);
    }

    /// What happens without the coordinator.
    fn fate(&mut self) {
        if let Some(at) = self.pick() {
            match self.random.u32(0..400) {
                0..4 => self.ail(at),
                4..7 => self.heal(at),
                7..10 => {
                    let out = !self.scene.backends[at].taken_out && self.chance(8);
                    self.scene.backends[at].taken_out = out;
                    self.heal(at);
                }
                10 if self.chance(2) => self.scene.backends[at].explained = Some("a deploy".into()),
                10..13 => self.scene.backends[at].explained = None,
                13 if self.scene.backends.len() > 1 => _ = self.scene.backends.remove(at),
                14 if self.scene.backends.len() < 10 => self.add(),
                15 if self.chance(4) => self.scene.backends.clear(),
                _ => {}
            }
        } else {
            self.add();
        }
        match self.random.u32(0..500) {
            20..23 => self.scene.in_maintenance = true,
            23..53 => self.scene.in_maintenance = false,
            2..4 => self.scene.trouble = Some(self.trouble()),
            4..10 => self.scene.trouble = None,
            10 => self.scene.explained = Some("a reload".into()),
            11..14 => self.scene.explained = None,
            14 => self.scene.usable_services.clear(),
            15 => self.scene.usable_services = vec!["other".into()],
            _ => {}
        }
        for at in 0..self.scene.backends.len() {
            let drained = self.watch.drained.contains_key(&self.scene.backends[at].id);
            let most = if drained { 2 } else { 30 };
            self.scene.backends[at].in_flight = self.random.u32(0..most);
            self.scene.backends[at].ended += self.random.u64(0..5);
        }
        let ill = self.scene.backends.iter().filter(|backend| backend.trouble.is_some()).count() as u64;
        let failed = self.random.u64(0..10) + ill * self.random.u64(0..100);
        self.scene.measure =
            Measure { requests: 1000, failed: failed.min(1000), mean: Duration::from_millis(5 + 20 * ill) };
        let Measure { requests, failed, .. } = self.scene.measure;
        self.scene.total.requests += requests / 50;
        self.scene.total.failed += failed / 50;
    }

    /// What people do.
    fn people(&mut self) {
        match self.random.u32(0..1000) {
            0 => self.paused = true,
            1..14 => self.paused = false,
            14 => {
                self.plan = Arc::new(plan(&mut self.random));
                self.coordinator.set_plan(self.plan.clone());
            }
            _ => {}
        }
        let known: Vec<i64> = self.coordinator.running().chain(self.coordinator.in_force()).map(|one| one.id).collect();
        for id in known {
            _ = match self.random.u32(0..400) {
                0..40 => self.coordinator.approve(id, "ada"),
                40..42 => self.coordinator.refuse(id, "ada"),
                42 => self.coordinator.stop(id, "ada"),
                43..46 => self.coordinator.undo(id, "ada"),
                _ => Ok(()),
            };
        }
    }

    /// What comes of commands, and of the ledger.
    fn outcome(&mut self) {
        while self.entries.front().is_some_and(|(when, ..)| *when <= self.now) {
            let Some((_, record, kept)) = self.entries.pop_front() else { break };
            if kept != Some(false) {
                self.ledger.insert(record.id, record.clone());
            }
            if let Some(kept) = kept {
                if kept {
                    self.watch.keep(record.id);
                }
                self.coordinator.entered(record.id, kept);
            }
        }
        let now = self.now;
        let is_over = |command: &Command| command.ends.is_some_and(|ends| ends <= now);
        let (over, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut self.commands).into_iter().partition(is_over);
        self.commands = rest;
        for command in over {
            if command.ok {
                self.take_effect(&command);
            }
            self.watch.ended(&command.run);
            let report = ActReport { ok: command.ok, ..Default::default() };
            self.coordinator.finished(&command.run, report);
        }
    }

    fn take_effect(&mut self, command: &Command) {
        let subject = self.scene.backends.iter().position(|backend| Some(&backend.id) == command.run.backend.as_ref());
        match (command.effect, subject, self.pick()) {
            (Effect::Heals, Some(at), _) => self.heal(at),
            (Effect::Heals, None, _) => self.scene.trouble = None,
            (Effect::BreaksAnother, _, Some(at)) => self.ail(at),
            (Effect::DeletesItself, Some(at), _) => _ = self.scene.backends.remove(at),
            (Effect::AddsOne, ..) => self.add(),
            (Effect::RemovesOne, _, Some(at)) => _ = self.scene.backends.remove(at),
            _ => {}
        }
    }

    fn obey(&mut self, orders: Vec<Order>) {
        for order in orders {
            if let Some(kind) = kind(&order) {
                *self.outcomes.entry(kind).or_default() += 1;
            }
            match order {
                Order::Enter { attempt, must_be_kept } => {
                    let answer = must_be_kept.then(|| !self.chance(30));
                    let delay = if self.chance(50) { 20_000 } else { self.random.u64(0..300) };
                    let when = self.now.plus(Duration::from_millis(delay));
                    if attempt.phase == Phase::Ended {
                        *self.outcomes.entry(attempt.outcome.unwrap().as_str()).or_default() += 1;
                    }
                    self.entries.push_back((when, *attempt, answer));
                }
                Order::Run(run) => {
                    let effect = match run.role {
                        Role::Down => Effect::RemovesOne,
                        Role::Undo => Effect::None,
                        Role::Act => [
                            Effect::Heals,
                            Effect::Heals,
                            Effect::AddsOne,
                            Effect::None,
                            Effect::BreaksAnother,
                            Effect::DeletesItself,
                        ][self.random.usize(0..6)],
                    };
                    let time = Duration::from_millis(self.random.u64(0..8000));
                    let ends = (!self.chance(10)).then(|| self.now.plus(time));
                    let ok = !self.chance(5);
                    self.commands.push(Command { run, ends, ok, effect });
                }
                Order::Kill { attempt } => {
                    let killed = self.commands.iter_mut().filter(|command| command.run.attempt == attempt);
                    let dies = Duration::from_millis(self.random.u64(0..3000));
                    killed.for_each(|command| (command.ends, command.ok) = (Some(self.now.plus(dies)), false));
                }
                _ => {}
            }
        }
    }

    fn look(&mut self, orders: &[Order]) {
        let Self { now, scene, plan, paused, .. } = self;
        self.watch.look(orders, &Seen { now: *now, scene, plan, paused: *paused });
    }

    fn crash(&mut self) {
        self.entries.clear();
        self.commands.clear();
        self.watch.crash(&self.ledger);
        self.at = self.at.plus(-self.random.i64(0..2000));
        self.coordinator = Coordinator::new("api".into(), self.plan.clone());
        self.next_id = self.ledger.keys().next_back().map_or(1, |last| last + 1);
        let attempts: Vec<Attempt> = self.ledger.values().cloned().collect();
        let orders = self.coordinator.recall(&attempts, true, self.now, self.at);
        assert!(
            orders.iter().all(|order| matches!(order, Order::Enter { .. } | Order::Tell(_) | Order::FailOver { .. }))
        );
        self.look(&orders);
        assert_eq!(self.watch.open(), [0_i64; 0], "all are closed");
        self.obey(orders);
    }

    fn step(&mut self) {
        // most of the time nothing happens for long
        let idle = self.watch.open().is_empty() && self.chance(20);
        let millis = if idle { self.random.u64(0..600_000) } else { self.random.u64(TICK) };
        self.now = self.now.plus(Duration::from_millis(millis));
        self.at = self.at.plus(millis as i64);
        self.fate();
        self.people();
        self.outcome();
        if self.chance(2000) {
            self.crash();
        }
        self.turn();
        let running: Vec<i64> = self.coordinator.running().map(|attempt| attempt.id).collect();
        let mut open = self.watch.open();
        open.sort_unstable();
        let mut known = running.clone();
        known.sort_unstable();
        assert_eq!(known, open, "what runs is what was entered and not ended");
        assert!(self.watch.drained.values().all(|attempt| running.contains(attempt)), "drained for nobody");
    }

    fn turn(&mut self) {
        let mut world = World {
            learned: &mut self.learned,
            random: &mut self.random,
            next_id: &mut self.next_id,
            next_run: &mut self.next_run,
            paused: self.paused,
            unkept: None,
            not_leader: None,
            describe: &describe,
        };
        let orders = self.coordinator.step(self.now, self.at, &self.scene, &mut world);
        self.look(&orders);
        self.obey(orders);
    }

    /// In a pause all ends at once, and when the service is gone nothing is left in force.
    fn finish(&mut self) {
        self.paused = true;
        self.turn();
        assert_eq!(self.coordinator.running().count(), 0);
        assert!(self.watch.open().is_empty() && self.watch.drained.is_empty());
        let orders = self.coordinator.retire(self.now, self.at);
        self.look(&orders);
        assert!(self.watch.failed_over.is_empty(), "{:?}", self.watch.failed_over);
        assert!(self.watch.records.values().all(|record| !record.in_force));
    }
}

/// What a history should have had of each.
fn kind(order: &Order) -> Option<&'static str> {
    match order {
        Order::Enter { attempt, .. } if attempt.phase == Phase::Proposed => Some("propose"),
        Order::Drain { .. } => Some("drain"),
        Order::Return { .. } => Some("return"),
        Order::Run(run) => Some(run.role.as_str()),
        Order::Kill { .. } => Some("kill"),
        Order::FailOver { .. } => Some("fail over"),
        Order::FailBack { .. } => Some("fail back"),
        Order::Break { .. } => Some("break"),
        Order::Cut { .. } => Some("cut"),
        Order::Mend { .. } => Some("mend"),
        Order::Enter { .. } | Order::HurryChecks { .. } | Order::Tell(_) => None,
    }
}

/// Any plan that the configuration allows.
fn plan(random: &mut fastrand::Rng) -> Plan {
    let seconds = |random: &mut fastrand::Rng, most: u64| Duration::from_millis(random.u64(0..=1000 * most));
    let kinds = |random: &mut fastrand::Rng| {
        let path = random.bool().then(|| Arc::from("/a"));
        let to = [Destination::Backups, Destination::Service("other".into()), Destination::Zone("a".into())];
        let has_down = random.bool();
        [
            StrategyKind::Restart { drain: seconds(random, 10) },
            StrategyKind::Failover { to: to[random.usize(0..3)].clone(), back_after: seconds(random, 10) },
            StrategyKind::ScaleUp { max_instances: random.usize(1..10), has_down, down_after: seconds(random, 60) },
            StrategyKind::CircuitBreak { path, open_for: seconds(random, 30) },
            StrategyKind::Custom { drain: random.bool().then(|| Duration::from_secs(3)) },
        ]
    };
    let kinds: Vec<StrategyKind> = kinds(random).into_iter().filter(|_| random.u32(0..4) > 0).collect();
    let strategy = |kind: StrategyKind, random: &mut fastrand::Rng| StrategyPlan {
        name: kind.as_str().into(),
        on: Fault::ALL.into_iter().filter(|_| random.u32(0..3) > 0).collect(),
        attempts: random.u32(1..4),
        delay: seconds(random, 10),
        within: seconds(random, 20) + Duration::from_millis(1),
        prior: 0.5,
        has_undo: random.bool(),
        kind,
    };
    let strategies = kinds.into_iter().map(|kind| strategy(kind, random)).collect();
    let limits = Limits {
        cool_down: Duration::from_secs(1) + seconds(random, 20),
        max_at_once: random.usize(1..4),
        max_disrupted: [0.2, 0.34, 0.5, 1.0][random.usize(0..4)],
        max_unhealthy: [0.0, 0.4, 0.7, 1.0][random.usize(0..4)],
        per_hour: [0, 3, 10, 100][random.usize(0..4)],
    };
    Plan { strategies, limits, dry_run: random.u32(0..8) == 0, ask: random.u32(0..5) == 0 }
}

/// Plays histories of a thousand steps each.
fn play(steps: u64) -> BTreeMap<&'static str, u32> {
    let mut outcomes = BTreeMap::new();
    for seed in 0..steps / 1000 {
        let mut simulation = Simulation::new(seed);
        for step in 0..1000 {
            let played = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| simulation.step()));
            assert!(played.is_ok(), "seed {seed}, step {step}");
        }
        simulation.finish();
        simulation.outcomes.into_iter().for_each(|(outcome, count)| *outcomes.entry(outcome).or_default() += count);
    }
    outcomes
}

#[test]
fn no_invariant_is_broken_in_any_of_many_random_histories() {
    let seen = play(20_000);
    assert!(seen.len() >= 17, "{seen:?}");
}

#[test]
#[expect(clippy::print_stdout, reason = "who asks for it wants to see what came about")]
#[ignore = "takes a minute"]
fn no_invariant_is_broken_in_a_million_steps() {
    println!("{:?}", play(1_200_000));
}
