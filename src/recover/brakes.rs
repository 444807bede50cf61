//! The brakes: what forbids an attempt. A pure function of the limits, the scene, what is under way and what was done before.
//!
//! Orchestrator, Kubernetes and Meta's FBAR have such brakes because of what went wrong without them: a repair that is wrong, or is right at the
//! wrong time, is done to all machines at once, again and again.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use super::attempt::Said;
use super::history::{HOUR, History, Past};
use super::plan::{Limits, StrategyKind, StrategyPlan};
use super::scene::{BackendScene, Scene};
use crate::clock::Moment;
use crate::detect::fault::Fault;
use crate::detect::phrase;

/// A fault that is younger may be a blip.
const BLIP: Duration = Duration::from_millis(200);
/// The pause before a further attempt doubles with each, up to so many times the configured one.
const LONGEST_PAUSE: u32 = 10;

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
    /// The strategy.
    pub plan: &'a StrategyPlan,
    /// The backend; `None` = the service as a whole.
    pub backend: Option<&'a Arc<str>>,
    /// The fault.
    pub fault: Fault,
    /// What else is under way or in force.
    pub engaged: &'a [Engaged<'a>],
}

/// What was done before about a fault.
#[derive(Debug, Clone, Copy)]
pub struct Earlier<'a> {
    /// The attempts of the service.
    pub history: &'a History,
    /// Since when there is the fault.
    pub since: Moment,
    /// Attempts of this strategy against it.
    pub of_strategy: u32,
    /// Attempts of any strategy against it.
    pub of_all: u32,
    /// All strategies have failed against it, and nothing is done until then.
    pub rests_until: Option<Moment>,
    /// A person has taken back what this strategy did, while there was this fault.
    pub taken_back: bool,
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
    /// What was found, for people.
    pub text: String,
}

/// All brakes: those of the moment, and those that look at what was done before.
pub fn all(proposal: &Proposal<'_>, earlier: &Earlier<'_>) -> Vec<Brake> {
    let mut brakes = of_the_moment(proposal);
    brakes.extend(of_the_past(proposal, earlier));
    brakes
}

/// The brakes that look at how things are now. They are looked at again right before the act.
pub fn of_the_moment(proposal: &Proposal<'_>) -> Vec<Brake> {
    vec![
        Brake::new("paused", proposal.paused, "recovery is paused", "recovery is not paused"),
        proposal.ledger(),
        Brake::new("maintenance", proposal.scene.in_maintenance, "the service is in maintenance", "no maintenance"),
        proposal.taken_out(),
        proposal.explained(),
        proposal.same_subject(),
        proposal.same_kind(),
        proposal.max_at_once(),
        proposal.max_disrupted(),
        proposal.max_unhealthy(),
        proposal.last_usable(),
    ]
}

fn of_the_past(proposal: &Proposal<'_>, earlier: &Earlier<'_>) -> Vec<Brake> {
    let &Proposal { now, limits, plan, .. } = proposal;
    let age = now.since(earlier.since);
    let blip =
        said("blip", age < BLIP, format!("the fault is {} old, of {} at least", phrase::time(age), phrase::time(BLIP)));
    let (tried, most) = (earlier.of_strategy, plan.attempts);
    let attempts =
        said("attempts", tried >= most, format!("{tried} of {most} attempts of {} against this fault", plan.name));
    let (done, most) = (earlier.history.within_hour(now), limits.per_hour as usize);
    let per_hour = if most == 0 {
        said("per_hour", false, format!("{done} attempts within the last {}; there is no limit", phrase::time(HOUR)))
    } else {
        said("per_hour", done >= most, format!("{done} of {most} attempts within the last {}", phrase::time(HOUR)))
    };
    let taken_back = Brake::new(
        "taken_back",
        earlier.taken_back,
        "a person has taken it back, and the fault has not passed since",
        "nobody has taken it back",
    );
    vec![blip, attempts, taken_back, per_hour, cool_down(proposal, earlier), delay(proposal, earlier)]
}

/// The pause between an attempt that has failed and the next one against the same fault.
fn delay(proposal: &Proposal<'_>, earlier: &Earlier<'_>) -> Brake {
    let last = earlier.last(proposal).filter(|_| earlier.of_all > 0);
    let doubled = 1_u32.checked_shl(earlier.of_all.saturating_sub(1)).unwrap_or(LONGEST_PAUSE).min(LONGEST_PAUSE);
    let pause = proposal.plan.delay * doubled;
    match last {
        None => said("delay", false, "it is the first attempt against this fault".into()),
        Some(ended) => {
            let ago = proposal.now.since(ended);
            said(
                "delay",
                ago < pause,
                format!("the last attempt ended {} ago, of {} at least", phrase::time(ago), phrase::time(pause)),
            )
        }
    }
}

/// The pause after the last attempt when the fault has come back, when the attempt was no failure, and when all strategies have failed. What further
/// instances do is seen after a while and by all backends, so scaling up pauses after it was done for whatever fault.
fn cool_down(proposal: &Proposal<'_>, earlier: &Earlier<'_>) -> Brake {
    if let Some(until) = earlier.rests_until.filter(|until| proposal.now < *until) {
        let rest = phrase::time(until.since(proposal.now));
        return said("cool_down", true, format!("every strategy has failed; they are tried once more in {rest}"));
    }
    let is_scale_up = matches!(proposal.plan.kind, StrategyKind::ScaleUp { .. });
    let of_strategy = earlier.history.last_of(&proposal.plan.name).filter(|_| is_scale_up);
    let against_it = earlier.history.last(proposal.backend, proposal.fault);
    let counts = |past: &Past| !past.failed || past.began < earlier.since;
    let last =
        of_strategy.into_iter().chain(against_it).filter(|past| counts(past)).filter_map(|past| past.ended).max();
    let Some(ended) = last else {
        return said("cool_down", false, "no attempt against this fault has helped or was broken off lately".into());
    };
    let (ago, cool_down) = (proposal.now.since(ended), proposal.limits.cool_down);
    let text = format!(
        "the last attempt ended {} ago, of {} at least before the next one",
        phrase::time(ago),
        phrase::time(cool_down)
    );
    said("cool_down", ago < cool_down, text)
}

impl Earlier<'_> {
    /// When the last attempt against the fault ended.
    fn last(&self, proposal: &Proposal<'_>) -> Option<Moment> {
        self.history.last(proposal.backend, proposal.fault).and_then(|past| past.ended)
    }
}

impl<'a> Proposal<'a> {
    fn subject(&self) -> Option<&'a BackendScene> {
        self.backend.and_then(|id| self.scene.backend(id))
    }

    /// What can't be entered first might be done twice.
    fn ledger(&self) -> Brake {
        match self.unkept {
            Some(why) => said("ledger", true, format!("the ledger can't be written: {why}")),
            None => said("ledger", false, "the ledger can be written".into()),
        }
    }

    fn taken_out(&self) -> Brake {
        let is_out = self.subject().is_some_and(|backend| backend.taken_out);
        Brake::new("taken_out", is_out, "the backend was taken out of use", "nobody has taken it out of use")
    }

    fn explained(&self) -> Brake {
        let explained = match self.backend {
            Some(_) => self.subject().and_then(|backend| backend.explained.as_ref()),
            None => self.scene.explained.as_ref(),
        };
        // a failover takes nothing away that works, and can be taken back
        match explained.filter(|_| !matches!(self.plan.kind, StrategyKind::Failover { .. })) {
            Some(change) => said("explained", true, format!("a change of late explains it: {change}")),
            None => said("explained", false, "no change of late explains it".into()),
        }
    }

    fn same_subject(&self) -> Brake {
        // a failover waits for no other repair, and none for it
        let is_failover = |kind: &StrategyKind| matches!(kind, StrategyKind::Failover { .. });
        let has_one = |other: &&Engaged<'_>| {
            let is_alike = is_failover(other.kind) == is_failover(&self.plan.kind);
            other.state != State::InForce && other.backend == self.backend && is_alike
        };
        let holds = self.engaged.iter().any(|other| has_one(&other));
        let free = "no other attempt is under way for it";
        Brake::new("same_subject", holds, "another attempt is under way for it", free)
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
        let text = if holds { format!("another {kind} is under way or in force") } else { format!("no other {kind}") };
        said("same_kind", holds, text)
    }

    /// A failover neither counts nor waits: it repairs nothing, and it is what helps while repairs of what has failed first are under way.
    fn max_at_once(&self) -> Brake {
        let counts = |other: &&Engaged<'_>| other.state == State::UnderWay && !is_failover(other.kind);
        let (there, most) = (self.engaged.iter().filter(counts).count(), self.limits.max_at_once.max(1));
        let holds = there >= most && !is_failover(&self.plan.kind);
        said("max_at_once", holds, format!("attempts under way: {there}, of {most} at most"))
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
        let (others, all, most) = (self.disrupted().len(), self.scene.backends.len(), self.limits.max_disrupted);
        let share = (others + 1) as f64 / all.max(1) as f64;
        // one always may
        let holds = repairs(&self.plan.kind, self.backend).is_some() && others > 0 && share > most;
        let text = format!("{others} of {all} backends are under repair besides, of {} at most", phrase::share(most));
        said("max_disrupted", holds, text)
    }

    fn max_unhealthy(&self) -> Brake {
        let counted = || self.scene.backends.iter().filter(|backend| !backend.taken_out);
        let (unwell, all) = (counted().filter(|backend| backend.is_unhealthy()).count(), counted().count());
        let most = self.limits.max_unhealthy;
        // one alone is no sign of anything that they have in common
        let holds = !is_failover(&self.plan.kind) && unwell > 1 && unwell as f64 > most * all as f64;
        let text = format!("{unwell} of {all} backends are unhealthy, of {} at most", phrase::share(most));
        said("max_unhealthy", holds, text)
    }

    fn last_usable(&self) -> Brake {
        let out = self.disrupted();
        let is_other =
            |other: &&BackendScene| other.usable && self.backend != Some(&other.id) && !out.contains(&&other.id);
        let others = self.scene.backends.iter().filter(is_other).count();
        let is_usable = self.subject().is_some_and(|backend| backend.usable);
        let holds = takes_out(&self.plan.kind) && is_usable && others == 0;
        said("last_usable", holds, format!("other backends that can be used: {others}"))
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
    fn new(name: &'static str, holds: bool, held: &str, free: &str) -> Self {
        said(name, holds, if holds { held } else { free }.into())
    }
}

/// As it stands in the record of an attempt.
impl From<Brake> for Said {
    fn from(brake: Brake) -> Self {
        Self { by: brake.name.into(), text: brake.text }
    }
}

fn said(name: &'static str, holds: bool, text: String) -> Brake {
    Brake { name, holds, text }
}
