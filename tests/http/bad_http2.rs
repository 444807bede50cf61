//! Requests over HTTP/2 that must not pass, least of all as something else in HTTP/1.1.
//!
//! No client library sends such things: see `h2_frames`.

use std::fmt::Write as _;

use crate::h2_frames::connection::{Connection, Outcome};
use crate::h2_frames::frame::{END_STREAM, data, headers};
use crate::support::{Origin, Proxy, config};

/// Whether a connection of its own answers this request with 200.
fn passes(proxy: &Proxy, fields: &[(&str, &str)], body: Option<&[u8]>) -> bool {
    let mut connection = Connection::open(proxy);
    let end = if body.is_none() { END_STREAM } else { 0 };
    let body = body.map_or(Vec::new(), |body| data(1, END_STREAM, body));
    connection.send([headers(1, end, fields), body].concat());
    connection.outcome(1) == Outcome::Answered(200)
}

/// A good request, with one field instead of another of its name, or besides.
fn with<'a>(name: &'a str, value: &'a str) -> Vec<(&'a str, &'a str)> {
    let mut fields = vec![(":method", "GET"), (":scheme", "http"), (":path", "/bad"), (":authority", "a")];
    match fields.iter_mut().find(|(n, _)| *n == name) {
        Some(field) => field.1 = value,
        None => fields.push((name, value)),
    }
    fields
}

fn without(name: &str) -> Vec<(&str, &str)> {
    let mut fields = with("x", "y");
    fields.retain(|(n, _)| *n != name);
    fields
}

#[test]
fn malformed_requests_never_reach_a_backend() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let mut twice = with("x", "y");
    twice.insert(0, (":path", "/worse"));
    let mut late = vec![("x", "y")];
    late.extend(with("z", "y"));
    let mut connect = without(":scheme");
    connect.retain(|(name, _)| *name != ":path");
    connect[0].1 = "CONNECT";
    let rows: Vec<(&str, Vec<(&str, &str)>)> = vec![
        ("Connection", with("connection", "close")),
        ("Keep-Alive", with("keep-alive", "timeout=5")),
        ("Proxy-Connection", with("proxy-connection", "keep-alive")),
        ("Transfer-Encoding", with("transfer-encoding", "chunked")),
        ("Upgrade", with("upgrade", "websocket")),
        ("TE other than trailers", with("te", "gzip")),
        ("a name in upper case", with("X-Upper", "y")),
        ("a name with a colon", with("x:y", "z")),
        ("a name with a line end", with("x\r\ny", "z")),
        ("a name with a space", with("x y", "z")),
        ("an empty name", with("", "z")),
        ("a value with a line end", with("x", "y\r\ntransfer-encoding: chunked")),
        ("a value with a line feed", with("x", "y\nz")),
        ("a value with a NUL", with("x", "y\0z")),
        ("a method with a line end", with(":method", "GET / HTTP/1.1\r\nX: y")),
        ("a method with a space", with(":method", "GET /x")),
        ("an empty method", with(":method", "")),
        ("a path with a line end", with(":path", "/ HTTP/1.1\r\nX: y")),
        ("a path with a space", with(":path", "/x HTTP/1.1")),
        ("a relative path", with(":path", "bad")),
        ("an empty path", with(":path", "")),
        ("an authority with a line end", with(":authority", "a\r\nX: y")),
        ("an authority with a slash", with(":authority", "a/b")),
        ("an authority with a user", with(":authority", "user@a")),
        ("an authority with a space", with(":authority", "a b")),
        ("another host", with("host", "b")),
        ("no method", without(":method")),
        ("no path", without(":path")),
        ("no scheme", without(":scheme")),
        ("no authority", without(":authority")),
        ("two paths", twice),
        ("a pseudo-field after a field", late),
        ("an unknown pseudo-field", with(":unknown", "y")),
        ("a pseudo-field of answers", with(":status", "200")),
        ("an extended CONNECT that is none", with(":protocol", "websocket")),
        ("CONNECT", connect),
    ];
    let mut failures = String::new();
    for (name, fields) in &rows {
        if passes(&proxy, fields, None) {
            writeln!(failures, "{name}: answered with 200").unwrap();
        }
    }
    assert!(passes(&proxy, &with(":path", "/sentinel"), None), "a good one does not pass");
    let seen: Vec<String> = origin.requests().iter().map(|request| format!("{:?}", request.head)).collect();
    assert!(failures.is_empty() && seen.len() == 1, "\n{failures}\nwhat the backend saw: {seen:#?}");
}

#[test]
fn what_http_1_answers_with_400_is_answered_so_over_http_2() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let method = "M".repeat(65);
    let rows: Vec<(&str, Vec<(&str, &str)>)> = vec![
        ("bytes above 127", with(":path", "/caf\u{e9}")),
        ("a byte above 127 in the query", with(":path", "/?caf\u{e9}")),
        ("a backslash", with(":path", "/a\\b")),
        ("a quote", with(":path", "/a\"b")),
        ("%00", with(":path", "/a%00b")),
        ("%0d%0a", with(":path", "/a%0d%0ab")),
        ("%0A", with(":path", "/a%0Ab")),
        ("a method of 65 bytes", with(":method", &method)),
        ("an empty authority", with(":authority", "")),
        ("a twin of Content-Length", with("content_length", "5")),
        ("a twin of Transfer-Encoding", with("transfer_encoding", "chunked")),
    ];
    let mut failures = String::new();
    for (name, fields) in &rows {
        let mut connection = Connection::open(&proxy);
        connection.send(headers(1, END_STREAM, fields));
        let outcome = connection.outcome(1);
        if outcome != Outcome::Answered(400) {
            writeln!(failures, "{name}: {outcome:?}").unwrap();
        }
    }
    assert!(passes(&proxy, &with(":path", "/[]^{|}?%00%0d%0a\\"), None), "what browsers send bare");
    assert!(failures.is_empty(), "\n{failures}");
    assert_eq!(origin.targets(), ["/[]^{|}?%00%0d%0a\\"]);
}

#[test]
fn encoded_controls_pass_over_http_2_where_the_listener_allows_them() {
    let origin = Origin::ok();
    let proxy = Proxy::start(&config("[listener.limits]\nallow_encoded_controls = true\n", "", &[&origin]));
    assert!(passes(&proxy, &with(":path", "/a%00b%0d%0Ac"), None));
}

#[test]
fn the_crumbs_of_a_cookie_are_one_field() {
    let origin = Origin::ok();
    let proxy = Proxy::start(&config("[listener.limits]\nmax_headers = 10\n", "", &[&origin]));
    let crumbs: Vec<String> = (0..150).map(|i| format!("c{i}=v")).collect();
    let mut fields = with("x", "y");
    fields.extend(crumbs.iter().map(|crumb| ("cookie", crumb.as_str())));
    assert!(passes(&proxy, &fields, None));
    assert_eq!(origin.request().field("cookie"), Some(crumbs.join("; ").as_str()));
    fields.extend([("z", "y"); 9]);
    let mut connection = Connection::open(&proxy);
    connection.send(headers(1, END_STREAM, &fields));
    assert_eq!(connection.outcome(1), Outcome::Answered(431), "of others there may be as many as before");
}

#[test]
fn a_body_of_another_length_than_said_never_arrives_as_a_whole_one() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let smuggled = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    for said in ["5", "1000", "+34", "034", "9223372036854775808", "18446744073709551650", ""] {
        let body = &smuggled[..];
        let mut fields = with(":method", "POST");
        fields.push(("content-length", said));
        assert!(!passes(&proxy, &fields, Some(body)), "Content-Length: {said}");
    }
    assert!(passes(&proxy, &with(":path", "/sentinel"), None));
    assert_eq!(origin.targets(), ["/sentinel"]);
}
