//! What the access log says of a request: of one that was read, and of one that was refused.

use std::net::IpAddr;

use http::header::{self, HeaderValue};

use crate::protocol::http::Request;
use crate::protocol::http::partial::Partial;
use crate::record::access::{AttemptLog, ExchangeEntry, FirstLine};

/// Bytes of each piece of what was refused: a client may make a target, or a field, as long as a head.
const MOST_OF_REFUSED: usize = 1024;

/// What a PROXY header said of a client beyond its address.
type ProxyHeader = Vec<(Box<str>, Box<str>)>;

/// Of this request. `client` is the address of who sent it.
pub fn of(request: &Request, client: Option<IpAddr>, proxy_header: ProxyHeader) -> ExchangeEntry {
    ExchangeEntry {
        client,
        line: FirstLine::Read(request.method.clone(), request.uri.clone(), request.version),
        attempts: AttemptLog::default(),
        proxy_header,
        host: request.host.clone(),
        referer: request.headers.get(header::REFERER).cloned(),
        user_agent: request.headers.get(header::USER_AGENT).cloned(),
    }
}

/// Of what did not become a request. `what` is known of it.
pub fn of_refused(what: &Partial<'_>, client: Option<IpAddr>, proxy_header: ProxyHeader) -> ExchangeEntry {
    let bounded = |piece: Option<&[u8]>| piece.map(|piece| piece[..piece.len().min(MOST_OF_REFUSED)].to_vec());
    let text = |piece| bounded(piece).map(|piece| String::from_utf8_lossy(&piece).into());
    let value = |piece| bounded(piece).and_then(|piece| HeaderValue::try_from(piece).ok());
    ExchangeEntry {
        client,
        line: FirstLine::Refused([what.method, what.target, what.protocol].map(text)),
        attempts: AttemptLog::default(),
        proxy_header,
        host: value(what.host),
        referer: value(what.referer),
        user_agent: value(what.user_agent),
    }
}
