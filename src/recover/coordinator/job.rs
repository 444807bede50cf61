//! An attempt with all that is needed to go on with it: under way, or over and in force.

use std::sync::Arc;
use std::time::Duration;

use super::turn::Turn;
use crate::clock::Moment;
use crate::detect::fault::Fault;
use crate::recover::attempt::{ActReport, Attempt};
use crate::recover::order::{Order, Role};
use crate::recover::plan::{Plan, StrategyKind, StrategyPlan};
use crate::recover::scene::{BackendScene, Scene};
use crate::recover::strategy::{Before, Case};

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
    /// What runs for it, and since when.
    pub(super) runs: Option<(Role, Moment)>,
    /// What has ended since the last step.
    pub(super) reports: Vec<(Role, ActReport)>,
    /// What a person has said of it since the last step, and who.
    pub(super) word: Option<(Word, String)>,
}

/// What a person says of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    Approve,
    Refuse,
    Stop,
    Undo,
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

    /// Its backend as it is now; `None` = it is of the service, or the backend is gone.
    pub(super) fn backend_in<'s>(&self, scene: &'s Scene) -> Option<&'s BackendScene> {
        self.backend.as_ref().and_then(|id| scene.backend(id))
    }

    /// Gives orders, and remembers what runs by them. Returns whether something does.
    pub(super) fn give(&mut self, orders: Vec<Order>, turn: &mut Turn<'_>) -> bool {
        let role = orders.iter().find_map(|order| if let Order::Run(run) = order { Some(run.role) } else { None });
        turn.give(orders);
        if let Some(role) = role {
            self.runs = Some((role, turn.now));
        }
        role.is_some()
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
    pub(super) fn take_report(&mut self) -> Option<Ended> {
        if self.reports.is_empty() {
            return None;
        }
        let (role, report) = self.reports.remove(0);
        let ok = report.ok;
        file(&mut self.record, role, report);
        let is_awaited = self.runs.is_some_and(|(runs, _)| runs == role);
        if is_awaited {
            self.runs = None;
        }
        Some(Ended { role, ok, is_awaited })
    }

    /// Whether what runs has taken longer than it may. Whoever runs it has a time-out of his own: this is for when that fails.
    pub(super) fn is_overdue(&self, now: Moment, most: Duration) -> bool {
        self.runs.is_some_and(|(_, since)| now.since(since) > most)
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
        let is_it =
            |other: &&StrategyPlan| other.name == self.plan.name && other.kind.as_str() == self.plan.kind.as_str();
        if !plan.strategies.iter().any(|other| is_it(&other)) {
            return Some(format!("there is no strategy {} any more", self.plan.name));
        }
        // what is done for the service as a whole outlives the backend that was the reason for it
        let id = self.backend.as_ref().filter(|id| !self.plan.kind.is_wide() && scene.backend(id).is_none())?;
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
