//! What is to be done about a fault: the strategy that is tried next, or why none is.

use ahash::AHashMap;

use super::episode::Episode;
use super::turn::Turn;
use super::{Coordinator, World};
use crate::recover::attempt::Said;
use crate::recover::brakes::{self, Brake, Earlier, Engaged, Proposal};
use crate::recover::learned::Candidate;
use crate::recover::plan::{Plan, StrategyPlan};
use crate::recover::scene::Scene;
use crate::recover::strategy::{self, Before, Case};

/// What is to be done.
pub(super) enum Choice<'a> {
    /// Nothing, and nothing is to be said of it.
    Nothing,
    /// This strategy is tried.
    Try { plan: &'a StrategyPlan, why: String, brakes: Vec<Said> },
    /// Whatever could be tried is held.
    Braked(Obstacle<'a>),
    /// All has been tried.
    Exhausted { tried: Vec<String> },
}

/// What holds whatever could be tried against a fault.
pub(super) struct Obstacle<'a> {
    /// The name of the brake.
    pub(super) brake: &'static str,
    /// Whether it holds all faults of the service alike.
    pub(super) is_of_service: bool,
    /// Whether something that holds ends at a time that can be told beforehand, and soon.
    pub(super) is_timed: bool,
    why: Why<'a>,
}

/// Why it holds.
enum Why<'a> {
    /// This strategy would be tried, and a brake holds it.
    Brake(&'a StrategyPlan),
    /// No strategy can be used, in words.
    Refusals(String),
}

/// What stands for all faults of a look, and is found once for all of them.
pub(super) struct Common<'a> {
    /// Attempts within the last hour.
    pub(super) within_hour: usize,
    /// Why the ledger can't be written.
    unkept: Option<&'a str>,
    /// Why this instance may not act outside of itself.
    not_leader: Option<&'a str>,
    /// Whether strategies that are of the service as a whole can be used, as far as that was asked: by their place in the plan, and by whether the
    /// fault is the service's. Which backend has the fault does not matter to them.
    wide: AHashMap<(usize, bool), Result<(), String>>,
}

/// A fault about which something is to be done, and how things stand.
struct Matter<'a> {
    coordinator: &'a Coordinator,
    episode: &'a Episode,
    turn: &'a Turn<'a>,
    within_hour: usize,
    unkept: Option<&'a str>,
    not_leader: Option<&'a str>,
    engaged: Vec<Engaged<'a>>,
    before: Before,
}

/// What stands with each strategy that is for the fault.
#[derive(Default)]
struct Sorted<'a> {
    /// Those that may be tried.
    free: Vec<&'a StrategyPlan>,
    /// Those that a brake holds, and the first that does.
    braked: Vec<(&'a StrategyPlan, Brake)>,
    /// Those that can't be used, and why.
    refused: Vec<(&'a StrategyPlan, String)>,
    /// Those that have had all their attempts.
    used_up: Vec<&'a StrategyPlan>,
}

impl<'a> Common<'a> {
    /// How things stand when a look begins.
    pub(super) fn new(within_hour: usize, unkept: Option<&'a str>, not_leader: Option<&'a str>) -> Self {
        Self { within_hour, unkept, not_leader, wide: AHashMap::new() }
    }

    /// Whether this strategy, which is at this place in the plan, can be used; if not, why.
    fn precondition(&mut self, place: usize, case: &Case<'_>, scene: &Scene) -> Result<(), String> {
        let ask = || strategy::of(case.plan).precondition(case, scene);
        if !case.plan.kind.is_wide() {
            return ask();
        }
        self.wide.entry((place, case.backend.is_none())).or_insert_with(ask).clone()
    }
}

impl Coordinator {
    /// What is to be done about a fault.
    pub(super) fn choose<'p>(
        &self,
        plan: &'p Plan,
        episode: &Episode,
        turn: &Turn<'_>,
        common: &mut Common<'_>,
        world: &mut World<'_>,
    ) -> Choice<'p> {
        let matter = self.matter(episode, turn, common);
        let mut sorted = matter.sort(plan, common);
        // the next best is tried before one that has failed against this fault is tried again
        let fewest = sorted.free.iter().map(|plan| matter.tried(plan)).min().unwrap_or(0);
        sorted.free.retain(|plan| matter.tried(plan) == fewest);
        let candidates: Vec<Candidate<'_>> = sorted.free.iter().map(|plan| candidate(plan)).collect();
        let Some(chosen) = world.learned.choose(&self.service, episode.fault, &candidates, world.random) else {
            return sorted.nothing();
        };
        let mut why = chosen.why;
        let braked = sorted.braked.iter().map(|(plan, _)| format!("{}: {}", plan.name, matter.text(plan)));
        for refusal in sorted.refused.iter().map(refusal).chain(braked) {
            why += &format!("; not {refusal}");
        }
        let plan = sorted.free.swap_remove(chosen.at);
        let brakes = brakes::all(&matter.proposal(plan, true), &matter.earlier(plan));
        Choice::Try { plan, why, brakes: brakes.into_iter().map(Said::from).collect() }
    }

    /// Why an obstacle holds what could be tried against this fault, in words.
    pub(super) fn explain(
        &self,
        obstacle: Obstacle<'_>,
        episode: &Episode,
        turn: &Turn<'_>,
        common: &Common<'_>,
    ) -> String {
        match obstacle.why {
            Why::Refusals(text) => text,
            Why::Brake(plan) => {
                format!("{}: {}", plan.name, self.matter(episode, turn, common).text(plan))
            }
        }
    }

    fn matter<'a>(&'a self, episode: &'a Episode, turn: &'a Turn<'a>, common: &Common<'a>) -> Matter<'a> {
        let &Common { within_hour, unkept, not_leader, .. } = common;
        let (engaged, before) = (self.engaged(None), Before::default());
        Matter { coordinator: self, episode, turn, within_hour, unkept, not_leader, engaged, before }
    }
}

impl Matter<'_> {
    fn sort<'p>(&self, plan: &'p Plan, common: &mut Common<'_>) -> Sorted<'p> {
        let mut sorted = Sorted::default();
        let is_for_it = |(_, plan): &(usize, &StrategyPlan)| plan.on.contains(&self.episode.fault);
        for (place, plan) in plan.strategies.iter().enumerate().filter(is_for_it) {
            if self.tried(plan) >= plan.attempts {
                sorted.used_up.push(plan);
            } else if let Err(why) = common.precondition(place, &self.case(plan), self.turn.scene) {
                sorted.refused.push((plan, why));
            } else if let Some(brake) = brakes::first(&self.proposal(plan, false), &self.earlier(plan)) {
                sorted.braked.push((plan, brake));
            } else {
                sorted.free.push(plan);
            }
        }
        sorted
    }

    /// How often this strategy was tried against the fault.
    fn tried(&self, plan: &StrategyPlan) -> u32 {
        self.episode.tries.get(&plan.name).copied().unwrap_or(0)
    }

    fn case<'b>(&'b self, plan: &'b StrategyPlan) -> Case<'b> {
        Case {
            now: self.turn.now,
            attempt: 0,
            number: self.tried(plan) + 1,
            backend: self.episode.backend.as_ref(),
            fault: self.episode.fault,
            plan,
            acted: self.turn.now,
            before: &self.before,
        }
    }

    fn proposal<'b>(&'b self, plan: &'b StrategyPlan, in_words: bool) -> Proposal<'b> {
        Proposal {
            now: self.turn.now,
            limits: &self.coordinator.plan.limits,
            scene: self.turn.scene,
            paused: false,
            unkept: self.unkept,
            not_leader: self.not_leader,
            plan,
            backend: self.episode.backend.as_ref(),
            fault: self.episode.fault,
            engaged: &self.engaged,
            counts: &self.turn.counts,
            in_words,
        }
    }

    fn earlier(&self, plan: &StrategyPlan) -> Earlier<'_> {
        Earlier {
            history: &self.coordinator.history,
            since: self.episode.since,
            of_strategy: self.tried(plan),
            of_all: self.episode.tries.values().sum(),
            within_hour: self.within_hour,
            rest: self.episode.rest,
            taken_back: self.episode.taken_back.contains(&plan.name),
        }
    }

    /// What is found of the first brake that holds this strategy, in words.
    fn text(&self, plan: &StrategyPlan) -> String {
        brakes::first(&self.proposal(plan, true), &self.earlier(plan)).map(|brake| brake.text).unwrap_or_default()
    }
}

impl<'a> Sorted<'a> {
    /// Why none is tried.
    fn nothing(self) -> Choice<'a> {
        // that the same is under way or in force already is plain: what holds the others back says more
        let telling = self.braked.iter().find(|(_, brake)| brake.name != "same_kind");
        let is_timed = self.braked.iter().any(|(_, brake)| brake.is_timed());
        if let Some((plan, brake)) = telling.or(self.braked.first()) {
            let (brake, is_of_service) = (brake.name, brake.is_of_the_service());
            return Choice::Braked(Obstacle { brake, is_of_service, is_timed, why: Why::Brake(plan) });
        }
        match (self.used_up.is_empty(), self.refused.is_empty()) {
            (true, true) => Choice::Nothing,
            (true, false) => {
                let is_of_service = self.refused.iter().all(|(plan, _)| plan.kind.is_wide());
                let text = self.refused.iter().map(refusal).collect::<Vec<_>>().join("; ");
                Choice::Braked(Obstacle { brake: "precondition", is_of_service, is_timed, why: Why::Refusals(text) })
            }
            (false, _) => Choice::Exhausted { tried: self.used_up.iter().map(|plan| plan.name.to_string()).collect() },
        }
    }
}

fn refusal((plan, why): &(&StrategyPlan, String)) -> String {
    format!("{}: {why}", plan.name)
}

fn candidate(plan: &StrategyPlan) -> Candidate<'_> {
    Candidate { name: &plan.name, prior: plan.prior, estimate: strategy::of(plan).estimate() }
}
