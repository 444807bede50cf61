//! One try with one backend.

use std::rc::Rc;

use bytes::{Bytes, BytesMut};
use http::header::{HeaderMap, HeaderValue};

use super::Worker;
use super::body::Content;
use crate::endpoint::Endpoint;
use crate::error::{Error, Result, Retry};
use crate::policy::UpstreamProtocol;
use crate::protocol::RequestBody;
use crate::protocol::h1::encode::RequestLine;
use crate::protocol::tunnel::Relay;
use crate::snapshot::Service;
use crate::upstream::h1::{Failed, Reply, Terms};
use crate::upstream::h2::Dialled;
use crate::upstream::{Answer, Home, Tls, h1};

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
    held.map_err(|error| Failed { error, body: RequestBody::Empty, raced: false })
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
    let endpoint = &*service.endpoints[backend];
    let metrics = &service.upstream[backend];
    let home = match &terms.own {
        None => worker.pools.home(endpoint, service.pool, metrics),
        Some(own) => own.pools.home(endpoint, service.pool, metrics),
    };
    // a request that can't be repeated takes no risk with a backend that closes its connections as they are used
    let fresh = carrier == Carrier::New || (home.races() && !outgoing.line.method.is_idempotent());
    let connection = match connect(service, endpoint, &home, fresh, terms).await {
        Ok(connection) => connection,
        Err(error) => return Err(Failed { error, body, raced: false }),
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
    let answer = match connection {
        Dialled::H2(connection) => {
            let answer = connection.call(&line, service.tls.is_some(), outgoing.headers, body, terms).await?;
            Answer { status: answer.status, headers: answer.headers, body: Content::H2(answer.body) }
        }
        Dialled::H1(connection) => match connection.call(&line, outgoing.headers, body, &home, terms).await {
            Ok(Reply::Answer(answer)) => {
                Answer { status: answer.status, headers: answer.headers, body: Content::H1(answer.body) }
            }
            Ok(Reply::Upgraded(answer, stream, early)) => {
                let relay = Relay::new(stream, early, terms.timeouts.idle, terms.timers);
                let body = Content::Tunnel(Some(Box::new(relay)));
                Answer { status: answer.status, headers: answer.headers, body }
            }
            Err(failed) => {
                if failed.raced {
                    home.raced();
                }
                return Err(failed);
            }
        },
    };
    Ok(answer)
}

/// Reads a small answer to its end before any of it is passed on: if its backend dies half-way, nobody has seen it yet, and
/// the request may still be sent to another.
async fn hold(mut answer: Answer<Content>, limit: usize) -> Result<Answer<Content>> {
    let small = |body: &Content| body.size_hint().exact().is_some_and(|length| length > 0 && length <= limit as u64);
    if !matches!(answer.body, Content::H1(_) | Content::H2(_)) || !small(&answer.body) {
        return Ok(answer);
    }
    let (mut whole, mut trailers) = (Bytes::new(), None);
    while let Some(frame) = std::future::poll_fn(|cx| answer.body.poll_frame(cx)).await {
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

/// A connection that can carry the request: a kept one, unless it must be `fresh`, or a new one.
async fn connect(
    service: &Service,
    endpoint: &Endpoint,
    home: &Rc<Home>,
    fresh: bool,
    terms: &Terms<'_>,
) -> Result<Dialled> {
    let multiplexed = match service.protocol {
        UpstreamProtocol::Http1 => false,
        UpstreamProtocol::Http2 => true,
        UpstreamProtocol::Auto => service.tls.is_some(),
    };
    if multiplexed && let Some(connection) = home.shared.take() {
        return Ok(Dialled::H2(connection));
    }
    if !fresh && let Some(connection) = home.take() {
        return Ok(Dialled::H1(connection));
    }
    let name = service.tls.as_ref().and_then(|_| service.server_name(endpoint));
    let tls = service.tls.as_ref().zip(name.as_ref()).map(|(config, name)| Tls { config, name });
    if multiplexed {
        let alpn = service.protocol == UpstreamProtocol::Auto;
        return home.shared.open(endpoint, tls, alpn, home, terms).await;
    }
    h1::Connection::dial(endpoint, tls, home, terms).await.map(Dialled::H1)
}
