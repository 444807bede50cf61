//! What sessions are called in a store: `PREFIX:SERVICE:HASH`.
//!
//! The hash is HMAC-SHA256, cut to 128 bits, over the service and the key that the session has in a table, which is itself a hash of what the client
//! has sent. Its key comes from the secret that instances share. Without a secret it is the same everywhere: then a session id can't be read from
//! it either, since those can't be guessed, but whoever reads the store can try all addresses.

use std::fmt;

use aws_lc_rs::hmac::{self, HMAC_SHA256};
use data_encoding::BASE64URL_NOPAD;

use crate::affinity::seal::Secret;

const HASH: usize = 16;

/// Names the sessions of one service.
pub struct Names {
    prefix: String,
    key: hmac::Key,
}

impl Names {
    /// The names of this service's sessions. Services of all instances that share sessions have the same prefix, name and secret.
    pub fn new(prefix: &str, service: &str, secret: Option<&Secret>) -> Self {
        let public = || hmac::Key::new(HMAC_SHA256, b"affinity: store without a secret");
        let key = secret.map_or_else(public, |secret| secret.names.clone());
        Self { prefix: format!("{prefix}:{service}:"), key }
    }

    /// The name of the session with this key in the table.
    pub fn of(&self, key: u64) -> String {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(&key.to_be_bytes());
        context.update(self.prefix.as_bytes());
        let hash = BASE64URL_NOPAD.encode(&context.sign().as_ref()[..HASH]);
        [&*self.prefix, &*hash].concat()
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Names").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_same_on_every_instance_and_tell_nothing() {
        let secret = |byte: u8| Secret::new(&[byte; 32]).unwrap();
        let names = |byte: u8, service: &str| Names::new("evenkeel", service, Some(&secret(byte)));
        // known from this code's first version: a change here loses the sessions of everybody who upgrades
        assert_eq!(names(1, "api").of(42), "evenkeel:api:LefOFG-oHm1x8JqDqKq28A");
        assert_ne!(names(1, "api").of(42), names(2, "api").of(42));
        assert_ne!(names(1, "api").of(42)[13..], names(1, "web").of(42)[13..]);
        assert_ne!(names(1, "api").of(42), names(1, "api").of(43));
        assert_ne!(Names::new("evenkeel", "api", None).of(42), names(1, "api").of(42));
    }
}
