//! Exchanges with a backend over HTTP/2.
//!
//! One connection does not scale: its frames pass one TCP stream, and it has at most as many streams as the backend allows. So each
//! worker keeps several, puts an exchange on the one with the fewest streams, and dials another when all are full.
//!
//! Those who wait stand in one [`Line`]. Room that comes free, on a new connection or an old one, is handed to the one that has waited
//! longest, and who comes later waits behind. A dial belongs to nobody: it goes on when whoever asked for it leaves. Each waits for
//! `timeout.connect` at most.

mod call;
mod line;

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::pki_types::ServerName;

pub use call::{Call, Reply, ResponseBody};

use self::line::{Left, Line};
use super::age::Age;
use super::dial::{self, Tls};
use super::h1::{self, HEAD_LIMITS, Terms};
use super::pool::Counted;
use super::{Home, dial as dialled};
use crate::endpoint::Endpoint;
use crate::error::{Error, Kind, Result, Retry};
use crate::io::Stream;
use crate::protocol::h2::client::{Client, Limits, Room};
use crate::timer::TICK;

/// Streams that their readers have left behind, from which on a connection takes no new ones: what the backend holds of them may fill
/// its buffers for the whole connection.
const STALLED: usize = 16;
/// Streams that a connection is expected to take of which nothing is known: the usual limit of servers.
const MOST: usize = 100;
/// Ticks for which a connection is kept that takes no streams, and has not taken any yet: 10 s. The backend may be behind an address
/// that has others too.
const SHUT: u128 = 10_000 / TICK.as_millis();

/// A worker's HTTP/2 connections to one backend.
#[derive(Debug, Default)]
pub struct Connections {
    open: RefCell<Vec<Connection>>,
    /// What ALPN chose last, where the configuration leaves it to that.
    chosen: Cell<Option<Chosen>>,
    /// Those who wait for room on a connection. While there is some that they can have, nobody waits.
    line: RefCell<Line<Given>>,
    /// Dials under way.
    dialling: Cell<usize>,
    /// What the last of them failed with. It is for those who came before, when no other is under way.
    failure: Cell<Option<Failure>>,
}

/// What one that waits is given.
type Given = std::result::Result<Room, Failure>;

/// Why a dial failed.
#[derive(Debug, Clone, Copy)]
struct Failure {
    kind: Kind,
    detail: &'static str,
    /// The first turn in the line that came after it.
    next: u64,
}

#[derive(Debug)]
struct Connection {
    client: Client,
    age: Age,
    /// Tick at which it last had a stream.
    used: Cell<u64>,
    /// Too many of its streams are not read.
    crowded: Cell<bool>,
}

/// What a backend chose by ALPN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chosen {
    H1,
    H2,
}

/// What can carry an exchange to a backend.
#[derive(Debug)]
pub enum Dialled {
    /// ALPN, or the configuration, chose HTTP/1.1.
    H1(Box<h1::Connection>),
    /// HTTP/2.
    H2(Room),
}

/// How a connection is dialled.
#[derive(Debug, Clone, Copy)]
pub struct Way<'a> {
    /// To whom.
    pub endpoint: &'a Arc<Endpoint>,
    /// Through this.
    pub tls: Option<Tls<'a>>,
    /// The backend may choose HTTP/1.1.
    pub alpn: bool,
}

/// A place in the line.
struct Turn<'a> {
    home: &'a Home,
    turn: u64,
}

/// A dial, counted while it is under way.
struct Dialling(Rc<Home>);

impl Connections {
    /// Room for another stream, unless somebody waits for it.
    pub fn take(&self, home: &Home) -> Option<Room> {
        if self.line.borrow().is_empty() { self.room(home) } else { None }
    }

    /// Room on the connection with the fewest streams.
    fn room(&self, home: &Home) -> Option<Room> {
        let open = self.open.borrow();
        let free = |c: &&Connection| c.client.has_room() && !c.crowded.get() && !home.is_too_old(c.age);
        let freest = open.iter().filter(free).min_by_key(|c| c.client.taken())?;
        freest.used.set(home.timers.now());
        Some(freest.client.reserve())
    }

    /// Whether the backend is known to choose HTTP/1.1.
    pub fn are_h1(&self) -> bool {
        self.chosen.get() == Some(Chosen::H1)
    }

    /// Whether none is open.
    pub(super) fn is_empty(&self) -> bool {
        self.open.borrow().is_empty()
    }

    /// Closes what has had no stream for `limit` ticks, or is too old.
    pub(super) fn sweep(&self, home: &Home, now: u64, limit: u128) {
        self.open.borrow_mut().retain(|c| {
            if c.client.taken() > 0 {
                c.used.set(now);
                c.crowded.set(c.client.stalled() >= STALLED);
            }
            let limit = if c.client.is_shut() { limit.min(SHUT) } else { limit };
            let done = home.is_too_old(c.age) || u128::from(now.saturating_sub(c.used.get())) >= limit;
            if done {
                c.client.leave();
            }
            !done && !c.client.is_closed()
        });
        // some may be crowded no more
        self.hand_out(home);
    }

    /// Hands room to those who wait, in the order in which they came, and has the first of those who get none dial.
    fn hand_out(&self, home: &Home) {
        let line = &mut *self.line.borrow_mut();
        while !line.is_empty()
            && let Some(room) = self.room(home)
        {
            line.give(Ok(room));
        }
        if self.dialling.get() == 0
            && let Some(failure) = self.failure.take()
        {
            while line.first().is_some_and(|turn| turn < failure.next) {
                line.give(Err(failure));
            }
        }
        if self.lacks(line.len()) {
            line.wake_first();
        }
    }

    /// Whether more connections are needed for so many who wait than are coming. One that takes no streams, and has not taken any
    /// yet, may do so soon (RFC 9113, section 6.5.2): it is waited for as one that is coming, and not dialled beside.
    fn lacks(&self, waiting: usize) -> bool {
        if waiting == 0 {
            return false;
        }
        let open = self.open.borrow();
        let is_coming = |c: &&Connection| c.client.is_open() && (!c.client.is_settled() || c.client.is_shut());
        let coming = open.iter().filter(is_coming).count();
        // the newest says what the next one will take; one that takes none may come to take as many as any
        let rooms = |c: &Connection| if c.client.is_shut() { MOST } else { c.client.allowed() };
        let known = open.iter().rev().filter(|c| c.client.is_settled()).map(rooms).find(|rooms| *rooms > 0);
        self.dialling.get() + coming < waiting.div_ceil(known.unwrap_or(MOST))
    }

    /// What those wait for who have waited in vain.
    fn in_vain(&self) -> &'static str {
        let open = self.open.borrow();
        let mut open = open.iter().filter(|c| c.client.is_open()).peekable();
        if self.dialling.get() > 0 || open.peek().is_none() {
            ""
        } else if open.any(|c| c.client.is_shut()) {
            "its SETTINGS_MAX_CONCURRENT_STREAMS is 0"
        } else {
            "its HTTP/2 connections have no room for another stream"
        }
    }

    fn keep(&self, client: Client, age: Age, now: u64) {
        let mut open = self.open.borrow_mut();
        open.retain(|c| !c.client.is_closed());
        open.push(Connection { client, age, used: Cell::new(now), crowded: Cell::new(false) });
    }
}

impl Drop for Connections {
    fn drop(&mut self) {
        self.open.borrow().iter().for_each(|c| c.client.leave());
    }
}

/// A connection with room for another stream, if need be a new one; where ALPN may choose HTTP/1.1, one of that.
pub async fn open(home: &Rc<Home>, way: Way<'_>, terms: &Terms<'_>) -> Result<Dialled> {
    if way.alpn && home.shared.are_h1() {
        return alone(home, way, terms).await;
    }
    let found = {
        let turn = Turn::new(home);
        let found = poll_fn(|cx| turn.poll(home, way, terms, cx));
        terms.timers.within(terms.timeouts.connect, found).await
    };
    match found {
        Some(Some(Ok(room))) => Ok(Dialled::H2(room)),
        Some(Some(Err(failure))) => Err(Error::new(failure.kind, failure.detail).retry(Retry::Safe)),
        Some(None) => match home.take() {
            Some(connection) => Ok(Dialled::H1(connection)),
            None => alone(home, way, terms).await,
        },
        None => Err(Error::new(Kind::ConnectTimeout, home.shared.in_vain()).retry(Retry::Safe)),
    }
}

/// Dials in a task of its own.
fn dial_for_all(home: &Rc<Home>, way: Way<'_>, terms: &Terms<'_>) {
    let dialling = Dialling::new(home);
    let endpoint = Arc::clone(way.endpoint);
    let tls: Option<(Arc<rustls::ClientConfig>, ServerName<'static>)> =
        way.tls.map(|tls| (Arc::clone(tls.config), tls.name.clone()));
    let (first, timers, limit, alpn) = (terms.first().to_vec(), terms.timers.clone(), terms.timeouts.connect, way.alpn);
    tokio::task::spawn_local(async move {
        let home = &dialling.0;
        let tls = tls.as_ref().map(|(config, name)| Tls { config, name });
        let is_tls = tls.is_some();
        match dialled(&endpoint, tls, &first, &timers, limit).await.and_then(|io| adopt(home, io, is_tls, alpn)) {
            Ok(Dialled::H1(connection)) => home.park(connection),
            Ok(Dialled::H2(_)) => {}
            Err(error) => {
                tracing::debug!(backend = %endpoint.id, %error, "an HTTP/2 connection can't be made");
                let next = home.shared.line.borrow().next();
                home.shared.failure.set(Some(Failure { kind: error.kind(), detail: error.detail(), next }));
            }
        }
    });
}

/// Dials for one exchange.
async fn alone(home: &Rc<Home>, way: Way<'_>, terms: &Terms<'_>) -> Result<Dialled> {
    let io = dialled(way.endpoint, way.tls, terms.first(), terms.timers, terms.timeouts.connect).await?;
    adopt(home, io, way.tls.is_some(), way.alpn)
}

/// Makes what a connection is to be of one that was dialled.
fn adopt(home: &Rc<Home>, io: Stream, is_tls: bool, alpn: bool) -> Result<Dialled> {
    let counted = home.opened();
    let chose_h2 = dial::chose_h2(&io);
    if alpn {
        home.shared.chosen.set(Some(if chose_h2 { Chosen::H2 } else { Chosen::H1 }));
        if !chose_h2 {
            // there is nothing to share, and so nothing to wait for
            home.shared.line.borrow().wake_all();
        }
    }
    match (is_tls && !chose_h2, alpn) {
        (true, true) => return Ok(Dialled::H1(h1::Connection::new(io, counted))),
        (true, false) => return Err(Error::new(Kind::UpstreamTls, "it does not speak h2 by ALPN").retry(Retry::Safe)),
        (false, _) => {}
    }
    let age = counted.age;
    let client = start(home, io, counted);
    home.shared.keep(client.clone(), age, home.timers.now());
    Ok(Dialled::H2(client.reserve()))
}

fn start(home: &Rc<Home>, io: Stream, counted: Counted) -> Client {
    let limits = Limits { bytes: HEAD_LIMITS.bytes, fields: HEAD_LIMITS.fields };
    let (client, connection) = Client::start(io, limits, &home.timers);
    let watched = Watched { home: Rc::downgrade(home), client: client.clone(), known: None };
    tokio::task::spawn_local(async move {
        let (mut connection, mut watched) = (pin!(connection), watched);
        // whatever makes room, or takes it away, has the connection's task look at it
        let over = poll_fn(|cx| {
            let over = connection.as_mut().poll(cx);
            watched.look();
            over
        });
        if let Some(why) = over.await {
            tracing::debug!(why, "an HTTP/2 connection to a backend ended");
        }
        drop(counted);
    });
    client
}

/// A connection that those who wait have an eye on.
struct Watched {
    home: Weak<Home>,
    client: Client,
    /// How it stood when it was last looked at.
    known: Option<(bool, bool, bool)>,
}

impl Watched {
    /// Hands out what room there is, and has others dialled where this one is none to count on any more.
    fn look(&mut self) {
        let Some(home) = self.home.upgrade() else { return };
        if home.shared.line.borrow().is_empty() {
            return;
        }
        let stands = Some((self.client.is_open(), self.client.is_settled(), self.client.is_shut()));
        if std::mem::replace(&mut self.known, stands) != stands || self.client.has_room() {
            home.shared.hand_out(&home);
        }
    }
}

impl<'a> Turn<'a> {
    fn new(home: &'a Home) -> Self {
        Self { home, turn: home.shared.line.borrow_mut().join() }
    }

    /// Ready with what it was given; with `None` when each exchange has to have its own connection.
    fn poll(&self, home: &Rc<Home>, way: Way<'_>, terms: &Terms<'_>, cx: &Context<'_>) -> Poll<Option<Given>> {
        let shared = &home.shared;
        let given = shared.line.borrow_mut().poll(self.turn, cx);
        if let Poll::Ready(given) = given {
            return Poll::Ready(Some(given));
        }
        if way.alpn && shared.are_h1() {
            return Poll::Ready(None);
        }
        let waiting = shared.line.borrow().len();
        while shared.lacks(waiting) {
            dial_for_all(home, way, terms);
        }
        Poll::Pending
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let left = self.home.shared.line.borrow_mut().leave(self.turn);
        match left {
            Left::Given(given) => drop(given),
            Left::First => self.home.shared.hand_out(self.home),
            Left::Nothing => {}
        }
    }
}

impl Dialling {
    fn new(home: &Rc<Home>) -> Self {
        home.shared.dialling.set(home.shared.dialling.get() + 1);
        Self(Rc::clone(home))
    }
}

impl Drop for Dialling {
    fn drop(&mut self) {
        let shared = &self.0.shared;
        shared.dialling.set(shared.dialling.get() - 1);
        shared.hand_out(&self.0);
    }
}
