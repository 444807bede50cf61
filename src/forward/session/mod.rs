//! A session of Layer 4: a client's connection comes in, a backend is connected to, and bytes go both ways until they end.
//!
//! A backend that can't be reached, or that breaks the connection before anything was moved, costs the client nothing: another
//! one is tried. Once a byte has gone, nobody can tell what it has done.

mod record;
mod silence;

use std::cell::Cell;
use std::future::poll_fn;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use http::header::HeaderMap;
use tokio::io::AsyncWriteExt;

pub use record::Record;
use silence::Silence;

use super::placement::{self, Wish, hash_key};
use super::retry::tries::Tries;
use super::{Ingress, Worker};
use crate::affinity;
use crate::clock::Moment;
use crate::endpoint::Live;
use crate::error::{Error, Kind, Result, Retry};
use crate::io::Stream;
use crate::layer4::duplex::{Duplex, End};
use crate::layer4::proxy_protocol::Peer;
use crate::metrics::ListenerMetrics;
use crate::metrics::retries::{Outcome, Retries};
use crate::outcome;
use crate::policy::{Balance, ListenerProtocol};
use crate::record::access::Journey;
use crate::record::access::session::Entry;
use crate::route::Lookup;
use crate::snapshot::{Action, Current, Listener, Route, Service};
use crate::upstream::{self, OpenConnection, Tls};

/// A client's connection that is to become a session.
#[derive(Debug)]
pub struct Arrival {
    /// The connection.
    pub stream: Stream,
    /// The name that it asked for in TLS.
    pub server_name: Option<Box<str>>,
    /// What it has sent already.
    pub early: Bytes,
}

/// A session that has a backend.
struct Joined {
    duplex: Duplex,
    record: Record,
    /// The backend.
    live: Arc<Live>,
    /// It ends when nothing was said for so long.
    idle_timeout: Duration,
    /// Where the backend was not the first one: what counts this try, once it is known what came of it.
    retries: Option<Arc<Retries>>,
    /// Counts the connection to the backend.
    _counted: OpenConnection,
}

/// A connection to a backend.
struct Connected {
    stream: Stream,
    live: Arc<Live>,
    /// As in [`Joined`].
    retries: Option<Arc<Retries>>,
    counted: OpenConnection,
}

/// A session while it is relayed. Dropped before it has ended, it is cut off: to either side that must not look like the other one's
/// end.
struct Relayed<'s> {
    session: &'s mut Joined,
    has_ended: bool,
}

/// A session that its backend broke before anything was moved.
struct Unmoved {
    client: Stream,
    record: Record,
    by: Arc<Live>,
}

/// Serves a connection to its end.
pub async fn serve(mut arrival: Arrival, peer: &Peer, ingress: &Ingress, metrics: &ListenerMetrics) {
    let Some(mut record) = begin(peer, arrival.server_name.as_deref(), ingress) else { return };
    let mut failed = Vec::new();
    loop {
        // boxed: it is large, and a session that is connected is done with it
        let Some(joined) = Box::pin(join((arrival, peer), ingress, &mut failed, record)).await else { return };
        let Some(unmoved) = relay(joined, ingress.worker(), metrics).await else { return };
        failed.push(unmoved.by);
        record = unmoved.record;
        // a session of which nothing was moved had sent nothing, not even the name that it wants
        arrival = Arrival { stream: unmoved.client, server_name: None, early: Bytes::new() };
    }
}

/// Records a connection that can't become a session.
pub fn refuse(peer: &Peer, ingress: &Ingress, why: Kind) {
    if let Some(mut record) = begin(peer, None, ingress) {
        record.failed(why);
    }
}

fn begin(peer: &Peer, server_name: Option<&str>, ingress: &Ingress) -> Option<Record> {
    let (snapshot, listener) = ingress.current()?;
    let listener = &snapshot.listeners[listener];
    let mut record = Record::begin(ingress.worker(), listener);
    if ingress.worker().recorder.logs_access() {
        let server_name = server_name.map(Into::into);
        let (client, protocol, journey) = (peer.ip(), listener.protocol, Journey::default());
        record.log(Entry { client, protocol, told: peer.told(), server_name, journey });
    }
    Some(record)
}

/// Connects the client with a backend that is none of those that have `failed` the session, and adds to them those that can't be reached;
/// `None` when there is none left, which is recorded and told to the client.
async fn join(
    (mut arrival, peer): (Arrival, &Peer),
    ingress: &Ingress,
    failed: &mut Vec<Arc<Live>>,
    mut record: Record,
) -> Option<Joined> {
    let (snapshot, listener) = ingress.current()?;
    match connect((&arrival, peer), ingress.worker(), (&snapshot, listener), failed, &mut record).await {
        Ok(Connected { stream: backend, live, retries, counted }) => {
            record.connected();
            let idle_timeout = snapshot.listeners[listener].idle_timeout;
            let duplex = Duplex::new(arrival.stream, backend, arrival.early);
            Some(Joined { duplex, record, live, idle_timeout, retries, _counted: counted })
        }
        Err(error) => {
            let name = &snapshot.listeners[listener].name;
            tracing::debug!(listener = %name, client = ?peer.ip(), %error, "a session has no backend");
            record.failed_of(&error);
            if snapshot.listeners[listener].protocol == ListenerProtocol::Tls {
                alert(&mut arrival.stream, error.kind()).await;
            } else {
                // a clean end would say that the backend had nothing to say
                arrival.stream.socket().reset_on_close();
            }
            None
        }
    }
}

async fn connect(
    (arrival, peer): (&Arrival, &Peer),
    worker: &Rc<Worker>,
    (snapshot, listener): (&Current, usize),
    failed: &mut Vec<Arc<Live>>,
    record: &mut Record,
) -> Result<Connected> {
    let route = route(&snapshot.listeners[listener], arrival.server_name.as_deref())?;
    let service = &*snapshot.services[leads_to(route, worker)?];
    record.service(service, listener);
    let now = Moment::at(record.began());
    let (mut tries, last) = resume(worker, service, failed);
    match last {
        None => worker.deposit(service, now),
        Some(broke) => {
            let error = Error::new(Kind::UpstreamClosed, "before anything was moved").retry(Retry::Safe);
            let Some(pause) = tries.after_failure(broke, &error, true) else {
                tries.settled(Outcome::Failed);
                return Err(error);
            };
            tokio::time::sleep(pause).await;
        }
    }
    let timeouts = route.timeouts(service);
    let (key, session) = keys_of(service, peer.ip(), worker);
    let first =
        service.proxy_header.map_or(&[][..], |version| worker.header(peer, version, &snapshot.listeners[listener]));
    loop {
        let wish = Wish { tried: &tries.tried, wanted: None, key, session: session.as_ref(), client: None, now };
        let admission = placement::admit(worker, service, wish, &timeouts).await?;
        let backend = admission.backend;
        record.attempt(service, listener, admission);
        let endpoint = &*service.endpoints[backend];
        let name = service.tls.as_ref().and_then(|_| service.server_name(endpoint));
        let tls = service.tls.as_ref().zip(name.as_ref()).map(|(config, name)| Tls { config, name });
        let error = match upstream::dial(endpoint, tls, first, &worker.timers, timeouts.connect).await {
            Ok(stream) => {
                let pool = worker.pools.of(endpoint, service.pool, &service.upstream[backend]);
                let retries = (!failed.is_empty()).then(|| Arc::clone(&service.retries));
                return Ok(Connected { stream, live: Arc::clone(&endpoint.live), retries, counted: pool.opened() });
            }
            Err(error) => error,
        };
        tracing::debug!(service = %service.name, backend = %endpoint.id, %error, "an attempt failed");
        record.attempt_failed(error.kind());
        failed.push(Arc::clone(&endpoint.live));
        match tries.after_failure(backend, &error, true) {
            Some(pause) => tokio::time::sleep(pause).await,
            None => {
                tries.settled(Outcome::Failed);
                return Err(tries.last_word(error));
            }
        }
    }
}

/// The tries as they stand when these backends have failed, and the last of those, after which it is yet to be decided whether another one is
/// asked. A backend that a reload has taken out since has no place in the service, and counts as a try all the same.
fn resume<'w>(worker: &'w Rc<Worker>, service: &'w Service, failed: &[Arc<Live>]) -> (Tries<'w>, Option<usize>) {
    let place = |live| service.endpoints.iter().position(|endpoint| Arc::ptr_eq(&endpoint.live, live));
    let mut tried: Vec<_> = failed.iter().map(|live| place(live).unwrap_or(usize::MAX)).collect();
    let last = tried.pop();
    (Tries::resumed(worker, service, tried), last)
}

/// The route by the name that the client asked for; where it asked for none, or nothing is decided by it, the listener's own.
pub(super) fn route<'s>(listener: &'s Listener, server_name: Option<&str>) -> Result<&'s Route> {
    let headers = HeaderMap::new();
    let host = server_name.unwrap_or_default();
    let lookup = Lookup { host, path: "/", query: None, method: &Method::CONNECT, headers: &headers };
    let route = listener.routes.find(&lookup).or(listener.default.as_ref());
    route.map(|route| &**route).ok_or(Error::new(Kind::NoRoute, ""))
}

/// The service that a session of this route goes to, by its place in the snapshot.
pub(super) fn leads_to(route: &Route, worker: &Worker) -> Result<usize> {
    match &route.action {
        Action::Service(service) => Ok(*service),
        Action::Split(split) => Ok(split.choose(worker.random.borrow_mut().u32(..))),
        // the configuration has none of these where there are no requests
        Action::Redirect { .. } | Action::Respond { .. } => Err(Error::new(Kind::Internal, "no request")),
    }
}

/// What the session is told by, for the ring and for its affinity: the client's address.
pub(super) fn keys_of(
    service: &Service,
    client: Option<IpAddr>,
    worker: &Worker,
) -> (u64, Option<Cell<affinity::Session>>) {
    let told_by = || client.map(hash_key::of_address);
    let key = match service.balance {
        // those that are told by nothing must not all go to one backend
        Balance::ConsistentHash(_) => told_by().unwrap_or_else(|| worker.random.borrow_mut().u64(..)),
        _ => 0,
    };
    let session = service.affinity.as_ref().map(|a| Cell::new(a.session(std::iter::empty(), told_by, 0)));
    (key, session)
}

/// Moves bytes until the session ends. Gives it back when its backend broke it before anything was moved.
async fn relay(mut joined: Joined, worker: &Worker, metrics: &ListenerMetrics) -> Option<Unmoved> {
    let mut silence = Silence::new(&worker.timers, joined.idle_timeout);
    let (mut received, mut sent) = (0, 0);
    let mut relayed = Relayed { session: &mut joined, has_ended: false };
    let end = poll_fn(|cx| {
        let Joined { duplex, record, retries, .. } = &mut *relayed.session;
        let end = duplex.poll(&worker.shared, cx);
        let (up, down) = (duplex.from_client() - received, duplex.from_backend() - sent);
        if up + down > 0 {
            metrics.transferred(worker.index, up, down);
            silence.restart();
            if sent == 0 && down > 0 {
                record.answered();
                if let Some(retries) = retries.take() {
                    retries.count(worker.index, Outcome::Succeeded);
                }
            }
            (received, sent) = (received + up, sent + down);
            record.moved(received, sent);
        }
        match end {
            Poll::Ready(end) => Poll::Ready(Some(end)),
            Poll::Pending => silence.poll(duplex, cx),
        }
    })
    .await;
    relayed.has_ended = true;
    drop(relayed);
    let Joined { duplex, mut record, live, retries, .. } = joined;
    if end == Some(End::BackendReset) && received + sent == 0 && !duplex.backend_has_ended() {
        record.attempt_failed(Kind::UpstreamClosed);
        return Some(Unmoved { client: duplex.into_client(), record, by: live });
    }
    if let Some(retries) = retries {
        let outcome = if end == Some(End::BackendReset) { Outcome::Failed } else { Outcome::Succeeded };
        retries.count(worker.index, outcome);
    }
    match end {
        Some(End::BackendReset) => record.failed(Kind::UpstreamClosed),
        Some(End::ClientReset) => record.failed(Kind::ClientGone),
        Some(End::Closed) => record.ended(outcome::End::Closed),
        None => record.ended(outcome::End::Idle),
    }
    duplex.close(end.unwrap_or(End::Closed));
    None
}

impl Drop for Relayed<'_> {
    fn drop(&mut self) {
        if !self.has_ended {
            self.session.duplex.cut();
        }
    }
}

/// Tells a TLS client why it is not served, where TLS has a word for it (RFC 8446, section 6; RFC 6066, section 3).
async fn alert(stream: &mut Stream, kind: Kind) {
    const UNRECOGNIZED_NAME: u8 = 112;
    const INTERNAL_ERROR: u8 = 80;
    let description = match kind {
        Kind::NoRoute => UNRECOGNIZED_NAME,
        _ => INTERNAL_ERROR,
    };
    // a record of type alert and version 1.2, two bytes long: fatal, and why. A client that is gone need not be told
    let _ = stream.write_all(&[21, 3, 3, 0, 2, 2, description]).await;
    let _ = stream.shutdown().await;
}
