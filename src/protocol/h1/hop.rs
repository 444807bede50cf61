//! Hop-by-hop fields, which are about the connection that a message came by and not about the message (RFC 9110, section 7.6.1).

use http::Version;
use http::header::{HeaderMap, HeaderName, HeaderValue};

/// What `Connection` and the other hop-by-hop fields of a head say. The fields themselves are removed from the map.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Hop {
    /// `Connection: close`.
    pub close: bool,
    /// `Connection: keep-alive`.
    pub keep_alive: bool,
    /// The protocols listed in `Upgrade`, when `Connection` names that field.
    pub upgrade: Option<HeaderValue>,
    /// `TE: trailers`.
    pub te_trailers: bool,
    /// Fields that `Connection` names beside the well-known ones.
    named: Vec<HeaderName>,
    /// Whether `Connection` names `Upgrade`.
    names_upgrade: bool,
}

impl Hop {
    /// Takes in a field if it is a hop-by-hop one. Returns whether it is.
    pub(super) fn take(&mut self, name: &str, value: &[u8]) -> bool {
        match name {
            "connection" => self.connection(value),
            // a malformed value is refused by the caller, which verifies it
            "upgrade" => self.upgrade = HeaderValue::from_bytes(value).ok(),
            "te" => self.te_trailers |= has_token(value, b"trailers"),
            "proxy-authorization" | "proxy-authenticate" | "keep-alive" | "proxy-connection" => {}
            _ => return false,
        }
        true
    }

    fn connection(&mut self, value: &[u8]) {
        for token in tokens(value) {
            if token.eq_ignore_ascii_case(b"close") {
                self.close = true;
            } else if token.eq_ignore_ascii_case(b"keep-alive") {
                self.keep_alive = true;
            } else if token.eq_ignore_ascii_case(b"upgrade") {
                self.names_upgrade = true;
            } else if !token.eq_ignore_ascii_case(b"te")
                && let Ok(name) = HeaderName::from_bytes(token)
            {
                self.named.push(name);
            }
        }
    }

    /// To be called after the last field: removes the fields that `Connection` named.
    pub(super) fn finish(&mut self, headers: &mut HeaderMap) {
        for name in self.named.drain(..) {
            headers.remove(name);
        }
        if !self.names_upgrade {
            self.upgrade = None;
        }
    }

    /// Whether the sender of this message lets the connection stay open after it (RFC 9112, section 9.3).
    pub fn persists(&self, version: Version) -> bool {
        !self.close && (version == Version::HTTP_11 || self.keep_alive)
    }
}

/// The comma-separated elements of a field's value.
fn tokens(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&b| b == b',').map(<[u8]>::trim_ascii).filter(|token| !token.is_empty())
}

/// Whether `wanted` is among the comma-separated elements, whose parameters are ignored.
pub fn has_token(value: &[u8], wanted: &[u8]) -> bool {
    tokens(value).any(|t| t.split(|&b| b == b';').next().is_some_and(|t| t.trim_ascii().eq_ignore_ascii_case(wanted)))
}
