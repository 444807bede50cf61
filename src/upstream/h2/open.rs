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
use crate::protocol::h2::client::{Client, Limits, Room};
use crate::protocol::http::HeadLimits;
use crate::upstream::context::OpenConnection;
use crate::upstream::dial::{self, Tls, dial};
use crate::upstream::h1::connection::Connection;
use crate::upstream::pool::Pool;
use crate::upstream::terms::Terms;

/// What can carry an exchange to a backend.
#[derive(Debug)]
pub enum Dialled {
    /// ALPN, or the configuration, chose HTTP/1.1.
    H1(Box<Connection>),
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
    pool: &'a Pool,
    turn: u64,
}

/// A dial, counted while it is under way.
struct Dialling(Rc<Pool>);

/// A connection with room for another stream, if need be a new one; where ALPN may choose HTTP/1.1, one of that.
pub async fn open(pool: &Rc<Pool>, way: Way<'_>, terms: &Terms<'_>) -> Result<Dialled> {
    if way.alpn && pool.shared.are_h1() {
        return alone(pool, way, terms).await;
    }
    let found = {
        let turn = Turn::new(pool);
        let found = poll_fn(|cx| turn.poll(pool, way, terms, cx));
        terms.timers.within(terms.timeouts.connect, found).await
    };
    match found {
        Some(Some(Ok(room))) => Ok(Dialled::H2(room)),
        Some(Some(Err(failure))) => Err(Error::new(failure.kind, failure.detail).retry(Retry::Safe)),
        Some(None) => match pool.take() {
            Some(connection) => Ok(Dialled::H1(connection)),
            None => alone(pool, way, terms).await,
        },
        None => Err(pool.shared.in_vain()),
    }
}

/// Dials in a task of its own.
fn dial_for_all(pool: &Rc<Pool>, way: Way<'_>, terms: &Terms<'_>) {
    let dialling = Dialling::new(pool);
    let endpoint = Arc::clone(way.endpoint);
    let tls: Option<(Arc<rustls::ClientConfig>, ServerName<'static>)> =
        way.tls.map(|tls| (Arc::clone(tls.config), tls.name.clone()));
    let (first, timers, limit, alpn) = (terms.first().to_vec(), terms.timers.clone(), terms.timeouts.connect, way.alpn);
    let heads = terms.heads;
    tokio::task::spawn_local(async move {
        let pool = &dialling.0;
        let tls = tls.as_ref().map(|(config, name)| Tls { config, name });
        let is_tls = tls.is_some();
        match dial(&endpoint, tls, &first, &timers, limit).await.and_then(|io| adopt(pool, io, (is_tls, alpn), heads)) {
            Ok(Dialled::H1(connection)) => pool.park(connection),
            Ok(Dialled::H2(_)) => {}
            Err(error) => {
                tracing::debug!(backend = %endpoint.id, %error, "an HTTP/2 connection can't be made");
                let next = pool.shared.line.borrow().next();
                pool.shared.failure.set(Some(Failure { kind: error.kind(), detail: error.detail(), next }));
            }
        }
    });
}

/// Dials for one exchange.
async fn alone(pool: &Rc<Pool>, way: Way<'_>, terms: &Terms<'_>) -> Result<Dialled> {
    let io = dial(way.endpoint, way.tls, terms.first(), terms.timers, terms.timeouts.connect).await?;
    adopt(pool, io, (way.tls.is_some(), way.alpn), terms.heads)
}

/// Makes what a connection is to be of one that was dialled; how the heads of its answers are read is settled for all its life.
fn adopt(pool: &Rc<Pool>, io: Stream, (is_tls, alpn): (bool, bool), heads: HeadLimits) -> Result<Dialled> {
    let counted = pool.opened();
    let chose_h2 = dial::chose_h2(&io);
    if alpn {
        pool.shared.chosen.set(Some(if chose_h2 { Chosen::H2 } else { Chosen::H1 }));
        if !chose_h2 {
            // there is nothing to share, and so nothing to wait for
            pool.shared.line.borrow().wake_all();
        }
    }
    match (is_tls && !chose_h2, alpn) {
        (true, true) => return Ok(Dialled::H1(Connection::new(io, counted))),
        (true, false) => return Err(Error::new(Kind::UpstreamTls, "it does not speak h2 by ALPN").retry(Retry::Safe)),
        (false, _) => {}
    }
    let age = counted.age;
    let client = start(pool, io, counted, heads);
    pool.shared.keep(client.clone(), age, pool.context.timers.now());
    Ok(Dialled::H2(client.reserve()))
}

fn start(pool: &Rc<Pool>, io: Stream, counted: OpenConnection, heads: HeadLimits) -> Client {
    let limits = Limits { bytes: heads.bytes, fields: heads.fields };
    let (client, connection) = Client::start(io, limits, &pool.context.timers);
    let watched = Watched { pool: Rc::downgrade(pool), client: client.clone(), known: None };
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
    pool: Weak<Pool>,
    client: Client,
    /// How it stood when it was last looked at.
    known: Option<(bool, bool, bool)>,
}

impl Watched {
    /// Hands out what room there is, and has others dialled where this one is none to count on any more.
    fn look(&mut self) {
        let Some(pool) = self.pool.upgrade() else { return };
        if pool.shared.line.borrow().is_empty() {
            return;
        }
        let stands = Some((self.client.is_open(), self.client.is_settled(), self.client.is_shut()));
        if std::mem::replace(&mut self.known, stands) != stands || self.client.has_room() {
            pool.shared.hand_out(&pool.context);
        }
    }
}

impl<'a> Turn<'a> {
    fn new(pool: &'a Pool) -> Self {
        Self { pool, turn: pool.shared.line.borrow_mut().join() }
    }

    /// Ready with what it was given; with `None` when each exchange has to have its own connection.
    fn poll(&self, pool: &Rc<Pool>, way: Way<'_>, terms: &Terms<'_>, cx: &Context<'_>) -> Poll<Option<Given>> {
        let shared = &pool.shared;
        let given = shared.line.borrow_mut().poll(self.turn, cx);
        if let Poll::Ready(given) = given {
            return Poll::Ready(Some(given));
        }
        if way.alpn && shared.are_h1() {
            return Poll::Ready(None);
        }
        let waiting = shared.line.borrow().len();
        while shared.lacks(waiting) {
            dial_for_all(pool, way, terms);
        }
        Poll::Pending
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let left = self.pool.shared.line.borrow_mut().leave(self.turn);
        match left {
            Left::Given(given) => drop(given),
            Left::First => self.pool.shared.hand_out(&self.pool.context),
            Left::Nothing => {}
        }
    }
}

impl Dialling {
    fn new(pool: &Rc<Pool>) -> Self {
        pool.shared.dialling.set(pool.shared.dialling.get() + 1);
        Self(Rc::clone(pool))
    }
}

impl Drop for Dialling {
    fn drop(&mut self) {
        let shared = &self.0.shared;
        shared.dialling.set(shared.dialling.get() - 1);
        shared.hand_out(&self.0.context);
    }
}
