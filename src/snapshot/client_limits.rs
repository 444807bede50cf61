//! What each client may have of a listener. What clients have stays from snapshot to snapshot.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Listener, Snapshot};
use crate::bandwidth::{ByteRate, Direction, Pace, Paces};
use crate::clock::{self, Moment, SharedThrottle};
use crate::limit::{ClientRates, Clients, Counted, PerClient, Place, Rate};
use crate::metrics::client_limits::{ClientLimit, ClientLimited};
use crate::timer::Timers;

/// How often it is logged, while it lasts, that clients of a listener are above its limits.
pub(super) const COMPLAINTS: Duration = Duration::from_secs(60);

/// The limits of a listener for each client.
#[derive(Debug)]
pub struct ClientLimits {
    /// The listener's name.
    pub(super) listener: Arc<str>,
    /// As the configuration has them.
    pub limits: PerClient,
    /// What clients have.
    pub clients: Arc<Clients>,
    /// How often they connect, where that is limited.
    pub(super) new_connections: Option<Arc<ClientRates>>,
    /// How often they begin a TLS handshake, where that is limited.
    pub(super) handshakes: Option<Arc<ClientRates>>,
    /// What was refused.
    pub(super) counts: Arc<ClientLimited>,
    pub(super) complaints: Arc<SharedThrottle>,
}

/// A client has more than it may have. It was counted, and logged if nothing of the kind was logged in the last minute.
#[derive(Debug)]
pub struct AboveLimit;

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

    /// Whether this is the address of a proxy that is trusted, which speaks for others.
    pub fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.trusted_proxies.iter().any(|network| network.contains(&address))
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

impl ClientLimits {
    /// Counts a request that begins as one of its client's, on the thread of `worker`. `connection` is the place of the client's own connection, where it has one; else
    /// `sender` is asked who the client is.
    ///
    /// # Errors
    ///
    /// The client may not have it.
    pub fn requests(
        &self,
        connection: Option<&Place>,
        sender: impl Fn() -> Option<IpAddr>,
        worker: usize,
    ) -> Result<Option<Place>, AboveLimit> {
        if !self.counts_requests() {
            return Ok(None);
        }
        let most = self.limits.requests.unwrap_or(u32::MAX);
        // a connection may be older than these limits
        let connection = connection.filter(|connection| connection.is_among(&self.clients));
        if let Some(place) = connection.and_then(|connection| connection.another(Counted::Requests, most)) {
            return Ok(Some(place));
        }
        let Some(client) = sender() else { return Ok(None) };
        let take = |most| self.clients.take(client, Counted::Requests, most);
        self.take(Some(most), ClientLimit::Requests, client, worker, take)
    }

    /// Whether requests have places: they are limited, or their bodies are.
    fn counts_requests(&self) -> bool {
        self.limits.requests.is_some() || self.limits.upload.is_some() || self.limits.download.is_some()
    }

    /// What a connection, or a request, of the client with this place is held to, on the thread of `worker`.
    pub fn paces(&self, place: &Place, timers: &Timers, worker: usize) -> Paces {
        let pace = |rate: Option<ByteRate>, direction: Direction, limit: ClientLimit| {
            let rate = rate?;
            let counted = (&self.counts, limit, worker);
            Some(Box::new(Pace::new((place.bucket(direction), rate), timers, counted, self.limits.dry_run)))
        };
        Paces {
            up: pace(self.limits.upload, Direction::Up, ClientLimit::Upload),
            down: pace(self.limits.download, Direction::Down, ClientLimit::Download),
        }
    }

    /// Takes a place, if there are fewer than `most`; in a dry run in any case.
    fn take(
        &self,
        most: Option<u32>,
        limit: ClientLimit,
        client: IpAddr,
        worker: usize,
        take: impl Fn(u32) -> Option<Place>,
    ) -> Result<Option<Place>, AboveLimit> {
        if let Some(place) = take(most.unwrap_or(u32::MAX)) {
            return Ok(Some(place));
        }
        self.above(limit, client, worker)?;
        Ok(take(u32::MAX))
    }

    /// Whether the client may begin something more.
    fn begins(rates: Option<&Arc<ClientRates>>, rate: Option<Rate>, client: IpAddr) -> bool {
        let Some((rates, rate)) = rates.zip(rate) else { return true };
        rates.take(client, rate, clock::monotonic(Instant::now()))
    }

    /// A client is above a limit: that is counted, and logged once in a while.
    #[cold]
    fn above(&self, limit: ClientLimit, client: IpAddr, worker: usize) -> Result<(), AboveLimit> {
        let dry_run = self.limits.dry_run;
        self.counts.count(worker, limit, dry_run);
        if self.complaints.is_due(Moment::now()) {
            let (listener, limit) = (&self.listener, limit.as_str());
            tracing::warn!(%listener, limit, %client, dry_run, "a client has more than client_limits gives it; others are only counted for a minute");
        }
        if dry_run { Ok(()) } else { Err(AboveLimit) }
    }
}
