//! An attempt that is under way, from the entry in the ledger to the end.
//!
//! ```text
//!   Proposed ──▶ Entering ──▶ Draining ──▶ Acting ──▶ Verifying ──▶ over
//!   (ask only)                (if the backend          │    │
//!                              is in use)              └────┴──▶ Undoing ──▶ over
//! ```
//!
//! `verify` has how it is seen whether the act has helped.

use std::time::Duration;

use super::job::Job;
use super::turn::Turn;
use crate::clock::Moment;
use crate::recover::Word;
use crate::recover::attempt::{Outcome, Phase};
use crate::recover::order::{Notice, Order, Role};
use crate::recover::plan::{Plan, StrategyKind};
use crate::recover::scene::{Measure, Scene};
use crate::recover::strategy::{self, Before};

/// How long a proposal waits for a person.
pub(super) const PROPOSAL: Duration = Duration::from_secs(3600);
/// How long the ledger may take to write the record.
const ENTRY: Duration = Duration::from_secs(10);
/// How long what was killed may take to end.
const DIES: Duration = Duration::from_secs(5);
/// How long an act may take. Whoever runs it has a time-out of his own: this is for when that fails.
const LONGEST: Duration = Duration::from_secs(3600);

/// See the module.
#[derive(Debug)]
pub(super) struct Underway {
    pub(super) job: Job,
    /// When the fault was raised.
    pub(super) raised: Moment,
    pub(super) stage: Stage,
    /// Since when its backend had been at its address when it began.
    pub(super) known_since: Option<Moment>,
    /// Whether the record is on the disk; `None` = that is not known yet.
    pub(super) kept: Option<bool>,
    /// The backend was drained and has not been put back.
    pub(super) is_out: bool,
    /// Since when the service has been seen well.
    pub(super) well: Option<Moment>,
    /// The requests that had ended then, of those that have to show it.
    pub(super) ended: u64,
    /// Why its success is not the strategy's, in words.
    pub(super) unproven: Option<&'static str>,
    /// The requests that had ended when what ends came to be the act's doing.
    pub(super) settled: Option<Measure>,
    /// Looks in a row that show that it is worse off.
    pub(super) worse: u32,
    /// What was done was taken back.
    pub(super) is_undone: bool,
    /// The brake that holds it, in words; looked at until the act.
    pub(super) braked: Option<String>,
    /// What it came to, and why, in words.
    pub(super) over: Option<(Outcome, String)>,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Proposed {
        until: Moment,
    },
    Entering {
        since: Moment,
    },
    Draining {
        until: Moment,
    },
    Acting,
    Verifying {
        since: Moment,
    },
    /// The act was killed, and is taken back when it has ended.
    Killed {
        outcome: Outcome,
        until: Moment,
    },
    Undoing {
        outcome: Outcome,
    },
}

impl Underway {
    pub(super) fn new(job: Job, raised: Moment, stage: Stage, scene: &Scene) -> Self {
        let known_since = job.backend_in(scene).map(|backend| backend.known_since);
        Self {
            job,
            raised,
            stage,
            known_since,
            kept: None,
            is_out: false,
            well: None,
            ended: 0,
            unproven: None,
            settled: None,
            worse: 0,
            is_undone: false,
            braked: None,
            over: None,
        }
    }

    /// Nothing was done yet that can't be left as it is.
    pub(super) fn is_before_the_act(&self) -> bool {
        matches!(self.stage, Stage::Proposed { .. } | Stage::Entering { .. } | Stage::Draining { .. })
    }

    /// Whether something runs for it outside of this process.
    pub(super) fn acts_outside_now(&self) -> bool {
        self.job.runs.is_some() && self.job.plan.kind.acts_outside()
    }

    /// Whether a reload has brought a plan by which it would not have begun like this, and nothing was done yet: nothing is to be done any more, or
    /// a person is to be asked, or no more.
    pub(super) fn is_against(&self, plan: &Plan) -> bool {
        let is_proposed = matches!(self.stage, Stage::Proposed { .. });
        let was_asked = is_proposed || self.job.record.who.is_some();
        self.is_before_the_act() && !self.job.record.dry_run && (plan.dry_run || plan.ask != was_asked)
    }

    /// Why there is nothing left that it could be for, in words. Where backends are discovered, one that is started anew is no backend for a while:
    /// once a command runs, it is let run, and its backend may come back until the time is over.
    pub(super) fn gone(&self, plan: &Plan, scene: &Scene) -> Option<String> {
        let may_come_back = matches!(self.job.plan.kind, StrategyKind::Restart { .. } | StrategyKind::Custom { .. });
        if may_come_back && !self.is_before_the_act() {
            return self.job.without_strategy(plan);
        }
        self.job.gone(plan, scene)
    }

    /// Ends what must not go on: what it was for is gone, recovery is paused, another instance leads, or a reload has made it obsolete.
    pub(super) fn give_up(&mut self, plan: &Plan, scene: &Scene, (paused, is_follower): (bool, bool)) {
        match self.gone(plan, scene) {
            Some(why) => self.ends(Outcome::Gone, why),
            None if paused => self.ends(Outcome::Stopped, "recovery was paused"),
            None if is_follower && self.acts_outside_now() => {
                let why = "leadership was lost while it ran, and it was killed; nobody knows whether it was done";
                self.ends(Outcome::Unknown, why);
            }
            None if self.is_against(plan) => {
                self.ends(Outcome::Stopped, "the configuration has changed, and nothing had been done");
            }
            None => {}
        }
    }

    pub(super) fn ends(&mut self, outcome: Outcome, why: impl Into<String>) {
        self.over.get_or_insert((outcome, why.into()));
    }

    /// Goes on, as far as that is possible now.
    pub(super) fn advance(&mut self, turn: &mut Turn<'_>) {
        let known_since = self.job.backend_in(turn.scene).map(|backend| backend.known_since);
        if self.is_before_the_act() && known_since.is_some() && known_since != self.known_since {
            return self.ends(Outcome::Passed, "the backend has another address by now, and nothing was done");
        }
        if let Some((word, who)) = self.job.word.take() {
            return self.heed(word, who, turn);
        }
        match self.stage {
            Stage::Proposed { until } if turn.now >= until => self.ends(Outcome::Refused, "nobody approved it"),
            Stage::Proposed { .. } => self.is_needed(turn),
            Stage::Entering { since } => self.enter(since, turn),
            Stage::Draining { until } => self.drain(until, turn),
            Stage::Acting => self.wait_for_the_act(turn),
            Stage::Verifying { since } => self.verify(since, turn),
            Stage::Killed { outcome, until } => {
                if self.job.take_report().is_some() || turn.now >= until {
                    self.take_back(outcome, turn);
                }
            }
            Stage::Undoing { outcome } => self.wait_for_the_undo(outcome, turn),
        }
    }

    /// Obeys a person.
    fn heed(&mut self, word: Word, who: String, turn: &mut Turn<'_>) {
        self.job.record.who = Some(who.clone());
        match word {
            // another one that was approved at the same time has begun: it goes on waiting
            Word::Approve if self.braked.is_some() => self.job.record.who = None,
            Word::Approve => {
                self.job.record.phase = Phase::Draining;
                self.stage = Stage::Entering { since: turn.now };
                turn.enter_first(&self.job.record);
                turn.tell(Notice::Began, &self.job.record);
            }
            Word::Refuse => self.ends(Outcome::Refused, format!("{who} refused it")),
            Word::Stop => self.ends(Outcome::Stopped, format!("{who} stopped it")),
            Word::Undo => self.undo(Outcome::Stopped, format!("{who} wanted it back"), turn),
        }
    }

    /// Ends an attempt whose fault has passed before anything was done.
    fn is_needed(&mut self, turn: &Turn<'_>) {
        self.job.before = Before::of(turn.scene, self.job.before.failed_share);
        let trouble = match &self.job.backend {
            Some(id) => turn.scene.backend(id).and_then(|backend| backend.trouble.as_ref()),
            None => turn.scene.trouble.as_ref(),
        };
        if trouble.is_none() {
            self.ends(Outcome::Passed, "the fault passed before anything was done");
        }
    }

    /// Waits for the ledger, then begins.
    fn enter(&mut self, since: Moment, turn: &mut Turn<'_>) {
        self.is_needed(turn);
        match self.kept {
            _ if self.over.is_some() => {}
            Some(true) => self.begin(turn),
            None if turn.now.since(since) <= ENTRY => {}
            _ => self.ends(Outcome::Stopped, "it could not be entered in the ledger, so nothing was done"),
        }
    }

    /// Takes the backend out of use if it has to be and still gets work, or acts at once.
    fn begin(&mut self, turn: &mut Turn<'_>) {
        let job = &mut self.job;
        let in_use = job.backend.as_ref().filter(|id| turn.scene.backend(id).is_some_and(|backend| backend.usable));
        let drain = job.plan.kind.drain();
        let Some((backend, time)) = in_use.cloned().zip(drain).filter(|_| self.braked.is_none()) else {
            return self.act(turn);
        };
        let reason = format!("{} for a fault: {}", job.plan.name, job.fault);
        turn.give(vec![Order::Drain { attempt: job.id(), backend, reason }]);
        job.record.phase = Phase::Draining;
        turn.enter(&job.record);
        self.is_out = true;
        self.stage = Stage::Draining { until: turn.now.plus(time) };
    }

    /// Waits until the backend has nothing to do. That its fault is not seen any more says nothing meanwhile.
    fn drain(&mut self, until: Moment, turn: &mut Turn<'_>) {
        let backend = self.job.backend_in(turn.scene);
        if turn.now >= until || self.braked.is_some() || backend.is_none_or(|backend| backend.in_flight == 0) {
            self.act(turn);
        }
    }

    /// Does what the strategy does, unless a brake holds it after all.
    fn act(&mut self, turn: &mut Turn<'_>) {
        if let Some(brake) = self.braked.take() {
            return self.ends(Outcome::Stopped, format!("nothing was done: {brake}"));
        }
        let job = &self.job;
        let possible = strategy::of(&job.plan).precondition(&job.case(turn.now), turn.scene);
        if let Err(why) = possible {
            return self.ends(Outcome::Stopped, format!("nothing was done: {why}"));
        }
        self.do_it(turn);
    }

    fn do_it(&mut self, turn: &mut Turn<'_>) {
        let job = &mut self.job;
        job.acted = Some(turn.now);
        job.record.acted = Some(turn.at.as_millis());
        let strategy = strategy::of(&job.plan);
        let is_vain = strategy.is_vain(&job.case(turn.now), turn.scene);
        self.unproven = is_vain.then_some("the work was done as well before the act");
        let orders = strategy.act(&job.case(turn.now));
        drop(strategy);
        let runs = job.give(orders, turn);
        self.goes_on(runs, turn);
    }

    /// Does the act once more, by another plan, if it was done: what comes of it is judged from now on.
    pub(super) fn act_anew(&mut self, turn: &mut Turn<'_>) {
        if !matches!(self.stage, Stage::Verifying { .. }) || self.job.record.dry_run {
            return;
        }
        (self.well, self.settled, self.worse) = (None, None, 0);
        self.do_it(turn);
    }

    /// The act has been done, or runs now.
    fn goes_on(&mut self, runs: bool, turn: &mut Turn<'_>) {
        (self.stage, self.job.record.phase) = if runs {
            (Stage::Acting, Phase::Acting)
        } else {
            (Stage::Verifying { since: turn.now }, Phase::Verifying)
        };
        turn.enter(&self.job.record);
        if !runs {
            turn.tell(Notice::Acted, &self.job.record);
        }
    }

    fn wait_for_the_act(&mut self, turn: &mut Turn<'_>) {
        while let Some(ended) = self.job.take_report() {
            if ended.is_awaited {
                return self.acted(ended.ok, turn);
            }
        }
        if self.job.is_overdue(turn.now, LONGEST) {
            self.ends(Outcome::Failed, format!("it did not end within {} s and was killed", LONGEST.as_secs()));
        } else {
            self.is_worse(turn);
        }
    }

    /// What was run has ended: the backend gets its work back, so that it can be seen well.
    fn acted(&mut self, ok: bool, turn: &mut Turn<'_>) {
        self.put_back(ok, turn);
        if !ok {
            let error = self.job.record.act.as_ref().map(|act| act.error.clone()).unwrap_or_default();
            return self.ends(Outcome::Failed, if error.is_empty() { "the act failed".into() } else { error });
        }
        if let Some(backend) = self.job.backend.clone().filter(|_| !self.job.plan.kind.is_wide()) {
            turn.give(vec![Order::HurryChecks { backend, at_most: self.job.plan.within }]);
        }
        self.goes_on(false, turn);
    }

    /// Gives the backend its work back, if it was taken out. A backend that was started anew is told of in any case.
    pub(super) fn put_back(&mut self, acted: bool, turn: &mut Turn<'_>) {
        let restarted = acted && matches!(self.job.plan.kind, StrategyKind::Restart { .. });
        if let Some(backend) = self.job.backend.clone().filter(|_| self.is_out || restarted) {
            turn.give(vec![Order::Return { attempt: self.job.id(), backend, restarted }]);
        }
        self.is_out = false;
    }

    pub(super) fn undo(&mut self, outcome: Outcome, why: String, turn: &mut Turn<'_>) {
        self.job.record.lesson = why;
        let was_running = self.job.kill(turn);
        self.put_back(false, turn);
        if was_running {
            self.stage = Stage::Killed { outcome, until: turn.now.plus(DIES) };
            self.job.record.phase = Phase::Undoing;
            turn.enter(&self.job.record);
        } else {
            self.take_back(outcome, turn);
        }
    }

    fn take_back(&mut self, outcome: Outcome, turn: &mut Turn<'_>) {
        let orders = strategy::of(&self.job.plan).undo(&self.job.case(turn.now));
        if orders.is_empty() {
            self.comes_to(outcome, "it can't be taken back");
        } else if self.job.give(orders, turn) {
            self.stage = Stage::Undoing { outcome };
            self.job.record.phase = Phase::Undoing;
            turn.enter(&self.job.record);
        } else {
            self.undone(outcome, true);
        }
    }

    fn wait_for_the_undo(&mut self, outcome: Outcome, turn: &Turn<'_>) {
        while let Some(ended) = self.job.take_report() {
            if ended.is_awaited && ended.role != Role::Act {
                return self.undone(outcome, ended.ok);
            }
        }
        if self.job.is_overdue(turn.now, self.job.plan.within) {
            self.undone(outcome, false);
        }
    }

    fn undone(&mut self, outcome: Outcome, ok: bool) {
        self.is_undone = ok;
        self.comes_to(outcome, if ok { "it was taken back" } else { "taking it back failed" });
    }

    fn comes_to(&mut self, outcome: Outcome, what: &str) {
        let why = std::mem::take(&mut self.job.record.lesson);
        self.ends(outcome, format!("{why}; {what}"));
    }
}
