//! One try with one backend.

use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::header::{HeaderMap, HeaderValue};
use rustls::pki_types::ServerName;

use crate::endpoint::Endpoint;
use crate::error::{Error, Kind, Result, Retry};
use crate::forward::Worker;
use crate::forward::http::body::Content;
use crate::policy::UpstreamProtocol;
use crate::protocol::h2::client::Room;
use crate::protocol::http::RequestBody;
use crate::protocol::http::RequestLine;
use crate::protocol::http::length::Length;
use crate::protocol::http::replay::KEPT;
use crate::protocol::http::tunnel::{self, Relay};
use crate::snapshot::Service;
use crate::upstream::h2::{Dialled, Way};
use crate::upstream::terms::{Failed, Terms};
use crate::upstream::{Answer, Pool, Tls, h1, h2};

/// A request as it goes to a backend.
#[derive(Debug)]
pub struct Outgoing<'a> {
    /// Its first line and framing. `host` is that of the request.
    pub line: RequestLine<'a>,
    /// The request has no `Host`: it gets the backend's own.
    pub hostless: bool,
    /// Its fields.
    pub headers: &'a HeaderMap,
}

/// Which connection carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carrier {
    /// A kept one, or else a new one.
    Any,
    /// A new one: a kept one turned out to be closed.
    New,
}

/// Sends the request to the backend with this index and waits for the head of its answer; when the answer is a small one,
/// for all of it.
pub async fn run(
    worker: &Rc<Worker>,
    service: &Service,
    backend: usize,
    carrier: Carrier,
    outgoing: &Outgoing<'_>,
    body: RequestBody,
    terms: &Terms<'_>,
) -> Result<Answer<Content>, Failed> {
    let answer = call(worker, service, backend, carrier, outgoing, body, terms).await?;
    let held = hold(answer, service.retry.hold).await;
    held.map_err(|error| Failed { error, raced: false })
}

async fn call(
    worker: &Rc<Worker>,
    service: &Service,
    backend: usize,
    carrier: Carrier,
    outgoing: &Outgoing<'_>,
    body: RequestBody,
    terms: &Terms<'_>,
) -> Result<Answer<Content>, Failed> {
    let endpoint = &service.endpoints[backend];
    let metrics = &service.upstream[backend];
    let pool = match &terms.own {
        None => worker.pools.of(endpoint, service.pool, metrics),
        Some(own) => own.pools.of(endpoint, service.pool, metrics),
    };
    // a request that can't be repeated takes no risk with a backend that closes its connections as they are used
    let fresh = carrier == Carrier::New || (pool.races() && !is_repeatable(&outgoing.line));
    let way = Path { service, endpoint, pool: &pool, fresh, upgrades: outgoing.line.upgrade.is_some() };
    let connection = match way.connect(terms).await {
        Ok(connection) => connection,
        Err(error) => return Err(Failed { error, raced: false }),
    };
    let own_host;
    let host = match outgoing.hostless {
        false => outgoing.line.host,
        true => {
            let authority = endpoint.target.authority(&endpoint.host, None, service.tls.is_some());
            own_host = HeaderValue::try_from(authority).unwrap_or(HeaderValue::from_static("localhost"));
            &own_host
        }
    };
    let line = RequestLine { host, ..outgoing.line };
    let tunnel =
        |backend, early| Content::Tunnel(Some(Box::new(Relay::new(backend, early, terms.timeouts.idle, terms.timers))));
    match connection {
        Dialled::H2(room) => {
            let is_tls = service.tls.is_some();
            match h2::Call::run(room, &line, is_tls, outgoing.headers, body, terms).await? {
                h2::Reply::Answer(answer) => Ok(answer.map(Content::H2)),
                h2::Reply::Upgraded(answer, stream) => {
                    Ok(answer.map(|()| tunnel(tunnel::Backend::Stream(stream), BytesMut::new())))
                }
            }
        }
        Dialled::H1(connection) => match connection.call(&line, outgoing.headers, body, &pool, terms).await {
            Ok(h1::Reply::Answer(answer)) => Ok(answer.map(Content::H1)),
            Ok(h1::Reply::Upgraded(answer, stream, early)) => {
                Ok(answer.map(|()| tunnel(tunnel::Backend::Connection(stream), early)))
            }
            Err(failed) => {
                if failed.raced {
                    pool.raced();
                }
                Err(failed)
            }
        },
    }
}

/// Whether it can be sent again, however much of it has left by then.
fn is_repeatable(line: &RequestLine<'_>) -> bool {
    line.method.is_idempotent() && !matches!(line.length, Length::Fixed(length) if length > KEPT as u64)
}

/// Reads a small answer to its end before any of it is passed on: if its backend dies half-way, nobody has seen it yet, and
/// the request may still be sent to another.
async fn hold(mut answer: Answer<Content>, limit: usize) -> Result<Answer<Content>> {
    let small = |body: &Content| body.size_hint().exact().is_some_and(|length| length > 0 && length <= limit as u64);
    if !matches!(answer.body, Content::H1(_) | Content::H2(_)) || !small(&answer.body) {
        return Ok(answer);
    }
    let (mut whole, mut trailers) = (Bytes::new(), None);
    while let Some(frame) = poll_fn(|cx| answer.body.poll_frame(cx)).await {
        // passed on to nobody yet, so only the request decides whether it may be sent again
        let frame = frame.map_err(|error| Error::new(error.kind(), error.detail()).retry(Retry::IfIdempotent))?;
        match frame.into_data() {
            Ok(data) if whole.is_empty() => whole = data,
            Ok(data) => {
                let mut joined = BytesMut::from(whole);
                joined.extend_from_slice(&data);
                whole = joined.freeze();
            }
            Err(frame) => trailers = frame.into_trailers().ok(),
        }
    }
    let body = match trailers {
        None => Content::Own(whole),
        Some(trailers) => Content::Whole(whole, Some(Box::new(trailers))),
    };
    Ok(Answer { body, ..answer })
}

/// The way of a request to its backend.
struct Path<'a> {
    service: &'a Service,
    endpoint: &'a Arc<Endpoint>,
    pool: &'a Rc<Pool>,
    /// No kept connection of HTTP/1.
    fresh: bool,
    /// It asks for another protocol.
    upgrades: bool,
}

impl Path<'_> {
    /// A connection that can carry the request: a kept one, or a new one.
    async fn connect(&self, terms: &Terms<'_>) -> Result<Dialled> {
        let alpn = self.service.protocol == UpstreamProtocol::Auto;
        if !self.service.is_multiplexed() {
            return self.http1(self.service.tls.as_ref(), terms).await;
        }
        if alpn
            && self.pool.shared.are_h1()
            && let Some(connection) = self.kept()
        {
            return Ok(Dialled::H1(connection));
        }
        let found = match self.pool.room() {
            Some(room) => Dialled::H2(room),
            None => {
                let name = self.name();
                let tls = self.service.tls.as_ref().zip(name.as_ref()).map(|(config, name)| Tls { config, name });
                h2::open(self.pool, Way { endpoint: self.endpoint, tls, alpn }, terms).await?
            }
        };
        match found {
            Dialled::H2(room) if self.upgrades => self.upgrade(room, terms).await,
            found => Ok(found),
        }
    }

    /// RFC 8441: a stream becomes a tunnel where the backend takes that. Else only a connection of HTTP/1.1 can.
    async fn upgrade(&self, room: Room, terms: &Terms<'_>) -> Result<Dialled> {
        let told = poll_fn(|cx| room.client().poll_takes_tunnels(cx));
        match terms.timers.within(terms.timeouts.connect, told).await {
            Some(true) => return Ok(Dialled::H2(room)),
            // others may have the room while this one dials
            Some(false) if !room.client().is_closed() => drop(room),
            Some(false) => return Err(Error::new(Kind::UpstreamClosed, "before its settings").retry(Retry::Safe)),
            None => return Err(Error::new(Kind::ConnectTimeout, "its settings are late").retry(Retry::Safe)),
        }
        match &self.service.tls_http1 {
            Some(tls) => self.http1(Some(tls), terms).await,
            None => Err(Error::new(Kind::NotUpgraded, "its HTTP/2 has no extended CONNECT (RFC 8441)")),
        }
    }

    async fn http1(&self, tls: Option<&Arc<rustls::ClientConfig>>, terms: &Terms<'_>) -> Result<Dialled> {
        if let Some(connection) = self.kept() {
            return Ok(Dialled::H1(connection));
        }
        let name = self.name();
        let tls = tls.zip(name.as_ref()).map(|(config, name)| Tls { config, name });
        h1::dial(self.endpoint, tls, self.pool, terms).await.map(Dialled::H1)
    }

    fn kept(&self) -> Option<Box<h1::Connection>> {
        if self.fresh { None } else { self.pool.take() }
    }

    fn name(&self) -> Option<ServerName<'static>> {
        self.service.tls.as_ref().and_then(|_| self.service.server_name(self.endpoint))
    }
}
