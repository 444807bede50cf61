//! Exchanges with a backend over HTTP/2.
//!
//! One connection does not scale: its frames pass one TCP stream, and it has at most as many streams as the backend allows. So each
//! worker keeps several, puts an exchange on the one with the fewest streams, and dials another when all are full. Those who wait for
//! it wait together: a dial belongs to nobody, so that it goes on when whoever asked for it leaves, and each of them waits for
//! `timeout.connect` at most.

mod call;

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use rustls::pki_types::ServerName;

pub use call::{Call, Reply, ResponseBody};

use super::age::Age;
use super::dial::{self, Tls};
use super::h1::{self, HEAD_LIMITS, Terms};
use super::pool::Counted;
use super::{Home, dial as dialled};
use crate::endpoint::Endpoint;
use crate::error::{Error, Kind, Result, Retry};
use crate::io::Stream;
use crate::protocol::h2::client::{Client, Limits};

/// Streams that their readers have left behind, from which on a connection takes no new ones: what the backend holds of them may fill
/// its buffers for the whole connection.
const STALLED: usize = 16;

/// A worker's HTTP/2 connections to one backend.
#[derive(Debug, Default)]
pub struct Connections {
    open: RefCell<Vec<Connection>>,
    /// What ALPN chose last, where the configuration leaves it to that.
    chosen: Cell<Option<Chosen>>,
    /// Those who wait for a connection, or for room on one.
    waiting: RefCell<Vec<Waker>>,
    waiters: Cell<usize>,
    /// Dials under way.
    dialling: Cell<usize>,
    /// Dials that failed, and what the last one failed with.
    failures: Cell<u64>,
    failure: Cell<Option<(Kind, &'static str)>>,
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
    H2(Client),
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

/// One who waits, counted while it does.
struct Waiting<'a>(&'a Connections);

/// A dial, counted while it is under way.
struct Dialling(Rc<Home>);

impl Connections {
    /// One with room for another stream.
    pub fn take(&self, home: &Home) -> Option<Client> {
        let open = self.open.borrow();
        let free = |c: &&Connection| c.client.is_open() && !c.crowded.get() && !home.is_too_old(c.age);
        let counted = open.iter().filter(free).map(|c| (c.client.streams(), c));
        let with_room = counted.filter(|(streams, c)| *streams < c.client.allowed());
        let (_, freest) = with_room.min_by_key(|(streams, _)| *streams)?;
        freest.used.set(home.timers.now());
        Some(freest.client.clone())
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
            if c.client.streams() > 0 {
                c.used.set(now);
                c.crowded.set(c.client.stalled() >= STALLED);
            }
            let done = home.is_too_old(c.age) || u128::from(now.saturating_sub(c.used.get())) >= limit;
            if done {
                c.client.leave();
            }
            !done && !c.client.is_closed()
        });
    }

    /// Somebody has left a stream: there may be room for one who waits.
    fn left(&self) {
        if self.waiters.get() > 0 {
            self.waiting.take().into_iter().for_each(Waker::wake);
        }
    }

    /// How many dials those who wait are worth.
    fn wanted(&self) -> usize {
        let open = self.open.borrow();
        let settled = open.iter().rev().find(|c| c.client.is_settled());
        let each = settled.map_or(usize::MAX, |c| c.client.allowed()).clamp(1, 100);
        self.waiters.get().div_ceil(each)
    }

    /// How many connections have still to say how much room they have; the task is woken when one does.
    fn unsettled(&self, cx: &mut Context<'_>) -> usize {
        let open = self.open.borrow();
        open.iter().filter(|c| c.client.is_open() && c.client.poll_takes_tunnels(cx).is_pending()).count()
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
    let shared = &home.shared;
    let before = shared.failures.get();
    let found = {
        let _waiting = Waiting::new(shared);
        let found = poll_fn(|cx| poll_found(home, way, terms, before, cx));
        terms.timers.within(terms.timeouts.connect, found).await
    };
    match found {
        Some(Ok(Some(dialled))) => Ok(dialled),
        Some(Ok(None)) => alone(home, way, terms).await,
        Some(Err(error)) => Err(error),
        None => Err(Error::new(Kind::ConnectTimeout, "").retry(Retry::Safe)),
    }
}

/// Ready with a connection; with `None` when each exchange has to have its own.
fn poll_found(
    home: &Rc<Home>,
    way: Way<'_>,
    terms: &Terms<'_>,
    failures: u64,
    cx: &mut Context<'_>,
) -> Poll<Result<Option<Dialled>>> {
    let shared = &home.shared;
    if let Some(client) = shared.take(home) {
        return Poll::Ready(Ok(Some(Dialled::H2(client))));
    }
    if way.alpn && shared.are_h1() {
        return Poll::Ready(Ok(home.take().map(Dialled::H1)));
    }
    if shared.dialling.get() == 0
        && shared.failures.get() != failures
        && let Some((kind, detail)) = shared.failure.get()
    {
        return Poll::Ready(Err(Error::new(kind, detail).retry(Retry::Safe)));
    }
    let coming = shared.unsettled(cx);
    while shared.dialling.get() + coming < shared.wanted() {
        dial_for_all(home, way, terms);
    }
    shared.waiting.borrow_mut().push(cx.waker().clone());
    Poll::Pending
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
                home.shared.failures.set(home.shared.failures.get() + 1);
                home.shared.failure.set(Some((error.kind(), error.detail())));
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
    }
    match (is_tls && !chose_h2, alpn) {
        (true, true) => return Ok(Dialled::H1(h1::Connection::new(io, counted))),
        (true, false) => return Err(Error::new(Kind::UpstreamTls, "it does not speak h2 by ALPN").retry(Retry::Safe)),
        (false, _) => {}
    }
    let age = counted.age;
    let client = start(home, io, counted);
    home.shared.keep(client.clone(), age, home.timers.now());
    Ok(Dialled::H2(client))
}

fn start(home: &Rc<Home>, io: Stream, counted: Counted) -> Client {
    let limits = Limits { bytes: HEAD_LIMITS.bytes, fields: HEAD_LIMITS.fields };
    let (client, connection) = Client::start(io, limits, &home.timers);
    tokio::task::spawn_local(async move {
        if let Some(why) = connection.await {
            tracing::debug!(why, "an HTTP/2 connection to a backend ended");
        }
        drop(counted);
    });
    client
}

impl<'a> Waiting<'a> {
    fn new(connections: &'a Connections) -> Self {
        connections.waiters.set(connections.waiters.get() + 1);
        Self(connections)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiters.set(self.0.waiters.get() - 1);
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
        shared.left();
    }
}
