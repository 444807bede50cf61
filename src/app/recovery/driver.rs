//! The coordinators of all services that are to be repaired.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use ahash::AHashMap;
use tokio::sync::mpsc;

use super::Sources;
use super::done::{Done, DoneWhat};
use super::recall::Recalled;
use super::scene::{SceneMaker, SceneSources};
use super::tasks::Tasks;
use super::{call, show};
use crate::clock::{Moment, Stamp};
use crate::config::model::{self, StrategyMeans};
use crate::health::faults::Fault;
use crate::hook::Hooks;
use crate::ledger::{Batch, Keeper};
use crate::operator::recovery::{Asked, Command, Inbox, LEARNED, Mode};
use crate::recover::Attempt;
use crate::recover::Word;
use crate::recover::learned::Learned;
use crate::recover::order::Run;
use crate::recover::plan::Destination;
use crate::recover::{Coordinator, Order, Plan, StrategyKind, StrategyPlan, World};
use crate::sla::maintenance;
use crate::snapshot::{Service, Snapshot};

/// How often operators are shown what is under way, at least.
const SHOWN_EVERY: Duration = Duration::from_secs(1);

/// Shows every service to its coordinator, and has its orders obeyed.
pub(super) struct Driver {
    pub sources: Sources,
    services: AHashMap<Arc<str>, Repaired>,
    learned: Learned,
    random: fastrand::Rng,
    next_id: i64,
    next_run: u64,
    pub tasks: Tasks,
    done: mpsc::UnboundedReceiver<Done>,
    inbox: Option<Inbox>,
    /// Recovery has begun.
    has_begun: bool,
    /// The highest number that a run was given, which is its fencing token where no leader is elected.
    pub token: i64,
    /// When operators were shown last what holds recovery back.
    shown: Moment,
    /// What is to be handed to the ledger.
    pub waits: Batch,
    /// The attempts among it that wait until they are on the disk, each with its service.
    pub unconfirmed: Vec<(Arc<str>, i64)>,
    /// Whether something has changed that operators are shown.
    is_news: bool,
}

/// The recovery of one service.
pub(super) struct Repaired {
    pub coordinator: Coordinator,
    pub scenes: SceneMaker,
    pub means: Rc<[StrategyMeans]>,
    /// The services to which its work may be sent.
    destinations: Vec<Arc<str>>,
}

impl Driver {
    /// Repairs nothing yet.
    pub fn new(sources: Sources) -> Self {
        let (tell, done) = mpsc::unbounded_channel();
        let tasks = Tasks::new(Rc::new(Hooks::new(None)), tell, Arc::clone(&sources.store));
        Self {
            sources,
            services: AHashMap::default(),
            learned: Learned::default(),
            random: fastrand::Rng::new(),
            next_id: 1,
            next_run: 1,
            tasks,
            done,
            inbox: None,
            has_begun: false,
            token: 0,
            shown: Moment::NEVER,
            waits: Batch::default(),
            unconfirmed: Vec::new(),
            is_news: true,
        }
    }

    /// Whether there is anything to be repaired.
    pub fn is_wanted(&self) -> bool {
        !self.services.is_empty()
    }

    /// Takes on which services are repaired, and how.
    pub fn configure(&mut self, services: &[model::Service]) {
        let mut before = std::mem::take(&mut self.services);
        let mut modes = BTreeMap::new();
        for service in services {
            let Some(recovery) = &service.recovery else { continue };
            let name: Arc<str> = service.name.as_str().into();
            let (plan, means) = (Arc::new(recovery.plan.clone()), Rc::from(recovery.means.as_slice()));
            modes.insert(Arc::clone(&name), Mode { dry_run: plan.dry_run, asks: plan.ask });
            let destinations = destinations(&plan);
            let repaired = match before.remove(&name) {
                Some(mut known) => {
                    known.coordinator.set_plan(plan);
                    Repaired { means, destinations, ..known }
                }
                None => {
                    // where recovery has begun, a reload has brought the service
                    let scenes = if self.has_begun { SceneMaker::of_new_service() } else { SceneMaker::default() };
                    Repaired { coordinator: Coordinator::new(Arc::clone(&name), plan), scenes, means, destinations }
                }
            };
            self.services.insert(name, repaired);
        }
        for (name, mut gone) in before {
            let orders = gone.coordinator.retire(Moment::now(), Stamp::now());
            self.obey(&name, &gone.means, orders, &self.sources.store.load());
        }
        self.sources.recoveries.set_services(modes);
        self.forget_gone();
        self.is_news = true;
    }

    /// Goes on where the process before ended. What it had under way for services that are not repaired any more is closed. `at_once`: this
    /// process has not served without recovery for a while.
    pub fn begin(&mut self, recalled: Recalled, at_once: bool, now: Moment) {
        self.inbox = self.sources.recoveries.take_inbox();
        (self.next_id, self.token) = (recalled.next_id, recalled.token());
        let unknown = self.learned.restore(recalled.learned.iter().map(|(key, text)| (key.as_str(), text.as_str())));
        if unknown > 0 {
            tracing::warn!(entries = unknown, "some of what recovery had learned can't be read, and is learned anew");
        }
        let (snapshot, at) = (self.sources.store.load(), Stamp::now());
        for name in recalled.services() {
            let known = recalled.of(&name);
            let (orders, means) = match self.services.get_mut(&name) {
                Some(repaired) => (repaired.coordinator.recall(&known, at_once, now, at), Rc::clone(&repaired.means)),
                None => {
                    let mut gone = Coordinator::new(Arc::clone(&name), Arc::new(Plan::nothing()));
                    let mut orders = gone.recall(&known, at_once, now, at);
                    orders.extend(gone.retire(now, at));
                    (orders, Rc::from([]))
                }
            };
            self.obey(&name, &means, orders, &snapshot);
        }
        self.has_begun = true;
        self.forget_gone();
        self.is_news = true;
    }

    /// Forgets what is not worth to be kept of services that are not repaired any more.
    fn forget_gone(&mut self) {
        let Self { learned, services, waits, .. } = self;
        let gone = learned.retain(|service| services.contains_key(service));
        waits.kept.retain(|(_, key, _)| !gone.contains(key));
        waits.kept.extend(gone.into_iter().map(|key| (LEARNED.to_owned(), key, None)));
    }

    /// Looks at all services once.
    pub fn look(&mut self, snapshot: &Arc<Snapshot>, now: Moment) {
        self.hear();
        let (asked, at) = (self.commanded(), Stamp::now());
        let faults = self.sources.faults.current();
        for service in &snapshot.services {
            if self.services.contains_key(&service.name) {
                self.look_at(service, snapshot, &faults, (now, at));
            }
        }
        self.keep_learned();
        self.write();
        self.is_news |= !asked.is_empty();
        self.show(now);
        self.answer(asked);
    }

    fn look_at(&mut self, service: &Service, snapshot: &Snapshot, faults: &[Fault], (now, at): (Moment, Stamp)) {
        let in_maintenance = self.is_in_maintenance(service, at);
        let Self { services, learned, random, next_id, next_run, sources, .. } = self;
        let Some(repaired) = services.get_mut(&service.name) else { return };
        let is_destination =
            |other: &&Arc<Service>| repaired.destinations.contains(&other.name) && other.has_usable_backend();
        let usable = snapshot.services.iter().filter(is_destination).map(|other| Arc::clone(&other.name));
        let usable_services: Vec<_> = if repaired.destinations.is_empty() { Vec::new() } else { usable.collect() };
        let scene = repaired
            .scenes
            .make(service, SceneSources { faults, in_maintenance, usable_services: &usable_services, now });
        let (paused, means) = (sources.recoveries.is_paused(), Rc::clone(&repaired.means));
        let not_leader = sources.leadership.may_act().err();
        let trouble = sources.ledger.is_failing().then(|| sources.standings.trouble().unwrap_or_default());
        let describe = |run: &Run| call::in_words(run, &means, service);
        let mut world = World {
            learned,
            random,
            next_id,
            next_run,
            paused,
            unkept: trouble.as_deref(),
            not_leader: not_leader.as_deref(),
            describe: &describe,
        };
        let orders = repaired.coordinator.step(now, at, &scene, &mut world);
        if !orders.is_empty() {
            self.is_news = true;
            self.obey(&service.name, &means, orders, snapshot);
        }
    }

    /// Hands on what was waited for and has come.
    fn hear(&mut self) {
        while let Ok(Done { service, what }) = self.done.try_recv() {
            if let DoneWhat::Ran(run, _) = &what {
                self.tasks.ended(run.id);
            }
            let Some(Repaired { coordinator, .. }) = self.services.get_mut(&service) else { continue };
            match what {
                DoneWhat::Ran(run, report) => coordinator.finished(&run, report),
                DoneWhat::Entered { attempt, kept } => coordinator.entered(attempt, kept),
            }
        }
    }

    /// Hands on what operators have said. Their answers wait for the turn in which it is carried out.
    fn commanded(&mut self) -> Vec<(Asked, Result<(), String>)> {
        let Some(inbox) = &mut self.inbox else { return Vec::new() };
        let mut heard = Vec::new();
        let not_leader = self.sources.leadership.may_act().err();
        while let Ok(asked) = inbox.try_recv() {
            let Command { word, attempt, ref who, ref reason } = asked.command;
            let who = &reason.as_ref().map_or_else(|| who.clone(), |reason| format!("{who} ({reason})"));
            let of_attempt = |repaired: &&mut Repaired| repaired.knows(attempt);
            let said = match self.services.values_mut().find(of_attempt) {
                None => Err(format!("attempt {attempt} is neither under way nor in force")),
                // what takes it back runs outside of this process as well
                Some(repaired) if word == Word::Undo && repaired.acts_outside(attempt) && not_leader.is_some() => {
                    Err(format!("nothing is taken back here: {}", not_leader.clone().unwrap_or_default()))
                }
                Some(Repaired { coordinator, .. }) => coordinator.say(word, attempt, who),
            };
            heard.push((asked, said));
        }
        heard
    }

    fn answer(&mut self, asked: Vec<(Asked, Result<(), String>)>) {
        for (Asked { command, answer }, said) in asked {
            let of_attempt = |attempt: &Attempt| attempt.id == command.attempt;
            let known = || self.sources.recoveries.known(command.attempt).map(|known| (*known).clone());
            let current = self
                .services
                .values()
                .find_map(|repaired| repaired.attempts().find(|attempt| of_attempt(attempt)).cloned());
            let answered = said.and_then(|()| {
                current.or_else(known).ok_or_else(|| format!("attempt {} is not known any more", command.attempt))
            });
            // whoever asked may have gone
            let _ = answer.send(answered);
        }
    }

    fn is_in_maintenance(&self, service: &Service, at: Stamp) -> bool {
        let by_hand = self.sources.maintenances.of(&service.name);
        let planned = service.promised.as_ref().map(|promised| &promised.maintenance[..]).unwrap_or_default();
        by_hand.is_some_and(|running| running.from <= at && at < running.to)
            || !maintenance::planned(planned, at, at.plus(1)).is_empty()
    }

    fn keep_learned(&mut self) {
        let changes = self.learned.take_changes();
        self.is_news |= !changes.is_empty();
        self.waits.kept.retain(|(_, key, _)| changes.iter().all(|(changed, _)| changed != key));
        self.waits.kept.extend(changes.into_iter().map(|(key, text)| (LEARNED.to_owned(), key, Some(text))));
    }

    /// Hands what has come together to the ledger; what it has no room for stays for the next time. This is the only way in, so that no record
    /// of an attempt comes after a newer one.
    pub fn write(&mut self) {
        if self.waits.is_empty() {
            return;
        }
        let next = Batch { keeper: Keeper::default(), ..Batch::default() };
        match self.sources.ledger.enter(std::mem::replace(&mut self.waits, next)) {
            Ok(()) => self.confirm(),
            Err(back) => self.waits = *back,
        }
    }

    /// Shows operators what there is: when it has changed, and each second, since what is said of brakes has ages in it.
    fn show(&mut self, now: Moment) {
        if !std::mem::take(&mut self.is_news) && now.since(self.shown) < SHOWN_EVERY {
            return;
        }
        self.shown = now;
        let recoveries = &self.sources.recoveries;
        let attempts = self.services.values().flat_map(Repaired::attempts).cloned().collect();
        recoveries.set_current(attempts);
        let braked = self.services.iter().filter_map(|(name, repaired)| {
            let braked: Vec<_> = repaired.coordinator.braked().collect();
            (!braked.is_empty()).then(|| (Arc::clone(name), braked.join("; ")))
        });
        recoveries.set_braked(braked.collect());
        recoveries.set_effectiveness(show::effectiveness(&self.learned));
    }

    /// Ends everything, because the process ends or was replaced.
    pub fn retire(&mut self) {
        self.end_all(Coordinator::close);
    }

    /// Ends what is under way after a defect in a coordinator, and looks at everything afresh.
    pub fn begin_anew(&mut self) {
        self.end_all(Coordinator::begin_anew);
    }

    fn end_all(&mut self, end: fn(&mut Coordinator, Moment, Stamp) -> Vec<Order>) {
        let (snapshot, now, at) = (self.sources.store.load(), Moment::now(), Stamp::now());
        let names: Vec<_> = self.services.keys().cloned().collect();
        for name in names {
            let Some(repaired) = self.services.get_mut(&name) else { continue };
            let (orders, means) = (end(&mut repaired.coordinator, now, at), Rc::clone(&repaired.means));
            self.obey(&name, &means, orders, &snapshot);
        }
        self.keep_learned();
        self.write();
    }

    /// What is to be written before the process ends.
    pub fn take_batch(&mut self) -> Batch {
        self.hear();
        let late: Vec<_> = self.services.values_mut().flat_map(|known| known.coordinator.take_changed()).collect();
        late.into_iter().for_each(|attempt| self.await_ledger(attempt));
        self.keep_learned();
        std::mem::take(&mut self.waits)
    }

    /// What runs outside of this process.
    pub fn take_tasks(&mut self) -> Tasks {
        self.tasks.take()
    }
}

/// The services to which strategies of this plan may send the work.
fn destinations(plan: &Plan) -> Vec<Arc<str>> {
    let of = |strategy: &StrategyPlan| match &strategy.kind {
        StrategyKind::Failover { to: Destination::Service(name), .. } => Some(Arc::clone(name)),
        _ => None,
    };
    plan.strategies.iter().filter_map(of).collect()
}

impl Repaired {
    fn attempts(&self) -> impl Iterator<Item = &Attempt> {
        self.coordinator.running().chain(self.coordinator.in_force())
    }

    /// Whether this attempt runs or calls something outside of this process.
    fn acts_outside(&self, attempt: i64) -> bool {
        let is_outside = |known: &Attempt| matches!(known.kind.as_str(), "restart" | "scale_up" | "custom");
        self.attempts().any(|known| known.id == attempt && is_outside(known))
    }

    fn knows(&self, attempt: i64) -> bool {
        self.attempts().any(|known| known.id == attempt)
    }
}
