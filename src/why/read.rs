//! Reads the facts of a backend where they are: on the control plane, from what it knows already.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use super::facts::{CheckLimits, Facts, Fleet, Limits, PathFact, Recovery, Said, Vote};
use super::zones::{ZoneFact, ZoneFacts};
use crate::clock::Moment;
use crate::detect::fault::Subject;
use crate::endpoint::standing::{Standing, WHOLE};
use crate::endpoint::state::Announced;
use crate::endpoint::{Endpoint, Target};
use crate::event::kind::fault::scope;
use crate::health::ejector::Ejector;
use crate::health::faults::{self, Faults};
use crate::health::monitor::Monitor;
use crate::health::paths::PathReading;
use crate::operator::recovery::Recoveries;
use crate::recover::Attempt;
use crate::snapshot::{Service, Snapshot};

/// Where facts are read.
#[derive(Debug, Clone)]
pub struct Sources {
    /// Passive ejection. The control plane's thread alone takes the lock, which is there because handlers of the admin address have to be `Send`;
    /// nobody holds it across an `await`.
    pub ejector: Arc<Mutex<Ejector>>,
    /// The checks.
    pub monitor: Monitor,
    /// What detection has found.
    pub faults: Arc<Faults>,
    /// The recovery of services.
    pub recoveries: Arc<Recoveries>,
}

/// What the backends of a service have in common: it is read once for all of them.
#[derive(Debug)]
pub struct Common {
    limits: Arc<Limits>,
    fleet: Fleet,
    faults: Vec<faults::Fault>,
    recovery: Recovery,
    attempts: Vec<Arc<Attempt>>,
}

impl Sources {
    /// Passive ejection, to be looked at or ticked.
    pub fn ejector(&self) -> MutexGuard<'_, Ejector> {
        // what it knows is whole after a panic: the upkeep begins anew with it
        self.ejector.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the backends of a service have in common. `limits` are those that were made of the same settings before, if there are any.
    pub fn common(&self, snapshot: &Snapshot, service: &Service, limits: Option<&Arc<Limits>>) -> Common {
        let made = limits_of(service);
        let attempts = self.recoveries.current();
        let braked = self.recoveries.braked().remove(&service.name);
        Common {
            limits: limits.filter(|known| ***known == made).cloned().unwrap_or_else(|| Arc::new(made)),
            fleet: fleet(snapshot, service),
            faults: self.faults.of(&service.name),
            recovery: Recovery {
                is_on: self.recoveries.services().contains_key(&service.name),
                is_paused: self.recoveries.is_paused(),
                braked: braked.map(Into::into),
                attempts: Box::default(),
            },
            attempts: attempts.into_iter().filter(|attempt| *attempt.service == *service.name).collect(),
        }
    }

    /// The facts of the backend at this place.
    pub fn facts(&self, service: &Service, common: &Common, place: usize, now: Moment, at: SystemTime) -> Facts {
        let endpoint = &service.endpoints[place];
        let (live, standing) = (&endpoint.live, &endpoint.live.standing);
        let told = standing.announced().unwrap_or_else(|| Announced {
            condition: service.condition(place, now),
            reason: String::new(),
            since: now,
            at,
        });
        let sight = self.ejector().sight(&service.name, place, endpoint);
        Facts {
            limits: Arc::clone(&common.limits),
            id: Arc::clone(&endpoint.id),
            at,
            condition: told.condition,
            reason: told.reason.into(),
            since: told.at,
            said: said(endpoint, standing),
            is_repaired: standing.is_under_repair(),
            held_open: standing.is_held_open(now).then(|| standing.held_open_until().since(now)),
            is_unresolved: endpoint.is_unresolved(),
            health: standing.health(),
            check: self.monitor.last_check(&service.name, &endpoint.id),
            traffic: sight.map(Box::new),
            ejected: standing.is_ejected(now).then(|| standing.ejected_until().since(now)),
            ejections: standing.ejections(),
            breaker: service.breaker.as_ref().map(|policy| live.breaker.figures(policy, now)),
            work_share: standing.share(),
            joined: now.since(standing.joined()),
            zone: Arc::from(&*endpoint.zone),
            paths: self.paths(&service.name, &endpoint.id, now),
            is_backup: endpoint.backup,
            is_picked: service.available.has(place),
            fleet: common.fleet.clone(),
            votes: votes(endpoint, &common.faults),
            recovery: common.recovery_of(endpoint),
        }
    }
}

impl Sources {
    fn paths(&self, service: &str, id: &str, now: Moment) -> Box<[PathFact]> {
        let read = self.monitor.paths(service, id).unwrap_or_default();
        let fact = |path: PathReading| PathFact {
            address: path.address,
            is_up: path.is_up,
            is_chosen: path.is_chosen,
            since: now.since(path.since),
            rtt_ms: path.rtt_ms,
            loss: path.loss,
            reason: path.last_check.map_or_else(Box::default, |check| check.reason.into()),
        };
        read.into_iter().map(fact).collect()
    }
}

impl Common {
    /// The settings that the backends are judged by.
    pub fn limits(&self) -> &Arc<Limits> {
        &self.limits
    }

    /// The backends together.
    pub fn fleet(&self) -> &Fleet {
        &self.fleet
    }

    /// What recovery does for the service.
    pub fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    fn recovery_of(&self, endpoint: &Endpoint) -> Recovery {
        let of_it = |attempt: &&Arc<Attempt>| attempt.backend.as_deref().is_none_or(|id| *id == *endpoint.id);
        let attempts = self.attempts.iter().filter(of_it).map(|attempt| in_words(attempt).into());
        Recovery { attempts: attempts.collect(), ..self.recovery.clone() }
    }
}

fn in_words(attempt: &Attempt) -> String {
    let Attempt { id, strategy, fault, phase, .. } = attempt;
    let how = if attempt.in_force { "in force" } else { phase.as_str() };
    let dry = if attempt.dry_run { ", a dry run" } else { "" };
    format!("attempt {id} of recovery, {strategy} against {fault}{dry}: {how}")
}

fn said(endpoint: &Endpoint, standing: &Standing) -> Said {
    Said {
        operator: standing.operator(),
        drains: endpoint.draining,
        agent: standing.agent(),
        weight: standing.weight(endpoint.weight),
        configured_weight: endpoint.weight,
    }
}

fn limits_of(service: &Service) -> Limits {
    let checks = service.health.as_ref().map(|health| CheckLimits {
        fall: health.fall,
        rise: health.rise,
        interval: health.interval,
    });
    Limits {
        service: Arc::clone(&service.name),
        outlier: service.outlier,
        breaker: service.breaker,
        checks,
        slow_start: service.slow_start,
        panic_threshold: service.panic_threshold,
    }
}

fn fleet(snapshot: &Snapshot, service: &Service) -> Fleet {
    let (primaries, usable_primaries) = service.available.primaries();
    let share = snapshot.diverted(service);
    Fleet {
        total: service.endpoints.len(),
        usable: service.available.usable(),
        primaries,
        usable_primaries,
        panic: service.available.panic,
        detour: service.detour.way().filter(|_| share > 0).map(|way| (way.to_string().into(), share.min(WHOLE))),
        zones: service.zones.as_ref().map(|preference| Arc::new(zones(service, &preference.own))),
    }
}

fn zones(service: &Service, own: &Arc<str>) -> ZoneFacts {
    let available = &service.available;
    let part = |name: &str| match &available.zones {
        Some(zones) if *name == **own => zones.own,
        Some(zones) => zones.others.iter().find(|other| other.name == name).map_or(0, |other| other.part),
        None => 0,
    };
    let mut each: BTreeMap<&str, ZoneFact> = BTreeMap::new();
    let empty = |name: &str| ZoneFact { name: name.into(), total: 0, usable: 0, part: part(name) };
    each.insert(own, empty(own));
    for (index, endpoint) in service.endpoints.iter().enumerate().filter(|(_, endpoint)| !endpoint.backup) {
        let zone = each.entry(&endpoint.zone).or_insert_with_key(|name| empty(name));
        zone.total += 1;
        zone.usable += usize::from(available.has(index));
    }
    ZoneFacts { own: Arc::clone(own), each: each.into_values().collect(), are_heeded: available.zones.is_some() }
}

/// What the detectors have agreed on of this backend, of its host or zone, and of its service.
fn votes(endpoint: &Endpoint, faults: &[faults::Fault]) -> Box<[Vote]> {
    let is_about = |fault: &&faults::Fault| match &fault.verdict.subject {
        Subject::Service => true,
        Subject::Backend(_) => fault.backend.as_deref() == Some(&*endpoint.id),
        Subject::Host(host) => matches!(&endpoint.target, Target::Tcp(address) if address.ip().to_string() == **host),
        Subject::Zone(zone) => *endpoint.zone == **zone,
    };
    let of = |subject: &Subject| Some(scope(subject)).filter(|_| !matches!(subject, Subject::Backend(_)));
    let all = faults.iter().filter(is_about).flat_map(|fault| &fault.verdict.votes);
    let vote = |vote: &crate::detect::fault::Vote| Vote {
        fault: vote.fault,
        detector: vote.detector,
        confidence: vote.confidence,
        of: of(&vote.subject),
        text: vote.reason.as_str().into(),
    };
    all.map(vote).collect()
}
