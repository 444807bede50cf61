//! Finding a connection for an exchange: waiting in the queue, and dialling as many connections as the waiters need.

use std::future::poll_fn;
use std::pin::pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::pki_types::ServerName;

use super::wait_queue::LeftBehind;
use super::{Chosen, Failure, Given};
use crate::endpoint::Endpoint;
use crate::error::{Error, Kind, Result, Retry};
use crate::io::Stream;
use crate::protocol::h2::client::{Client, Limits, Room};
use crate::protocol::http::HeadLimits;
use crate::upstream::context::OpenConnection;
use crate::upstream::dial::{self, Connected, Tls, dial};
use crate::upstream::h1::connection::Connection;
use crate::upstream::pool::Pool;
use crate::upstream::terms::Terms;

/// What can carry an exchange to a backend.
#[derive(Debug)]
pub enum Dialled {
    /// An HTTP/1.1 connection, when ALPN chose that.
    H1(Box<Connection>),
    /// Room for a stream on an HTTP/2 connection.
    H2(Room),
}

/// Where a connection goes, and how it is opened.
#[derive(Debug, Clone, Copy)]
pub struct DialTarget<'a> {
    /// The backend.
    pub endpoint: &'a Arc<Endpoint>,
    /// The TLS settings; `None` for a connection in clear.
    pub tls: Option<Tls<'a>>,
    /// Whether the backend may choose HTTP/1.1 by ALPN.
    pub alpn: bool,
}

/// An exchange that waits in the queue, which it leaves when this is dropped.
struct Waiter<'a> {
    pool: &'a Pool,
    ticket: u64,
}

/// A dial, counted as under way while this value exists.
struct Dialling(Rc<Pool>);

/// Finds room for another stream, on a new connection if need be. Where the backend chooses HTTP/1.1 by ALPN, an HTTP/1.1
/// connection.
pub async fn open(pool: &Rc<Pool>, target: DialTarget<'_>, terms: &Terms<'_>) -> Result<Dialled> {
    if target.alpn && pool.shared.are_h1() {
        return dial_for_one(pool, target, terms).await;
    }
    let found = {
        let waiter = Waiter::new(pool);
        let found = poll_fn(|cx| waiter.poll(pool, target, terms, cx));
        terms.timers.within(terms.timeouts.connect, found).await
    };
    match found {
        Some(Some(Ok(room))) => Ok(Dialled::H2(room)),
        Some(Some(Err(failure))) => Err(Error::new(failure.kind, failure.detail).retry(Retry::Safe)),
        Some(None) => match pool.take() {
            Some(connection) => Ok(Dialled::H1(connection)),
            None => dial_for_one(pool, target, terms).await,
        },
        None => Err(pool.shared.timeout_error()),
    }
}

/// Dials in a task of its own, for whoever waits when the connection is there.
fn dial_for_all(pool: &Rc<Pool>, target: DialTarget<'_>, terms: &Terms<'_>) {
    let dialling = Dialling::new(pool);
    let endpoint = Arc::clone(target.endpoint);
    let tls: Option<(Arc<rustls::ClientConfig>, ServerName<'static>)> =
        target.tls.map(|tls| (Arc::clone(tls.config), tls.name.clone()));
    let (first, timers, limit, alpn) =
        (terms.first().to_vec(), terms.timers.clone(), terms.timeouts.connect, target.alpn);
    let heads = terms.heads;
    tokio::task::spawn_local(async move {
        let pool = &dialling.0;
        let tls = tls.as_ref().map(|(config, name)| Tls { config, name });
        let is_tls = tls.is_some();
        match dial(&endpoint, tls, &first, &timers, limit)
            .await
            .and_then(|made| set_up(pool, made, is_tls, alpn, heads))
        {
            Ok(Dialled::H1(connection)) => pool.park(connection),
            Ok(Dialled::H2(_)) => {}
            Err(error) => {
                tracing::debug!(backend = %endpoint.id, %error, "an HTTP/2 connection can't be made");
                let next = pool.shared.queue.borrow().next_ticket();
                pool.shared.failure.set(Some(Failure { kind: error.kind(), detail: error.detail(), next }));
            }
        }
    });
}

/// Dials for one exchange.
async fn dial_for_one(pool: &Rc<Pool>, target: DialTarget<'_>, terms: &Terms<'_>) -> Result<Dialled> {
    let made = dial(target.endpoint, target.tls, terms.first(), terms.timers, terms.timeouts.connect).await?;
    set_up(pool, made, target.tls.is_some(), target.alpn, terms.heads)
}

/// Makes an HTTP/1.1 or HTTP/2 connection of a stream that was dialled. The limits for the heads of its responses are fixed for
/// its whole life.
fn set_up(pool: &Rc<Pool>, made: Connected, is_tls: bool, alpn: bool, heads: HeadLimits) -> Result<Dialled> {
    let Connected { stream: io, took, via } = made;
    let counted = pool.opened(Some(took), via);
    let chose_h2 = dial::chose_h2(&io);
    if alpn {
        pool.shared.chosen.set(Some(if chose_h2 { Chosen::H2 } else { Chosen::H1 }));
        if !chose_h2 {
            // HTTP/1.1 connections are not shared, so there is nothing to wait for
            pool.shared.queue.borrow().wake_all();
        }
    }
    match (is_tls && !chose_h2, alpn) {
        (true, true) => return Ok(Dialled::H1(Connection::new(io, counted))),
        (true, false) => return Err(Error::new(Kind::UpstreamTls, "it does not speak h2 by ALPN").retry(Retry::Safe)),
        (false, _) => {}
    }
    let life = counted.life;
    let client = start(pool, io, counted, heads);
    pool.shared.keep(client.clone(), life, pool.context.timers.now());
    Ok(Dialled::H2(client.reserve()))
}

fn start(pool: &Rc<Pool>, io: Stream, counted: OpenConnection, heads: HeadLimits) -> Client {
    let limits = Limits { bytes: heads.bytes, fields: heads.fields };
    let (client, connection) = Client::start(io, limits, &pool.context.timers);
    let watched = WatchedConnection { pool: Rc::downgrade(pool), client: client.clone(), known: None };
    tokio::task::spawn_local(async move {
        let (mut connection, mut watched) = (pin!(connection), watched);
        // every event that makes or takes away room on a connection wakes its task, so the queue is served here
        let over = poll_fn(|cx| {
            let over = connection.as_mut().poll(cx);
            watched.serve_queue();
            over
        });
        if let Some(why) = over.await {
            tracing::debug!(why, "an HTTP/2 connection to a backend ended");
        }
        drop(counted);
    });
    client
}

/// A connection together with the pool whose waiters are served when it changes.
struct WatchedConnection {
    pool: Weak<Pool>,
    client: Client,
    /// Whether it was open, had its SETTINGS, and allowed no streams, when it was last checked.
    known: Option<(bool, bool, bool)>,
}

impl WatchedConnection {
    /// Hands free room to the waiters. When the connection's state has changed, this also has other connections dialled if they
    /// are needed.
    fn serve_queue(&mut self) {
        let Some(pool) = self.pool.upgrade() else { return };
        if pool.shared.queue.borrow().is_empty() {
            return;
        }
        let state = Some((self.client.is_open(), self.client.is_settled(), self.client.is_shut()));
        if std::mem::replace(&mut self.known, state) != state || self.client.has_room() {
            pool.shared.hand_out(&pool.context);
        }
    }
}

impl<'a> Waiter<'a> {
    fn new(pool: &'a Pool) -> Self {
        Self { pool, ticket: pool.shared.queue.borrow_mut().join() }
    }

    /// Ready with what the waiter was handed; with `None` when the backend turned out to speak HTTP/1.1, so that each exchange
    /// needs a connection of its own.
    fn poll(
        &self,
        pool: &Rc<Pool>,
        target: DialTarget<'_>,
        terms: &Terms<'_>,
        cx: &Context<'_>,
    ) -> Poll<Option<Given>> {
        let shared = &pool.shared;
        let given = shared.queue.borrow_mut().poll(self.ticket, cx);
        if let Poll::Ready(given) = given {
            return Poll::Ready(Some(given));
        }
        if target.alpn && shared.are_h1() {
            return Poll::Ready(None);
        }
        let waiting = shared.queue.borrow().len();
        while shared.needs_dial(waiting) {
            dial_for_all(pool, target, terms);
        }
        Poll::Pending
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        let left = self.pool.shared.queue.borrow_mut().leave(self.ticket);
        match left {
            LeftBehind::Given(given) => drop(given),
            LeftBehind::First => self.pool.shared.hand_out(&self.pool.context),
            LeftBehind::Nothing => {}
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
