//! An HTTP exchange, from the request's head to the answer's.

mod attempts;
mod body;
mod error_answer;
mod exchange;
mod request;

use std::cell::{Cell, OnceCell};
use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use data_encoding::BASE64;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Response, StatusCode};

use super::placement::hash_key;
use super::{Ingress, Worker};
use crate::error::{Error, Kind, Result};
use crate::layer4::proxy_protocol::Peer;
use crate::metrics::ListenerMetrics;
use crate::policy::{Balance, ProxyHeader};
use crate::protocol::http::RequestLine;
use crate::protocol::http::fields::{self, Client};
use crate::protocol::http::grpc;
use crate::protocol::http::length::Length;
use crate::protocol::http::partial::Partial;
use crate::protocol::http::{Handler, Request, Upgrade};
use crate::route::Lookup;
use crate::snapshot::{Action, Current, Listener, Route, Service};
use crate::timer::Alarm;
use crate::tls::Acceptor;
use crate::upstream::terms::{Own, Terms, too_late};
use crate::upstream::{Answer, ClientPools};
use attempts::Placement;
use attempts::attempt::Outgoing;
pub use body::Body;
use body::Content;
use exchange::{Exchange, Rest, access};
use request::changes::{change, rewrite_path};
use request::{max_forwards, sender};

/// A client's connection, as its exchanges see it.
#[derive(Debug)]
pub struct Connection {
    /// The worker that serves it.
    pub worker: Rc<Worker>,
    /// The listener that accepted it.
    pub ingress: Rc<Ingress>,
    /// Who the client is.
    pub peer: Peer,
    /// What backends are told of the client in each request.
    pub client: Client,
    /// The name that the client asked for in TLS, and who answered it.
    pub sni: Option<(String, Acceptor)>,
    /// It speaks plain HTTP where TLS is spoken: it is told so, and nothing else.
    pub is_plain_on_tls: bool,
    /// The listener's counters.
    pub metrics: Arc<ListenerMetrics>,
    /// Its own connections to backends that are told of it with a PROXY header.
    pub own: OnceCell<Box<ClientPools>>,
}

impl Handler for Connection {
    type Body = Body;

    async fn handle(&self, request: Box<Request>) -> Response<Body> {
        let Some((snapshot, listener)) = self.ingress.current() else { return homeless() };
        let mut exchange = Exchange::begin(&self.ingress, &snapshot, listener);
        if self.worker.recorder.logs_access() {
            let client = self.sender(&snapshot.listeners[listener], &request);
            exchange.log(access::of(&request, client, self.peer.told()));
        }
        let call = grpc::call(&request.headers).cloned();
        if call.is_some() {
            exchange.is_call();
        }
        match self.run((&snapshot, listener), request, &mut exchange).await {
            Ok(Outcome::Own(response)) => own(response, exchange),
            Ok(Outcome::Backend(response, deadline)) => {
                exchange.answered(response.status(), response.body().rest());
                response.map(|content| Body::new(content, deadline, Some(exchange)))
            }
            Err(error) => {
                tracing::debug!(%error, "an exchange failed");
                exchange.failed(&error);
                if call.is_some() {
                    exchange.ended_call(error_answer::grpc_code(error.kind()));
                }
                if error.kind() == Kind::ClientGone {
                    return unrecorded(error.kind());
                }
                if let Some(form) = call {
                    return own(error_answer::grpc(error.kind(), form), exchange);
                }
                let fallback = exchange.current().and_then(|service| service.fallback.as_ref());
                let answer = fallback.and_then(|fallback| error_answer::fallback(error.kind(), fallback));
                own(answer.unwrap_or_else(|| error_answer::answer(error.kind())), exchange)
            }
        }
    }

    fn refuse(&self, error: &Error, what: &Partial<'_>) -> Response<Body> {
        tracing::debug!(%error, "a request was refused");
        let Some((snapshot, listener)) = self.ingress.current() else { return homeless() };
        let mut exchange = Exchange::begin(&self.ingress, &snapshot, listener);
        if self.worker.recorder.logs_access() {
            exchange.log(access::of_refused(what, self.client.address, self.peer.told()));
        }
        exchange.refused(error);
        own(error_answer::answer(error.kind()), exchange)
    }

    fn transferred(&self, received: u64, sent: u64) {
        self.metrics.transferred(self.worker.index, received, sent);
    }
}

/// How an exchange was settled. It lives for a moment on the stack: boxing the large variant would cost every exchange an
/// allocation.
#[allow(clippy::large_enum_variant)]
enum Outcome {
    /// We answer.
    Own(Response<Bytes>),
    /// A backend does.
    Backend(Response<Content>, Option<Alarm>),
}

fn own(response: Response<Bytes>, mut exchange: Exchange) -> Response<Body> {
    exchange.answered(response.status(), Rest::Whole);
    response.map(|bytes| Body::new(Content::Own(bytes), None, Some(exchange)))
}

/// An answer that the record knows nothing of.
fn unrecorded(kind: Kind) -> Response<Body> {
    error_answer::answer(kind).map(|bytes| Body::new(Content::Own(bytes), None, None))
}

/// The answer when no snapshot knows the connection's listener, which the order in which listeners go makes impossible: it
/// can't even be recorded.
fn homeless() -> Response<Body> {
    unrecorded(Kind::Internal)
}

impl Connection {
    async fn run(
        &self,
        (snapshot, listener): (&Rc<Current>, usize),
        mut request: Box<Request>,
        exchange: &mut Exchange,
    ) -> Result<Outcome> {
        let route = self.route(&snapshot.listeners[listener], &request)?;
        let service = match &route.action {
            Action::Service(service) => *service,
            Action::Split(split) => split.choose(self.worker.random.borrow_mut().u32(..)),
            Action::Redirect { to, status } => return redirect(to, *status, &request, route).map(Outcome::Own),
            Action::Respond { status, body, content_type } => {
                let mut response = Response::new(body.clone());
                *response.status_mut() = *status;
                if !body.is_empty() {
                    response.headers_mut().insert(header::CONTENT_TYPE, content_type.clone());
                }
                change(response.headers_mut(), &route.response_headers);
                return Ok(Outcome::Own(response));
            }
        };
        if let Some(response) = max_forwards::count(&mut request) {
            return Ok(Outcome::Own(response));
        }
        let service = &*snapshot.services[service];
        exchange.service(service.index);
        let placement = self.placement(&snapshot.listeners[listener], service, &mut request);
        self.prepare(&mut request, route, service.via)?;
        let timeouts = route.timeouts(service);
        let timers = &self.worker.timers;
        let mut deadline = timeouts.total.map(|total| Alarm::new(timers, total));
        let (upgrade, interim) = (request.upgrade.take(), request.interim.take());
        let own = service.proxy_header.map(|version| self.own(version, &snapshot.listeners[listener]));
        let heads = service.heads;
        let terms = Terms {
            timeouts,
            timers,
            interim: interim.as_ref(),
            deadline: deadline.as_ref().map(Alarm::deadline),
            heads,
            own,
        };
        let mut answer = {
            let mut answer = pin!(self.ask(service, request, upgrade.as_ref(), &terms, exchange, &placement));
            poll_fn(|cx| {
                if let Poll::Ready(answer) = answer.as_mut().poll(cx) {
                    return Poll::Ready(answer);
                }
                match &mut deadline {
                    Some(deadline) => deadline.poll(cx).map(|()| Err(too_late(false))),
                    None => Poll::Pending,
                }
            })
            .await?
        };
        exchange.hear(&mut answer.headers);
        opened(&answer, upgrade.as_ref())?;
        self.keep_session(service, &placement, exchange, &mut answer.headers);
        Ok(respond(answer, route, upgrade, deadline))
    }

    fn route<'s>(&self, listener: &'s Listener, request: &Request) -> Result<&'s Route> {
        let host = request.host.as_ref().and_then(|host| host.to_str().ok()).unwrap_or_default();
        if self.is_plain_on_tls {
            return Err(Error::new(Kind::PlainHttp, ""));
        }
        if let Some((sni, acceptor)) = &self.sni {
            let name = crate::route::without_port(host);
            if !name.is_empty() && !acceptor.same_certificate(sni, name) {
                return Err(Error::new(Kind::Misdirected, ""));
            }
        }
        let lookup = Lookup {
            host,
            path: request.uri.path(),
            query: request.uri.query(),
            method: &request.method,
            headers: &request.headers,
        };
        let route = listener.routes.find(&lookup).or(listener.default.as_ref());
        route.map(|route| &**route).ok_or(Error::new(Kind::NoRoute, ""))
    }

    /// What the exchange is told by: for the ring, and for its session.
    fn placement(&self, listener: &Listener, service: &Service, request: &mut Request) -> Placement {
        let find = |from| hash_key::find(from, request, || self.sender(listener, request));
        let key = match service.balance {
            // those that are told by nothing must not all go to one backend
            Balance::ConsistentHash(_) => {
                find(&service.hash_on).unwrap_or_else(|| self.worker.random.borrow_mut().u64(..))
            }
            _ => 0,
        };
        let session = service.affinity.as_ref().map(|affinity| {
            let cookies = request.headers.get_all(header::COOKIE).into_iter().map(HeaderValue::as_bytes);
            let told_by = || service.session_by.as_ref().and_then(find);
            Cell::new(affinity.session(cookies, told_by, unix_now()))
        });
        Placement { key, session, client: request.presence.take() }
    }

    /// Gives the client the cookie that keeps it with the backend that answered.
    fn keep_session(&self, service: &Service, placement: &Placement, exchange: &Exchange, headers: &mut HeaderMap) {
        let (Some(affinity), Some(session)) = (&service.affinity, &placement.session) else { return };
        let Some(used) = exchange.used() else { return };
        if let Some(cookie) = affinity.set_cookie(&session.get(), used, unix_now(), self.client.is_tls()) {
            headers.append(header::SET_COOKIE, cookie);
        }
    }

    /// Turns the request that came into the one that goes.
    fn prepare(&self, request: &mut Request, route: &Route, via: bool) -> Result<()> {
        let changes = &route.request_headers;
        self.client.sift(&mut request.headers, changes.names());
        if changes.is_empty() {
            let via = via.then_some(request.version);
            request.forwarded = self.client.forwarded(&request.headers, request.host.as_ref(), via);
        }
        if !changes.is_empty() {
            request.body.refuse_in_trailers(changes.names());
        }
        if request.forwarded.is_none() {
            self.client.forward(&mut request.headers, request.host.as_ref());
            if via {
                fields::via(&mut request.headers, request.version);
            }
            change(&mut request.headers, changes);
            // in there only if the configuration has set it
            if let Some(host) = request.headers.remove(header::HOST) {
                request.host = Some(host);
            }
        }
        if let Some(rewrite) = &route.rewrite {
            if let Some(host) = &rewrite.host {
                request.host = Some(host.clone());
            }
            rewrite_path(&mut request.uri, rewrite, route.matched_prefix)?;
        }
        if let Some(Upgrade::Connect(_)) = &request.upgrade {
            // RFC 8441, section 5: over HTTP/2 neither is sent; the backend's HTTP/1.1 wants them
            request.method = Method::GET;
            request.headers.insert(header::SEC_WEBSOCKET_KEY, self.websocket_key());
        }
        Ok(())
    }

    async fn ask(
        &self,
        service: &Service,
        request: Box<Request>,
        upgrade: Option<&Upgrade>,
        terms: &Terms<'_>,
        exchange: &mut Exchange,
        placement: &Placement,
    ) -> Result<Answer<Content>> {
        let nameless = HeaderValue::from_static("");
        let outgoing = Outgoing {
            line: RequestLine {
                method: &request.method,
                uri: &request.uri,
                host: request.host.as_ref().unwrap_or(&nameless),
                forwarded: request.forwarded.as_deref(),
                length: request.length,
                upgrade: upgrade.and_then(|upgrade| wanted(upgrade, &request, service)),
                te_trailers: request.te_trailers,
                expect_continue: request.expect_continue && request.length != Length::Fixed(0),
            },
            hostless: request.host.as_ref().is_none_or(HeaderValue::is_empty),
            headers: &request.headers,
        };
        if outgoing.line.upgrade.is_some() && service.is_multiplexed() && !has_key(&request.headers) {
            return Err(Error::new(Kind::MalformedRequest, "Sec-WebSocket-Key is not 16 bytes in base64"));
        }
        attempts::run(&self.worker, service, &outgoing, request.body, terms, exchange, placement).await
    }

    /// 16 random bytes in base64, as RFC 6455, section 4.1, asks. The last of 22 characters holds two bits.
    fn websocket_key(&self) -> HeaderValue {
        const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut random = self.worker.random.borrow_mut();
        let mut key: String = (0..21).map(|_| char::from(BASE64[random.usize(..64)])).collect();
        key.push(char::from(b"AQgw"[random.usize(..4)]));
        key.push_str("==");
        HeaderValue::try_from(key).unwrap_or(HeaderValue::from_static("AAAAAAAAAAAAAAAAAAAAAA=="))
    }

    /// What is its own in the way to backends that are told of it.
    fn own(&self, version: ProxyHeader, listener: &Listener) -> Own<'_> {
        let pools = self.own.get_or_init(|| Box::new(ClientPools::new(self.worker.index, &self.worker.timers)));
        Own { pools, header: self.worker.header(&self.peer, version, listener) }
    }

    fn sender(&self, listener: &Listener, request: &Request) -> Option<IpAddr> {
        sender::find(&self.client, &request.headers, &listener.trusted_proxies)
    }
}

/// The protocol that a backend is asked to speak. A wish of HTTP/1.1 may be ignored (RFC 9110, section 7.8): over HTTP/2 only a WebSocket's
/// handshake has a form (RFC 8441, section 5), and what else comes with such a wish is an ordinary request.
fn wanted<'u>(upgrade: &'u Upgrade, request: &Request, service: &Service) -> Option<&'u HeaderValue> {
    match upgrade {
        Upgrade::Connect(protocol) => Some(protocol),
        Upgrade::Field(protocol) => {
            let is_handshake = request.method == Method::GET
                && request.length == Length::Fixed(0)
                && protocol.as_bytes().eq_ignore_ascii_case(b"websocket");
            (is_handshake || !service.is_multiplexed()).then_some(protocol)
        }
    }
}

/// RFC 6455, section 4.2.1: where the backend speaks HTTP/2, it is we who finish the handshake of HTTP/1.1, and so look at its key.
fn has_key(headers: &HeaderMap) -> bool {
    let mut keys = headers.get_all(header::SEC_WEBSOCKET_KEY).iter();
    let is_key = |key: &HeaderValue| BASE64.decode(key.as_bytes()).is_ok_and(|key| key.len() == 16);
    keys.next().is_some_and(is_key) && keys.next().is_none()
}

/// RFC 8441, section 5: to who asked for another protocol over HTTP/2, any 2xx says that the stream speaks it from here on. An
/// HTTP/1 backend that answers 200 has only ignored the wish.
fn opened(answer: &Answer<Content>, upgrade: Option<&Upgrade>) -> Result<()> {
    let asked = matches!(upgrade, Some(Upgrade::Connect(_)));
    if asked && answer.status.is_success() && !matches!(answer.body, Content::Tunnel(_)) {
        return Err(Error::new(Kind::NotUpgraded, ""));
    }
    Ok(())
}

/// The backend's answer as the client gets it.
fn respond(answer: Answer<Content>, route: &Route, upgrade: Option<Upgrade>, deadline: Option<Alarm>) -> Outcome {
    let mut response = Response::new(());
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    change(response.headers_mut(), &route.response_headers);
    if matches!((&answer.body, &upgrade), (Content::Tunnel(_), Some(Upgrade::Connect(_)))) {
        // RFC 8441, section 5: a 200 stands for the 101
        *response.status_mut() = StatusCode::OK;
        response.headers_mut().remove(header::UPGRADE);
        response.headers_mut().remove(header::SEC_WEBSOCKET_ACCEPT);
    }
    Outcome::Backend(response.map(|()| answer.body), deadline)
}

/// Seconds since 1970, which cookies count in: they outlive the process and its own clock.
fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn redirect(
    to: &crate::snapshot::RedirectTemplate,
    status: StatusCode,
    request: &Request,
    route: &Route,
) -> Result<Response<Bytes>> {
    let host = request.host.as_ref().and_then(|host| host.to_str().ok()).unwrap_or_default();
    let location = to.render(host, request.uri.path(), request.uri.query());
    let location = location.ok_or(Error::new(Kind::MalformedRequest, "its target can't be a Location"))?;
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    response.headers_mut().insert(header::LOCATION, location);
    change(response.headers_mut(), &route.response_headers);
    Ok(response)
}
