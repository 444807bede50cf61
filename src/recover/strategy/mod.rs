//! The strategies: what each of them needs, does, takes back, and by what it is seen that it has helped. One file each.

mod circuit_break;
mod custom;
mod failover;
mod restart;
mod scale_up;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use super::order::{Order, Role, Run};
use super::plan::{StrategyKind, StrategyPlan};
use super::scene::{BackendScene, Measure, Scene};
use crate::clock::Moment;
use crate::detect::fault::Fault;
use crate::detect::phrase;

/// At most this share of the requests fails where the work is done well.
const LOW: f64 = 0.05;
/// The share of failed requests has to double, and be more than this, until it counts as worse than before.
const HIGH: f64 = 0.1;
/// Fewer requests show neither that the service is well nor that it is worse: of 20, one that fails one in five fails none with a chance of 1 %.
pub const ENOUGH: u64 = 20;
/// Fewer failures say nothing either.
const SEVERAL: u64 = 3;

/// A way to repair something.
pub trait Strategy {
    /// Whether it can be used against this; if not, why, in words.
    fn precondition(&self, case: &Case<'_>, scene: &Scene) -> Result<(), String>;

    /// Does it. With an [`Order::Run`] the act is over when that has ended, else at once.
    fn act(&self, case: &Case<'_>) -> Vec<Order>;

    /// Takes it back; nothing = that can't be done.
    fn undo(&self, case: &Case<'_>) -> Vec<Order>;

    /// Whether it is seen to have helped, by the scene and by the requests that are known to be of after the act.
    fn progress(&self, case: &Case<'_>, scene: &Scene, requests: &Measure) -> Progress;

    /// Whether, at the act, all is as it should be after it: what is seen afterwards is not its doing then.
    fn is_vain(&self, case: &Case<'_>, scene: &Scene) -> bool {
        self.progress(case, scene, &scene.measure) != Progress::NotYet
    }

    /// What has to be seen until that is believed.
    fn proof(&self, case: &Case<'_>, scene: &Scene) -> Proof {
        let _ = (case, scene);
        Proof::Sight
    }

    /// How long it takes until that is seen.
    fn estimate(&self) -> Duration;

    /// Whether what it does stays in force when the attempt is over, and can be taken back.
    fn stays_in_force(&self) -> bool;

    /// Whether it is taken back when it has not helped.
    fn is_withdrawn(&self) -> bool {
        false
    }

    /// Ends what is in force, when its condition holds. It is asked at every step.
    fn release(&self, case: &Case<'_>, hold: &mut Hold, scene: &Scene) -> Release {
        let _ = (case, hold, scene);
        Release::Keep
    }
}

/// What a strategy is used against, and how it stood before.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// The time.
    pub now: Moment,
    /// The attempt's id.
    pub attempt: i64,
    /// Which attempt of this strategy against this fault it is.
    pub number: u32,
    /// The backend; `None` = the service as a whole.
    pub backend: Option<&'a Arc<str>>,
    /// The fault.
    pub fault: Fault,
    /// The strategy, as configured.
    pub plan: &'a StrategyPlan,
    /// When the act began; [`Moment::NEVER`] = it did not yet.
    pub acted: Moment,
    /// The service before the act.
    pub before: &'a Before,
}

/// How a service stood before the act.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Before {
    /// How its requests went.
    pub measure: Measure,
    /// The largest share of them that failed since the fault was raised.
    pub failed_share: f64,
    /// How many backends there were.
    pub backends: usize,
}

/// What is seen of an act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// It has helped; since when, where that is known better than by the first look that shows it.
    Well(Option<Moment>),
    /// It has not, or that can't be seen yet.
    NotYet,
}

/// What shows that an act has helped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// That nothing is wrong any more: if something were, it would be seen without requests too.
    Sight,
    /// Requests that the backend has ended: without them nothing would be seen of the fault either.
    OfBackend,
    /// Requests of the service that have ended.
    OfService,
}

/// What is kept about something that is in force.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Hold {
    /// Since when the condition of its release is counted.
    pub since: Moment,
    /// The share of the work that has gone home, in thousandths.
    pub share: u32,
    /// When that share was last raised.
    pub raised: Moment,
    /// How often those at home failed again while the work went home.
    pub relapses: u32,
    /// Whether the service was in trouble when the work began to go home.
    pub was_in_trouble: bool,
}

/// What is to be done about something that is in force.
#[derive(Debug, Clone, PartialEq)]
pub enum Release {
    /// Nothing.
    Keep,
    /// This, and it is still in force. With an [`Order::Run`] it is over when that has succeeded.
    Change(Vec<Order>),
    /// This, and it is in force no more.
    Over(Vec<Order>),
}

/// The strategy that the configuration describes.
pub fn of(plan: &StrategyPlan) -> Box<dyn Strategy + '_> {
    match &plan.kind {
        StrategyKind::Restart { .. } => Box::new(restart::Restart { plan }),
        StrategyKind::Failover { to, back_after } => Box::new(failover::Failover { to, back_after: *back_after }),
        StrategyKind::ScaleUp { max_instances, has_down, down_after } => Box::new(scale_up::ScaleUp {
            plan,
            max_instances: *max_instances,
            has_down: *has_down,
            down_after: *down_after,
        }),
        StrategyKind::CircuitBreak { path, open_for } => {
            Box::new(circuit_break::CircuitBreak { path: path.as_ref(), open_for: *open_for })
        }
        StrategyKind::Custom { .. } => Box::new(custom::Custom { plan }),
    }
}

impl Before {
    /// How it stands now. `failed_share` is the largest share of failed requests since the fault was raised.
    pub fn of(scene: &Scene, failed_share: f64) -> Self {
        Self {
            measure: scene.measure,
            failed_share: failed_share.max(scene.measure.failed_share()),
            backends: scene.backends.len(),
        }
    }
}

impl<'a> Case<'a> {
    /// The backend as it is now; an error in words when the case is of the service, or the backend is gone.
    fn backend<'s>(&self, scene: &'s Scene) -> Result<&'s BackendScene, String> {
        let id = self.backend.ok_or("the fault is the service's as a whole, and not a backend's")?;
        scene.backend(id).ok_or_else(|| format!("there is no backend {id} any more"))
    }

    /// The order that runs a command for this case. It gets its id when it is given.
    fn run(&self, role: Role) -> Order {
        Order::Run(Run {
            id: 0,
            attempt: self.attempt,
            backend: self.backend.cloned(),
            strategy: self.plan.name.clone(),
            role,
            fault: self.fault,
            number: self.number,
        })
    }

    /// Takes the act back by the configured command, where there is one.
    fn run_undo(&self) -> Vec<Order> {
        if self.plan.has_undo { vec![self.run(Role::Undo)] } else { Vec::new() }
    }

    /// Whether what the fault is of is well: a backend has to have become well after the act.
    fn subject_is_well(&self, scene: &Scene) -> Progress {
        match self.backend {
            None if scene.trouble.is_none() => Progress::Well(None),
            None => Progress::NotYet,
            Some(id) => {
                let since = scene.backend(id).and_then(|backend| backend.well_since);
                since.filter(|since| *since > self.acted).map_or(Progress::NotYet, |since| Progress::Well(Some(since)))
            }
        }
    }

    /// What shows that the subject is well: its checks where there are any, if the fault is one of which they know.
    fn proof_of_subject(&self, scene: &Scene) -> Proof {
        let is_subject = |backend: &&BackendScene| self.backend.is_none_or(|id| backend.id == *id);
        let is_checked = scene.backends.iter().filter(is_subject).any(|backend| backend.is_checked);
        let is_silence = matches!(self.fault, Fault::Unresponsive | Fault::NetworkPartition | Fault::HardwareFailure);
        match self.backend {
            _ if is_checked && is_silence => Proof::Sight,
            Some(_) => Proof::OfBackend,
            None => Proof::OfService,
        }
    }

    /// Why the service is worse off than before the act, by what its requests came to `since` then, in words; `None` = it is not, or too few
    /// requests have ended to say so.
    pub fn worse(&self, since: &Measure) -> Option<String> {
        let (before, share) = (self.before.failed_share, since.failed_share());
        let is_enough = since.requests >= ENOUGH && since.failed >= SEVERAL;
        (is_enough && share > HIGH && share > 2.0 * before)
            .then(|| format!("{} of the requests fail, and {} did before", phrase::share(share), phrase::share(before)))
    }
}
