//! The story of a session over UDP: a client's first datagram comes, a backend is picked, and datagrams go both ways until nobody
//! has sent anything for `idle_timeout`.
//!
//! A session is a client's address (and port), with a socket of its own that is connected to the backend. The kernel deals clients out to
//! the workers' listening sockets, so a session belongs to one worker and shares nothing with the others. The exception are QUIC connections
//! whose client's address changes (`connection_ids`, `moved_flow`). `table` finds sessions, `open` begins them, and `answers` reads what
//! backends send: each session has a task that waits for that and does nothing else.
//!
//! UDP promises no delivery, and neither does this: a datagram that can't be passed on at once is dropped, and counted. But an ICMP message
//! that says that nobody was there is acted upon: as long as the backend has not sent anything, what the client has sent goes to another
//! backend (`first_datagrams`).

mod answers;
mod moved_flow;
mod first_datagrams;
mod open;
mod connection_ids;
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
use super::ingress::CutOff;
use crate::clock::Moment;
use crate::layer4::udp::{Batch, Driver, Payload, Received};
use crate::limit::Place;
use crate::metrics::{ListenerMetrics, Loss};
use crate::outcome::End;
use crate::snapshot::Current;
use crate::upstream::udp::is_unreachable;
use connection_ids::ConnectionIds;
use moved_flow::MovedFlow;
use session::UdpSession;
use table::{Flow, Table};

/// Sessions of one worker by one socket. Each costs a file descriptor and about two kilobytes.
const MOST: usize = 65_536;

/// A session that was silent for less than this does not end to make room for another one: it may be waiting for its answer.
const SPARED: Duration = Duration::from_millis(100);

/// While the listener drains, a session that was silent for so long is over. If its client sends more, that begins a session of whoever
/// listens then.
const DRAINED: Duration = Duration::from_secs(1);

/// What the sessions of one listener have in common, over all workers.
#[derive(Debug, Default)]
pub struct Shared {
    connection_ids: ConnectionIds,
    /// How many sessions could not begin because there was no permit left, and no session of the same worker could give its own, since the
    /// last sweep.
    wanted: AtomicUsize,
}

/// The sessions of one listening socket.
#[derive(Debug)]
pub struct UdpSessions {
    ingress: Rc<Ingress>,
    /// The listening socket, which answers go out by.
    listening: Arc<UdpSocket>,
    driver: Driver,
    table: RefCell<Table<FlowOwner>>,
    shared: Arc<Shared>,
    /// What backends' datagrams are read into.
    room: RefCell<Batch>,
    random: RefCell<fastrand::Rng>,
    /// It begins no session any more.
    closing: Cell<bool>,
}

/// What a flow belongs to.
#[derive(Debug, Clone)]
enum FlowOwner {
    /// The session that began with it.
    Session(Rc<UdpSession>),
    /// A session, maybe of another worker, that began with another address of the same client.
    Moved(Rc<MovedFlow>),
}

/// The permit to have one more session, held while it lasts.
#[derive(Debug)]
struct SessionPermit {
    _permit: Option<OwnedSemaphorePermit>,
    /// It is counted as one of its client's, where those are limited.
    _place: Option<Place>,
}

/// What a listener's datagrams are counted in and limited by, as it is set now.
#[derive(Debug)]
pub struct ListenerHandles {
    /// Its counters.
    pub metrics: Arc<ListenerMetrics>,
    /// Permits for sessions, over all workers; `None` = no limit.
    pub permits: Option<Arc<Semaphore>>,
}

/// What all datagrams of a batch have in common.
struct BatchContext<'a> {
    now: Moment,
    snapshot: &'a Rc<Current>,
    /// The listener's place in it.
    listener: usize,
    handles: &'a ListenerHandles,
}

impl CutOff for UdpSessions {
    fn cut(&self) -> usize {
        let left = std::mem::take(&mut *self.table.borrow_mut()).into_entries();
        left.filter(|entry| matches!(entry, FlowOwner::Session(_))).count()
    }
}

impl UdpSessions {
    /// Of a socket that has no sessions yet.
    ///
    /// # Errors
    ///
    /// When there are no file descriptors left.
    pub fn new(ingress: &Rc<Ingress>, listening: Arc<UdpSocket>, shared: Arc<Shared>) -> io::Result<Rc<Self>> {
        let sessions = Rc::new(Self {
            ingress: Rc::clone(ingress),
            listening,
            driver: Driver::new()?,
            table: RefCell::default(),
            shared,
            room: RefCell::default(),
            random: RefCell::new(fastrand::Rng::new()),
            closing: Cell::new(false),
        });
        ingress.add_sessions(Rc::downgrade(&sessions) as _);
        Ok(sessions)
    }

    /// What makes the system calls that receive and send.
    pub fn driver(&self) -> &Driver {
        &self.driver
    }

    /// Passes on what clients have sent.
    pub fn take(self: &Rc<Self>, batch: &Batch, handles: &ListenerHandles) {
        let Some((snapshot, listener)) = self.ingress.current() else { return };
        let context = BatchContext { now: Moment::now(), snapshot: &snapshot, listener, handles };
        let (mut bytes, mut datagrams) = (0, 0);
        for received in batch.received() {
            bytes += received.payload.bytes.len() as u64;
            datagrams += received.payload.count();
            self.datagram(&received, &context);
        }
        handles.metrics.transferred(self.worker(), bytes, 0);
        handles.metrics.datagrams(self.worker(), datagrams, 0);
    }

    fn datagram(self: &Rc<Self>, received: &Received<'_>, context: &BatchContext<'_>) {
        let flow = Flow { client: received.from, local: received.to };
        let payload = &received.payload;
        let entry = self.table.borrow().get(&flow).cloned();
        match entry {
            Some(FlowOwner::Session(session)) => self.pass_on(&session, payload, context),
            Some(FlowOwner::Moved(moved)) if !moved.path.is_closed() => {
                self.pass_on_moved(&moved, flow, payload, context)
            }
            Some(FlowOwner::Moved(_)) => {
                self.table.borrow_mut().remove(&flow);
                self.unknown(flow, payload, context);
            }
            None => self.unknown(flow, payload, context),
        }
    }

    /// Sends what the client of a session has sent to its backend.
    fn pass_on(self: &Rc<Self>, session: &Rc<UdpSession>, payload: &Payload<'_>, context: &BatchContext<'_>) {
        if !session.may_stay(context) {
            // its backend is gone, or takes no sessions any more
            session.ended(End::Closed);
            self.end(session);
            return self.open(session.flow, payload, context, None);
        }
        if let Some(path) = &*session.path.borrow() {
            self.answer_here_again(path, session.flow, payload);
        }
        session.received(payload, context.now);
        match session.send(&self.driver, payload) {
            Ok(()) => {}
            // the error is about something that was sent before, and this datagram was not sent
            Err(error) if is_unreachable(&error) => {
                if !self.broken(session, &error) {
                    self.open(session.flow, payload, context, session.backend().as_deref());
                }
            }
            Err(_) => context.handles.metrics.lost(self.worker(), Loss::NotSent, payload.count()),
        }
    }

    /// Ends sessions that have been silent for too long; returns how many are left.
    pub fn sweep(&self) -> usize {
        let now = Moment::now();
        let idle = match self.ingress.current() {
            Some((snapshot, listener)) => snapshot.listeners[listener].idle_timeout,
            None => DRAINED,
        };
        let limit = if self.closing.get() { idle.min(DRAINED) } else { idle };
        let gone = self.table.borrow_mut().extract(|entry| match entry {
            FlowOwner::Session(session) => now.since(session.last()) >= limit,
            FlowOwner::Moved(moved) => moved.path.is_closed() || now.since(moved.last.get()) >= limit,
        });
        for entry in gone {
            if let FlowOwner::Session(session) = entry {
                session.ended(End::Idle);
            }
        }
        // no more than an eighth of them at a time: a flood of clients that get no session must not end all sessions that there are
        let wanted = self.shared.wanted.swap(0, Relaxed).min(self.len().div_ceil(8));
        let _ = (0..wanted).try_for_each(|_| self.make_room(now).then_some(()));
        self.len()
    }

    /// How long a session may be silent.
    pub fn idle_timeout(&self) -> Duration {
        let current = self.ingress.current();
        current.map_or(DRAINED, |(snapshot, listener)| snapshot.listeners[listener].idle_timeout)
    }

    /// Begins no session any more. Those that there are end as soon as they are silent.
    pub fn close(&self) {
        self.closing.set(true);
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

    /// The permit for another session, if need be one that another session had; `None` = there is none. `place`: it is counted as one of its client's.
    fn permit(&self, context: &BatchContext<'_>, place: Option<Place>) -> Option<SessionPermit> {
        if self.table.borrow().len() >= MOST && !self.make_room(context.now) {
            return None;
        }
        let Some(permits) = &context.handles.permits else {
            return Some(SessionPermit { _permit: None, _place: place });
        };
        let permit = || Arc::clone(permits).try_acquire_owned().ok();
        let permit = permit().or_else(|| self.make_room(context.now).then(permit).flatten());
        if permit.is_none() {
            // a session of another worker may end for it until the client sends again
            self.shared.wanted.fetch_add(1, Relaxed);
        }
        permit.map(|permit| SessionPermit { _permit: Some(permit), _place: place })
    }

    /// Ends a session that has been silent for a while, though its time is not over; returns whether there was one.
    fn make_room(&self, now: Moment) -> bool {
        let until = Moment::from_millis(now.as_millis().saturating_sub(SPARED.as_millis() as u64));
        let last = |entry: &FlowOwner| match entry {
            FlowOwner::Session(session) => session.last(),
            FlowOwner::Moved(moved) => moved.last.get(),
        };
        let silent = self.table.borrow().silent(last, until, &mut self.random.borrow_mut());
        let gone = silent.and_then(|flow| self.table.borrow_mut().remove(&flow));
        match gone {
            Some(FlowOwner::Session(session)) => {
                session.ended(End::Idle);
                true
            }
            Some(FlowOwner::Moved(_)) => true,
            None => false,
        }
    }

    /// Ends a session.
    fn end(&self, session: &UdpSession) {
        let gone = self.table.borrow_mut().remove(&session.flow);
        drop(gone);
    }
}
