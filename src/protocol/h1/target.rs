//! The target of a request, and the host that it is for: RFC 9112, section 3.2.

use bytes::Bytes;
use http::Method;
use http::uri::{PathAndQuery, Uri};

use super::head::malformed;
use crate::error::{Error, Kind, Result};

/// The longest target that `http::Uri` takes.
pub const MAX_TARGET: usize = u16::MAX as usize - 1;

/// What is wrong with a path and query that a request is refused for, whichever version of HTTP it came by; `None` = nothing.
/// `encoded_controls` lets the last one pass.
///
/// - A byte above 0x7f and a quote are in no URI (RFC 3986, appendix A), and no browser sends them unencoded.
/// - A backslash is a slash to some programs (the WHATWG's URL standard has browsers turn it into one), so a rule for a path would
///   see other segments than they. In queries browsers send it as it is, and there it means nothing.
/// - `%00`, `%0a` and `%0d` end a string, or a line, in programs that decode a path before they look at it or write it into a
///   log or a field. In queries a text of several lines has them.
pub fn objection(path_and_query: &[u8], encoded_controls: bool) -> Option<&'static str> {
    if path_and_query.iter().any(|&b| b >= 0x80 || b == b'"') {
        return Some("a byte above 0x7f or a quote in the target");
    }
    let path = &path_and_query[..memchr::memchr(b'?', path_and_query).unwrap_or(path_and_query.len())];
    if memchr::memchr(b'\\', path).is_some() {
        return Some("a backslash in the path");
    }
    let is_control = |at| matches!(&path[at..], [b'%', b'0', b'0' | b'a' | b'A' | b'd' | b'D', ..]);
    let refused = !encoded_controls && memchr::memchr_iter(b'%', path).any(is_control);
    refused.then_some("%00, %0a or %0d in the path, which limits.allow_encoded_controls lets pass")
}

/// The four forms of RFC 9112, section 3.2: origin, absolute, and asterisk; authority is for CONNECT, which a reverse proxy
/// does not serve.
pub(super) fn parse(head: &Bytes, target: &[u8], method: &Method, encoded_controls: bool) -> Result<Uri> {
    if target.len() > MAX_TARGET {
        return Err(Error::new(Kind::TargetTooLong, "the target is longer than 65,534 bytes"));
    }
    if *method == Method::CONNECT {
        return Err(malformed("CONNECT is not served"));
    }
    if target.iter().any(|&b| b <= b' ' || b == b'#' || b == 0x7f) {
        return Err(malformed("a fragment or a control character in the target"));
    }
    if let Some(objection) = objection(path_of(target), encoded_controls) {
        return Err(malformed(objection));
    }
    let bytes = head.slice_ref(target);
    let target_error = |_| malformed("the target is malformed");
    if target.starts_with(b"/") {
        let path = PathAndQuery::from_maybe_shared(bytes).map_err(target_error)?;
        let mut parts = http::uri::Parts::default();
        parts.path_and_query = Some(path);
        return Uri::from_parts(parts).map_err(|_| malformed("the target is malformed"));
    }
    let uri = Uri::from_maybe_shared(bytes).map_err(target_error)?;
    let absolute = matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|h| !h.is_empty());
    match absolute {
        true => with_path(uri, target, method),
        false if target == b"*" && *method == Method::OPTIONS => Ok(uri),
        false => Err(malformed("the target is neither a path nor an http URI")),
    }
}

/// An absolute URI whose path is empty goes on with `/`, or as the `*` of OPTIONS for the whole server (section 3.2.1 and
/// 3.2.4). An [`Uri`] has `/` in place of an empty path, but not before a query, and doesn't tell one from the other.
fn with_path(uri: Uri, target: &[u8], method: &Method) -> Result<Uri> {
    let length = |part: Option<&str>| part.map_or(0, str::len);
    let before = length(uri.scheme_str()) + b"://".len() + length(uri.authority().map(|authority| authority.as_str()));
    let path = match target.get(before..).unwrap_or_default() {
        [] if *method == Method::OPTIONS => Ok(PathAndQuery::from_static("*")),
        query @ [b'?', ..] => PathAndQuery::from_maybe_shared(Bytes::from([b"/", query].concat())),
        _ => return Ok(uri),
    };
    let mut parts = uri.into_parts();
    parts.path_and_query = Some(path.map_err(|_| malformed("the target is malformed"))?);
    Uri::from_parts(parts).map_err(|_| malformed("the target is malformed"))
}

/// The path and query of a target: of an absolute one, what stands behind its authority.
fn path_of(target: &[u8]) -> &[u8] {
    if target.starts_with(b"/") {
        return target;
    }
    let authority = memchr::memmem::find(target, b"://").map_or(0, |at| at + b"://".len());
    let ends = |&b: &u8| matches!(b, b'/' | b'?' | b'\\');
    target[authority..].iter().position(ends).map_or(&[], |at| &target[authority + at..])
}

/// `uri-host [ ":" port ]` of RFC 9110, section 7.2: a registered name, an IPv4 address, or an IP literal in brackets. Empty is
/// allowed.
pub fn is_host(host: &[u8]) -> bool {
    let (name, port) = match host {
        [b'[', ..] => match host.iter().position(|&b| b == b']') {
            Some(end) => (&host[..=end], &host[end + 1..]),
            None => return false,
        },
        _ => host.split_at(host.iter().position(|&b| b == b':').unwrap_or(host.len())),
    };
    let name_fits = match name {
        [b'[', inner @ .., b']'] => {
            !inner.is_empty() && inner.iter().all(|b| b.is_ascii_hexdigit() || matches!(b, b':' | b'.'))
        }
        _ => name.iter().all(|&b| IN_NAME[usize::from(b)]),
    };
    name_fits && (port.is_empty() || (port[0] == b':' && port[1..].iter().all(u8::is_ascii_digit) && port.len() <= 6))
}

/// The characters of a registered name, percent signs included: RFC 3986, section 3.2.2.
const IN_NAME: [bool; 256] = {
    let mut table = [false; 256];
    let mut b = 0u8;
    while b < 0x80 {
        table[b as usize] = b.is_ascii_alphanumeric()
            || matches!(b, b'-' | b'.' | b'_' | b'~' | b'%' | b'!' | b'$' | b'&'..=b',' | b';' | b'=');
        b += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_uri_may_hold_is_refused_in_paths_and_what_browsers_send_passes() {
        for byte in 0x21..=u8::MAX {
            let refused = byte >= 0x80 || matches!(byte, b'"' | b'\\');
            assert_eq!(objection(&[b'/', byte], false).is_some(), refused, "{byte:#x} in a path");
            let refused = byte >= 0x80 || byte == b'"';
            assert_eq!(objection(&[b'/', b'?', byte], false).is_some(), refused, "{byte:#x} in a query");
        }
    }

    #[test]
    fn encoded_line_ends_and_nul_are_refused_in_paths_only_and_by_default_only() {
        for byte in 0..=u8::MAX {
            let refused = matches!(byte, 0 | b'\r' | b'\n');
            for encoded in [format!("/a%{byte:02x}b"), format!("/%{byte:02X}")] {
                assert_eq!(objection(encoded.as_bytes(), false).is_some(), refused, "{encoded}");
                assert_eq!(objection(encoded.as_bytes(), true), None, "{encoded}");
                assert_eq!(objection(format!("/?{encoded}").as_bytes(), false), None, "{encoded}");
            }
        }
        for cut in ["/%", "/%0", "/%%0", "/%000"] {
            assert_eq!(objection(cut.as_bytes(), false).is_some(), cut == "/%000", "{cut}");
        }
    }

    #[test]
    fn the_path_of_an_absolute_target_is_behind_its_authority() {
        for (target, path) in [
            ("/a://b", "/a://b"),
            ("http://a", ""),
            ("http://a/b?c", "/b?c"),
            ("http://a?c", "?c"),
            ("http://a\\b", "\\b"),
            ("*", ""),
        ] {
            assert_eq!(path_of(target.as_bytes()), path.as_bytes(), "{target}");
        }
    }
}
