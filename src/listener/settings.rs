//! What may change of a listener while its sockets stay: published to the accept loops of all workers in one swap.

use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::Semaphore;

use crate::clock::{Moment, Throttle};
use crate::eviction::Eviction;
use crate::forward::{Ingress, datagrams};
use crate::limit::Place;
use crate::metrics::ListenerMetrics;
use crate::tls::Acceptor;

/// The settings of new connections. Open connections keep the settings that they were accepted with.
#[derive(Debug)]
pub struct ListenerSettings {
    /// TLS that is terminated here.
    pub tls: Option<Acceptor>,
    /// The listener's counters.
    pub metrics: Arc<ListenerMetrics>,
    /// Places for connections, shared by all workers; `None` = no limit.
    pub(super) places: Option<Arc<Semaphore>>,
    /// Closes idle connections while others wait for a place.
    pub(super) eviction: Arc<Eviction>,
    /// Limits how often it is logged that there is no place left.
    pub(super) said: Arc<Mutex<Throttle>>,
    /// What the datagram sessions of all workers share.
    pub(super) datagrams: Arc<datagrams::Shared>,
    pub(super) max_connections: usize,
}

/// What one connection is served with.
pub(super) struct Accepted {
    pub(super) ingress: Rc<Ingress>,
    pub(super) settings: Arc<ListenerSettings>,
    /// It is counted as one of its client's, where that is known and limited.
    pub(super) place: Option<Place>,
}

impl ListenerSettings {
    /// The settings of a new listener. `max_connections` counts over all workers; 0 = no limit.
    pub fn new(tls: Option<Acceptor>, metrics: Arc<ListenerMetrics>, max_connections: usize) -> Arc<ArcSwap<Self>> {
        let max_connections = max_connections.min(MOST);
        let places = (max_connections > 0).then(|| Arc::new(Semaphore::new(max_connections)));
        let said = Arc::new(Mutex::new(Throttle::new(COMPLAINTS)));
        let (eviction, datagrams) = (Arc::default(), Arc::default());
        Arc::new(ArcSwap::from_pointee(Self { tls, metrics, places, eviction, said, datagrams, max_connections }))
    }

    /// The settings that replace these. The limit is moved, not replaced, so that open connections go on counting. A
    /// limit where there was none counts from the next connection on.
    pub fn next(&self, tls: Option<Acceptor>, metrics: Arc<ListenerMetrics>, max_connections: usize) -> Self {
        let max_connections = max_connections.min(MOST);
        let places = match &self.places {
            _ if max_connections == 0 => None,
            None => Some(Arc::new(Semaphore::new(max_connections))),
            Some(places) => {
                resize(places, self.max_connections, max_connections);
                Some(Arc::clone(places))
            }
        };
        let (eviction, said) = (Arc::clone(&self.eviction), Arc::clone(&self.said));
        Self { tls, metrics, places, eviction, said, datagrams: Arc::clone(&self.datagrams), max_connections }
    }
}

impl Accepted {
    /// Logs that there is no place left, once for all workers while that lasts.
    pub(super) fn warn_that_full(&self, max_connections: usize) {
        let is_due = self.settings.said.lock().unwrap_or_else(PoisonError::into_inner).is_due(Moment::now());
        if is_due && let Some((snapshot, listener)) = self.ingress.current() {
            tracing::warn!(
                listener = %snapshot.listeners[listener].name,
                max_connections,
                "max_connections is reached: new connections wait; of those that are open, the ones that have been idle longest are closed"
            );
        }
    }
}

/// How often it is logged, while it lasts, that there is no place left.
const COMPLAINTS: Duration = Duration::from_secs(60);
/// The most places: far more than anybody needs, and as many as a semaphore can count.
const MOST: usize = u32::MAX as usize >> 4;

fn resize(places: &Arc<Semaphore>, from: usize, to: usize) {
    if to >= from {
        return places.add_permits(to - from);
    }
    let taken = places.forget_permits(from - to);
    let owed = u32::try_from(from - to - taken).unwrap_or(u32::MAX);
    if owed > 0 {
        // these places are taken out of use as they become free, before anybody gets them who has come later
        let places = Arc::clone(places);
        tokio::task::spawn_local(async move {
            if let Ok(places) = places.acquire_many_owned(owed).await {
                places.forget();
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Registry;

    #[tokio::test(flavor = "local")]
    async fn a_smaller_limit_takes_places_away_as_they_become_free() {
        let metrics = Registry::new(1).listener("web");
        let first = ListenerSettings::new(None, Arc::clone(&metrics), 3).load_full();
        let places = Arc::clone(first.places.as_ref().unwrap());
        let mut open: Vec<_> = (0..3).map(|_| Arc::clone(&places).try_acquire_owned().unwrap()).collect();
        let second = first.next(None, Arc::clone(&metrics), 1);
        tokio::task::yield_now().await;
        for _ in 0..2 {
            open.pop();
            tokio::task::yield_now().await;
            assert!(places.try_acquire().is_err(), "it is owed");
        }
        open.pop();
        tokio::task::yield_now().await;
        assert_eq!(places.available_permits(), 1);
        let third = second.next(None, Arc::clone(&metrics), 5);
        assert_eq!(third.places.as_ref().unwrap().available_permits(), 5);
        assert!(third.next(None, metrics, 0).places.is_none());
    }
}
