//! What is checked: the backends of a snapshot as the checks and the passive ejection see them, and what an agent's line does.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Moment;
use crate::endpoint::standing::Override;
use crate::endpoint::{Endpoint, Live};
use crate::health::ejector;
use crate::health::probe::Target;
use crate::load::agent::{AgentLine, AgentWishes};
use crate::policy::{Check, Health, Initial};
use crate::snapshot::{Service, Snapshot};

/// An agent that has missed as many of its turns is silent, however soon reports expire: one that is late is not.
const MISSED_TURNS: u32 = 3;

/// Every check that the services of a snapshot ask for.
pub(super) fn targets(snapshot: &Snapshot) -> Vec<Target> {
    let mut targets = Vec::new();
    for service in &snapshot.services {
        let health = service.health.clone().map(Arc::new);
        let agent = service.load_reports.agent.map(|(port, interval)| Arc::new(agent_check(port, interval)));
        // of one whose name can't be looked up that is known without asking
        for endpoint in service.endpoints.iter().filter(|endpoint| !endpoint.is_unresolved()) {
            if let Some(policy) = &health {
                targets.push(target(service, endpoint, policy, false));
            }
            if let Some(policy) = &agent {
                targets.push(target(service, endpoint, policy, true));
            }
        }
    }
    targets
}

fn target(service: &Service, endpoint: &Endpoint, policy: &Arc<Health>, advisory: bool) -> Target {
    let name = service.tls.as_ref().and_then(|_| service.server_name(endpoint));
    Target {
        service: Arc::clone(&service.name),
        id: endpoint.id.to_string(),
        live: Arc::clone(&endpoint.live),
        address: endpoint.target.clone(),
        addresses: Arc::clone(&endpoint.addresses),
        outbound: endpoint.outbound.clone(),
        host: endpoint.host.clone(),
        protocol: service.protocol,
        tls: service.tls.clone().zip(name),
        proxy_header: service.proxy_header,
        policy: Arc::clone(policy),
        advisory,
        expire: service.load_reports.expire.max(policy.interval * MISSED_TURNS),
    }
}

/// The policy by which an agent is asked about load. Its answers do not count as checks.
fn agent_check(port: u16, interval: Duration) -> Health {
    Health {
        kind: Check::Agent,
        port: Some(port),
        interval,
        fast_interval: interval,
        timeout: interval.min(Duration::from_secs(1)),
        fall: 1,
        rise: 1,
        jitter: 0.1,
        initial: Initial::Up,
    }
}

/// The services and backends that the passive ejection watches.
pub(super) fn watched(snapshot: &Snapshot) -> Vec<ejector::WatchedService> {
    let service = |service: &Arc<Service>| ejector::WatchedService {
        name: Arc::clone(&service.name),
        policy: service.outlier,
        backends: service.endpoints.clone(),
    };
    snapshot.services.iter().map(service).collect()
}

/// What agents have said: an agent takes back only what it said itself. This is a handle: its copies share one table.
#[derive(Debug, Clone, Default)]
pub(super) struct Agents(Arc<Mutex<Heard>>);

#[derive(Debug, Default)]
struct Heard {
    /// What the agent of each backend has said. The `Live` tells a backend from a later one with the same name.
    said: HashMap<Name, (Arc<Live>, AgentWishes)>,
    /// The backends whose agents limit their exchanges, and until when each limit holds.
    limits: HashMap<Name, (Arc<Live>, Moment)>,
}

/// A service and a backend.
type Name = (Arc<str>, String);

impl Agents {
    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Applies what an agent says. The error is why its backend is not well.
    pub fn hear(&self, target: &Target, line: &str, now: Moment) -> Result<(), String> {
        let line = AgentLine::read(line.as_bytes()).map_err(|refused| refused.to_string())?;
        let name = (Arc::clone(&target.service), target.id.clone());
        let Heard { said, limits } = &mut *self.heard();
        let (of, said) = said.entry(name.clone()).or_insert_with(|| (Arc::clone(&target.live), AgentWishes::default()));
        if !Arc::ptr_eq(of, &target.live) {
            (*of, *said) = (Arc::clone(&target.live), AgentWishes::default());
        }
        said.add(&line);
        let reason = line.reason.clone().unwrap_or_else(|| "its agent says so".to_owned());
        said.apply(&target.live.standing, &reason);
        match said.max_connections {
            Some(_) => _ = limits.insert(name, (Arc::clone(&target.live), now.plus(target.expire))),
            None => _ = limits.remove(&name),
        }
        if !said.down {
            return Ok(());
        }
        if target.advisory {
            // nothing else makes it so where the agent is no check
            target.live.standing.set_agent(Override::Disabled, &reason);
        }
        Err(line.reason.unwrap_or_else(|| "its agent says that it is down".to_owned()))
    }

    /// Takes back what agents have said that are not asked any more, and forgets it: nobody else could.
    pub fn update(&self, targets: &[Target]) {
        let asked = targets.iter().filter(|target| target.policy.kind == Check::Agent);
        let asked: HashSet<_> = asked.map(|target| Arc::as_ptr(&target.live)).collect();
        let Heard { said, limits } = &mut *self.heard();
        said.retain(|name, (live, _)| {
            let stays = asked.contains(&Arc::as_ptr(live));
            if !stays {
                AgentWishes::default().apply(&live.standing, "");
                limits.remove(name);
            }
            stays
        });
    }

    /// Lifts the limits of agents that have not been heard since, or are not asked any more.
    pub fn expire(&self, now: Moment) {
        self.heard().limits.retain(|(service, backend), (live, until)| {
            let holds = *until > now;
            if !holds {
                tracing::warn!(%service, backend, "its agent is not heard any more: its `maxconn` does not hold");
                live.standing.set_agent_limit(None);
            }
            holds
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::Target as Address;
    use crate::policy::UpstreamProtocol;

    const START: Moment = Moment::from_millis(1_100_000_000_000);

    fn asked(live: &Arc<Live>) -> Target {
        Target {
            service: "api".into(),
            id: "a".to_owned(),
            live: Arc::clone(live),
            address: Address::Tcp(([127, 0, 0, 1], 1).into()),
            addresses: Arc::default(),
            outbound: None,
            host: String::new(),
            protocol: UpstreamProtocol::Http1,
            tls: None,
            proxy_header: None,
            policy: Arc::new(agent_check(1, Duration::from_secs(2))),
            advisory: true,
            expire: Duration::from_secs(10),
        }
    }

    #[test]
    fn a_limit_is_lifted_when_its_agent_has_been_silent_for_too_long() {
        let (live, agents) = (Arc::<Live>::default(), Agents::default());
        let target = asked(&live);
        let after = |seconds| START.plus(Duration::from_secs(seconds));
        agents.hear(&target, "maxconn:5", START).unwrap();
        agents.hear(&target, "maxconn:4", after(6)).unwrap();
        // what makes no sense is as good as silence
        agents.hear(&target, "maxconn:x", after(8)).unwrap_err();
        agents.expire(after(15));
        assert_eq!(live.standing.limit(0), 4);
        agents.expire(after(16));
        assert_eq!(live.standing.limit(0), 0);
        agents.hear(&target, "maxconn:5", after(17)).unwrap();
        assert_eq!(live.standing.limit(0), 5, "it is heard again");
    }

    #[test]
    fn an_agent_that_says_no_limit_any_more_is_not_said_to_be_silent() {
        let (live, agents) = (Arc::<Live>::default(), Agents::default());
        let target = asked(&live);
        agents.hear(&target, "maxconn:5", START).unwrap();
        agents.hear(&target, "up", START).unwrap();
        assert_eq!(live.standing.limit(0), 0);
        assert!(agents.heard().limits.is_empty());
    }

    #[test]
    fn what_an_agent_said_is_taken_back_when_it_is_asked_no_more() {
        let (live, agents) = (Arc::<Live>::default(), Agents::default());
        let target = asked(&live);
        agents.hear(&target, "maint 50% maxconn:5", START).unwrap();
        agents.update(std::slice::from_ref(&target));
        assert_eq!(
            (live.standing.agent(), live.standing.weight(8), live.standing.limit(0)),
            (Override::Disabled, 4, 5)
        );
        // a check of another kind asks no agent
        let mut other = target.clone();
        Arc::make_mut(&mut other.policy).kind = Check::Tcp { send: Vec::new(), expect: Vec::new() };
        agents.update(&[other]);
        assert_eq!(
            (live.standing.agent(), live.standing.weight(8), live.standing.limit(0)),
            (Override::Configured, 8, 0)
        );
        let heard = agents.heard();
        assert!(heard.said.is_empty() && heard.limits.is_empty());
    }

    #[test]
    fn what_an_agent_said_is_not_said_of_another_backend_with_its_name() {
        let agents = Agents::default();
        let (before, after) = (Arc::<Live>::default(), Arc::<Live>::default());
        agents.hear(&asked(&before), "drain down", START).unwrap_err();
        agents.hear(&asked(&after), "50%", START).unwrap();
        assert_eq!((after.standing.agent(), after.standing.weight(8)), (Override::Configured, 4));
    }
}
