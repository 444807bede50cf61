//! Requests over HTTP/2 that must not pass, least of all as something else in HTTP/1.1.
//!
//! No client library sends such things: see `h2_frames`.

use std::fmt::Write as _;

use crate::h2_frames::connection::{Connection, Outcome};
use crate::h2_frames::frame::{END_STREAM, data, headers};
use crate::support::{Origin, Proxy};

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
fn a_body_of_another_length_than_said_never_arrives_as_a_whole_one() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let smuggled = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    for (said, body) in [("5", &smuggled[..]), ("1000", &smuggled[..]), ("+34", &smuggled[..])] {
        let mut fields = with(":method", "POST");
        fields.push(("content-length", said));
        assert!(!passes(&proxy, &fields, Some(body)), "Content-Length: {said}");
    }
    assert!(passes(&proxy, &with(":path", "/sentinel"), None));
    assert_eq!(origin.targets(), ["/sentinel"]);
}
