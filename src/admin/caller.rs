//! Who has sent a request: for the log, the events, and what is kept with a command.

use std::convert::Infallible;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::request::Parts;

/// The client of a connection. Each request carries it as an extension.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    /// The address that it connects from.
    pub(super) address: SocketAddr,
    /// The subject of its certificate, where the connection needs one.
    pub(super) certificate: Option<Arc<str>>,
    /// Whether the connection is encrypted.
    pub(super) tls: bool,
}

/// Who has sent a request. The guard finds it out, and a handler takes it as an argument.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    who: Who,
    address: IpAddr,
}

/// By what a caller is known: the first of these that there is.
#[derive(Debug, Clone)]
enum Who {
    /// The name of a token.
    Token(Arc<str>),
    /// The subject of a client certificate.
    Certificate(Arc<str>),
    /// Nothing but where the connection comes from.
    Address,
}

impl Peer {
    /// For a request that came over no connection, as in tests.
    fn nobody() -> Self {
        let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        Self { address, certificate: None, tls: false }
    }

    /// The client that has sent the request with these extensions.
    pub(super) fn of(extensions: &http::Extensions) -> Self {
        extensions.get().cloned().unwrap_or_else(Self::nobody)
    }
}

impl Caller {
    /// The caller at this client, who has shown the token of this name, or none.
    pub(super) fn new(peer: &Peer, token: Option<Arc<str>>) -> Self {
        let who = match (token, &peer.certificate) {
            (Some(name), _) => Who::Token(name),
            (None, Some(subject)) => Who::Certificate(Arc::clone(subject)),
            (None, None) => Who::Address,
        };
        Self { who, address: peer.address.ip().to_canonical() }
    }
}

/// Such as `token ci from 10.0.0.7`, `certificate ops.example from 10.0.0.7`, or `127.0.0.1`.
impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.who {
            Who::Token(name) => write!(f, "token {name} from ")?,
            Who::Certificate(subject) => write!(f, "certificate {subject} from ")?,
            Who::Address => {}
        }
        self.address.fmt(f)
    }
}

impl<S: Sync> FromRequestParts<S> for Peer {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.extensions))
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let known = parts.extensions.get::<Self>().cloned();
        Ok(known.unwrap_or_else(|| Self::new(&Peer::of(&parts.extensions), None)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_is_known_by_its_token_then_its_certificate_then_its_address() {
        let address = "[::ffff:10.0.0.7]:5000".parse().unwrap();
        let shown = |certificate: Option<&str>, token: Option<&str>| {
            let peer = Peer { address, certificate: certificate.map(Arc::from), tls: true };
            Caller::new(&peer, token.map(Arc::from)).to_string()
        };
        assert_eq!(shown(Some("ops.example"), Some("ci")), "token ci from 10.0.0.7");
        assert_eq!(shown(Some("ops.example"), None), "certificate ops.example from 10.0.0.7");
        assert_eq!(shown(None, None), "10.0.0.7");
    }
}
