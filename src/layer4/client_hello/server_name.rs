//! The name in a ClientHello (RFC 6066, section 3).

use std::net::IpAddr;

use super::part::{Part, Stop};

/// The only kind of name there has ever been.
const HOST_NAME: u8 = 0;

/// The limits of DNS (RFC 1035, section 2.3.4), in the form without the dot at the end.
const MAX_NAME: usize = 253;
const MAX_LABEL: usize = 63;

/// Reads the extension. Names of other kinds are passed over: they "MUST begin with a 16-bit length field".
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
            // "The ServerNameList MUST NOT contain more than one name of the same name_type": which one would the backend take?
            HOST_NAME if found.is_some() => return Err(Stop::Refused("two host names in the server_name extension")),
            HOST_NAME => found = Some(name.whole()?),
            _ => {}
        }
    }
    found.map_or(Ok(None), normalize)
}

/// The name as routes hold it. An IP address is none; what is neither is refused rather than routed to where connections
/// without a name go: a backend might find a name in it that we did not.
///
/// Names are taken as DNS takes them, not as strictly as RFC 952: `_` and a label with `-` at an end are in use. Other letters
/// than ASCII have to come as A-labels (`xn--`). The dot at the end is forbidden, sent by some, and says nothing.
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
