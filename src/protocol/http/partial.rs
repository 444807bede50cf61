//! What can be told of a request that was refused before it was one: for the access log, and for nothing else.

use http::header;

use super::Request;

/// Pieces of a head as the client sent them. Nothing is copied before it is known that somebody wants them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Partial<'a> {
    /// The method, where what stands in its place could be one.
    pub method: Option<&'a [u8]>,
    /// The target, as far as it came.
    pub target: Option<&'a [u8]>,
    /// The version, such as `HTTP/1.1`.
    pub protocol: Option<&'a [u8]>,
    /// `Host`, or `:authority`.
    pub host: Option<&'a [u8]>,
    /// `Referer`
    pub referer: Option<&'a [u8]>,
    /// `User-Agent`
    pub user_agent: Option<&'a [u8]>,
}

impl<'a> Partial<'a> {
    /// What there is in a request that came whole, and is refused for what it announces.
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
        }
    }
}
