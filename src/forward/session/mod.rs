//! The story of a session of Layer 4: a client's connection comes in, a backend is connected to, and bytes go both ways until one side ends.
//!
//! Where a backend can't be reached, or breaks the connection before anything was moved, the client does not notice: another backend is tried.
//! Once a byte was moved, nobody can tell what it has done.

mod path;
mod presence;
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

use path::SessionPath;
use presence::{admit, unless_gone};
pub use record::Record;
use silence::Silence;

use super::placement::Criteria;
use super::placement::keys::{self, Keys};
use super::retry::state::RetryState;
use super::{Ingress, Worker};
use crate::bandwidth::Paces;
use crate::clock::Moment;
use crate::endpoint::standing::WHOLE;
use crate::endpoint::{Endpoint, Live};
use crate::error::{Error, Kind, Result, Retry};
use crate::io::Stream;
use crate::layer4::duplex::{Duplex, End};
use crate::layer4::proxy_protocol::Peer;
use crate::metrics::ListenerMetrics;
use crate::metrics::retries::{Retries, RetryResult};
use crate::outcome;
use crate::policy::ListenerProtocol;
use crate::record::access::AttemptLog;
use crate::record::access::session::SessionEntry;
use crate::route::Lookup;
use crate::snapshot::{Action, Current, Listener, Point, Route, Service, Snapshot};
use crate::timer::Timers;
use crate::upstream::{self, Connected, OpenConnection, Tls};

/// A client's connection that is to become a session.
#[derive(Debug)]
pub struct Arrival {
    /// The connection.
    pub stream: Stream,
    /// The name that it asked for in TLS.
    pub server_name: Option<Box<str>>,
    /// What it has sent already.
    pub early: Bytes,
    /// What it is held to.
    pub paces: Paces,
}

/// A session: a client and a backend that are connected.
struct Session {
    duplex: Duplex,
    record: Record,
    /// The backend.
    live: Arc<Live>,
    /// It ends when nothing was sent for so long.
    idle_timeout: Duration,
    /// Counts this attempt once it is known what came of it. `None` for the first attempt, which is no retry.
    retries: Option<Arc<Retries>>,
    /// The path to the backend, where it has several.
    path: Option<SessionPath>,
    /// Counts the connection to the backend.
    _counted: OpenConnection,
}

/// A connection to a backend.
struct BackendConnection {
    stream: Stream,
    live: Arc<Live>,
    /// As in [`Session`].
    retries: Option<Arc<Retries>>,
    /// As in [`Session`].
    path: Option<SessionPath>,
    counted: OpenConnection,
}

/// Cuts a session off that is dropped before it has ended: neither side may take that for an end that the other one has made.
struct CutOnDrop<'s> {
    session: &'s mut Session,
    has_ended: bool,
}

/// A session that its backend broke before anything was moved: another backend may have it.
struct BrokenEarly {
    client: Stream,
    paces: Paces,
    record: Record,
    by: Arc<Live>,
}

/// Serves a connection to its end.
pub async fn serve(mut arrival: Arrival, peer: &Peer, ingress: &Ingress, metrics: &ListenerMetrics) {
    let Some(mut record) = begin_record(peer, arrival.server_name.as_deref(), ingress) else { return };
    let mut failed = Vec::new();
    loop {
        // boxed: this future is large, and a session that is connected does not need it any more
        let Some(session) = Box::pin(begin_session(arrival, peer, ingress, &mut failed, record)).await else { return };
        let Some(broken) = relay(session, ingress.worker(), metrics).await else { return };
        failed.push(broken.by);
        record = broken.record;
        // nothing was moved, so the client has sent nothing yet, not even a name
        arrival = Arrival { stream: broken.client, server_name: None, early: Bytes::new(), paces: broken.paces };
    }
}

/// Records a connection that can't become a session.
pub fn refuse(peer: &Peer, ingress: &Ingress, why: Kind) {
    if let Some(mut record) = begin_record(peer, None, ingress) {
        record.failed(why);
    }
}

fn begin_record(peer: &Peer, server_name: Option<&str>, ingress: &Ingress) -> Option<Record> {
    let (snapshot, listener) = ingress.current()?;
    let listener = &snapshot.listeners[listener];
    let mut record = Record::begin(ingress.worker(), listener);
    if ingress.worker().recorder.logs_access() {
        let server_name = server_name.map(Into::into);
        let (client, protocol, attempts) = (peer.ip(), listener.protocol, AttemptLog::default());
        let (lines, proxy_header) = (snapshot.access_lines(), peer.told());
        record.log_access(SessionEntry { lines, client, protocol, proxy_header, server_name, attempts });
    }
    Some(record)
}

/// Connects the client with a backend that is none of those that have `failed` the session, and adds to these the backends that can't be
/// reached. `None` when there is no backend left: that is recorded, and the client is told.
async fn begin_session(
    mut arrival: Arrival,
    peer: &Peer,
    ingress: &Ingress,
    failed: &mut Vec<Arc<Live>>,
    mut record: Record,
) -> Option<Session> {
    let (snapshot, listener) = ingress.current()?;
    match connect(&mut arrival, peer, ingress.worker(), &snapshot, listener, failed, &mut record).await {
        Ok(BackendConnection { stream: backend, live, retries, path, counted }) => {
            record.connected();
            let idle_timeout = snapshot.listeners[listener].idle_timeout;
            let duplex = Duplex::new(arrival.stream, backend, arrival.early).paced(arrival.paces);
            Some(Session { duplex, record, live, idle_timeout, retries, path, _counted: counted })
        }
        Err(error) => {
            let name = &snapshot.listeners[listener].name;
            tracing::debug!(listener = %name, client = ?peer.ip(), %error, "a session has no backend");
            record.failed_with(&error);
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
    arrival: &mut Arrival,
    peer: &Peer,
    worker: &Rc<Worker>,
    snapshot: &Current,
    listener: usize,
    failed: &mut Vec<Arc<Live>>,
    record: &mut Record,
) -> Result<BackendConnection> {
    let route = route(&snapshot.listeners[listener], arrival.server_name.as_deref())?;
    comes_in(&snapshot.listeners[listener], route, peer.ip(), worker)?;
    let (asked, service) = services_of(route, snapshot, peer.ip(), worker)?;
    record.goes_to(asked, service, listener);
    let now = Moment::at(record.began());
    let (mut retry, last) = resume(worker, service, failed);
    match last {
        None => worker.deposit(service, now),
        Some(broke) => {
            let error = Error::new(Kind::UpstreamClosed, "before anything was moved").retry(Retry::Safe);
            let Some(pause) = retry.pause_after_failure(broke, &error, true) else {
                retry.count(RetryResult::Failed);
                return Err(error);
            };
            tokio::time::sleep(pause).await;
        }
    }
    let timeouts = route.timeouts(service);
    let keys = keys(service, peer.ip(), worker);
    let header =
        service.proxy_header.map_or(&[][..], |version| worker.header(peer, version, &snapshot.listeners[listener]));
    loop {
        let criteria = Criteria { keys: &keys, tried: &retry.tried, preferred: None, client: None, now };
        let admission = admit(&mut arrival.stream, worker, service, criteria, &timeouts).await?;
        let backend = admission.backend();
        record.attempt_begins(service, listener, admission);
        let endpoint = &service.endpoints[backend];
        let dialled = dial(service, endpoint, header, &worker.timers, timeouts.connect);
        let error = match unless_gone(&mut arrival.stream, false, dialled).await {
            Ok(Connected { stream, took, via }) => {
                let live = Arc::clone(&endpoint.live);
                let pool = worker.pools.of(endpoint, service.pool, &service.upstream[backend]);
                let counted = pool.opened(Some(took), via);
                let retries = (!failed.is_empty()).then(|| Arc::clone(&service.retries));
                return Ok(BackendConnection { stream, live, retries, path: SessionPath::new(endpoint, via), counted });
            }
            Err(error) if error.kind() != Kind::ClientGone => error,
            Err(gone) => return Err(gone),
        };
        tracing::debug!(service = %service.name, backend = %endpoint.id, %error, "an attempt failed");
        record.attempt_failed(error.kind());
        failed.push(Arc::clone(&endpoint.live));
        match retry.pause_after_failure(backend, &error, true) {
            Some(pause) => tokio::time::sleep(pause).await,
            None => {
                retry.count(RetryResult::Failed);
                return Err(retry.final_error(error));
            }
        }
    }
}

/// Connects to a backend of the service. The connection begins with this PROXY header, if that is not empty.
async fn dial(
    service: &Service,
    endpoint: &Endpoint,
    header: &[u8],
    timers: &Timers,
    limit: Duration,
) -> Result<Connected> {
    let name = service.tls.as_ref().and_then(|_| service.server_name(endpoint));
    let tls = service.tls.as_ref().zip(name.as_ref()).map(|(config, name)| Tls { config, name });
    upstream::dial(endpoint, tls, header, timers, limit).await
}

/// What was tried when these backends have failed, but for the last of them, which is returned: after that one it is yet to be decided whether
/// another backend is asked. A backend that a reload has taken out since has no place in the service, but the attempt with it counts.
fn resume<'w>(worker: &'w Rc<Worker>, service: &'w Service, failed: &[Arc<Live>]) -> (RetryState<'w>, Option<usize>) {
    let place = |live| service.endpoints.iter().position(|endpoint| Arc::ptr_eq(&endpoint.live, live));
    let mut tried: Vec<_> = failed.iter().map(|live| place(live).unwrap_or(usize::MAX)).collect();
    let last = tried.pop();
    (RetryState::resumed(worker, service, tried), last)
}

/// The route for the name that the client asked for. Where it asked for none, or no route has the name, that is the listener's default.
pub(super) fn route<'s>(listener: &'s Listener, server_name: Option<&str>) -> Result<&'s Route> {
    let headers = HeaderMap::new();
    let host = server_name.unwrap_or_default();
    let lookup = Lookup { host, path: "/", query: None, method: &Method::CONNECT, headers: &headers };
    let route = listener.routes.find(&lookup).or(listener.default.as_ref());
    route.map(|route| &**route).ok_or(Error::new(Kind::NoRoute, ""))
}

/// Whether who has this address may have a session of this listener, and of its route.
///
/// # Errors
///
/// [`Kind::Denied`] when it may not.
pub(super) fn comes_in(listener: &Listener, route: &Route, client: Option<IpAddr>, worker: &Worker) -> Result<()> {
    let mut guards = listener.guard.iter().chain(&route.guard);
    match guards.all(|guard| guard.admits(worker.index, || client)) {
        true => Ok(()),
        false => Err(Error::new(Kind::Denied, "the address of the client may not come in")),
    }
}

/// The service that a session of this route asks for, and the one whose backends do the work. Where the route leads to several, it is drawn at
/// random, or by the client's address.
pub(super) fn services_of<'s>(
    route: &Route,
    snapshot: &'s Snapshot,
    client: Option<IpAddr>,
    worker: &Worker,
) -> Result<(&'s Service, &'s Service)> {
    route.hits.count(worker.index);
    let asked = match &route.action {
        Action::Service(service) => *service,
        Action::Split(split) => {
            let client = client.filter(|_| split.by().is_some()).map(keys::of_address);
            let random = || Point::Random(worker.random.borrow_mut().u32(..));
            snapshot.choose(split, client.map_or_else(random, Point::Client))
        }
        // the configuration has these for HTTP only
        Action::Redirect { .. } | Action::File { .. } | Action::Respond { .. } => {
            return Err(Error::new(Kind::Internal, "no request"));
        }
    };
    let working = snapshot.working(asked, || worker.random.borrow_mut().u32(..WHOLE));
    Ok((&snapshot.services[asked], &snapshot.services[working]))
}

/// What ties a session to a backend: its client's address.
pub(super) fn keys(service: &Service, client: Option<IpAddr>, worker: &Worker) -> Keys {
    let key = || client.map(keys::of_address);
    let hash = match service.hash_on {
        // clients without an address must not all go to one backend
        Some(_) => key().unwrap_or_else(|| worker.random.borrow_mut().u64(..)),
        None => 0,
    };
    let affinity = service.affinity.as_ref().map(|a| Cell::new(a.stickiness(std::iter::empty(), key, 0)));
    Keys { hash, affinity }
}

/// Moves bytes until the session ends. Returns what is left of it when its backend broke it before anything was moved.
async fn relay(mut session: Session, worker: &Worker, metrics: &ListenerMetrics) -> Option<BrokenEarly> {
    let mut silence = Silence::new(&worker.timers, session.idle_timeout);
    let (mut received, mut sent) = (0, 0);
    // its path has died
    let mut is_cut_off = false;
    let mut cut_on_drop = CutOnDrop { session: &mut session, has_ended: false };
    let end = poll_fn(|cx| {
        let Session { duplex, record, retries, path, .. } = &mut *cut_on_drop.session;
        let end = duplex.poll(&worker.shared, cx);
        let (up, down) = (duplex.from_client() - received, duplex.from_backend() - sent);
        if up + down > 0 {
            metrics.transferred(worker.index, up, down);
            silence.restart();
            if sent == 0 && down > 0 {
                record.answered();
                if let Some(retries) = retries.take() {
                    retries.count(worker.index, RetryResult::Succeeded);
                }
            }
            (received, sent) = (received + up, sent + down);
            record.moved(received, sent);
        } else if duplex.is_held() {
            silence.restart();
        }
        if let Poll::Ready(end) = end {
            return Poll::Ready(Some(end));
        }
        is_cut_off = path.as_mut().is_some_and(|path| path.poll(sent, &worker.timers, cx).is_ready());
        if is_cut_off { Poll::Ready(None) } else { silence.poll(duplex, cx) }
    })
    .await;
    cut_on_drop.has_ended = true;
    drop(cut_on_drop);
    let Session { duplex, mut record, live, retries, .. } = session;
    if end == Some(End::BackendReset) && received + sent == 0 && !duplex.backend_has_ended() {
        record.attempt_failed(Kind::UpstreamClosed);
        let (client, paces) = duplex.into_client();
        return Some(BrokenEarly { client, paces, record, by: live });
    }
    if let Some(retries) = retries {
        let broke = end == Some(End::BackendReset);
        let outcome = if broke { RetryResult::Failed } else { RetryResult::Succeeded };
        retries.count(worker.index, outcome);
    }
    match end {
        Some(End::BackendReset) => record.failed(Kind::UpstreamClosed),
        Some(End::ClientReset) => record.failed(Kind::ClientGone),
        Some(End::Closed) => record.ended(outcome::End::Closed),
        None if is_cut_off => {
            record.ended(outcome::End::Cut);
            duplex.cut();
        }
        None => record.ended(outcome::End::Idle),
    }
    duplex.close(end.unwrap_or(End::Closed));
    None
}

impl Drop for CutOnDrop<'_> {
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
    // a record of type alert (21) and version 1.2 (3, 3), two bytes long: fatal (2), and why. It does not matter if the client is gone
    let _ = stream.write_all(&[21, 3, 3, 0, 2, 2, description]).await;
    let _ = stream.shutdown().await;
}
