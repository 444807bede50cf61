//! The brakes: what forbids an attempt. A pure function of the limits, the scene, what is under way and what was done before.
//!
//! Orchestrator, Kubernetes and Meta's FBAR have such brakes because of what went wrong without them: a repair that is wrong, or is right at the
//! wrong time, is done to all machines at once, again and again.

mod past;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::attempt::Said;
use super::plan::{Limits, StrategyKind, StrategyPlan};
use super::scene::{BackendScene, Scene};
use crate::clock::Moment;
use crate::detect::fault::Fault;
use crate::detect::phrase;

pub use past::{Earlier, Rest};

/// What is thought of doing, and all that speaks for or against it.
#[derive(Debug, Clone, Copy)]
pub struct Proposal<'a> {
    /// The time.
    pub now: Moment,
    /// How much may be done.
    pub limits: &'a Limits,
    /// The service as it is.
    pub scene: &'a Scene,
    /// Recovery is paused.
    pub paused: bool,
    /// Why the ledger can't be written; `None` = nothing is known that keeps it from that.
    pub unkept: Option<&'a str>,
    /// Why this instance is not the one that may act on what it has in common with others; `None` = it is.
    pub not_leader: Option<&'a str>,
    /// The strategy.
    pub plan: &'a StrategyPlan,
    /// The backend; `None` = the service as a whole.
    pub backend: Option<&'a Arc<str>>,
    /// The fault.
    pub fault: Fault,
    /// What else is under way or in force.
    pub engaged: &'a [Engaged<'a>],
    /// The backends of the scene by number.
    pub counts: &'a Counts,
    /// Whether what is found of each brake is put into words. Most proposals are only looked at, for as long as a brake holds.
    pub in_words: bool,
}

/// Another attempt, which is under way, or whose act is in force.
#[derive(Debug, Clone, Copy)]
pub struct Engaged<'a> {
    /// Its backend.
    pub backend: Option<&'a Arc<str>>,
    /// What it does.
    pub kind: &'a StrategyKind,
    /// How far it is.
    pub state: State,
}

/// How far another attempt is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It waits for a person's approval.
    Waits,
    /// It is under way.
    UnderWay,
    /// It is over, and what it did is in force.
    InForce,
}

/// A brake that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Brake {
    /// Its name in the API, the events and the metrics.
    pub name: &'static str,
    /// Whether it forbids the attempt.
    pub holds: bool,
    /// What was found, for people; empty where no words were asked for.
    pub text: String,
}

/// The backends of a service by number. They are counted once for all that is proposed in a look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// All.
    pub all: usize,
    /// Those that nobody has taken out.
    pub kept: usize,
    /// Those of these that are unhealthy.
    pub unhealthy: usize,
    /// Those that can be used.
    pub usable: usize,
}

type OfTheMoment = fn(&Proposal<'_>) -> Brake;
type OfThePast = fn(&Proposal<'_>, &Earlier<'_>) -> Brake;

/// The brakes that look at how things are now. They are looked at again right before the act.
const OF_THE_MOMENT: [OfTheMoment; 12] = [
    |proposal| proposal.paused(),
    |proposal| proposal.ledger(),
    |proposal| proposal.not_leader(),
    |proposal| proposal.maintenance(),
    |proposal| proposal.taken_out(),
    |proposal| proposal.explained(),
    |proposal| proposal.same_subject(),
    |proposal| proposal.same_kind(),
    |proposal| proposal.max_at_once(),
    |proposal| proposal.max_disrupted(),
    |proposal| proposal.max_unhealthy(),
    |proposal| proposal.last_usable(),
];

/// The brakes that look at what was done before.
const OF_THE_PAST: [OfThePast; 6] =
    [past::blip, past::attempts, past::taken_back, past::per_hour, past::cool_down, past::delay];

/// The brakes that are of the service: what they hold, they hold whichever backend it is for.
const OF_THE_SERVICE: [&str; 7] =
    ["paused", "ledger", "not_leader", "maintenance", "max_at_once", "max_unhealthy", "per_hour"];

/// The brakes that end at a time that can be told beforehand.
const TIMED: [&str; 3] = ["blip", "cool_down", "delay"];

/// All brakes: those of the moment, and those that look at what was done before.
pub fn all(proposal: &Proposal<'_>, earlier: &Earlier<'_>) -> Vec<Brake> {
    look(proposal, earlier).collect()
}

/// The first brake that holds, if one does.
pub fn first(proposal: &Proposal<'_>, earlier: &Earlier<'_>) -> Option<Brake> {
    look(proposal, earlier).find(|brake| brake.holds)
}

/// The first brake of the moment that holds, if one does.
pub fn first_of_the_moment(proposal: &Proposal<'_>) -> Option<Brake> {
    OF_THE_MOMENT.iter().map(|brake| brake(proposal)).find(|brake| brake.holds)
}

/// Looks at one after the other, as far as that is asked for.
fn look<'a>(proposal: &'a Proposal<'_>, earlier: &'a Earlier<'_>) -> impl Iterator<Item = Brake> + 'a {
    let of_the_past = OF_THE_PAST.iter().map(move |brake| brake(proposal, earlier));
    OF_THE_MOMENT.iter().map(move |brake| brake(proposal)).chain(of_the_past)
}

impl<'a> Proposal<'a> {
    /// What was found of a brake.
    fn said(&self, name: &'static str, holds: bool, text: impl FnOnce() -> String) -> Brake {
        Brake { name, holds, text: if self.in_words { text() } else { String::new() } }
    }

    fn plain(&self, name: &'static str, holds: bool, held: &str, free: &str) -> Brake {
        self.said(name, holds, || if holds { held } else { free }.into())
    }

    fn subject(&self) -> Option<&'a BackendScene> {
        self.backend.and_then(|id| self.scene.backend(id))
    }

    fn paused(&self) -> Brake {
        self.plain("paused", self.paused, "recovery is paused", "recovery is not paused")
    }

    /// What can't be entered first might be done twice.
    fn ledger(&self) -> Brake {
        self.said("ledger", self.unkept.is_some(), || match self.unkept {
            Some(why) => format!("the ledger can't be written: {why}"),
            None => "the ledger can be written".into(),
        })
    }

    /// A failover and a circuit are of this instance's own traffic; what runs outside of it is done by one instance only.
    fn not_leader(&self) -> Brake {
        let why = self.not_leader.filter(|_| self.plan.kind.acts_outside());
        self.said("not_leader", why.is_some(), || match why {
            Some(why) => why.to_owned(),
            None => "no other instance is to act".into(),
        })
    }

    fn maintenance(&self) -> Brake {
        self.plain("maintenance", self.scene.in_maintenance, "the service is in maintenance", "no maintenance")
    }

    fn taken_out(&self) -> Brake {
        let is_out = self.subject().is_some_and(|backend| backend.taken_out);
        self.plain("taken_out", is_out, "the backend was taken out of use", "nobody has taken it out of use")
    }

    fn explained(&self) -> Brake {
        let explained = match self.backend {
            Some(_) => self.subject().and_then(|backend| backend.explained.as_ref()),
            None => self.scene.explained.as_ref(),
        };
        // a failover takes nothing away that works, and can be taken back
        match explained.filter(|_| !is_failover(&self.plan.kind)) {
            Some(change) => self.said("explained", true, || format!("a change of late explains it: {change}")),
            None => self.said("explained", false, || "no change of late explains it".into()),
        }
    }

    fn same_subject(&self) -> Brake {
        // a failover waits for no other repair, and none for it
        let has_one = |other: &&Engaged<'_>| {
            let is_alike = is_failover(other.kind) == is_failover(&self.plan.kind);
            other.state != State::InForce && other.backend == self.backend && is_alike
        };
        let holds = self.engaged.iter().any(|other| has_one(&other));
        let free = "no other attempt is under way for it";
        self.plain("same_subject", holds, "another attempt is under way for it", free)
    }

    fn same_kind(&self) -> Brake {
        let is_same = |other: &&Engaged<'_>| match (other.kind, &self.plan.kind) {
            (StrategyKind::Failover { .. }, StrategyKind::Failover { .. }) => true,
            (StrategyKind::ScaleUp { .. }, StrategyKind::ScaleUp { .. }) => other.state != State::InForce,
            (StrategyKind::CircuitBreak { path: a, .. }, StrategyKind::CircuitBreak { path: b, .. }) => {
                a == b && (a.is_some() || other.backend == self.backend)
            }
            _ => false,
        };
        let kind = self.plan.kind.as_str();
        let holds = self.engaged.iter().any(|other| is_same(&other));
        self.said("same_kind", holds, || {
            if holds { format!("another {kind} is under way or in force") } else { format!("no other {kind}") }
        })
    }

    /// A failover neither counts nor waits: it repairs nothing, and it is what helps while repairs of what has failed first are under way.
    fn max_at_once(&self) -> Brake {
        let counts = |other: &&Engaged<'_>| other.state == State::UnderWay && !is_failover(other.kind);
        let (there, most) = (self.engaged.iter().filter(counts).count(), self.limits.max_at_once.max(1));
        let holds = there >= most && !is_failover(&self.plan.kind);
        self.said("max_at_once", holds, || format!("attempts under way: {there}, of {most} at most"))
    }

    /// The backends that other attempts repair or have taken out of use.
    fn disrupted(&self) -> Vec<&'a Arc<str>> {
        let mut ids: Vec<_> = self.engaged.iter().filter_map(|other| other.disrupts()).collect();
        ids.sort();
        ids.dedup();
        ids.retain(|id| Some(*id) != self.backend);
        ids
    }

    fn max_disrupted(&self) -> Brake {
        let (others, all, most) = (self.disrupted().len(), self.counts.all, self.limits.max_disrupted);
        let share = (others + 1) as f64 / all.max(1) as f64;
        // one always may
        let holds = repairs(&self.plan.kind, self.backend).is_some() && others > 0 && share > most;
        self.said("max_disrupted", holds, || {
            format!("{others} of {all} backends are under repair besides, of {} at most", phrase::share(most))
        })
    }

    fn max_unhealthy(&self) -> Brake {
        let (unwell, all, most) = (self.counts.unhealthy, self.counts.kept, self.limits.max_unhealthy);
        // one alone is no sign of anything that they have in common
        let holds = !is_failover(&self.plan.kind) && unwell > 1 && unwell as f64 > most * all as f64;
        self.said("max_unhealthy", holds, || {
            format!("{unwell} of {all} backends are unhealthy, of {} at most", phrase::share(most))
        })
    }

    fn last_usable(&self) -> Brake {
        let is_usable = |backend: &&BackendScene| backend.usable;
        let subject = self.subject().filter(is_usable);
        let out = self.disrupted().into_iter().filter_map(|id| self.scene.backend(id)).filter(is_usable).count();
        let others = self.counts.usable.saturating_sub(out + usize::from(subject.is_some()));
        let holds = takes_out(&self.plan.kind) && subject.is_some() && others == 0;
        self.said("last_usable", holds, || format!("other backends that can be used: {others}"))
    }
}

impl Counts {
    /// Of the service as it is.
    pub fn of(scene: &Scene) -> Self {
        let mut counts = Self { all: scene.backends.len(), ..Self::default() };
        for backend in scene.backends.iter() {
            counts.kept += usize::from(!backend.taken_out);
            counts.unhealthy += usize::from(!backend.taken_out && backend.is_unhealthy());
            counts.usable += usize::from(backend.usable);
        }
        counts
    }
}

impl BackendScene {
    /// Whether it does no work, or not well. What is slow, or has little left, still works: that may come from too much of it.
    pub fn is_unhealthy(&self) -> bool {
        let is_load = |fault| matches!(fault, Fault::HighLatency | Fault::ResourceExhaustion);
        !self.usable || self.trouble.as_ref().is_some_and(|trouble| !is_load(trouble.fault))
    }
}

impl<'a> Engaged<'a> {
    /// The backend that it repairs now or has taken out of use.
    fn disrupts(&self) -> Option<&'a Arc<str>> {
        match self.state {
            State::Waits => None,
            State::UnderWay => repairs(self.kind, self.backend),
            State::InForce => {
                self.backend.filter(|_| matches!(self.kind, StrategyKind::CircuitBreak { path: None, .. }))
            }
        }
    }
}

fn is_failover(kind: &StrategyKind) -> bool {
    matches!(kind, StrategyKind::Failover { .. })
}

/// The backend that a strategy of this kind does something to.
fn repairs<'a>(kind: &StrategyKind, backend: Option<&'a Arc<str>>) -> Option<&'a Arc<str>> {
    let does = match kind {
        StrategyKind::Restart { .. } | StrategyKind::Custom { .. } => true,
        StrategyKind::CircuitBreak { path, .. } => path.is_none(),
        StrategyKind::Failover { .. } | StrategyKind::ScaleUp { .. } => false,
    };
    backend.filter(|_| does)
}

/// Whether a backend gets no work while a strategy of this kind is at it.
fn takes_out(kind: &StrategyKind) -> bool {
    kind.drain().is_some() || matches!(kind, StrategyKind::CircuitBreak { path: None, .. })
}

impl Brake {
    /// Whether it is of the service: what it holds, it holds whichever backend it is for.
    pub fn is_of_the_service(&self) -> bool {
        OF_THE_SERVICE.contains(&self.name)
    }

    /// Whether it ends at a time that can be told beforehand.
    pub fn is_timed(&self) -> bool {
        TIMED.contains(&self.name)
    }
}

/// As it stands in the record of an attempt.
impl From<Brake> for Said {
    fn from(brake: Brake) -> Self {
        Self { by: brake.name.into(), text: brake.text }
    }
}
