//! `mirror` of a route: the service that gets copies of its requests.

use super::Checker;
use crate::config::model::ServiceId;
use crate::config::raw;
use crate::config::syntax;
use crate::config::tree::KeyPath;
use crate::policy::Mirroring;

impl Checker<'_> {
    /// `None` = it can't be used, which was reported.
    pub(super) fn mirror(
        &mut self,
        at: &KeyPath,
        route: &raw::Route,
        raw: &raw::Mirror,
    ) -> Option<(ServiceId, Mirroring)> {
        let (name, path) = (raw.service.as_deref()?, at.key("mirror").key("service"));
        let service = self.service_named(&path, name);
        if let Some(key) = asking_key(route, name) {
            let mistake = self.mistake(&path, format!("`{name}` gets these requests already"));
            self.report(mistake.expected("another service").help(format!("`{key}` of the route names it too")));
            return None;
        }
        let rule = Mirroring {
            share: syntax::percent(&raw.share).ok()?,
            max_body: raw.max_body.0,
            max_in_flight: raw.max_in_flight,
            timeout: raw.timeout.0,
        };
        Some((service?, rule))
    }
}

/// The key by which the requests of a route go to this service themselves.
fn asking_key(route: &raw::Route, name: &str) -> Option<&'static str> {
    let is = |service: &Option<String>| service.as_deref() == Some(name);
    let of_canary = |canary: &raw::Canary| is(&canary.service) || is(&canary.stable);
    let candidates = [
        ("service", is(&route.service)),
        ("split", route.split.iter().flatten().any(|share| is(&share.service))),
        ("canary", route.canary.as_ref().is_some_and(of_canary)),
    ];
    candidates.into_iter().find(|(_, names_it)| *names_it).map(|(key, _)| key)
}
