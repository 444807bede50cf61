//! Users and passwords (RFC 7617), from a file that `htpasswd` writes.
//!
//! A password is verified on threads of its own ([`verifier`]): that takes tens of milliseconds on purpose. What was verified is remembered by
//! each worker for a while ([`Remembered`]), so that only a client's first request waits. A user that is not in the file costs the same time as one who is:
//! the password is compared with somebody's, and refused.

mod hash;
mod htpasswd;
mod verifier;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use data_encoding::BASE64;
use http::header::{HeaderName, HeaderValue};

use super::FileProblem;
use super::remembered::{self, Remembered};
use crate::error::{Error, Kind, Result};
pub use hash::StoredHash;
use htpasswd::Users;

/// The longest user and password together, in bytes: more is hashed for nobody.
const LONGEST: usize = 1024;

/// Users who may come in with their passwords.
#[derive(Debug)]
pub struct Basic {
    file: PathBuf,
    users: ArcSwap<Users>,
    /// The value of `WWW-Authenticate`.
    pub challenge: HeaderValue,
    /// A password that was verified is not verified again for so long.
    pub remember: Duration,
    /// The field that tells backends who the user is.
    pub user_header: Option<HeaderName>,
    /// Backends get the `Authorization` that the client has sent.
    pub passes_on: bool,
}

/// What is configured beside the file.
#[derive(Debug)]
pub struct BasicSettings {
    /// What the client is shown when it is asked for a password.
    pub realm: String,
    /// As [`Basic::remember`].
    pub remember: Duration,
    /// As [`Basic::user_header`].
    pub user_header: Option<HeaderName>,
    /// As [`Basic::passes_on`].
    pub passes_on: bool,
}

/// What a client says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// The user.
    pub user: String,
    /// The password.
    password: Vec<u8>,
}

/// The answer to what a client says of itself, or what has to be done to find it.
#[derive(Debug)]
pub enum Known {
    /// It is right: it was verified a while ago.
    Verified,
    /// It has to be verified.
    Ask(Question),
}

/// A password that has to be verified.
#[derive(Debug)]
pub struct Question {
    hash: Arc<StoredHash>,
    /// `None` = there is no such user, so the answer is no.
    key: Option<remembered::Key>,
}

impl Basic {
    /// Reads the file.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong with it.
    pub fn new(file: PathBuf, settings: BasicSettings) -> std::result::Result<Self, FileProblem> {
        let users = ArcSwap::from_pointee(Users::read(&file)?);
        let BasicSettings { realm, remember, user_header, passes_on } = settings;
        Ok(Self { file, users, challenge: challenge(&realm), remember, user_header, passes_on })
    }

    /// Reads the file again, and returns how many users it has.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong with it; the users stay as they were.
    pub fn reload(&self) -> std::result::Result<usize, FileProblem> {
        let users = Users::read(&self.file)?;
        let count = users.len();
        self.users.store(Arc::new(users));
        Ok(count)
    }

    /// The file.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Whether what a client says of itself is known to be right. `now`: in seconds, by any clock that goes on.
    pub fn look_up(&self, claimed: &Claimed, remembered: &Remembered, now: u64) -> Known {
        let users = self.users.load();
        let (hash, is_user) = match users.find(&claimed.user) {
            Some(hash) => (hash, true),
            None => (users.somebody(&claimed.user), false),
        };
        // made for those who are no users too, so that it takes as long
        let key = remembered.key(&claimed.user, &claimed.password, hash.text().as_bytes());
        if is_user && remembered.has_password(&key, now) {
            return Known::Verified;
        }
        Known::Ask(Question { hash: Arc::clone(hash), key: is_user.then_some(key) })
    }

    /// Verifies a password of a client with this address, and remembers it when it is right. `None` = nobody knows the address.
    ///
    /// # Errors
    ///
    /// [`Kind::Unauthenticated`] when it is wrong, [`Kind::Overload`] when too many wait to have theirs verified.
    pub async fn verify(
        &self,
        question: Question,
        claimed: Claimed,
        client: Option<IpAddr>,
        (remembered, now): (&Remembered, u64),
    ) -> Result<()> {
        let Question { hash, key } = question;
        let place = match client {
            Some(client) => Some(verifier::place(client).await?),
            None => None,
        };
        // a browser asks for many things at once: the first of them may have been let in meanwhile
        if key.is_some_and(|key| remembered.has_password(&key, now)) {
            return Ok(());
        }
        let is_right = verifier::verify(hash, claimed.password, place).await?;
        match key {
            Some(key) if is_right => {
                remembered.insert_password(key, now.saturating_add(self.remember.as_secs()));
                Ok(())
            }
            _ => Err(Error::new(Kind::Unauthenticated, "the user or the password is wrong")),
        }
    }
}

/// The user and the password in the value of `Authorization`; `None` = there are none that can be read.
pub fn claimed(authorization: &HeaderValue) -> Option<Claimed> {
    let value = authorization.as_bytes();
    let (scheme, encoded) = value.split_at_checked(b"Basic ".len())?;
    if !scheme.eq_ignore_ascii_case(b"Basic ") || encoded.len() > LONGEST * 2 {
        return None;
    }
    let decoded = BASE64.decode(encoded.trim_ascii()).ok()?;
    let colon = decoded.iter().position(|&b| b == b':')?;
    // RFC 7617, section 2: no control characters in either
    if decoded.len() > LONGEST || decoded.iter().any(u8::is_ascii_control) {
        return None;
    }
    let user = std::str::from_utf8(&decoded[..colon]).ok()?.to_owned();
    Some(Claimed { user, password: decoded[colon + 1..].to_vec() })
}

/// RFC 7617, section 2. Where the realm can't be written in a field, it is left as a plain one.
fn challenge(realm: &str) -> HeaderValue {
    let escaped = realm.replace('\\', "\\\\").replace('"', "\\\"");
    let value = HeaderValue::from_str(&format!("Basic realm=\"{escaped}\", charset=\"UTF-8\""));
    value.unwrap_or(HeaderValue::from_static("Basic realm=\"restricted\", charset=\"UTF-8\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Option<(String, Vec<u8>)> {
        claimed(&HeaderValue::from_str(value).unwrap()).map(|claimed| (claimed.user, claimed.password))
    }

    #[test]
    fn a_user_and_a_password_are_read() {
        let encoded = |text: &str| format!("Basic {}", BASE64.encode(text.as_bytes()));
        assert_eq!(read(&encoded("ann:a:b")), Some(("ann".to_owned(), b"a:b".to_vec())));
        assert_eq!(read(&encoded("ann:").replace("Basic", "bAsIc")), Some(("ann".to_owned(), Vec::new())));
        assert_eq!(read(&encoded("ann:p\u{e4}ss")), Some(("ann".to_owned(), "p\u{e4}ss".into())));
        for bad in [
            "Basic",
            "Basic ",
            "Basic !!!!",
            "Bearer YTpi",
            "Basic YTpi=",
            &encoded("ann"),
            &encoded("a\0:b"),
            &encoded("a:b\n"),
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
        assert_eq!(read(&encoded(&format!("a:{}", "x".repeat(LONGEST)))), None);
    }

    #[test]
    fn a_challenge_quotes_its_realm() {
        assert_eq!(challenge("the \"inner\" circle"), "Basic realm=\"the \\\"inner\\\" circle\", charset=\"UTF-8\"");
        assert_eq!(challenge("a\nb"), "Basic realm=\"restricted\", charset=\"UTF-8\"");
    }
}
