//! Bodies of requests within the proxy's windows, which it has to give back (RFC 9113, sections 5.2 and 6.9).

use std::thread;

use super::connection::{Connection, Outcome};
use super::frame::{
    CANCEL, END_STREAM, FLOW_CONTROL_ERROR, INTERNAL_ERROR, PROTOCOL_ERROR, data, fields, headers, post, reset,
};
use super::rows::assert_still_serves;
use crate::support::{Cue, OK, Origin, Proxy, config};

/// Four of them fit into the smallest window that a server may start with.
const PIECE: [u8; 16_000] = [b'u'; 16_000];

/// A backend that says how long the body was.
fn measure() -> Origin {
    Origin::script(|conn| {
        while let Ok(request) = conn.request() {
            let length = request.body.len().to_string();
            conn.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{length}", length.len()));
        }
    })
}

/// A backend that reads no body of `/stuck`, and leaves it on cue.
fn stuck() -> (Origin, Cue) {
    let cue = Cue::default();
    let awaited = cue.clone();
    let origin = Origin::script(move |conn| {
        while let Ok(mut request) = conn.request_head() {
            if request.target() == "/stuck" {
                awaited.wait();
                return;
            }
            let whole = conn.finish_request(&mut request).is_ok();
            if !whole || !conn.send(OK) {
                return;
            }
        }
    });
    (origin, cue)
}

#[test]
fn a_large_body_passes_because_the_windows_are_given_back() {
    let origin = measure();
    let proxy = Proxy::to(&origin);
    let mut connection = Connection::open(&proxy);
    for stream in [1, 3] {
        connection.send(post(stream, "/x"));
        assert!(connection.upload(stream, &vec![b'u'; 4 << 20]));
        assert_eq!(connection.answer(stream).body, b"4194304");
    }
}

#[test]
fn bodies_of_many_streams_may_come_interleaved() {
    let origin = measure();
    let proxy = Proxy::to(&origin);
    let mut connection = Connection::open(&proxy);
    let streams = || (0..20).map(|i| (1 + 2 * i, 1 + 10 * i as usize));
    for (stream, _) in streams() {
        connection.send(post(stream, "/x"));
    }
    for round in 0..40 {
        for (stream, length) in streams() {
            let end = if round == 39 { END_STREAM } else { 0 };
            while connection.room_to_send(stream) < 200 {
                assert!(connection.next().is_some(), "the connection ended: {:?}", connection.goaway);
            }
            connection.send(data(stream, end, vec![b'u'; length]));
        }
    }
    for (stream, length) in streams() {
        assert_eq!(connection.answer(stream).body, (40 * length).to_string().as_bytes());
    }
}

#[test]
fn padding_counts_and_is_given_back() {
    let origin = measure();
    let proxy = Proxy::to(&origin);
    let mut connection = Connection::open(&proxy);
    connection.send(post(1, "/x"));
    // 2 MiB of padding, more than a window here; and twice as much data, so that it does not look like an attack
    let padded = [&[255][..], &[b'u'; 512], &[0; 255]].concat();
    for _ in 0..8192 {
        while connection.room_to_send(1) < 768 {
            assert!(connection.next().is_some(), "the connection ended: {:?}", connection.goaway);
        }
        connection.send(data(1, super::frame::PADDED, &padded));
    }
    connection.send(data(1, END_STREAM, ""));
    assert_eq!(connection.answer(1).body, b"4194304");
}

#[test]
fn a_body_that_nobody_reads_does_not_keep_the_connection_s_window() {
    let origin = Origin::ok();
    let listener = "[listener.limits]\nmax_body = \"1KiB\"\n[[listener.route]]\npath = \"/none\"\n\
                    respond = { status = 404, body = \"\", content_type = \"text/plain\" }\n";
    let proxy = Proxy::start(&config(listener, "", &[&origin]));
    let mut connection = Connection::open(&proxy);
    let mut too_large = fields("POST", "/bad/large");
    too_large.push(("content-length", "64000"));
    for i in 0..200 {
        let stream = 1 + 2 * i;
        let (head, status) =
            if i % 2 == 0 { (headers(stream, 0, &too_large), 413) } else { (post(stream, "/none"), 404) };
        while connection.window() < 64_000 {
            assert!(connection.next().is_some(), "the connection ended: {:?}", connection.goaway);
        }
        connection.send(head);
        // all of it at once: the proxy may have answered before it has read any of it
        for part in 0..4 {
            let end = if part == 3 { END_STREAM } else { 0 };
            connection.send(data(stream, end, PIECE));
        }
        let outcome = connection.outcome(stream);
        assert!(!matches!(outcome, Outcome::ConnectionEnded(_)), "stream {stream}: {outcome:?}");
        assert_eq!(connection.stream(stream).status, status, "stream {stream}");
    }
    assert_eq!(connection.get(1001, "/x").status, 200);
    assert_eq!(origin.targets(), ["/x"]);
}

#[test]
fn a_body_whose_stream_is_reset_does_not_keep_the_connection_s_window() {
    let origin = super::backend();
    let proxy = Proxy::to(&origin);
    let mut connection = Connection::open(&proxy);
    for stream in (1..401).step_by(2) {
        connection.send(post(stream, "/hold"));
        while connection.room_to_send(stream) < 64_000 {
            assert!(connection.next().is_some(), "the connection ended: {:?}", connection.goaway);
        }
        for _ in 0..4 {
            connection.send(data(stream, 0, PIECE));
        }
        connection.send(reset(stream, CANCEL));
    }
    assert_eq!(connection.get(1001, "/x").status, 200);
}

#[test]
fn a_body_that_its_backend_does_not_read_does_not_hold_up_the_others() {
    let (origin, cue) = stuck();
    let proxy = Proxy::to(&origin);
    let mut connection = Connection::open(&proxy);
    connection.send(post(1, "/stuck"));
    // as much as the stream's window takes at once
    let most = usize::try_from(connection.room_to_send(1)).unwrap().min(1 << 20);
    for _ in 0..most / PIECE.len() {
        connection.send(data(1, 0, PIECE));
    }
    for stream in [3, 5] {
        connection.send(post(stream, "/x"));
        assert!(connection.upload(stream, &vec![b'u'; 1 << 20]));
        assert_eq!(connection.answer(stream).status, 200);
    }
    cue.give();
}

/// More than all buffers between a client and a backend hold.
const MOST: usize = 64 << 20;

#[test]
fn a_client_that_sends_more_than_it_may_is_stopped() {
    let (origin, cue) = stuck();
    let proxy = Proxy::to(&origin);
    let mut connection = Connection::open(&proxy);
    connection.send(post(1, "/stuck"));
    let mut writer = connection.writer();
    connection.sent(1, MOST);
    // the backend reads nothing, so what the sockets between can hold ends at some time
    let sender = thread::spawn(move || {
        let piece = data(1, 0, PIECE).repeat(4);
        let mut sent = 0;
        while sent < MOST && writer.try_send(&piece).is_ok() {
            sent += piece.len();
        }
    });
    match connection.outcome(1) {
        Outcome::Reset(FLOW_CONTROL_ERROR | PROTOCOL_ERROR | INTERNAL_ERROR) => {}
        Outcome::ConnectionEnded(None | Some(FLOW_CONTROL_ERROR | PROTOCOL_ERROR | INTERNAL_ERROR)) => {}
        other => panic!("{other:?}"),
    }
    while !sender.is_finished() && connection.next().is_some() {}
    drop(connection);
    sender.join().unwrap();
    cue.give();
    assert_still_serves(&proxy);
    assert!(!origin.targets().contains(&"/stuck".to_owned()));
}
