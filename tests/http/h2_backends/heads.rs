//! Heads of answers, interim responses and trailers (RFC 9113, sections 8.1 to 8.3): what is passed on, what is too large, and
//! what is no answer.

use std::time::Duration;

use super::backend::{Asked, Backend, answer};
use super::rows::{End, Row, Told, check, row};
use super::{proxy_to, proxy_with};
use crate::h2_frames::connection::Connection;
use crate::h2_frames::frame::{
    CANCEL, CONTINUATION, END_HEADERS, END_STREAM, FRAME_SIZE, HEADERS, PROTOCOL_ERROR, data, frame, headers,
};
use crate::h2_frames::hpack;
use crate::support::GET;

const BROKEN: Told = Told::Error(502, "http_protocol_error");

fn malformed(name: &'static str, bytes: impl Fn(u32) -> Vec<u8> + Send + Sync + 'static) -> Row {
    row(name, bytes, End::Stream(PROTOCOL_ERROR), BROKEN)
}

/// A head of these fields alone.
fn says(name: &'static str, fields: &'static [(&str, &str)]) -> Row {
    malformed(name, |s| headers(s, END_STREAM, fields))
}

/// A block in as many frames as it needs.
pub fn large(stream: u32, flags: u8, fields: &[(&str, &str)]) -> Vec<u8> {
    let block = hpack::block(fields);
    let pieces: Vec<_> = block.chunks(FRAME_SIZE).collect();
    let last = pieces.len() - 1;
    let one = |(i, piece): (usize, &&[u8])| {
        let end = if i == last { END_HEADERS } else { 0 };
        if i == 0 { frame(HEADERS, flags | end, stream, piece) } else { frame(CONTINUATION, end, stream, piece) }
    };
    pieces.iter().enumerate().flat_map(one).collect()
}

/// So many bytes in fields of 1,000 bytes each.
fn fields_of(bytes: usize) -> Vec<(String, String)> {
    (0..bytes / 1000).map(|i| (format!("x-{i:04}"), "v".repeat(1000 - 38))).collect()
}

fn borrowed(fields: &[(String, String)]) -> Vec<(&str, &str)> {
    fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

#[test]
fn answers_without_a_status_that_can_be_are_malformed() {
    check(vec![
        malformed("DATA before a head (8.1)", |s| data(s, END_STREAM, "x")),
        malformed("no fields at all (8.3.2)", |s| headers(s, END_STREAM, &[])),
        says("no :status (8.3.2)", &[("content-type", "text/plain")]),
        says(":status twice (8.3.2)", &[(":status", "200"), (":status", "200")]),
        says(":status that is empty", &[(":status", "")]),
        says(":status that is no number", &[(":status", "abc")]),
        says(":status of two digits", &[(":status", "20")]),
        says(":status of four digits", &[(":status", "2000")]),
        says(":status with a sign", &[(":status", "+20")]),
        says(":status below 100", &[(":status", "099")]),
        says(":status with a reason", &[(":status", "200 OK")]),
        says(":status after another field (8.3)", &[("x", "y"), (":status", "200")]),
        says("a pseudo-field of requests (8.3)", &[(":status", "200"), (":path", "/")]),
        says("a pseudo-field that nobody knows (8.3)", &[(":status", "200"), (":reason", "fine")]),
        says("101, which HTTP/2 has not (8.6)", &[(":status", "101")]),
        malformed("an interim response that ends its stream (8.1)", |s| headers(s, END_STREAM, &[(":status", "103")])),
        malformed("DATA after an interim response (8.1)", |s| {
            [headers(s, 0, &[(":status", "100")]), data(s, END_STREAM, "x")].concat()
        }),
    ]);
}

#[test]
fn a_status_of_three_digits_that_no_class_has_is_passed_on() {
    for status in ["600", "999"] {
        let backend = Backend::new(&[], move |peer, asked| {
            let ok = headers(asked.stream, 0, &[(":status", status), ("content-length", "2")]);
            peer.send([ok, data(asked.stream, END_STREAM, "ok")].concat())
        });
        let proxy = proxy_to(&backend);
        let mut client = proxy.client();
        client.send("GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let answer = String::from_utf8(client.rest()).unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")) && answer.ends_with("\r\n\r\nok"), "{answer}");
        assert_eq!(Connection::open(&proxy).get(1, "/x").status.to_string(), status);
    }
}

#[test]
fn answers_with_fields_that_can_t_be_are_malformed() {
    let with = |name, field: &'static str, value: &'static str| {
        malformed(name, move |s| headers(s, END_STREAM, &[(":status", "200"), (field, value)]))
    };
    check(vec![
        with("an upper-case name (8.2.1)", "X-Upper", "y"),
        with("a name of nothing (8.2.1)", "", "y"),
        with("a name with a space (8.2.1)", "x y", "y"),
        with("a name with a colon (8.2.1)", "x:y", "y"),
        with("a name with a line break (8.2.1)", "x\r\ny", "y"),
        with("a value with a line break (8.2.1)", "x", "y\r\nset-cookie: a=b"),
        with("a value with a bare LF (8.2.1)", "x", "y\nz"),
        with("a value with NUL (8.2.1)", "x", "y\0z"),
        with("a value that begins with a space (8.2.1)", "x", " y"),
        with("a value that ends with a tab (8.2.1)", "x", "y\t"),
        with("connection (8.2.2)", "connection", "close"),
        with("keep-alive (8.2.2)", "keep-alive", "timeout=5"),
        with("proxy-connection (8.2.2)", "proxy-connection", "close"),
        with("transfer-encoding (8.2.2)", "transfer-encoding", "chunked"),
        with("upgrade (8.2.2)", "upgrade", "h2c"),
    ]);
}

#[test]
fn trailers_that_can_t_be_break_the_answer_visibly() {
    let behind = |name, trailers: &'static [(&str, &str)], flags, told, length: &'static str| {
        let bytes = move |s| {
            let mut head = vec![(":status", "200")];
            head.extend((!length.is_empty()).then_some(("content-length", length)));
            [headers(s, 0, &head), data(s, 0, "ok"), headers(s, flags, trailers)].concat()
        };
        row(name, bytes, End::Stream(PROTOCOL_ERROR), told)
    };
    check(vec![
        behind("a pseudo-field (8.1)", &[(":status", "200")], END_STREAM, Told::Broken(200), ""),
        behind("a pseudo-field behind an answer that is held", &[(":status", "200")], END_STREAM, BROKEN, "2"),
        behind("that do not end the stream (8.1)", &[("x", "y")], 0, Told::Broken(200), ""),
        behind("with a name that can't be", &[("X", "y")], END_STREAM, Told::Broken(200), ""),
        behind("of the connection", &[("connection", "close")], END_STREAM, Told::Broken(200), ""),
        behind("an interim response after the answer", &[(":status", "103")], 0, Told::Broken(200), ""),
    ]);
}

/// Answers `/large` as this says, everything else with `ok`.
fn backend(large: impl Fn(u32) -> Vec<u8> + Send + Sync + 'static) -> Backend {
    Backend::new(&[], move |peer, asked: &Asked| match asked.path() {
        "/large" => peer.send(large(asked.stream)),
        _ => peer.answer(asked.stream, "ok"),
    })
}

#[test]
fn heads_and_trailers_of_40_kb_are_passed_on() {
    let backend = backend(|s| {
        let fields = fields_of(40_000);
        let head = [vec![(":status", "200")], borrowed(&fields)].concat();
        [large(s, 0, &head), data(s, 0, "ok"), large(s, END_STREAM, &borrowed(&fields))].concat()
    });
    let proxy = proxy_to(&backend);
    let fields = fields_of(40_000);
    let told = proxy.client().get("/large");
    assert_eq!((told.status, told.text().as_str()), (200, "ok"));
    assert!(fields.iter().all(|(name, value)| told.field(name) == Some(value)));
    assert_eq!(told.trailers, fields);
    let mut client = Connection::open(&proxy);
    let told = client.get(1, "/large");
    assert_eq!((told.status, &told.trailers), (200, &fields));
    assert!(fields.iter().all(|(name, value)| told.field(name) == [value]));
}

#[test]
fn what_is_too_large_fails_alone_and_by_its_name() {
    let many: &'static [(&str, &str)] = Box::leak(vec![("x", "y"); 101].into_boxed_slice());
    let head = |fields: Vec<(String, String)>| {
        move |s| large(s, END_STREAM, &[vec![(":status", "200")], borrowed(&fields)].concat())
    };
    let trailers = |length: &'static str| {
        move |s| {
            let fields = fields_of(70_000);
            let mut head = vec![(":status", "200")];
            head.extend((!length.is_empty()).then_some(("content-length", length)));
            [headers(s, 0, &head), data(s, 0, "ok"), large(s, END_STREAM, &borrowed(&fields))].concat()
        }
    };
    let too_large = Told::Error(502, "http_response_header_section_size");
    check(vec![
        row("a head of 70 KB", head(fields_of(70_000)), End::Stream(CANCEL), too_large),
        row("a head of 900 KB", head(fields_of(900_000)), End::Stream(CANCEL), too_large),
        row(
            "a head of 101 fields",
            move |s| headers(s, END_STREAM, &[&[(":status", "200")], many].concat()),
            End::Stream(CANCEL),
            too_large,
        ),
        row("trailers of 70 KB", trailers(""), End::Stream(CANCEL), Told::Broken(200)),
        row(
            "trailers of 70 KB behind an answer that is held",
            trailers("2"),
            End::Stream(CANCEL),
            Told::Error(502, "http_response_trailer_section_size"),
        ),
        row(
            "trailers of 101 fields",
            move |s| [headers(s, 0, &[(":status", "200")]), data(s, 0, "ok"), headers(s, END_STREAM, many)].concat(),
            End::Stream(CANCEL),
            Told::Broken(200),
        ),
        row(
            "70 KB of interim responses",
            |s| {
                let fields = fields_of(7000);
                let one = headers(s, 0, &[vec![(":status", "103")], borrowed(&fields)].concat());
                [one.repeat(10), answer(s, "late")].concat()
            },
            End::Stream(PROTOCOL_ERROR),
            BROKEN,
        ),
    ]);
}

#[test]
fn a_block_that_is_too_large_leaves_the_table_as_the_backend_has_it() {
    let backend = Backend::new(&[], |peer, asked| {
        let block = [hpack::indexed(8), hpack::indexed(hpack::NEWEST)].concat();
        match asked.path() {
            "/large" => {
                let filler = "v".repeat(16_000);
                let start =
                    [hpack::indexed(8), hpack::insert("x-kept", "kept"), hpack::literal("x-a", &filler)].concat();
                peer.send(frame(HEADERS, END_STREAM, asked.stream, &start));
                for i in 0..5 {
                    let end = if i == 4 { END_HEADERS } else { 0 };
                    peer.send(frame(CONTINUATION, end, asked.stream, &hpack::literal("x-a", &filler)));
                }
                true
            }
            _ => peer.send(frame(HEADERS, END_HEADERS | END_STREAM, asked.stream, &block)),
        }
    });
    let proxy = proxy_to(&backend);
    assert_eq!(proxy.client().get("/large").status, 502);
    assert_eq!(proxy.client().get("/x").field("x-kept"), Some("kept"));
    assert_eq!(backend.origin.connections(), 1);
}

#[test]
fn interim_responses_are_passed_on_as_many_as_come() {
    let statuses = [100, 102, 103, 104, 103, 199];
    let backend = backend(move |s| {
        let one = |status: &u16| headers(s, 0, &[(":status", &status.to_string()), ("link", "</a>")]);
        [statuses.iter().flat_map(one).collect(), answer(s, "ok")].concat()
    });
    let proxy = proxy_to(&backend);
    // but 100, which is for those who wait for it
    let passed = &statuses[1..];
    let told = proxy.client().get("/large");
    assert_eq!((told.status, &told.interim[..]), (200, passed));
    let mut client = Connection::open(&proxy);
    let told = client.get(1, "/large");
    assert_eq!((told.status, &told.interim[..]), (200, passed));
    // HTTP/1.0 has none (RFC 9110, section 15.2)
    let mut old = proxy.client();
    old.send("GET /large HTTP/1.0\r\nHost: a\r\n\r\n");
    assert!(old.response().interim.is_empty());
}

#[test]
fn a_backend_that_says_that_it_works_on_it_gets_more_time() {
    let backend = Backend::new(&[], |peer, asked| {
        let status = &asked.path()[1..];
        for _ in 0..8 {
            std::thread::sleep(Duration::from_millis(300));
            peer.send(headers(asked.stream, 0, &[(":status", status)]));
        }
        peer.answer(asked.stream, "at last")
    });
    let proxy = proxy_with("[service.api.timeout]\nresponse = \"1s\"\n[service.api.retry]\nattempts = 0", &[&backend]);
    for (target, status) in [("/102", 200), ("/104", 200), ("/103", 504)] {
        assert_eq!(proxy.client().get(target).status, status, "{target}");
    }
}

#[test]
fn the_status_line_of_an_answer_is_the_backend_s() {
    let backend = Backend::new(&[], |peer, asked| {
        let status = &asked.path()[1..];
        peer.send(headers(
            asked.stream,
            END_STREAM,
            &[(":status", status), ("set-cookie", "a=b"), ("set-cookie", "c=d")],
        ))
    });
    let proxy = proxy_to(&backend);
    for status in [200, 203, 226, 301, 404, 418, 451, 500, 503, 599] {
        let mut client = proxy.client();
        client.send(GET.replace("/x", &format!("/{status}")));
        let told = client.response();
        assert_eq!((told.status, told.head.all("set-cookie")), (status, vec!["a=b", "c=d"]));
    }
}
