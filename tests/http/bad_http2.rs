//! Requests over HTTP/2 that must not pass, least of all as something else in HTTP/1.1.
//!
//! No client library sends such things, so the frames are written by hand: HPACK without its table and without Huffman.

use std::fmt::Write as _;

use crate::support::{Client, Origin, Proxy};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// `:status: 200` in HPACK's static table.
const STATUS_200: u8 = 0x88;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// A field as a literal that is not indexed.
fn literal(name: &str, value: &str) -> Vec<u8> {
    let mut field = vec![0];
    for text in [name, value] {
        assert!(text.len() < 127);
        field.push(u8::try_from(text.len()).unwrap());
        field.extend(text.as_bytes());
    }
    field
}

/// The next frame: its kind, its stream, its payload; nothing at the end of the connection.
fn next(client: &mut Client) -> Option<(u8, u32, Vec<u8>)> {
    let head = client.try_bytes(9)?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
    Some((head[3], stream, client.try_bytes(length as usize)?))
}

/// What a connection answers to one request.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Ok,
    /// An answer other than 200.
    Status,
    Reset,
    ConnectionError,
}

fn ask(client: &mut Client, fields: &[(&str, &str)], data: Option<&[u8]>) -> Answer {
    let block: Vec<u8> = fields.iter().flat_map(|(name, value)| literal(name, value)).collect();
    let mut bytes = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
    let end = if data.is_none() { END_STREAM } else { 0 };
    bytes.extend(frame(HEADERS, END_HEADERS | end, 1, &block));
    if let Some(data) = data {
        bytes.extend(frame(DATA, END_STREAM, 1, data));
    }
    let _ = client.try_send(bytes);
    while let Some((kind, stream, payload)) = next(client) {
        match (kind, stream) {
            (HEADERS, 1) if payload[0] == STATUS_200 => return Answer::Ok,
            (HEADERS, 1) => return Answer::Status,
            (RST_STREAM, 1) => return Answer::Reset,
            (GOAWAY, _) => return Answer::ConnectionError,
            _ => {}
        }
    }
    Answer::ConnectionError
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
        if ask(&mut proxy.client(), fields, None) == Answer::Ok {
            writeln!(failures, "{name}: answered with 200").unwrap();
        }
    }
    assert_eq!(ask(&mut proxy.client(), &with(":path", "/sentinel"), None), Answer::Ok, "a good one passes");
    let seen: Vec<String> = origin.requests().iter().map(|request| format!("{:?}", request.head)).collect();
    assert!(failures.is_empty() && seen.len() == 1, "\n{failures}\nwhat the backend saw: {seen:#?}");
}

#[test]
fn a_body_of_another_length_than_said_never_arrives_as_a_whole_one() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let smuggled = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    for (said, data) in [("0", &smuggled[..]), ("5", &smuggled[..]), ("1000", &smuggled[..]), ("+34", &smuggled[..])] {
        let mut fields = with(":method", "POST");
        fields.push(("content-length", said));
        let answer = ask(&mut proxy.client(), &fields, Some(data));
        assert_ne!(answer, Answer::Ok, "Content-Length: {said}");
    }
    assert_eq!(ask(&mut proxy.client(), &with(":path", "/sentinel"), None), Answer::Ok);
    assert_eq!(origin.targets(), ["/sentinel"]);
}

#[test]
fn a_flood_of_resets_ends_the_connection() {
    // CVE-2023-44487: a stream that is reset at once costs its client next to nothing
    let origin = Origin::script(|conn| {
        let _ = conn.request();
        conn.is_closed();
    });
    let proxy = Proxy::to(&origin);
    let mut client = proxy.client();
    let block: Vec<u8> = with("x", "y").iter().flat_map(|(name, value)| literal(name, value)).collect();
    client.send([PREFACE, &frame(SETTINGS, 0, 0, &[])].concat());
    for stream in (1..100_001).step_by(2) {
        let mut bytes = frame(HEADERS, END_HEADERS | END_STREAM, stream, &block);
        bytes.extend(frame(RST_STREAM, 0, stream, &8u32.to_be_bytes()));
        if client.try_send(bytes).is_err() {
            break;
        }
    }
    // the end of the stream, or a reset: what the proxy had sent before may be lost
    while let Some((kind, _, _)) = next(&mut client) {
        if kind == GOAWAY {
            break;
        }
    }
    assert!(origin.connections() < 50_000, "{} streams reached the backend", origin.connections());
    assert!(proxy.admin("/healthz").is_ok());
}

#[test]
fn a_ping_is_answered() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let mut client = proxy.client();
    client.send([PREFACE, &frame(SETTINGS, 0, 0, &[]), &frame(PING, 0, 0, b"12345678")].concat());
    while let Some((kind, _, payload)) = next(&mut client) {
        if kind == PING {
            assert_eq!(payload, b"12345678");
            return;
        }
        assert_ne!(kind, GOAWAY);
    }
    panic!("the connection was closed");
}
