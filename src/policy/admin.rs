//! Who may do what at the admin address.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;

/// What somebody may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Look at everything, and change nothing.
    Read,
    /// Everything.
    Write,
}

/// A bearer token (RFC 6750) of the admin address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminToken {
    /// What the log calls whoever shows it.
    pub name: Arc<str>,
    /// What has to be shown.
    pub secret: TokenSecret,
    /// What whoever shows it may do.
    pub access: Access,
}

/// The text of a token. It is never shown, not even in a dump of what holds it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TokenSecret(String);

impl TokenSecret {
    /// This text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Whether somebody has shown it. It takes a time that depends on the lengths only, so that a token can't be guessed byte by byte.
    pub fn is(&self, shown: &[u8]) -> bool {
        verify_slices_are_equal(self.0.as_bytes(), shown).is_ok()
    }
}

impl fmt::Debug for TokenSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
