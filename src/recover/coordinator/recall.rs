//! What is taken over from an earlier run of the process, by the ledger.

use std::sync::Arc;
use std::time::Duration;

use super::Coordinator;
use super::held::Held;
use super::job::Job;
use super::turn::Turn;
use crate::clock::{Moment, Stamp};
use crate::detect::fault::Fault;
use crate::recover::attempt::{Attempt, Outcome, Phase};
use crate::recover::history::Past;
use crate::recover::order::{Notice, Order};
use crate::recover::plan::{StrategyKind, StrategyPlan};
use crate::recover::scene::Scene;
use crate::recover::strategy::{self, Before};

impl Coordinator {
    /// Takes in what the ledger knows of this service, at the start and before the first step: the attempts that are open or in force, and those of
    /// the last hour (or of the cool-down, where that is longer). Those that are open were interrupted: they are closed as unknown, and not repeated.
    /// Failovers that are in force go on, where this process begins with them `at_once`: one that has served without them for a while does not do
    /// them anew. All attempts count for the brakes.
    pub fn recall(&mut self, attempts: &[Attempt], at_once: bool, now: Moment, at: Stamp) -> Vec<Order> {
        let scene = Scene::default();
        let mut turn = Turn::new(now, at, &scene);
        let mut attempts: Vec<&Attempt> = attempts.iter().collect();
        attempts.sort_by_key(|attempt| attempt.id);
        for attempt in attempts {
            let mut record = attempt.clone();
            if record.phase != Phase::Ended {
                close(&mut record, self.strategy_of(attempt), &mut turn);
            }
            self.count(&record, &turn);
            if record.in_force {
                self.resume(record, at_once, &mut turn);
            }
        }
        turn.orders
    }

    /// What was in force when the process ended. What the process itself did has ended with it: a failover is done again, because those who failed
    /// were not well yet; a circuit is not broken again, for it would have closed soon.
    fn resume(&mut self, mut record: Attempt, at_once: bool, turn: &mut Turn<'_>) {
        let job = self.strategy_of(&record).cloned().and_then(|plan| job(&record, plan, turn));
        let goes_on = |job: &Job| match job.plan.kind {
            StrategyKind::Failover { .. } => at_once,
            StrategyKind::CircuitBreak { .. } => false,
            _ => true,
        };
        match job.filter(goes_on) {
            Some(job) => {
                if matches!(job.plan.kind, StrategyKind::Failover { .. }) {
                    turn.give(strategy::of(&job.plan).act(&job.case(turn.now)));
                }
                self.held.push(Held::new(job, turn.now));
            }
            None => {
                record.in_force = false;
                turn.enter(&record);
                turn.tell(Notice::Released, &record);
            }
        }
    }

    /// The strategy of the plan that the attempt was of, if it is still there.
    fn strategy_of(&self, record: &Attempt) -> Option<&StrategyPlan> {
        let is_it = |plan: &&StrategyPlan| *plan.name == *record.strategy && plan.kind.as_str() == record.kind;
        self.plan.strategies.iter().find(is_it)
    }

    /// The brakes count it. A clock that was set back makes nothing younger than now.
    fn count(&mut self, record: &Attempt, turn: &Turn<'_>) {
        let Some(fault) = fault(&record.fault) else { return };
        let past = Past {
            attempt: record.id,
            backend: record.backend.as_deref().map(Arc::from),
            fault,
            strategy: record.strategy.as_str().into(),
            began: ago(record.start, turn),
            ended: None,
            failed: false,
            was_idle: false,
        };
        self.history.begin(past, self.plan.limits.cool_down);
        // that it has failed is known, but not that this is the same fault: it cools down
        let was_idle = record.dry_run || record.acted.is_none() && record.outcome != Some(Outcome::Unknown);
        self.history.end(record.id, ago(record.end.unwrap_or(record.start), turn), false, was_idle);
    }
}

/// Closes an attempt in the middle of which the process ended: it may have been done, or not.
fn close(record: &mut Attempt, plan: Option<&StrategyPlan>, turn: &mut Turn<'_>) {
    let was_proposed = record.phase == Phase::Proposed;
    let can_be_taken_back = plan.is_some_and(|plan| {
        let strategy = strategy::of(plan);
        strategy.stays_in_force() && !strategy.is_withdrawn()
    });
    record.lesson = if was_proposed || record.dry_run {
        "the process ended, and nothing had been done".to_owned()
    } else {
        format!("the process ended while it was {}; nobody knows whether it was done", record.phase.as_str())
    };
    record.phase = Phase::Ended;
    record.end = Some(turn.at.as_millis());
    record.outcome = Some(Outcome::Unknown);
    // to send the work elsewhere once more does no harm, and not to do so may
    let goes_on = record.acted.is_some() && plan.is_some_and(|plan| matches!(plan.kind, StrategyKind::Failover { .. }));
    record.in_force = (can_be_taken_back || goes_on) && !was_proposed && !record.dry_run;
    turn.enter(record);
    turn.tell(Notice::Ended, record);
}

/// The attempt with what is needed to go on with it. One whose act was not entered may have been done right after it began.
fn job(record: &Attempt, plan: StrategyPlan, turn: &Turn<'_>) -> Option<Job> {
    Some(Job {
        plan,
        fault: fault(&record.fault)?,
        backend: record.backend.as_deref().map(Arc::from),
        acted: Some(ago(record.acted.unwrap_or(record.start), turn)),
        before: Before { backends: record.backends, ..Before::default() },
        runs: None,
        last_run: 0,
        reports: Vec::new(),
        word: None,
        record: record.clone(),
    })
}

/// The moment of a time of the wall's clock, not later than now.
fn ago(millis: i64, turn: &Turn<'_>) -> Moment {
    let ago = Duration::from_millis(u64::try_from(turn.at.since(Stamp::from_millis(millis))).unwrap_or(0));
    Moment::from_millis(turn.now.as_millis().saturating_sub(u64::try_from(ago.as_millis()).unwrap_or(u64::MAX)))
}

fn fault(name: &str) -> Option<Fault> {
    Fault::ALL.into_iter().find(|fault| fault.as_str() == name)
}
