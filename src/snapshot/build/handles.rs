//! The handles of the counters of a service and its backends. A backend that was in the snapshot before keeps its
//! handles: the registry would return the same ones, after a look-up for each.

use std::sync::Arc;

use ahash::AHashMap;

use super::super::service::ExchangeCounters;
use super::super::{Service, Shadow, ShadowCounters, Snapshot};
use crate::config::model;
use crate::metrics::{Registry, Requests, UpstreamMetrics};
use crate::policy::Balance;

/// Makes the handles of one service.
pub(super) struct Handles<'a> {
    pub registry: &'a Registry,
    pub service: &'a model::Service,
    /// The snapshot before and the service of this name in it.
    pub before: Option<(&'a Snapshot, &'a Service)>,
    /// For each backend, its index in that snapshot; see [`places`].
    pub places: &'a [Option<usize>],
}

/// For each of a service's backends, the index of the backend with the same id in the snapshot before.
pub(super) fn places(service: &model::Service, before: Option<&Service>) -> Vec<Option<usize>> {
    let endpoints = before.map_or(&[][..], |before| &before.endpoints);
    let known: AHashMap<&str, usize> = endpoints.iter().enumerate().map(|(at, known)| (&*known.id, at)).collect();
    service.backends.iter().map(|backend| known.get(&*backend.id).copied()).collect()
}

impl Handles<'_> {
    /// By backend: the connections to it.
    pub fn upstream(&self) -> Vec<Arc<UpstreamMetrics>> {
        let before = self.before.map_or(&[][..], |(_, service)| &service.upstream);
        self.all(before, |id| self.registry.upstream(&self.service.name, id))
    }

    /// The exchanges that come by this listener.
    pub fn series(&self, listener: &str) -> ExchangeCounters {
        let before = self.before.and_then(|(snapshot, service)| {
            let at = snapshot.listeners.iter().position(|known| *known.name == *listener)?;
            service.series.get(at)
        });
        let requests = |id: &str| -> Arc<Requests> { self.registry.requests(listener, &self.service.name, id) };
        ExchangeCounters {
            backends: self.all(before.map_or(&[][..], |series| &series.backends), requests),
            none: requests(""),
        }
    }

    /// What the algorithms in the shadow are counted in.
    pub fn shadow(&self) -> Option<Shadow> {
        let service = self.service;
        let before = self.before.and_then(|(_, service)| service.shadow.as_ref());
        let counters = |balance: Balance| {
            let name = balance.as_str();
            let mut of_before = before.iter().flat_map(|shadow| shadow.beside.iter().chain([&shadow.real]));
            let known = of_before.find(|counters| counters.balance.as_str() == name);
            ShadowCounters {
                balance,
                picks: self.all(known.map_or(&[][..], |known| &known.picks), |id| {
                    self.registry.shadow_picks(&service.name, name, id)
                }),
                agreed: self.registry.shadow_agreed(&service.name, name),
            }
        };
        let beside: Vec<_> = service.shadow.iter().map(|balance| counters(*balance)).collect();
        (!beside.is_empty()).then(|| Shadow { real: counters(service.balance), beside })
    }

    /// One handle for each backend: the one it had before, or a new one made by its id.
    fn all<T>(&self, before: &[Arc<T>], make: impl Fn(&str) -> Arc<T>) -> Vec<Arc<T>> {
        let known = self.places.iter().map(|place| place.and_then(|at| before.get(at)));
        self.service
            .backends
            .iter()
            .zip(known)
            .map(|(b, known)| known.map_or_else(|| make(&b.id), Arc::clone))
            .collect()
    }
}
