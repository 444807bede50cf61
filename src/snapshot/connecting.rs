//! What clients take of the limits of a listener when they connect, and when they begin TLS.

use std::net::IpAddr;

use super::{AboveLimit, ClientLimits, Listener, Snapshot};
use crate::bandwidth::Paces;
use crate::limit::{Counted, Place};
use crate::metrics::client_limits::ClientLimit;
use crate::timer::Timers;

impl Snapshot {
    /// How many clients have connections or requests at the listener with this name; `None` = it has no limits for each client.
    pub fn clients(&self, listener: &str) -> Option<usize> {
        let listener = self.listeners.iter().find(|known| *known.name == *listener)?;
        listener.client_limits.as_ref().map(|limits| limits.clients.len())
    }
}

impl Listener {
    /// What a connection is held to that is counted as one of its client's, on the thread of `worker`.
    pub fn paces(&self, place: Option<&Place>, timers: &Timers, worker: usize) -> Paces {
        let limits = self.client_limits.as_deref().zip(place);
        limits.map(|(limits, place)| limits.paces(place, timers, worker)).unwrap_or_default()
    }

    /// Counts a connection (over UDP: a session) that begins as one of its client's, on the thread of `worker`. Nothing is counted of proxies that are trusted, because
    /// they speak for many clients, and of clients without an address.
    ///
    /// # Errors
    ///
    /// The client may not have it.
    pub fn connects(&self, client: Option<IpAddr>, worker: usize) -> Result<Option<Place>, AboveLimit> {
        let Some((limits, client)) = self.limited(client) else { return Ok(None) };
        let of_its_own = limits.limits.connections;
        let place = match of_its_own.is_some() || limits.counts_requests() {
            true => limits.take(of_its_own, ClientLimit::Connections, client, worker, |most| {
                limits.clients.take(client, Counted::Connections, most)
            })?,
            false => None,
        };
        let allowed = ClientLimits::begins(limits.new_connections.as_ref(), limits.limits.new_connections, client);
        if !allowed {
            limits.above(ClientLimit::NewConnections, client, worker)?;
        }
        Ok(place)
    }

    /// Counts a TLS handshake that begins as one of its client's, on the thread of `worker`; see [`connects`](Self::connects).
    ///
    /// # Errors
    ///
    /// The client may not begin it.
    pub fn shakes_hands(&self, client: Option<IpAddr>, worker: usize) -> Result<(), AboveLimit> {
        let Some((limits, client)) = self.limited(client) else { return Ok(()) };
        match ClientLimits::begins(limits.handshakes.as_ref(), limits.limits.handshakes, client) {
            true => Ok(()),
            false => limits.above(ClientLimit::Handshakes, client, worker),
        }
    }

    /// A handshake has resumed a session, which costs little: it does not count after all.
    pub fn resumed(&self, client: Option<IpAddr>) {
        let Some((limits, client)) = self.limited(client) else { return };
        if let Some((rates, rate)) = limits.handshakes.as_ref().zip(limits.limits.handshakes) {
            rates.give_back(client, rate);
        }
    }

    #[inline]
    fn limited(&self, client: Option<IpAddr>) -> Option<(&ClientLimits, IpAddr)> {
        let limits = self.client_limits.as_deref()?;
        Some((limits, client.filter(|client| !self.trusts(*client))?))
    }
}
