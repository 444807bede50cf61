//! One session over UDP.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::AbortHandle;

use super::connection_ids::Path;
use super::first_datagrams::FirstDatagrams;
use super::table::Flow;
use super::{BatchContext, SessionPermit, Shared};
use crate::clock::Moment;
use crate::endpoint::Endpoint;
use crate::endpoint::paths::Via;
use crate::error::Kind;
use crate::forward::Worker;
use crate::forward::placement::keys::Keys;
use crate::forward::session::Record;
use crate::layer4::quic::ConnectionId;
use crate::layer4::udp::{Driver, Payload, Socket};
use crate::metrics::ListenerMetrics;
use crate::outcome::End;
use crate::snapshot::{Action, Current, Service};
use crate::upstream::OpenConnection;

/// How many connection ids are learned of one session: those of a Retry and of the handshake, and two to spare.
const IDS: usize = 4;

/// How often a session is asked whether it may stay with its backend, while the snapshot is the same.
const LOOK: Duration = Duration::from_secs(1);

/// A session.
#[derive(Debug)]
pub(super) struct UdpSession {
    /// The addresses that it began with.
    pub flow: Flow,
    /// The socket to its backend; `None` only while it begins.
    pub to_backend: RefCell<Option<BackendSocket>>,
    /// What is needed until its backend has answered.
    pub opening: RefCell<Option<Box<Opening>>>,
    /// What other workers need of it, where it is a QUIC connection.
    pub path: RefCell<Option<Arc<Path>>>,
    /// It may be a QUIC connection.
    pub is_quic: bool,
    record: RefCell<Record>,
    ids: RefCell<Vec<ConnectionId>>,
    shared: Arc<Shared>,
    /// The snapshot in which it was found to stay with its backend, and when.
    seen: RefCell<(Weak<Current>, Moment)>,
    last: Cell<Moment>,
    tally: Cell<Tally>,
    pub counted: CountedClient,
}

/// The socket to a backend.
#[derive(Debug)]
pub(super) struct BackendSocket {
    /// The socket, which is connected.
    pub socket: Rc<Socket>,
    /// The backend's address.
    pub address: SocketAddr,
    /// The path that it goes by, where the backend has several.
    pub via: Option<Via>,
    /// The backend.
    pub endpoint: Arc<Endpoint>,
    /// The task that waits for what the backend sends.
    pub reader: AbortHandle,
    /// Counts the socket as a connection to the backend.
    pub _counted: OpenConnection,
}

/// What a session holds until its backend has answered.
#[derive(Debug)]
pub(super) struct Opening {
    /// The snapshot that it began in.
    pub snapshot: Rc<Current>,
    /// Its listener's place in it.
    pub listener: usize,
    /// Its service's place in it.
    pub service: usize,
    /// The backends that failed.
    pub tried: Vec<usize>,
    /// How many addresses of the backend nobody was at.
    pub failed_addresses: usize,
    /// What ties it to a backend.
    pub keys: Keys,
    /// What its client has sent.
    pub first: FirstDatagrams,
}

/// Bytes and datagrams from the client, and to it.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    bytes: [u64; 2],
    datagrams: [u64; 2],
}

/// Counts a session as a client's connection while it exists, and holds its permit.
#[derive(Debug)]
pub(super) struct CountedClient {
    pub metrics: Arc<ListenerMetrics>,
    worker: usize,
    _permit: SessionPermit,
}

impl UdpSession {
    /// Has no backend yet. `first` is what its client has sent.
    pub fn new(
        flow: Flow,
        opening: Opening,
        record: Record,
        counted: CountedClient,
        shared: &Arc<Shared>,
        first: &Payload<'_>,
        now: Moment,
    ) -> Self {
        Self {
            flow,
            to_backend: RefCell::default(),
            seen: RefCell::new((Rc::downgrade(&opening.snapshot), now)),
            opening: RefCell::new(Some(Box::new(opening))),
            path: RefCell::default(),
            is_quic: first.datagrams().next().is_some_and(crate::layer4::quic::begins),
            record: RefCell::new(record),
            ids: RefCell::default(),
            shared: Arc::clone(shared),
            last: Cell::new(now),
            tally: Cell::default(),
            counted,
        }
    }

    /// The client has sent this.
    pub fn received(&self, payload: &Payload<'_>, now: Moment) {
        self.last.set(now);
        self.add(0, payload);
        if let Some(opening) = &mut *self.opening.borrow_mut() {
            payload.datagrams().for_each(|datagram| opening.first.keep(datagram));
        }
    }

    /// The backend has sent this.
    pub fn answered(&self, payload: &Payload<'_>, now: Moment, worker: &Rc<Worker>) {
        self.last.set(now);
        self.add(1, payload);
        if let Some(opening) = self.opening.take() {
            let mut record = self.record.borrow_mut();
            record.connected();
            record.answered();
            opening.count_success(worker);
        }
    }

    fn add(&self, direction: usize, payload: &Payload<'_>) {
        let mut tally = self.tally.get();
        tally.bytes[direction] += payload.bytes.len() as u64;
        tally.datagrams[direction] += payload.count();
        self.tally.set(tally);
    }

    /// Sends something to its backend.
    pub fn send(&self, driver: &Driver, payload: &Payload<'_>) -> io::Result<()> {
        match &*self.to_backend.borrow() {
            Some(to_backend) => driver.send_to_peer(to_backend.socket.get(), to_backend.address, payload),
            None => Ok(()),
        }
    }

    /// Its backend.
    pub fn backend(&self) -> Option<Arc<Endpoint>> {
        self.to_backend.borrow().as_ref().map(|to_backend| Arc::clone(&to_backend.endpoint))
    }

    /// Its record.
    pub fn record(&self) -> std::cell::RefMut<'_, Record> {
        self.record.borrow_mut()
    }

    /// When something was sent last, either way.
    pub fn last(&self) -> Moment {
        let path = self.path.borrow();
        path.as_ref().map_or(self.last.get(), |path| path.last().max(self.last.get()))
    }

    /// It did not fail, and this is how it ended.
    pub fn ended(&self, end: End) {
        self.record.borrow_mut().ended(end);
    }

    /// It failed with an error of this kind.
    pub fn failed(&self, kind: Kind) {
        self.record.borrow_mut().failed(kind);
    }

    /// Its client is found by this connection id, which the backend has chosen.
    pub fn learn(&self, id: ConnectionId) {
        let mut ids = self.ids.borrow_mut();
        if ids.len() >= IDS || ids.contains(&id) {
            return;
        }
        let to_backend = self.to_backend.borrow();
        let Some(to_backend) = &*to_backend else { return };
        let mut path = self.path.borrow_mut();
        let path = path.get_or_insert_with(|| {
            Arc::new(Path::new(Arc::clone(to_backend.socket.get()), to_backend.address, self.flow))
        });
        if self.shared.connection_ids.learn(id, path) {
            ids.push(id);
        }
    }

    /// Whether it may stay with its backend. That is looked at for each snapshot, and once a second: some changes make no new snapshot, because
    /// they make no difference to new sessions (such as when a drained backend is disabled).
    pub fn may_stay(&self, context: &BatchContext<'_>) -> bool {
        let mut seen = self.seen.borrow_mut();
        let (snapshot, at) = &*seen;
        if snapshot.as_ptr() == Rc::as_ptr(context.snapshot) && context.now.since(*at) < LOOK {
            return true;
        }
        let may_stay = self
            .to_backend
            .borrow()
            .as_ref()
            .is_some_and(|to_backend| !to_backend.is_cut_off() && may_stay_with(&to_backend.endpoint, context));
        if may_stay {
            *seen = (Rc::downgrade(context.snapshot), context.now);
        }
        may_stay
    }
}

/// Whether a session of this backend may stay with it.
fn may_stay_with(endpoint: &Endpoint, context: &BatchContext<'_>) -> bool {
    let snapshot = &**context.snapshot;
    let Some(service) = snapshot.services.iter().find(|service| *service.name == *endpoint.service) else {
        return false;
    };
    if !leads_to(context, service) {
        return false;
    }
    match service.endpoints.iter().position(|known| known.key == endpoint.key) {
        // where no backend is well, this one is as good as the others
        Some(index) => service.keeps_sticky_sessions(index, context.now) || service.available.members.is_empty(),
        None => false,
    }
}

/// Whether the listener still leads to this service.
fn leads_to(context: &BatchContext<'_>, service: &Service) -> bool {
    let listener = &context.snapshot.listeners[context.listener];
    match crate::forward::session::route(listener, None).map(|route| &route.action) {
        Ok(Action::Service(asked)) => *asked == service.index || context.snapshot.is_working_for(*asked, service.index),
        // new sessions go to one of several services at random, and this may be one of them
        Ok(Action::Split(_)) => true,
        _ => false,
    }
}

impl CountedClient {
    /// One more.
    pub fn new(metrics: &Arc<ListenerMetrics>, worker: usize, permit: SessionPermit) -> Self {
        metrics.opened(worker);
        Self { metrics: Arc::clone(metrics), worker, _permit: permit }
    }
}

impl Drop for CountedClient {
    fn drop(&mut self) {
        self.metrics.closed(self.worker);
    }
}

impl BackendSocket {
    /// Whether the path that it goes by is dead.
    fn is_cut_off(&self) -> bool {
        self.endpoint.addresses.paths().zip(self.via).is_some_and(|(paths, via)| paths.is_dead(via))
    }
}

impl Drop for BackendSocket {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Drop for UdpSession {
    fn drop(&mut self) {
        let mut tally = self.tally.get();
        if let Some(path) = self.path.take() {
            path.close();
            self.shared.connection_ids.forget(&self.ids.take());
            let (datagrams, bytes) = path.tally();
            tally.datagrams[0] += datagrams;
            tally.bytes[0] += bytes;
        }
        let record = self.record.get_mut();
        record.moved(tally.bytes[0], tally.bytes[1]);
        record.datagrams(tally.datagrams[0], tally.datagrams[1]);
    }
}
