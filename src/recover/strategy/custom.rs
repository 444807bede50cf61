//! Runs any command, or calls any webhook.

use std::time::Duration;

use super::{Case, Progress, Proof, Strategy};
use crate::recover::order::{Order, Role};
use crate::recover::plan::StrategyPlan;
use crate::recover::scene::{Measure, Scene};

/// See the module.
pub(super) struct Custom<'a> {
    pub(super) plan: &'a StrategyPlan,
}

impl Strategy for Custom<'_> {
    fn precondition(&self, case: &Case<'_>, scene: &Scene) -> Result<(), String> {
        case.backend.map_or(Ok(()), |_| case.backend(scene).map(|_| ()))
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

    /// Nothing is known of the command: it is taken to need all the time that it has.
    fn estimate(&self) -> Duration {
        self.plan.within
    }

    fn stays_in_force(&self) -> bool {
        self.plan.has_undo
    }
}
