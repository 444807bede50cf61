//! The server name in a ClientHello (RFC 6066, section 3).

use std::net::IpAddr;

use super::part::{Part, Stop};

/// The name type `host_name`, the only one that was ever defined.
const HOST_NAME: u8 = 0;

/// The limits of DNS for a name without the final dot, and for each label (RFC 1035, section 2.3.4).
const MAX_NAME: usize = 253;
const MAX_LABEL: usize = 63;

/// Parses the extension. Names of other types are skipped: they "MUST begin with a 16-bit length field".
pub(super) fn parse(mut extension: Part<'_>) -> Result<Option<Box<str>>, Stop> {
    let mut names = extension.only_vector16("bytes after the list of server names")?;
    if names.is_empty() {
        return Err(Stop::Refused("an empty list of server names"));
    }
    let mut found = None;
    while !names.is_empty() {
        let kind = names.u8()?;
        let name = names.vector16()?;
        match kind {
            // "The ServerNameList MUST NOT contain more than one name of the same name_type": backends might differ in which one
            // they use
            HOST_NAME if found.is_some() => return Err(Stop::Refused("two host names in the server_name extension")),
            HOST_NAME => found = Some(name.whole()?),
            _ => {}
        }
    }
    found.map_or(Ok(None), normalize)
}

/// The name in the form that routes use; `None` for an IP address. Anything else that is not a DNS name is refused, and not
/// treated as if there were no name, because a backend might find a name in it.
///
/// The rules are those of DNS and not as strict as RFC 952: `_` and labels that begin or end with `-` are in use. Non-ASCII
/// letters have to come as A-labels (`xn--`). A final dot is forbidden, but some clients send it; it is removed.
fn normalize(name: &[u8]) -> Result<Option<Box<str>>, Stop> {
    const BAD: Stop = Stop::Refused("a server name that is not a DNS name");
    let text = str::from_utf8(name).map_err(|_| BAD)?;
    let text = text.strip_suffix('.').unwrap_or(text);
    if text.parse::<IpAddr>().is_ok() {
        return Ok(None);
    }
    let in_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let is_label = |label: &str| (1..=MAX_LABEL).contains(&label.len()) && label.bytes().all(in_name);
    if text.len() > MAX_NAME || !text.split('.').all(is_label) {
        return Err(BAD);
    }
    Ok(Some(text.to_ascii_lowercase().into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_brought_into_the_form_of_routes() {
        let longest = [&*"a".repeat(63), &"b".repeat(63), &"c".repeat(63), &"d".repeat(61)].join(".");
        for (sent, want) in [
            ("example.com", Some("example.com")),
            ("WWW.Example.COM.", Some("www.example.com")),
            ("xn--bcher-kva.example", Some("xn--bcher-kva.example")),
            ("_dmarc-.example", Some("_dmarc-.example")),
            ("localhost", Some("localhost")),
            ("1.2.3.4.example", Some("1.2.3.4.example")),
            (&longest, Some(&*longest)),
            (&format!("{longest}."), Some(&*longest)),
            ("192.0.2.1", None),
            ("192.0.2.1.", None),
            ("2001:db8::1", None),
        ] {
            assert_eq!(normalize(sent.as_bytes()).unwrap().as_deref(), want, "{sent}");
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        let long_label = format!("{}.example", "a".repeat(64));
        let too_long = format!("{}a", "a.".repeat(127));
        assert_eq!(too_long.len(), 255);
        for sent in [
            &b""[..],
            b".",
            b"..",
            b"a..b",
            b".a",
            b"a..",
            b"*.example",
            b"a b",
            b"a\0",
            b"a:443",
            b"a/b",
            b"[::1]",
            b"\xff",
            "bücher.example".as_bytes(),
            long_label.as_bytes(),
            too_long.as_bytes(),
        ] {
            assert!(matches!(normalize(sent), Err(Stop::Refused(_))), "{:?}", String::from_utf8_lossy(sent));
        }
    }
}
