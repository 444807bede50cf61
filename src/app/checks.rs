//! What is checked: the backends of a snapshot as the checks and the passive ejection see them, and what an agent's line does.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::endpoint::Endpoint;
use crate::endpoint::standing::Wanted;
use crate::health::ejector;
use crate::health::probe::{Agent, Preamble, Target};
use crate::load::agent::{Line, Said};
use crate::policy::{Check, Health, Initial, ProxyHeader};
use crate::snapshot::{Service, Snapshot};

/// Every check that the services of a snapshot ask for.
pub(super) fn targets(snapshot: &Snapshot) -> Vec<Target> {
    let mut targets = Vec::new();
    for service in &snapshot.services {
        let health = service.health.clone().map(Arc::new);
        let agent = service.load_reports.agent.map(|(port, interval)| Arc::new(asking(port, interval)));
        for endpoint in &service.endpoints {
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
        host: endpoint.host.clone(),
        protocol: service.protocol,
        tls: service.tls.clone().zip(name),
        preamble: match service.proxy_header {
            None => Preamble::Off,
            Some(ProxyHeader::V1) => Preamble::V1,
            Some(ProxyHeader::V2) => Preamble::V2,
        },
        policy: Arc::clone(policy),
        advisory,
    }
}

/// How an agent is asked about load: what it says does not count as a check.
fn asking(port: u16, interval: Duration) -> Health {
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

/// What the passive ejection watches.
pub(super) fn watched(snapshot: &Snapshot) -> Vec<ejector::Service> {
    let service = |service: &Arc<Service>| ejector::Service {
        name: Arc::clone(&service.name),
        policy: service.outlier,
        backends: service.endpoints.clone(),
    };
    snapshot.services.iter().map(service).collect()
}

/// Does what agents say, and remembers it: an agent takes back only what it said itself.
pub(super) fn agent() -> Rc<Agent> {
    let said: RefCell<HashMap<(Arc<str>, String), Said>> = RefCell::default();
    Rc::new(move |target, line| {
        let line = Line::read(line.as_bytes()).map_err(|refused| refused.to_string())?;
        let mut said = said.borrow_mut();
        let said = said.entry((Arc::clone(&target.service), target.id.clone())).or_default();
        said.hear(&line);
        said.apply(&target.live.standing);
        if !said.down {
            return Ok(());
        }
        if target.advisory {
            // nothing else makes it so where the agent is no check
            target.live.standing.set_agent(Wanted::Disabled);
        }
        Err(line.reason.unwrap_or_else(|| "its agent says that it is down".to_owned()))
    })
}
