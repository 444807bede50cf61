//! One session.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::AbortHandle;

use super::kept::Kept;
use super::roaming::Path;
use super::table::Flow;
use super::{Place, Scene, Shared};
use crate::affinity;
use crate::clock::Moment;
use crate::endpoint::Endpoint;
use crate::error::Kind;
use crate::forward::Worker;
use crate::forward::session::Record;
use crate::layer4::quic::ConnectionId;
use crate::layer4::udp::{Driver, Payload, Socket};
use crate::metrics::ListenerMetrics;
use crate::outcome::End;
use crate::snapshot::{Action, Current, Service};
use crate::upstream::OpenConnection;

/// Connection ids that are learned of one session: that of a retry, that of the handshake, and one to spare.
const IDS: usize = 4;

/// How often a session asks whether its backend is well.
const LOOK: Duration = Duration::from_secs(1);

/// A session.
#[derive(Debug)]
pub(super) struct Session {
    /// What it began with.
    pub flow: Flow,
    /// The way to its backend; `None` only while it begins.
    pub link: RefCell<Option<Link>>,
    /// What is needed for as long as its backend has not answered.
    pub opening: RefCell<Option<Box<Opening>>>,
    /// How other workers reach its backend, when it is a QUIC connection.
    pub path: RefCell<Option<Arc<Path>>>,
    /// It may be a QUIC connection.
    pub is_quic: bool,
    record: RefCell<Record>,
    ids: RefCell<Vec<ConnectionId>>,
    shared: Arc<Shared>,
    /// The snapshot in which its backend was found to be well, and when.
    seen: RefCell<(Weak<Current>, Moment)>,
    last: Cell<Moment>,
    tally: Cell<Tally>,
    pub counted: CountedClient,
}

/// The way to a backend.
#[derive(Debug)]
pub(super) struct Link {
    /// Connected to it.
    pub socket: Rc<Socket>,
    /// Where it is.
    pub address: SocketAddr,
    /// Who it is.
    pub endpoint: Arc<Endpoint>,
    /// Waits for what it says.
    pub reader: AbortHandle,
    /// Counts the socket.
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
    /// How often a backend was tried again at another of its addresses.
    pub turns: usize,
    /// What it is told by, for the ring.
    pub key: u64,
    /// Its affinity.
    pub affinity: Option<Cell<affinity::Stickiness>>,
    /// What it began with.
    pub kept: Kept,
}

/// Bytes and datagrams from the client, and to it.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    bytes: [u64; 2],
    datagrams: [u64; 2],
}

/// A session that is counted as a client's connection while it exists, and holds a place for one.
#[derive(Debug)]
pub(super) struct CountedClient {
    pub metrics: Arc<ListenerMetrics>,
    worker: usize,
    _place: Place,
}

impl Session {
    /// Has no way to a backend yet.
    pub fn new(
        flow: Flow,
        opening: Opening,
        record: Record,
        counted: CountedClient,
        shared: &Arc<Shared>,
        (first, now): (&Payload<'_>, Moment),
    ) -> Self {
        Self {
            flow,
            link: RefCell::default(),
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
            payload.datagrams().for_each(|datagram| opening.kept.keep(datagram));
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
            opening.settled(worker);
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
        match &*self.link.borrow() {
            Some(link) => driver.send_to_peer(link.socket.get(), link.address, payload),
            None => Ok(()),
        }
    }

    /// Its backend.
    pub fn backend(&self) -> Option<Arc<Endpoint>> {
        self.link.borrow().as_ref().map(|link| Arc::clone(&link.endpoint))
    }

    /// What becomes of it, for its record.
    pub fn record(&self) -> std::cell::RefMut<'_, Record> {
        self.record.borrow_mut()
    }

    /// When it was not silent last.
    pub fn last(&self) -> Moment {
        let path = self.path.borrow();
        path.as_ref().map_or(self.last.get(), |path| path.last().max(self.last.get()))
    }

    /// It ended so.
    pub fn ended(&self, end: End) {
        self.record.borrow_mut().ended(end);
    }

    /// It failed.
    pub fn failed(&self, kind: Kind) {
        self.record.borrow_mut().failed(kind);
    }

    /// Its backend can be reached by this connection id.
    pub fn learn(&self, id: ConnectionId) {
        let mut ids = self.ids.borrow_mut();
        if ids.len() >= IDS || ids.contains(&id) {
            return;
        }
        let link = self.link.borrow();
        let Some(link) = &*link else { return };
        let mut path = self.path.borrow_mut();
        let path =
            path.get_or_insert_with(|| Arc::new(Path::new(Arc::clone(link.socket.get()), link.address, self.flow)));
        if self.shared.roaming.learn(id, path) {
            ids.push(id);
        }
    }

    /// Whether it stays with its backend. Looked at for each snapshot, and now and then: what makes no difference to new
    /// sessions (a drained backend is disabled) makes no new snapshot.
    pub fn holds(&self, scene: &Scene<'_>) -> bool {
        let mut seen = self.seen.borrow_mut();
        let (snapshot, at) = &*seen;
        if snapshot.as_ptr() == Rc::as_ptr(scene.snapshot) && scene.now.since(*at) < LOOK {
            return true;
        }
        let holds = self.link.borrow().as_ref().is_some_and(|link| keeps(&link.endpoint, scene));
        if holds {
            *seen = (Rc::downgrade(scene.snapshot), scene.now);
        }
        holds
    }
}

/// Whether a session of this backend stays with it.
fn keeps(endpoint: &Endpoint, scene: &Scene<'_>) -> bool {
    let snapshot = &**scene.snapshot;
    let Some(service) = snapshot.services.iter().find(|service| *service.name == *endpoint.service) else {
        return false;
    };
    if !leads_to(scene, service) {
        return false;
    }
    match service.endpoints.iter().position(|known| known.key == endpoint.key) {
        // where nobody is well, one is as good as the other
        Some(index) => service.keeps_sticky_sessions(index, scene.now) || service.available.members.is_empty(),
        None => false,
    }
}

/// Whether the listener still leads to this service.
fn leads_to(scene: &Scene<'_>, service: &Service) -> bool {
    let listener = &scene.snapshot.listeners[scene.listener];
    match crate::forward::session::route(listener, None).map(|route| &route.action) {
        Ok(Action::Service(index)) => *index == service.index,
        // one of several, at random: it is as good a choice as any
        Ok(Action::Split(_)) => true,
        _ => false,
    }
}

impl CountedClient {
    /// One more.
    pub fn new(metrics: &Arc<ListenerMetrics>, worker: usize, place: Place) -> Self {
        metrics.opened(worker);
        Self { metrics: Arc::clone(metrics), worker, _place: place }
    }
}

impl Drop for CountedClient {
    fn drop(&mut self) {
        self.metrics.closed(self.worker);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let mut tally = self.tally.get();
        if let Some(path) = self.path.take() {
            path.close();
            self.shared.roaming.forget(&self.ids.take());
            let (datagrams, bytes) = path.tally();
            tally.datagrams[0] += datagrams;
            tally.bytes[0] += bytes;
        }
        let record = self.record.get_mut();
        record.moved(tally.bytes[0], tally.bytes[1]);
        record.datagrams(tally.datagrams[0], tally.datagrams[1]);
    }
}
