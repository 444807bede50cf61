//! What the target of a request may hold, and the host that it is for, whichever version of HTTP they came by.

/// The longest method. The registry's longest has 17 bytes (UPDATEREDIRECTREF); what is far above that is no method.
pub const MAX_METHOD: usize = 64;

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
}
