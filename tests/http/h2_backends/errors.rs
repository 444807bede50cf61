//! Every error of RFC 9113, sections 5.1, 5.4, 6.1 to 6.10: what ends by it, with which code, and what the client is told.

use super::backend::{Backend, answer, goaway};
use super::proxy_to;
use super::rows::{End, POST, Row, Told, check, row};
use crate::h2_frames::frame::{
    ACK, COMPRESSION_ERROR, CONTINUATION, DATA, ENABLE_CONNECT_PROTOCOL, ENABLE_PUSH, END_HEADERS, END_STREAM,
    FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, GOAWAY, HEADERS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE, MAX_WINDOW, PADDED,
    PING, PRIORITY, PROTOCOL_ERROR, PUSH_PROMISE, RST_STREAM, SETTINGS, STREAM_CLOSED, WINDOW_UPDATE, data, frame,
    headers, ping, reset, settings, window_update,
};
use crate::h2_frames::hpack;

const ENHANCE_YOUR_CALM: u32 = 11;
/// A stream that nobody has opened, and one that only the backend could.
const UNOPENED: u32 = 99;
const PUSHED: u32 = 2;
const BROKEN: Told = Told::Error(502, "http_protocol_error");
const FINE: Told = Told::Answer(200, "fine");

fn fatal(name: &'static str, code: u32, bytes: impl Fn(u32) -> Vec<u8> + Send + Sync + 'static) -> Row {
    row(name, bytes, End::Connection(code), BROKEN)
}

fn of_stream(name: &'static str, code: u32, bytes: impl Fn(u32) -> Vec<u8> + Send + Sync + 'static) -> Row {
    row(name, bytes, End::Stream(code), BROKEN)
}

/// What is followed by an answer as if nothing were.
fn ignored(name: &'static str, bytes: impl Fn(u32) -> Vec<u8> + Send + Sync + 'static) -> Row {
    row(name, move |stream| [bytes(stream), answer(stream, "fine")].concat(), End::Nothing, FINE)
}

fn head(stream: u32) -> Vec<u8> {
    headers(stream, 0, &[(":status", "200")])
}

#[test]
fn data_and_headers_that_can_t_be() {
    check(vec![
        fatal("DATA on stream 0 (6.1)", PROTOCOL_ERROR, |_| data(0, 0, "x")),
        fatal("DATA on a stream that was never opened (5.1)", PROTOCOL_ERROR, |_| data(UNOPENED, 0, "x")),
        fatal("DATA on a stream of the backend's (5.1)", PROTOCOL_ERROR, |_| data(PUSHED, 0, "x")),
        fatal("DATA with more padding than payload (6.1)", PROTOCOL_ERROR, |s| frame(DATA, PADDED, s, b"\x05abcd")),
        fatal("DATA that is padded and empty (6.1)", FRAME_SIZE_ERROR, |s| frame(DATA, PADDED, s, b"")),
        fatal("HEADERS on stream 0 (6.2)", PROTOCOL_ERROR, |_| head(0)),
        fatal("HEADERS on a stream that was never opened (5.1)", PROTOCOL_ERROR, |_| head(UNOPENED)),
        fatal("HEADERS on a stream of the backend's (5.1)", PROTOCOL_ERROR, |_| head(PUSHED)),
        fatal("HEADERS with more padding than payload (6.2)", PROTOCOL_ERROR, |s| {
            frame(HEADERS, PADDED | END_HEADERS, s, b"\x05\x88")
        }),
        fatal("HEADERS without the priority that it announces (6.2)", FRAME_SIZE_ERROR, |s| {
            frame(HEADERS, 0x20 | END_HEADERS, s, b"\x00\x00")
        }),
        fatal("a block that refers to nothing (4.3)", COMPRESSION_ERROR, |s| {
            frame(HEADERS, END_HEADERS, s, &hpack::indexed(hpack::NEWEST))
        }),
        fatal("a block that ends within a field (4.3)", COMPRESSION_ERROR, |s| {
            frame(HEADERS, END_HEADERS, s, b"\x00\x05ab")
        }),
        fatal("a table larger than we allow (RFC 7541, 4.2)", COMPRESSION_ERROR, |s| {
            frame(HEADERS, END_HEADERS, s, &[hpack::size_update(4097), hpack::indexed(8)].concat())
        }),
        fatal("a frame larger than SETTINGS_MAX_FRAME_SIZE (4.2)", FRAME_SIZE_ERROR, |s| {
            frame(DATA, 0, s, &[0; 16_385])
        }),
    ]);
}

#[test]
fn small_frames_that_can_t_be() {
    check(vec![
        fatal("PRIORITY on stream 0 (6.3)", PROTOCOL_ERROR, |_| frame(PRIORITY, 0, 0, &[0; 5])),
        of_stream("PRIORITY of four bytes (6.3)", FRAME_SIZE_ERROR, |s| frame(PRIORITY, 0, s, &[0; 4])),
        fatal("RST_STREAM on stream 0 (6.4)", PROTOCOL_ERROR, |_| reset(0, 0)),
        fatal("RST_STREAM on a stream that was never opened (6.4)", PROTOCOL_ERROR, |_| reset(UNOPENED, 0)),
        fatal("RST_STREAM of five bytes (6.4)", FRAME_SIZE_ERROR, |s| frame(RST_STREAM, 0, s, &[0; 5])),
        fatal("PUSH_PROMISE, which was forbidden (6.6)", PROTOCOL_ERROR, |s| {
            frame(
                PUSH_PROMISE,
                END_HEADERS,
                s,
                &[&PUSHED.to_be_bytes()[..], &hpack::block(&[(":method", "GET")])].concat(),
            )
        }),
        fatal("PING on a stream (6.7)", PROTOCOL_ERROR, |s| frame(PING, 0, s, &[0; 8])),
        fatal("PING of seven bytes (6.7)", FRAME_SIZE_ERROR, |_| frame(PING, 0, 0, &[0; 7])),
        fatal("GOAWAY on a stream (6.8)", PROTOCOL_ERROR, |s| frame(GOAWAY, 0, s, &[0; 8])),
        fatal("GOAWAY of seven bytes (6.8)", FRAME_SIZE_ERROR, |_| frame(GOAWAY, 0, 0, &[0; 7])),
        fatal("WINDOW_UPDATE of five bytes (6.9)", FRAME_SIZE_ERROR, |s| frame(WINDOW_UPDATE, 0, s, &[0; 5])),
        fatal("WINDOW_UPDATE of the connection by nothing (6.9)", PROTOCOL_ERROR, |_| window_update(0, 0)),
        of_stream("WINDOW_UPDATE of a stream by nothing (6.9)", PROTOCOL_ERROR, |s| window_update(s, 0)),
        fatal("WINDOW_UPDATE on a stream that was never opened (5.1)", PROTOCOL_ERROR, |_| window_update(UNOPENED, 1)),
        fatal("a window of the connection that is too large (6.9.1)", FLOW_CONTROL_ERROR, |_| {
            window_update(0, MAX_WINDOW)
        }),
        of_stream("a window of a stream that is too large (6.9.1)", FLOW_CONTROL_ERROR, |s| {
            window_update(s, MAX_WINDOW)
        }),
    ]);
}

#[test]
fn settings_that_can_t_be() {
    let says = |name, code, id, value| fatal(name, code, move |_| settings(&[(id, value)]));
    check(vec![
        fatal("on a stream (6.5)", PROTOCOL_ERROR, |s| frame(SETTINGS, 0, s, &[])),
        fatal("an acknowledgement that says something (6.5)", FRAME_SIZE_ERROR, |_| frame(SETTINGS, ACK, 0, &[0; 6])),
        fatal("of five bytes (6.5)", FRAME_SIZE_ERROR, |_| frame(SETTINGS, 0, 0, &[0; 5])),
        says("a server that wants to be pushed to (6.5.2)", PROTOCOL_ERROR, ENABLE_PUSH, 1),
        says("a push that is neither on nor off (6.5.2)", PROTOCOL_ERROR, ENABLE_PUSH, 2),
        says("an initial window that is too large (6.5.2)", FLOW_CONTROL_ERROR, INITIAL_WINDOW_SIZE, MAX_WINDOW + 1),
        says("frames that are too small (6.5.2)", PROTOCOL_ERROR, MAX_FRAME_SIZE, 16_383),
        says("frames that are too large (6.5.2)", PROTOCOL_ERROR, MAX_FRAME_SIZE, 1 << 24),
        says("a tunnel that is neither on nor off (RFC 8441, 3)", PROTOCOL_ERROR, ENABLE_CONNECT_PROTOCOL, 2),
        fatal("an initial window that makes one too large (6.9.2)", FLOW_CONTROL_ERROR, |s| {
            [window_update(s, 1 << 30), settings(&[(INITIAL_WINDOW_SIZE, MAX_WINDOW)])].concat()
        }),
    ]);
}

#[test]
fn field_blocks_that_are_interrupted_or_never_end() {
    let begun = |s| frame(HEADERS, 0, s, &hpack::block(&[(":status", "200")]));
    check(vec![
        fatal("CONTINUATION of nothing (6.10)", PROTOCOL_ERROR, |s| frame(CONTINUATION, END_HEADERS, s, &[])),
        fatal("CONTINUATION on stream 0 (6.10)", PROTOCOL_ERROR, |_| frame(CONTINUATION, END_HEADERS, 0, &[])),
        fatal("CONTINUATION of another stream (6.10)", PROTOCOL_ERROR, move |s| {
            [begun(s), frame(CONTINUATION, END_HEADERS, 1, &[])].concat()
        }),
        fatal("CONTINUATION after the end of the block (6.10)", PROTOCOL_ERROR, |s| {
            [headers(s, 0, &[(":status", "103")]), frame(CONTINUATION, END_HEADERS, s, &[])].concat()
        }),
        fatal("DATA within a block (6.10)", PROTOCOL_ERROR, move |s| [begun(s), data(s, 0, "x")].concat()),
        fatal("PING within a block (6.10)", PROTOCOL_ERROR, move |s| [begun(s), ping(b"12345678")].concat()),
        fatal("a frame of no known type within a block (5.5)", PROTOCOL_ERROR, move |s| {
            [begun(s), frame(0x77, 0, s, b"x")].concat()
        }),
        fatal("a block of ever more frames", ENHANCE_YOUR_CALM, move |s| {
            [begun(s), frame(CONTINUATION, 0, s, &[]).repeat(1000)].concat()
        }),
        fatal("a block of ever more bytes", ENHANCE_YOUR_CALM, move |s| {
            [begun(s), frame(CONTINUATION, 0, s, &[0x88; 16_384]).repeat(80)].concat()
        }),
    ]);
}

#[test]
fn frames_that_mean_nothing_are_passed_over_and_not_without_end() {
    check(vec![
        ignored("a frame of no known type (4.1)", |s| [frame(0x77, 0xff, s, b"x"), frame(0x78, 1, 0, b"")].concat()),
        ignored("settings that nobody knows (6.5.2)", |_| settings(&[(0x7777, 1), (0, 7)])),
        ignored("PRIORITY on any stream (6.3)", |s| {
            [frame(PRIORITY, 0, s, &[0; 5]), frame(PRIORITY, 0, UNOPENED, &[0; 5])].concat()
        }),
        ignored("the answer to no PING (6.7)", |_| frame(PING, ACK, 0, b"whatever")),
        ignored("the answer to no SETTINGS (6.5)", |_| frame(SETTINGS, ACK, 0, &[])),
        ignored("the reserved bits of a stream's id and of an increment (4.1, 6.9)", |s| {
            [frame(PRIORITY, 0, s | 1 << 31, &[0; 5]), window_update(s, 1 << 31 | 1)].concat()
        }),
        ignored("flags that nobody knows (4.1)", |s| {
            [frame(PING, 0xfe, 0, b"12345678"), frame(WINDOW_UPDATE, 0xff, s, &[0, 0, 0, 1])].concat()
        }),
        ignored("a few empty frames of a body", |s| {
            [headers(s, 0, &[(":status", "103")]), settings(&[]).repeat(20)].concat()
        }),
        row(
            "padding of a head and of a body (6.1, 6.2)",
            |s| {
                let block = hpack::block(&[(":status", "200")]);
                let head = [&[3, 0, 0, 0, 0, 16][..], &block, &[0; 3]].concat();
                let body = [&[255][..], b"fine", &[0; 255]].concat();
                [frame(HEADERS, PADDED | 0x20 | END_HEADERS, s, &head), frame(DATA, PADDED | END_STREAM, s, &body)]
                    .concat()
            },
            End::Nothing,
            FINE,
        ),
        row(
            "empty DATA without end",
            |s| [head(s), data(s, 0, "").repeat(2000)].concat(),
            End::Connection(ENHANCE_YOUR_CALM),
            Told::Broken(200),
        ),
        fatal("SETTINGS without end", ENHANCE_YOUR_CALM, |_| settings(&[]).repeat(2000)),
    ]);
}

#[test]
fn what_comes_after_the_end_of_a_stream() {
    let after =
        |name, more: fn(u32) -> Vec<u8>, end| row(name, move |s| [answer(s, "fine"), more(s)].concat(), end, FINE);
    check(vec![
        after("DATA (5.1)", |s| data(s, 0, "more"), End::Stream(STREAM_CLOSED)),
        after("HEADERS (5.1)", |s| headers(s, END_STREAM, &[("x", "y")]), End::Connection(STREAM_CLOSED)),
        after("WINDOW_UPDATE (5.1)", |s| window_update(s, 10), End::Nothing),
        after("RST_STREAM (5.1)", |s| reset(s, STREAM_CLOSED), End::Nothing),
        after("PRIORITY (5.1)", |s| frame(PRIORITY, 0, s, &[0; 5]), End::Nothing),
    ]);
}

/// What the backend says first, and what becomes of a request.
fn first(bytes: Vec<u8>) -> (u32, u16, Option<String>) {
    let backend = Backend::bare(move |peer| {
        peer.answers = false;
        if peer.request().is_some() {
            peer.send(&bytes);
        }
        peer.ends();
    });
    let proxy = proxy_to(&backend);
    let mut client = proxy.client();
    client.send(POST);
    let told = client.response();
    (backend.goaway(0), told.status, told.field("proxy-status").map(str::to_owned))
}

#[test]
fn a_backend_that_does_not_begin_with_settings_does_not_speak_http_2() {
    let rows = [
        ("an answer", answer(1, "x"), PROTOCOL_ERROR),
        ("the answer to our SETTINGS", frame(SETTINGS, ACK, 0, &[]), PROTOCOL_ERROR),
        ("PING", ping(b"12345678"), PROTOCOL_ERROR),
        ("GOAWAY", goaway(0, 0), PROTOCOL_ERROR),
        ("HTTP/1.1", b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n".to_vec(), FRAME_SIZE_ERROR),
    ];
    for (name, bytes, code) in rows {
        let (got, status, error) = first(bytes);
        assert_eq!((got, status), (code, 502), "{name}");
        assert!(error.as_ref().is_some_and(|error| error.contains("http_protocol_error")), "{name}: {error:?}");
    }
}
