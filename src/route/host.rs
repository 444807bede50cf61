//! The host of a request, as sent, brought into the form in which routes hold hosts.

use std::borrow::Cow;

/// A host without its port: `example.com:8080` is `example.com`, `[::1]:80` is `[::1]`. Case, a trailing dot and the
/// brackets of an IPv6 address stay as they are.
pub fn without_port(host: &str) -> &str {
    if host.starts_with('[') {
        return host.find(']').map_or(host, |end| &host[..=end]);
    }
    host.find(':').map_or(host, |colon| &host[..colon])
}

/// A host as a key: without port, without the dot that ends a fully qualified name (RFC 3986, section 3.2.2) and further ones, which
/// a backend may take off as well, without the brackets of an IPv6 address, in lower case. Allocates only when there are capitals to lower, which browsers and
/// libraries never send.
pub(super) fn key(host: &str) -> Cow<'_, str> {
    let host = without_port(host);
    let host = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => address,
        None => host.trim_end_matches('.'),
    };
    if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(host.to_ascii_lowercase())
    } else {
        Cow::Borrowed(host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_case_dot_and_brackets_make_no_difference() {
        for (sent, want) in [
            ("example.com", "example.com"),
            ("example.com:8080", "example.com"),
            ("Example.COM", "example.com"),
            ("example.com.", "example.com"),
            ("example.com..", "example.com"),
            ("Example.com...:80", "example.com"),
            ("EXAMPLE.com.:443", "example.com"),
            ("192.0.2.1:80", "192.0.2.1"),
            ("[2001:DB8::1]:80", "2001:db8::1"),
            ("[::1]", "::1"),
            ("", ""),
            (":80", ""),
            (".", ""),
        ] {
            assert_eq!(key(sent), want, "{sent}");
        }
    }

    #[test]
    fn a_usual_host_is_borrowed() {
        assert!(matches!(key("example.com"), Cow::Borrowed(_)));
        assert!(matches!(key("example.com:8080"), Cow::Borrowed(_)));
    }

    #[test]
    fn a_broken_address_is_no_panic() {
        for sent in ["[", "[]", "]", "[::1", "[::1]x", "::1", "[]:80", "é:80"] {
            let _ = key(sent);
        }
        assert_eq!(without_port("[::1"), "[::1");
        assert_eq!(without_port("[::1]:80"), "[::1]");
    }
}
