//! Attempts begin: for each fault for which none is under way, one strategy at most.

use std::sync::Arc;
use std::time::Duration;

use super::choice::{Choice, Common, Obstacle};
use super::episode::{Braked, troubles};
use super::job::Job;
use super::service_brakes::LOOKS_AGAIN;
use super::turn::Turn;
use super::underway::{PROPOSAL, Stage, Underway};
use super::{Coordinator, World};
use crate::clock::Moment;
use crate::detect::fault::Fault;
use crate::recover::attempt::{Attempt, Outcome, Phase, Said};
use crate::recover::brakes::Rest;
use crate::recover::history::Past;
use crate::recover::order::{Notice, Order};
use crate::recover::plan::StrategyPlan;
use crate::recover::scene::Trouble;
use crate::recover::strategy::Before;

/// Brakes that hold for a moment, or that are plain from what is told anyway: nobody is told of them.
const UNTOLD: [&str; 4] = ["blip", "delay", "same_subject", "same_kind"];
/// The pause after all strategies have failed doubles each time, from the cool-down, but at least this,
const LEAST_REST: Duration = Duration::from_secs(1);
/// up to this.
const LONGEST_REST: Duration = Duration::from_secs(3600);

/// A strategy that was chosen, with the reasons.
struct Chosen {
    plan: StrategyPlan,
    why: String,
    brakes: Vec<Said>,
}

impl Coordinator {
    /// Looks at each fault that there is, but for those that are held and for which nothing has changed.
    pub(super) fn begin(&mut self, turn: &mut Turn<'_>, world: &mut World<'_>) {
        let mut common = Common::new(self.history.within_hour(turn.now), world.unkept, world.not_leader);
        let is_as_before = self.is_as_before(turn, common.within_hour, world);
        let (plan, scene) = (Arc::clone(&self.plan), turn.scene);
        for (backend, trouble) in troubles(scene) {
            let Some(at) = self.episodes.position(backend, trouble.fault) else { continue };
            let episode = self.episodes.at(at);
            if is_as_before && turn.now < episode.again {
                continue;
            }
            // beside an attempt that is under way for it a failover may begin, and nothing is to be said of the rest
            let is_treated = self.underway.iter().any(|underway| underway.job.backend.as_ref() == backend);
            match self.choose(&plan, episode, turn, &mut common, world) {
                Choice::Nothing | Choice::Braked { .. } | Choice::Exhausted { .. } if is_treated => {}
                Choice::Nothing => self.episodes.at_mut(at).braked = None,
                Choice::Try { plan, why, brakes } => {
                    common.within_hour += 1;
                    self.start(Chosen { plan: plan.clone(), why, brakes }, at, trouble, turn, world);
                }
                Choice::Braked(obstacle) => self.hold_back(obstacle, at, turn, &common),
                Choice::Exhausted { tried } => self.exhausted(at, tried, turn),
            }
        }
        self.service_brakes.looked(turn.now);
    }

    /// Nothing is done about the fault now. That is told once for each brake: by itself, or for the service, where it holds all faults alike.
    fn hold_back(&mut self, obstacle: Obstacle<'_>, at: usize, turn: &mut Turn<'_>, common: &Common<'_>) {
        let Obstacle { brake, is_of_service, is_timed, .. } = obstacle;
        let again = if is_timed { Moment::NEVER } else { turn.now.plus(LOOKS_AGAIN) };
        if is_of_service && self.service_brakes.is_known(brake, turn.now) {
            let episode = self.episodes.at_mut(at);
            (episode.braked, episode.again) = (Some(Braked::OfService(brake)), again);
            return;
        }
        let text = self.explain(obstacle, self.episodes.at(at), turn, common);
        let episode = self.episodes.at_mut(at);
        episode.again = again;
        let fault = episode.fault;
        let is_news = if is_of_service {
            episode.braked = Some(Braked::OfService(brake));
            self.service_brakes.holds(brake, &text, turn.now)
        } else {
            episode.braked = Some(Braked::Own(describe(episode.backend.as_deref(), fault, brake, &text)));
            let is_news = !UNTOLD.contains(&brake) && !episode.told.contains(&brake);
            is_news.then(|| episode.told.push(brake)).is_some()
        };
        if is_news {
            let backend = episode.backend.clone().filter(|_| !is_of_service);
            turn.orders.push(Order::Tell(Notice::Braked { backend, fault, brake, text }));
        }
    }

    /// Begins an attempt: it is entered, before anything is done.
    fn start(&mut self, chosen: Chosen, at: usize, trouble: &Trouble, turn: &mut Turn<'_>, world: &mut World<'_>) {
        let id = *world.next_id;
        *world.next_id += 1;
        let episode = self.episodes.at_mut(at);
        episode.braked = None;
        let tried = episode.tries.entry(chosen.plan.name.clone()).or_default();
        *tried += 1;
        let (number, backend, failed_share) = (*tried, episode.backend.clone(), episode.failed_share);
        let record = self.record(id, number, &chosen, trouble, turn);
        let mut job = Job {
            record,
            plan: chosen.plan,
            fault: trouble.fault,
            backend,
            acted: None,
            before: Before::of(turn.scene, failed_share),
            runs: None,
            last_run: 0,
            reports: Vec::new(),
            word: None,
        };
        job.record.backend = job.backend.as_ref().map(ToString::to_string);
        job.describe(turn.now, world.describe);
        let past = Past {
            attempt: id,
            backend: job.backend.clone(),
            fault: job.fault,
            strategy: job.plan.name.clone(),
            began: turn.now,
            ended: None,
            failed: false,
            was_idle: false,
        };
        self.history.begin(past, self.plan.limits.cool_down);
        let stage = self.enter(&mut job, turn);
        self.underway.push(Underway::new(job, trouble.since, stage, turn.scene));
    }

    fn enter(&self, job: &mut Job, turn: &mut Turn<'_>) -> Stage {
        if job.record.dry_run {
            // nothing is done, and what becomes of the service is judged as if it had been
            (job.acted, job.record.phase) = (Some(turn.now), Phase::Verifying);
            turn.enter(&job.record);
            turn.tell(Notice::Began, &job.record);
            return Stage::Verifying { since: turn.now };
        }
        if self.plan.ask {
            turn.enter(&job.record);
            turn.tell(Notice::Proposed, &job.record);
            return Stage::Proposed { until: turn.now.plus(PROPOSAL) };
        }
        job.record.phase = if job.plan.kind.drain().is_some() { Phase::Draining } else { Phase::Acting };
        turn.enter_first(&job.record);
        turn.tell(Notice::Began, &job.record);
        Stage::Entering { since: turn.now }
    }

    fn record(&self, id: i64, number: u32, chosen: &Chosen, trouble: &Trouble, turn: &Turn<'_>) -> Attempt {
        let said = |(by, text): &(Arc<str>, Arc<str>)| Said { by: by.to_string(), text: text.to_string() };
        Attempt {
            id,
            service: self.service.to_string(),
            fault: trouble.fault.as_str().to_owned(),
            confidence: trouble.confidence,
            votes: trouble.votes.iter().map(said).collect(),
            strategy: chosen.plan.name.to_string(),
            kind: chosen.plan.kind.as_str().to_owned(),
            why: chosen.why.clone(),
            number,
            brakes: chosen.brakes.clone(),
            dry_run: self.plan.dry_run,
            raised: turn.stamp(trouble.since),
            start: turn.at.as_millis(),
            backends: turn.scene.backends.len(),
            ..Attempt::default()
        }
    }

    /// All strategies were tried: that is told, and they are tried once more after a while.
    fn exhausted(&mut self, at: usize, tried: Vec<String>, turn: &mut Turn<'_>) {
        let episode = self.episodes.at_mut(at);
        episode.braked = None;
        let has_helped = self.held.iter().any(|held| {
            held.job.record.in_force
                && held.job.record.outcome == Some(Outcome::Healed)
                && (held.job.backend.as_ref(), held.job.fault) == (episode.backend.as_ref(), episode.fault)
        });
        if has_helped {
            return;
        }
        let doubled = 1_u32.checked_shl(episode.rounds).unwrap_or(u32::MAX);
        let rest = self.plan.limits.cool_down.max(LEAST_REST).saturating_mul(doubled).min(LONGEST_REST);
        episode.rounds = episode.rounds.saturating_add(1);
        episode.rest = Some(Rest { began: turn.now, length: rest });
        episode.tries.clear();
        let last = self.history.last(episode.backend.as_ref(), episode.fault);
        if last.is_some_and(|past| past.failed) {
            let (backend, fault) = (episode.backend.clone(), episode.fault);
            let again_after = turn.scene.pause(rest);
            turn.orders.push(Order::Tell(Notice::Exhausted { backend, fault, again_after, tried }));
        }
    }
}

fn describe(backend: Option<&str>, fault: Fault, brake: &str, text: &str) -> String {
    let subject = backend.map_or_else(|| "the service".to_owned(), |id| format!("backend {id}"));
    format!("{subject}, {}: {text} ({brake})", fault.as_str())
}
