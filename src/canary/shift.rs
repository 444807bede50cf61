//! Where a canary is in its plan: it goes on by step when the time is over and enough was seen, waits while something speaks against that, and goes back
//! when it stands out.

#[cfg(test)]
mod tests;

use std::time::Duration;

use super::plan::Plan;
use crate::clock::Moment;
use crate::detect::pair::{Finding, Pair};
use crate::detect::sample::Sample;

/// How far a canary has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It is in a step.
    Stepping,
    /// It was sent back, and gets nothing until a person says so.
    Back,
    /// It has what the last step gives it, for good.
    Arrived,
}

/// What a person says of a canary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// It begins with the first step.
    Start,
    /// It gets nothing.
    Back,
    /// It has arrived: it gets what the last step gives it, at once.
    Promote,
}

/// What is kept of a canary: enough to go on after a restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// How far it has come.
    pub stage: Stage,
    /// The step, from 0; of one that is back, the one that it was in.
    pub step: usize,
    /// Why it is back; empty = it is not.
    pub reason: String,
}

/// What has happened to a canary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It has another share, by plan or because somebody has said so.
    Stepped {
        /// The share before, in parts of [`WHOLE`](super::WHOLE).
        from: u32,
        /// The share now.
        to: u32,
        /// The requests that it had with the share before.
        requests: u64,
    },
    /// It was sent back.
    Back {
        /// The share before.
        from: u32,
        /// The requests that it had with it.
        requests: u64,
        /// Why.
        reason: String,
    },
    /// It has gone through the whole plan.
    Arrived {
        /// The share that it keeps.
        share: u32,
    },
}

/// What is seen of both services.
#[derive(Debug)]
pub struct Look<'a> {
    /// The present.
    pub now: Moment,
    /// How long the look before is ago.
    pub lasted: Duration,
    /// What the canary has shown since.
    pub canary: &'a Sample,
    /// What the version in use has shown since.
    pub stable: &'a Sample,
    /// Why no step is to be taken now, whatever the canary shows; `None` = nothing speaks against one.
    pub hold: Option<String>,
}

/// A canary on its way.
#[derive(Debug)]
pub struct Shift {
    plan: Plan,
    standing: Standing,
    pair: Pair,
    /// Since when it is in its step.
    since: Moment,
    /// What both have had in the step.
    requests: [u64; 2],
    /// Why it does not go on though its time is over; `None` = it is not over.
    held: Option<String>,
}

impl Word {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Start, Self::Back, Self::Promote];

    /// The name in the API and of the command.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Back => "back",
            Self::Promote => "promote",
        }
    }
}

impl Stage {
    /// The name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stepping => "stepping",
            Self::Back => "back",
            Self::Arrived => "arrived",
        }
    }

    /// The stage with this name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Stepping, Self::Back, Self::Arrived].into_iter().find(|stage| stage.as_str() == name)
    }
}

impl Standing {
    /// At the first step.
    pub fn first() -> Self {
        Self { stage: Stage::Stepping, step: 0, reason: String::new() }
    }

    /// The share that follows from it.
    pub fn share(&self, plan: &Plan) -> u32 {
        match self.stage {
            Stage::Stepping => plan.share(self.step),
            Stage::Back => 0,
            Stage::Arrived => plan.share(plan.last()),
        }
    }
}

impl Shift {
    /// Goes on by this plan where it stood, with the time of its step from the beginning.
    pub fn new(plan: Plan, standing: Standing, now: Moment) -> Self {
        Self { plan, standing, pair: Pair::default(), since: now, requests: [0; 2], held: None }
    }

    /// Its plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// How far it has come.
    pub fn standing(&self) -> &Standing {
        &self.standing
    }

    /// The share that it gets now, in parts of [`WHOLE`](super::WHOLE).
    pub fn share(&self) -> u32 {
        self.standing.share(&self.plan)
    }

    /// How long it has been in its step or stage.
    pub fn lasted(&self, now: Moment) -> Duration {
        now.since(self.since)
    }

    /// The requests that it has had in its step.
    pub fn requests(&self) -> u64 {
        self.requests[0]
    }

    /// Why it stays in its step though the time is over; `None` = it does not.
    pub fn held(&self) -> Option<&str> {
        self.held.as_deref()
    }

    /// Whether it is looked at: one that is back or has arrived is where it is for good.
    pub fn is_watched(&self) -> bool {
        self.standing.stage == Stage::Stepping
    }

    /// Takes in what both services have shown. Gives back what follows from it.
    pub fn look(&mut self, look: Look<'_>) -> Option<Change> {
        if !self.is_watched() {
            return None;
        }
        self.requests[0] = self.requests[0].saturating_add(look.canary.attempts());
        self.requests[1] = self.requests[1].saturating_add(look.stable.attempts());
        self.pair.observe(look.canary, look.stable, look.lasted);
        let Plan { stops_on_errors, stops_on_latency, .. } = self.plan;
        if let Some(Finding { reason, .. }) = self.pair.finding(stops_on_errors, stops_on_latency) {
            return Some(self.send_back(reason, look.now));
        }
        if look.now.since(self.since) < self.plan.every {
            self.held = None;
            return None;
        }
        self.held = look.hold.or_else(|| self.too_few());
        if self.held.is_some() {
            return None;
        }
        Some(if self.standing.step < self.plan.last() { self.step(look.now) } else { self.arrive(look.now) })
    }

    /// A person has said this.
    pub fn say(&mut self, word: Word, who: &str, now: Moment) -> Option<Change> {
        let from = self.share();
        let requests = self.requests[0];
        match word {
            Word::Start => {
                // what was held against it was the reason to send it back: it is judged anew
                self.pair = Pair::default();
                self.enter(Standing::first(), now);
                Some(Change::Stepped { from, to: self.share(), requests })
            }
            Word::Back if self.standing.stage == Stage::Back => None,
            Word::Back => Some(self.send_back(format!("sent back by {who}"), now)),
            Word::Promote if self.standing.stage == Stage::Arrived => None,
            Word::Promote => Some(self.arrive(now)),
        }
    }

    /// Why what was seen in the step is too little; `None` = it is enough. Where nobody asks for anything, nothing can be waited for.
    fn too_few(&self) -> Option<String> {
        let ([own, others], least) = (self.requests, self.plan.min_requests);
        (own < least && own + others > 0).then(|| format!("it has had {own} of {least} requests in this step"))
    }

    fn step(&mut self, now: Moment) -> Change {
        let (from, requests) = (self.share(), self.requests[0]);
        let step = self.standing.step + 1;
        self.enter(Standing { step, ..Standing::first() }, now);
        Change::Stepped { from, to: self.share(), requests }
    }

    fn arrive(&mut self, now: Moment) -> Change {
        self.enter(Standing { stage: Stage::Arrived, step: self.plan.last(), reason: String::new() }, now);
        Change::Arrived { share: self.share() }
    }

    fn send_back(&mut self, reason: String, now: Moment) -> Change {
        let (from, requests) = (self.share(), self.requests[0]);
        self.enter(Standing { stage: Stage::Back, step: self.standing.step, reason: reason.clone() }, now);
        Change::Back { from, requests, reason }
    }

    fn enter(&mut self, standing: Standing, now: Moment) {
        self.standing = standing;
        self.since = now;
        self.requests = [0; 2];
        self.held = None;
        self.pair.gets_more();
    }
}
