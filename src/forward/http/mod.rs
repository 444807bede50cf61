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
mod error_page;
mod exchange;
mod rate_limits;
mod load_report;
mod maintenance;
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
use http::header::{HeaderMap, HeaderValue};

use super::{Ingress, Worker};
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
use crate::snapshot::{Action, Current, Listener, Route, Service};
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
use request::max_forwards;
use request::sender::{self, Trust};
use routing::{asked, compared};

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
        // boxed: it would be moved with its answer, again and again
        let mut exchange = Box::new(Exchange::begin(&self.ingress, &snapshot, listener));
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
        let mut answered = self.run(&snapshot, &mut request, &context, (&mut exchange, &mut told)).await;
        if let Ok(answered) = &mut answered {
            told.put(answered.headers_mut());
        }
        match answered {
            Ok(AnsweredBy::Us(response)) => self.own(response, &context, exchange),
            Ok(AnsweredBy::Backend(mut response, deadline)) => {
                if let Some(wish) = context.wish.get() {
                    Box::pin(wish.apply_to_stream(&mut response, &self.worker)).await;
                }
                exchange.answered(response.status(), response.body().rest());
                exchange.answered_with(response.headers());
                let pace = exchange.take_download_pace();
                response.map(|content| Body::new(content, pace, deadline, Some(exchange)))
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
                let mut answer = explained(error.kind(), grpc, (&context, &request.headers), &mut exchange);
                told.put(answer.headers_mut());
                self.own(answer, &context, exchange)
            }
        }
    }

    fn refuse(&self, error: &Error, what: &Partial<'_>) -> Response<Body> {
        tracing::debug!(%error, "a request was refused");
        let Some((snapshot, listener)) = self.ingress.current() else { return without_listener() };
        let mut exchange = Box::new(Exchange::begin(&self.ingress, &snapshot, listener));
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
        let values = context.answering(None);
        let mut answer = error_answer::explain(error.kind(), None, &values, what.accept.into_iter());
        values.complete(&mut answer, Message::Error);
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

impl AnsweredBy {
    fn headers_mut(&mut self) -> &mut HeaderMap {
        match self {
            Self::Us(response) => response.headers_mut(),
            Self::Backend(response, _) => response.headers_mut(),
        }
    }
}

/// The answer to an exchange that failed: in the form of gRPC to a call, whose content type is given; else what its service has for such
/// times, or an error, in the form that is preferred by these fields of its request.
fn explained(
    kind: Kind,
    grpc: Option<HeaderValue>,
    (context, headers): (&Context<'_>, &HeaderMap),
    exchange: &mut Exchange,
) -> Response<Bytes> {
    if grpc.is_some() {
        exchange.grpc_call_answered(error_answer::grpc_code(kind));
    }
    let values = context.answering(exchange.service());
    let mut answer = match grpc {
        Some(content_type) => error_answer::grpc(kind, content_type),
        None => {
            // one that was turned away has asked nobody
            let fallback = exchange.service().and(exchange.asked()).and_then(|service| service.fallback.as_ref());
            error_answer::explain(kind, fallback, &values, context.accept(headers))
        }
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

/// An answer that is not recorded.
fn unrecorded(kind: Kind) -> Response<Body> {
    error_answer::answer(kind).map(|bytes| Body::new(Content::Own(bytes), None, None, None))
}

/// The answer when no snapshot knows the connection's listener. The order in which listeners go makes that impossible; without a listener
/// the exchange can't even be recorded.
fn without_listener() -> Response<Body> {
    unrecorded(Kind::Internal)
}

impl Connection {
    /// An answer of ours.
    fn own(&self, response: Response<Bytes>, context: &Context<'_>, mut exchange: Box<Exchange>) -> Response<Body> {
        let mut response = response.map(Content::Own);
        if let Some(wish) = context.wish.get() {
            wish.apply(&mut response, &self.worker);
        }
        exchange.answered(response.status(), Rest::Whole);
        exchange.answered_with(response.headers());
        let pace = exchange.take_download_pace();
        response.map(|content| Body::new(content, pace, None, Some(exchange)))
    }

    async fn run<'s>(
        &self,
        snapshot: &'s Rc<Current>,
        request: &mut Request,
        context: &Context<'s>,
        (exchange, told): (&mut Exchange, &mut Told),
    ) -> Result<AnsweredBy> {
        let found = self.find_route(context.listener, request, exchange);
        // before anything is answered: pages of other origins may read what they are told
        let preflight = found.as_ref().ok().and_then(|(route, _)| context.takes(route, request));
        if admission::is_counted(context.listener, found.as_ref().ok().map(|(route, _)| *route))
            && let Some(answer) = self.count(found.as_ref().ok(), request, context, exchange).await?
        {
            return Ok(AnsweredBy::Us(answer));
        }
        let (route, meaning) = match found {
            Ok(found) => found,
            Err(error) => {
                context.is_taken_by_none(request);
                return Err(self.or_maintenance(error, context, request));
            }
        };
        // pages of other origins may read what they are shown
        if preflight.is_none() {
            self.gets_through_listener((snapshot, route), context, request, exchange)?;
        }
        if route.guard.is_some() {
            let entrance = Entrance { snapshot, route, context, exchange: &mut *exchange, told };
            if let Some(answer) = self.admit(request, meaning.as_ref(), preflight.is_some(), entrance).await? {
                return Ok(AnsweredBy::Us(answer));
            }
        }
        let asked = match &route.action {
            // nearly all of them: nothing is made that could be the answer
            Action::Service(service) if preflight.is_none() && !max_forwards::is_counted(&request.method) => *service,
            _ => match preflight.map_or_else(|| asked(snapshot, route, request, context), |p| Ok(Err(p)))? {
                Ok(service) => service,
                Err(mut response) => {
                    context.answering(None).complete(&mut response, Message::Regular);
                    return Ok(AnsweredBy::Us(response));
                }
            },
        };
        let service = self.working(snapshot, asked, compared(request, meaning.as_ref()), exchange);
        self.is_served((&snapshot.services[asked], service.as_ref().ok().copied()), context, request)?;
        let service = service?;
        if let Some(mirror) = &route.mirror {
            let way = mirror::Way { snapshot, route, context, meaning: meaning.as_ref() };
            self.mirror(mirror, request, &way, exchange);
        }
        self.ask(request, (route, service), context, meaning.as_ref(), exchange).await
    }

    /// Has a backend of the service answer.
    async fn ask(
        &self,
        request: &mut Request,
        (route, service): (&Route, &Service),
        context: &Context<'_>,
        meaning: Option<&Meaning>,
        exchange: &mut Exchange,
    ) -> Result<AnsweredBy> {
        // before anything is changed: clients are told apart by what they have sent
        let keys = self.keys(context.listener, service, request);
        let priority = self.priority(route, request);
        request::prepare(request, context, route, service, exchange.trace().is_some(), meaning)?;
        upgrade::complete_handshake(request, &self.worker.random);
        let timeouts = route.timeouts(service);
        let mut deadline = timeouts.total.map(|total| Alarm::new(&self.worker.timers, total));
        let body = paced::upload(std::mem::take(&mut request.body), exchange);
        let no_host = HeaderValue::from_static("");
        let upstream_request = UpstreamRequest {
            worker: &self.worker,
            service,
            line: request::line(request, service, &no_host),
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
        let values = context.answered(service, backend);
        let is_error = response.status().as_u16() >= 400 && grpc::call(&request.headers).is_none();
        let is_replaced = is_error && error_page::replace(&mut response, &values, context.accept(&request.headers));
        values.complete(&mut response, if is_replaced { Message::Error } else { Message::Regular });
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

    /// The connections to backends that carry this client only, since each begins with a PROXY header that names it.
    fn dedicated(&self, version: ProxyHeader, listener: &Listener) -> Dedicated<'_> {
        let pools = self.own.get_or_init(|| Box::new(ClientPools::new(self.worker.index, &self.worker.timers)));
        Dedicated { pools, header: self.worker.header(&self.peer, version, listener) }
    }

    fn sender(&self, listener: &Listener, request: &Request) -> Option<IpAddr> {
        sender::find(&self.client, &request.headers, Trust::of(listener))
    }
}
