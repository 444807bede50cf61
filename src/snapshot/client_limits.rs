//! What each client may have of a listener. What clients have stays from snapshot to snapshot.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

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
    pub(super) fn counts_requests(&self) -> bool {
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
    pub(super) fn take(
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
    pub(super) fn begins(rates: Option<&Arc<ClientRates>>, rate: Option<Rate>, client: IpAddr) -> bool {
        let Some((rates, rate)) = rates.zip(rate) else { return true };
        rates.take(client, rate, clock::monotonic(Instant::now()))
    }

    /// A client is above a limit: that is counted, and logged once in a while.
    #[cold]
    pub(super) fn above(&self, limit: ClientLimit, client: IpAddr, worker: usize) -> Result<(), AboveLimit> {
        let dry_run = self.limits.dry_run;
        self.counts.count(worker, limit, dry_run);
        if self.complaints.is_due(Moment::now()) {
            let (listener, limit) = (&self.listener, limit.as_str());
            tracing::warn!(%listener, limit, %client, dry_run, "a client has more than client_limits gives it; others are only counted for a minute");
        }
        if dry_run { Ok(()) } else { Err(AboveLimit) }
    }
}
