//! Whether an act has helped, or has made things worse: what is seen after it.

use std::time::Duration;

use super::turn::Turn;
use super::underway::Underway;
use crate::clock::Moment;
use crate::recover::attempt::Outcome;
use crate::recover::scene::{Measure, Scene};
use crate::recover::strategy::{self, Case, ENOUGH, Progress, Proof};

/// How long the service has to be well before the attempt is called a success, where that is seen without requests,
const WELL_FOR: Duration = Duration::from_secs(1);
/// and where requests have to show it: detection raises a verdict after two looks a second apart, and clears one after 3 s without votes.
const SHOWN_FOR: Duration = Duration::from_secs(5);
/// Requests that end within this time after the act may have failed before it.
const SETTLES: Duration = Duration::from_secs(2);
/// What is measured over the last seconds goes back no further than this.
const MEASURED: Duration = Duration::from_secs(6);
/// So many looks in a row have to show that the service is worse off.
const WORSE_LOOKS: u32 = 3;

impl Underway {
    pub(super) fn verify(&mut self, since: Moment, turn: &mut Turn<'_>) {
        let seen = self.seen_since_the_act(turn);
        let job = &self.job;
        let (case, strategy) = (job.case(turn.now), strategy::of(&job.plan));
        let well = match strategy.progress(&case, turn.scene, &seen) {
            Progress::Well(Some(exactly)) => Some(exactly),
            Progress::Well(None) => Some(self.well.unwrap_or(turn.now)),
            Progress::NotYet => None,
        };
        let proof = strategy.proof(&case, turn.scene);
        let (ended, is_late) = (ended(proof, &case, turn.scene), turn.now.since(since) > job.plan.within);
        if well != self.well || turn.now.since(case.acted) < SETTLES {
            self.ended = ended;
        }
        drop(strategy);
        self.well = well;
        let Some(well) = well else {
            if !is_late {
                return self.is_worse(turn);
            }
            let within = self.job.plan.within.as_secs_f64();
            return match self.job.without_backend(turn.scene) {
                None => self.ends(Outcome::NotHealed, format!("it was not seen well within {within} s")),
                Some(gone) => self.ends(Outcome::Gone, gone),
            };
        };
        let is_shown = proof == Proof::Sight || ended.saturating_sub(self.ended) >= ENOUGH;
        let lasts = if proof == Proof::Sight { WELL_FOR } else { SHOWN_FOR };
        if turn.now.since(well) >= lasts && (is_shown || is_late) {
            let few = (!is_shown).then_some("too few requests have shown that it is well");
            self.unproven = self.unproven.or(few);
            self.ends(Outcome::Healed, "");
        }
    }

    /// How the requests went that are known to be of after the act: of the last seconds, as soon as all of these are.
    fn seen_since_the_act(&mut self, turn: &Turn<'_>) -> Measure {
        let age = turn.now.since(self.job.case(turn.now).acted);
        if age < SETTLES {
            return Measure::default();
        }
        let settled = self.settled.get_or_insert(turn.scene.total);
        if age >= SETTLES + MEASURED { turn.scene.measure } else { turn.scene.total.since(settled) }
    }

    /// Takes the act back when the service is worse off than before.
    pub(super) fn is_worse(&mut self, turn: &mut Turn<'_>) {
        if self.job.record.dry_run {
            return;
        }
        let seen = self.seen_since_the_act(turn);
        match self.job.case(turn.now).worse(&seen) {
            None => self.worse = 0,
            Some(_) if self.worse + 1 < WORSE_LOOKS => self.worse += 1,
            Some(why) => self.undo(Outcome::Worse, why, turn),
        }
    }
}

/// The requests that have ended so far, of those that have to show that the act has helped.
fn ended(proof: Proof, case: &Case<'_>, scene: &Scene) -> u64 {
    match proof {
        Proof::Sight => 0,
        Proof::OfBackend => case.backend.and_then(|id| scene.backend(id)).map_or(0, |backend| backend.ended),
        Proof::OfService => scene.total.requests,
    }
}
