//! `cors = { ... }`: which pages of other origins may read a route's answers. The rules are those of the Fetch standard
//! (fetch.spec.whatwg.org, section 3.3, "CORS protocol").

use http::header::HeaderValue;

/// Which pages of other origins may use a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cors {
    /// The origins whose pages may.
    pub origins: Origins,
    /// The value of `Access-Control-Allow-Methods`.
    pub methods: HeaderValue,
    /// The value of `Access-Control-Allow-Headers`; `None` = only those that need no permission.
    pub headers: Option<HeaderValue>,
    /// The value of `Access-Control-Expose-Headers`; `None` = only those that need no permission.
    pub expose: Option<HeaderValue>,
    /// Whether cookies and the like may be sent along.
    pub credentials: bool,
    /// The value of `Access-Control-Max-Age`.
    pub max_age: HeaderValue,
}

/// Origins of pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origins {
    /// All of them.
    Any,
    /// These.
    Listed(Vec<Origin>),
}

/// One origin, or those of all names below a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// As browsers write it: `https://a.example`, `http://localhost:3000`.
    Exact(String),
    /// `https://*.example.com:8443`, taken apart at the star.
    Below {
        /// `https://`
        scheme: String,
        /// `.example.com:8443`
        suffix: String,
    },
}

impl Origins {
    /// Whether pages of this origin are among them.
    pub fn contain(&self, origin: &[u8]) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(all) => all.iter().any(|listed| listed.is(origin)),
        }
    }
}

impl Origin {
    fn is(&self, origin: &[u8]) -> bool {
        match self {
            Self::Exact(exact) => exact.as_bytes() == origin,
            Self::Below { scheme, suffix } => {
                let name = origin.strip_prefix(scheme.as_bytes()).and_then(|rest| rest.strip_suffix(suffix.as_bytes()));
                // browsers send names in small letters; whatever else has a place in an origin has none in a name
                let is_name = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.');
                name.is_some_and(|name| !name.is_empty() && name[0] != b'.' && name.iter().all(is_name))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_names_and_nothing_else() {
        let below = Origin::Below { scheme: "https://".to_owned(), suffix: ".example.com".to_owned() };
        let origins = Origins::Listed(vec![below, Origin::Exact("http://localhost:3000".to_owned())]);
        for good in ["https://a.example.com", "https://a-b.c.example.com", "http://localhost:3000"] {
            assert!(origins.contain(good.as_bytes()), "{good}");
        }
        for bad in [
            "https://example.com",
            "https://.example.com",
            "http://a.example.com",
            "https://a.example.com:8443",
            "https://evil.example/.example.com",
            "https://evil.example?.example.com",
            "https://u@a.example.com",
            "https://aexample.com",
            "http://localhost",
            "null",
            "",
        ] {
            assert!(!origins.contain(bad.as_bytes()), "{bad}");
        }
        assert!(Origins::Any.contain(b"null"));
    }
}
