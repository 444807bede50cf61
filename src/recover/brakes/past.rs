//! The brakes that look at what was done before.

use std::time::Duration;

use super::{Brake, Proposal};
use crate::clock::Moment;
use crate::detect::phrase;
use crate::recover::history::{HOUR, History, Past};
use crate::recover::plan::StrategyKind;

/// A fault that is younger is left alone.
const BLIP: Duration = Duration::from_millis(200);
/// The pause before a further attempt doubles with each, up to so many times the configured one.
const LONGEST_PAUSE: u32 = 10;

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
    /// Attempts within the last hour, against whatever fault of the service.
    pub within_hour: usize,
    /// All strategies have failed against it, and nothing is done for a while.
    pub rest: Option<Rest>,
    /// A person has taken back what this strategy did, while there was this fault.
    pub taken_back: bool,
}

/// A time in which nothing is done.
#[derive(Debug, Clone, Copy)]
pub struct Rest {
    /// When it began.
    pub began: Moment,
    /// How long it is.
    pub length: Duration,
}

/// A fault that is young may be a blip.
pub(super) fn blip(proposal: &Proposal<'_>, earlier: &Earlier<'_>) -> Brake {
    let age = proposal.now.since(earlier.since);
    proposal.said("blip", age < BLIP, || {
        format!("the fault is {} old, of {} at least", phrase::time(age), phrase::time(BLIP))
    })
}

/// So often one strategy against one fault.
pub(super) fn attempts(proposal: &Proposal<'_>, earlier: &Earlier<'_>) -> Brake {
    let (tried, most, name) = (earlier.of_strategy, proposal.plan.attempts, &proposal.plan.name);
    proposal.said("attempts", tried >= most, || format!("{tried} of {most} attempts of {name} against this fault"))
}

/// What a person has taken back is not done again against the same fault.
pub(super) fn taken_back(proposal: &Proposal<'_>, earlier: &Earlier<'_>) -> Brake {
    let held = "a person has taken it back, and the fault has not passed since";
    proposal.plain("taken_back", earlier.taken_back, held, "nobody has taken it back")
}

/// So many attempts an hour.
pub(super) fn per_hour(proposal: &Proposal<'_>, earlier: &Earlier<'_>) -> Brake {
    let (done, most) = (earlier.within_hour, proposal.limits.per_hour as usize);
    proposal.said("per_hour", most > 0 && done >= most, || {
        let hour = phrase::time(HOUR);
        if most == 0 {
            return format!("{done} attempts within the last {hour}; there is no limit");
        }
        format!("{done} of {most} attempts within the last {hour}")
    })
}

/// The pause between an attempt that has failed and the next one against the same fault.
pub(super) fn delay(proposal: &Proposal<'_>, earlier: &Earlier<'_>) -> Brake {
    let last = earlier.last(proposal).filter(|_| earlier.of_all > 0);
    let doubled = 1_u32.checked_shl(earlier.of_all.saturating_sub(1)).unwrap_or(LONGEST_PAUSE).min(LONGEST_PAUSE);
    let pause = proposal.scene.pause(proposal.plan.delay * doubled);
    let Some(ended) = last else {
        return proposal.said("delay", false, || "it is the first attempt against this fault".into());
    };
    let ago = proposal.now.since(ended);
    proposal.said("delay", ago < pause, || {
        let (ago, pause) = (phrase::time(ago), phrase::time(pause));
        format!("the last attempt ended {ago} ago, of {pause} at least{}", proposal.why_hurried())
    })
}

/// The pause after the last attempt when the fault has come back, when the attempt was no failure, and when all strategies have failed. What further
/// instances do is seen after a while and by all backends, so scaling up pauses after it was done for whatever fault.
pub(super) fn cool_down(proposal: &Proposal<'_>, earlier: &Earlier<'_>) -> Brake {
    let until = earlier.rest.map(|rest| rest.began.plus(proposal.scene.pause(rest.length)));
    if let Some(until) = until.filter(|until| proposal.now < *until) {
        let rest = phrase::time(until.since(proposal.now));
        return proposal.said("cool_down", true, || {
            format!("every strategy has failed; they are tried once more in {rest}{}", proposal.why_hurried())
        });
    }
    let is_scale_up = matches!(proposal.plan.kind, StrategyKind::ScaleUp { .. });
    let of_strategy = is_scale_up.then(|| earlier.history.last_of(&proposal.plan.name)).flatten();
    let against_it = earlier.history.last(proposal.backend, proposal.fault);
    let counts = |past: &Past| !past.failed || past.began < earlier.since;
    let last =
        of_strategy.into_iter().chain(against_it).filter(|past| counts(past)).filter_map(|past| past.ended).max();
    let Some(ended) = last else {
        return proposal
            .said("cool_down", false, || "no attempt against this fault has helped or was broken off lately".into());
    };
    let (ago, least) = (proposal.now.since(ended), proposal.scene.pause(proposal.limits.cool_down));
    proposal.said("cool_down", ago < least, || {
        let (ago, least) = (phrase::time(ago), phrase::time(least));
        let why = proposal.why_hurried();
        format!("the last attempt ended {ago} ago, of {least} at least before the next one{why}")
    })
}

impl Proposal<'_> {
    /// Why a pause is shorter than it was configured; empty where it is not.
    fn why_hurried(&self) -> &'static str {
        if self.scene.is_protected { " (a quarter of the pause: the error budget burns too fast)" } else { "" }
    }
}

impl Earlier<'_> {
    /// When the last attempt against the fault ended.
    fn last(&self, proposal: &Proposal<'_>) -> Option<Moment> {
        self.history.last(proposal.backend, proposal.fault).and_then(|past| past.ended)
    }
}
