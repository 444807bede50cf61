//! Who may be picked, as the backends stand now: between two reloads, this is all that changes in a snapshot.

use std::sync::Arc;

use super::service::Settings;
use super::{Available, Service, Snapshot};
use crate::balance::available::{self, Member, State};
use crate::balance::{self, Candidate};
use crate::clock::Moment;
use crate::endpoint::Endpoint;
use crate::endpoint::breaker;
use crate::endpoint::standing::{Health, Wanted};

impl Snapshot {
    /// The same with everybody's availability as it is at `now`; `None` when that is what it says already. The generation
    /// stays: the configuration is the same. Where no standing has changed since this was last asked, only those are looked at
    /// whose availability changes by itself.
    pub fn refreshed(&self, now: Moment, has_changed: bool) -> Option<Self> {
        let mut changed = false;
        let services = self
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
        changed.then(|| Self {
            generation: self.generation,
            listeners: self.listeners.clone(),
            services,
            tells_of_clients: self.tells_of_clients,
        })
    }
}

impl Service {
    /// With everybody's availability as it is at `now`.
    pub(super) fn new(settings: Arc<Settings>, now: Moment) -> Self {
        let available = Available::new(&settings, settings.standings(now).collect());
        Self { settings, available }
    }

    fn refreshed(&self, now: Moment, has_changed: bool) -> Option<Self> {
        if !has_changed && !self.changes_by_itself() {
            return None;
        }
        // many backends are looked at many times a second, and hardly ever has one changed
        if self.settings.standings(now).eq(self.available.seen.iter().copied()) {
            return None;
        }
        let settings = Arc::clone(&self.settings);
        let available = Available::new(&settings, settings.standings(now).collect());
        Some(Self { settings, available })
    }

    /// Breakers are the workers', and ejections end.
    fn changes_by_itself(&self) -> bool {
        self.breaker.is_some() || self.available.are_some_ejected
    }
}

impl Available {
    fn new(settings: &Settings, seen: Vec<Member>) -> Self {
        let available::Available { backends, panic } = available::available(&seen, settings.panic_threshold);
        let members: Vec<_> = backends.into_iter().map(|index| (index, seen[index].weight)).collect();
        let candidates = members.iter().map(|&(index, weight)| {
            let endpoint = &settings.endpoints[index];
            Candidate { index, id: Arc::clone(&endpoint.id), weight, live: Arc::clone(&endpoint.live) }
        });
        let balancer = balance::build_with(settings.balance, candidates.collect(), settings.load_reports.expire);
        let are_some_ejected = seen.iter().any(|member| member.state == State::Ejected);
        Self { balancer, members, panic, seen, are_some_ejected }
    }
}

impl Settings {
    /// What each backend may be used for at `now`.
    fn standings(&self, now: Moment) -> impl Iterator<Item = Member> {
        self.endpoints.iter().map(move |endpoint| member(self, endpoint, now))
    }
}

/// What a backend may be used for at `now`.
fn member(settings: &Settings, endpoint: &Endpoint, now: Moment) -> Member {
    let standing = &endpoint.live.standing;
    Member { state: state(settings, endpoint, now), weight: standing.weight(endpoint.weight), backup: endpoint.backup }
}

/// How a backend stands at `now`.
pub(super) fn state(settings: &Settings, endpoint: &Endpoint, now: Moment) -> State {
    let standing = &endpoint.live.standing;
    // an operator's word goes before the agent's, and that before the configuration's
    let wanted = match standing.operator() {
        Wanted::Configured => standing.agent(),
        operator => operator,
    };
    match wanted {
        Wanted::Disabled => return State::Disabled,
        Wanted::Drained => return State::Drained,
        Wanted::Configured if endpoint.draining => return State::Drained,
        Wanted::Configured | Wanted::Enabled => {}
    }
    if standing.health() == Health::Down {
        return State::Down;
    }
    let open = |policy| endpoint.live.breaker.state(policy, now) == breaker::State::Open;
    match standing.is_ejected(now) || settings.breaker.as_ref().is_some_and(open) {
        true => State::Ejected,
        false => State::Usable,
    }
}
