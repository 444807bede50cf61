//! Clients that stop: time-outs end what they hold.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::connection::{Connection, Outcome};
use super::frame::{
    END_STREAM, HEADERS, INITIAL_WINDOW_SIZE, MAX_WINDOW, NO_ERROR, PREFACE, fields, frame, get, settings,
    window_update,
};
use super::hpack;
use super::rows::assert_still_serves;
use crate::support::{Origin, PATIENCE, Proxy, config, wait_until};

/// With time-outs that are short, and longer than a machine under load takes to begin a connection.
fn impatient(origin: &Origin) -> Proxy {
    Proxy::start(&config("idle_timeout = \"1s\"\n[listener.limits]\nheader_timeout = \"1s\"", "", &[origin]))
}

#[test]
fn streams_that_get_no_window_are_ended() {
    let origin = super::backend();
    let proxy = impatient(&origin);
    let mut connection = Connection::open_with(&proxy, &[(INITIAL_WINDOW_SIZE, 0)]);
    for stream in (1..41).step_by(2) {
        connection.send(get(stream, "/bytes/2000000"));
    }
    for stream in (1..41).step_by(2) {
        let outcome = connection.outcome(stream);
        assert!(!matches!(outcome, Outcome::Answered(_)), "stream {stream}: {outcome:?}");
    }
    wait_until("the backend is let go", || origin.open() == 0);
    assert_still_serves(&proxy);
}

#[test]
fn a_stream_that_gets_no_window_of_the_connection_is_ended() {
    let origin = super::backend();
    let proxy = impatient(&origin);
    let mut connection = Connection::open_with(&proxy, &[(INITIAL_WINDOW_SIZE, MAX_WINDOW)]);
    connection.send(get(1, "/bytes/2000000"));
    let outcome = connection.outcome(1);
    assert!(!matches!(outcome, Outcome::Answered(_)), "{outcome:?}");
    assert_eq!(connection.received(1), 65_535);
    wait_until("the backend is let go", || origin.open() == 0);
    assert_still_serves(&proxy);
}

#[test]
fn pings_do_not_keep_a_stream_alive_that_gets_no_window() {
    let origin = super::backend();
    let proxy = impatient(&origin);
    let mut connection = Connection::open_with(&proxy, &[(INITIAL_WINDOW_SIZE, 0)]);
    connection.send(get(1, "/bytes/2000000"));
    let began = Instant::now();
    while connection.stream(1).reset.is_none() && connection.is_alive() {
        assert!(began.elapsed() < PATIENCE, "it is still there");
    }
    wait_until("the backend is let go", || origin.open() == 0);
    assert_still_serves(&proxy);
}

#[test]
fn a_client_that_stops_reading_is_ended() {
    let origin = super::backend();
    let proxy = impatient(&origin);
    let mut tcp = TcpStream::connect(proxy.address()).unwrap();
    let start = [PREFACE, &settings(&[(INITIAL_WINDOW_SIZE, MAX_WINDOW)]), &window_update(0, MAX_WINDOW - 65_535)];
    tcp.write_all(&[&start.concat()[..], &get(1, "/bytes/50000000"), &get(3, "/bytes/50000000")].concat()).unwrap();
    wait_until("both are under way", || origin.requests().len() == 2);
    wait_until("the backends are let go", || origin.open() == 0);
    assert_still_serves(&proxy);
    drop(tcp);
}

#[test]
fn a_client_that_says_nothing_more_is_ended() {
    let origin = super::backend();
    let proxy = impatient(&origin);
    let block = hpack::block(&fields("GET", "/bad"));
    let whole = get(1, "/bad");
    let rows = [
        ("with nothing under way", Vec::new()),
        ("between the frames of a block", frame(HEADERS, END_STREAM, 1, &block)),
        ("within a frame", whole[..20].to_vec()),
        ("within a frame's head", whole[..5].to_vec()),
    ];
    for (name, bytes) in rows {
        let mut client = proxy.client();
        client.send([PREFACE, &settings(&[]), &bytes].concat());
        // its answers to what we sent are not read: a stalled client answers nothing
        assert!(client.ends(), "{name}: the connection is still there");
    }
    assert_still_serves(&proxy);
    assert_eq!(origin.targets(), ["/after"]);
}

#[test]
fn a_connection_without_streams_is_left_after_a_while() {
    let origin = super::backend();
    let proxy = impatient(&origin);
    let mut unused = Connection::open(&proxy);
    assert_eq!(unused.end().unwrap_or(NO_ERROR), NO_ERROR);
    let mut used = Connection::open(&proxy);
    assert_eq!(used.get(1, "/x").status, 200);
    assert_eq!(used.end().unwrap_or(NO_ERROR), NO_ERROR);
}

#[test]
fn a_client_that_waits_for_its_backend_is_not_idle() {
    // longer than each of the time-outs
    let origin = Origin::ok_after(Duration::from_millis(2500));
    let proxy = impatient(&origin);
    let mut connection = Connection::open(&proxy);
    assert_eq!(connection.get(1, "/x").status, 200);
}
