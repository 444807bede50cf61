//! One exchange with the backends of a service: a try with one of them, and another where that is safe.

use std::rc::Rc;

use http::header::{HeaderMap, HeaderValue};

use super::Worker;
use super::body::Content;
use super::exchange::Exchange;
use crate::endpoint::Endpoint;
use crate::error::{Error, Kind, Result, Retry};
use crate::policy::UpstreamProtocol;
use crate::protocol::RequestBody;
use crate::protocol::h1::encode::RequestLine;
use crate::protocol::tunnel::Relay;
use crate::snapshot::Service;
use crate::upstream::h1::{Failed, Reply, Terms};
use crate::upstream::h2::Dialled;
use crate::upstream::{Answer, Home, Tls, h1};

/// Backends that are tried when no connection can be made, beyond the first.
const OTHERS: usize = 2;

/// A request as it goes to a backend.
#[derive(Debug)]
pub struct Outgoing<'a> {
    /// Its first line and framing. `host` is that of the request.
    pub line: RequestLine<'a>,
    /// `Host` where the request has none: the backend's own name.
    pub hostless: bool,
    /// Its fields.
    pub headers: &'a HeaderMap,
}

/// Sends a request to a backend of `service`, and to another (or again, on a new connection) where that can't execute it twice.
pub async fn run(
    worker: &Rc<Worker>,
    service: &Service,
    outgoing: &Outgoing<'_>,
    mut body: RequestBody,
    terms: &Terms<'_>,
    exchange: &mut Exchange,
) -> Result<Answer<Content>> {
    let now = exchange.began();
    let pick = |tried: &[usize]| {
        service.pick(&mut worker.cursors.borrow_mut(), &mut worker.random.borrow_mut(), tried, now, 0)
    };
    let mut tried = Vec::new();
    let mut backend = pick(&tried).ok_or(Error::new(Kind::NoBackend, "no backend takes new work"))?;
    // set once a kept connection turned out to be closed
    let mut fresh = false;
    loop {
        exchange.backend(backend);
        let failed = match once(worker, service, backend, fresh, outgoing, body, terms).await {
            Ok(answer) => return Ok(answer),
            Err(failed) => failed,
        };
        let endpoint = &service.endpoints[backend];
        tracing::debug!(service = %service.name, backend = %endpoint.id, error = %failed.error, "an attempt failed");
        if !failed.body.is_untouched() {
            return Err(failed.error);
        }
        match failed.error.retryability() {
            // a connection that was kept may have been closed while the request was on its way (RFC 9112, section 9.3.1)
            Retry::Safe if failed.reused && !fresh => fresh = true,
            Retry::IfIdempotent if failed.reused && !fresh && outgoing.line.method.is_idempotent() => fresh = true,
            Retry::Safe if tried.len() < OTHERS => {
                tried.push(backend);
                match pick(&tried).filter(|next| !tried.contains(next)) {
                    Some(next) => backend = next,
                    None => return Err(failed.error),
                }
            }
            _ => return Err(failed.error),
        }
        body = failed.body;
    }
}

/// One try with one backend.
async fn once(
    worker: &Rc<Worker>,
    service: &Service,
    backend: usize,
    fresh: bool,
    outgoing: &Outgoing<'_>,
    body: RequestBody,
    terms: &Terms<'_>,
) -> Result<Answer<Content>, Failed> {
    let endpoint = &*service.endpoints[backend];
    let home = worker.pools.home(endpoint, service.pool, &service.upstream[backend]);
    let carrier = match carrier(service, endpoint, &home, fresh, terms).await {
        Ok(carrier) => carrier,
        Err(error) => return Err(Failed { error, body, reused: false }),
    };
    let own_host;
    let host = match outgoing.hostless {
        false => outgoing.line.host,
        true => {
            own_host = HeaderValue::from_str(&endpoint.host).unwrap_or(HeaderValue::from_static("localhost"));
            &own_host
        }
    };
    let line = RequestLine { host, ..outgoing.line };
    match carrier {
        Dialled::H2(connection) => {
            let answer = connection.call(&line, service.tls.is_some(), outgoing.headers, body, terms).await?;
            Ok(Answer { status: answer.status, headers: answer.headers, body: Content::H2(answer.body) })
        }
        Dialled::H1(connection) => match connection.call(&line, outgoing.headers, body, &home, terms).await? {
            Reply::Answer(answer) => {
                Ok(Answer { status: answer.status, headers: answer.headers, body: Content::H1(answer.body) })
            }
            Reply::Upgraded(answer, stream, early) => {
                let relay = Relay::new(stream, early, terms.timeouts.idle, terms.timers);
                let body = Content::Tunnel(Some(Box::new(relay)));
                Ok(Answer { status: answer.status, headers: answer.headers, body })
            }
        },
    }
}

/// A connection that can carry the request: a kept one, unless it must be `fresh`, or a new one.
async fn carrier(
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
