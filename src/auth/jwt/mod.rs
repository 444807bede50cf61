//! Signed tokens (JWT, RFC 7519, in the compact form of RFC 7515), verified with the public keys of whoever issues them.
//!
//! The signatures are verified by aws-lc-rs, which TLS has brought into the tree; what is ours is to read a token strictly. A library for tokens reads many more forms of
//! them than are taken here, and takes the algorithm as an argument; what goes wrong with tokens (RFC 8725) goes wrong in the reading.
//!
//! In this order: the length, before anything is decoded; the header; the key, of which the algorithm has to be; the signature; and only then what it covers.

mod algorithm;
mod claims;
mod json;
mod key_set;
mod keys;
mod refusal;
#[cfg(test)]
mod tests;

use std::rc::Rc;
use std::sync::Arc;

use data_encoding::BASE64URL_NOPAD;
use http::header::{HeaderName, HeaderValue};
use serde_json::Value;

pub use algorithm::{Algorithm, Algorithms};
pub use claims::{Claim, Rules};
pub use json::Object;
pub use key_set::KeySet;
pub use keys::{Keys, LARGEST};
pub use refusal::Refusal;

use super::Remembered;
use crate::policy::KeyFrom;

/// The longest token, in bytes. Those of identity providers have 1 to 4 KiB.
pub const LONGEST: usize = 8 << 10;

/// The longest time for which a signature is not verified again, in seconds: what is remembered makes room for others.
const REMEMBERED: f64 = 3600.0;

/// Whose the tokens are that a worker remembers: no user is called so, because of the control character.
const TOKENS: &str = "\0jwt";

/// Clients that may come in with a token.
#[derive(Debug)]
pub struct Jwt {
    /// Where requests have it.
    pub from: KeyFrom,
    /// The keys that it may be signed with.
    pub keys: Arc<KeySet>,
    /// The algorithms that are taken.
    pub algorithms: Algorithms,
    /// What it has to say.
    pub rules: Rules,
    /// Fields that tell backends what it says.
    pub claims: Vec<(HeaderName, Claim)>,
}

impl Jwt {
    /// Judges a token at this second since 1970. `now`: in seconds, by any clock that goes on.
    ///
    /// # Errors
    ///
    /// Why it is not taken.
    pub fn judge(&self, token: &[u8], unix: u64, remembered: &Remembered, now: u64) -> Result<Rc<Object>, Refusal> {
        if token.len() > LONGEST {
            return Err(Refusal::TooLong);
        }
        let keys = self.keys.in_force();
        let id = remembered.key(TOKENS, token, &keys.identity_with(self.algorithms));
        // what a token says is looked at each time, because it may be over by now, and because another route may ask for something else
        if let Some(claims) = remembered.token(&id, now) {
            return self.rules.check(&claims, unix).map(|_| claims);
        }
        let claims = Rc::new(self.verify(token, &keys)?);
        let expires = self.rules.check(&claims, unix)?;
        let left = expires.map_or(REMEMBERED, |at| at - unix as f64).clamp(0.0, REMEMBERED);
        remembered.insert_token(id, now + left as u64, token.len(), Rc::clone(&claims));
        Ok(claims)
    }

    /// What a token says that is signed with one of these keys.
    fn verify(&self, token: &[u8], keys: &Keys) -> Result<Object, Refusal> {
        let mut dots = memchr::memchr_iter(b'.', token);
        let (Some(first), Some(second), None) = (dots.next(), dots.next(), dots.next()) else {
            return Err(Refusal::Malformed);
        };
        let header = decoded_object(&token[..first])?;
        let (algorithm, name) = self.header(&header)?;
        if keys.is_empty() {
            return Err(Refusal::NoKeys);
        }
        let signature = decoded(&token[second + 1..])?;
        let mut candidates = keys.candidates(name, algorithm).peekable();
        candidates.peek().ok_or(Refusal::UnknownKey)?;
        match candidates.any(|key| key.has_signed(algorithm, &token[..second], &signature)) {
            true => decoded_object(&token[first + 1..second]),
            false => Err(Refusal::Signature),
        }
    }

    /// The algorithm of a token, and the name of its key. Whatever else it says of its key (`jwk`, `jku`, `x5c`, `x5u`) is its own word, and is not looked at.
    fn header<'h>(&self, header: &'h Object) -> Result<(Algorithm, Option<&'h str>), Refusal> {
        // RFC 7515, section 4.1.11: who does not understand one of them must not take the token
        if header.contains_key("crit") {
            return Err(Refusal::Critical);
        }
        let algorithm = header.get("alg").and_then(Value::as_str).ok_or(Refusal::Malformed)?;
        let algorithm = Algorithm::parse(algorithm).filter(|algorithm| self.algorithms.contains(*algorithm));
        let name = match header.get("kid") {
            None => None,
            Some(Value::String(name)) => Some(&**name),
            Some(_) => return Err(Refusal::Malformed),
        };
        Ok((algorithm.ok_or(Refusal::Algorithm)?, name))
    }

    /// The fields that tell backends what a token says.
    pub fn fields(&self, claims: &Object) -> Vec<(HeaderName, HeaderValue)> {
        let field = |(name, claim): &(HeaderName, Claim)| Some((name.clone(), claim.field(claims)?));
        self.claims.iter().filter_map(field).collect()
    }
}

/// Base64 as RFC 7515, section 2 has it: no padding, no white space, and one spelling only.
fn decoded(part: &[u8]) -> Result<Vec<u8>, Refusal> {
    BASE64URL_NOPAD.decode(part).map_err(|_| Refusal::Malformed)
}

fn decoded_object(part: &[u8]) -> Result<Object, Refusal> {
    json::object(&decoded(part)?).ok_or(Refusal::Malformed)
}
