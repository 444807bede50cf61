//! Starts a backend anew, by a command, a systemd unit or a webhook.

use std::time::Duration;

use super::{Case, Progress, Proof, Strategy};
use crate::recover::order::{Order, Role};
use crate::recover::plan::StrategyPlan;
use crate::recover::scene::{Measure, Scene};

/// What a start takes.
const START: Duration = Duration::from_secs(30);

/// See the module.
pub(super) struct Restart<'a> {
    pub(super) plan: &'a StrategyPlan,
}

impl Strategy for Restart<'_> {
    fn precondition(&self, case: &Case<'_>, scene: &Scene) -> Result<(), String> {
        case.backend(scene).map(|_| ())
    }

    fn act(&self, case: &Case<'_>) -> Vec<Order> {
        vec![case.run(Role::Act)]
    }

    fn undo(&self, case: &Case<'_>) -> Vec<Order> {
        case.run_undo()
    }

    fn progress(&self, case: &Case<'_>, scene: &Scene, _: &Measure) -> Progress {
        case.subject_is_well(scene)
    }

    fn proof(&self, case: &Case<'_>, scene: &Scene) -> Proof {
        case.proof_of_subject(scene)
    }

    fn estimate(&self) -> Duration {
        self.plan.delay + START
    }

    fn stays_in_force(&self) -> bool {
        self.plan.has_undo
    }
}
