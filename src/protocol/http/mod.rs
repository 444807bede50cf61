//! What the versions of HTTP have in common: requests, bodies, fields and tunnels, and the traits by which a version's connection gives them to
//! whoever answers. Nothing here knows which versions there are.

mod body;
pub mod fields;
pub mod grpc;
pub mod intake;
pub mod length;
pub mod pace;
pub mod partial;
mod presence;
pub mod replay;
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

/// A request, whichever version of HTTP it came by. Hop-by-hop fields are gone; what they said is in fields of this type.
#[derive(Debug)]
pub struct Request {
    /// Its method.
    pub method: Method,
    /// Its target as sent.
    pub uri: Uri,
    /// The version that it came by.
    pub version: Version,
    /// The host (and port) that it is for.
    pub host: Option<HeaderValue>,
    /// Its fields, without hop-by-hop ones, `Host`, `Content-Length`, `Expect`.
    pub headers: HeaderMap,
    /// Its body.
    pub body: RequestBody,
    /// How long that is.
    pub length: Length,
    /// It asks for another protocol.
    pub upgrade: Option<Upgrade>,
    /// The client takes trailers.
    pub te_trailers: bool,
    /// The client waits for a 100 before it sends the body.
    pub expect_continue: bool,
    /// What is added to its fields on the way to the backend.
    pub forwarded: Option<Rc<Forwarded>>,
    /// Where interim responses may go.
    pub interim: Option<Interim>,
    /// Whether an HTTP/1 client is still there, to be asked while the request waits. An HTTP/2 client cancels its stream.
    pub presence: Option<Presence>,
}

/// A request's wish for another protocol, and how it says it.
#[derive(Debug)]
pub enum Upgrade {
    /// By the field `Upgrade` (RFC 9110, section 7.8), with the protocols that it names.
    Field(HeaderValue),
    /// By extended CONNECT (RFC 8441 for HTTP/2, RFC 9220 for HTTP/3), with its `:protocol`.
    Connect(HeaderValue),
}

/// How the head of a request is to be written.
#[derive(Debug)]
pub struct RequestLine<'a> {
    /// Its method.
    pub method: &'a Method,
    /// The target: its path and query are written.
    pub uri: &'a Uri,
    /// The value of `Host`.
    pub host: &'a HeaderValue,
    /// Fields beside its own.
    pub forwarded: Option<&'a Forwarded>,
    /// How long the body is.
    pub length: Length,
    /// Announce an upgrade to this protocol.
    pub upgrade: Option<&'a HeaderValue>,
    /// `TE: trailers`.
    pub te_trailers: bool,
    /// `Expect: 100-continue`.
    pub expect_continue: bool,
}

/// Where a connection takes interim (1xx) responses to one of its requests.
pub trait InterimSink: Debug {
    /// Queues one.
    fn interim(&self, status: StatusCode, headers: &HeaderMap);
}

/// Where interim (1xx) responses to a request go.
#[derive(Debug, Clone)]
pub struct Interim(Rc<dyn InterimSink>);

impl Interim {
    /// To a request of this connection, or stream.
    pub fn new(sink: Rc<dyn InterimSink>) -> Self {
        Self(sink)
    }

    /// Queues one. A 100 is not passed on: it is sent when the body is asked for, and only once.
    pub fn send(&self, status: StatusCode, headers: &HeaderMap) {
        if status != StatusCode::CONTINUE {
            self.0.interim(status, headers);
        }
    }
}

/// What answers the requests of a connection.
pub trait Handler {
    /// The body of an answer.
    type Body: http_body::Body<Data = bytes::Bytes, Error = Error> + tunnel::MayTunnel + MaySplice + Unpin + 'static;

    /// Answers a request. Never fails: a failure is an answer.
    fn handle(&self, request: Box<Request>) -> impl Future<Output = Response<Self::Body>>;

    /// Answers what was too malformed, or too large, to become a request; `what` is known of it.
    fn refuse(&self, error: &Error, what: &Partial<'_>) -> Response<Self::Body>;

    /// Counts bytes that crossed the connection.
    fn transferred(&self, received: u64, sent: u64);
}
