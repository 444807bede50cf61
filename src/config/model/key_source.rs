//! Where the keys of tokens are fetched from.

use std::sync::Arc;
use std::time::Duration;

use http::Uri;

use super::Authorities;
use crate::auth::jwt::KeySet;

/// A JWK set that has a URL.
#[derive(Debug, Clone)]
pub struct KeySource {
    /// Its URL.
    pub uri: Uri,
    /// Authorities that verify the certificate of its server.
    pub ca: Authorities,
    /// How often it is fetched.
    pub refresh: Duration,
    /// Where the keys go: the routes with this source share them.
    pub keys: Arc<KeySet>,
}

impl KeySource {
    /// Whether the keys come from the same place, by way of the same authorities.
    pub fn is_same(&self, other: &Self) -> bool {
        self.uri == other.uri && self.ca == other.ca
    }
}
