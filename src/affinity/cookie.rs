//! The cookie that carries a [`Seal`]: found among the others in `Cookie` fields, written as `Set-Cookie`.
//!
//! RFC 6265: section 5.4 for what clients send, section 4.1 for what is sent to them.

use http::HeaderValue;

use super::seal::{OpenedSeal, Seal};

/// How many cookies of our name are looked at. A browser sends two when another path or a parent domain has set one as well;
/// a client that sends more does so to make us compute.
const MOST: usize = 4;

/// The affinity cookie of one service.
#[derive(Debug)]
pub struct Cookie {
    name: String,
    /// Makes and reads the cookie's values.
    pub(super) seal: Seal,
}

impl Cookie {
    /// The cookie of this name, a token.
    pub fn new(name: String, seal: Seal) -> Self {
        Self { name, seal }
    }

    /// Reads the first valid one among a request's cookies. `fields` are the values of its `Cookie` fields.
    pub fn read<'a>(&self, fields: impl Iterator<Item = &'a [u8]>, unix_now: u64) -> Option<OpenedSeal> {
        fields.flat_map(|field| values(field, &self.name)).take(MOST).find_map(|value| self.seal.open(value, unix_now))
    }

    /// The value of `Set-Cookie` that keeps a client with this backend; `None` when there is no such backend.
    pub fn render(&self, backend: usize, unix_now: u64, secure: bool) -> Option<HeaderValue> {
        let (name, value, ttl) = (&self.name, self.seal.make(backend, unix_now)?, self.seal.ttl());
        let secure = if secure { "; Secure" } else { "" };
        let text = format!("{name}={value}; Path=/; Max-Age={ttl}; HttpOnly; SameSite=Lax{secure}");
        HeaderValue::from_maybe_shared(bytes::Bytes::from(text)).ok()
    }
}

/// The values of the cookies of this name in a `Cookie` field, without the quotes that some clients put around them.
pub fn values<'a>(field: &'a [u8], name: &str) -> impl Iterator<Item = &'a [u8]> {
    field.split(|byte| *byte == b';').filter_map(move |pair| {
        let pair = pair.trim_ascii();
        let value = pair.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
        Some(value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value))
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::seal::Secret;
    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn cookie() -> Cookie {
        let secret = Secret::new(&[1; 32]).unwrap();
        Cookie::new(
            "keel".to_owned(),
            Seal::new(&secret, &[], "api", ["a", "b"].into_iter(), Duration::from_secs(3600)),
        )
    }

    fn found<'a>(field: &'a str, name: &str) -> Vec<&'a str> {
        values(field.as_bytes(), name).map(|value| str::from_utf8(value).unwrap()).collect()
    }

    #[test]
    fn the_right_cookie_is_found_among_several() {
        assert_eq!(found("a=1; keel=2; b=3", "keel"), ["2"]);
        assert_eq!(found("keel=1;keel=2", "keel"), ["1", "2"], "also without a space");
        assert_eq!(found("xkeel=1; keelx=2; KEEL=3; keel", "keel"), [""; 0], "names are exact");
        assert_eq!(found("keel=\"q\"; keel=\"; keel=\"\"; keel=", "keel"), ["q", "\"", "", ""]);
        assert_eq!(found("keel=a=b", "keel"), ["a=b"]);
        assert_eq!(found(";;; =; \t;", "keel"), [""; 0]);
        assert_eq!(found("", "keel"), [""; 0]);
    }

    #[test]
    fn a_good_one_is_found_behind_bad_ones_but_not_behind_many() {
        let cookie = cookie();
        let good = cookie.seal.make(1, NOW).unwrap();
        let read = |field: &str| cookie.read([&b"x=1"[..], field.as_bytes()].into_iter(), NOW).map(|n| n.backend);
        assert_eq!(read(&format!("keel=stale; keel={good}")), Some(1));
        assert_eq!(read(&format!("keel=\"{good}\"")), Some(1));
        assert_eq!(read(&format!("{}keel={good}", "keel=x; ".repeat(MOST))), None);
        assert_eq!(read(&format!("other={good}")), None);
    }

    #[test]
    fn it_is_kept_from_scripts_and_from_other_sites_and_from_the_clear() {
        let (cookie, value) = (cookie(), cookie().seal.make(0, NOW).unwrap());
        let want = format!("keel={value}; Path=/; Max-Age=3600; HttpOnly; SameSite=Lax");
        assert_eq!(cookie.render(0, NOW, false).unwrap(), want);
        assert_eq!(cookie.render(0, NOW, true).unwrap(), format!("{want}; Secure"));
        assert_eq!(cookie.render(2, NOW, true), None, "no such backend");
    }
}
