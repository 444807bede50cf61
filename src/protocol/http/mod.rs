//! What the versions of HTTP have in common: requests, bodies, fields and tunnels, and the traits through which a connection of
//! any version is connected to the code that answers its requests. Nothing here depends on a particular version.

pub mod body;
pub mod body_limiter;
pub mod fields;
pub mod grpc;
pub mod length;
pub mod min_rate;
pub mod partial;
mod presence;
mod setup;
pub mod target;
#[cfg(test)]
pub(in crate::protocol) mod testing;
pub mod trailers;
pub mod tunnel;

use std::fmt::Debug;
use std::rc::Rc;

use http::header::{HeaderMap, HeaderValue};
use http::{Method, Response, StatusCode, Uri, Version};

pub use body::{ClientBody, RequestBody};
use fields::Forwarded;
use length::Length;
use partial::Partial;
pub use presence::{Presence, Waiting, Watched};
pub use setup::{HeadLimits, Leniency, Setup};

use crate::error::Error;
use crate::layer4::splice::MaySplice;
use crate::trace::Traceparent;

/// A request, whichever version of HTTP it came by. Its hop-by-hop fields have been removed; what they said is in members of this
/// type.
#[derive(Debug)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The target as the client sent it.
    pub uri: Uri,
    /// The version of HTTP that the request came by.
    pub version: Version,
    /// The host, and port if given, that the request is for: `Host` or `:authority`.
    pub host: Option<HeaderValue>,
    /// The fields, without the hop-by-hop ones, `Host`, `Content-Length` and `Expect`.
    pub headers: HeaderMap,
    /// The body.
    pub body: RequestBody,
    /// The length of the body.
    pub length: Length,
    /// The protocol that the client wants to switch to, if any.
    pub upgrade: Option<Upgrade>,
    /// Whether the client accepts trailers (`TE: trailers`).
    pub te_trailers: bool,
    /// Whether the client waits for a 100 before it sends the body (`Expect: 100-continue`).
    pub expect_continue: bool,
    /// Fields to add on the way to the backend.
    pub forwarded: Option<Rc<Forwarded>>,
    /// Where interim responses are sent; `None` for HTTP/1.0 clients, which don't know them.
    pub interim: Option<Interim>,
    /// Tells whether an HTTP/1 client is still connected while its request waits in a queue. `None` for HTTP/2, where a client
    /// that gives up resets its stream.
    pub presence: Option<Presence>,
}

/// A client's request to switch to another protocol, by the way in which it was made.
#[derive(Debug)]
pub enum Upgrade {
    /// The field `Upgrade` (RFC 9110, section 7.8), with the protocols that it lists.
    Field(HeaderValue),
    /// Extended CONNECT (RFC 8441 for HTTP/2, RFC 9220 for HTTP/3), with the value of `:protocol`.
    Connect(HeaderValue),
}

/// What is written at the start of a request's head to a backend.
#[derive(Debug)]
pub struct RequestLine<'a> {
    /// The method.
    pub method: &'a Method,
    /// The target; only its path and query are written.
    pub uri: &'a Uri,
    /// The value of `Host`.
    pub host: &'a HeaderValue,
    /// Fields to write beside those of the request itself.
    pub forwarded: Option<&'a Forwarded>,
    /// The span that asks, where exchanges are traced. The fields of the request have none then.
    pub traceparent: Option<&'a Traceparent>,
    /// The length of the body.
    pub length: Length,
    /// The protocol to ask for an upgrade to, if any.
    pub upgrade: Option<&'a HeaderValue>,
    /// Whether to send `TE: trailers`.
    pub te_trailers: bool,
    /// Whether to send `Expect: 100-continue`.
    pub expect_continue: bool,
}

/// A client's connection, or stream, on which interim (1xx) responses are sent.
pub trait InterimSink: Debug {
    /// Queues an interim response.
    fn interim(&self, status: StatusCode, headers: &HeaderMap);
}

/// Sends interim (1xx) responses to one request.
#[derive(Debug, Clone)]
pub struct Interim(Rc<dyn InterimSink>);

impl Interim {
    /// Interim responses go to this connection or stream.
    pub fn new(sink: Rc<dyn InterimSink>) -> Self {
        Self(sink)
    }

    /// Queues an interim response. A 100 is not passed on, because the connection sends one itself, once, when the body is first
    /// read.
    pub fn send(&self, status: StatusCode, headers: &HeaderMap) {
        if status != StatusCode::CONTINUE {
            self.0.interim(status, headers);
        }
    }
}

/// The code that answers the requests of a connection.
pub trait Handler {
    /// The type of a response's body.
    type Body: http_body::Body<Data = bytes::Bytes, Error = Error> + tunnel::MayTunnel + MaySplice + Unpin + 'static;

    /// Answers a request. It can't fail: every failure is a response.
    fn handle(&self, request: Box<Request>) -> impl Future<Output = Response<Self::Body>>;

    /// Answers a message that was too malformed or too large to become a request. `what` has the parts of it that could be read.
    fn refuse(&self, error: &Error, what: &Partial<'_>) -> Response<Self::Body>;

    /// Counts bytes that were received from the client and sent to it.
    fn transferred(&self, received: u64, sent: u64);
}
