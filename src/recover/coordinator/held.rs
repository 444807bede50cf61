//! An attempt that is over, and what it did is in force or can be taken back.

use std::sync::Arc;
use std::time::Duration;

use super::job::{Ended, Job};
use super::turn::Turn;
use crate::clock::Moment;
use crate::recover::Word;
use crate::recover::order::{Notice, Role};
use crate::recover::plan::StrategyKind;
use crate::recover::strategy::{self, Hold, Release};

/// How long a command that takes something back may run. Whoever runs it has a time-out of his own: this is for when that fails.
const LONGEST: Duration = Duration::from_secs(3600);

/// See the module.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) job: Job,
    pub(super) hold: Hold,
}

impl Held {
    pub(super) fn new(job: Job, since: Moment) -> Self {
        Self { job, hold: Hold { since, ..Hold::default() } }
    }

    /// Does the act once more, by another plan: what has gone home goes away again.
    pub(super) fn act_anew(&mut self, turn: &mut Turn<'_>) {
        turn.give(strategy::of(&self.job.plan).act(&self.job.case(turn.now)));
        turn.enter(&self.job.record);
        self.hold = Hold { since: turn.now, ..Hold::default() };
    }

    /// Goes on: obeys a person, takes in what has ended, and, when it `may` do something by itself, releases what need not be in force any more.
    pub(super) fn advance(&mut self, may: bool, turn: &mut Turn<'_>) {
        while let Some(ended) = self.job.take_report() {
            self.ended(ended, turn);
        }
        if self.job.is_overdue(turn.now, LONGEST) {
            self.job.kill(turn);
        }
        if self.job.runs.is_some() || !self.job.record.in_force {
            return;
        }
        if let Some((Word::Undo, who)) = self.job.word.take() {
            self.job.record.who = Some(who);
            self.undo(turn);
        } else if may {
            self.release(turn);
        }
    }

    /// A command has ended: of an undo, of a release, or of an act that was killed.
    fn ended(&mut self, ended: Ended, turn: &mut Turn<'_>) {
        let is_over = ended.is_awaited && ended.ok && ended.role != Role::Act;
        self.job.record.in_force &= !is_over;
        turn.enter(&self.job.record);
        match ended.role {
            _ if !is_over => {}
            Role::Down => turn.tell(Notice::Released, &self.job.record),
            _ => turn.tell(Notice::Undone, &self.job.record),
        }
    }

    /// A person wants it back.
    fn undo(&mut self, turn: &mut Turn<'_>) {
        let orders = strategy::of(&self.job.plan).undo(&self.job.case(turn.now));
        let is_possible = !orders.is_empty();
        if !self.job.give(orders, turn) && is_possible {
            self.job.record.in_force = false;
            turn.tell(Notice::Undone, &self.job.record);
        }
        turn.enter(&self.job.record);
    }

    fn release(&mut self, turn: &mut Turn<'_>) {
        let strategy = strategy::of(&self.job.plan);
        match strategy.release(&self.job.case(turn.now), &mut self.hold, turn.scene) {
            Release::Keep => {}
            Release::Change(orders) => {
                drop(strategy);
                self.job.give(orders, turn);
            }
            Release::Over(orders) => {
                turn.give(orders);
                self.job.record.in_force = false;
                turn.enter(&self.job.record);
                turn.tell(Notice::Released, &self.job.record);
            }
        }
    }

    /// What it was for is gone, or its place is taken: it is put back, where no command is needed for that.
    pub(super) fn let_go(&mut self, turn: &mut Turn<'_>) {
        self.job.kill(turn);
        let strategy = strategy::of(&self.job.plan);
        if strategy.is_withdrawn() {
            turn.give(strategy.undo(&self.job.case(turn.now)));
        }
        drop(strategy);
        self.job.record.in_force = false;
        turn.enter(&self.job.record);
        turn.tell(Notice::Released, &self.job.record);
    }

    pub(super) fn is_circuit_of(&self, backend: &Arc<str>) -> bool {
        matches!(self.job.plan.kind, StrategyKind::CircuitBreak { path: None, .. })
            && self.job.backend.as_ref() == Some(backend)
    }

    pub(super) fn is_scale_up(&self) -> bool {
        matches!(self.job.plan.kind, StrategyKind::ScaleUp { .. })
    }

    /// Whether it only waits for a person who might want it back.
    pub(super) fn is_idle(&self) -> bool {
        matches!(self.job.plan.kind, StrategyKind::Restart { .. } | StrategyKind::Custom { .. })
    }

    /// Whether a new attempt of the same strategy for the same subject takes its place: only the last can be taken back then.
    pub(super) fn is_replaced_by(&self, other: &Job) -> bool {
        let kinds = [&self.job.plan.kind, &other.plan.kind];
        let is_command =
            |kind: &&StrategyKind| matches!(kind, StrategyKind::Restart { .. } | StrategyKind::Custom { .. });
        kinds.iter().all(is_command) && (&self.job.plan.name, &self.job.backend) == (&other.plan.name, &other.backend)
    }
}
