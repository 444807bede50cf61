//! The coordinator of a service: a state machine that looks at the scene ten times a second and says what is to be done.
//!
//! * `episode`: the faults that there are, and what was tried against each
//! * `choice`: the strategy that is tried next, or the brake that holds it
//! * `service_brakes`: the brakes that hold whichever backend has a fault
//! * `begin`, `underway`, `verify`, `end`: an attempt, from the entry in the ledger to what was learned
//! * `held`: what stays in force when an attempt is over, until it is released or taken back
//! * `people`: what people say of an attempt
//! * `recall`: what is taken over from an earlier run of the process

mod begin;
mod choice;
mod end;
mod episode;
mod held;
mod job;
mod people;
mod recall;
mod service_brakes;
mod turn;
mod underway;
mod verify;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use self::episode::{Braked, Episodes};
use self::held::Held;
use self::service_brakes::ServiceBrakes;
use self::turn::Turn;
use self::underway::{Stage, Underway};
use super::attempt::{ActReport, Attempt, Outcome};
use super::brakes::{self, Counts, Engaged, Proposal, State};
use super::history::History;
use super::learned::Learned;
#[cfg(test)]
use super::order::Role;
use super::order::{Order, Run};
use super::plan::Plan;
#[cfg(test)]
use super::plan::StrategyKind;
use super::scene::Scene;
use crate::clock::{Moment, Stamp};

/// How long the report of what was killed is waited for.
const LATE: Duration = Duration::from_secs(60);

/// Repairs one service.
///
/// [`step`](Self::step) is called ten times a second, and once more after each of the other calls, so that what they change is in force at once.
#[derive(Debug)]
pub struct Coordinator {
    service: Arc<str>,
    plan: Arc<Plan>,
    episodes: Episodes,
    service_brakes: ServiceBrakes,
    /// How things stood when it was looked last what could be begun.
    stood: Standing,
    underway: Vec<Underway>,
    held: Vec<Held>,
    history: History,
    /// Attempts that are over, and of which something that was killed has not reported yet; since when.
    late: Vec<(Attempt, Moment)>,
    /// Records that have changed since the last step.
    changed: Vec<Attempt>,
    was_paused: bool,
    was_follower: bool,
}

/// What most brakes look at: while it is as it was, what they held they hold.
#[derive(Debug, Default, PartialEq)]
struct Standing {
    counts: Counts,
    in_maintenance: bool,
    usable_services: Vec<Arc<str>>,
    /// Attempts that wait for a person, those that are under way, and those that are in force.
    attempts: [usize; 3],
    within_hour: usize,
    /// Whether the ledger can't be written.
    is_unkept: bool,
    /// Whether another instance acts, or none.
    is_follower: bool,
    plan: Option<Arc<Plan>>,
}

/// Says in words what a run would run or call.
pub type Describe<'a> = dyn Fn(&Run) -> Option<String> + 'a;

/// What the coordinators of all services share.
pub struct World<'a> {
    /// What was learned.
    pub learned: &'a mut Learned,
    /// For the choice among strategies.
    pub random: &'a mut fastrand::Rng,
    /// The id of the next attempt. It only grows, over restarts as well.
    pub next_id: &'a mut i64,
    /// The id of the next run. It only grows, for as long as the process lives.
    pub next_run: &'a mut u64,
    /// Whether recovery is paused: what runs is ended, and nothing is begun.
    pub paused: bool,
    /// Why the ledger can't be written, as far as that is known: nothing is begun.
    pub unkept: Option<&'a str>,
    /// Why this instance may not act outside of itself, where another one does: what runs is ended, and nothing of the kind is begun.
    pub not_leader: Option<&'a str>,
    /// What the configuration has for a run.
    pub describe: &'a Describe<'a>,
}

impl Coordinator {
    /// Of this service.
    pub fn new(service: Arc<str>, plan: Arc<Plan>) -> Self {
        Self {
            service,
            plan,
            episodes: Episodes::default(),
            service_brakes: ServiceBrakes::default(),
            stood: Standing::default(),
            underway: Vec::new(),
            held: Vec::new(),
            history: History::default(),
            late: Vec::new(),
            changed: Vec::new(),
            was_paused: false,
            was_follower: false,
        }
    }

    /// A reload has brought another plan. What it has no strategy for any more ends with the next step.
    pub fn set_plan(&mut self, plan: Arc<Plan>) {
        self.plan = plan;
    }

    /// Looks at the scene. Returns what is to be done, in this order.
    pub fn step(&mut self, now: Moment, at: Stamp, scene: &Scene, world: &mut World<'_>) -> Vec<Order> {
        let mut turn = Turn { next_run: *world.next_run, ..Turn::new(now, at, scene) };
        self.changed.drain(..).for_each(|record| turn.enter(&record));
        self.late.retain(|(_, since)| now.since(*since) <= LATE);
        self.episodes.look(&turn, &self.service, world.learned);
        self.treat_what_has_no_work(now, world);
        for underway in &mut self.underway {
            underway.give_up(&self.plan, scene, (world.paused, world.not_leader.is_some()));
        }
        self.lead_elsewhere(&mut turn);
        self.advance(&mut turn, world);
        self.close_circuits(&mut turn);
        self.end(&mut turn, world);
        self.advance_held(world.paused, world.not_leader.is_some(), &mut turn);
        if !world.paused {
            self.begin(&mut turn, world);
        }
        (self.was_paused, self.was_follower) = (world.paused, world.not_leader.is_some());
        *world.next_run = turn.next_run;
        turn.orders
    }

    /// A fault that passes while its backend is kept from its work does not pass by itself.
    fn treat_what_has_no_work(&mut self, now: Moment, world: &mut World<'_>) {
        let has_none = |underway: &&Underway| {
            underway.is_out || underway.job.acted.is_some() && underway.job.plan.kind.keeps_work_away()
        };
        let underway = self.underway.iter().filter(has_none).map(|underway| &underway.job);
        let in_force = self.held.iter().map(|held| &held.job).filter(|job| job.plan.kind.keeps_work_away());
        for job in underway.chain(in_force).filter(|job| !job.record.dry_run) {
            let treated = job.backend.as_ref().filter(|_| !job.plan.kind.is_wide());
            self.episodes.treat(treated, now, &self.service, world.learned);
        }
    }

    /// Where a reload has changed where a failover leads, the work goes there.
    fn lead_elsewhere(&mut self, turn: &mut Turn<'_>) {
        if self.plan.dry_run {
            return;
        }
        for underway in self.underway.iter_mut().filter(|underway| underway.over.is_none()) {
            if underway.job.leads_elsewhere(&self.plan) {
                underway.act_anew(turn);
            }
        }
        for held in &mut self.held {
            if held.job.leads_elsewhere(&self.plan) {
                held.act_anew(turn);
            }
        }
    }

    /// The attempts under way go on.
    fn advance(&mut self, turn: &mut Turn<'_>, world: &mut World<'_>) {
        for at in 0..self.underway.len() {
            let brake = self.brake(&self.underway[at], turn, world);
            let underway = &mut self.underway[at];
            if underway.over.is_some() {
                continue;
            }
            underway.braked = brake;
            if underway.is_before_the_act() {
                // a reload may have changed it
                underway.job.describe(turn.now, world.describe);
            }
            let had_acted = underway.job.acted.is_some();
            let subject = underway.job.subject().cloned();
            if underway.job.is_wanted_back() {
                self.episodes.take_back(subject.as_ref(), &underway.job.plan.name);
            }
            underway.advance(turn);
            if !had_acted && underway.job.acted.is_some() {
                self.episodes.treat(subject.as_ref(), turn.now, &self.service, world.learned);
            }
        }
    }

    /// A backend that was started anew has to be seen well, and gets no work while its circuit is open: it is closed.
    fn close_circuits(&mut self, turn: &mut Turn<'_>) {
        let restarted = |order: &Order| match order {
            Order::Return { backend, restarted: true, .. } => Some(Arc::clone(backend)),
            _ => None,
        };
        for backend in turn.orders.iter().filter_map(restarted).collect::<Vec<_>>() {
            self.held.iter_mut().filter(|held| held.is_circuit_of(&backend)).for_each(|held| held.let_go(turn));
        }
        self.held.retain(|held| held.job.record.in_force);
    }

    /// The brake that holds an attempt whose act has not begun, in words.
    fn brake(&self, underway: &Underway, turn: &Turn<'_>, world: &World<'_>) -> Option<String> {
        if !underway.is_before_the_act() {
            return None;
        }
        let job = &underway.job;
        let proposal = Proposal {
            now: turn.now,
            limits: &self.plan.limits,
            scene: turn.scene,
            paused: world.paused,
            unkept: world.unkept,
            not_leader: world.not_leader,
            plan: &job.plan,
            backend: job.backend.as_ref(),
            fault: job.fault,
            engaged: &self.engaged(Some(job.id())),
            counts: &turn.counts,
            in_words: true,
        };
        brakes::first_of_the_moment(&proposal).map(|brake| format!("{} ({})", brake.text, brake.name))
    }

    /// What is under way or in force, but for one attempt.
    fn engaged(&self, but: Option<i64>) -> Vec<Engaged<'_>> {
        let underway = self.underway.iter().map(|underway| {
            let waits = matches!(underway.stage, Stage::Proposed { .. });
            (&underway.job, if waits { State::Waits } else { State::UnderWay })
        });
        let all = underway.chain(self.held.iter().map(|held| (&held.job, State::InForce)));
        let others = all.filter(|(job, _)| Some(job.id()) != but);
        others.map(|(job, state)| Engaged { backend: job.backend.as_ref(), kind: &job.plan.kind, state }).collect()
    }

    /// What is in force goes on, or is released: the newest first, and one command at a time.
    fn advance_held(&mut self, paused: bool, is_follower: bool, turn: &mut Turn<'_>) {
        for at in (0..self.held.len()).rev() {
            let is_busy = self.held.iter().any(|held| held.job.runs.is_some());
            let held = &mut self.held[at];
            if held.job.gone(&self.plan, turn.scene).is_some() {
                held.let_go(turn);
                continue;
            }
            if held.job.is_wanted_back() {
                self.episodes.take_back(held.job.subject(), &held.job.plan.name);
            }
            let is_outside = held.job.plan.kind.acts_outside();
            if paused && !self.was_paused || is_follower && !self.was_follower && is_outside {
                held.job.kill(turn);
            }
            let stood = (held.job.runs.is_some(), held.job.record.in_force);
            let waits = is_busy && held.is_scale_up();
            let is_elsewhere = is_follower && is_outside;
            let may = !paused && !waits && !is_elsewhere && !turn.scene.in_maintenance && !self.plan.dry_run;
            held.advance(may, turn);
            let has_changed = stood != (held.job.runs.is_some(), held.job.record.in_force);
            if has_changed && held.is_scale_up() {
                // the next instance is taken away after as long
                self.held.iter_mut().filter(|held| held.is_scale_up()).for_each(|held| held.hold.since = turn.now);
            }
        }
        self.held.retain(|held| held.job.record.in_force);
    }

    /// The record of this attempt is on the disk, or could not be written. Unknown attempts are ignored.
    pub fn entered(&mut self, attempt: i64, kept: bool) {
        if let Some(underway) = self.underway.iter_mut().find(|underway| underway.job.id() == attempt) {
            underway.kept = Some(kept);
        }
    }

    /// What was run has ended. Runs of unknown attempts are ignored.
    pub fn finished(&mut self, run: &Run, report: ActReport) {
        let jobs = self.underway.iter_mut().map(|underway| &mut underway.job);
        let mut jobs = jobs.chain(self.held.iter_mut().map(|held| &mut held.job));
        if let Some(job) = jobs.find(|job| job.id() == run.attempt) {
            job.reports.push((run.id, run.role, report));
        } else if let Some(at) = self.late.iter().position(|(record, _)| record.id == run.attempt) {
            let (mut record, _) = self.late.remove(at);
            job::file(&mut record, run.role, report);
            self.changed.push(record);
        }
    }

    /// The attempts that are not over.
    pub fn running(&self) -> impl Iterator<Item = &Attempt> {
        self.underway.iter().map(|underway| &underway.job.record)
    }

    /// The attempts that are over, and what they did is in force or can be taken back.
    pub fn in_force(&self) -> impl Iterator<Item = &Attempt> {
        self.held.iter().map(|held| &held.job.record)
    }

    /// What holds recovery back now: a sentence for each brake that is of the service, and for each fault that is held by something of its own.
    pub fn braked(&self) -> impl Iterator<Item = String> {
        let held = || self.episodes.open_ones().filter_map(|episode| episode.braked.as_ref());
        let holds = move |name: &str| held().any(|braked| matches!(braked, Braked::OfService(of) if *of == name));
        let of_service = self.service_brakes.all().filter(move |(name, _)| holds(name));
        let own = held().filter_map(|braked| match braked {
            Braked::Own(text) => Some(text.clone()),
            Braked::OfService(_) => None,
        });
        of_service.map(|(name, text)| format!("the service: {text} ({name})")).chain(own)
    }

    /// Whether all that most brakes look at is as it was at the last look; it is remembered for the next one.
    fn is_as_before(&mut self, turn: &Turn<'_>, within_hour: usize, world: &World<'_>) -> bool {
        let waiting = self.underway.iter().filter(|underway| matches!(underway.stage, Stage::Proposed { .. })).count();
        let stands = Standing {
            counts: turn.counts,
            in_maintenance: turn.scene.in_maintenance,
            usable_services: turn.scene.usable_services.clone(),
            attempts: [waiting, self.underway.len() - waiting, self.held.len()],
            within_hour,
            is_unkept: world.unkept.is_some(),
            is_follower: world.not_leader.is_some(),
            plan: Some(Arc::clone(&self.plan)),
        };
        let is_same = stands == self.stood;
        self.stood = stands;
        is_same
    }

    /// The service is gone: what runs is ended, and everything is put back.
    pub fn retire(&mut self, now: Moment, at: Stamp) -> Vec<Order> {
        let scene = Scene::default();
        let mut turn = Turn::new(now, at, &scene);
        self.end_all(Outcome::Gone, "the service is gone", &mut turn);
        std::mem::take(&mut self.held).iter_mut().for_each(|held| held.let_go(&mut turn));
        turn.orders
    }

    /// The process ends: what runs is ended, and backends that were taken out are put back. What is in force stays, for the process that comes
    /// next to [recall](Self::recall).
    pub fn close(&mut self, now: Moment, at: Stamp) -> Vec<Order> {
        let scene = Scene::default();
        let mut turn = Turn::new(now, at, &scene);
        self.end_all(Outcome::Stopped, "the process ended", &mut turn);
        self.held.iter_mut().for_each(|held| _ = held.job.kill(&mut turn));
        turn.orders
    }

    /// A defect has broken a step off: what is under way is ended, and the faults are looked at afresh. What is in force stays, and the brakes count
    /// what was done.
    pub fn begin_anew(&mut self, now: Moment, at: Stamp) -> Vec<Order> {
        let scene = Scene::default();
        let mut turn = Turn::new(now, at, &scene);
        self.end_all(Outcome::Stopped, "recovery broke off by a defect", &mut turn);
        self.history.end_all(now);
        (self.episodes, self.service_brakes) = (Episodes::default(), ServiceBrakes::default());
        turn.orders
    }

    /// Records that have changed since the last step, where there is none any more.
    pub fn take_changed(&mut self) -> Vec<Attempt> {
        std::mem::take(&mut self.changed)
    }

    fn end_all(&mut self, outcome: Outcome, why: &str, turn: &mut Turn<'_>) {
        for mut underway in std::mem::take(&mut self.underway) {
            underway.ends(outcome, why);
            self.conclude(underway, turn);
        }
    }
}
