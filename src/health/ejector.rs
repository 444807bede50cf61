//! Looks at every service now and then, ejects backends that stand out, and readmits them when their time is over.
//!
//! A service may have ten thousand backends and no traffic. While nothing happens in it that could lead to an ejection
//! or end one, its backends are not looked at one by one.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use ahash::AHashMap;

use super::outlier::{self, Figures, Observation, Reason, RequestCounts};
use super::window::Window;
use super::work_share;
use crate::clock::Moment;
use crate::detect::fault::{Fault, Vote};
use crate::endpoint::Endpoint;
use crate::endpoint::precedence::takes_part;
use crate::endpoint::standing::WHOLE;
use crate::policy::{LatencyRule, Outlier};
use crate::timer;

/// How often the owner is to call [`Ejector::tick`].
pub const TICK: Duration = Duration::from_millis(100);

/// A service whose backends are watched.
#[derive(Debug)]
pub struct WatchedService {
    /// Its name.
    pub name: Arc<str>,
    /// When its backends are ejected.
    pub policy: Outlier,
    /// Its backends.
    pub backends: Vec<Arc<Endpoint>>,
}

/// A backend was ejected or readmitted. Each such change needs a new snapshot.
#[derive(Debug, Clone, PartialEq)]
pub struct EjectionChange {
    /// Its service.
    pub service: Arc<str>,
    /// The backend's id.
    pub id: Arc<str>,
    /// Why it was ejected; `None` = it was readmitted.
    pub ejected: Option<Reason>,
    /// What was done and why, in words.
    pub action: String,
}

/// What backends are judged by: the counters of attempts since the process started, and what detection has found. Services and
/// backends are named by their indices in what is watched.
pub trait Evidence {
    /// How many attempts with the backends of a service have begun or ended.
    fn attempts(&self, service: usize) -> u64;

    /// How the attempts with a backend have ended.
    fn counts(&self, service: usize, backend: usize) -> RequestCounts;

    /// What speaks against a backend, from 0 (nothing) to 1 (it is [accused](Self::accusation)).
    fn suspicion(&self, service: usize, backend: usize) -> f64;

    /// Whether a backend seems to hang, so that what waits for it may try another one.
    fn seems_to_hang(&self, service: usize, backend: usize) -> bool;

    /// What the comparison with its peers accuses a backend of.
    fn accusation(&self, service: usize, backend: usize) -> Option<&Vote>;
}

/// Watches all services.
#[derive(Debug, Default)]
pub struct Ejector {
    services: Vec<ServiceWatch>,
}

#[derive(Debug)]
struct ServiceWatch {
    service: WatchedService,
    /// In the order of `service.backends`.
    watches: Vec<BackendWatch>,
    /// The number of attempts with its backends at the last look.
    attempts: Option<u64>,
    /// What the last look has shown, in the same order.
    observations: Vec<Observation>,
    /// At the last look nothing spoke, or could come to speak, for or against any of its backends without another
    /// attempt.
    is_quiet: bool,
}

#[derive(Debug, Default)]
struct BackendWatch {
    window: Window,
    is_ejected: bool,
    /// Whether recovery held its circuit open since it went out.
    is_held_open: bool,
    seems_to_hang: bool,
    /// When it was added, or came back, last.
    joined: Moment,
    /// When it was readmitted last, until it has its whole share again.
    readmitted: Option<Moment>,
    /// What spoke against it at the last look, from 0 to 1.
    suspicion: f64,
    /// What it was accused of then.
    accused: Option<Box<str>>,
}

/// What the last look has shown of one backend, and what it was judged by.
#[derive(Debug, Clone, PartialEq)]
pub struct Sight {
    /// What real traffic shows of it, beside its peers.
    pub figures: Figures,
    /// How much of the evidence that it takes the comparison with its peers has gathered against it, from 0 to 1.
    pub suspicion: f64,
    /// What that comparison accuses it of, in words.
    pub accused: Option<Box<str>>,
    /// It seems to hang.
    pub seems_to_hang: bool,
}

impl Ejector {
    /// Replaces what is watched. What is known of a backend that stays is kept.
    pub fn update(&mut self, services: Vec<WatchedService>) {
        let before = self.services.drain(..).map(|watched| (Arc::clone(&watched.service.name), watched));
        let mut before: HashMap<_, _> = before.collect();
        let watched = |service: WatchedService| {
            let before = before.remove(&service.name);
            let attempts = before.as_ref().and_then(|before| before.attempts);
            let known = before.map(ServiceWatch::into_known).unwrap_or_default();
            let watches = kept(known, &service.backends);
            ServiceWatch { watches, service, attempts, observations: Vec::new(), is_quiet: false }
        };
        self.services = services.into_iter().map(watched).collect();
        before.into_values().flat_map(ServiceWatch::into_known).for_each(forget);
    }

    /// What the last look has shown of a backend; `None` = it was not looked at so far. `place` is where the backend may be found among those
    /// of its service.
    pub fn sight(&self, service: &str, place: usize, backend: &Endpoint) -> Option<Sight> {
        let watched = self.services.iter().find(|watched| &*watched.service.name == service)?;
        let is_it = |known: &Arc<Endpoint>| Arc::ptr_eq(&known.live, &backend.live);
        let backends = &watched.service.backends;
        let at = Some(place)
            .filter(|at| backends.get(*at).is_some_and(is_it))
            .or_else(|| backends.iter().position(is_it))?;
        let watch = &watched.watches[at];
        Some(Sight {
            figures: Figures::of(&watched.service.policy, &watched.observations, at)?,
            suspicion: watch.suspicion,
            accused: watch.accused.clone(),
            seems_to_hang: watch.seems_to_hang,
        })
    }

    /// Looks at all services once.
    pub fn tick(&mut self, now: Moment, evidence: &impl Evidence) -> Vec<EjectionChange> {
        let mut events = Vec::new();
        for (at, watched) in self.services.iter_mut().enumerate() {
            let attempts = Some(evidence.attempts(at));
            let is_unchanged = std::mem::replace(&mut watched.attempts, attempts) == attempts;
            if !(is_unchanged && watched.is_quiet) {
                let is_quiet = watched.look(now, at, evidence, &mut events);
                // an attempt may be counted in one of the two numbers and not yet in the other, so only a look that
                // finds no attempt counts
                watched.is_quiet = is_unchanged && is_quiet;
            }
        }
        events
    }
}

impl ServiceWatch {
    fn into_known(self) -> Vec<(Arc<Endpoint>, BackendWatch)> {
        self.service.backends.into_iter().zip(self.watches).collect()
    }

    /// Looks at every backend; returns whether the service is quiet. `place` is its index.
    fn look(&mut self, now: Moment, place: usize, evidence: &impl Evidence, events: &mut Vec<EjectionChange>) -> bool {
        let WatchedService { name, policy, backends } = &self.service;
        let mut observations = std::mem::take(&mut self.observations);
        observations.clear();
        let mut is_quiet = true;
        for (at, (backend, watch)) in backends.iter().zip(&mut self.watches).enumerate() {
            let totals = evidence.counts(place, at);
            if watch.look(backend, policy, totals, now) {
                events.push(EjectionChange {
                    service: Arc::clone(name),
                    id: Arc::clone(&backend.id),
                    ejected: None,
                    action: "readmitted, with a share that grows".to_owned(),
                });
            }
            if watch.begins_to_hang(acts(policy) && evidence.seems_to_hang(place, at)) {
                leave(backend);
            }
            let suspicion = if acts(policy) { evidence.suspicion(place, at) } else { 0.0 };
            backend.live.standing.set_share(watch.share(suspicion, now));
            let accused = evidence.accusation(place, at).filter(|_| acts(policy));
            watch.suspicion = suspicion;
            if accused.map(|vote| &*vote.reason) != watch.accused.as_deref() {
                watch.accused = accused.map(|vote| vote.reason.as_str().into());
            }
            let observation = Observation {
                takes_part: takes_part(backend),
                is_ejected: watch.is_ejected,
                consecutive: backend.live.failure_streak.consecutive(),
                accused: accused.map(|vote| vote.fault),
                counts: watch.window.slide(totals, policy.window, now),
            };
            is_quiet &= observation.is_quiet()
                && suspicion <= 0.0
                && backend.live.in_flight() == 0
                && backend.live.standing.share() == WHOLE
                && backend.live.standing.ejections() == 0;
            observations.push(observation);
        }
        for (at, reason) in outlier::to_eject(policy, &observations) {
            let accusation = evidence.accusation(place, at).filter(|_| matches!(reason, Reason::Peers(_)));
            let words = accusation.map_or_else(|| reason.to_string(), |vote| vote.reason.clone());
            events.push(self.eject(at, reason, &words, now));
        }
        self.observations = observations;
        is_quiet
    }

    fn eject(&mut self, at: usize, reason: Reason, words: &str, now: Moment) -> EjectionChange {
        let WatchedService { name, policy, backends } = &self.service;
        let (backend, standing) = (&backends[at], &backends[at].live.standing);
        let length = outlier::ejection_time(policy, standing.ejections());
        standing.eject(now.plus(length), &format!("{words}, for {length:?}"));
        if reason == Reason::Peers(Fault::Unresponsive) {
            leave(backend);
        }
        self.watches[at].is_ejected = true;
        EjectionChange {
            service: Arc::clone(name),
            id: Arc::clone(&backend.id),
            ejected: Some(reason),
            action: format!("ejected for {length:?}"),
        }
    }
}

/// Whatever waits for an answer of this backend may try another one, where that is safe.
fn leave(backend: &Endpoint) {
    backend.live.hang();
    timer::wake_all();
}

/// Whether what the comparison with its peers says of a backend changes its work.
fn acts(policy: &Outlier) -> bool {
    policy.latency == LatencyRule::Auto && policy.max_ejected > 0.0
}

/// What is known of these backends, taken out of what was `known` before.
fn kept(known: Vec<(Arc<Endpoint>, BackendWatch)>, backends: &[Arc<Endpoint>]) -> Vec<BackendWatch> {
    let mut known: Vec<_> = known.into_iter().map(Some).collect();
    // nearly all keep their indices
    let in_place = backends.iter().enumerate().map(|(at, backend)| {
        known.get_mut(at)?.take_if(|(known, _)| Arc::ptr_eq(&known.live, &backend.live)).map(|(_, watch)| watch)
    });
    let in_place: Vec<_> = in_place.collect();
    let others = known.into_iter().flatten();
    let mut others: AHashMap<_, _> = others.map(|known| (Arc::as_ptr(&known.0.live), known)).collect();
    let watches = in_place.into_iter().zip(backends).map(|(watch, backend)| {
        let moved = || others.remove(&Arc::as_ptr(&backend.live)).map(|(_, watch)| watch);
        watch.or_else(moved).unwrap_or_default()
    });
    let watches = watches.collect();
    others.into_values().for_each(forget);
    watches
}

/// Readmits a backend that is not watched any more, and gives it all of its work: nobody else would.
fn forget((backend, watch): (Arc<Endpoint>, BackendWatch)) {
    backend.live.standing.set_share(WHOLE);
    if watch.is_ejected {
        backend.live.standing.readmit();
    }
}

impl BackendWatch {
    /// Whether it seems to hang, and did not before.
    fn begins_to_hang(&mut self, seems_to_hang: bool) -> bool {
        !std::mem::replace(&mut self.seems_to_hang, seems_to_hang) && seems_to_hang
    }

    /// The share of its work that it is to get, in thousandths.
    fn share(&mut self, suspicion: f64, now: Moment) -> u32 {
        let ramp = self.readmitted.map_or(WHOLE, |since| work_share::after_readmission(now.since(since)));
        if ramp == WHOLE {
            self.readmitted = None;
        }
        ramp.min(work_share::under_suspicion(suspicion))
    }

    /// Whether an ejection has ended since the last look, because its time was over or because it was ended early.
    fn look(&mut self, backend: &Endpoint, policy: &Outlier, totals: RequestCounts, now: Moment) -> bool {
        let standing = &backend.live.standing;
        // what recovery holds open is out as what is ejected is, and comes back in the same way
        let is_out = standing.is_ejected(now) || standing.is_held_open(now);
        let was = std::mem::replace(&mut self.is_ejected, is_out);
        self.is_held_open |= standing.is_held_open(now);
        let joined = standing.joined();
        if std::mem::replace(&mut self.joined, joined) != joined {
            // what it failed before it went down and came back is over
            self.window.reset(totals, now);
        }
        if was && !self.is_ejected {
            // exchanges that were under way when it was ejected must not count against it twice
            self.window.reset(totals, now);
            backend.live.failure_streak.reset();
            if std::mem::take(&mut self.is_held_open) {
                backend.live.closed_again(now);
            }
            standing.join(now);
            self.readmitted = Some(now);
            return true;
        }
        if !self.is_ejected
            && standing.ejections() > 0
            && outlier::are_ejections_forgotten(policy, now.since(standing.ejected_until()))
        {
            standing.forget_ejections();
        }
        false
    }
}
