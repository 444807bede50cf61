//! The bearer tokens of RFC 6750, each with a name.

use http::HeaderValue;

use crate::policy::AdminToken;

/// The tokens of `admin.token_file` and `admin.tokens`. A request must show one of them; where there are none, it need not.
#[derive(Debug, Default)]
pub(super) struct Tokens(Vec<AdminToken>);

/// What an `Authorization` shows.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Shown<'a> {
    /// No bearer token: the field is missing, or of another scheme.
    Nothing,
    /// A token that is not among ours.
    Unknown,
    /// One of our tokens.
    Token(&'a AdminToken),
}

impl Tokens {
    /// These tokens. No two have the same name, nor the same secret.
    pub(super) fn new(tokens: Vec<AdminToken>) -> Self {
        Self(tokens)
    }

    /// Whether there are none, so that requests need none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The token with this secret.
    pub(super) fn with_secret(&self, secret: &[u8]) -> Option<&AdminToken> {
        self.0.iter().find(|token| token.secret.is(secret))
    }

    /// The token with the same name and the same secret as one of an earlier configuration. What it may do can have changed.
    pub(super) fn still(&self, before: &AdminToken) -> Option<&AdminToken> {
        self.0.iter().find(|token| token.name == before.name && token.secret == before.secret)
    }

    /// The token that an `Authorization` shows.
    pub(super) fn shown_in(&self, authorization: Option<&HeaderValue>) -> Shown<'_> {
        let secret = authorization.and_then(|value| {
            let (scheme, secret) = value.as_bytes().split_at_checked("Bearer".len())?;
            let ends = secret.first().is_none_or(|next| *next == b' ');
            (scheme.eq_ignore_ascii_case(b"Bearer") && ends).then(|| secret.trim_ascii())
        });
        match secret {
            None => Shown::Nothing,
            Some(secret) => self.with_secret(secret).map_or(Shown::Unknown, Shown::Token),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Access, TokenSecret};

    fn token(name: &str, secret: &str) -> AdminToken {
        AdminToken { name: name.into(), secret: TokenSecret::new(secret), access: Access::Write }
    }

    #[test]
    fn only_a_whole_token_will_do() {
        let tokens = Tokens::new(vec![token("admin", "s3cret"), token("ci", "0ther")]);
        let shows = |text: &'static str| match tokens.shown_in(Some(&HeaderValue::from_static(text))) {
            Shown::Token(token) => token.name.to_string(),
            other => format!("{other:?}"),
        };
        assert_eq!(shows("Bearer s3cret"), "admin");
        assert_eq!(shows("bearer  0ther"), "ci");
        for wrong in ["Bearer", "Bearer ", "Bearer s3cre", "Bearer s3cret2", "Bearer S3cret", "Bearer s3cret0ther"] {
            assert_eq!(shows(wrong), "Unknown", "{wrong}");
        }
        for other in ["", "Basic s3cret", "s3cret", "Bearers3cret"] {
            assert_eq!(shows(other), "Nothing", "{other}");
        }
        assert_eq!(tokens.shown_in(None), Shown::Nothing);
    }

    #[test]
    fn a_token_whose_secret_was_replaced_is_another() {
        let tokens = Tokens::new(vec![token("admin", "new")]);
        assert!(tokens.still(&token("admin", "new")).is_some());
        assert!(tokens.still(&token("admin", "old")).is_none());
        assert!(tokens.still(&token("ci", "new")).is_none());
    }

    #[test]
    fn a_dump_does_not_show_secrets() {
        assert!(!format!("{:?}", Tokens::new(vec![token("admin", "s3cret")])).contains("s3cret"));
    }
}
