//! PING, and the ways in which a connection is left (RFC 9113, sections 6.7 and 6.8).

use super::connection::Connection;
use super::frame::{ACK, END_STREAM, GOAWAY, NO_ERROR, PING, data, frame, get, ping, post};
use crate::support::{Origin, Proxy, config, wait_until};

/// GOAWAY of a client, with words of its own.
fn goaway(code: u32) -> Vec<u8> {
    frame(GOAWAY, 0, 0, &[&0u32.to_be_bytes()[..], &code.to_be_bytes(), b"words of its own"].concat())
}

#[test]
fn pings_are_answered_with_what_they_carry() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let mut connection = Connection::open(&proxy);
    for payload in [b"12345678", b"\0\0\0\0\0\0\0\0", b"\xff\xff\xff\xff\xff\xff\xff\xff", b"87654321"] {
        connection.send(ping(payload));
    }
    connection.until(|c| c.pongs.len() == 4);
    assert_eq!(connection.pongs[0], b"12345678");
    assert_eq!(connection.pongs[2], [0xff; 8]);
    assert_eq!(connection.pongs[3], b"87654321");
}

#[test]
fn an_answer_to_a_ping_nobody_sent_is_not_answered() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let mut connection = Connection::open(&proxy);
    connection.send(frame(PING, ACK, 0, b"nobody's"));
    assert!(connection.is_alive());
    assert_eq!(connection.pongs.len(), 1, "{:?}", connection.pongs);
    assert_eq!(connection.get(1, "/x").status, 200);
}

#[test]
fn pings_are_answered_while_an_answer_is_waited_for_and_a_body_comes() {
    let (origin, cue) = Origin::answering_on_cue();
    let proxy = Proxy::to(&origin);
    let mut connection = Connection::open(&proxy);
    connection.send([get(1, "/x"), post(3, "/x"), data(3, 0, "half")].concat());
    assert!(connection.is_alive());
    connection.send(data(3, END_STREAM, ""));
    assert!(connection.is_alive());
    cue.give();
    cue.give();
    assert_eq!((connection.answer(1).status, connection.answer(3).status), (200, 200));
}

#[test]
fn a_client_that_goes_away_still_gets_its_answers() {
    for code in [NO_ERROR, 0xffff_ffff] {
        let (origin, cue) = Origin::answering_on_cue();
        let proxy = Proxy::to(&origin);
        let mut connection = Connection::open(&proxy);
        connection.send([get(1, "/x"), goaway(code)].concat());
        wait_until("the request is under way", || origin.requests().len() == 1);
        cue.give();
        // one that goes away in anger may be left at once
        if code == NO_ERROR {
            assert_eq!(connection.answer(1).body, b"ok");
        }
        connection.end();
    }
}

#[test]
fn a_client_that_goes_away_with_nothing_under_way_is_let_go() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let mut connection = Connection::open(&proxy);
    assert_eq!(connection.get(1, "/x").status, 200);
    connection.send(goaway(NO_ERROR));
    assert_eq!(connection.end().unwrap_or(NO_ERROR), NO_ERROR);
}

#[test]
fn a_client_that_ends_its_side_is_let_go() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    for under_way in [get(1, "/x"), post(1, "/bad"), Vec::new()] {
        let mut connection = Connection::open(&proxy);
        connection.send(under_way);
        connection.finish();
        connection.end();
    }
    assert!(!origin.targets().contains(&"/bad".to_owned()));
}

#[test]
fn a_proxy_that_stops_says_so_answers_what_is_under_way_and_closes() {
    let (origin, cue) = Origin::answering_on_cue();
    let mut proxy = Proxy::to(&origin);
    let mut connection = Connection::open(&proxy);
    connection.send(get(1, "/x"));
    wait_until("the request is under way", || origin.requests().len() == 1);
    proxy.signal("TERM");
    connection.until(|c| c.goaway.is_some());
    let (last, code) = connection.goaway.unwrap();
    assert!(last >= 1 && code == NO_ERROR, "{last} {code}");
    cue.give();
    assert_eq!(connection.answer(1).body, b"ok");
    assert_eq!(connection.end(), Some(NO_ERROR));
    assert_eq!(proxy.wait().code(), Some(0));
}

#[test]
fn a_connection_has_as_many_requests_as_it_may_and_those_that_were_on_their_way() {
    let origin = Origin::ok();
    let proxy = Proxy::start(&config("[listener.limits]\nmax_requests_per_connection = 2", "", &[&origin]));
    let mut connection = Connection::open(&proxy);
    assert_eq!(connection.get(1, "/x").status, 200);
    assert!(connection.is_alive() && connection.goaway.is_none());
    // the third is sent before the client can know
    connection.send([get(3, "/x"), get(5, "/x")].concat());
    assert_eq!((connection.answer(3).status, connection.answer(5).status), (200, 200));
    assert_eq!(connection.end(), Some(NO_ERROR));
    assert_eq!(origin.targets().len(), 3);
}

#[test]
fn what_is_opened_after_the_last_word_is_not_served_and_disturbs_nobody() {
    let (origin, cue) = Origin::answering_on_cue();
    let proxy = Proxy::to(&origin);
    let mut connection = Connection::open(&proxy);
    connection.send([get(1, "/x"), goaway(NO_ERROR)].concat());
    connection.until(|c| c.goaway.is_some());
    assert_eq!(connection.goaway, Some((1, NO_ERROR)));
    connection.send([post(3, "/bad"), data(3, END_STREAM, "all of it")].concat());
    assert!(connection.is_alive());
    cue.give();
    assert_eq!(connection.answer(1).body, b"ok");
    assert_eq!(connection.end(), Some(NO_ERROR));
    assert_eq!(origin.targets(), ["/x"]);
}

#[test]
fn an_idle_connection_gives_its_place_to_one_that_waits_and_is_told_what_was_served() {
    let origin = Origin::ok();
    let proxy = Proxy::start(&config("max_connections = 1", "", &[&origin]));
    let mut connection = Connection::open(&proxy);
    assert_eq!(connection.get(1, "/x").status, 200);
    assert_eq!(proxy.client().get("/y").status, 200);
    assert_eq!(connection.end(), Some(NO_ERROR));
    assert_eq!(connection.goaway, Some((1, NO_ERROR)));
}

#[test]
fn a_connection_with_an_open_stream_keeps_its_place_until_that_is_answered() {
    let (origin, cue) = Origin::answering_on_cue();
    let proxy = Proxy::start(&config("max_connections = 1", "", &[&origin]));
    let mut connection = Connection::open(&proxy);
    connection.send(get(1, "/x"));
    wait_until("the request is under way", || origin.requests().len() == 1);
    let mut second = proxy.client();
    second.send("GET /y HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_until("the second waits", || proxy.stderr().contains("max_connections is reached"));
    cue.give();
    assert_eq!(connection.answer(1).status, 200);
    assert_eq!(connection.end(), Some(NO_ERROR));
    cue.give();
    assert_eq!(second.response().status, 200);
}
