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
    /// stays: the configuration is the same.
    pub fn refreshed(&self, now: Moment) -> Option<Self> {
        let mut changed = false;
        let services = self
            .services
            .iter()
            .map(|service| match Service::refreshed(service, now) {
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
        let (members, panic) = members(&settings, now);
        let available = Available::new(&settings, members, panic);
        Self { settings, available }
    }

    fn refreshed(&self, now: Moment) -> Option<Self> {
        let (members, panic) = members(&self.settings, now);
        if members == self.available.members && panic == self.available.panic {
            return None;
        }
        let settings = Arc::clone(&self.settings);
        let available = Available::new(&settings, members, panic);
        Some(Self { settings, available })
    }
}

impl Available {
    fn new(settings: &Settings, members: Vec<(usize, u32)>, panic: bool) -> Self {
        let candidates = members.iter().map(|&(index, weight)| {
            let endpoint = &settings.endpoints[index];
            Candidate { index, id: Arc::clone(&endpoint.id), weight, live: Arc::clone(&endpoint.live) }
        });
        let balancer = balance::build_with(settings.balance, candidates.collect(), settings.load_reports.expire);
        Self { balancer, members, panic }
    }
}

/// The indices and weights of those that may be picked, and whether that is for want of any better.
fn members(settings: &Settings, now: Moment) -> (Vec<(usize, u32)>, bool) {
    let members: Vec<Member> = settings.endpoints.iter().map(|endpoint| member(settings, endpoint, now)).collect();
    let available = available::available(&members, settings.panic_threshold);
    let picked = available.backends.iter().map(|&index| (index, members[index].weight)).collect();
    (picked, available.panic)
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
