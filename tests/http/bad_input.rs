//! Requests that must not pass: each gets its status, and nothing behind it reaches a backend.
//!
//! Each row of a table is tried on a connection of its own, with a second request pipelined behind it. All rows are tried
//! before the test fails, so that one run shows them all.

use std::fmt::Write as _;

use crate::support::{Broken, Origin, Proxy, config};

/// What comes right behind each bad request: an attacker's, if it gets through.
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

/// A name for people, the bytes, and the statuses that are right.
type Row<'a> = (&'a str, &'a [u8], &'a [u16]);

/// Tries rows that must be refused by their heads.
fn refuse(listener: &str, rows: &[Row<'_>]) {
    let origin = Origin::ok();
    let proxy = Proxy::start(&config(listener, "", &[&origin]));
    let mut failures = String::new();
    for (name, bytes, statuses) in rows {
        let mut client = proxy.client();
        let _ = client.try_send([bytes, SMUGGLED.as_bytes()].concat());
        let (answer, broken) = client.broken_response();
        let mut fail = |what: &str| writeln!(failures, "{name}: {what}; {broken:?}, {answer:?}").unwrap();
        if broken.is_some() || !statuses.contains(&answer.status) {
            fail(&format!("not answered with {statuses:?}"));
            continue;
        }
        if answer.field("proxy-status") != Some("evenkeel; error=http_request_error") {
            fail("Proxy-Status is wrong");
        }
        if !answer.head.lists("connection", "close") {
            fail("the connection is not announced to be closed");
        }
        if !client.is_closed() {
            fail("the connection is not closed");
        }
    }
    // what a worker still had to forward from these connections it forwards before this
    assert_eq!(proxy.client().get("/sentinel").status, 200);
    let tape = origin.tape();
    assert!(!tape.contains("smuggled"), "smuggled: {tape}");
    assert!(failures.is_empty(), "\n{failures}");
    assert_eq!(origin.targets(), ["/sentinel"]);
}

/// A GET with these field lines after Host.
fn with(fields: &str) -> Vec<u8> {
    format!("GET /bad HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n").into_bytes()
}

/// A POST with these field lines after Host, and this body.
fn post(fields: &str, body: &str) -> Vec<u8> {
    format!("POST /bad HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n{body}").into_bytes()
}

fn refuse_all(rows: &[(&str, Vec<u8>, &[u16])]) {
    let rows: Vec<Row<'_>> = rows.iter().map(|(name, bytes, statuses)| (*name, bytes.as_slice(), *statuses)).collect();
    refuse("", &rows);
}

#[test]
fn ambiguous_lengths_are_refused() {
    let both = "Content-Length: 5\r\nTransfer-Encoding: chunked";
    let reverse = "Transfer-Encoding: chunked\r\nContent-Length: 5";
    let rows: &[(&str, Vec<u8>, &[u16])] = &[
        ("Content-Length and Transfer-Encoding", post(both, "0\r\n\r\n"), &[400]),
        ("Transfer-Encoding and Content-Length", post(reverse, "0\r\n\r\n"), &[400]),
        ("two different lengths", post("Content-Length: 5\r\nContent-Length: 6", "hello"), &[400]),
        ("two different lengths in a list", post("Content-Length: 5, 6", "hello"), &[400]),
        ("a list that ends in a comma", post("Content-Length: 5,", "hello"), &[400]),
        ("a length with a plus", post("Content-Length: +5", "hello"), &[400]),
        ("a negative length", post("Content-Length: -1", "hello"), &[400]),
        ("a hexadecimal length", post("Content-Length: 0x5", "hello"), &[400]),
        ("an empty length", post("Content-Length:", "hello"), &[400]),
        ("a length with a space in it", post("Content-Length: 5 5", "hello"), &[400]),
        ("a length with an underscore", post("Content-Length: 1_0", "hello"), &[400]),
        ("a length above 64 bits", post("Content-Length: 18446744073709551616", "hello"), &[400]),
        ("a length that wraps to 5", post("Content-Length: 18446744073709551621", "hello"), &[400]),
        ("the largest length of 64 bits", post("Content-Length: 18446744073709551615", "hello"), &[400]),
        ("a length that is negative in 64 bits", post("Content-Length: 9223372036854775808", "hello"), &[400]),
        ("a length with a leading zero", post("Content-Length: 05", "hello"), &[400]),
        ("a length of two zeros", post("Content-Length: 00", ""), &[400]),
        ("a twin of Content-Length", post("Content_Length: 5", "hello"), &[400]),
        ("a twin beside Content-Length", post("Content-Length: 5\r\nCONTENT_LENGTH: 4", "hello"), &[400]),
        ("a twin of Transfer-Encoding", post("Transfer_Encoding: chunked", "0\r\n\r\n"), &[400]),
        ("a length on a GET, malformed", with("Content-Length: five"), &[400]),
    ];
    refuse_all(rows);
}

#[test]
fn transfer_codings_other_than_one_chunked_are_refused() {
    let end = "0\r\n\r\n";
    let rows: &[(&str, Vec<u8>, &[u16])] = &[
        // RFC 9112, section 6.3, rule 4: where such a body ends can't be told, which is 400
        ("gzip", post("Transfer-Encoding: gzip", end), &[400]),
        ("gzip, chunked", post("Transfer-Encoding: gzip, chunked", end), &[400]),
        ("carrier-pigeon", post("Transfer-Encoding: carrier-pigeon", end), &[400]),
        ("xchunked", post("Transfer-Encoding: xchunked", end), &[400]),
        ("chunked, gzip", post("Transfer-Encoding: chunked, gzip", end), &[400]),
        ("chunked, chunked", post("Transfer-Encoding: chunked, chunked", end), &[400]),
        ("chunked twice", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", end), &[400]),
        ("chunked, then identity", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", end), &[400]),
        ("identity, chunked", post("Transfer-Encoding: identity, chunked", end), &[400]),
        ("identity", post("Transfer-Encoding: identity", end), &[400]),
        ("an empty coding", post("Transfer-Encoding:", end), &[400]),
        ("a quoted coding", post("Transfer-Encoding: \"chunked\"", end), &[400]),
        ("a parameter", post("Transfer-Encoding: chunked;q=1", end), &[400]),
        ("a vertical tab", post("Transfer-Encoding: \x0bchunked", end), &[400]),
        ("a space before the colon", post("Transfer-Encoding : chunked", end), &[400]),
        ("a space before the name", post("X: y\r\n Transfer-Encoding: chunked", end), &[400]),
        (
            "in HTTP/1.0",
            b"POST /bad HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_vec(),
            &[400],
        ),
    ];
    refuse_all(rows);
}

#[test]
fn malformed_fields_are_refused() {
    let rows: &[(&str, Vec<u8>, &[u16])] = &[
        ("a bare LF after the request line", b"GET /bad HTTP/1.1\nHost: a\r\n\r\n".to_vec(), &[400]),
        ("a bare LF after a field", b"GET /bad HTTP/1.1\r\nHost: a\nX: y\r\n\r\n".to_vec(), &[400]),
        ("a bare LF for the empty line", b"GET /bad HTTP/1.1\r\nHost: a\r\n\n".to_vec(), &[400]),
        ("a bare CR in a value", with("X: a\rb"), &[400]),
        ("a bare CR for a line end", b"GET /bad HTTP/1.1\r\nHost: a\rX: y\r\n\r\n".to_vec(), &[400]),
        ("a folded line", with("X: a\r\n b"), &[400]),
        ("a line folded by a tab", with("X: a\r\n\tb"), &[400]),
        ("a NUL in a value", with("X: a\0b"), &[400]),
        ("a control in a value", with("X: a\x01b"), &[400]),
        ("a DEL in a value", with("X: a\x7fb"), &[400]),
        ("a space before the colon", with("X : a"), &[400]),
        ("a tab before the colon", with("X\t: a"), &[400]),
        ("a space before the first field", b"GET /bad HTTP/1.1\r\n Host: a\r\n\r\n".to_vec(), &[400]),
        ("an empty name", with(": a"), &[400]),
        ("no colon", with("X"), &[400]),
        ("a NUL in a name", with("X\0Y: a"), &[400]),
        ("a space in a name", with("X Y: a"), &[400]),
        ("a parenthesis in a name", with("X(Y): a"), &[400]),
        ("a byte above 127 in a name", b"GET /bad HTTP/1.1\r\nHost: a\r\nX\xe9: a\r\n\r\n".to_vec(), &[400]),
    ];
    refuse_all(rows);
}

#[test]
fn a_request_without_exactly_one_good_host_is_refused() {
    let host = |host: &str| format!("GET /bad HTTP/1.1\r\n{host}\r\n\r\n").into_bytes();
    let rows: &[(&str, Vec<u8>, &[u16])] = &[
        ("no Host", b"GET /bad HTTP/1.1\r\n\r\n".to_vec(), &[400]),
        ("no Host beside an absolute target", b"GET http://a/bad HTTP/1.1\r\n\r\n".to_vec(), &[400]),
        ("an empty Host", host("Host:"), &[400]),
        ("an empty Host in HTTP/1.0", b"GET /bad HTTP/1.0\r\nHost: \r\n\r\n".to_vec(), &[400]),
        ("two Hosts", host("Host: a\r\nHost: b"), &[400]),
        ("the same Host twice", host("Host: a\r\nHost: a"), &[400]),
        ("a list of hosts", host("Host: a, b"), &[400]),
        ("a slash", host("Host: a/b"), &[400]),
        ("user information", host("Host: user@a"), &[400]),
        ("a space", host("Host: a b"), &[400]),
        ("a backslash", host("Host: a\\b"), &[400]),
        ("a question mark", host("Host: a?b"), &[400]),
        ("an escape in a host", host("Host: a%2eb"), &[400]),
        ("a port that is no number", host("Host: a:http"), &[400]),
        ("two ports", host("Host: a:80:81"), &[400]),
        ("a bracket that is not closed", host("Host: [::1"), &[400]),
        ("bytes above 127", b"GET /bad HTTP/1.1\r\nHost: \xc3\xa9\r\n\r\n".to_vec(), &[400]),
    ];
    refuse_all(rows);
}

#[test]
fn malformed_request_lines_are_refused() {
    let line = |line: &str| format!("{line}\r\nHost: a\r\n\r\n").into_bytes();
    let beyond_ascii = |target: &[u8]| [b"GET ", target, b" HTTP/1.1\r\nHost: a\r\n\r\n"].concat();
    let rows: &[(&str, Vec<u8>, &[u16])] = &[
        ("HTTP/0.9", b"GET /bad\r\n\r\n".to_vec(), &[400]),
        ("HTTP/2.0", line("GET /bad HTTP/2.0"), &[505]),
        ("HTTP/3.0", line("GET /bad HTTP/3.0"), &[505]),
        ("HTTP/1.10", line("GET /bad HTTP/1.10"), &[400]),
        ("http in lower case", line("GET /bad http/1.1"), &[400]),
        ("HTTP/1", line("GET /bad HTTP/1"), &[400]),
        ("no target", line("GET HTTP/1.1"), &[400]),
        ("an empty target", line("GET  HTTP/1.1"), &[400]),
        ("two spaces before the target", line("GET  /bad HTTP/1.1"), &[400]),
        ("two spaces before the version", line("GET /bad  HTTP/1.1"), &[400]),
        ("a space in the target", line("GET /bad one HTTP/1.1"), &[400]),
        ("a tab for a space", line("GET\t/bad HTTP/1.1"), &[400]),
        ("a space at the end", line("GET /bad HTTP/1.1 "), &[400]),
        ("a space before the method", line(" GET /bad HTTP/1.1"), &[400]),
        ("a parenthesis in the method", line("G(T /bad HTTP/1.1"), &[400]),
        ("a colon in the method", line("GET: /bad HTTP/1.1"), &[400]),
        ("a fragment", line("GET /bad#fragment HTTP/1.1"), &[400]),
        ("a NUL in the target", line("GET /bad\0 HTTP/1.1"), &[400]),
        ("a control in the target", line("GET /b\x01ad HTTP/1.1"), &[400]),
        ("a byte above 127 in the path", beyond_ascii(b"/caf\xc3\xa9"), &[400]),
        ("a byte above 127 in the query", beyond_ascii(b"/?caf\xe9"), &[400]),
        ("a backslash in the path", line("GET /a\\..\\b HTTP/1.1"), &[400]),
        ("a backslash in an absolute target", line("GET http://a/b\\c HTTP/1.1"), &[400]),
        ("a backslash before the path", line("GET http://a\\b HTTP/1.1"), &[400]),
        ("a quote in the path", line("GET /a\"b HTTP/1.1"), &[400]),
        ("a quote in the query", line("GET /?a\"b HTTP/1.1"), &[400]),
        ("%00 in the path", line("GET /a%00.html HTTP/1.1"), &[400]),
        ("%0d%0a in the path", line("GET /a%0d%0aX:%20y HTTP/1.1"), &[400]),
        ("%0A in an absolute target", line("GET http://a/b%0Ac HTTP/1.1"), &[400]),
        ("a method of 100 KB", line(&format!("{} / HTTP/1.1", "M".repeat(100_000))), &[400]),
        ("a method of 65 bytes", line(&format!("{} / HTTP/1.1", "M".repeat(65))), &[400]),
        ("a relative target", line("GET bad HTTP/1.1"), &[400]),
        ("an asterisk for GET", line("GET * HTTP/1.1"), &[400]),
        ("an absolute target without a host", line("GET http:///bad HTTP/1.1"), &[400]),
        ("an absolute target of another scheme", line("GET ftp://a/bad HTTP/1.1"), &[400]),
        ("user information in the target", line("GET http://user@a/bad HTTP/1.1"), &[400]),
        ("CONNECT", line("CONNECT a:443 HTTP/1.1"), &[400]),
        ("CONNECT with a path", line("CONNECT /bad HTTP/1.1"), &[400]),
        ("TLS on a clear port", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec(), &[400]),
    ];
    refuse_all(rows);
}

#[test]
fn an_unknown_expectation_is_refused() {
    refuse_all(&[("an unknown expectation", with("Expect: miracles"), &[417])]);
}

#[test]
fn heads_above_the_limits_are_refused() {
    let long_target = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(5000));
    let endless_line = format!("GET /{}", "x".repeat(5000));
    let long_field = format!("GET /bad HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "y".repeat(5000));
    let fields: String = (0..10).fold(String::new(), |all, i| all + &format!("X-{i}: y\r\n"));
    let many = format!("GET /bad HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
    let rows: &[Row<'_>] = &[
        ("a request line above max_header_bytes", long_target.as_bytes(), &[414]),
        ("a request line without an end", endless_line.as_bytes(), &[414]),
        ("a field above max_header_bytes", long_field.as_bytes(), &[431]),
        ("more fields than max_headers", many.as_bytes(), &[431]),
    ];
    refuse("[listener.limits]\nmax_header_bytes = \"4KiB\"\nmax_headers = 10\n", rows);
}

#[test]
fn broken_chunks_never_become_a_request() {
    let chunked = |body: &str| post("Transfer-Encoding: chunked", body);
    let long_extension = chunked(&format!("5;{}\r\nhello\r\n0\r\n\r\n", "x".repeat(20_000)));
    let long_trailers = chunked(&format!("0\r\nX: {}\r\n\r\n", "x".repeat(40_000)));
    let rows: &[(&str, Vec<u8>)] = &[
        ("a size above 64 bits", chunked("10000000000000005\r\nhello\r\n0\r\n\r\n")),
        ("a size with 0x", chunked("0x5\r\nhello\r\n0\r\n\r\n")),
        ("a negative size", chunked("-1\r\nhello\r\n0\r\n\r\n")),
        ("a size with a plus", chunked("+5\r\nhello\r\n0\r\n\r\n")),
        ("an empty size", chunked("\r\nhello\r\n0\r\n\r\n")),
        ("an extension without a size", chunked(";x=y\r\nhello\r\n0\r\n\r\n")),
        ("a space before the size", chunked(" 5\r\nhello\r\n0\r\n\r\n")),
        ("a space after the size", chunked("5 \r\nhello\r\n0\r\n\r\n")),
        ("a tab after the size", chunked("5\t\r\nhello\r\n0\r\n\r\n")),
        ("an underscore in the size", chunked("1_0\r\nhello\r\n0\r\n\r\n")),
        ("no CRLF after the data", chunked("5\r\nhello0\r\n\r\n")),
        ("data longer than its size", chunked("5\r\nhello!\r\n0\r\n\r\n")),
        ("a bare LF after the size", chunked("5\nhello\r\n0\r\n\r\n")),
        ("a bare LF after the data", chunked("5\r\nhello\n0\r\n\r\n")),
        ("a bare LF after the last chunk", chunked("5\r\nhello\r\n0\n\r\n")),
        ("a bare CR in an extension", chunked("5;a\rb\r\nhello\r\n0\r\n\r\n")),
        ("a bare LF in an extension", chunked("5;a\nb\r\nhello\r\n0\r\n\r\n")),
        ("a NUL in an extension", chunked("5;a\0b\r\nhello\r\n0\r\n\r\n")),
        ("an extension without an end", long_extension),
        ("an extension without a name", chunked("5;\r\nhello\r\n0\r\n\r\n")),
        ("an extension with a bracket in its name", chunked("5;bad[=x\r\nhello\r\n0\r\n\r\n")),
        ("an extension with a quote that is not closed", chunked("5;a=\"b\r\nhello\r\n0\r\n\r\n")),
        ("an extension that another one is to follow", chunked("5;a;\r\nhello\r\n0\r\n\r\n")),
        ("an extension with a byte above 127", [&chunked("5;a=")[..], b"\x80", b"\r\nhello\r\n0\r\n\r\n"].concat()),
        ("an extension of the last chunk without a name", chunked("0;\r\n\r\n")),
        ("the largest size of 64 bits", chunked("ffffffffffffffff\r\nhello")),
        ("a size that is negative in 64 bits", chunked("8000000000000000\r\nhello")),
        ("a bare LF for the empty line", chunked("0\r\n\n")),
        ("a bare LF after a trailer", chunked("0\r\na: b\n\r\n")),
        ("a bare LF for the empty line behind a trailer", chunked("0\r\na: b\r\n\n")),
        ("a trailer without a colon", chunked("0\r\nX\r\n\r\n")),
        ("a trailer with a space before its colon", chunked("0\r\nX : y\r\n\r\n")),
        ("a folded trailer", chunked("0\r\nX: y\r\n z\r\n\r\n")),
        ("trailers above any limit", long_trailers),
    ];
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let mut failures = String::new();
    for (name, bytes) in rows {
        let mut client = proxy.client();
        let _ = client.try_send([bytes, SMUGGLED.as_bytes()].concat());
        let (answer, broken) = client.broken_response();
        let refused = broken.is_none() && answer.status == 400 && client.is_closed();
        let closed = answer.status == 0 && matches!(broken, Some(Broken::Closed | Broken::Reset));
        if !refused && !closed {
            writeln!(failures, "{name}: neither 400 nor closed; {broken:?}, {answer:?}").unwrap();
        }
    }
    assert_eq!(proxy.client().get("/sentinel").status, 200);
    let tape = origin.tape();
    assert!(!tape.contains("smuggled"), "smuggled: {tape}");
    assert!(failures.is_empty(), "\n{failures}");
    assert_eq!(origin.targets(), ["/sentinel"], "a broken body arrived as a whole one");
}

#[test]
fn unusual_but_good_requests_pass() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let rows: &[(&str, &str, &str, Option<&str>)] = &[
        ("an unknown method", "BREW /pot HTTP/1.1\r\nHost: a\r\n\r\n", "BREW /pot HTTP/1.1", Some("a")),
        ("OPTIONS *", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS * HTTP/1.1", Some("a")),
        ("an empty line before", "\r\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n", "GET /x HTTP/1.1", Some("a")),
        ("an absolute target", "GET http://b:81/x?y HTTP/1.1\r\nHost: a\r\n\r\n", "GET /x?y HTTP/1.1", Some("b:81")),
        ("no path", "GET http://b HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1", Some("b")),
        (
            "the same length twice",
            "GET /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0, 0\r\n\r\n",
            "GET /x HTTP/1.1",
            Some("a"),
        ),
        (
            "CHUNKED",
            "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n",
            "POST /x HTTP/1.1",
            Some("a"),
        ),
        (
            "a target with all that may be in one",
            "GET /%2e%2E//a;b=c/[]^{|}/?q=/?&'%00%0D%0A\\ HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /%2e%2E//a;b=c/[]^{|}/?q=/?&'%00%0D%0A\\ HTTP/1.1",
            Some("a"),
        ),
        ("HTTP/1.2", "GET /x HTTP/1.2\r\nHost: a\r\n\r\n", "GET /x HTTP/1.1", Some("a")),
        (
            "an empty Host beside an absolute target",
            "GET http://b/x HTTP/1.1\r\nHost:\r\n\r\n",
            "GET /x HTTP/1.1",
            Some("b"),
        ),
        (
            "extensions of chunks",
            "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n002;a;b=\"c;\"\r\nok\r\n00;d=e\r\n\r\n",
            "POST /x HTTP/1.1",
            Some("a"),
        ),
        ("a host in brackets", "GET /x HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", "GET /x HTTP/1.1", Some("[::1]:80")),
        ("white space around a value", "GET /x HTTP/1.1\r\nHost: \t a \t\r\n\r\n", "GET /x HTTP/1.1", Some("a")),
    ];
    for (name, bytes, line, host) in rows {
        let mut client = proxy.client();
        client.send(bytes);
        assert_eq!(client.response().status, 200, "{name}");
        let seen = origin.requests().pop().unwrap();
        assert_eq!((seen.head.start.as_str(), seen.field("host")), (*line, *host), "{name}");
    }
}

#[test]
fn encoded_controls_in_paths_pass_where_the_listener_allows_them() {
    let origin = Origin::ok();
    let proxy = Proxy::start(&config("[listener.limits]\nallow_encoded_controls = true\n", "", &[&origin]));
    assert_eq!(proxy.client().get("/a%00b%0D%0ac").status, 200);
    assert_eq!(origin.targets(), ["/a%00b%0D%0ac"]);
}

#[test]
fn a_bare_lf_in_a_trailer_section_is_refused_without_waiting_for_more() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    for section in ["\n", "a: b\n", "a: b\r\n\n"] {
        let mut client = proxy.client();
        client.send(post("Transfer-Encoding: chunked", &format!("2\r\nok\r\n0\r\n{section}")));
        // the client's side stays open: who waits for more waits longer than this reads
        assert_eq!(client.response().status, 400, "{section:?}");
    }
}
