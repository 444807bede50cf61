//! The story of an HTTP exchange, from the request's head to the answer's: a route is found, the request is changed, a backend is asked (or
//! more than one), and its answer is given to the client, or one of our own.

mod admission;
mod attempts;
mod authorize;
mod body;
mod content_fields;
mod context;
mod cors;
mod error_answer;
mod exchange;
mod limited;
mod load_report;
mod mirror;
mod own_answer;
mod paced;
mod recode;
mod request;
mod routing;
mod split;
mod tied;
mod upgrade;

use std::cell::{Cell, OnceCell};
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use http::header::HeaderValue;

use super::{Ingress, Worker};
use crate::clock::Moment;
use crate::endpoint::standing::WHOLE;
use crate::error::{Error, Kind, Result};
use crate::layer4::proxy_protocol::Peer;
use crate::limit::Place;
use crate::metrics::ListenerMetrics;
use crate::policy::{ProxyHeader, Tracing};
use crate::protocol::http::fields::Client;
use crate::protocol::http::grpc;
use crate::protocol::http::partial::Partial;
use crate::protocol::http::{Handler, Request};
use crate::record::access::ExchangeEntry;
use crate::route::meaning::Meaning;
use crate::snapshot::{Action, Current, Listener, Route, Service, Snapshot};
use crate::timer::Alarm;
use crate::tls::{ClientCertificate, Resolver};
use crate::trace::RequestFacts;
use crate::upstream::terms::{Dedicated, Terms};
use crate::upstream::{Answer, ClientPools};
use attempts::UpstreamRequest;
use authorize::{Entrance, Told};
pub use body::Body;
use body::Content;
use context::Context;
use exchange::{Exchange, Rest, access};
use request::changes::Message;
use request::id::RequestId;
use request::{max_forwards, sender};
use routing::compared;

/// A client's connection, as its exchanges see it.
#[derive(Debug)]
pub struct Connection {
    /// The worker that serves it.
    pub worker: Rc<Worker>,
    /// The listener that accepted it.
    pub ingress: Rc<Ingress>,
    /// Who the client is.
    pub peer: Peer,
    /// What is added to each request to tell backends who the client is.
    pub client: Client,
    /// The version of TLS that the client speaks.
    pub tls_version: Option<&'static str>,
    /// The cipher suite of its TLS.
    pub tls_cipher: Option<&'static str>,
    /// The name that the client asked for in TLS, and the certificates that there were for it.
    pub sni: Option<(String, Arc<Resolver>)>,
    /// The certificate that the client has shown.
    pub certificate: Option<Box<ClientCertificate>>,
    /// It speaks plain HTTP on a listener for TLS: its requests are answered with an error that says so.
    pub is_plain_on_tls: bool,
    /// The listener's counters.
    pub metrics: Arc<ListenerMetrics>,
    /// It is counted as one of its client's, where a listener limits what each client has.
    pub place: Option<Place>,
    /// Its own connections to backends that are told of it with a PROXY header.
    pub own: OnceCell<Box<ClientPools>>,
}

impl Handler for Connection {
    type Body = Body;

    async fn handle(&self, mut request: Box<Request>) -> Response<Body> {
        let Some((snapshot, listener)) = self.ingress.current() else { return without_listener() };
        let mut exchange = Exchange::begin(&self.ingress, &snapshot, listener);
        let listener = &*snapshot.listeners[listener];
        let id = listener.request_id.as_ref();
        let id = id.map(|name| RequestId::assign(name, &mut request, &self.client, &self.worker));
        let context = Context::new(self, listener, id, Some(&request));
        if self.worker.recorder.logs_access() {
            let client = self.sender(listener, &request);
            let mut entry = access::of(&mut request, snapshot.access_lines(), client, self.peer.told());
            self.note_in(&mut entry, context.id.as_ref());
            exchange.log_access(entry);
        }
        if let Some(tracing) = &snapshot.tracing {
            self.begin_trace(tracing, listener, &mut request, &mut exchange);
        }
        let grpc = grpc::call(&request.headers).cloned();
        if grpc.is_some() {
            exchange.is_grpc_call();
        }
        let mut told = Told::default();
        match self.run(&snapshot, request, &context, (&mut exchange, &mut told)).await {
            Ok(AnsweredBy::Us(mut response)) => {
                told.put(response.headers_mut());
                self.own(response, &context, exchange)
            }
            Ok(AnsweredBy::Backend(mut response, deadline)) => {
                told.put(response.headers_mut());
                if let Some(wish) = context.wish.get() {
                    Box::pin(wish.apply_to_stream(&mut response, &self.worker)).await;
                }
                exchange.answered(response.status(), response.body().rest());
                exchange.answered_with(response.headers());
                response.map(|content| Body::new(content, deadline, Some(exchange)))
            }
            Err(error) => {
                tracing::debug!(%error, "an exchange failed");
                exchange.failed(&error);
                if error.kind() == Kind::ClientGone {
                    if grpc.is_some() {
                        exchange.grpc_call_answered(error_answer::grpc_code(error.kind()));
                    }
                    return unrecorded(error.kind());
                }
                let mut answer = explained(error.kind(), grpc, &context, &mut exchange);
                told.put(answer.headers_mut());
                self.own(answer, &context, exchange)
            }
        }
    }

    fn refuse(&self, error: &Error, what: &Partial<'_>) -> Response<Body> {
        tracing::debug!(%error, "a request was refused");
        let Some((snapshot, listener)) = self.ingress.current() else { return without_listener() };
        let mut exchange = Exchange::begin(&self.ingress, &snapshot, listener);
        let listener = &*snapshot.listeners[listener];
        let id = listener.request_id.as_ref().map(|name| RequestId::new(name, &self.worker));
        let context = Context::new(self, listener, id, None);
        if self.worker.recorder.logs_access() {
            let lines = snapshot.access_lines();
            let mut entry = access::of_refused(what, lines, self.client.address, self.peer.told());
            self.note_in(&mut entry, context.id.as_ref());
            exchange.log_access(entry);
        }
        exchange.refused(error);
        let mut answer = error_answer::answer(error.kind());
        context.answering(None).complete(&mut answer, Message::Error);
        self.own(answer, &context, exchange)
    }

    fn transferred(&self, received: u64, sent: u64) {
        self.metrics.transferred(self.worker.index, received, sent);
    }
}

/// Who answers. It lives for a moment on the stack: boxing the large variant would cost every exchange an allocation.
#[allow(clippy::large_enum_variant)]
enum AnsweredBy {
    /// We do.
    Us(Response<Bytes>),
    /// A backend does; the rest of its answer has until this deadline.
    Backend(Response<Content>, Option<Alarm>),
}

/// The answer to an exchange that failed: in the form of gRPC to a call, whose content type is given; else what its service has for such
/// times, or an error.
fn explained(kind: Kind, grpc: Option<HeaderValue>, context: &Context<'_>, exchange: &mut Exchange) -> Response<Bytes> {
    if grpc.is_some() {
        exchange.grpc_call_answered(error_answer::grpc_code(kind));
    }
    let values = context.answering(exchange.service());
    let fallback = || {
        let fallback = exchange.asked()?.fallback.as_ref()?;
        error_answer::fallback(kind, fallback, &values)
    };
    let mut answer = match grpc {
        Some(content_type) => error_answer::grpc(kind, content_type),
        None => fallback().unwrap_or_else(|| error_answer::answer(kind)),
    };
    values.complete(&mut answer, Message::Error);
    answer
}

/// A backend's answer.
fn passed_on(answer: Answer<Content>) -> Response<Content> {
    let mut response = Response::new(answer.body);
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    response
}

/// The service that a request asks for, or the answer to one that goes no further.
fn asked(
    snapshot: &Snapshot,
    route: &Route,
    request: &mut Request,
    context: &Context<'_>,
) -> Result<std::result::Result<usize, Response<Bytes>>> {
    let service = match &route.action {
        Action::Service(service) => *service,
        Action::Split(split) => {
            let from = (context.connection, context.listener);
            snapshot.choose(split, split::point(split, request, from, &context.new_point))
        }
        Action::Redirect { to, status } => return own_answer::redirect(to, *status, context).map(Err),
        Action::Respond { status, body, content_type } => {
            return Ok(Err(own_answer::text(*status, body, content_type, context)));
        }
    };
    Ok(max_forwards::count(request).map_or(Ok(service), Err))
}

/// An answer that is not recorded.
fn unrecorded(kind: Kind) -> Response<Body> {
    error_answer::answer(kind).map(|bytes| Body::new(Content::Own(bytes), None, None))
}

/// The answer when no snapshot knows the connection's listener. The order in which listeners go makes that impossible; without a listener
/// the exchange can't even be recorded.
fn without_listener() -> Response<Body> {
    unrecorded(Kind::Internal)
}

impl Connection {
    /// An answer of ours.
    fn own(&self, response: Response<Bytes>, context: &Context<'_>, mut exchange: Exchange) -> Response<Body> {
        let mut response = response.map(Content::Own);
        if let Some(wish) = context.wish.get() {
            wish.apply(&mut response, &self.worker);
        }
        exchange.answered(response.status(), Rest::Whole);
        exchange.answered_with(response.headers());
        response.map(|content| Body::new(content, None, Some(exchange)))
    }

    async fn run<'s>(
        &self,
        snapshot: &'s Rc<Current>,
        mut request: Box<Request>,
        context: &Context<'s>,
        (exchange, told): (&mut Exchange, &mut Told),
    ) -> Result<AnsweredBy> {
        let listener = context.listener;
        let (route, meaning) = match self.find_route(listener, &mut request, exchange) {
            Ok(found) => found,
            Err(error) => {
                context.is_taken_by_none(&request);
                return Box::pin(self.without_route(error, &request, context, exchange)).await;
            }
        };
        let preflight = context.takes(route, &request);
        let entrance = Entrance { snapshot, route, context, exchange: &mut *exchange, told };
        if let Some(answer) = self.admit(&mut request, meaning.as_ref(), preflight.is_some(), entrance).await? {
            return Ok(AnsweredBy::Us(answer));
        }
        let asked = match preflight.map_or_else(|| asked(snapshot, route, &mut request, context), |p| Ok(Err(p)))? {
            Ok(service) => service,
            Err(mut response) => {
                context.answering(None).complete(&mut response, Message::Regular);
                return Ok(AnsweredBy::Us(response));
            }
        };
        let service = self.working(snapshot, asked, compared(&request, meaning.as_ref()), exchange)?;
        if let Some(mirror) = &route.mirror {
            let way = mirror::Way { snapshot, route, context, meaning: meaning.as_ref() };
            self.mirror(mirror, &mut request, &way, exchange);
        }
        self.ask(request, (route, service), context, meaning.as_ref(), exchange).await
    }

    /// Has a backend of the service answer.
    async fn ask(
        &self,
        mut request: Box<Request>,
        (route, service): (&Route, &Service),
        context: &Context<'_>,
        meaning: Option<&Meaning>,
        exchange: &mut Exchange,
    ) -> Result<AnsweredBy> {
        // before anything is changed: clients are told apart by what they have sent
        let keys = self.keys(context.listener, service, &request);
        let priority = self.priority(route, &request);
        request::prepare(&mut request, context, route, service, exchange.trace().is_some(), meaning)?;
        upgrade::complete_handshake(&mut request, &self.worker.random);
        let timeouts = route.timeouts(service);
        let mut deadline = timeouts.total.map(|total| Alarm::new(&self.worker.timers, total));
        let body = paced::upload(std::mem::take(&mut request.body), exchange);
        let no_host = HeaderValue::from_static("");
        let upstream_request = UpstreamRequest {
            worker: &self.worker,
            service,
            line: request::line(&request, service, &no_host),
            headers: &request.headers,
            terms: Terms {
                timeouts,
                timers: &self.worker.timers,
                interim: request.interim.as_ref(),
                deadline: deadline.as_ref().map(Alarm::deadline),
                heads: service.heads,
                dedicated: service.proxy_header.map(|version| self.dedicated(version, context.listener)),
            },
            keys: &keys,
            priority,
            client: request.presence.as_ref(),
            connected: exchange.wants_times().then(Cell::default),
        };
        upgrade::check_key(&upstream_request.line, &request.headers, service)?;
        let answer = attempts::send(&upstream_request, body, deadline.as_mut(), exchange).await;
        exchange.connected(upstream_request.connected.and_then(Cell::into_inner));
        let mut answer = answer?;
        exchange.take_backend_words(&mut answer.headers);
        upgrade::check_answer(&answer, request.upgrade.as_ref())?;
        self.keep_session(service, &keys, exchange, &mut answer.headers);
        let mut response = passed_on(answer);
        let backend = exchange.backend().map(|backend| &*service.endpoints[backend].id);
        context.answered(service, backend).complete(&mut response, Message::Regular);
        upgrade::answer_connect(&mut response, request.upgrade.as_ref());
        Ok(AnsweredBy::Backend(response, deadline))
    }

    /// Notes for the access log what the connection knows of its client's TLS, and the request's id.
    fn note_in(&self, entry: &mut ExchangeEntry, id: Option<&RequestId<'_>>) {
        entry.request_id = id.map(|id| id.value().clone());
        if entry.lines.wants.tls {
            entry.chosen.tls_version = self.tls_version;
            entry.chosen.server_name = self.sni.as_ref().map(|(name, _)| name.as_str().into());
        }
    }

    /// The exchange is traced.
    fn begin_trace(&self, tracing: &Tracing, listener: &Listener, request: &mut Request, exchange: &mut Exchange) {
        let facts = RequestFacts {
            method: request.method.clone(),
            uri: request.uri.clone(),
            host: request.host.clone(),
            version: request.version,
            client: self.sender(listener, request),
            is_tls: self.client.is_tls(),
            began: exchange.began(),
            length: request.length.known(),
        };
        exchange.begin_trace(self.worker.tracer.begin(tracing, facts, &mut request.headers));
    }

    /// The service whose backends do the work of an exchange with the service at this place.
    ///
    /// # Errors
    ///
    /// When the path is cut off.
    fn working<'s>(
        &self,
        snapshot: &'s Snapshot,
        asked: usize,
        path: &str,
        exchange: &mut Exchange,
    ) -> Result<&'s Service> {
        let service = snapshot.working(asked, || self.worker.random.borrow_mut().u32(..WHOLE));
        exchange.goes_to(asked, service);
        match snapshot.cut_off(asked, path, || Moment::at(exchange.began())) {
            None => Ok(&snapshot.services[service]),
            Some(left) => {
                let seconds = u32::try_from(left.as_millis().div_ceil(1000)).unwrap_or(u32::MAX);
                Err(Error::new(Kind::CutOff(seconds), ""))
            }
        }
    }

    /// The connections to backends that carry this client only, since each begins with a PROXY header that names it.
    fn dedicated(&self, version: ProxyHeader, listener: &Listener) -> Dedicated<'_> {
        let pools = self.own.get_or_init(|| Box::new(ClientPools::new(self.worker.index, &self.worker.timers)));
        Dedicated { pools, header: self.worker.header(&self.peer, version, listener) }
    }

    fn sender(&self, listener: &Listener, request: &Request) -> Option<IpAddr> {
        sender::find(&self.client, &request.headers, &listener.trusted_proxies)
    }
}
