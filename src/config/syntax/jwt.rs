//! What is written of tokens (`auth.jwt`).

use http::Uri;

use super::{Problem, Result, address, nearest};
use crate::auth::jwt::Algorithm;

/// Where keys come from.
#[derive(Debug)]
pub(in crate::config) enum JwksSource<'t> {
    /// A file.
    File(&'t str),
    /// An http or https URL.
    Url(Uri),
}

pub(in crate::config) fn jwks(text: &str) -> Result<JwksSource<'_>> {
    const EXPECTED: &str = "a file, or a URL such as \"https://idp.example.com/.well-known/jwks.json\"";
    match text.contains("://") {
        true => address::jwks(text, EXPECTED).map(JwksSource::Url),
        false if text.trim().is_empty() => Err(Problem::new("the path of the file is missing", EXPECTED)),
        false => Ok(JwksSource::File(text)),
    }
}

pub(in crate::config) fn algorithm(text: &str) -> Result<Algorithm> {
    if let Some(algorithm) = Algorithm::parse(text) {
        return Ok(algorithm);
    }
    let names = Algorithm::ALL.map(Algorithm::as_str);
    let expected = format!("one of {}", names.join(", "));
    let upper = text.to_ascii_uppercase();
    let problem = match upper.as_str() {
        "NONE" => Problem::new("`none` is no signature: everybody could make a token", expected),
        "HS256" | "HS384" | "HS512" => {
            let help = "whoever can verify with a shared secret can sign with it as well; have tokens signed with a private key";
            return Err(Problem::new(format!("`{text}` is not taken"), expected).help(help));
        }
        _ => Problem::new(format!("`{text}` is no algorithm of tokens that is known here"), expected),
    };
    Err(problem.suggest(nearest(&upper, names).map(str::to_owned)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_from_files_and_urls() {
        assert!(matches!(jwks("keys.json").unwrap(), JwksSource::File("keys.json")));
        assert!(matches!(jwks("https://idp/jwks").unwrap(), JwksSource::Url(_)));
        for bad in ["", " ", "ftp://idp/jwks", "https://", "https://user:secret@idp/jwks"] {
            assert!(jwks(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn algorithms_without_a_public_key_are_no_mistake_in_spelling() {
        assert_eq!(algorithm("ES256").unwrap(), Algorithm::Es256);
        assert_eq!(algorithm("rs256").unwrap_err().suggestion.as_deref(), Some("RS256"));
        assert!(algorithm("None").unwrap_err().message.contains("no signature"));
        let shared = algorithm("HS256").unwrap_err();
        assert!(shared.help.is_some() && shared.suggestion.is_none());
    }
}
