//! What is to be done about a fault: the strategy that is tried next, or why none is.

use super::Coordinator;
use super::World;
use super::episode::Episode;
use super::turn::Turn;
use crate::recover::attempt::Said;
use crate::recover::brakes::{self, Brake, Earlier, Engaged, Proposal};
use crate::recover::learned::Candidate;
use crate::recover::plan::StrategyPlan;
use crate::recover::strategy::{self, Before, Case};

/// What is to be done.
#[derive(Debug)]
pub(super) enum Choice {
    /// Nothing, and nothing is to be said of it.
    Nothing,
    /// This strategy is tried.
    Try { plan: StrategyPlan, why: String, brakes: Vec<Said> },
    /// A brake holds whatever could be tried.
    Braked { brake: &'static str, text: String },
    /// All has been tried.
    Exhausted { tried: Vec<String> },
}

/// What stands with each strategy that is for the fault.
#[derive(Debug, Default)]
struct Sorted<'a> {
    /// Those that may be tried, with the number of attempts so far and the brakes that were looked at.
    free: Vec<(&'a StrategyPlan, u32, Vec<Brake>)>,
    /// Those that a brake holds, and the first that does.
    braked: Vec<(&'a StrategyPlan, Brake)>,
    /// Those that can't be used, and why.
    refused: Vec<String>,
    /// Those that have had all their attempts.
    used_up: Vec<String>,
}

impl Coordinator {
    /// What is to be done about a fault.
    pub(super) fn choose(&self, episode: &Episode, turn: &Turn<'_>, world: &mut World<'_>) -> Choice {
        let mut sorted = self.sort(episode, turn, world);
        // the next best is tried before one that has failed against this fault is tried again
        let fewest = sorted.free.iter().map(|(_, tried, _)| *tried).min().unwrap_or(0);
        sorted.free.retain(|(_, tried, _)| *tried == fewest);
        let candidates: Vec<Candidate<'_>> = sorted.free.iter().map(|(plan, ..)| candidate(plan)).collect();
        let Some(chosen) = world.learned.choose(&self.service, episode.fault, &candidates, world.random) else {
            return sorted.nothing();
        };
        let mut why = chosen.why;
        let braked = sorted.braked.iter().map(|(plan, brake)| format!("{}: {}", plan.name, brake.text));
        for refusal in sorted.refused.iter().cloned().chain(braked) {
            why += &format!("; not {refusal}");
        }
        let (plan, _, brakes) = sorted.free.swap_remove(chosen.at);
        Choice::Try { plan: plan.clone(), why, brakes: brakes.into_iter().map(Said::from).collect() }
    }

    fn sort(&self, episode: &Episode, turn: &Turn<'_>, world: &World<'_>) -> Sorted<'_> {
        let mut sorted = Sorted::default();
        let (engaged, backend) = (self.engaged(None), episode.backend.as_ref());
        for plan in self.plan.strategies.iter().filter(|plan| plan.on.contains(&episode.fault)) {
            let tried = episode.tries.get(&plan.name).copied().unwrap_or(0);
            if tried >= plan.attempts {
                sorted.used_up.push(plan.name.to_string());
                continue;
            }
            let case = Case {
                now: turn.now,
                attempt: 0,
                number: tried + 1,
                backend,
                fault: episode.fault,
                plan,
                acted: turn.now,
                before: &Before::default(),
            };
            if let Err(why) = strategy::of(plan).precondition(&case, turn.scene) {
                sorted.refused.push(format!("{}: {why}", plan.name));
                continue;
            }
            let proposal = self.proposal(plan, episode, &engaged, turn, world);
            let brakes = brakes::all(&proposal, &self.earlier(episode, plan, tried));
            match brakes.iter().find(|brake| brake.holds) {
                Some(brake) => sorted.braked.push((plan, brake.clone())),
                None => sorted.free.push((plan, tried, brakes)),
            }
        }
        sorted
    }

    fn proposal<'a>(
        &'a self,
        plan: &'a StrategyPlan,
        episode: &'a Episode,
        engaged: &'a [Engaged<'a>],
        turn: &'a Turn<'_>,
        world: &World<'a>,
    ) -> Proposal<'a> {
        Proposal {
            now: turn.now,
            limits: &self.plan.limits,
            scene: turn.scene,
            paused: world.paused,
            unkept: world.unkept,
            plan,
            backend: episode.backend.as_ref(),
            fault: episode.fault,
            engaged,
        }
    }

    fn earlier(&self, episode: &Episode, plan: &StrategyPlan, of_strategy: u32) -> Earlier<'_> {
        Earlier {
            history: &self.history,
            since: episode.since,
            of_strategy,
            of_all: episode.tries.values().sum(),
            rests_until: episode.rests_until,
            taken_back: episode.taken_back.contains(&plan.name),
        }
    }
}

impl Sorted<'_> {
    /// Why none is tried.
    fn nothing(self) -> Choice {
        // that the same is under way or in force already is plain: what holds the others back says more
        let (plain, telling): (Vec<_>, Vec<_>) =
            self.braked.into_iter().partition(|(_, brake)| brake.name == "same_kind");
        if let Some((plan, Brake { name: brake, text, .. })) = telling.into_iter().chain(plain).next() {
            return Choice::Braked { brake, text: format!("{}: {text}", plan.name) };
        }
        let refused = self.refused.join("; ");
        match (self.used_up.is_empty(), self.refused.is_empty()) {
            (true, true) => Choice::Nothing,
            (true, false) => Choice::Braked { brake: "precondition", text: refused },
            (false, _) => Choice::Exhausted { tried: self.used_up },
        }
    }
}

fn candidate(plan: &StrategyPlan) -> Candidate<'_> {
    Candidate { name: &plan.name, prior: plan.prior, estimate: strategy::of(plan).estimate() }
}
