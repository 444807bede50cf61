//! Backends that give no answer, or none that could be passed on: the client gets one of ours, and learns why.

use super::{assert_own, get, get_bytes};
use crate::support::{Origin, Port, Proxy, backend, config, wait_until};

#[test]
fn a_service_whose_only_backend_refuses_has_nothing_left() {
    let nobody = Port::reserve();
    let toml = config("", "", &[]) + &backend(nobody.address());
    let proxy = Proxy::start(&toml);
    let mut client = proxy.client();
    assert_own(&client.get("/x"), 503, "destination_unavailable");
    // the client did nothing wrong, so its connection stays
    let answer = client.get("/x");
    assert_own(&answer, 503, "destination_unavailable");
    assert_eq!(answer.field("retry-after"), Some("1"));
}

#[test]
fn another_backend_takes_over_when_one_refuses() {
    let nobody = Port::reserve();
    let origin = Origin::ok();
    let toml = config("", "", &[&origin]) + &backend(nobody.address());
    let proxy = Proxy::start(&toml);
    let mut client = proxy.client();
    for _ in 0..4 {
        assert_eq!(client.get("/x").status, 200);
    }
    client.send("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello".repeat(4));
    for _ in 0..4 {
        assert_eq!(client.response().status, 200);
    }
}

#[test]
fn a_backend_that_closes_before_its_answer_is_a_502() {
    let (answer, _) = get(|conn| drop(conn.request()));
    assert_own(&answer, 502, "connection_terminated");
}

#[test]
fn a_backend_that_resets_before_its_answer_is_a_502() {
    let (answer, _) = get(|conn| {
        let _ = conn.request();
        conn.reset();
    });
    assert_own(&answer, 502, "connection_terminated");
}

#[test]
fn a_backend_that_closes_within_its_head_is_a_502() {
    let (answer, _) = get_bytes(b"HTTP/1.1 200 OK\r\nContent-Le");
    assert_own(&answer, 502, "connection_terminated");
}

#[test]
fn answers_that_are_not_http_are_a_502() {
    let rows: &[(&str, &'static [u8])] = &[
        ("garbage", b"\x00\x01\x02garbage\xff\xfe\r\n\r\n"),
        ("garbage without an end", b"no such protocol"),
        ("another protocol", b"SSH-2.0-OpenSSH_9.6\r\n"),
        ("HTTP/2", b"HTTP/2 200 OK\r\n\r\n"),
        ("HTTP/0.9", b"<html>hello</html>"),
        ("no status", b"HTTP/1.1 \r\n\r\n"),
        ("a status of two digits", b"HTTP/1.1 20 OK\r\n\r\n"),
        ("a status of four digits", b"HTTP/1.1 2000 OK\r\n\r\n"),
        ("a status that is no number", b"HTTP/1.1 abc OK\r\n\r\n"),
        ("a status below 100", b"HTTP/1.1 099 OK\r\n\r\n"),
        ("a bare LF", b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok"),
        ("a NUL in a value", b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n"),
        ("a bare CR in a value", b"HTTP/1.1 200 OK\r\nX: a\rb\r\nContent-Length: 0\r\n\r\n"),
        ("a folded line", b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n"),
        ("a space before a name", b"HTTP/1.1 200 OK\r\n Content-Length: 2\r\n\r\nok"),
        (
            "both lengths",
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        ),
        ("two different lengths", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!"),
        ("a negative length", b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"),
        ("a length that is no number", b"HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nok"),
        ("a length above 64 bits", b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nok"),
        ("a length that is negative in 64 bits", b"HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775808\r\n\r\nok"),
        ("a length with a leading zero", b"HTTP/1.1 200 OK\r\nContent-Length: 02\r\n\r\nok"),
        ("a length with a plus", b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok"),
        ("a twin of Content-Length", b"HTTP/1.1 200 OK\r\nContent_Length: 2\r\n\r\nok"),
        ("a twin of Transfer-Encoding", b"HTTP/1.1 200 OK\r\ntransfer_encoding: chunked\r\n\r\n0\r\n\r\n"),
        ("an unknown coding", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nok"),
        ("a coding before chunked", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
        (
            "an upgrade that nobody asked for",
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
        ),
    ];
    let mut failures = Vec::new();
    for (name, bytes) in rows {
        let (answer, broken) = get_bytes(bytes);
        let error = answer.field("proxy-status").unwrap_or_default();
        if answer.status != 502 || error != "evenkeel; error=http_protocol_error" {
            failures.push(format!("{name}: {broken:?} {answer:?}"));
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn a_head_without_an_end_is_a_502() {
    let (answer, _) = get(|conn| {
        let _ = conn.request();
        conn.send("HTTP/1.1 200 OK\r\n");
        while conn.send("X: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n") {}
    });
    assert_own(&answer, 502, "http_response_header_section_size");
}

#[test]
fn interim_responses_without_an_end_are_a_502() {
    let (answer, _) = get(|conn| {
        let _ = conn.request();
        while conn.send("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n") {}
    });
    assert_own(&answer, 502, "http_protocol_error");
}

#[test]
fn a_backend_that_says_nothing_is_a_504() {
    let origin = Origin::silent();
    let proxy = Proxy::start(&config("", "[service.api.timeout]\nresponse = \"200ms\"", &[&origin]));
    let mut client = proxy.client();
    assert_own(&client.get("/x"), 504, "http_response_timeout");
    wait_until("the backend's connection is closed", || origin.open() == 0);
}

#[test]
fn a_backend_that_takes_longer_than_total_is_a_504() {
    let origin = Origin::silent();
    let proxy = Proxy::start(&config("", "[service.api.timeout]\ntotal = \"200ms\"", &[&origin]));
    assert_own(&proxy.client().get("/x"), 504, "http_response_timeout");
}

#[test]
fn too_many_fields_in_an_answer_are_a_502() {
    let (answer, _) = get(|conn| {
        let _ = conn.request();
        let fields: String = (0..2000).map(|i| format!("X-{i}: y\r\n")).collect();
        conn.send(format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 0\r\n\r\n"));
    });
    assert_own(&answer, 502, "http_response_header_section_size");
}
