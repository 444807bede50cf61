//! The rules for a request's target and host that are the same in all versions of HTTP.

/// The most bytes of a method. The longest that is registered with IANA has 17 (UPDATEREDIRECTREF).
pub const MAX_METHOD: usize = 64;

/// The most bytes of a target, which is the limit of `http::Uri`.
pub const MAX_TARGET: usize = u16::MAX as usize - 1;

/// The reason to refuse a path and query; `None` when there is none. `encoded_controls` allows what the last rule refuses.
///
/// - A byte above 0x7f and a quote are not allowed in a URI (RFC 3986, appendix A), and no browser sends them unencoded.
/// - A backslash in a path is treated as a slash by some programs (the WHATWG's URL standard has browsers turn it into one), so
///   they would see other path segments than our routes do. Browsers do send it in queries, where it has no such meaning.
/// - `%00`, `%0a` and `%0d` end a string or a line in programs that decode a path before they check it, log it or write it into a
///   field. They are allowed in queries, where a text of several lines contains them.
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

/// Whether this is `uri-host [ ":" port ]` of RFC 9110, section 7.2: a registered name, an IPv4 address, or an IP literal in
/// brackets. An empty host is accepted. A registered name with a percent sign is not: RFC 3986 allows it (section 3.2.2), but no name in DNS has one, and a program
/// that decodes it sees another host than routes do.
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

/// The characters that may occur in a registered name: RFC 3986, section 3.2.2, without the percent sign.
const IN_NAME: [bool; 256] = {
    let mut table = [false; 256];
    let mut b = 0u8;
    while b < 0x80 {
        table[b as usize] = b.is_ascii_alphanumeric()
            || matches!(b, b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&'..=b',' | b';' | b'=');
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
    fn a_host_has_no_escapes() {
        for host in ["a.test", "a_b.test:8080", "a.test.", "192.0.2.1", "[2001:db8::1]:80", ""] {
            assert!(is_host(host.as_bytes()), "{host}");
        }
        for host in ["a%2etest", "%61.test", "a.test%2e", "a%", "a%3a80", "[fe80::1%25eth0]"] {
            assert!(!is_host(host.as_bytes()), "{host}");
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
}
