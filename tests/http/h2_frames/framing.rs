//! What is wrong with a frame by itself: its size, its stream, its kind (RFC 9113, sections 4.1, 4.2 and 6).

use super::connection::Connection as Client;
use super::frame::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, FRAME_SIZE, FRAME_SIZE_ERROR, GOAWAY, HEADERS, MAX_FRAME_SIZE,
    PING, PRIORITIZED, PRIORITY, PROTOCOL_ERROR, PUSH_PROMISE, RST_STREAM, SETTINGS, STREAM_CLOSED, WINDOW_UPDATE,
    data, fields, frame, get, headers, post,
};
use super::hpack;
use super::rows::Expect::{Connection, Malformed, Nothing, Served, Stream};
use super::rows::{Row, check, check_with};
use crate::support::Proxy;

/// Of a stream id: to be ignored.
const RESERVED: u32 = 1 << 31;

/// An open stream.
fn open() -> Vec<u8> {
    post(1, "/bad/open")
}

#[test]
fn what_a_receiver_does_not_know_is_ignored() {
    let block = hpack::block(&fields("GET", "/good"));
    let large = vec![b'x'; FRAME_SIZE];
    check(vec![
        Row("an unknown frame", frame(0x16, 0xff, 0, b"whatever"), Nothing),
        Row("an unknown frame without payload", frame(0xff, 0, 0, b""), Nothing),
        Row("the largest unknown frame", frame(0x16, 0, 0, &large), Nothing),
        Row("an unknown frame on an idle stream", frame(0x16, 0, 99, b"x"), Nothing),
        Row("an unknown frame on an even stream", frame(0x16, 0, 98, b"x"), Nothing),
        Row(
            "an unknown frame between HEADERS and DATA",
            [post(1, "/good"), frame(0x16, 1, 1, b"x"), data(1, END_STREAM, "x")].concat(),
            Served(1),
        ),
        Row("a PRIORITY_UPDATE", frame(0x10, 0, 0, b"\0\0\0\x01u=5"), Nothing),
        Row("unknown flags of a PING", frame(PING, 0xfe, 0, b"12345678"), Nothing),
        Row("unknown flags of a GET", frame(HEADERS, END_HEADERS | END_STREAM | 0xc2, 1, &block), Served(1)),
        Row(
            "unknown flags of DATA",
            [post(1, "/good"), data(1, 0xf6, "x"), data(1, END_STREAM, "")].concat(),
            Served(1),
        ),
        Row("the reserved bit of a PING", frame(PING, 0, RESERVED, b"12345678"), Nothing),
        Row("the reserved bit of a GET", get(1 | RESERVED, "/good"), Served(1)),
        Row("the reserved bit of a window update", frame(WINDOW_UPDATE, 0, 0, &[0x80, 0, 0, 1]), Nothing),
        Row("priority of an idle stream", frame(PRIORITY, 0, 99, &[0, 0, 0, 0, 15]), Nothing),
        Row("priority of an open stream", [open(), frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 15])].concat(), Nothing),
        Row(
            "priority within HEADERS",
            frame(HEADERS, END_HEADERS | END_STREAM | PRIORITIZED, 1, &[&[0x80, 0, 0, 0, 9], &block[..]].concat()),
            Served(1),
        ),
    ]);
}

#[test]
fn frames_of_a_wrong_size_are_errors() {
    let origin = super::backend();
    let proxy = Proxy::to(&origin);
    let settings = Client::open(&proxy).settings.unwrap();
    let most = settings.get(&MAX_FRAME_SIZE).map_or(FRAME_SIZE, |most| *most as usize);
    let error = Connection(FRAME_SIZE_ERROR);
    let large = vec![0; most + 1];
    let mut too_long = fields("GET", "/bad");
    let value = "v".repeat(most);
    too_long.push(("x-long", &value));
    let rows = vec![
        Row("HEADERS above the setting", headers(1, END_STREAM, &too_long), error),
        Row("DATA above the setting", [open(), data(1, 0, &large)].concat(), Stream(1, FRAME_SIZE_ERROR)),
        Row("an unknown frame above the setting", frame(0x16, 0, 0, &large), error),
        Row("SETTINGS above the setting", frame(SETTINGS, 0, 0, &[0, 0xf0, 0, 0, 0, 1].repeat(most / 6 + 1)), error),
        Row("SETTINGS of 5", frame(SETTINGS, 0, 0, &[0; 5]), error),
        Row("SETTINGS of 7", frame(SETTINGS, 0, 0, &[0, 0xf0, 0, 0, 0, 1, 0]), error),
        Row("an acknowledgement with a payload", frame(SETTINGS, ACK, 0, &[0, 0xf0, 0, 0, 0, 1]), error),
        Row("PING of 7", frame(PING, 0, 0, &[0; 7]), error),
        Row("PING of 9", frame(PING, 0, 0, &[0; 9]), error),
        Row("PING of nothing", frame(PING, 0, 0, &[]), error),
        Row("GOAWAY of 7", frame(GOAWAY, 0, 0, &[0; 7]), error),
        Row("RST_STREAM of 3", [open(), frame(RST_STREAM, 0, 1, &[0; 3])].concat(), error),
        Row("RST_STREAM of 5", [open(), frame(RST_STREAM, 0, 1, &[0; 5])].concat(), error),
        Row("WINDOW_UPDATE of 3", frame(WINDOW_UPDATE, 0, 0, &[0, 0, 1]), error),
        Row("WINDOW_UPDATE of 5", frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1, 0]), error),
        Row("WINDOW_UPDATE of 5 of a stream", [open(), frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1, 0])].concat(), error),
        Row("PRIORITY of 4", [open(), frame(PRIORITY, 0, 1, &[0; 4])].concat(), Stream(1, FRAME_SIZE_ERROR)),
        Row("PRIORITY of 6", [open(), frame(PRIORITY, 0, 1, &[0; 6])].concat(), Stream(1, FRAME_SIZE_ERROR)),
        Row("HEADERS with priority of 4", frame(HEADERS, END_HEADERS | END_STREAM | PRIORITIZED, 1, &[0; 4]), error),
    ];
    check_with(&proxy, &origin, rows);
}

#[test]
fn frames_on_a_stream_that_is_not_theirs_are_errors() {
    let error = Connection(PROTOCOL_ERROR);
    let block = hpack::block(&fields("GET", "/bad"));
    check(vec![
        Row("DATA on the connection", data(0, 0, "x"), error),
        Row("HEADERS on the connection", frame(HEADERS, END_HEADERS | END_STREAM, 0, &block), error),
        Row("PRIORITY on the connection", frame(PRIORITY, 0, 0, &[0, 0, 0, 1, 15]), error),
        Row("RST_STREAM on the connection", frame(RST_STREAM, 0, 0, &[0; 4]), error),
        Row("CONTINUATION on the connection", frame(CONTINUATION, END_HEADERS, 0, &block), error),
        Row("SETTINGS on a stream", [open(), frame(SETTINGS, 0, 1, &[])].concat(), error),
        Row("an acknowledgement on a stream", [open(), frame(SETTINGS, ACK, 1, &[])].concat(), error),
        Row("PING on a stream", [open(), frame(PING, 0, 1, &[0; 8])].concat(), error),
        Row("GOAWAY on a stream", [open(), frame(GOAWAY, 0, 1, &[0; 8])].concat(), error),
        Row("PUSH_PROMISE", [open(), frame(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2])].concat(), error),
        Row("PUSH_PROMISE on an idle stream", frame(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2]), error),
        Row("an even stream", get(2, "/bad"), error),
        // passed over, stream 3 is closed: that code is as good
        Row("a smaller stream", [get(5, "/good"), get(3, "/bad")].concat(), Connection(STREAM_CLOSED)),
        Row("a second head without END_STREAM", [open(), get(3, "/good"), post(1, "/bad")].concat(), Malformed(1)),
    ]);
}

#[test]
fn data_may_be_padded_and_padding_has_to_fit() {
    let padded = |payload: &[u8]| [padded_post(), frame(DATA, 8 | END_STREAM, 1, payload)].concat();
    check(vec![
        Row("no padding", padded(b"\0data"), Served(1)),
        Row("some padding", padded(b"\x03data\0\0\0"), Served(1)),
        Row("padding alone", padded(b"\x03\0\0\0"), Served(1)),
        Row("an empty padded frame of one byte", padded(b"\0"), Served(1)),
        Row("padding as long as the frame", padded(b"\x06data\0"), Stream(1, PROTOCOL_ERROR)),
        Row("padding longer than the frame", padded(b"\xffdata\0"), Stream(1, PROTOCOL_ERROR)),
        Row("no room for the length of the padding", padded(b""), Stream(1, FRAME_SIZE_ERROR)),
    ]);
}

fn padded_post() -> Vec<u8> {
    post(1, "/padded")
}
