//! The settings of a client (RFC 9113, section 6.5).

use super::connection::Connection as Client;
use super::frame::{
    ENABLE_PUSH, FLOW_CONTROL_ERROR, FRAME_SIZE, HEADER_TABLE_SIZE, INITIAL_WINDOW_SIZE, MAX_CONCURRENT_STREAMS,
    MAX_FRAME_SIZE, MAX_WINDOW, PROTOCOL_ERROR, get, settings,
};
use super::rows::Expect::Connection;
use super::rows::{Row, check};
use crate::support::Proxy;

#[test]
fn values_that_no_setting_may_have_are_errors() {
    let error = Connection(PROTOCOL_ERROR);
    let row = |name, id, value, expect| Row(name, settings(&[(id, value)]), expect);
    check(vec![
        row("ENABLE_PUSH of 2", ENABLE_PUSH, 2, error),
        row("ENABLE_PUSH of 2^32-1", ENABLE_PUSH, u32::MAX, error),
        row("INITIAL_WINDOW_SIZE of 2^31", INITIAL_WINDOW_SIZE, MAX_WINDOW + 1, Connection(FLOW_CONTROL_ERROR)),
        row("INITIAL_WINDOW_SIZE of 2^32-1", INITIAL_WINDOW_SIZE, u32::MAX, Connection(FLOW_CONTROL_ERROR)),
        row("MAX_FRAME_SIZE of 16,383", MAX_FRAME_SIZE, 16_383, error),
        row("MAX_FRAME_SIZE of 0", MAX_FRAME_SIZE, 0, error),
        row("MAX_FRAME_SIZE of 2^24", MAX_FRAME_SIZE, 1 << 24, error),
        Row(
            "a wrong value behind good ones",
            settings(&[(HEADER_TABLE_SIZE, 100), (INITIAL_WINDOW_SIZE, 100), (MAX_FRAME_SIZE, 1)]),
            error,
        ),
    ]);
}

#[test]
fn all_values_that_a_setting_may_have_are_acknowledged() {
    let origin = super::backend();
    let proxy = Proxy::to(&origin);
    let values = [
        (ENABLE_PUSH, 0),
        (ENABLE_PUSH, 1),
        (HEADER_TABLE_SIZE, 0),
        (HEADER_TABLE_SIZE, u32::MAX),
        (MAX_CONCURRENT_STREAMS, 0),
        (MAX_CONCURRENT_STREAMS, u32::MAX),
        (INITIAL_WINDOW_SIZE, MAX_WINDOW),
        (MAX_FRAME_SIZE, 16_384),
        (MAX_FRAME_SIZE, (1 << 24) - 1),
        (6, 0),
        (6, u32::MAX),
        (0, 1),
        (0x7f, 1),
        (0xffff, u32::MAX),
    ];
    for value in values {
        let mut client = Client::open(&proxy);
        client.set(&[value]);
        client.until(|c| c.unacknowledged() == 0);
        if value != (6, 0) {
            assert_eq!(client.get(1, "/x").status, 200, "{value:?}");
        }
        assert!(client.is_alive() && client.goaway.is_none(), "{value:?}");
    }
}

#[test]
fn every_settings_frame_is_acknowledged_once() {
    let origin = super::backend();
    let proxy = Proxy::to(&origin);
    let mut client = Client::open(&proxy);
    for i in 0..20 {
        client.set(&[(0xf0f0, i)]);
    }
    client.until(|c| c.unacknowledged() == 0);
    assert_eq!(client.get(1, "/x").status, 200);
    assert!(client.is_alive());
    // with the first ones of the connection
    assert_eq!(client.acks, 21);
}

#[test]
fn of_values_for_the_same_setting_the_last_one_counts() {
    let origin = super::backend();
    let proxy = Proxy::to(&origin);
    let mut client = Client::open_with(&proxy, &[(INITIAL_WINDOW_SIZE, 9), (INITIAL_WINDOW_SIZE, 3)]);
    client.until(|c| c.unacknowledged() == 0);
    client.send(get(1, "/bytes/5"));
    client.until(|c| c.received(1) == 3);
    assert!(client.is_alive());
    assert_eq!(client.stream(1).body, b"bbb");
    client.set(&[(INITIAL_WINDOW_SIZE, 1), (INITIAL_WINDOW_SIZE, 5)]);
    assert_eq!(client.answer(1).body, b"bbbbb");
}

#[test]
fn frames_to_the_client_are_as_large_as_it_takes_them() {
    let origin = super::backend();
    let proxy = Proxy::to(&origin);
    let mut client = Client::open(&proxy);
    // a frame above 16,384 would be an error in the harness
    assert_eq!(client.get(1, "/bytes/200000").body.len(), 200_000);
    client.set(&[(MAX_FRAME_SIZE, 100_000)]);
    assert_eq!(client.get(3, "/bytes/200000").body.len(), 200_000);
    client.set(&[(MAX_FRAME_SIZE, u32::try_from(FRAME_SIZE).unwrap())]);
    client.until(|c| c.unacknowledged() == 0);
    assert_eq!(client.get(5, "/bytes/200000").body.len(), 200_000);
}

#[test]
fn the_table_for_answers_is_as_large_as_the_client_says() {
    let origin = super::backend();
    let proxy = Proxy::to(&origin);
    let mut client = Client::open(&proxy);
    for (i, size) in [4096, 0, 4096, 64, 100_000, 40, 4096].into_iter().enumerate() {
        client.set(&[(HEADER_TABLE_SIZE, size)]);
        client.until(|c| c.unacknowledged() == 0);
        for more in 0..3 {
            let stream = u32::try_from(1 + i * 6 + more * 2).unwrap();
            // decoded with a table of that size, and with the update that a smaller one demands
            let answer = client.get(stream, "/x");
            assert_eq!((answer.status, answer.field("content-length")), (200, vec!["2"]));
        }
    }
    // twice before the next block: the smallest has to be said
    client.set(&[(HEADER_TABLE_SIZE, 0)]);
    client.set(&[(HEADER_TABLE_SIZE, 4096)]);
    client.until(|c| c.unacknowledged() == 0);
    assert_eq!(client.get(101, "/x").status, 200);
}
