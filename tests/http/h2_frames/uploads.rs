//! A request that is answered before it has come as a whole (RFC 9113, section 8.1).

use super::connection::{Connection, Outcome};
use super::frame::{CANCEL, END_STREAM, NO_ERROR, STREAM_CLOSED, data, headers, post, reset};
use crate::support::{Origin, Proxy, config};

/// A proxy that answers `/own` itself.
fn proxy() -> (Proxy, Origin) {
    let origin = super::backend();
    let proxy = Proxy::start(&config(
        "[[listener.route]]\npath = \"/own\"\nrespond = { status = 403, body = \"no\" }\n",
        "",
        &[&origin],
    ));
    (proxy, origin)
}

/// A connection on which a request was answered of which more is to come.
fn answered(proxy: &Proxy) -> Connection {
    let mut client = Connection::open(proxy);
    client.send(post(1, "/own"));
    let answer = client.answer(1);
    assert_eq!((answer.status, &answer.body[..]), (403, &b"no"[..]));
    assert!(client.is_alive());
    assert_eq!(client.stream(1).reset, None, "some clients take a reset for a failure of what they still send");
    client
}

#[test]
fn the_rest_is_let_in_and_the_client_not_disturbed() {
    let (proxy, _origin) = proxy();
    for rest in [
        data(1, END_STREAM, "x"),
        [data(1, 0, vec![b'x'; 16_384]), data(1, END_STREAM, "")].concat(),
        [data(1, 0, "x"), headers(1, END_STREAM, &[("x", "y")])].concat(),
        reset(1, CANCEL),
    ] {
        let mut client = answered(&proxy);
        client.send(rest);
        assert!(client.is_alive());
        assert_eq!((client.stream(1).reset, client.goaway), (None, None));
        // it has ended: whatever comes now is an error
        client.send(data(1, END_STREAM, "x"));
        let alive = client.is_alive();
        assert!(!alive || client.stream(1).reset == Some(STREAM_CLOSED));
        let mut client = answered(&proxy);
        client.send(post(3, "/own"));
        assert_eq!(client.answer(3).status, 403);
    }
}

#[test]
fn what_takes_too_long_to_come_is_stopped() {
    let (proxy, _origin) = proxy();
    let mut client = answered(&proxy);
    client.send(data(1, 0, "x"));
    client.until(|client| client.reset(1).is_some());
    assert_eq!(client.outcome(1), Outcome::Reset(NO_ERROR));
    // that was on its way
    client.send(data(1, END_STREAM, "x"));
    client.send(post(3, "/own"));
    assert_eq!(client.answer(3).status, 403);
}

#[test]
fn what_is_long_is_stopped_when_its_window_is_used_up_and_the_connection_has_all_of_its_own_back() {
    let (proxy, _origin) = proxy();
    let mut client = answered(&proxy);
    for stream in [1, 3, 5, 7, 9, 11] {
        if stream > 1 {
            client.send(post(stream, "/own"));
            assert_eq!(client.answer(stream).status, 403);
        }
        while client.reset(stream).is_none() {
            let room = client.room_to_send(stream).clamp(0, 16_384);
            if room > 0 {
                client.send(data(stream, 0, vec![b'x'; room as usize]));
            } else {
                client.next().expect("the connection goes on");
            }
        }
        assert_eq!(client.outcome(stream), Outcome::Reset(NO_ERROR));
    }
    assert!(client.is_alive() && client.goaway.is_none());
}
