//! What is known of a request while it is served, for values with variables and for the changes that listener, service and route want in fields.

use std::cell::{Cell, OnceCell};
use std::fmt::Display;
use std::io::Write as _;
use std::iter;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Response, StatusCode, Uri};

use super::Connection;
use super::recode::Wish;
use super::request::changes::{Message, change};
use super::request::id::RequestId;
use super::{cors, split};
use crate::clock::rfc3339;
use crate::pages::{self, ErrorPages, PageFile};
use crate::policy::escape::Escape;
use crate::policy::template::{AnswerBody, Piece, Template};
use crate::policy::variables::Variable;
use crate::protocol::http::Request;
use crate::route::without_port;
use crate::snapshot::{Listener, Maintenance, Route, Service};

/// So much memory a worker keeps for the next value, in bytes; what a request with an extraordinarily long target has needed is given back.
const MOST_SCRATCH: usize = 64 << 10;

/// What is known of a request while it is served.
pub struct Context<'a> {
    /// The client's connection.
    pub connection: &'a Connection,
    /// The listener that it came by.
    pub listener: &'a Listener,
    /// Its id, where it has one.
    pub id: Option<RequestId<'a>>,
    /// The route that takes it, once it was found.
    route: Cell<Option<&'a Route>>,
    /// What the answer says of who may read it, where the route says who may: the origin.
    allowed_origin: OnceCell<HeaderValue>,
    /// It is a preflight that is answered here.
    is_preflight: Cell<bool>,
    /// What is to be done with the content of the answer; `None` = nothing.
    pub wish: Cell<Option<Wish<'a>>>,
    /// Where the client stands in splits, if the answer is to tell it so.
    pub new_point: Cell<Option<u16>>,
    /// The maintenance that its client is shown, if it is shown one.
    pub maintenance: Cell<Option<&'a Maintenance>>,
    /// What the request said when it came, before anything was changed. It is kept only where a value has variables, because that costs an
    /// allocation.
    said: Option<Box<Said>>,
}

/// What a request said when it came.
#[derive(Debug)]
struct Said {
    method: Method,
    uri: Uri,
    host: Option<HeaderValue>,
    accept: Option<HeaderValue>,
    client: Option<IpAddr>,
}

/// What variables stand for at one place.
#[derive(Clone, Copy)]
pub struct Values<'a, 'c> {
    context: &'a Context<'c>,
    /// The service whose backends do the work, where one does.
    service: Option<&'a Service>,
    /// The id of the backend that has answered.
    backend: Option<&'a str>,
    /// The status of the answer, where that is to be told.
    status: Option<StatusCode>,
}

impl<'a> Context<'a> {
    /// Of a request that came by this connection; `None` = what came was refused before it became a request.
    pub fn new(
        connection: &'a Connection,
        listener: &'a Listener,
        id: Option<RequestId<'a>>,
        request: Option<&Request>,
    ) -> Self {
        let said = request.filter(|_| listener.has_variables).map(|request| {
            Box::new(Said {
                method: request.method.clone(),
                uri: request.uri.clone(),
                host: request.host.clone(),
                accept: lines_of(&request.headers, &header::ACCEPT),
                client: connection.sender(listener, request),
            })
        });
        Self {
            connection,
            listener,
            id,
            route: Cell::new(None),
            allowed_origin: OnceCell::new(),
            is_preflight: Cell::new(false),
            wish: Cell::new(None),
            new_point: Cell::new(None),
            maintenance: Cell::new(None),
            said,
        }
    }

    /// This route takes the request. Returns the answer to a preflight of a page of another origin.
    pub fn takes(&self, route: &'a Route, request: &Request) -> Option<Response<Bytes>> {
        self.route.set(Some(route));
        if let Some(rules) = &route.recoding {
            self.wish.set(Some(Wish::of(rules, request)));
        }
        let cors = route.cors.as_ref()?;
        let allowed = cors::allowed(cors, request);
        let preflight = cors::preflight(cors, request, allowed.is_some());
        self.is_preflight.set(preflight.is_some());
        if let Some(origin) = allowed {
            // it is the first to be set
            let _ = self.allowed_origin.set(origin);
        }
        preflight
    }

    /// No route takes the request.
    pub fn is_taken_by_none(&self, request: &Request) {
        if let Some(rules) = &self.listener.recoding {
            self.wish.set(Some(Wish::of(rules, request)));
        }
    }

    /// What variables stand for in requests to this service.
    pub fn asking<'s>(&'s self, service: &'s Service) -> Values<'s, 'a> {
        Values { context: self, service: Some(service), backend: None, status: None }
    }

    /// What variables stand for in an answer of our own. `service`: the one that was asked, or would have been.
    pub fn answering<'s>(&'s self, service: Option<&'s Service>) -> Values<'s, 'a> {
        Values { context: self, service, backend: None, status: None }
    }

    /// What variables stand for in the answer of this backend.
    pub fn answered<'s>(&'s self, service: &'s Service, backend: Option<&'s str>) -> Values<'s, 'a> {
        Values { context: self, service: Some(service), backend, status: None }
    }
}

impl<'a, 'c> Values<'a, 'c> {
    /// The same in an answer with this status.
    pub fn of_status(self, status: StatusCode) -> Self {
        Self { status: Some(status), ..self }
    }

    /// What has pages by status, the nearest first.
    fn sections(&self) -> [Option<&'a Arc<ErrorPages>>; 4] {
        let route = self.context.route.get().and_then(|route| route.error_pages.as_ref());
        let service = self.service.and_then(|service| service.error_pages.as_ref());
        let [listener, all] = &self.context.listener.error_pages;
        [route, service, listener.as_ref(), all.as_ref()]
    }

    /// The pages of the configuration for this status.
    pub fn error_pages(&self, status: StatusCode) -> &'a [Arc<PageFile>] {
        pages::nearest_pages(self.sections(), status)
    }

    /// Whether a backend's answer with this status gets a page.
    pub fn replaces(&self, status: StatusCode) -> bool {
        pages::are_for_backends(self.sections(), status)
    }

    /// The maintenance that the client is shown, if it is shown one.
    pub fn maintenance(&self) -> Option<&'c Maintenance> {
        self.context.maintenance.get()
    }

    /// Whether the request has an id.
    pub fn has_request_id(&self) -> bool {
        self.context.id.is_some()
    }
}

impl Values<'_, '_> {
    /// Puts into an answer what is told with every one: the request's id, where the client stands in splits, and what listener, service and route
    /// change.
    pub fn complete<B>(&self, response: &mut Response<B>, message: Message) {
        let context = self.context;
        let headers = response.headers_mut();
        if let Some(id) = &context.id {
            id.put(headers);
        }
        if let Some(point) = context.new_point.get() {
            split::put(headers, point, context.connection.client.is_tls());
        }
        let route = context.route.get();
        if let Some(cors) = route.and_then(|route| route.cors.as_ref()) {
            cors::put(headers, cors, context.allowed_origin.get(), context.is_preflight.get());
        }
        let layers = [
            Some(&context.listener.response_headers),
            self.service.map(|service| &service.response_headers),
            route.map(|route| &route.response_headers),
        ];
        for layer in layers.into_iter().flatten().filter(|layer| !layer.is_empty()) {
            change(headers, layer, message, |template| self.field(template));
        }
    }

    /// The value of a field; `None` = it came out empty.
    pub fn field(&self, template: &Template) -> Option<HeaderValue> {
        let mut text = self.context.connection.worker.scratch.borrow_mut();
        text.clear();
        self.fill_in(template, iter::repeat(Escape::Nothing), &mut text);
        // nothing is in there that could not stand in a field
        let value = HeaderValue::from_bytes(text.trim_ascii()).ok().filter(|value| !value.is_empty());
        if text.capacity() > MOST_SCRATCH {
            *text = Vec::new();
        }
        value
    }

    /// The body of an answer of our own.
    pub fn body(&self, body: &AnswerBody) -> Bytes {
        match body {
            AnswerBody::Fixed(bytes) => bytes.clone(),
            AnswerBody::Template(template, escapes) => {
                let mut text = Vec::new();
                self.fill_in(template, escapes.iter().copied(), &mut text);
                text.into()
            }
        }
    }

    /// Fills a template in; `escapes` says for each of its variables how it is written.
    fn fill_in(&self, template: &Template, mut escapes: impl Iterator<Item = Escape>, out: &mut Vec<u8>) {
        for piece in template.pieces() {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text.as_bytes()),
                Piece::Variable(variable) => self.put(*variable, escapes.next().unwrap_or(Escape::Omitted), out),
            }
        }
    }

    /// Writes what a variable stands for.
    pub fn put(&self, variable: Variable, escape: Escape, out: &mut Vec<u8>) {
        let Self { context, service, backend, status } = self;
        let (connection, said) = (context.connection, context.said.as_deref());
        let mut visible = |text: &[u8]| put_visible(out, text, escape);
        match variable {
            Variable::ClientIp => {
                if let Some(address) = context.client_ip() {
                    put_display(out, address);
                }
            }
            Variable::ClientPort => {
                // a proxy in front that speaks for somebody else has a port of its own, which says nothing
                let is_peer = context.client_ip() == connection.client.address;
                if let Some(address) = connection.peer.address().filter(|_| is_peer) {
                    put_display(out, address.port());
                }
            }
            Variable::Host => {
                let host = said.and_then(|said| said.host.as_ref()).and_then(|host| host.to_str().ok());
                visible(without_port(host.unwrap_or_default()).as_bytes());
            }
            Variable::Method => visible(said.map_or("", |said| said.method.as_str()).as_bytes()),
            Variable::Path => visible(said.map_or("", |said| said.uri.path()).as_bytes()),
            Variable::Query => {
                if let Some(query) = said.and_then(|said| said.uri.query()) {
                    visible(b"?");
                    visible(query.as_bytes());
                }
            }
            Variable::RequestId => visible(context.id.as_ref().map_or(&[][..], |id| id.value().as_bytes())),
            Variable::Scheme => visible(if connection.client.is_tls() { b"https" } else { b"http" }),
            Variable::Time => visible(rfc3339(SystemTime::now()).as_bytes()),
            Variable::TlsCipher => visible(connection.tls_cipher.unwrap_or_default().as_bytes()),
            Variable::TlsSni => visible(connection.sni.as_ref().map_or("", |(name, _)| name).as_bytes()),
            Variable::TlsVersion => visible(connection.tls_version.unwrap_or_default().as_bytes()),
            Variable::Listener => visible(context.listener.name.as_bytes()),
            Variable::Route => visible(context.route.get().map_or("", |route| &route.text).as_bytes()),
            Variable::Service => visible(service.map_or("", |service| &service.name).as_bytes()),
            Variable::Backend => visible(backend.unwrap_or_default().as_bytes()),
            Variable::Status => visible(status.as_ref().map_or("", StatusCode::as_str).as_bytes()),
            Variable::Reason => {
                visible(status.and_then(|status| status.canonical_reason()).unwrap_or_default().as_bytes());
            }
        }
    }
}

impl Context<'_> {
    /// What the client accepts; `headers` are the request's fields.
    pub fn accept<'h>(&'h self, headers: &'h HeaderMap) -> impl Iterator<Item = &'h [u8]> {
        let said = self.said.as_deref();
        let kept = said.and_then(|said| said.accept.as_ref());
        // where the configuration changes the field on the way to backends, what was sent is kept
        let sent = said.is_none().then(|| headers.get_all(header::ACCEPT)).into_iter().flatten();
        kept.into_iter().chain(sent).map(HeaderValue::as_bytes)
    }

    /// The address of who sent it, as far as that is known.
    fn client_ip(&self) -> Option<IpAddr> {
        self.said.as_ref().map_or(self.connection.client.address, |said| said.client)
    }
}

/// All lines of a field as one (RFC 9110, section 5.3).
fn lines_of(headers: &HeaderMap, name: &HeaderName) -> Option<HeaderValue> {
    let mut lines = headers.get_all(name).into_iter();
    let first = lines.next()?;
    if lines.next().is_none() {
        return Some(first.clone());
    }
    let all: Vec<&[u8]> = headers.get_all(name).into_iter().map(HeaderValue::as_bytes).collect();
    HeaderValue::from_bytes(&all.join(&b", "[..])).ok()
}

/// Writes visible ASCII and spaces as they are, and all else as a URL has it: no byte that a client has chosen ends a line, or is read in
/// an encoding that nobody knows.
fn put_visible(out: &mut Vec<u8>, text: &[u8], escape: Escape) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for run in text.split_inclusive(|byte| !is_visible(*byte)) {
        match run.split_last() {
            Some((last, before)) if !is_visible(*last) => {
                escape.put(out, before);
                out.extend_from_slice(&[b'%', HEX[usize::from(last >> 4)], HEX[usize::from(last & 15)]]);
            }
            _ => escape.put(out, run),
        }
    }
}

fn is_visible(byte: u8) -> bool {
    (b' '..=b'~').contains(&byte)
}

/// Writes an address or a number, without an allocation of its own.
fn put_display(out: &mut Vec<u8>, value: impl Display) {
    // writing into memory does not fail
    let _ = write!(out, "{value}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_a_field_are_one_list() {
        let mut headers = HeaderMap::new();
        let all = |headers: &HeaderMap| lines_of(headers, &header::ACCEPT);
        assert_eq!(all(&headers), None);
        for (line, list) in
            [("text/html;q=0.1", "text/html;q=0.1"), ("a/b", "text/html;q=0.1, a/b"), ("", "text/html;q=0.1, a/b, ")]
        {
            headers.append(header::ACCEPT, HeaderValue::from_static(line));
            assert_eq!(all(&headers).unwrap(), list);
        }
    }

    #[test]
    fn what_no_field_may_have_is_written_as_in_a_url() {
        let mut out = Vec::new();
        put_visible(&mut out, "/a b\r\nset-cookie: x\0ü\x7f~".as_bytes(), Escape::Nothing);
        assert_eq!(String::from_utf8(out).unwrap(), "/a b%0D%0Aset-cookie: x%00%C3%BC%7F~");
    }

    proptest::proptest! {
        #[test]
        fn whatever_comes_in_a_field_can_be_made_of_it(text in proptest::collection::vec(proptest::num::u8::ANY, 0..40)) {
            let mut out = Vec::new();
            put_visible(&mut out, &text, Escape::Nothing);
            proptest::prop_assert!(out.iter().copied().all(is_visible));
            let plain: Vec<u8> = text.iter().copied().filter(|byte| is_visible(*byte)).collect();
            proptest::prop_assert_eq!(out.len(), plain.len() + 3 * (text.len() - plain.len()));
        }
    }
}
