//! How long a body is (RFC 9113, section 8.1.1; RFC 9110, sections 6.4.1 and 8.6), and what has none.

use super::backend::Backend;
use super::proxy_to;
use super::rows::{End, Row, Told, check, check_with, row};
use crate::h2_frames::frame::{END_STREAM, FRAME_SIZE, PROTOCOL_ERROR, data, headers};
use crate::support::GET;

const BROKEN: Told = Told::Error(502, "http_protocol_error");
const HEAD: &str = "HEAD /bad HTTP/1.1\r\nHost: a\r\n\r\n";

fn said(stream: u32, flags: u8, status: &str, length: &str) -> Vec<u8> {
    headers(stream, flags, &[(":status", status), ("content-length", length)])
}

fn malformed(name: &'static str, bytes: impl Fn(u32) -> Vec<u8> + Send + Sync + 'static) -> Row {
    row(name, bytes, End::Stream(PROTOCOL_ERROR), BROKEN)
}

#[test]
fn a_body_of_another_length_than_it_said_is_malformed() {
    let number = |name, length: &'static str| malformed(name, move |s| said(s, END_STREAM, "200", length));
    check(vec![
        malformed("shorter", |s| [said(s, 0, "200", "5"), data(s, END_STREAM, "abc")].concat()),
        malformed("longer", |s| [said(s, 0, "200", "2"), data(s, END_STREAM, "abc")].concat()),
        malformed("none", |s| said(s, END_STREAM, "200", "5")),
        malformed("trailers too early", |s| {
            [said(s, 0, "200", "5"), data(s, 0, "abc"), headers(s, END_STREAM, &[("x", "y")])].concat()
        }),
        number("no number", "five"),
        number("nothing", ""),
        number("negative", "-1"),
        number("a sign", "+0"),
        number("hexadecimal", "0x0"),
        number("a list of one number", "0, 0"),
        number("larger than can be", "18446744073709551616"),
        malformed("two numbers", |s| {
            let fields = [(":status", "200"), ("content-length", "2"), ("content-length", "3")];
            [headers(s, 0, &fields), data(s, END_STREAM, "abc")].concat()
        }),
        row(
            "shorter, with the answer on its way",
            |s| [said(s, 0, "200", "200000"), data(s, END_STREAM, "abc")].concat(),
            End::Stream(PROTOCOL_ERROR),
            Told::Broken(200),
        ),
        row(
            "longer, with the answer on its way",
            |s| {
                let full = data(s, 0, vec![b'x'; FRAME_SIZE]).repeat(7);
                [said(s, 0, "200", "100000"), full].concat()
            },
            End::Stream(PROTOCOL_ERROR),
            Told::Broken(200),
        ),
        row(
            "one number twice",
            |s| {
                let fields = [(":status", "200"), ("content-length", "3"), ("content-length", "3")];
                [headers(s, 0, &fields), data(s, END_STREAM, "abc")].concat()
            },
            End::Nothing,
            Told::Answer(200, "abc"),
        ),
    ]);
}

#[test]
fn what_can_have_no_body_gets_none() {
    // the head alone is the answer, and DATA behind it is never the client's
    let broken = |name, status: u16, more: bool| {
        let bytes = move |s| {
            let body = if more { vec![b'x'; 3] } else { Vec::new() };
            [said(s, 0, &status.to_string(), "3"), data(s, 0, body), data(s, END_STREAM, "more")].concat()
        };
        row(name, bytes, End::Stream(PROTOCOL_ERROR), Told::Bodiless(status))
    };
    check_with(HEAD, vec![broken("DATA in an answer to HEAD", 200, true), broken("DATA in it, later", 200, false)]);
    check(vec![
        broken("DATA in a 304", 304, true),
        broken("DATA in a 204", 204, true),
        broken("DATA in it, later", 204, false),
    ]);
    let fine = |name, status: u16| {
        let bytes = move |s| [said(s, 0, &status.to_string(), "3"), data(s, END_STREAM, "")].concat();
        row(name, bytes, End::Nothing, Told::Answer(status, ""))
    };
    check_with(HEAD, vec![fine("an empty end of an answer to HEAD", 200)]);
    check(vec![fine("an empty end of a 304", 304), fine("an empty end of a 204", 204)]);
}

#[test]
fn the_length_of_a_body_that_is_not_there_is_passed_on_where_it_means_something() {
    let backend = Backend::new(&[], |peer, asked| {
        let status = &asked.path()[1..];
        peer.send(said(asked.stream, END_STREAM, status, "5"))
    });
    let proxy = proxy_to(&backend);
    let mut client = proxy.client();
    for i in 0..300 {
        client.send("HEAD /200 HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(client.response_to("HEAD").field("content-length"), Some("5"), "{i}");
    }
    let told = proxy.client().get("/304");
    assert_eq!((told.status, told.field("content-length")), (304, Some("5")));
    assert_eq!(proxy.client().get("/204").field("content-length"), None);
    assert_eq!(backend.origin.connections(), 1);
}

#[test]
fn answers_of_every_shape_come_as_they_are() {
    let backend = Backend::new(&[], |peer, asked| {
        let s = asked.stream;
        let head = |flags| headers(s, flags, &[(":status", "200")]);
        peer.send(match asked.path() {
            "/empty" => head(END_STREAM),
            "/empty-late" => [head(0), data(s, END_STREAM, "")].concat(),
            "/zero" => said(s, END_STREAM, "200", "0"),
            "/pieces" => [head(0), data(s, 0, "a"), data(s, 0, ""), data(s, 0, "b"), data(s, END_STREAM, "")].concat(),
            "/trailers" => [head(0), data(s, 0, "a"), headers(s, END_STREAM, &[("x", "y")])].concat(),
            "/trailers-only" => [head(0), headers(s, END_STREAM, &[("x", "y")])].concat(),
            _ => [said(s, 0, "200", "2"), data(s, 0, "o"), data(s, 0, "k"), headers(s, END_STREAM, &[("x", "y")])]
                .concat(),
        })
    });
    let proxy = proxy_to(&backend);
    let mut client = proxy.client();
    for (target, body, trailers) in [
        ("/empty", "", 0),
        ("/empty-late", "", 0),
        ("/zero", "", 0),
        ("/pieces", "ab", 0),
        ("/trailers", "a", 1),
        ("/trailers-only", "", 1),
    ] {
        let told = client.get(target);
        assert_eq!((told.status, told.text().as_str(), told.trailers.len()), (200, body, trailers), "{target}");
    }
    client.send(GET);
    assert_eq!(client.response().text(), "ok");
    assert_eq!(backend.origin.connections(), 1);
}
