//! A service with three backends, and a clock that is moved by hand.

use super::super::*;
use crate::detect::fault::Fault;
use crate::recover::order::{Circuit, Notice};
use crate::recover::plan::{Destination, Limits, StrategyPlan};
use crate::recover::scene::{BackendScene, Measure, Trouble};

/// See the module.
pub(super) struct Bench {
    pub(super) now: Moment,
    pub(super) at: Stamp,
    pub(super) scene: Scene,
    pub(super) coordinator: Coordinator,
    pub(super) learned: Learned,
    pub(super) paused: bool,
    /// Why the ledger can't be written.
    pub(super) unkept: Option<&'static str>,
    /// Why another instance acts.
    pub(super) not_leader: Option<&'static str>,
    /// What the ledger says of what must be kept; `None` = nothing.
    pub(super) keeps: Option<bool>,
    /// The attempts, as they were entered last.
    pub(super) ledger: Vec<Attempt>,
    pub(super) next_id: i64,
    next_run: u64,
    /// What was run, the newest last.
    pub(super) runs: Vec<Run>,
    random: fastrand::Rng,
}

/// A strategy of this kind against all faults.
pub(super) fn strategy(kind: StrategyKind) -> StrategyPlan {
    StrategyPlan {
        name: kind.as_str().into(),
        kind,
        on: Fault::ALL.to_vec(),
        attempts: 3,
        delay: secs(5),
        within: secs(30),
        prior: 0.5,
        has_undo: false,
    }
}

pub(super) fn restart() -> StrategyPlan {
    strategy(StrategyKind::Restart { drain: secs(10) })
}

pub(super) fn failover() -> StrategyPlan {
    strategy(StrategyKind::Failover { to: Destination::Backups, back_after: secs(30) })
}

pub(super) fn scale_up() -> StrategyPlan {
    strategy(StrategyKind::ScaleUp { max_instances: 5, has_down: true, down_after: secs(60) })
}

pub(super) fn circuit_break(path: Option<&str>) -> StrategyPlan {
    strategy(StrategyKind::CircuitBreak { path: path.map(Arc::from), open_for: secs(30) })
}

/// What the configuration has for a run.
pub(super) fn describe(run: &Run) -> Option<String> {
    Some(format!("{} {}", run.role.as_str(), run.backend.as_deref().unwrap_or("-")))
}

/// The limits that the configuration gives where it says nothing.
pub(super) fn plan(strategies: &[StrategyPlan]) -> Plan {
    let limits = Limits { cool_down: secs(60), max_at_once: 1, max_disrupted: 0.34, max_unhealthy: 0.4, per_hour: 10 };
    Plan { strategies: strategies.to_vec(), limits, dry_run: false, ask: false }
}

pub(super) fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

impl Bench {
    /// The backends `a`, `b` and `c`, all well and idle.
    pub(super) fn new(plan: Plan) -> Self {
        let now = Moment::from_millis(1 << 41);
        let backend = |id: &str| BackendScene {
            id: id.into(),
            usable: true,
            is_checked: true,
            well_since: Some(now),
            ..Default::default()
        };
        let measure = Measure { requests: 1000, failed: 0, mean: Duration::from_millis(5) };
        Self {
            now: now.plus(secs(60)),
            at: Stamp::from_millis(1_800_000_000_000),
            scene: Scene { backends: ["a", "b", "c"].map(backend).to_vec().into(), measure, ..Default::default() },
            coordinator: Coordinator::new("api".into(), Arc::new(plan)),
            learned: Learned::default(),
            paused: false,
            unkept: None,
            not_leader: None,
            keeps: Some(true),
            ledger: Vec::new(),
            next_id: 1,
            next_run: 1,
            runs: Vec::new(),
            random: fastrand::Rng::with_seed(1),
        }
    }

    pub(super) fn backend(&mut self, id: &str) -> &mut BackendScene {
        self.scene.backends.iter_mut().find(|backend| &*backend.id == id).unwrap()
    }

    pub(super) fn trouble(&self, fault: Fault) -> Trouble {
        Trouble { fault, since: self.now, confidence: 0.9, votes: Arc::new([("peers".into(), "because".into())]) }
    }

    /// The backend answers nothing from now on.
    pub(super) fn dies(&mut self, id: &str) {
        let trouble = Some(self.trouble(Fault::Unresponsive));
        let backend = self.backend(id);
        (backend.trouble, backend.usable, backend.well_since) = (trouble, false, None);
    }

    /// The backend works, and badly.
    pub(super) fn ails(&mut self, id: &str, fault: Fault) {
        let trouble = Some(self.trouble(fault));
        let backend = self.backend(id);
        (backend.trouble, backend.well_since) = (trouble, None);
    }

    pub(super) fn recovers(&mut self, id: &str) {
        let now = self.now;
        let backend = self.backend(id);
        (backend.trouble, backend.usable, backend.well_since) = (None, true, Some(now));
    }

    /// The service as a whole is in trouble.
    pub(super) fn suffers(&mut self, fault: Fault) {
        self.scene.trouble = Some(self.trouble(fault));
    }

    pub(super) fn joins(&mut self, id: &str, backup: bool) {
        let well_since = Some(self.now);
        self.scene.backends.push(BackendScene {
            id: id.into(),
            backup,
            usable: true,
            well_since,
            ..Default::default()
        });
    }

    /// Of a thousand requests, so many fail.
    pub(super) fn fails(&mut self, failed: u64) {
        self.scene.measure.failed = failed;
    }

    /// There are so many requests in five seconds.
    pub(super) fn asks(&mut self, requests: u64) {
        self.scene.measure.requests = requests;
    }

    /// What was run last for this attempt and this role ends.
    pub(super) fn finishes(&mut self, attempt: i64, role: Role, ok: bool) {
        let is_it = |run: &&Run| (run.attempt, run.role) == (attempt, role);
        let run = self.runs.iter().rfind(is_it).unwrap().clone();
        self.reports(&run, ok);
    }

    pub(super) fn reports(&mut self, run: &Run, ok: bool) {
        let error = if ok { String::new() } else { "exit code 1".into() };
        self.coordinator.finished(run, ActReport { ok, error, ..Default::default() });
    }

    /// Looks at the scene at once, without time that passes. Returns the orders in words, without entries.
    pub(super) fn look(&mut self) -> Vec<String> {
        // the measure is of five seconds, and a look is a tenth of one
        self.scene.total.requests += self.scene.measure.requests / 50;
        self.scene.total.failed += self.scene.measure.failed / 50;
        let ended = self.scene.measure.requests / 150;
        self.scene.backends.iter_mut().filter(|backend| backend.usable).for_each(|backend| backend.ended += ended);
        let mut world = World {
            learned: &mut self.learned,
            random: &mut self.random,
            next_id: &mut self.next_id,
            next_run: &mut self.next_run,
            paused: self.paused,
            unkept: self.unkept,
            not_leader: self.not_leader,
            describe: &describe,
        };
        let orders = self.coordinator.step(self.now, self.at, &self.scene, &mut world);
        self.obey(orders)
    }

    pub(super) fn obey(&mut self, orders: Vec<Order>) -> Vec<String> {
        let mut words = Vec::new();
        for order in orders {
            match order {
                Order::Enter { attempt, must_be_kept } => {
                    if let Some(kept) = self.keeps.filter(|_| must_be_kept) {
                        self.coordinator.entered(attempt.id, kept);
                    }
                    self.ledger.retain(|before| before.id != attempt.id);
                    self.ledger.push(*attempt);
                }
                order => {
                    words.push(in_words(&order));
                    self.runs.extend(if let Order::Run(run) = order { Some(run) } else { None });
                }
            }
        }
        words
    }

    /// Lets time pass, with ten looks a second.
    pub(super) fn wait(&mut self, time: Duration) -> Vec<String> {
        let mut words = Vec::new();
        for _ in 0..time.as_millis() / 100 {
            self.now = self.now.plus(Duration::from_millis(100));
            self.at = self.at.plus(100);
            words.extend(self.look());
        }
        words
    }

    /// Time passes in which nobody looks.
    pub(super) fn pass(&mut self, time: Duration) {
        self.now = self.now.plus(time);
        self.at = self.at.plus(i64::try_from(time.as_millis()).unwrap());
    }

    /// The process is killed, and another one starts with what the ledger knows.
    pub(super) fn crash(&mut self, plan: Plan) -> Vec<String> {
        self.recall(plan, true)
    }

    /// A process that has served without recovery for a while begins with it.
    pub(super) fn begins_late(&mut self, plan: Plan) -> Vec<String> {
        self.recall(plan, false)
    }

    fn recall(&mut self, plan: Plan, at_once: bool) -> Vec<String> {
        self.coordinator = Coordinator::new("api".into(), Arc::new(plan));
        let orders = self.coordinator.recall(&self.ledger.clone(), at_once, self.now, self.at);
        self.obey(orders)
    }

    pub(super) fn record(&self, id: i64) -> &Attempt {
        self.ledger.iter().find(|attempt| attempt.id == id).unwrap()
    }

    pub(super) fn outcome(&self, id: i64) -> Option<Outcome> {
        self.record(id).outcome
    }
}

fn in_words(order: &Order) -> String {
    match order {
        Order::Enter { .. } => unreachable!("entries are not in words"),
        Order::Drain { backend, .. } => format!("drain {backend}"),
        Order::Return { backend, restarted, .. } => {
            format!("return {backend}{}", if *restarted { ", restarted" } else { "" })
        }
        Order::Run(run) => {
            format!("run {} {} {}", run.strategy, run.role.as_str(), run.backend.as_deref().unwrap_or("-"))
        }
        Order::Kill { .. } => "kill".into(),
        Order::FailOver { to, .. } => format!("fail over to {to:?}"),
        Order::FailBack { share_thousandths, .. } => format!("fail back {share_thousandths}"),
        Order::Break { backend, .. } => format!("break {backend}"),
        Order::Cut { path, .. } => format!("cut {path}"),
        Order::Mend { what: Circuit::Backend(what) | Circuit::Path(what), .. } => format!("mend {what}"),
        Order::HurryChecks { backend, .. } => format!("hurry {backend}"),
        Order::Tell(notice) => match notice {
            Notice::Proposed(_) => "proposed".into(),
            Notice::Began(attempt) => format!("began {}", attempt.strategy),
            Notice::Acted(_) => "acted".into(),
            Notice::Ended(attempt) => attempt.outcome.unwrap().as_str().into(),
            Notice::Undone(_) => "undone".into(),
            Notice::Released(_) => "released".into(),
            Notice::Braked { brake, .. } => format!("braked by {brake}"),
            Notice::Exhausted { again_after, .. } => format!("exhausted for {} s", again_after.as_secs()),
        },
    }
}
