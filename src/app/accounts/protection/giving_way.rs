//! What gives way to a service while that is protected, as far as there is something that can.

use std::sync::Arc;

use ahash::AHashSet;

use crate::canary::WHOLE;
use crate::endpoint::Target;
use crate::event::{GivingWay, SplitBack};
use crate::snapshot::{Canary, Listener, Service, Snapshot, Split};

/// Where the backends of a service are.
pub(super) fn targets(service: &Arc<Service>) -> impl Iterator<Item = &Target> {
    service.endpoints.iter().map(|endpoint| &endpoint.target)
}

/// Whether a service has a backend that is to be spared: it is sent no copies of requests then, whatever is promised of it, because nothing is
/// promised of a copy.
pub(super) fn gets_no_copies(service: &Arc<Service>, spared: &AHashSet<&Target>) -> bool {
    targets(service).any(|target| spared.contains(target))
}

/// Whether a service sends nothing again: it has a backend that is to be spared, and no promise of its own to keep.
pub(super) fn gives_way(service: &Arc<Service>, spared: &AHashSet<&Target>) -> bool {
    service.promised.is_none() && gets_no_copies(service, spared)
}

/// What gives way to the service at this place. What could not do otherwise is not named: a service that sends nothing again in any case, or
/// a split that has nobody else to send requests to.
pub(super) fn to(snapshot: &Snapshot, protected: &Arc<Service>) -> GivingWay {
    let spared: AHashSet<&Target> = targets(protected).collect();
    let those = |is_one: &dyn Fn(&Arc<Service>) -> bool| {
        let named = snapshot.services.iter().filter(|service| is_one(service));
        named.map(|service| service.name.to_string()).collect()
    };
    GivingWay {
        retries: those(&|service| gives_way(service, &spared) && retries(snapshot, service)),
        hedges: those(&|service| {
            gives_way(service, &spared) && service.hedges.is_some() && is_asked(snapshot, service)
        }),
        mirrors: those(&|service| gets_no_copies(service, &spared) && is_mirrored_to(snapshot, service)),
        splits: splits(snapshot, protected),
        canaries: snapshot
            .canaries
            .iter()
            .filter(|canary| waits(canary, protected.index))
            .map(|canary| snapshot.services[canary.service].name.to_string())
            .collect(),
    }
}

/// Whether requests come to a service, which get an answer that it may have asked for twice. Connections that could not be made are made again
/// all the same.
fn retries(snapshot: &Snapshot, service: &Arc<Service>) -> bool {
    let retry = &service.retry;
    retry.attempts > 0 && (retry.on_reset || !retry.on_status.is_empty()) && is_asked(snapshot, service)
}

/// Whether a service is asked at all, and not only sent copies.
fn is_asked(snapshot: &Snapshot, service: &Arc<Service>) -> bool {
    let by = |listener: &Arc<Listener>| listener.asks.get(service.index).copied().unwrap_or_default();
    snapshot.listeners.iter().any(by) || snapshot.courses.iter().any(|course| course.leads_to(service.index))
}

fn is_mirrored_to(snapshot: &Snapshot, service: &Arc<Service>) -> bool {
    let mut mirrors = snapshot.listeners.iter().flat_map(|listener| &listener.mirroring);
    mirrors.any(|route| route.mirror.as_ref().is_some_and(|mirror| mirror.service == service.index))
}

/// The splits of which all requests go to another service for now.
fn splits(snapshot: &Snapshot, protected: &Arc<Service>) -> Vec<SplitBack> {
    let back = |listener: &Listener, (place, split): &(usize, Arc<Split>)| {
        let to = snapshot.in_place_of(protected.index, split)?;
        let to = snapshot.services[to].name.to_string();
        Some(SplitBack { listener: listener.name.to_string(), route: place + 1, to })
    };
    let of = |listener: &Arc<Listener>| -> Vec<SplitBack> {
        listener.splits.iter().filter_map(|split| back(listener, split)).collect()
    };
    snapshot.listeners.iter().flat_map(of).collect()
}

/// Whether the service is one of the two versions of a canary that is on its way: it takes no further step for now.
fn waits(canary: &Canary, protected: usize) -> bool {
    let last = canary.plan.share(canary.plan.last()).min(WHOLE);
    [canary.service, canary.stable].contains(&protected) && (1..last).contains(&canary.share())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Registry;
    use crate::snapshot::testing;

    /// Of `api` and `next` something is promised; all but `other` have the same backend.
    const SERVICES: &str = r#"
[[listener]]
name = "web"
bind = "127.0.0.1:1"
service = "batch"
[[listener.route]]
path = "/other"
service = "other"
mirror = { service = "next" }
[[listener.route]]
path = "/batch"
service = "batch"
mirror = { service = "shadow" }
[[listener.route]]
path = "/next"
split = [{ service = "next", weight = 1 }, { service = "other", weight = 9 }]
mirror = { service = "api" }
[[listener.route]]
path = "/api"
split = [{ service = "api", weight = 9 }, { service = "other", weight = 1 }]
[service.api]
backend = [{ address = "127.0.0.1:1" }]
sla = {}
[service.next]
backend = [{ address = "127.0.0.1:1" }]
sla = {}
[service.batch]
backend = [{ address = "127.0.0.1:1" }, { address = "127.0.0.1:3" }]
retry = { hedge = "100ms" }
[service.shadow]
backend = [{ address = "127.0.0.1:1" }]
retry = { hedge = "100ms" }
[service.other]
backend = [{ address = "127.0.0.1:2" }]
"#;

    fn to_service(text: &str, name: &str) -> GivingWay {
        let snapshot = testing::of_toml(text, None, &Registry::new(1));
        let service = snapshot.services.iter().find(|service| *service.name == *name).unwrap();
        to(&snapshot, service)
    }

    #[test]
    fn services_without_a_promise_send_nothing_again_and_nobody_sends_copies() {
        let gives_way = to_service(SERVICES, "api");
        assert_eq!(gives_way.retries, ["batch"], "the shadow gets copies only");
        assert_eq!(gives_way.hedges, ["batch"]);
        assert_eq!(gives_way.mirrors, ["api", "next", "shadow"], "nothing is promised of copies to any of them");
        assert!(gives_way.splits.is_empty(), "it has the larger share: {gives_way:?}");
        let to_next = to_service(SERVICES, "next").splits;
        assert_eq!(to_next, [SplitBack { listener: "web".to_owned(), route: 3, to: "other".to_owned() }]);
    }

    #[test]
    fn a_service_that_never_retries_gives_nothing_up() {
        let never = SERVICES.replace("retry = { hedge = \"100ms\" }", "retry = { attempts = 0 }");
        let gives_way = to_service(&never, "api");
        assert!(gives_way.retries.is_empty() && gives_way.hedges.is_empty(), "{gives_way:?}");
        let free = SERVICES.replace("retry = { hedge = \"100ms\" }", "retry = { on = [\"connect\"] }");
        assert!(to_service(&free, "api").retries.is_empty(), "connections are made again all the same");
    }
}
