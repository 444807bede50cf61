//! An attempt with all that is needed to go on with it: under way, or over and in force.

use std::sync::Arc;
use std::time::Duration;

use super::Describe;
use super::turn::Turn;
use crate::clock::Moment;
use crate::detect::fault::Fault;
use crate::recover::Word;
use crate::recover::attempt::{ActReport, Attempt};
use crate::recover::order::{Order, Role};
use crate::recover::plan::{Plan, StrategyKind, StrategyPlan};
use crate::recover::scene::{BackendScene, Scene};
use crate::recover::strategy::{self, Before, Case};

/// See the module.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) record: Attempt,
    /// The strategy as it was configured when the attempt began.
    pub(super) plan: StrategyPlan,
    pub(super) fault: Fault,
    pub(super) backend: Option<Arc<str>>,
    /// When the act began.
    pub(super) acted: Option<Moment>,
    pub(super) before: Before,
    /// Since when something runs for it that is waited for.
    pub(super) runs: Option<Moment>,
    /// The id of what was run last.
    pub(super) last_run: u64,
    /// The runs that have ended since the last step, by their ids.
    pub(super) reports: Vec<(u64, Role, ActReport)>,
    /// What a person has said of it since the last step, and who.
    pub(super) word: Option<(Word, String)>,
}

impl Job {
    pub(super) fn id(&self) -> i64 {
        self.record.id
    }

    pub(super) fn case(&self, now: Moment) -> Case<'_> {
        Case {
            now,
            attempt: self.record.id,
            number: self.record.number,
            backend: self.backend.as_ref(),
            fault: self.fault,
            plan: &self.plan,
            acted: self.acted.unwrap_or(Moment::NEVER),
            before: &self.before,
        }
    }

    /// Notes what the act would run or call now.
    pub(super) fn describe(&mut self, now: Moment, describe: &Describe<'_>) {
        let act = strategy::of(&self.plan).act(&self.case(now));
        let run = act.iter().find_map(|order| if let Order::Run(run) = order { Some(run) } else { None });
        self.record.what = run.and_then(describe);
    }

    /// Its backend as it is now; `None` = it is of the service, or the backend is gone.
    pub(super) fn backend_in<'s>(&self, scene: &'s Scene) -> Option<&'s BackendScene> {
        self.backend.as_ref().and_then(|id| scene.backend(id))
    }

    /// Gives orders, and remembers what runs by them. Returns whether something does.
    pub(super) fn give(&mut self, mut orders: Vec<Order>, turn: &mut Turn<'_>) -> bool {
        let run = orders.iter_mut().find_map(|order| if let Order::Run(run) = order { Some(run) } else { None });
        let runs = run.is_some();
        if let Some(run) = run {
            run.id = turn.next_run;
            turn.next_run += 1;
            (self.last_run, self.runs) = (run.id, Some(turn.now));
        }
        turn.give(orders);
        runs
    }

    /// Ends what runs. Returns whether anything did.
    pub(super) fn kill(&mut self, turn: &mut Turn<'_>) -> bool {
        while self.take_report().is_some() {}
        let runs = self.runs.take().is_some();
        if runs {
            turn.give(vec![Order::Kill { attempt: self.id() }]);
        }
        runs
    }

    /// The next report of something that has ended. It is in the record then. Says whether it is what was waited for, and whether it succeeded.
    ///
    /// What was killed may report when its successor has begun, or has ended: then nobody asks any more what it came to.
    pub(super) fn take_report(&mut self) -> Option<Ended> {
        if self.reports.is_empty() {
            return None;
        }
        let (run, role, report) = self.reports.remove(0);
        let (ok, is_last) = (report.ok, run == self.last_run);
        // an act is run once, and what takes it back as often as that is wanted
        if is_last || role == Role::Act {
            file(&mut self.record, role, report);
        }
        let is_awaited = is_last && self.runs.take().is_some();
        Some(Ended { role, ok, is_awaited })
    }

    /// Whether what runs has taken longer than it may. Whoever runs it has a time-out of his own: this is for when that fails.
    pub(super) fn is_overdue(&self, now: Moment, most: Duration) -> bool {
        self.runs.is_some_and(|since| now.since(since) > most)
    }

    /// The backend that something is done to. What is done for the service as a whole outlives the backend that was the reason for it.
    pub(super) fn subject(&self) -> Option<&Arc<str>> {
        self.backend.as_ref().filter(|_| !self.plan.kind.is_wide())
    }

    /// Whether a person wants back what it has done.
    pub(super) fn is_wanted_back(&self) -> bool {
        matches!(self.word, Some((Word::Undo, _)))
    }

    /// Takes on the strategy as it is configured now, where that leads a failover elsewhere. Returns whether it does.
    pub(super) fn leads_elsewhere(&mut self, plan: &Plan) -> bool {
        let StrategyKind::Failover { to: before, .. } = &self.plan.kind else { return false };
        let is_changed = |other: &&StrategyPlan| {
            let to = if let StrategyKind::Failover { to, .. } = &other.kind { Some(to) } else { None };
            other.name == self.plan.name && to.is_some_and(|to| to != before)
        };
        let Some(changed) = plan.strategies.iter().find(is_changed).cloned() else { return false };
        self.plan = changed;
        self.record.why += "; a reload has changed where it leads";
        true
    }

    /// Why there is nothing left that this could be for, in words.
    pub(super) fn gone(&self, plan: &Plan, scene: &Scene) -> Option<String> {
        self.without_strategy(plan).or_else(|| self.without_backend(scene))
    }

    pub(super) fn without_strategy(&self, plan: &Plan) -> Option<String> {
        let is_it =
            |other: &&StrategyPlan| other.name == self.plan.name && other.kind.as_str() == self.plan.kind.as_str();
        let is_gone = !plan.strategies.iter().any(|other| is_it(&other));
        is_gone.then(|| format!("there is no strategy {} any more", self.plan.name))
    }

    pub(super) fn without_backend(&self, scene: &Scene) -> Option<String> {
        let id = self.subject().filter(|id| scene.backend(id).is_none())?;
        Some(format!("there is no backend {id} any more"))
    }
}

/// Something that ran has ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ended {
    pub(super) role: Role,
    pub(super) ok: bool,
    /// It is what ran by the last order.
    pub(super) is_awaited: bool,
}

/// Puts the report of what ran into the record.
pub(super) fn file(record: &mut Attempt, role: Role, report: ActReport) {
    match role {
        Role::Act => record.act = Some(report),
        Role::Undo | Role::Down => record.undo = Some(report),
    }
}
