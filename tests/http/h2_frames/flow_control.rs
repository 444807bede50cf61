//! Answers within the client's windows (RFC 9113, sections 5.2, 6.9 and 6.9.2).
//!
//! The harness counts: one byte more than there is room for is a failure.

use super::connection::Connection as Client;
use super::frame::{
    CANCEL, FLOW_CONTROL_ERROR, INITIAL_WINDOW_SIZE, MAX_WINDOW, PROTOCOL_ERROR, get, reset, settings, window_update,
};
use super::rows::Expect::{Connection, Nothing, Stream};
use super::rows::{Row, check};
use crate::support::Proxy;

fn with_window(proxy: &Proxy, size: u32) -> Client {
    Client::open_with(proxy, &[(INITIAL_WINDOW_SIZE, size)])
}

/// Waits for so much of the answer on stream 1, and makes sure that there is no more of it.
fn expect(client: &mut Client, bytes: usize) {
    client.until(|c| c.received(1) >= bytes);
    assert!(client.is_alive());
    assert_eq!(client.received(1), bytes);
    assert!(!client.stream(1).ended);
}

#[test]
fn an_answer_comes_byte_by_byte_where_there_is_no_more_room() {
    let origin = super::backend();
    let proxy = Proxy::to(&origin);
    let mut client = with_window(&proxy, 1);
    client.send(get(1, "/bytes/10"));
    expect(&mut client, 1);
    client.give(1, 1);
    expect(&mut client, 2);
    client.give(1, 3);
    client.give(1, 1);
    expect(&mut client, 6);
    client.give(1, 100);
    assert_eq!(client.answer(1).body.len(), 10);
}

#[test]
fn without_any_room_there_is_still_a_head_and_an_end() {
    let origin = super::backend();
    let proxy = Proxy::to(&origin);
    let mut client = with_window(&proxy, 0);
    client.send(get(1, "/bytes/10"));
    client.until(|c| c.status(1) == 200);
    assert_eq!(client.get(3, "/bytes/0").body, b"");
    expect(&mut client, 0);
    client.give(1, 10);
    assert_eq!(client.answer(1).body.len(), 10);
}

#[test]
fn a_window_that_grows_by_a_setting_lets_the_answer_go_on() {
    let origin = super::backend();
    let proxy = Proxy::to(&origin);
    let mut client = with_window(&proxy, 0);
    client.send(get(1, "/bytes/100"));
    client.until(|c| c.status(1) == 200);
    for size in [1, 40, 99] {
        client.set(&[(INITIAL_WINDOW_SIZE, size)]);
        expect(&mut client, size as usize);
    }
    client.set(&[(INITIAL_WINDOW_SIZE, 100)]);
    assert_eq!(client.answer(1).body.len(), 100);
}

#[test]
fn a_window_may_become_negative() {
    let origin = super::backend();
    let proxy = Proxy::to(&origin);
    let mut client = with_window(&proxy, 100);
    client.send(get(1, "/bytes/300"));
    expect(&mut client, 100);
    client.set(&[(INITIAL_WINDOW_SIZE, 20)]);
    client.until(|c| c.unacknowledged() == 0);
    client.give(1, 79);
    expect(&mut client, 100);
    client.give(1, 1);
    expect(&mut client, 100);
    client.give(1, 1);
    expect(&mut client, 101);
    client.set(&[(INITIAL_WINDOW_SIZE, 0)]);
    client.until(|c| c.unacknowledged() == 0);
    client.set(&[(INITIAL_WINDOW_SIZE, 21)]);
    expect(&mut client, 102);
    client.give(1, 198);
    assert_eq!(client.answer(1).body.len(), 300);
}

#[test]
fn the_connection_s_window_is_shared_by_its_streams() {
    let origin = super::backend();
    let proxy = Proxy::to(&origin);
    let mut client = with_window(&proxy, 1 << 20);
    client.send([get(1, "/bytes/60000"), get(3, "/bytes/60000")].concat());
    client.until(|c| c.received(1) + c.received(3) == 65_535);
    assert!(client.is_alive());
    // a stream that needs no room is not held up
    assert_eq!(client.get(5, "/bytes/0").status, 200);
    client.give(0, 465);
    client.until(|c| c.received(1) + c.received(3) == 66_000);
    client.give(0, 1 << 20);
    assert_eq!((client.answer(1).body.len(), client.answer(3).body.len()), (60_000, 60_000));
}

#[test]
fn a_client_that_does_not_read_one_answer_gets_the_others() {
    let origin = super::backend();
    let proxy = Proxy::to(&origin);
    let mut client = with_window(&proxy, 1000);
    client.give(0, 1 << 24);
    client.send(get(1, "/bytes/5000000"));
    expect(&mut client, 1000);
    for stream in (3..41).step_by(2) {
        client.send(get(stream, "/bytes/50000"));
        client.give(stream, 50_000);
    }
    for stream in (3..41).step_by(2) {
        assert_eq!(client.answer(stream).body.len(), 50_000);
    }
    assert_eq!(client.received(1), 1000);
    client.give(1, 5_000_000);
    assert_eq!(client.answer(1).body.len(), 5_000_000);
}

#[test]
fn an_answer_that_is_reset_leaves_the_connection_s_window_to_the_others() {
    let origin = super::backend();
    let proxy = Proxy::to(&origin);
    let mut client = with_window(&proxy, 1 << 20);
    for stream in [1, 5, 9] {
        client.send(get(stream, "/bytes/1000000"));
        client.until(|c| c.received(stream) == 65_535);
        client.send(reset(stream, CANCEL));
        client.give(0, 65_535);
        assert_eq!(client.get(stream + 2, "/bytes/65535").body.len(), 65_535);
        client.give(0, 65_535);
    }
    assert_eq!(client.goaway, None);
}

#[test]
fn windows_grow_by_something_and_not_beyond_their_limit() {
    let held = |more: Vec<u8>| [get(1, "/hold"), more].concat();
    let twice = |stream| [window_update(stream, MAX_WINDOW), window_update(stream, MAX_WINDOW)].concat();
    let initial = |size| settings(&[(INITIAL_WINDOW_SIZE, size)]);
    check(vec![
        Row("by 0 on a stream", held(window_update(1, 0)), Stream(1, PROTOCOL_ERROR)),
        Row("by 0 on the connection", window_update(0, 0), Connection(PROTOCOL_ERROR)),
        Row("too far on a stream", held(twice(1)), Stream(1, FLOW_CONTROL_ERROR)),
        Row("too far on the connection", twice(0), Connection(FLOW_CONTROL_ERROR)),
        Row(
            "to the limit on a stream",
            held([initial(0), window_update(1, MAX_WINDOW - 1), window_update(1, 1)].concat()),
            Nothing,
        ),
        Row(
            "too far by a setting",
            held([initial(0), window_update(1, MAX_WINDOW), initial(1)].concat()),
            Connection(FLOW_CONTROL_ERROR),
        ),
        Row(
            "too far after a setting",
            held([initial(MAX_WINDOW), window_update(1, 1)].concat()),
            Stream(1, FLOW_CONTROL_ERROR),
        ),
    ]);
}
