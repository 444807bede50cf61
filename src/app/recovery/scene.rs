//! Makes the scene of a service, as its coordinator sees it, of the snapshot, the checks and the verdicts.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ahash::{AHashMap, AHashSet};

use crate::clock::Moment;
use crate::detect::fault::{self, Subject};
use crate::endpoint::precedence;
use crate::endpoint::standing::Health;
use crate::endpoint::{Endpoint, Live, Target};
use crate::health::faults::Fault;
use crate::metrics::SessionEnd;
use crate::recover::scene::COUNTED;
use crate::recover::{BackendScene, Measure, Scene, Trouble};
use crate::snapshot::Service;

/// What goes wrong with a backend so soon after a change is explained by the change.
const EXPLAINS_FOR: Duration = Duration::from_secs(30);
/// After so long a change explains nothing any more: whoever made it has seen what came of it.
const EXPLAINED_FOR: Duration = Duration::from_secs(300);
/// The stretch over which requests are measured, and how often they are counted.
const MEASURED: usize = 5;
const MEASURE: Duration = Duration::from_secs(1);
/// The place of answers of 500 to 599 among the classes of requests.
const SERVER_ERRORS: usize = 5;
/// How sure checks are of what they found: they have asked the backend itself, several times.
const BY_CHECKS: f64 = 0.9;

/// What a scene is made of beside the service.
#[derive(Debug, Clone, Copy)]
pub(super) struct SceneSources<'a> {
    /// The verdicts on all services and their parts.
    pub faults: &'a [Fault],
    /// Whether it is in maintenance.
    pub in_maintenance: bool,
    /// The services that have a usable backend.
    pub usable_services: &'a [Arc<str>],
    /// The present.
    pub now: Moment,
}

/// Makes the scenes of one service, and remembers since when things are as they are.
#[derive(Debug, Default)]
pub(super) struct SceneMaker {
    backends: AHashMap<Arc<str>, Known>,
    trouble: Option<Trouble>,
    /// The last change of who its backends are.
    change: Option<Change>,
    requests: Requests,
    has_begun: bool,
}

/// How the requests of the service went.
#[derive(Debug, Default)]
struct Requests {
    /// What was read last of the counters, when, and with how many backends.
    last: Option<(Moment, usize, Counted)>,
    /// Since the first look.
    total: Counted,
    /// The totals of the last seconds.
    lately: VecDeque<Counted>,
}

/// The verdicts on a service, by whom they are on.
#[derive(Debug, Default)]
struct Verdicts<'a> {
    service: Option<&'a Fault>,
    backends: AHashMap<&'a str, &'a Fault>,
    hosts: AHashMap<IpAddr, &'a Fault>,
    zones: AHashMap<&'a str, &'a Fault>,
}

/// A change that may explain what goes wrong soon after it.
#[derive(Debug)]
struct Change {
    at: Moment,
    what: Arc<str>,
}

/// What is remembered of a backend.
#[derive(Debug)]
struct Known {
    live: Arc<Live>,
    zone: Arc<str>,
    /// Since when it has been at its address, as far as was seen.
    since: Moment,
    trouble: Option<Trouble>,
    well_since: Option<Moment>,
    /// The requests that it had ended when they were last counted.
    ended: u64,
    /// When it was added, or came back, last.
    joined: Moment,
    was_taken_out: bool,
    /// The last change to it.
    change: Option<Change>,
}

/// Requests since the start.
#[derive(Debug, Clone, Copy, Default)]
struct Counted {
    requests: u64,
    failed: u64,
    micros: u64,
}

impl SceneMaker {
    /// Of a service that a reload has brought: what goes wrong with it at once is explained by that.
    pub fn of_new_service() -> Self {
        Self { has_begun: true, ..Self::default() }
    }

    /// The scene now.
    pub fn make(&mut self, service: &Service, sources: SceneSources<'_>) -> Scene {
        let now = sources.now;
        self.see_changes(service, now);
        self.requests.look(service, now);
        let verdicts = Verdicts::of(&service.name, sources.faults);
        let all = 0..service.endpoints.len();
        let backends: Vec<_> = all.map(|at| self.backend(service, at, &verdicts, now)).collect();
        self.has_begun = true;
        let found = verdicts.service.map(|known| from_verdict(known, now)).or_else(|| no_primary(&backends, now));
        self.trouble = since_before(found, self.trouble.take());
        Scene {
            explained: explanation(&mut self.change, self.trouble.as_ref(), now),
            trouble: self.trouble.clone(),
            in_maintenance: sources.in_maintenance,
            is_protected: service.protection.is_protected(),
            measure: self.requests.lately(),
            total: self.requests.total.measure(),
            usable_services: sources.usable_services.iter().filter(|name| **name != service.name).cloned().collect(),
            backends: backends.into(),
        }
    }

    /// Forgets the backends that are gone, and notes that others are there.
    fn see_changes(&mut self, service: &Service, now: Moment) {
        let new = service.endpoints.iter().filter(|endpoint| !self.backends.contains_key(&endpoint.id)).count();
        if new == 0 && self.backends.len() == service.endpoints.len() {
            return;
        }
        let before = self.backends.len();
        let there: AHashSet<_> = service.endpoints.iter().map(|endpoint| &endpoint.id).collect();
        self.backends.retain(|id, _| there.contains(id));
        let gone = before - self.backends.len();
        if self.has_begun {
            let what = format!("its backends were changed a short time ago: {new} added, {gone} removed");
            self.change = Some(Change { at: now, what: what.into() });
        }
    }

    fn backend(&mut self, service: &Service, at: usize, verdicts: &Verdicts<'_>, now: Moment) -> BackendScene {
        let endpoint = &service.endpoints[at];
        let condition = precedence::condition_but_for_repair(endpoint, service.rules(), now);
        let usable = condition.state.is_usable();
        let taken_out =
            precedence::taken_out(endpoint).is_some() || endpoint.live.standing.weight(endpoint.weight) == 0;
        let is_new = self.has_begun;
        let known = self.backends.entry(Arc::clone(&endpoint.id)).or_insert_with(|| {
            let change = is_new.then(|| Change { at: now, what: "it was added a short time ago".into() });
            Known::new(endpoint, change, now)
        });
        known.see_changes(endpoint, taken_out, now);
        let found = verdicts.on(endpoint).map(|fault| from_verdict(fault, now));
        let found = found.or_else(|| (!taken_out).then(|| down_by_checks(endpoint, now)).flatten());
        known.trouble = since_before(found, known.trouble.take());
        known.see_well(endpoint, usable, now);
        // to add up what the workers have counted takes longer than all the rest
        if known.well_since.is_none_or(|since| now.since(since) <= COUNTED) {
            known.ended = service.upstream[at].attempts().ended;
        }
        BackendScene {
            id: Arc::clone(&endpoint.id),
            zone: Arc::clone(&known.zone),
            backup: endpoint.backup,
            usable,
            taken_out,
            explained: explanation(&mut known.change, known.trouble.as_ref(), now),
            trouble: known.trouble.clone(),
            known_since: known.since,
            in_flight: endpoint.live.in_flight(),
            is_checked: service.rules().is_checked,
            ended: known.ended,
            well_since: known.well_since,
        }
    }
}

impl<'a> Verdicts<'a> {
    fn of(service: &str, faults: &'a [Fault]) -> Self {
        let mut verdicts = Self::default();
        for fault in faults.iter().filter(|fault| *fault.service == *service) {
            match &fault.verdict.subject {
                Subject::Service => verdicts.service = verdicts.service.or(Some(fault)),
                Subject::Backend(_) => {
                    // a backend is known by its id: its place, by which the verdict names it, changes with reloads
                    verdicts.backends.extend(fault.backend.as_deref().map(|id| (id, fault)));
                }
                Subject::Host(host) => verdicts.hosts.extend(host.parse().ok().map(|host: IpAddr| (host, fault))),
                Subject::Zone(zone) => verdicts.zones.extend([(&**zone, fault)]),
            }
        }
        verdicts
    }

    /// The verdict on a backend, on its host or on its zone; of several, the surest.
    fn on(&self, endpoint: &Endpoint) -> Option<&'a Fault> {
        let host = match &endpoint.target {
            Target::Tcp(address) => self.hosts.get(&address.ip()),
            _ => None,
        };
        let all = [self.backends.get(&*endpoint.id), host, self.zones.get(endpoint.zone.as_str())];
        all.into_iter().flatten().copied().max_by(|a, b| a.verdict.confidence.total_cmp(&b.verdict.confidence))
    }
}

impl Requests {
    /// Counts what is new, once a second.
    fn look(&mut self, service: &Service, now: Moment) {
        if self.last.is_some_and(|(at, ..)| now.since(at) < MEASURE) {
            return;
        }
        let backends = service.endpoints.len();
        let counted = Counted::of(service);
        // the counters of backends that came and went are no requests
        if let Some((_, _, last)) = self.last.filter(|(_, before, _)| *before == backends) {
            self.total.add(counted.since(last));
        }
        self.last = Some((now, backends, counted));
        self.lately.push_back(self.total);
        if self.lately.len() > MEASURED + 1 {
            self.lately.pop_front();
        }
    }

    fn lately(&self) -> Measure {
        self.total.since(self.lately.front().copied().unwrap_or_default()).measure()
    }
}

impl Counted {
    /// What clients of the service got, whoever did the work. While recovery cuts paths off, what no backend has answered is left out.
    fn of(service: &Service) -> Self {
        let is_cut = !service.detour.cuts().is_empty();
        let mut counted = Self::default();
        for series in &service.series {
            let none = (!is_cut).then_some(&series.none);
            for requests in series.backends.iter().chain(none) {
                let read = requests.read();
                counted.requests += read[1..].iter().sum::<u64>();
                counted.failed += read[SERVER_ERRORS] + read[SessionEnd::Failed as usize];
            }
        }
        counted.micros = (service.durations.read().sum_seconds() * 1e6) as u64;
        counted
    }

    fn since(self, earlier: Self) -> Self {
        Self {
            requests: self.requests.saturating_sub(earlier.requests),
            failed: self.failed.saturating_sub(earlier.failed),
            micros: self.micros.saturating_sub(earlier.micros),
        }
    }

    fn add(&mut self, more: Self) {
        self.requests += more.requests;
        self.failed += more.failed;
        self.micros += more.micros;
    }

    fn measure(self) -> Measure {
        let mean = Duration::from_micros(self.micros / self.requests.max(1));
        Measure { requests: self.requests, failed: self.failed, mean }
    }
}

impl Known {
    fn new(endpoint: &Endpoint, change: Option<Change>, now: Moment) -> Self {
        Self {
            live: Arc::clone(&endpoint.live),
            zone: endpoint.zone.as_str().into(),
            since: now,
            trouble: None,
            well_since: None,
            ended: 0,
            joined: endpoint.live.standing.joined(),
            was_taken_out: false,
            change,
        }
    }

    /// Notes that the backend is another one now, or that a drain of it has ended.
    fn see_changes(&mut self, endpoint: &Endpoint, taken_out: bool, now: Moment) {
        if !Arc::ptr_eq(&self.live, &endpoint.live) {
            let change = Change { at: now, what: "its address was changed a short time ago".into() };
            *self = Self::new(endpoint, Some(change), now);
        }
        if *self.zone != *endpoint.zone {
            self.zone = endpoint.zone.as_str().into();
        }
        if std::mem::replace(&mut self.was_taken_out, taken_out) && !taken_out {
            // what was wrong with it meanwhile was nobody's to repair
            self.trouble = None;
            self.change = Some(Change { at: now, what: "it was taken back into use a short time ago".into() });
        }
    }
}

impl Known {
    /// Notes since when it has been well. While recovery has it out of use nothing is seen of it, and a process that was started anew has to be seen
    /// well itself.
    fn see_well(&mut self, endpoint: &Endpoint, usable: bool, now: Moment) {
        let standing = &endpoint.live.standing;
        let joined = standing.joined();
        let is_another = std::mem::replace(&mut self.joined, joined) != joined;
        let is_well = usable && self.trouble.is_none() && !standing.is_under_repair();
        self.well_since = if is_well { self.well_since.filter(|_| !is_another).or(Some(now)) } else { None };
    }
}

/// The change that explains a trouble, if one does: the trouble began soon after it.
fn explanation(change: &mut Option<Change>, trouble: Option<&Trouble>, now: Moment) -> Option<Arc<str>> {
    let last = change.take_if(|last| now.since(last.at) <= EXPLAINED_FOR)?;
    let begins_then = trouble.is_some_and(|trouble| (last.at..=last.at.plus(EXPLAINS_FOR)).contains(&trouble.since));
    let what = begins_then.then(|| Arc::clone(&last.what));
    *change = Some(last);
    what
}

fn from_verdict(known: &Fault, now: Moment) -> Trouble {
    let votes = known.verdict.votes.iter().map(|vote| (vote.detector.as_str().into(), vote.reason.as_str().into()));
    Trouble { fault: known.verdict.fault, since: now, confidence: known.verdict.confidence, votes: votes.collect() }
}

/// What its checks say of a backend that no detector has a verdict on.
fn down_by_checks(endpoint: &Endpoint, now: Moment) -> Option<Trouble> {
    let is_down = endpoint.live.standing.health() == Health::Down;
    is_down.then(|| Trouble {
        fault: fault::Fault::Unresponsive,
        since: now,
        confidence: BY_CHECKS,
        votes: [("checks".into(), endpoint.live.standing.health_reason().into())].into(),
    })
}

/// What is wrong with a service none of whose primaries can be used.
fn no_primary(backends: &[BackendScene], now: Moment) -> Option<Trouble> {
    let mut primaries = backends.iter().filter(|backend| !backend.backup && !backend.taken_out).peekable();
    primaries.peek()?;
    primaries.all(|backend| !backend.usable).then(|| Trouble {
        fault: fault::Fault::Unresponsive,
        since: now,
        confidence: BY_CHECKS,
        votes: [("availability".into(), "none of its primary backends can be used".into())].into(),
    })
}

/// The trouble that was found, since when it is known: the same fault has gone on, another one is a new one.
fn since_before(found: Option<Trouble>, before: Option<Trouble>) -> Option<Trouble> {
    let mut found = found?;
    if let Some(before) = before.filter(|before| before.fault == found.fault) {
        found.since = before.since;
    }
    Some(found)
}
