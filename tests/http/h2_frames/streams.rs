//! What may come in which state of a stream, and how many streams there may be (RFC 9113, section 5.1).

use super::connection::{Connection as Client, Outcome};
use super::frame::{
    CANCEL, CONTINUATION, END_HEADERS, END_STREAM, PRIORITY, PROTOCOL_ERROR, REFUSED_STREAM, STREAM_CLOSED, data,
    frame, get, headers, post, reset, window_update,
};
use super::rows::Expect::{Connection, Malformed, Nothing, Served, Stream, Unanswered};
use super::rows::{Row, assert_still_serves, check, check_with};
use crate::support::{Proxy, config};

const PRIORITY_15: [u8; 5] = [0, 0, 0, 0, 15];

#[test]
fn only_headers_and_priority_may_come_on_an_idle_stream() {
    let error = Connection(PROTOCOL_ERROR);
    check(vec![
        Row("DATA", data(1, 0, "x"), Connection(STREAM_CLOSED)),
        Row("DATA with END_STREAM", data(1, END_STREAM, "x"), Connection(STREAM_CLOSED)),
        Row("RST_STREAM", reset(1, CANCEL), error),
        Row("WINDOW_UPDATE", window_update(1, 1), error),
        Row("CONTINUATION", frame(CONTINUATION, END_HEADERS, 1, &[0x82]), error),
        Row("RST_STREAM of a stream yet to come", [get(1, "/good"), reset(3, CANCEL)].concat(), error),
        Row("WINDOW_UPDATE of a stream yet to come", [get(1, "/good"), window_update(3, 1)].concat(), error),
        Row("PRIORITY", [frame(PRIORITY, 0, 5, &PRIORITY_15), get(3, "/good")].concat(), Served(3)),
    ]);
}

#[test]
fn a_client_that_has_ended_its_side_may_not_go_on() {
    let after = |more: Vec<u8>| [get(1, "/hold"), more].concat();
    let after_data = |more: Vec<u8>| [post(1, "/hold"), data(1, END_STREAM, "x"), more].concat();
    let trailers = headers(1, END_STREAM, &[("x", "y")]);
    let error = Stream(1, STREAM_CLOSED);
    check(vec![
        Row("DATA after HEADERS", after(data(1, 0, "x")), error),
        Row("empty DATA after HEADERS", after(data(1, END_STREAM, "")), error),
        Row("DATA after DATA", after_data(data(1, END_STREAM, "x")), error),
        Row("trailers after HEADERS", after(trailers.clone()), error),
        Row("trailers after DATA", after_data(trailers.clone()), error),
        Row("HEADERS after HEADERS", after(get(1, "/bad")), error),
        Row("CONTINUATION", after(frame(CONTINUATION, END_HEADERS, 1, &[0x82])), Connection(STREAM_CLOSED)),
        Row("a window update", after(window_update(1, 1)), Nothing),
        Row("priority", after(frame(PRIORITY, 0, 1, &PRIORITY_15)), Nothing),
        Row("a reset", after(reset(1, CANCEL)), Nothing),
        Row("a reset with an error nobody knows", after(reset(1, 0xffff_ffff)), Nothing),
        Row("DATA after trailers", [post(1, "/hold"), trailers.clone(), data(1, END_STREAM, "x")].concat(), error),
    ]);
}

#[test]
fn nothing_comes_of_what_is_sent_on_a_stream_that_was_reset() {
    let after = |more: Vec<u8>| [get(1, "/hold"), reset(1, CANCEL), more].concat();
    let open = |more: Vec<u8>| [post(1, "/hold"), reset(1, CANCEL), more].concat();
    check(vec![
        Row("DATA", after(data(1, END_STREAM, "x")), Unanswered(1)),
        Row("DATA of a body", open(data(1, END_STREAM, "x")), Unanswered(1)),
        Row("HEADERS", after(get(1, "/bad")), Unanswered(1)),
        Row("trailers", open(headers(1, END_STREAM, &[("x", "y")])), Unanswered(1)),
        Row("another reset", after(reset(1, CANCEL)), Unanswered(1)),
        Row("a window update", after(window_update(1, 1)), Unanswered(1)),
        Row("CONTINUATION", after(frame(CONTINUATION, END_HEADERS, 1, &[0x82])), Connection(STREAM_CLOSED)),
        Row("priority", after(frame(PRIORITY, 0, 1, &PRIORITY_15)), Nothing),
    ]);
}

#[test]
fn what_crosses_with_the_end_of_an_answer_is_no_error() {
    let origin = super::backend();
    let proxy = Proxy::to(&origin);
    let mut client = Client::open(&proxy);
    for (i, late) in [window_update, reset].iter().enumerate() {
        let stream = 1 + 4 * u32::try_from(i).unwrap();
        assert_eq!(client.get(stream, "/x").status, 200);
        client.send(late(stream, 8));
        client.send(frame(PRIORITY, 0, stream, &PRIORITY_15));
        assert_eq!(client.get(stream + 2, "/x").status, 200);
    }
    assert!(client.is_alive() && client.goaway.is_none());
}

#[test]
fn a_stream_that_has_ended_is_not_served_again() {
    let origin = super::backend();
    let proxy = Proxy::to(&origin);
    let late = [data(1, END_STREAM, "x"), get(1, "/bad"), headers(1, END_STREAM, &[("x", "y")])];
    for late in late {
        let mut client = Client::open(&proxy);
        assert_eq!(client.get(1, "/x").status, 200);
        // a second answer would be an error in the harness
        client.send(late);
        if client.is_alive() {
            assert_eq!(client.get(3, "/x").status, 200);
        }
    }
    assert_still_serves(&proxy);
    assert!(!origin.targets().contains(&"/bad".to_owned()));
}

#[test]
fn streams_above_the_limit_are_refused_and_the_others_go_on() {
    let origin = super::backend();
    let proxy = Proxy::start(&config("[listener.limits]\nmax_concurrent_streams = 2", "", &[&origin]));
    let mut client = Client::open(&proxy);
    client.send([get(1, "/hold"), get(3, "/hold"), get(5, "/bad")].concat());
    let refused = client.outcome(5);
    assert!(matches!(refused, Outcome::Reset(REFUSED_STREAM | PROTOCOL_ERROR)), "{refused:?}");
    client.send(reset(1, CANCEL));
    assert_eq!(client.get(7, "/x").status, 200);
    assert_eq!(client.get(9, "/x").status, 200);
    client.send([post(11, "/hold"), post(13, "/bad"), data(13, END_STREAM, "x")].concat());
    let refused = client.outcome(13);
    assert!(matches!(refused, Outcome::Reset(REFUSED_STREAM | PROTOCOL_ERROR)), "{refused:?}");
    client.send(reset(3, CANCEL));
    client.send(reset(11, CANCEL));
    assert_eq!(client.get(15, "/x").status, 200);
    assert_eq!(client.goaway, None);
    assert_still_serves(&proxy);
    assert!(!origin.targets().contains(&"/bad".to_owned()));
}

#[test]
fn stream_ids_may_be_passed_over() {
    let origin = super::backend();
    let proxy = Proxy::to(&origin);
    let mut client = Client::open(&proxy);
    for stream in [1, 7, 9, 1_000_001, (1 << 31) - 1] {
        assert_eq!(client.get(stream, "/x").status, 200, "stream {stream}");
    }
    assert_eq!(client.goaway, None);
    let rows = vec![
        Row("an answer of a stream", get(1, "/good"), Served(1)),
        Row("DATA on one that was passed over", [get(5, "/good"), data(3, END_STREAM, "x")].concat(), Unanswered(3)),
        Row("HEADERS on one that was passed over", [get(5, "/good"), get(3, "/bad")].concat(), Unanswered(3)),
    ];
    check_with(&proxy, &origin, rows);
}

#[test]
fn trailers_have_to_end_the_stream_and_to_be_fields() {
    let request = |trailers: Vec<u8>| [post(1, "/bad"), data(1, 0, "body"), trailers].concat();
    let with = |name, value| request(headers(1, END_STREAM, &[("x-good", "y"), (name, value)]));
    check(vec![
        Row("without END_STREAM", request(headers(1, 0, &[("x", "y")])), Malformed(1)),
        Row(
            "without END_STREAM, and DATA after them",
            request([headers(1, 0, &[("x", "y")]), data(1, END_STREAM, "x")].concat()),
            Malformed(1),
        ),
        Row("with a path", with(":path", "/bad/other"), Malformed(1)),
        Row("with a status", with(":status", "200"), Malformed(1)),
        Row("with a name in upper case", with("X-Upper", "y"), Malformed(1)),
        Row("with Connection", with("connection", "close"), Malformed(1)),
        Row("with Transfer-Encoding", with("transfer-encoding", "chunked"), Malformed(1)),
        Row("with a line end", with("x", "y\r\nx: z"), Malformed(1)),
        Row("with a name of nothing", with("", "y"), Malformed(1)),
    ]);
}
