//! Who may do what at the admin address.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;

/// What the holder of a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// See everything, and change nothing.
    Read,
    /// See and change everything.
    Write,
}

/// A bearer token (RFC 6750) of the admin address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminToken {
    /// The name of its holder in the log.
    pub name: Arc<str>,
    /// The text that a request has to show.
    pub secret: TokenSecret,
    /// What its holder may do.
    pub access: Access,
}

/// The text of a token. It is never shown, not even in a dump of what holds it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TokenSecret(String);

impl TokenSecret {
    /// Keeps this text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Whether `shown` is this text. The comparison takes a time that depends on the lengths only, so that a token
    /// can't be guessed byte by byte.
    pub fn is(&self, shown: &[u8]) -> bool {
        verify_slices_are_equal(self.0.as_bytes(), shown).is_ok()
    }
}

impl fmt::Debug for TokenSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
