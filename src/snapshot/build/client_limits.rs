//! Builds the limits of listeners for each client. What clients have stays.

use std::sync::Arc;

use super::super::client_limits::COMPLAINTS;
use super::super::{ClientLimits, Snapshot};
use crate::clock::SharedThrottle;
use crate::limit::{ClientRates, Clients, PerClient, Rate};
use crate::metrics::Registry;

/// Builds the limits of the listener with this name, if it is to have some.
pub(super) fn build(
    listener: &Arc<str>,
    wanted: Option<&PerClient>,
    previous: Option<&Snapshot>,
    registry: &Registry,
) -> Option<Box<ClientLimits>> {
    let limits = wanted?.clone();
    let known = previous.and_then(|snapshot| snapshot.listeners.iter().find(|known| known.name == *listener));
    let known = known.and_then(|known| known.client_limits.as_deref());
    let rates = |rate: Option<Rate>, of: fn(&ClientLimits) -> Option<&Arc<ClientRates>>| {
        let known = known.filter(|known| known.limits.keys == limits.keys).and_then(of);
        rate.map(|_| known.cloned().unwrap_or_else(|| Arc::new(ClientRates::new(limits.keys))))
    };
    let clients: Arc<Clients> = known.map(|known| Arc::clone(&known.clients)).unwrap_or_default();
    if limits.upload.is_some() || limits.download.is_some() {
        clients.keep_buckets(limits.keys);
    }
    Some(Box::new(ClientLimits {
        listener: Arc::clone(listener),
        clients,
        new_connections: rates(limits.new_connections, |known| known.new_connections.as_ref()),
        handshakes: rates(limits.handshakes, |known| known.handshakes.as_ref()),
        counts: registry.client_limited(listener),
        complaints: known
            .map_or_else(|| Arc::new(SharedThrottle::new(COMPLAINTS)), |known| Arc::clone(&known.complaints)),
        limits,
    }))
}
