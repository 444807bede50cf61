//! One attempt: a request is sent to one backend, and the head of its answer waited for.

use std::cell::Cell;
use std::future::poll_fn;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::header::HeaderValue;

use super::UpstreamRequest;
use super::connector::Connector;
use crate::endpoint::paths::Via;
use crate::error::{Error, Result, Retry};
use crate::forward::http::body::Content;
use crate::protocol::http::body::replay::KEPT;
use crate::protocol::http::length::Length;
use crate::protocol::http::tunnel::{self, Relay};
use crate::protocol::http::{RequestBody, RequestLine};
use crate::trace::AttemptTrace;
use crate::upstream::h2::Dialled;
use crate::upstream::terms::{Failed, Terms};
use crate::upstream::{Answer, h1, h2};

/// One attempt.
#[derive(Debug)]
pub struct Attempt<'a> {
    /// What is asked.
    pub request: &'a UpstreamRequest<'a>,
    /// Who is asked, by its place in the service.
    pub backend: usize,
    /// The request's terms, with what is left of their time-outs.
    pub terms: Terms<'a>,
    /// It gets a new connection, because a kept one turned out to be closed.
    pub on_new_connection: bool,
    /// What it notes in the trace of the exchange, where there is one.
    pub trace: Option<AttemptTrace>,
    /// Where it notes how long it took until it had a connection, if somebody wants to know.
    pub connected: Option<&'a Cell<Option<Duration>>>,
    /// The path that its connection was made over, once it has one, and where its backend has several.
    pub via: Cell<Option<Via>>,
}

impl Attempt<'_> {
    /// Sends the request with this body and waits for the head of its answer; when the answer is a small one, for all of it.
    pub async fn run(&self, body: RequestBody) -> Result<Answer<Content>, Failed> {
        let answer = self.call(body).await?;
        hold(answer, self.request.service.retry.hold).await.map_err(not_raced)
    }

    /// Whether its connection was made over a path that was found dead since: nothing is to be expected of it.
    pub fn is_cut_off(&self) -> bool {
        let Some(via) = self.via.get() else { return false };
        let paths = self.request.service.endpoints[self.backend].addresses.paths();
        paths.is_some_and(|paths| paths.is_dead(via))
    }

    /// How often its backend was found to hang so far.
    pub fn hangs(&self) -> u32 {
        self.request.service.endpoints[self.backend].live.hangs()
    }

    async fn call(&self, body: RequestBody) -> Result<Answer<Content>, Failed> {
        let UpstreamRequest { worker, service, headers, .. } = *self.request;
        let terms = &self.terms;
        let endpoint = &service.endpoints[self.backend];
        let metrics = &service.upstream[self.backend];
        let pool = match &terms.dedicated {
            None => worker.pools.of(endpoint, service.pool, metrics),
            Some(dedicated) => dedicated.pools.of(endpoint, service.pool, metrics),
        };
        let line = &self.request.line;
        // a request that can't be repeated takes no risk with a backend that closes its connections as they are used
        let fresh = self.on_new_connection || (pool.races() && !is_repeatable(line));
        let (upgrades, trace) = (line.upgrade.is_some(), self.trace.as_ref());
        let connector = Connector { service, endpoint, pool: &pool, fresh, upgrades, terms, trace };
        let asked = self.connected.inspect(|time| time.set(None)).map(|_| Instant::now());
        let connection = connector.connect().await.map_err(not_raced)?;
        if let Some((time, asked)) = self.connected.zip(asked) {
            time.set(Some(asked.elapsed()));
        }
        self.via.set(match &connection {
            Dialled::H1(connection) => connection.via(),
            Dialled::H2(room) => pool.via_of(room),
        });
        let backend_host;
        let host = if line.host.is_empty() {
            let authority = endpoint.target.authority(&endpoint.host, None, service.tls.is_some());
            backend_host = HeaderValue::try_from(authority).unwrap_or(HeaderValue::from_static("localhost"));
            &backend_host
        } else {
            line.host
        };
        let traceparent = trace.map(AttemptTrace::traceparent);
        let line = RequestLine { host, traceparent: traceparent.as_ref(), ..*line };
        let tunnel = |backend, early| {
            Content::Tunnel(Some(Box::new(Relay::new(backend, early, terms.timeouts.idle, terms.timers))))
        };
        match connection {
            Dialled::H2(room) => match h2::Call::run(room, &line, service.tls.is_some(), headers, body, terms).await? {
                h2::Reply::Answer(answer) => Ok(answer.map(Content::H2)),
                h2::Reply::Upgraded(answer, stream) => {
                    Ok(answer.map(|()| tunnel(tunnel::Backend::Stream(stream), BytesMut::new())))
                }
            },
            Dialled::H1(connection) => match connection.call(&line, headers, body, &pool, terms).await {
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
}

fn not_raced(error: Error) -> Failed {
    Failed { error, raced: false }
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
