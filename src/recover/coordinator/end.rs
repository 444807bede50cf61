//! Attempts end: what is learned from each, and what stays in force.

use super::held::Held;
use super::turn::Turn;
use super::underway::Underway;
use super::{Coordinator, World};
use crate::clock::Moment;
use crate::recover::attempt::{Outcome, Phase};
use crate::recover::learned::Treated;
use crate::recover::order::Notice;
use crate::recover::strategy;

/// As many attempts that are over are kept because they can be taken back; the oldest is let go.
const MOST_HELD: usize = 64;

impl Coordinator {
    /// Ends the attempts that have come to something.
    pub(super) fn end(&mut self, turn: &mut Turn<'_>, world: &mut World<'_>) {
        // one at a time: those behind one that shows a defect are not lost
        while let Some(at) = self.underway.iter().position(|underway| underway.over.is_some()) {
            self.learn(at, turn, world);
            let underway = self.underway.remove(at);
            self.conclude(underway, turn);
        }
    }

    /// What an attempt teaches about its strategy: nothing, where nothing was done or where it was broken off.
    fn learn(&mut self, at: usize, turn: &Turn<'_>, world: &mut World<'_>) {
        let underway = &mut self.underway[at];
        let job = &mut underway.job;
        let (Some((outcome, why)), Some(acted)) = (underway.over.as_mut(), job.acted) else { return };
        if job.record.dry_run {
            return;
        }
        let unproven = underway.unproven.map(|why| Treated::Unproven { why });
        let age = |moment: Moment| moment.since(underway.raised);
        let treated = match outcome {
            Outcome::Healed => unproven.unwrap_or(Treated::Healed {
                acted: age(acted),
                healed: age(underway.well.unwrap_or(turn.now)),
                within: job.plan.within,
                peers: if job.backend.is_some() { self.episodes.peers(job.fault, acted) } else { Default::default() },
            }),
            Outcome::NotHealed => Treated::NotHealed { acted: age(acted), watched: age(turn.now) },
            Outcome::Worse => Treated::Worse,
            Outcome::Failed => Treated::Failed,
            _ => return,
        };
        let lesson = world.learned.treated(&self.service, job.fault, &job.plan.name, job.plan.prior, treated);
        job.record.credited = lesson.credited;
        *why = [why.as_str(), &lesson.text].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("; ");
    }

    /// Puts back what is to be put back, and closes the record.
    pub(super) fn conclude(&mut self, mut underway: Underway, turn: &mut Turn<'_>) {
        let Some((outcome, why)) = underway.over.take() else { return };
        let was_killed = underway.job.kill(turn);
        underway.put_back(false, turn);
        let in_force = stays_in_force(&underway, outcome, turn);
        let Underway { mut job, raised, well, is_undone, .. } = underway;
        let record = &mut job.record;
        record.phase = Phase::Ended;
        record.end = Some(turn.at.as_millis());
        record.outcome = Some(outcome);
        record.lesson = why;
        record.in_force = in_force;
        if let Some(well) = well.filter(|_| outcome == Outcome::Healed) {
            record.recovery_ms = i64::try_from(well.since(raised).as_millis()).ok();
        }
        let failed = matches!(outcome, Outcome::NotHealed | Outcome::Worse | Outcome::Failed);
        let was_idle = record.dry_run || record.acted.is_none();
        self.history.end(record.id, turn.now, failed, was_idle);
        turn.enter(record);
        turn.tell(Notice::Ended, record);
        if is_undone {
            turn.tell(Notice::Undone, record);
        }
        if in_force {
            self.hold(Held::new(job, turn.now), turn);
        } else if was_killed {
            // what was killed still has to say what it came to
            self.late.push((job.record, turn.now));
        }
    }

    fn hold(&mut self, held: Held, turn: &mut Turn<'_>) {
        for older in self.held.iter_mut().filter(|older| older.is_replaced_by(&held.job)) {
            older.let_go(turn);
        }
        if held.is_scale_up() {
            // instances are taken away in turn, the newest first
            self.held.iter_mut().filter(|older| older.is_scale_up()).for_each(|older| older.hold.since = turn.now);
        }
        self.held.push(held);
        if self.held.len() > MOST_HELD
            && let Some(oldest) = self.held.iter_mut().find(|held| held.is_idle())
        {
            oldest.let_go(turn);
        }
        self.held.retain(|held| held.job.record.in_force);
    }
}

/// Whether what was done stays in force, or can be taken back. What has not helped, and what it was for is gone, is withdrawn where no command is
/// needed for that.
fn stays_in_force(underway: &Underway, outcome: Outcome, turn: &mut Turn<'_>) -> bool {
    let job = &underway.job;
    if job.acted.is_none() || job.record.dry_run || underway.is_undone {
        return false;
    }
    let strategy = strategy::of(&job.plan);
    if strategy.is_withdrawn() && matches!(outcome, Outcome::NotHealed | Outcome::Gone) {
        turn.give(strategy.undo(&job.case(turn.now)));
    }
    match outcome {
        Outcome::Healed | Outcome::Stopped => strategy.stays_in_force(),
        // a command that says that it has failed may have done a part
        Outcome::NotHealed | Outcome::Worse | Outcome::Failed | Outcome::Unknown => {
            strategy.stays_in_force() && !strategy.is_withdrawn()
        }
        Outcome::Passed | Outcome::Refused | Outcome::Gone => false,
    }
}
