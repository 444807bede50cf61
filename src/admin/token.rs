//! The bearer token of RFC 6750.

use std::hint::black_box;

use http::HeaderValue;

/// What requests must show.
pub(super) struct Token(String);

impl Token {
    /// Of `admin.token_file`.
    pub fn new(token: String) -> Self {
        Self(token)
    }

    /// Whether an `Authorization` shows it.
    pub fn is_in(&self, authorization: Option<&HeaderValue>) -> bool {
        let shown = authorization.and_then(|value| {
            let (scheme, token) = value.as_bytes().split_at_checked("Bearer ".len())?;
            scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii())
        });
        shown.is_some_and(|shown| equal(shown, self.0.as_bytes()))
    }
}

/// Compares in a time that depends on the lengths only, so that a token can't be guessed byte by byte.
fn equal(a: &[u8], b: &[u8]) -> bool {
    let differences = a.iter().zip(b).fold(0, |differences, (a, b)| black_box(differences | (a ^ b)));
    a.len() == b.len() && differences == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_token_will_do() {
        let token = Token::new("s3cret".to_owned());
        let shows = |text: &'static str| token.is_in(Some(&HeaderValue::from_static(text)));
        assert!(shows("Bearer s3cret"));
        assert!(shows("bearer  s3cret"));
        for wrong in
            ["", "Bearer", "Bearer ", "Bearer s3cre", "Bearer s3cret2", "Bearer S3cret", "Basic s3cret", "s3cret"]
        {
            assert!(!shows(wrong), "{wrong}");
        }
        assert!(!token.is_in(None));
    }
}
