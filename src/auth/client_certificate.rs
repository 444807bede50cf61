//! Which client certificates may come in: by their DNS names, and by their SPIFFE IDs.
//!
//! Whether a certificate is genuine is TLS's to find out, before any request: what is judged here has been verified against the listener's `client_ca`.

use std::time::{Duration, SystemTime};

/// What a client's certificate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateNames {
    /// Its DNS names (subjectAltName).
    pub dns: Vec<Box<str>>,
    /// Its URIs (subjectAltName).
    pub uris: Vec<Box<str>>,
    /// The last moment at which it is valid. A TLS session can be resumed after that.
    pub not_after: SystemTime,
}

/// Which certificates may come in: those with one of the names, or one of the SPIFFE IDs.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct CertificateRule {
    names: Vec<NamePattern>,
    ids: Vec<IdPattern>,
}

/// `api.example`, or `*.example` for every name below it.
#[derive(Debug, PartialEq, Eq)]
enum NamePattern {
    Exact(String),
    Below(String),
}

/// `spiffe://td/a`, or `spiffe://td/a/*` for every ID below it.
#[derive(Debug, PartialEq, Eq)]
struct IdPattern {
    text: String,
    takes_below: bool,
}

/// The longest SPIFFE ID (SPIFFE-ID, section 2.3).
const LONGEST_ID: usize = 2048;

impl CertificateRule {
    /// A certificate must have a name or an ID that one of these takes.
    ///
    /// # Errors
    ///
    /// The text that can't be used, and why.
    pub fn new(names: &[String], ids: &[String]) -> Result<Self, (String, &'static str)> {
        let names = names.iter().map(|text| name_pattern(text).map_err(|why| (text.clone(), why)));
        let ids = ids.iter().map(|text| id_pattern(text).map_err(|why| (text.clone(), why)));
        Ok(Self { names: names.collect::<Result<_, _>>()?, ids: ids.collect::<Result<_, _>>()? })
    }

    /// Whether who has shown this certificate may come in at `now`: the first of its names, or its SPIFFE ID, by which it does.
    pub fn admits<'c>(&self, shown: &'c CertificateNames, now: SystemTime) -> Option<&'c str> {
        // a certificate is valid in its very last second
        if now >= shown.not_after + Duration::from_secs(1) {
            return None;
        }
        let name = shown.dns.iter().find(|name| self.names.iter().any(|pattern| pattern.takes(name)));
        let id = || spiffe_id(shown).filter(|id| self.ids.iter().any(|pattern| pattern.takes(id)));
        name.map(|name| &**name).or_else(id)
    }
}

/// The SPIFFE ID of a certificate: it must be its only URI (X509-SVID, section 2), or whoever reads another one would be told of another client.
fn spiffe_id(shown: &CertificateNames) -> Option<&str> {
    match &shown.uris[..] {
        [id] if is_id(id) => Some(id),
        _ => None,
    }
}

/// SPIFFE-ID, section 2: a trust domain and a path of segments, none of which is empty or made of dots only; nothing is percent-encoded.
fn is_id(id: &str) -> bool {
    let Some(rest) = id.strip_prefix("spiffe://") else { return false };
    let (domain, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let is_domain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'_');
    let is_in_path = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    let is_segment = |segment: &str| !matches!(segment, "" | "." | "..") && segment.bytes().all(is_in_path);
    id.len() <= LONGEST_ID
        && !domain.is_empty()
        && domain.bytes().all(is_domain)
        && (path.is_empty() || path.split('/').skip(1).all(is_segment))
}

fn name_pattern(text: &str) -> Result<NamePattern, &'static str> {
    let lower = text.to_ascii_lowercase();
    let (name, is_wildcard) = match lower.strip_prefix("*.") {
        Some(name) => (name, true),
        None => (&*lower, false),
    };
    let is_label =
        |label: &str| !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if !name.split('.').all(is_label) {
        return Err("a name such as \"api.example\", or \"*.example\" for every name below it");
    }
    Ok(if is_wildcard { NamePattern::Below(format!(".{name}")) } else { NamePattern::Exact(name.to_owned()) })
}

fn id_pattern(text: &str) -> Result<IdPattern, &'static str> {
    let (id, takes_below) = match text.strip_suffix("/*") {
        Some(id) => (id, true),
        None => (text, false),
    };
    match is_id(id) {
        true if takes_below => Ok(IdPattern { text: format!("{id}/"), takes_below }),
        true => Ok(IdPattern { text: id.to_owned(), takes_below }),
        false => {
            Err("a SPIFFE ID such as \"spiffe://example.org/ns/web\", or one that ends in \"/*\" for every ID below it")
        }
    }
}

impl NamePattern {
    /// A certificate for `*.example` is for none of the names below it in particular: it is taken by no pattern.
    fn takes(&self, name: &str) -> bool {
        if name.contains('*') {
            return false;
        }
        match self {
            Self::Exact(exact) => exact.eq_ignore_ascii_case(name),
            Self::Below(suffix) => name
                .len()
                .checked_sub(suffix.len())
                .is_some_and(|start| start > 0 && name.as_bytes()[start..].eq_ignore_ascii_case(suffix.as_bytes())),
        }
    }
}

impl IdPattern {
    fn takes(&self, id: &str) -> bool {
        match self.takes_below {
            true => id.starts_with(&self.text),
            false => id == self.text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;

    fn rule(names: &[&str], ids: &[&str]) -> CertificateRule {
        let owned = |all: &[&str]| all.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        CertificateRule::new(&owned(names), &owned(ids)).unwrap()
    }

    fn certificate(dns: &[&str], uris: &[&str]) -> CertificateNames {
        let boxed = |all: &[&str]| all.iter().map(|text| (*text).into()).collect();
        CertificateNames { dns: boxed(dns), uris: boxed(uris), not_after: NOW }
    }

    #[test]
    fn a_name_of_the_certificate_has_to_fit() {
        let rule = rule(&["api.example", "*.svc.example"], &[]);
        for (name, comes_in) in [
            ("api.example", true),
            ("API.Example", true),
            ("a.svc.example", true),
            ("a.b.SVC.example", true),
            ("svc.example", false),
            (".svc.example", false),
            ("asvc.example", false),
            ("*.svc.example", false),
            ("api.example.evil", false),
            ("xapi.example", false),
        ] {
            let shown = certificate(&["other.example", name], &[]);
            assert_eq!(rule.admits(&shown, NOW), comes_in.then_some(name));
        }
        assert_eq!(rule.admits(&certificate(&[], &["spiffe://api.example/a"]), NOW), None);
    }

    #[test]
    fn a_spiffe_id_has_to_be_the_only_uri_and_well_formed() {
        let rule = rule(&[], &["spiffe://td.example/ns/*", "spiffe://other.example"]);
        for (id, comes_in) in [
            ("spiffe://td.example/ns/web", true),
            ("spiffe://td.example/ns/a/b", true),
            ("spiffe://other.example", true),
            ("spiffe://other.example/a", false),
            ("spiffe://td.example/ns", false),
            ("spiffe://td.example/ns/", false),
            ("spiffe://td.example/ns/../x", false),
            ("spiffe://td.example/ns//x", false),
            ("spiffe://td.example/ns/a%2fb", false),
            ("spiffe://td.example.evil/ns/a", false),
            ("SPIFFE://td.example/ns/a", false),
            ("https://td.example/ns/a", false),
        ] {
            assert_eq!(rule.admits(&certificate(&[], &[id]), NOW), comes_in.then_some(id));
        }
        let two = certificate(&[], &["spiffe://td.example/ns/web", "https://a.example"]);
        assert_eq!(rule.admits(&two, NOW), None);
    }

    #[test]
    fn a_certificate_that_has_expired_since_the_handshake_is_none() {
        let (rule, shown) = (rule(&["a.example"], &[]), certificate(&["a.example"], &[]));
        assert!(rule.admits(&shown, NOW).is_some() && rule.admits(&shown, NOW + Duration::from_secs(1)).is_none());
    }

    #[test]
    fn what_can_be_no_name_is_refused() {
        for bad in ["", "*", "*.", "a..b", "a b", "*.*.example", "https://a"] {
            assert!(CertificateRule::new(&[bad.to_owned()], &[]).is_err(), "{bad}");
        }
        for bad in
            ["", "spiffe://", "spiffe:///a", "spiffe://TD/a", "spiffe://td/*/a", "spiffe://td/a/", "https://td/a"]
        {
            assert!(CertificateRule::new(&[], &[bad.to_owned()]).is_err(), "{bad}");
        }
    }
}
