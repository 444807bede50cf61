//! Why a token is not taken, and what the client is told of it (RFC 6750, section 3).

use http::header::HeaderValue;

use crate::error::{Error, Kind};

/// Why a request with a token does not come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// There is no token where it should be, or there are two.
    Missing,
    /// It is longer than is looked at.
    TooLong,
    /// It is not what a signed token is.
    Malformed,
    /// It wants something of its reader that nobody knows here (`crit`).
    Critical,
    /// It is signed by an algorithm that is not taken.
    Algorithm,
    /// No key that it could be signed with is known.
    UnknownKey,
    /// Its signature is wrong.
    Signature,
    /// It never expires.
    NoExpiry,
    /// Its time is over.
    Expired,
    /// Its time has not come.
    NotYetValid,
    /// Somebody else has issued it.
    Issuer,
    /// It is for somebody else.
    Audience,
    /// It is good, but who has it may not come in here.
    Claims,
    /// No keys are known: they could not be fetched yet.
    NoKeys,
}

impl Refusal {
    /// What is wrong, for people.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Missing => "no token",
            Self::TooLong => "the token is too long",
            Self::Malformed => "the token is malformed",
            Self::Critical => "the token has a critical header that is not understood",
            Self::Algorithm => "the token is signed by an algorithm that is not taken",
            Self::UnknownKey => "the token is signed with a key that is not known",
            Self::Signature => "the token's signature is wrong",
            Self::NoExpiry => "the token never expires",
            Self::Expired => "the token has expired",
            Self::NotYetValid => "the token is not valid yet",
            Self::Issuer => "the token is from another issuer",
            Self::Audience => "the token is for another audience",
            Self::Claims => "the token does not allow this",
            Self::NoKeys => "the keys of tokens are not known yet",
        }
    }

    /// The error that the exchange ends with.
    pub fn error(self) -> Error {
        let kind = match self {
            Self::Claims => Kind::Denied,
            Self::NoKeys => Kind::Overload,
            _ => Kind::Unauthenticated,
        };
        Error::new(kind, self.reason())
    }

    /// The value of `WWW-Authenticate`. A request without a token is told nothing but that it needs one (RFC 6750, section 3.1).
    pub fn challenge(self) -> Option<HeaderValue> {
        let code = match self {
            Self::Missing => return Some(HeaderValue::from_static("Bearer")),
            Self::NoKeys => return None,
            Self::Claims => "insufficient_scope",
            _ => "invalid_token",
        };
        let reason = self.reason();
        HeaderValue::try_from(format!("Bearer error=\"{code}\", error_description=\"{reason}\"")).ok()
    }
}
