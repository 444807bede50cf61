//! Starts further backends, by a command or a webhook. They come by discovery, and are taken away again, one after the other, when the fault has
//! not been there for a while.

use std::time::Duration;

use super::{Case, Hold, Progress, Release, Strategy};
use crate::recover::order::{Order, Role};
use crate::recover::plan::StrategyPlan;
use crate::recover::scene::{BackendScene, Measure, Scene};

/// Requests take at most this share of the time that they took, or fail at most so much less often, where the service is clearly better.
const BETTER: f64 = 0.7;

/// See the module.
pub(super) struct ScaleUp<'a> {
    pub(super) plan: &'a StrategyPlan,
    pub(super) max_instances: usize,
    pub(super) has_down: bool,
    pub(super) down_after: Duration,
}

impl ScaleUp<'_> {
    /// Whether the service, or a backend, has a fault that this strategy is for.
    fn is_needed(&self, scene: &Scene) -> bool {
        let of_backends = scene.backends.iter().filter_map(|backend| backend.trouble.as_ref());
        scene.trouble.iter().chain(of_backends).any(|trouble| self.plan.on.contains(&trouble.fault))
    }
}

impl Strategy for ScaleUp<'_> {
    fn precondition(&self, _: &Case<'_>, scene: &Scene) -> Result<(), String> {
        let (there, most) = (scene.backends.len(), self.max_instances);
        if there < most {
            return Ok(());
        }
        Err(format!("there are {there} backends, and max_instances is {most}"))
    }

    fn act(&self, case: &Case<'_>) -> Vec<Order> {
        vec![case.run(Role::Act)]
    }

    fn undo(&self, case: &Case<'_>) -> Vec<Order> {
        if self.has_down && !self.plan.has_undo { vec![case.run(Role::Down)] } else { case.run_undo() }
    }

    fn progress(&self, case: &Case<'_>, scene: &Scene, _: &Measure) -> Progress {
        let backend = case.backend.and_then(|id| scene.backend(id));
        let in_trouble = |backend: &BackendScene| backend.trouble.is_some();
        if scene.trouble.is_some() || backend.is_some_and(in_trouble) {
            return Progress::NotYet;
        }
        let (before, now) = (&case.before.measure, &scene.measure);
        let is_better = now.requests > 0
            && (now.mean < before.mean.mul_f64(BETTER) || now.failed_share() < case.before.failed_share * BETTER);
        if scene.backends.len() > case.before.backends || is_better { Progress::Well(None) } else { Progress::NotYet }
    }

    fn estimate(&self) -> Duration {
        Duration::from_secs(120)
    }

    fn stays_in_force(&self) -> bool {
        self.has_down || self.plan.has_undo
    }

    fn release(&self, case: &Case<'_>, hold: &mut Hold, scene: &Scene) -> Release {
        if self.is_needed(scene) || !self.has_down {
            hold.since = case.now;
        }
        if case.now.since(hold.since) < self.down_after {
            return Release::Keep;
        }
        if scene.backends.len() <= case.before.backends {
            return Release::Over(Vec::new());
        }
        // a command that fails is tried again after as long
        hold.since = case.now;
        Release::Change(vec![case.run(Role::Down)])
    }
}
