//! Which backends may be picked, by their states now: between two reloads, this is all that changes in a snapshot.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::course::courses;
use super::service::{Diverted, ServiceSettings};
use super::{Available, Service, Snapshot, Way, Zones};
use crate::balance::available::{self, Availability, Member, WARM};
use crate::balance::{self, Candidate, slow_start};
use crate::clock::Moment;
use crate::endpoint::Endpoint;
use crate::endpoint::standing::Standing;
use crate::endpoint::state::{Announced, Condition};
use crate::endpoint::{precedence, standing};
use crate::event::{Events, Kind, Subject};
use crate::policy::Balance;
use crate::recover::plan::Destination;

const SECOND: Duration = Duration::from_secs(1);

impl Snapshot {
    /// The same snapshot with every backend's availability at `now`; `None` when nothing has changed. The generation
    /// stays, because the configuration is the same. Where no standing has changed since this was last called, only
    /// services are looked at that can change by time alone.
    pub fn refreshed(&self, now: Moment, has_changed: bool) -> Option<Self> {
        let mut changed = false;
        let services: Vec<_> = self
            .services
            .iter()
            .map(|service| match Service::refreshed(service, now, has_changed) {
                Some(refreshed) => {
                    changed = true;
                    Arc::new(refreshed)
                }
                None => Arc::clone(service),
            })
            .collect();
        // what was set counts as a change, and what is in force follows from who can be used
        let has_courses = has_changed || !self.courses.is_empty();
        let courses = if has_courses { courses(&services) } else { Vec::new() };
        (changed || courses != self.courses).then(|| Self {
            generation: self.generation,
            listeners: self.listeners.clone(),
            services,
            canaries: self.canaries.clone(),
            courses,
            sends_proxy_headers: self.sends_proxy_headers,
            access_lines: Arc::clone(&self.access_lines),
            tracing: self.tracing,
        })
    }

    /// Announces the states of backends that differ from what was announced last. Where no standing has changed, only
    /// services are looked at that can change by time alone.
    pub(super) fn announce_states(&self, events: &Events, now: Moment, has_changed: bool) {
        let at = SystemTime::now();
        for service in self.services.iter().filter(|service| has_changed || service.changes_by_itself(now)) {
            for endpoint in &service.endpoints {
                let condition = precedence::condition(endpoint, service.rules(), now);
                let Some((before, told)) = endpoint.live.standing.announce(condition, now, at) else { continue };
                // a new backend that can be used is no news
                if before.is_none() && condition.state.is_usable() {
                    continue;
                }
                let (was, after) = before.map(|before| (before.condition.state, now.since(before.since))).unzip();
                let Announced { condition: Condition { state, by }, reason, .. } = told;
                let subject = Subject::backend(&endpoint.service, &endpoint.id);
                events.tell_of(subject, Kind::Backend { state, by, reason, was, after }, at, now);
            }
        }
    }

    /// Announces services that begin or cease to ignore health, or to have a usable backend at all.
    pub(super) fn announce_services(&self, before: &Self, events: &Events) {
        for (at, new) in self.services.iter().enumerate() {
            // nearly all keep their indices
            let same = |old: &&Arc<Service>| old.name == new.name;
            let old = before.services.get(at).filter(same).or_else(|| before.services.iter().find(same));
            // a new service is expected to work
            // also while health is ignored: that all are asked does not mean that anybody answers
            let (was_in_panic, had_none) =
                old.map_or((false, false), |old| (old.available.panic, old.available.usable() == 0));
            let (available, total) = (new.available.usable(), new.endpoints.len());
            let tell = |kind| events.tell(Subject::service(&new.name), kind);
            match (was_in_panic, new.available.panic) {
                (false, true) => tell(Kind::PanicBegan { available, total }),
                (true, false) => tell(Kind::PanicEnded { available, total }),
                _ => {}
            }
            match (had_none, available == 0) {
                (false, true) => tell(Kind::ServiceDown { total }),
                (true, false) => tell(Kind::ServiceUp { available, total }),
                _ => {}
            }
        }
    }
}

impl Service {
    /// A service with every backend's availability at `now`.
    pub(super) fn new(settings: Arc<ServiceSettings>, now: Moment) -> Self {
        let way = settings.detour.way();
        let available =
            Available::new(&settings, settings.standings(way.as_ref(), now).collect(), diverted(way.as_ref()));
        Self { settings, available }
    }

    fn refreshed(&self, now: Moment, has_changed: bool) -> Option<Self> {
        if !has_changed && !self.changes_by_itself(now) {
            return None;
        }
        // this looks at many backends many times a second, and hardly ever has one changed
        let way = self.settings.detour.way();
        let (members, share) = &self.available.seen;
        if self.settings.standings(way.as_ref(), now).eq(members.iter().copied()) && diverted(way.as_ref()) == *share {
            return None;
        }
        Some(Self::new(Arc::clone(&self.settings), now))
    }

    /// Whether time alone, or the workers, can change its availability: workers open breakers, ejections end, and so
    /// does slow start.
    fn changes_by_itself(&self, now: Moment) -> bool {
        self.breaker.is_some() || self.available.are_some_ejected || self.is_starting(now)
    }

    /// Whether some of its backends are in slow start.
    fn is_starting(&self, now: Moment) -> bool {
        // one second more, so that the end is seen as well
        let lately = |endpoint: &Arc<Endpoint>| now.since(endpoint.live.standing.joined()) < self.slow_start + SECOND;
        !self.slow_start.is_zero() && self.endpoints.iter().any(lately)
    }
}

impl Available {
    /// `share` is the part of the work that a failover sends to its destination, in thousandths.
    fn new(settings: &ServiceSettings, seen: Vec<Member>, share: u32) -> Self {
        let available::Eligible { backends, panic, diverted } =
            available::eligible(&seen, settings.panic_threshold, share);
        let candidate = |index: &usize| {
            let (endpoint, weight) = (&settings.endpoints[*index], seen[*index].weight);
            Candidate { index: *index, id: Arc::clone(&endpoint.id), weight, live: Arc::clone(&endpoint.live) }
        };
        let balancer_by = |balance: Balance, backends: &[usize]| {
            let candidates = backends.iter().map(candidate).collect();
            balance::build_with(balance, candidates, settings.load_reports.expire)
        };
        let balancer = |backends: &[usize]| balancer_by(settings.balance, backends);
        let divides = !panic && matches!(diverted, available::Diverted::Nothing | available::Diverted::StandBy(_));
        let preference = settings.zones.as_ref().filter(|_| divides);
        let zones = preference
            .and_then(|zones| Zones::of(&settings.endpoints, settings.balance, &zones.own, &backends, &seen, balancer));
        let home = balancer(zones.as_ref().map_or(&backends, |zones| &zones.members));
        let beside = settings.shadow.iter().flat_map(|shadow| &shadow.beside);
        let shadows = beside.map(|counters| balancer_by(counters.balance, &backends)).collect();
        let mut all = backends;
        let diverted = match diverted {
            available::Diverted::Nothing => Diverted::Nothing,
            available::Diverted::All => Diverted::All,
            available::Diverted::StandBy(there) => {
                Diverted::Part { share: 0, balancer: balancer(&there), members: there }
            }
            available::Diverted::Part(there) => {
                all.extend(&there);
                all.sort_unstable();
                Diverted::Part { share, balancer: balancer(&there), members: there }
            }
        };
        let members = all.into_iter().map(|index| (index, seen[index].weight)).collect();
        // while health is ignored, nobody is spared
        let are_some_suspect = !panic && seen.iter().any(|member| member.share < standing::WHOLE);
        let shares = if are_some_suspect { seen.iter().map(|member| member.share).collect() } else { Vec::new() };
        let ends_by_itself = [Availability::Ejected, Availability::HeldOpen];
        let are_some_ejected = seen.iter().any(|member| ends_by_itself.contains(&member.availability));
        let zones = zones.map(Box::new);
        Self { balancer: home, shadows, members, panic, zones, diverted, shares, seen: (seen, share), are_some_ejected }
    }

    /// How many backends are usable, whether or not health counts now.
    pub fn usable(&self) -> usize {
        self.seen.0.iter().filter(|member| member.availability == Availability::Usable && member.takes_work()).count()
    }

    /// How many backends are no backups and may get work while they are healthy, and how many of these are usable.
    pub fn primaries(&self) -> (usize, usize) {
        let primaries = || self.seen.0.iter().filter(|member| !member.backup && member.takes_work());
        (primaries().count(), primaries().filter(|member| member.availability == Availability::Usable).count())
    }
}

impl ServiceSettings {
    /// What each backend may be used for at `now`, while the work goes this way.
    fn standings(&self, way: Option<&Way>, now: Moment) -> impl Iterator<Item = Member> {
        self.endpoints.iter().map(move |endpoint| member(self, endpoint, way, now))
    }
}

/// What a backend may be used for at `now`.
fn member(settings: &ServiceSettings, endpoint: &Endpoint, way: Option<&Way>, now: Moment) -> Member {
    let availability = precedence::condition(endpoint, settings.rules(), now).into();
    let standing = &endpoint.live.standing;
    Member {
        availability,
        weight: standing.weight(endpoint.weight),
        backup: endpoint.backup,
        share: standing.share(),
        warmth: warmth(settings, standing, now),
        is_destination: match way.map(|way| &way.to) {
            Some(Destination::Backups) => endpoint.backup,
            Some(Destination::Zone(zone)) => *endpoint.zone == **zone,
            Some(Destination::Service(_)) | None => false,
        },
    }
}

/// How far the slow start of a backend is, where it matters for the share of its zone. In tenths, so that the work is not divided anew at each look.
fn warmth(settings: &ServiceSettings, standing: &Standing, now: Moment) -> u32 {
    if settings.zones.is_none() || settings.slow_start.is_zero() {
        return WARM;
    }
    let share = slow_start::share(standing.joined(), now, settings.slow_start) * f64::from(WARM);
    (1..=WARM).take_while(|tenth| f64::from(*tenth) <= share).last().unwrap_or(1)
}

/// The part of the work that goes to backends of the same service, in thousandths.
fn diverted(way: Option<&Way>) -> u32 {
    way.filter(|way| !matches!(way.to, Destination::Service(_))).map_or(0, |way| way.share)
}
