//! Keeps the snapshot true between two reloads: who may be picked changes with checks, ejections, breakers and what operators
//! say, and some of it changes by the mere passing of time.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::checks::{self, Agents};
use super::nicely;
use crate::clock::Moment;
use crate::endpoint::breaker::State;
use crate::endpoint::standing;
use crate::health::ejector::{Ejector, Totals};
use crate::health::monitor::Monitor;
use crate::health::outlier::Seen;
use crate::metrics::Registry;
use crate::snapshot::{Snapshot, Store};

/// How often everything is looked at without being told to: ejections and open breakers end by themselves.
const LOOK: Duration = Duration::from_millis(100);

/// The pause after a defect.
const AGAIN: Duration = Duration::from_secs(1);

/// The least time between two looks: many backends that fail at once are one look's work.
const PAUSE: Duration = Duration::from_millis(5);

/// Looks after the availability of every backend, for ever: also after a defect, which costs what had not been written down.
pub(super) async fn run(store: Arc<Store>, registry: Arc<Registry>, monitor: Monitor, agents: Agents) {
    loop {
        let (store, registry) = (Arc::clone(&store), Arc::clone(&registry));
        match tokio::task::spawn_local(look_after(store, registry, monitor.clone(), agents.clone())).await {
            // the panic itself has been counted and said
            Err(error) if error.is_panic() => tokio::time::sleep(AGAIN).await,
            _ => return,
        }
    }
}

async fn look_after(store: Arc<Store>, registry: Arc<Registry>, monitor: Monitor, agents: Agents) {
    let mut breakers = Breakers::default();
    let mut ejector = Ejector::default();
    let (mut generation, mut changes) = (0, 0);
    loop {
        let now = Moment::now();
        let snapshot = store.load();
        // availability changes within a generation, who there is does not
        let is_other = std::mem::replace(&mut generation, snapshot.generation) != snapshot.generation;
        if is_other {
            let targets = checks::targets(&snapshot);
            agents.update(&targets);
            monitor.update(targets);
            ejector.update(checks::watched(&snapshot));
        }
        for event in ejector.tick(now, &Counted(&snapshot)) {
            if let Some(reason) = event.ejected {
                registry.count_ejection(&event.service, &event.id, reason.label());
            }
        }
        breakers.look(&snapshot, now);
        agents.expire(now);
        // no await between the look and the swap: nobody else publishes on this thread meanwhile
        let before = std::mem::replace(&mut changes, standing::changes());
        if let Some(next) = snapshot.refreshed(now, is_other || changes != before) {
            tell(&snapshot, &next);
            store.publish(next);
        }
        nicely::let_go(store.sweep());
        tokio::time::sleep(PAUSE).await;
        tokio::select! {
            () = store.news().notified() => {}
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

/// Says when a service begins or ceases to ignore health.
fn tell(before: &Snapshot, after: &Snapshot) {
    for (old, new) in before.services.iter().zip(&after.services) {
        let (available, total) = (new.available.members.len(), new.endpoints.len());
        match (old.available.panic, new.available.panic) {
            (false, true) => tracing::warn!(
                service = %new.name,
                total,
                "too few backends are well: health is ignored (panic_threshold)"
            ),
            (true, false) => {
                tracing::info!(service = %new.name, available, total, "enough backends are well again");
            }
            _ => {}
        }
        if available == 0 && !old.available.members.is_empty() {
            tracing::error!(service = %new.name, total, "no backend can be used");
        }
    }
}

/// What is counted for the backends of a snapshot; what is watched is in the same order.
struct Counted<'a>(&'a Snapshot);

impl Totals for Counted<'_> {
    fn attempts(&self, service: usize) -> u64 {
        self.0.services.get(service).map(|service| service.attempts.ended()).unwrap_or_default()
    }

    fn seen(&self, service: usize, backend: usize) -> Seen {
        let metrics = self.0.services.get(service).and_then(|service| service.upstream.get(backend));
        let attempts = metrics.map(|metrics| metrics.attempts()).unwrap_or_default();
        Seen { requests: attempts.ended, failures: attempts.failed, elapsed: Duration::from_micros(attempts.micros) }
    }
}

/// What the breakers that were not closed were when they were last looked at.
#[derive(Debug, Default)]
struct Breakers(HashMap<u32, State>);

impl Breakers {
    /// Says which have changed.
    fn look(&mut self, snapshot: &Snapshot, now: Moment) {
        let mut seen = HashMap::new();
        for service in &snapshot.services {
            let Some(policy) = &service.breaker else { continue };
            for endpoint in &service.endpoints {
                let state = endpoint.live.breaker.state(policy, now);
                let before = self.0.get(&endpoint.key).copied().unwrap_or(State::Closed);
                if state != before {
                    let (service, backend) = (&service.name, &endpoint.id);
                    match state {
                        State::Open => tracing::warn!(%service, %backend, "its circuit breaker is open: it fails"),
                        State::HalfOpen => tracing::info!(%service, %backend, "its circuit breaker lets trials pass"),
                        State::Closed => tracing::info!(%service, %backend, "its circuit breaker is closed: it works"),
                    }
                }
                if state != State::Closed {
                    seen.insert(endpoint.key, state);
                }
            }
        }
        self.0 = seen;
    }
}
