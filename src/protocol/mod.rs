//! What is spoken on connections: HTTP/1, HTTP/2, tunnels after an upgrade; and what both
//! versions of HTTP have in common, so that the exchange in `forward/` is written once.

pub mod body;
pub mod client_hello;
pub mod duplex;
pub mod fields;
pub mod grpc;
pub mod h1;
pub mod h2;
pub mod hpack;
pub mod intake;
pub mod pace;
pub mod partial;
pub mod proxy_protocol;
pub mod quic;
pub mod replay;
pub mod splice;
#[cfg(test)]
mod testing;
pub mod tunnel;
pub mod udp;

use std::rc::Rc;

use http::header::{HeaderMap, HeaderValue};
use http::{Method, Response, StatusCode, Uri, Version};

pub use body::RequestBody;
use fields::Forwarded;
use h1::framing::Length;
use partial::Partial;

use crate::error::Error;

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
    pub presence: Option<h1::presence::Presence>,
}

/// A request's wish for another protocol.
#[derive(Debug)]
pub enum Upgrade {
    /// HTTP/1.1 `Upgrade`, with the protocols that it names.
    H1(HeaderValue),
    /// HTTP/2 extended CONNECT (RFC 8441), with its `:protocol`.
    H2(HeaderValue),
}

/// Where interim (1xx) responses to a request go.
#[derive(Debug, Clone)]
pub enum Interim {
    /// To an HTTP/1.1 connection.
    H1(h1::server::Interim),
    /// To an HTTP/2 stream.
    H2(h2::Interim),
}

impl Interim {
    /// Queues one. A 100 is not passed on: it is sent when the body is asked for.
    pub fn send(&self, status: StatusCode, headers: &HeaderMap) {
        match self {
            Self::H1(interim) => interim.send(status, headers),
            Self::H2(interim) => interim.send(status, headers),
        }
    }
}

/// What answers the requests of a connection.
pub trait Handler {
    /// The body of an answer.
    type Body: http_body::Body<Data = bytes::Bytes, Error = Error>
        + tunnel::MayTunnel
        + splice::MaySplice
        + Unpin
        + 'static;

    /// Answers a request. Never fails: a failure is an answer.
    fn handle(&self, request: Box<Request>) -> impl Future<Output = Response<Self::Body>>;

    /// Answers what was too malformed, or too large, to become a request; `what` is known of it.
    fn refuse(&self, error: &Error, what: &Partial<'_>) -> Response<Self::Body>;

    /// Counts bytes that crossed the connection.
    fn transferred(&self, received: u64, sent: u64);
}
