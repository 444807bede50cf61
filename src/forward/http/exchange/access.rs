//! What the access log is told of a request: of one that was read, and of one that was refused.

use std::net::IpAddr;

use http::header::{self, HeaderValue};

use crate::protocol::http::Request;
use crate::protocol::http::partial::Partial;
use crate::record::access::{Entry, Journey, Line};

/// Bytes of each piece of what was refused: a client may make a target, or a field, as long as a head.
const MOST_OF_REFUSED: usize = 1024;

/// What a PROXY header said of a client beyond its address.
type Told = Vec<(Box<str>, Box<str>)>;

/// Of a request of this client.
pub fn of(request: &Request, client: Option<IpAddr>, told: Told) -> Entry {
    Entry {
        client,
        line: Line::Read(request.method.clone(), request.uri.clone(), request.version),
        journey: Journey::default(),
        told,
        host: request.host.clone(),
        referer: request.headers.get(header::REFERER).cloned(),
        user_agent: request.headers.get(header::USER_AGENT).cloned(),
    }
}

/// Of what did not become a request; this much is known of it.
pub fn of_refused(what: &Partial<'_>, client: Option<IpAddr>, told: Told) -> Entry {
    let bounded = |piece: Option<&[u8]>| piece.map(|piece| piece[..piece.len().min(MOST_OF_REFUSED)].to_vec());
    let text = |piece| bounded(piece).map(|piece| String::from_utf8_lossy(&piece).into());
    let value = |piece| bounded(piece).and_then(|piece| HeaderValue::try_from(piece).ok());
    Entry {
        client,
        line: Line::Refused([what.method, what.target, what.protocol].map(text)),
        journey: Journey::default(),
        told,
        host: value(what.host),
        referer: value(what.referer),
        user_agent: value(what.user_agent),
    }
}
