//! The story of a session over UDP: a client's first datagram comes, a backend is picked, and datagrams go both ways until nobody
//! has said anything for `idle_timeout`.
//!
//! A session is a client's address (and port) and a socket of its own that is connected to the backend. The kernel deals
//! clients out to the workers' listening sockets, so that a session belongs to one worker and nothing of it is shared, but for QUIC
//! connections that come by another address all of a sudden (`guest`, `roaming`). `table` finds sessions, `open` begins them, `answers` reads
//! what their backends say; a session has a task that waits for that and nothing else.
//!
//! What UDP promises nobody is not promised here: a datagram that can't be passed on at once is dropped, and counted. But an ICMP
//! message that says that nobody was there is taken for what it is: as long as the backend has not said anything, what the client
//! has sent goes to another one (`kept`).

mod answers;
mod guest;
mod kept;
mod open;
mod roaming;
mod session;
mod table;

use std::cell::{Cell, RefCell};
use std::io;
use std::net::UdpSocket;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Ingress;
use crate::clock::Moment;
use crate::layer4::udp::{Batch, Driver, Payload, Received};
use crate::metrics::{ListenerMetrics, Loss};
use crate::outcome::End;
use crate::snapshot::Current;
use crate::upstream::udp::is_unreachable;
use guest::Guest;
use roaming::Roaming;
use session::Session;
use table::{Flow, Table};

/// Sessions of one worker by one socket. Each costs a file descriptor and about two kilobytes.
const MOST: usize = 65_536;

/// A session that was silent for less than this makes no room for another one: it may wait for its answer.
const SPARED: Duration = Duration::from_millis(100);

/// While it drains, a session that was silent for so long is over. A datagram more would come to whoever listens then.
const DRAINED: Duration = Duration::from_secs(1);

/// What the sessions of one listener have in common, over all workers.
#[derive(Debug, Default)]
pub struct Shared {
    roaming: Roaming,
    /// Sessions that could not begin for want of a place since places were looked for last, where no session of the same worker
    /// could give its own.
    wanted: AtomicUsize,
}

/// The sessions of one listening socket.
#[derive(Debug)]
pub struct Sessions {
    ingress: Rc<Ingress>,
    /// The listening socket, by which answers go.
    gate: Arc<UdpSocket>,
    driver: Driver,
    table: RefCell<Table<Entry>>,
    shared: Arc<Shared>,
    /// What backends' datagrams are read into.
    room: RefCell<Batch>,
    random: RefCell<fastrand::Rng>,
    closing: Cell<bool>,
}

/// Who a flow belongs to.
#[derive(Debug, Clone)]
enum Entry {
    /// A session that began with it.
    Own(Rc<Session>),
    /// A session, maybe of another worker, whose client came by another address before.
    Guest(Rc<Guest>),
}

/// A place for a session; one that nobody counts where there is no limit.
#[derive(Debug)]
struct Place(#[allow(dead_code, reason = "held while the session lasts")] Option<OwnedSemaphorePermit>);

/// What a listener's datagrams are treated by, now.
#[derive(Debug)]
pub struct Terms {
    /// Its counters.
    pub metrics: Arc<ListenerMetrics>,
    /// Places for sessions, over all workers; `None` = no limit.
    pub places: Option<Arc<Semaphore>>,
}

/// What all datagrams of a batch have in common.
struct Scene<'a> {
    now: Moment,
    snapshot: &'a Rc<Current>,
    /// The listener's place in it.
    listener: usize,
    terms: &'a Terms,
}

impl Sessions {
    /// None yet.
    ///
    /// # Errors
    ///
    /// When there are no file descriptors left.
    pub fn new(ingress: &Rc<Ingress>, gate: Arc<UdpSocket>, shared: Arc<Shared>) -> io::Result<Rc<Self>> {
        let sessions = Rc::new(Self {
            ingress: Rc::clone(ingress),
            gate,
            driver: Driver::new()?,
            table: RefCell::default(),
            shared,
            room: RefCell::default(),
            random: RefCell::new(fastrand::Rng::new()),
            closing: Cell::new(false),
        });
        ingress.has(&sessions);
        Ok(sessions)
    }

    /// How the kernel is spoken to.
    pub fn driver(&self) -> &Driver {
        &self.driver
    }

    /// Passes on what clients have sent.
    pub fn take(self: &Rc<Self>, batch: &Batch, terms: &Terms) {
        let Some((snapshot, listener)) = self.ingress.current() else { return };
        let scene = Scene { now: Moment::now(), snapshot: &snapshot, listener, terms };
        let (mut bytes, mut datagrams) = (0, 0);
        for received in batch.received() {
            bytes += received.payload.bytes.len() as u64;
            datagrams += received.payload.count();
            self.datagram(&received, &scene);
        }
        terms.metrics.transferred(self.worker(), bytes, 0);
        terms.metrics.datagrams(self.worker(), datagrams, 0);
    }

    fn datagram(self: &Rc<Self>, received: &Received<'_>, scene: &Scene<'_>) {
        let flow = Flow { client: received.from, local: received.to };
        let payload = &received.payload;
        let entry = self.table.borrow().get(&flow).cloned();
        match entry {
            Some(Entry::Own(session)) => self.pass_on(&session, payload, scene),
            Some(Entry::Guest(guest)) if !guest.path.is_closed() => self.pass_on_guest(&guest, flow, payload, scene),
            Some(Entry::Guest(_)) => {
                self.table.borrow_mut().remove(&flow);
                self.unknown(flow, payload, scene);
            }
            None => self.unknown(flow, payload, scene),
        }
    }

    /// Sends what the client of a session has sent to its backend.
    fn pass_on(self: &Rc<Self>, session: &Rc<Session>, payload: &Payload<'_>, scene: &Scene<'_>) {
        if !session.holds(scene) {
            // its backend has gone, or is not well
            session.ended(End::Closed);
            self.end(session);
            return self.open(session.flow, payload, scene, None);
        }
        if let Some(path) = &*session.path.borrow() {
            self.turn_back(path, session.flow, payload);
        }
        session.received(payload, scene.now);
        match session.send(&self.driver, payload) {
            Ok(()) => {}
            // of something that was sent before; this datagram has not gone
            Err(error) if is_unreachable(&error) => {
                if !self.broken(session, &error) {
                    self.open(session.flow, payload, scene, session.backend().as_deref());
                }
            }
            Err(_) => scene.terms.metrics.lost(self.worker(), Loss::NotSent, payload.count()),
        }
    }

    /// Ends sessions that have been silent for too long; gives back how many are left.
    pub fn sweep(&self) -> usize {
        let now = Moment::now();
        let idle = match self.ingress.current() {
            Some((snapshot, listener)) => snapshot.listeners[listener].idle_timeout,
            None => DRAINED,
        };
        let limit = if self.closing.get() { idle.min(DRAINED) } else { idle };
        let gone = self.table.borrow_mut().extract(|entry| match entry {
            Entry::Own(session) => now.since(session.last()) >= limit,
            Entry::Guest(guest) => guest.path.is_closed() || now.since(guest.last.get()) >= limit,
        });
        for entry in gone {
            if let Entry::Own(session) = entry {
                session.ended(End::Idle);
            }
        }
        // a share of them at a time: a flood of clients that get no place must not cost all those that have one theirs
        let wanted = self.shared.wanted.swap(0, Relaxed).min(self.len().div_ceil(8));
        let _ = (0..wanted).try_for_each(|_| self.make_room(now).then_some(()));
        self.len()
    }

    /// How long a session may be silent.
    pub fn idle_timeout(&self) -> Duration {
        let current = self.ingress.current();
        current.map_or(DRAINED, |(snapshot, listener)| snapshot.listeners[listener].idle_timeout)
    }

    /// Begins no session any more; those that there are end as soon as they are silent.
    pub fn close(&self) {
        self.closing.set(true);
    }

    /// Cuts off those that there are; gives back how many.
    pub fn cut(&self) -> usize {
        let left = std::mem::take(&mut *self.table.borrow_mut()).into_entries();
        left.filter(|entry| matches!(entry, Entry::Own(_))).count()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.table.borrow().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.table.borrow().is_empty()
    }

    fn worker(&self) -> usize {
        self.ingress.worker().index
    }

    /// A place for another session, if need be one that another session had; `None` = there is none.
    fn place(&self, scene: &Scene<'_>) -> Option<Place> {
        if self.table.borrow().len() >= MOST && !self.make_room(scene.now) {
            return None;
        }
        let Some(places) = &scene.terms.places else { return Some(Place(None)) };
        let place = || Arc::clone(places).try_acquire_owned().ok();
        let place = place().or_else(|| self.make_room(scene.now).then(place).flatten());
        if place.is_none() {
            // another worker's session may give its own: who has sent this sends it again
            self.shared.wanted.fetch_add(1, Relaxed);
        }
        place.map(|permit| Place(Some(permit)))
    }

    /// Ends a session that has long been silent, whether or not its time is over; gives back whether there was one.
    fn make_room(&self, now: Moment) -> bool {
        let until = Moment::from_millis(now.as_millis().saturating_sub(SPARED.as_millis() as u64));
        let last = |entry: &Entry| match entry {
            Entry::Own(session) => session.last(),
            Entry::Guest(guest) => guest.last.get(),
        };
        let silent = self.table.borrow().silent(last, until, &mut self.random.borrow_mut());
        let gone = silent.and_then(|flow| self.table.borrow_mut().remove(&flow));
        match gone {
            Some(Entry::Own(session)) => {
                session.ended(End::Idle);
                true
            }
            Some(Entry::Guest(_)) => true,
            None => false,
        }
    }

    /// The session is over.
    fn end(&self, session: &Session) {
        let gone = self.table.borrow_mut().remove(&session.flow);
        drop(gone);
    }
}
