//! `auth = { forward = { ... } }`: another service is asked whether the client may come in.
//!
//! It is asked as any service is: a place at one of its backends, attempts, time-outs, and what comes of them for the backends. So the question is an exchange of its own
//! within that of the client, and whatever goes wrong with it is charged to that service. Nobody comes in by something that has gone wrong.

use std::cell::Cell;
use std::future::poll_fn;
use std::task::Poll;

use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Response};

use super::super::attempts::{self, UpstreamRequest};
use super::super::body::Content;
use super::super::exchange::{Exchange, Rest};
use super::super::request::changes::{Message, change};
use super::super::request::client_ip;
use super::super::{Connection, error_answer};
use super::{Entrance, Entry, Told};
use crate::auth::Forward;
use crate::auth::forward::{Verdict, verdict};
use crate::error::{Error, Kind, Result};
use crate::forward::placement::keys::Keys;
use crate::policy::Timeouts;
use crate::protocol::http::fields::{X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PROTO};
use crate::protocol::http::length::Length;
use crate::protocol::http::{Request, RequestBody, RequestLine, Upgrade, grpc};
use crate::snapshot::Service;
use crate::timer::Alarm;
use crate::trace::{TRACEPARENT, TRACESTATE};
use crate::upstream::Answer;
use crate::upstream::terms::{Terms, too_late};

/// The method and the target of the request that is asked about.
const X_FORWARDED_METHOD: HeaderName = HeaderName::from_static("x-forwarded-method");
const X_FORWARDED_URI: HeaderName = HeaderName::from_static("x-forwarded-uri");

/// What a proxy that is trusted has said of those before it.
const SAID_BEFORE: [HeaderName; 4] = [header::FORWARDED, X_FORWARDED_FOR, X_FORWARDED_PROTO, X_FORWARDED_HOST];

/// The longest page of a no, in bytes. It is kept whole until it is there, so that it is whole or not sent at all.
const LONGEST_PAGE: usize = 256 << 10;

impl Connection {
    /// Has the service say whether the client may come in. What it says of the client is put into the request.
    ///
    /// # Errors
    ///
    /// [`Kind::Undecided`] when it says nothing that could be used; [`Kind::ClientGone`] when the client has left meanwhile. To a call of gRPC, which can't
    /// take the page of a no, [`Kind::Denied`] or [`Kind::Unauthenticated`].
    pub(super) async fn has_consent(
        &self,
        forward: &Forward,
        request: &mut Request,
        entrance: &mut Entrance<'_, '_>,
    ) -> Result<Entry> {
        let answer = self.ask_for_consent(forward, request, entrance).await;
        let mut answer = answer.map_err(|error| match error.kind() {
            Kind::ClientGone => error,
            _ => Error::new(Kind::Undecided, "the service was not heard").because(error),
        })?;
        match verdict(answer.status, &answer.headers) {
            Verdict::Yes => {
                forward.tell_backend(&answer.headers, &mut request.headers);
                *entrance.told = Told::new(forward.told_to_client(&answer.headers));
                Ok(Entry::Admitted(None))
            }
            Verdict::No(kind) => {
                let error = Error::new(kind, "the service says no");
                if grpc::call(&request.headers).is_some() {
                    if let Some(challenge) = answer.headers.remove(header::WWW_AUTHENTICATE) {
                        entrance.told.challenge(challenge);
                    }
                    return Err(error);
                }
                let Answer { status, headers, body } = answer;
                let body = body.ok_or(Error::new(Kind::Undecided, "its page is too long, or did not come"))?;
                entrance.exchange.failed(&error);
                Ok(Entry::Answered(Box::new(refusal(Answer { status, headers, body }))))
            }
            Verdict::Unclear => Err(Error::new(Kind::Undecided, "it says neither yes nor no")),
        }
    }

    /// Asks, and reads the answer. `None`: its body is too long, or did not come.
    async fn ask_for_consent(
        &self,
        forward: &Forward,
        request: &Request,
        entrance: &Entrance<'_, '_>,
    ) -> Result<Answer<Option<Bytes>>> {
        let mut question = Exchange::begin(&self.ingress, entrance.snapshot, entrance.context.listener.index);
        let answer = self.answer_of(forward, request, entrance, &mut question).await;
        if let Err(error) = &answer {
            question.failed(error);
            if error.kind() != Kind::ClientGone {
                question.answered(error_answer::answer(error.kind()).status(), Rest::Whole);
            }
        }
        answer
    }

    async fn answer_of(
        &self,
        forward: &Forward,
        request: &Request,
        entrance: &Entrance<'_, '_>,
        question: &mut Exchange,
    ) -> Result<Answer<Option<Bytes>>> {
        let Entrance { snapshot, route, context, .. } = *entrance;
        let service = self.working(snapshot, forward.service, forward.target.path(), question)?;
        let keys = Keys { affinity: None, ..self.keys(context.listener, service, request) };
        let mut headers = self.question(forward, request, service, entrance);
        let host = headers.remove(header::HOST).unwrap_or(HeaderValue::from_static(""));
        let mut deadline = Alarm::new(&self.worker.timers, forward.timeout);
        let upstream_request = UpstreamRequest {
            worker: &self.worker,
            service,
            line: RequestLine {
                method: &Method::GET,
                uri: &forward.target,
                host: &host,
                forwarded: None,
                traceparent: None,
                length: Length::Fixed(0),
                upgrade: None,
                te_trailers: false,
                expect_continue: false,
            },
            headers: &headers,
            terms: Terms {
                timeouts: Timeouts { total: Some(forward.timeout), ..service.timeouts },
                timers: &self.worker.timers,
                interim: None,
                deadline: Some(deadline.deadline()),
                heads: service.heads,
                dedicated: service.proxy_header.map(|version| self.dedicated(version, context.listener)),
            },
            keys: &keys,
            priority: self.priority(route, request),
            client: request.presence.as_ref(),
            connected: None::<Cell<_>>,
        };
        let answer = attempts::send(&upstream_request, RequestBody::Empty, Some(&mut deadline), question).await;
        let Answer { status, mut headers, body } = answer?;
        question.take_backend_words(&mut headers);
        question.answered(status, body.rest());
        let body = read(body, &mut deadline, question).await;
        // a yes needs no page
        let body = body.inspect_err(|error| question.failed(error)).unwrap_or_default();
        Ok(Answer { status, headers, body })
    }

    /// The fields of the question.
    fn question(
        &self,
        forward: &Forward,
        request: &Request,
        service: &Service,
        entrance: &Entrance<'_, '_>,
    ) -> HeaderMap {
        let context = entrance.context;
        let mut headers = HeaderMap::with_capacity(16);
        let mut pass_on = |name: &HeaderName| {
            request.headers.get_all(name).iter().for_each(|value| _ = headers.append(name, value.clone()));
        };
        forward.request_headers.iter().for_each(&mut pass_on);
        if self.client.trusted {
            SAID_BEFORE.iter().for_each(&mut pass_on);
        }
        match entrance.exchange.trace() {
            Some(trace) => {
                pass_on(&TRACESTATE);
                if let Ok(value) = HeaderValue::from_bytes(trace.entry_traceparent().as_bytes()) {
                    headers.insert(TRACEPARENT, value);
                }
            }
            None => [TRACEPARENT, TRACESTATE].iter().for_each(&mut pass_on),
        }
        if let Some(name) = &context.listener.client_ip_header {
            let sender = self.sender(context.listener, request);
            client_ip::put(&mut headers, name, sender);
        }
        self.client.forward(&mut headers, request.host.as_ref());
        // RFC 8441, section 4: what asks for a tunnel by CONNECT is the handshake that is a GET in HTTP/1.1
        let is_handshake = matches!(request.upgrade, Some(Upgrade::Connect(_)));
        let method = if is_handshake { &Method::GET } else { &request.method };
        let target = request.uri.path_and_query().map_or("/", |target| target.as_str());
        for (name, value) in [(X_FORWARDED_METHOD, method.as_str()), (X_FORWARDED_URI, target)] {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        }
        if let Some(id) = &context.id {
            id.put(&mut headers);
        }
        let values = context.asking(service);
        change(&mut headers, &service.request_headers, Message::Regular, |template| values.field(template));
        headers
    }
}

/// Reads a body to its end, so that its connection can be used again; `None` = it is too long, and nothing more of it was read.
async fn read(mut body: Content, deadline: &mut Alarm, question: &mut Exchange) -> Result<Option<Bytes>> {
    let mut whole = BytesMut::new();
    loop {
        let frame = poll_fn(|cx| match body.poll_frame(cx) {
            Poll::Pending => deadline.poll(cx).map(|()| Some(Err(too_late(false)))),
            ready => ready,
        });
        let Some(frame) = frame.await else { break };
        let Ok(data) = frame?.into_data() else { continue };
        question.sent(data.len() as u64);
        if whole.len() + data.len() > LONGEST_PAGE {
            question.broke_off();
            return Ok(None);
        }
        whole.extend_from_slice(&data);
    }
    question.backend_done();
    Ok(Some(whole.freeze()))
}

/// The answer of a service that says no, as the client gets it: all of it but for what frames a message, and not to be kept for others.
fn refusal(answer: Answer<Bytes>) -> Response<Bytes> {
    let mut response = Response::new(answer.body);
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_LENGTH);
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}
