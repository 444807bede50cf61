//! Requests and what becomes of them on the way to a backend (RFC 9113, section 8; RFC 8441).

use super::connection::Connection;
use super::frame::{END_STREAM, data, fields, headers, post};
use super::rows::Expect::{Malformed, Served};
use super::rows::{Row, check, check_with};
use crate::support::{Origin, Proxy, wait_until};

/// A POST that says this length, and what follows its head.
fn said(length: &str, flags: u8, more: Vec<u8>) -> Vec<u8> {
    let mut said = fields("POST", "/bad");
    said.push(("content-length", length));
    [headers(1, flags, &said), more].concat()
}

/// A POST whose backend has a whole request before the client goes too far, and must not be heard any more.
fn said_to(path: &str, length: &str, more: Vec<u8>) -> Vec<u8> {
    let mut said = fields("POST", path);
    said.push(("content-length", length));
    [headers(1, 0, &said), more].concat()
}

fn trailers() -> Vec<u8> {
    headers(1, END_STREAM, &[("x-sum", "1")])
}

#[test]
fn a_body_has_to_be_as_long_as_its_head_says() {
    let body = |parts: &[&str]| {
        let parts = parts.iter().enumerate();
        parts.flat_map(|(i, part)| data(1, if i == 0 { 0 } else { END_STREAM }, part)).collect::<Vec<u8>>()
    };
    let one = |part: &str| data(1, END_STREAM, part);
    let mut twice = fields("POST", "/bad");
    twice.extend([("content-length", "4"), ("content-length", "5")]);
    check(vec![
        Row("no body at all", said("4", END_STREAM, Vec::new()), Malformed(1)),
        Row("an empty body", said("4", 0, one("")), Malformed(1)),
        Row("too short", said("4", 0, one("bod")), Malformed(1)),
        Row("too short in two", said("4", 0, body(&["bo", "d"])), Malformed(1)),
        Row("too long", said("4", 0, one("body!")), Malformed(1)),
        Row("too long in two", said_to("/hold", "4", body(&["body", "!"])), Malformed(1)),
        Row("too long without an end", said("4", 0, data(1, 0, "body!")), Malformed(1)),
        Row("a body of 0 that has something", said_to("/hold", "0", one("b")), Malformed(1)),
        Row("too short before trailers", said("4", 0, [data(1, 0, "bod"), trailers()].concat()), Malformed(1)),
        Row("too long before trailers", said("4", 0, [data(1, 0, "body!"), trailers()].concat()), Malformed(1)),
        Row("nothing before trailers", said("4", 0, trailers()), Malformed(1)),
        Row("two lengths", [headers(1, 0, &twice), one("body")].concat(), Malformed(1)),
        Row("a negative length", said("-1", 0, one("")), Malformed(1)),
        Row("a length that is no number", said("4x", 0, one("body")), Malformed(1)),
        Row("a length of nothing", said("", 0, one("body")), Malformed(1)),
        Row("a length beyond all numbers", said("99999999999999999999999", 0, one("body")), Malformed(1)),
        Row("a list of lengths", said("4, 5", 0, one("body")), Malformed(1)),
    ]);
}

#[test]
fn a_body_may_come_in_any_pieces() {
    let origin = super::backend();
    let proxy = Proxy::to(&origin);
    let length = |length: &'static str| {
        let mut fields = fields("POST", "/x");
        fields.push(("content-length", length));
        fields
    };
    let pieces = |pieces: &[&str]| pieces.iter().flat_map(|piece| data(1, 0, piece)).collect::<Vec<u8>>();
    let end = || data(1, END_STREAM, "");
    let rows = vec![
        Row("with its length", [headers(1, 0, &length("4")), data(1, END_STREAM, "body")].concat(), Served(1)),
        Row("between empty frames", [post(1, "/x"), pieces(&["", "bo", "", "", "dy", ""]), end()].concat(), Served(1)),
        Row("in pieces", [headers(1, 0, &length("4")), pieces(&["b", "", "od", "y"]), end()].concat(), Served(1)),
        Row("before trailers", [headers(1, 0, &length("4")), pieces(&["body"]), trailers()].concat(), Served(1)),
    ];
    check_with(&proxy, &origin, rows);
    let bodies = origin.requests().into_iter().filter(|request| request.method() == "POST").map(|request| request.body);
    assert_eq!(bodies.collect::<Vec<_>>(), [b"body"; 4]);
    let rows = vec![
        Row("a length of 0", headers(1, END_STREAM, &length("0")), Served(1)),
        Row("a length of 0 and an empty frame", [headers(1, 0, &length("0")), end()].concat(), Served(1)),
        Row("nothing but an empty frame", [post(1, "/x"), end()].concat(), Served(1)),
        Row("nothing but trailers", [post(1, "/x"), trailers()].concat(), Served(1)),
    ];
    check_with(&proxy, &origin, rows);
    assert!(origin.requests().iter().filter(|request| request.method() == "POST").skip(4).all(|r| r.body.is_empty()));
}

#[test]
fn a_body_is_passed_on_as_it_comes() {
    let origin = Origin::script(|conn| {
        let Ok(_) = conn.request_head() else { return };
        // the first piece, in whatever framing, before the client sends the second
        let mut seen = Vec::new();
        while !seen.ends_with(b"first\r\n") {
            seen.extend(conn.bytes(1).unwrap());
        }
        conn.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nsaw\r\n");
        while !seen.ends_with(b"0\r\n\r\n") {
            seen.extend(conn.bytes(1).unwrap());
        }
        conn.send("0\r\n\r\n");
    });
    let proxy = Proxy::to(&origin);
    let mut connection = Connection::open(&proxy);
    connection.send([post(1, "/x"), data(1, 0, "first")].concat());
    connection.until(|c| c.received(1) == 3);
    connection.send(data(1, END_STREAM, "second"));
    assert_eq!(connection.answer(1).body, b"saw");
}

#[test]
fn fields_reach_the_backend_as_http_1_writes_them() {
    let origin = super::backend();
    let proxy = Proxy::to(&origin);
    let mut connection = Connection::open(&proxy);
    let mut request = fields("GET", "/x");
    request.extend([("cookie", "a=1"), ("x-two", "1"), ("cookie", "b=2"), ("te", "trailers"), ("x-two", "2")]);
    request.extend([("cookie", "c=3"), ("x-empty", ""), ("expect", "100-continue")]);
    connection.send(headers(1, END_STREAM, &request));
    assert_eq!(connection.answer(1).status, 200);
    let request = origin.request();
    assert_eq!(request.head.start, "GET /x HTTP/1.1");
    assert_eq!(request.head.all("host"), ["a"]);
    assert_eq!(request.head.all("cookie"), ["a=1; b=2; c=3"]);
    assert_eq!(request.head.all("x-two"), ["1", "2"]);
    assert_eq!(request.field("x-empty"), Some(""));
    assert!(request.head.fields.iter().all(|(name, _)| !name.starts_with(':')), "{:?}", request.head);
    // it is hop by hop: TE on its own would be wrong
    if request.field("te").is_some() {
        assert!(request.head.lists("connection", "te"), "{:?}", request.head);
    }
}

#[test]
fn host_may_stand_for_the_authority() {
    let origin = super::backend();
    let proxy = Proxy::to(&origin);
    let plain = [(":method", "GET"), (":scheme", "http"), (":path", "/x"), ("host", "site.example")];
    let mut both = plain.to_vec();
    both.insert(3, (":authority", "site.example"));
    let rows = vec![
        Row("alone", headers(1, END_STREAM, &plain), Served(1)),
        Row("with the same authority", headers(1, END_STREAM, &both), Served(1)),
    ];
    check_with(&proxy, &origin, rows);
    assert_eq!(origin.requests()[0].head.all("host"), ["site.example"]);
    assert_eq!(origin.requests()[2].head.all("host"), ["site.example"]);
}

#[test]
fn a_client_that_expects_100_continue_is_answered() {
    let origin = super::backend();
    let proxy = Proxy::to(&origin);
    let mut connection = Connection::open(&proxy);
    let mut request = fields("POST", "/x");
    request.extend([("expect", "100-continue"), ("content-length", "4")]);
    connection.send(headers(1, 0, &request));
    // section 8.1: it need not wait for the 100 for ever, and nobody has to send one
    assert!(connection.is_alive());
    connection.send(data(1, END_STREAM, "body"));
    let answer = connection.answer(1);
    assert_eq!(answer.status, 200);
    assert!(answer.interim.is_empty() || answer.interim == [100], "{:?}", answer.interim);
    assert_eq!(origin.request().body, b"body");
}

#[test]
fn an_extended_connect_becomes_a_tunnel() {
    let origin = Origin::script(|conn| {
        let Ok(request) = conn.request() else { return };
        assert_eq!((request.method(), request.target()), ("GET", "/chat"));
        assert_eq!(request.field("upgrade"), Some("websocket"));
        conn.send(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Accept: x\r\n\r\nwelcome",
        );
        conn.echo();
    });
    let proxy = Proxy::to(&origin);
    let mut connection = Connection::open(&proxy);
    let mut request = fields("CONNECT", "/chat");
    request.extend([(":protocol", "websocket"), ("sec-websocket-version", "13")]);
    connection.send(headers(1, 0, &request));
    connection.until(|c| c.received(1) == 7);
    assert_eq!(connection.stream(1).status, 200);
    for field in ["connection", "upgrade", "transfer-encoding", "content-length"] {
        assert!(connection.stream(1).field(field).is_empty(), "{field}");
    }
    connection.send([data(1, 0, "hel"), data(1, 0, ""), data(1, 0, "lo")].concat());
    connection.until(|c| c.received(1) == 12);
    connection.send(data(1, END_STREAM, ""));
    assert_eq!(connection.answer(1).body, b"welcomehello");
    wait_until("the tunnel ends", || origin.open() == 0);
}
