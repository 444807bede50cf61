//! What is a head and what is not, byte by byte.

use bytes::{Bytes, BytesMut};

use super::*;

const STRICT: Leniency = Leniency { encoded_controls: false, bare_lf: false };
const LIMITS: HeadLimits = HeadLimits { bytes: 1024, fields: 4, leniency: STRICT };

fn ask(head: &[u8]) -> Result<Option<RequestHead>> {
    request(&mut BytesMut::from(head), &mut Scan::default(), LIMITS)
}

fn answer(head: &[u8]) -> Result<Option<ResponseHead>> {
    response(&mut BytesMut::from(head), &mut Scan::default(), LIMITS)
}

/// The kind of the error with which a request that has this field is refused.
fn refused(field: &[u8]) -> Option<Kind> {
    ask(&[b"GET / HTTP/1.1\r\nHost: h\r\n", field, b"\r\n\r\n"].concat()).err().map(|error| error.kind())
}

#[test]
fn a_head_means_the_same_however_it_is_cut() {
    let whole = b"\r\nPOST /a?b HTTP/1.1\r\nHost: h:1\r\nX-One:  a b\t\r\nContent-Length: 3\r\nX-Two:\r\n\r\nrest";
    for cut in 0..whole.len() - b"rest".len() {
        let (mut buf, mut scan) = (BytesMut::from(&whole[..cut]), Scan::default());
        assert!(request(&mut buf, &mut scan, LIMITS).unwrap().is_none(), "{cut}");
        buf.extend_from_slice(&whole[cut..]);
        let RequestHead { request, persists } = request(&mut buf, &mut scan, LIMITS).unwrap().unwrap();
        assert_eq!((request.method.as_str(), request.uri.path(), request.uri.query()), ("POST", "/a", Some("b")));
        assert_eq!((request.host.unwrap(), request.headers.len()), (HeaderValue::from_static("h:1"), 2));
        assert_eq!(
            (&request.headers["x-one"], &request.headers["x-two"]),
            (&HeaderValue::from_static("a b"), &HeaderValue::from_static(""))
        );
        assert_eq!((request.length, persists, &buf[..]), (length::Length::Fixed(3), true, &b"rest"[..]));
    }
}

#[test]
fn every_byte_that_a_name_or_a_value_may_not_hold_is_refused() {
    for byte in 0..=u8::MAX {
        let token = byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        // a colon ends the name, a line feed the line
        if byte != b':' && byte != b'\n' {
            assert_eq!(refused(&[b'x', byte, b'y', b':', b'v']).is_none(), token, "{byte} in a name");
        }
        let text = byte == b'\t' || (byte >= b' ' && byte != 0x7f);
        for name in [&b"X: a"[..], b"Connection: a", b"Upgrade: a", b"Keep-Alive: a", b"TE: a"] {
            assert_eq!(refused(&[name, &[byte, b'a']].concat()).is_none(), text, "{byte} in {name:?}");
        }
    }
    for framing in [&b"Content-Length: 1\x0c"[..], b"Content-Length: 1\x0b", b"Transfer-Encoding: chunked\x0c"] {
        assert_eq!(refused(framing), Some(Kind::MalformedRequest), "{framing:?}");
    }
    for line in [&b"no colon"[..], b": no name", b"space before : v", b" folded: v", b"\tfolded"] {
        assert_eq!(refused(line), Some(Kind::MalformedRequest), "{line:?}");
    }
}

#[test]
fn what_is_too_long_does_not_depend_on_how_much_of_it_came_at_once() {
    let long = "a".repeat(LIMITS.bytes);
    let target = format!("GET /{long} HTTP/1.1\r\nHost: h\r\n\r\n");
    let field = format!("GET / HTTP/1.1\r\nHost: h\r\nX: {long}\r\n\r\n");
    for cut in [LIMITS.bytes, target.len()] {
        assert_eq!(ask(&target.as_bytes()[..cut]).unwrap_err().kind(), Kind::TargetTooLong, "{cut}");
        assert_eq!(ask(&field.as_bytes()[..cut]).unwrap_err().kind(), Kind::HeadersTooLarge, "{cut}");
    }
}

#[test]
fn a_request_line_has_three_parts_and_two_spaces() {
    let kind = |line: &[u8]| ask(&[line, b"\r\nHost: h\r\n\r\n"].concat()).err().map(|error| error.kind());
    for good in [&b"GET / HTTP/1.1"[..], b"M-SEARCH /a HTTP/1.1", b"OPTIONS * HTTP/1.1", b"GET /[]^{|} HTTP/1.2"] {
        assert_eq!(kind(good), None, "{good:?}");
    }
    for bad in [
        &b"GET /"[..],
        b"GET  / HTTP/1.1",
        b"GET / HTTP/1.1 ",
        b"GET /a b HTTP/1.1",
        b"GET\t/ HTTP/1.1",
        b" GET / HTTP/1.1",
        b"G(T / HTTP/1.1",
        b"GET /\x7f HTTP/1.1",
        b"GET /\x01 HTTP/1.1",
        b"GET /\xff HTTP/1.1",
        b"GET /\" HTTP/1.1",
        b"GET /a\\b HTTP/1.1",
        b"GET /a%00 HTTP/1.1",
        b"GET http://h/a%0D HTTP/1.1",
        b"GET http://h\\a HTTP/1.1",
        b"GET /#f HTTP/1.1",
        b"GET a HTTP/1.1",
        b"GET / http/1.1",
        b"GET / HTTP/1.10",
    ] {
        assert_eq!(kind(bad), Some(Kind::MalformedRequest), "{bad:?}");
    }
    assert_eq!(kind(b"GET / HTTP/2.0"), Some(Kind::UnsupportedVersion));
}

#[test]
fn a_status_line_may_do_without_its_reason_but_not_without_its_form() {
    let status =
        |line: &[u8]| answer(&[line, b"\r\nServer: s\r\n\r\n"].concat()).ok().flatten().map(|h| h.status.as_u16());
    for (good, code) in [
        (&b"HTTP/1.1 200 OK"[..], 200),
        (b"HTTP/1.0 404 ", 404),
        (b"HTTP/1.1 204", 204),
        (b"HTTP/1.1 500 caf\xe9 closed", 500),
        // RFC 9110, section 2.5: a minor version that is not known yet is no reason to refuse it
        (b"HTTP/1.2 200 OK", 200),
    ] {
        assert_eq!(status(good), Some(code), "{good:?}");
    }
    for bad in [
        &b"HTTP/1.1  200 OK"[..],
        b"HTTP/1.1 20 OK",
        b"HTTP/1.1 2000 OK",
        b"HTTP/1.1 099 OK",
        b"HTTP/1.1 200OK",
        b"HTTP/1.1 200 O\x7fK",
        b"HTTP/1.10 200 OK",
        b"HTTP/2.0 200 OK",
        b"HTTP/2 200 OK",
        b"ICY 200 OK",
    ] {
        assert_eq!(status(bad), None, "{bad:?}");
    }
}

#[test]
fn too_many_fields_are_too_many() {
    let head = |fields: usize| {
        [b"GET / HTTP/1.1\r\nHost: h\r\n".to_vec(), b"a: b\r\n".repeat(fields - 1), b"\r\n".to_vec()].concat()
    };
    assert!(ask(&head(4)).is_ok());
    assert_eq!(ask(&head(5)).unwrap_err().kind(), Kind::HeadersTooLarge);
}

#[test]
fn trailers_are_read_to_their_empty_line() {
    let read = |section: &'static [u8]| trailers(&Bytes::from_static(section), Kind::UpstreamMalformed);
    let map = read(b"x-sum: 1\r\nContent-Length: 5\r\n\r\n").unwrap();
    assert_eq!((map.len(), &map["x-sum"]), (1, &HeaderValue::from_static("1")));
    for bad in [&b"x-sum: 1\r\n"[..], b"x-sum: 1\n\r\n", b"x sum: 1\r\n\r\n", b"x-sum: \x00\r\n\r\n"] {
        assert!(read(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn every_field_that_is_taken_out_is_one_of_framing_or_of_the_connection() {
    const KIND: Kind = Kind::MalformedRequest;
    for name in TAKEN_OUT {
        let framing = framing::Fields::default().take(name, b"1", KIND).unwrap();
        assert!(framing != Hop::default().take(name, b"1"), "{name}");
    }
    assert_eq!(known(b"CoNTent-LENGTH", &TAKEN_OUT), Some("content-length"));
    assert_eq!(known(b"content-lengths", &TAKEN_OUT), None);
}

#[test]
fn a_version_that_is_not_known_yet_is_the_highest_known_one_of_its_kind() {
    for (version, meant) in [("1.0", Version::HTTP_10), ("1.1", Version::HTTP_11), ("1.9", Version::HTTP_11)] {
        let head = ask(format!("GET / HTTP/{version}\r\nHost: h\r\n\r\n").as_bytes()).unwrap().unwrap();
        assert_eq!((head.request.version, head.persists), (meant, meant == Version::HTTP_11));
    }
}

#[test]
fn a_method_has_64_bytes_at_most_and_more_are_not_waited_for() {
    let good = "M".repeat(MAX_METHOD);
    assert!(ask(format!("{good} / HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes()).is_ok());
    assert!(ask(good.as_bytes()).unwrap().is_none());
    for bad in [format!("{good}M"), format!("{good}M / HTTP/1.1\r\nHost: h\r\n\r\n"), "M".repeat(100_000)] {
        assert_eq!(ask(bad.as_bytes()).unwrap_err().kind(), Kind::MalformedRequest);
    }
}

#[test]
fn a_host_that_names_nothing_is_refused_unless_the_target_names_one() {
    let kind = |head: &str| ask(head.as_bytes()).err().map(|error| error.kind());
    assert_eq!(kind("GET / HTTP/1.1\r\nHost:\r\n\r\n"), Some(Kind::MalformedRequest));
    assert_eq!(kind("GET / HTTP/1.0\r\nHost: \r\n\r\n"), Some(Kind::MalformedRequest));
    assert_eq!(kind("GET http://h/ HTTP/1.1\r\nHost:\r\n\r\n"), None);
    assert_eq!(kind("GET / HTTP/1.0\r\n\r\n"), None);
}

#[test]
fn names_that_some_programs_take_for_those_of_framing_are_refused_on_both_sides() {
    for name in ["Content_Length", "transfer_encoding", "TRANSFER_ENCODING"] {
        let line = format!("{name}: 5");
        assert_eq!(refused(line.as_bytes()), Some(Kind::MalformedRequest), "{name}");
        let answer = answer(format!("HTTP/1.1 200 OK\r\n{line}\r\n\r\n").as_bytes());
        assert_eq!(answer.unwrap_err().kind(), Kind::UpstreamMalformed, "{name}");
    }
    for name in ["content_type", "content_lengths", "transfer_encodings", "x_transfer_encoding"] {
        assert_eq!(refused(format!("{name}: 5").as_bytes()), None, "{name}");
    }
}

#[test]
fn a_length_is_written_in_one_way_and_fits_a_signed_number() {
    for value in ["0", "7", "9223372036854775807", "5, 5"] {
        assert_eq!(refused(format!("Content-Length: {value}").as_bytes()), None, "{value}");
    }
    for value in ["00", "07", "+7", "9223372036854775808", "18446744073709551615", "18446744073709551616", "5, 05"] {
        assert_eq!(refused(format!("Content-Length: {value}").as_bytes()), Some(Kind::MalformedRequest), "{value}");
    }
}

#[test]
fn an_answer_s_lines_may_end_in_lf_alone_where_that_is_allowed() {
    let lenient = HeadLimits { leniency: Leniency { bare_lf: true, ..STRICT }, ..LIMITS };
    let whole = b"HTTP/1.0 200 OK\nServer: s\r\nX:\n\nbody\n\n";
    for cut in 0..=whole.len() {
        let (mut buf, mut scan) = (BytesMut::from(&whole[..cut]), Scan::default());
        let first = response(&mut buf, &mut scan, lenient).unwrap();
        assert_eq!(first.is_some(), cut >= whole.len() - b"body\n\n".len(), "{cut}");
        buf.extend_from_slice(&whole[cut..]);
        let head = first.or_else(|| response(&mut buf, &mut scan, lenient).unwrap()).unwrap();
        assert_eq!((&head.headers["server"], &head.headers["x"]), (&"s".parse().unwrap(), &"".parse().unwrap()));
        assert_eq!(&buf[..], b"body\n\n", "{cut}");
    }
    assert!(answer(whole).is_err());
    // one for requests there is not
    let request = request(&mut BytesMut::from(&b"GET / HTTP/1.1\nHost: h\n\n"[..]), &mut Scan::default(), lenient);
    assert!(request.is_err());
}
