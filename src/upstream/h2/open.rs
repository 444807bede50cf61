//! Finding a connection for an exchange: a turn in the line of those who wait, and the dials that they are worth.

use std::future::poll_fn;
use std::pin::pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::pki_types::ServerName;

use super::line::Left;
use super::{Chosen, Failure, Given};
use crate::endpoint::Endpoint;
use crate::error::{Error, Kind, Result, Retry};
use crate::io::Stream;
use crate::protocol::h1::head::HeadLimits;
use crate::protocol::h2::client::{Client, Limits, Room};
use crate::upstream::dial::{self, Tls};
use crate::upstream::h1::{self, Terms};
use crate::upstream::pool::Counted;
use crate::upstream::{Home, dial as dialled};

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
        None => Err(home.shared.in_vain()),
    }
}

/// Dials in a task of its own.
fn dial_for_all(home: &Rc<Home>, way: Way<'_>, terms: &Terms<'_>) {
    let dialling = Dialling::new(home);
    let endpoint = Arc::clone(way.endpoint);
    let tls: Option<(Arc<rustls::ClientConfig>, ServerName<'static>)> =
        way.tls.map(|tls| (Arc::clone(tls.config), tls.name.clone()));
    let (first, timers, limit, alpn) = (terms.first().to_vec(), terms.timers.clone(), terms.timeouts.connect, way.alpn);
    let heads = terms.heads;
    tokio::task::spawn_local(async move {
        let home = &dialling.0;
        let tls = tls.as_ref().map(|(config, name)| Tls { config, name });
        let is_tls = tls.is_some();
        match dialled(&endpoint, tls, &first, &timers, limit)
            .await
            .and_then(|io| adopt(home, io, (is_tls, alpn), heads))
        {
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
    adopt(home, io, (way.tls.is_some(), way.alpn), terms.heads)
}

/// Makes what a connection is to be of one that was dialled; how the heads of its answers are read is settled for all its life.
fn adopt(home: &Rc<Home>, io: Stream, (is_tls, alpn): (bool, bool), heads: HeadLimits) -> Result<Dialled> {
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
    let client = start(home, io, counted, heads);
    home.shared.keep(client.clone(), age, home.timers.now());
    Ok(Dialled::H2(client.reserve()))
}

fn start(home: &Rc<Home>, io: Stream, counted: Counted, heads: HeadLimits) -> Client {
    let limits = Limits { bytes: heads.bytes, fields: heads.fields };
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
