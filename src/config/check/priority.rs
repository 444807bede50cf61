//! `priority` and `priority_header` of routes: whether anything heeds them.

use std::collections::BTreeMap;

use super::Checker;
use crate::config::raw::{self, Priority};
use crate::config::syntax::recovery::destination;
use crate::config::tree::KeyPath;
use crate::recover::plan::Destination;

/// The services of a file by their names.
type Services = BTreeMap<String, raw::Service>;

impl Checker<'_> {
    /// Warns of priorities that none of the services with the requests heeds, and of headers that nobody may send.
    pub(super) fn priorities_have_effect(&mut self, listeners: &[raw::Listener], services: &Services) {
        let root = KeyPath::default().key("listener");
        for (index, listener) in listeners.iter().enumerate() {
            let at = root.index(index);
            let trusted = at.key("trusted_proxies");
            let is_heard = !listener.trusted_proxies.is_empty() || self.findings.removed(&trusted).is_some();
            for (index, route) in listener.route.iter().enumerate() {
                let at = at.key("route").index(index);
                self.priority_has_effect(&at, route, services, is_heard);
            }
        }
    }

    /// `is_heard`: somebody may say the priority of a request.
    fn priority_has_effect(&mut self, at: &KeyPath, route: &raw::Route, services: &Services, is_heard: bool) {
        let header = route.priority_header.as_ref().map(|_| at.key("priority_header"));
        let fixed = (route.priority != Priority::Normal).then(|| at.key("priority"));
        if header.is_none() && fixed.is_none() {
            return;
        }
        let asked = asked(route);
        // where a service is missing that has been reported, and where there is none another warning says so
        let is_known = !asked.is_empty() && asked.iter().all(|name| services.contains_key(*name));
        if is_known && !asked.iter().any(|name| self.has_limit(name, services)) {
            let help = match asked[..] {
                [only] => format!("the service `{only}` has no adaptive limit: [service.{only}.concurrency]"),
                _ => format!("none of the services {} has an adaptive limit, `concurrency`", asked.join(", ")),
            };
            for (path, key) in [(&fixed, "priority"), (&header, "priority_header")] {
                let Some(path) = path else { continue };
                let mistake = self.key_mistake(path, format!("`{key}` has no effect"));
                self.report(mistake.warning().help(help.clone()));
            }
            return;
        }
        if let Some(path) = header.filter(|_| !is_heard) {
            let mistake = self.key_mistake(&path, "`priority_header` has no effect: nobody is believed");
            self.report(mistake.warning().help("list who may say it in `trusted_proxies` of the listener"));
        }
    }

    /// Whether a service has a limit, or one to which its work goes when it fails.
    fn has_limit(&self, name: &str, services: &Services) -> bool {
        let at = KeyPath::default().key("service");
        let limits = |name: &str| {
            let has_any = services.get(name).is_some_and(|service| service.concurrency.is_some());
            has_any || self.present(&at.key(name).key("concurrency"))
        };
        let strategies = services.get(name).into_iter().flat_map(|service| service.recover.iter().flatten());
        let mut others = strategies.filter_map(|strategy| match destination(strategy.to.as_deref()?).ok()? {
            Destination::Service(other) => Some(other),
            _ => None,
        });
        limits(name) || others.any(|other| limits(&other))
    }
}

/// The services that a route asks.
fn asked(route: &raw::Route) -> Vec<&str> {
    let split = route.split.iter().flatten().filter_map(|share| share.service.as_deref());
    let canary = route.canary.iter().flat_map(|canary| [canary.stable.as_deref(), canary.service.as_deref()]);
    let asks_first = route.auth.as_ref().and_then(|auth| auth.forward.as_ref()?.service.as_deref());
    let mut asked: Vec<&str> =
        route.service.as_deref().into_iter().chain(split).chain(canary.flatten()).chain(asks_first).collect();
    asked.sort_unstable();
    asked.dedup();
    asked
}
