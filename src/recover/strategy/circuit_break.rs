//! Sends nothing to what fails, for a while: to a backend, or, with a path, no requests whose path begins like that to any backend.

use std::sync::Arc;
use std::time::Duration;

use super::{Case, Hold, LOW, Progress, Proof, Release, Strategy};
use crate::recover::order::{Circuit, Order};
use crate::recover::scene::{Measure, Scene};

/// See the module.
pub(super) struct CircuitBreak<'a> {
    pub(super) path: Option<&'a Arc<str>>,
    pub(super) open_for: Duration,
}

impl CircuitBreak<'_> {
    /// What is broken: the path, or else the backend.
    fn circuit(&self, case: &Case<'_>) -> Option<Circuit> {
        let path = self.path.map(|path| Circuit::Path(path.clone()));
        path.or_else(|| case.backend.map(|backend| Circuit::Backend(backend.clone())))
    }
}

impl Strategy for CircuitBreak<'_> {
    fn precondition(&self, case: &Case<'_>, scene: &Scene) -> Result<(), String> {
        if self.path.is_some() {
            return Ok(());
        }
        if case.backend.is_none() {
            return Err("the fault is the service's as a whole, and no `path` says what part of it to cut".into());
        }
        let backend = case.backend(scene)?;
        if !backend.usable {
            return Err(format!("{} gets no work anyway", backend.id));
        }
        let others = scene.backends.iter().any(|other| other.usable && other.id != backend.id);
        if others { Ok(()) } else { Err(format!("{} is the last backend that can be used", backend.id)) }
    }

    fn act(&self, case: &Case<'_>) -> Vec<Order> {
        let (attempt, open_for) = (case.attempt, self.open_for);
        let order = self.circuit(case).map(|circuit| match circuit {
            Circuit::Path(path) => Order::Cut { attempt, path, open_for },
            Circuit::Backend(backend) => Order::Break { attempt, backend, open_for },
        });
        order.into_iter().collect()
    }

    fn undo(&self, case: &Case<'_>) -> Vec<Order> {
        self.circuit(case).map(|what| Order::Mend { attempt: case.attempt, what }).into_iter().collect()
    }

    /// The backend itself is not expected to be well: the service has to be, without it.
    fn progress(&self, case: &Case<'_>, scene: &Scene, requests: &Measure) -> Progress {
        let share = requests.failed_share();
        let is_better = share <= LOW || share < case.before.failed_share / 2.0;
        if scene.trouble.is_none() && is_better { Progress::Well(None) } else { Progress::NotYet }
    }

    fn proof(&self, _: &Case<'_>, _: &Scene) -> Proof {
        Proof::OfService
    }

    fn estimate(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn stays_in_force(&self) -> bool {
        true
    }

    fn is_withdrawn(&self) -> bool {
        true
    }

    /// A circuit closes by itself, by its own trials.
    fn release(&self, case: &Case<'_>, _: &mut Hold, _: &Scene) -> Release {
        if case.now.since(case.acted) < self.open_for { Release::Keep } else { Release::Over(self.undo(case)) }
    }
}
