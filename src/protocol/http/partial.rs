//! The parts of a refused message that could be read before it was refused. They are for the access log, and for the
//! form of the answer.

use http::header;

use super::Request;

/// Slices of a head as the client sent it. They are borrowed, so that nothing is copied unless a log line is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Partial<'a> {
    /// The method, when what is in its place could be one.
    pub method: Option<&'a [u8]>,
    /// The target, as far as it arrived.
    pub target: Option<&'a [u8]>,
    /// The version, such as `HTTP/1.1`.
    pub protocol: Option<&'a [u8]>,
    /// The value of `Host` or `:authority`.
    pub host: Option<&'a [u8]>,
    /// `Referer`
    pub referer: Option<&'a [u8]>,
    /// `User-Agent`
    pub user_agent: Option<&'a [u8]>,
    /// `Accept`, by which the form of the answer is chosen.
    pub accept: Option<&'a [u8]>,
}

impl<'a> Partial<'a> {
    /// The parts of a request whose head is complete, and which is refused for what it announces.
    pub fn of_request(request: &'a Request) -> Self {
        let field = |name| request.headers.get(name).map(http::HeaderValue::as_bytes);
        Self {
            method: Some(request.method.as_str().as_bytes()),
            target: request.uri.path_and_query().map(|target| target.as_str().as_bytes()),
            protocol: Some(match request.version {
                http::Version::HTTP_10 => b"HTTP/1.0",
                _ => b"HTTP/1.1",
            }),
            host: request.host.as_ref().map(http::HeaderValue::as_bytes),
            referer: field(header::REFERER),
            user_agent: field(header::USER_AGENT),
            accept: field(header::ACCEPT),
        }
    }
}
