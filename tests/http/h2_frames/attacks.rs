//! Floods: what costs a client little and could cost a server much.
//!
//! Each has to end its connection, or to cost no more than a bound. The bounds are generous; what breaks them grows without end.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::Duration;

use super::connection::{Connection, Outcome};
use super::frame::{
    ACK, CANCEL, CONTINUATION, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, FRAME_SIZE, HEADERS, INITIAL_WINDOW_SIZE,
    MAX_WINDOW, PING, PREFACE, PRIORITY, data, fields, frame, get, headers, post, reset, settings, window_update,
};
use super::hpack::{self, NEWEST, indexed, insert, literal};
use super::rows::assert_still_serves;
use crate::support::{Origin, Proxy, tcp_with_room_for};

const MIB: usize = 1024 * 1024;

/// Runs an attack: the proxy may not grow by more than this, not even for a while, and serves the next client.
fn attack(proxy: &Proxy, bound: usize, attack: impl FnOnce()) {
    assert_still_serves(proxy);
    let before = proxy.peak_rss();
    attack();
    // the kernel adds up what each CPU has counted only now and then: its figure may go back a little
    let grown = proxy.peak_rss().saturating_sub(before);
    assert!(grown < bound as u64, "it took {} KiB", grown / 1024);
    assert_still_serves(proxy);
}

/// Sends this so many times, unless the connection ends before; then waits for its end.
fn send_to_the_end(connection: &mut Connection, piece: &[u8], times: usize) {
    for _ in 0..times {
        if !connection.send(piece) {
            break;
        }
    }
    connection.end();
}

/// A client that has room for next to nothing and reads none of it: sends this until nobody takes it any more.
fn send_unread(proxy: &Proxy, start: &[u8], piece: &[u8], most: usize) -> TcpStream {
    let mut tcp = tcp_with_room_for(4096, proxy.address());
    tcp.write_all(&[PREFACE, start].concat()).unwrap();
    // who has taken nothing for so long waits for us to read; if it is only slow, the attack is shorter
    tcp.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    let piece = piece.repeat(16 * 1024 / piece.len());
    for _ in 0..most / piece.len() {
        if tcp.write_all(&piece).is_err() {
            break;
        }
    }
    tcp
}

#[test]
fn a_block_without_an_end_ends_the_connection() {
    let origin = super::backend();
    let proxy = Proxy::to(&origin);
    let bad = hpack::block(&fields("GET", "/bad"));
    let value = "v".repeat(4000);
    let fields: Vec<u8> = (0..4).flat_map(|_| literal("x-long", &value)).collect();
    let small: Vec<u8> = (0..1600).flat_map(|_| literal("x", "y")).collect();
    let rows = [
        (frame(CONTINUATION, 0, 1, &fields), 64 * MIB),
        (frame(CONTINUATION, 0, 1, &small), 64 * MIB),
        (frame(CONTINUATION, 0, 1, &literal("x", "y")).repeat(1000), 16 * MIB),
        (frame(CONTINUATION, 0, 1, &[]).repeat(1000), 16 * MIB),
        // a field that never ends, in crumbs
        (frame(CONTINUATION, 0, 1, b"v").repeat(1000), 16 * MIB),
    ];
    for (i, (piece, most)) in rows.into_iter().enumerate() {
        attack(&proxy, 16 * MIB, || {
            let mut connection = Connection::open(&proxy);
            let start: &[u8] = if i == 4 { &[0, 1, b'x', 0x7f, 0xff, 0xff, 0xff, 0x7f] } else { &[] };
            connection.send(frame(HEADERS, END_STREAM, 1, &[&bad, start].concat()));
            send_to_the_end(&mut connection, &piece, most / piece.len());
        });
    }
    assert!(!origin.targets().contains(&"/bad".to_owned()));
}

#[test]
fn trailers_without_an_end_end_the_connection() {
    let origin = super::backend();
    let proxy = Proxy::to(&origin);
    let piece = frame(CONTINUATION, 0, 1, &literal("x-long", &"v".repeat(4000)).repeat(4));
    attack(&proxy, 16 * MIB, || {
        let mut connection = Connection::open(&proxy);
        connection.send([post(1, "/bad"), frame(HEADERS, END_STREAM, 1, &[])].concat());
        send_to_the_end(&mut connection, &piece, 64 * MIB / piece.len());
    });
    assert!(!origin.targets().contains(&"/bad".to_owned()));
}

#[test]
fn a_field_that_is_named_again_and_again_takes_no_memory() {
    // one byte of the block stands for four thousand of a field (the HPACK bomb)
    let origin = super::backend();
    let proxy = Proxy::to(&origin);
    let bomb = hpack::block(&[("x", "y")]);
    let again = indexed(NEWEST).repeat(FRAME_SIZE - 5000);
    let block = [hpack::block(&fields("GET", "/bad")), bomb, insert("x-bomb", &"v".repeat(4000)), again].concat();
    attack(&proxy, 16 * MIB, || {
        for _ in 0..4 {
            let mut connection = Connection::open(&proxy);
            for stream in [1, 3, 5] {
                connection.send(frame(HEADERS, END_HEADERS | END_STREAM, stream, &block));
            }
            for stream in [1, 3, 5] {
                match connection.outcome(stream) {
                    Outcome::Answered(status) => assert_eq!(status, 431),
                    Outcome::Reset(_) | Outcome::ConnectionEnded(_) => {}
                }
            }
        }
    });
    assert!(!origin.targets().contains(&"/bad".to_owned()));
}

#[test]
fn frames_that_carry_nothing_take_no_memory() {
    let origin = super::backend();
    let proxy = Proxy::to(&origin);
    let rows = [
        (data(1, 0, ""), 300_000),
        (data(1, super::frame::PADDED, [0]), 300_000),
        (frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 9]), 30_000),
        (frame(PRIORITY, 0, 9, &[0, 0, 0, 0, 9]), 30_000),
        (frame(0x16, 0, 1, b""), 30_000),
        (frame(PING, ACK, 0, &[0; 8]), 30_000),
        (window_update(1, 1), 30_000),
    ];
    for (piece, times) in rows {
        let thousand = piece.repeat(1000);
        attack(&proxy, 8 * MIB, || {
            let mut connection = Connection::open(&proxy);
            connection.send(post(1, "/hold"));
            let _ = (0..times / 1000).all(|_| connection.send(&thousand));
            // when this is back, it has taken them all, or ended the connection
            connection.is_alive();
        });
    }
}

#[test]
fn answers_that_the_client_does_not_read_take_no_memory() {
    let origin = super::backend();
    let proxy = Proxy::to(&origin);
    let rows = [
        (Vec::new(), frame(PING, 0, 0, b"12345678")),
        (Vec::new(), settings(&[(INITIAL_WINDOW_SIZE, 1)])),
        ([get(1, "/hold"), reset(1, CANCEL)].concat(), data(1, 0, "")),
    ];
    for (start, piece) in rows {
        attack(&proxy, 16 * MIB, || {
            drop(send_unread(&proxy, &[settings(&[]), start].concat(), &piece, 64 * MIB));
        });
    }
}

#[test]
fn requests_whose_answers_are_not_read_take_no_memory() {
    let origin = super::backend();
    let proxy = Proxy::to(&origin);
    attack(&proxy, 64 * MIB, || {
        let mut requests = settings(&[(INITIAL_WINDOW_SIZE, MAX_WINDOW)]);
        requests.extend(window_update(0, MAX_WINDOW - 65_535));
        for stream in (1..81).step_by(2) {
            requests.extend(get(stream, "/bytes/4000000"));
        }
        // forty of four megabytes each
        drop(send_unread(&proxy, &requests, &frame(PING, 0, 0, b"12345678"), 64 * MIB));
    });
}

#[test]
fn a_flood_of_frames_about_the_connection_ends_it() {
    let origin = super::backend();
    let proxy = Proxy::to(&origin);
    let rows = [
        ("PING", frame(PING, 0, 0, b"12345678")),
        ("acknowledged PING", frame(PING, ACK, 0, b"12345678")),
        ("PRIORITY", frame(PRIORITY, 0, 3, &[0, 0, 0, 0, 9])),
        ("unknown", frame(0x16, 0, 0, b"")),
        ("WINDOW_UPDATE", window_update(0, 1)),
    ];
    for (name, piece) in rows {
        let mut connection = Connection::open(&proxy);
        let thousand = piece.repeat(1000);
        let sent = (0..40).take_while(|_| connection.send(&thousand)).count();
        // GOAWAY may be lost where the client sends on: a kernel that gets bytes for a closed socket discards what it holds
        let end = connection.end();
        assert!(matches!(end, Some(ENHANCE_YOUR_CALM) | None), "{name}: {end:?} after {sent},000");
    }
    // whoever stops sending gets to read it
    let mut connection = Connection::open(&proxy);
    connection.send(frame(PRIORITY, 0, 3, &[0, 0, 0, 0, 9]).repeat(1500));
    assert_eq!(connection.end(), Some(ENHANCE_YOUR_CALM));
    assert_still_serves(&proxy);
}

#[test]
fn frames_about_the_connection_may_be_many_where_there_are_streams_for_them() {
    let origin = super::backend();
    let proxy = Proxy::to(&origin);
    let mut connection = Connection::open(&proxy);
    for stream in (1..2001).step_by(2) {
        // what Firefox and nghttp2 say of a stream, and a PING for its answer, as gRPC has them
        let priority = frame(PRIORITY, 0, stream, &[0, 0, 0, 0, 9]).repeat(3);
        connection.send([get(stream, "/x"), priority, frame(PING, 0, 0, b"12345678")].concat());
        assert_eq!(connection.answer(stream).status, 200, "{stream}");
    }
    assert!(connection.is_alive());
}

#[test]
fn a_cookie_that_is_named_again_and_again_is_too_much_and_takes_no_memory() {
    // its crumbs are one field (RFC 9113, section 8.2.3), and still as many bytes as they stand for
    let origin = super::backend();
    let proxy = Proxy::to(&origin);
    let cookie = insert("cookie", &format!("c={}", "v".repeat(3900)));
    let named = indexed(NEWEST).repeat(FRAME_SIZE - 5000);
    let block = [hpack::block(&fields("GET", "/bad")), cookie, named].concat();
    let more = indexed(NEWEST).repeat(FRAME_SIZE);
    attack(&proxy, 16 * MIB, || {
        let mut connection = Connection::open(&proxy);
        let mut frames = frame(HEADERS, END_STREAM, 1, &block);
        for left in (0..3).rev() {
            let flags = if left == 0 { END_HEADERS } else { 0 };
            frames.extend(frame(CONTINUATION, flags, 1, &more));
        }
        connection.send(frames);
        // 60,000 times 4 KB, were they kept
        assert_eq!(connection.outcome(1), Outcome::Answered(431));
        // what both sides remember is as it was
        connection.send(frame(
            HEADERS,
            END_HEADERS | END_STREAM,
            3,
            &[hpack::block(&fields("GET", "/after")), indexed(NEWEST)].concat(),
        ));
        assert_eq!(connection.outcome(3), Outcome::Answered(200));
    });
    assert!(!origin.targets().contains(&"/bad".to_owned()));
}

/// What makes the proxy reset this stream.
type Provocation = fn(u32) -> Vec<u8>;

#[test]
fn a_flood_of_resets_ends_the_connection() {
    // CVE-2023-44487: a stream that is reset at once costs its client next to nothing
    let origin = Origin::silent();
    let proxy = Proxy::to(&origin);
    let mut connection = Connection::open(&proxy);
    for stream in (1..100_001).step_by(2) {
        if !connection.send([get(stream, "/x"), reset(stream, CANCEL)].concat()) {
            break;
        }
    }
    connection.end();
    assert!(origin.connections() < 25_000, "{} streams reached the backend", origin.connections());
    assert!(proxy.admin("/healthz").is_ok());
}

#[test]
fn a_client_that_provokes_resets_does_not_get_more_work_done_than_others() {
    // CVE-2025-8671: the server resets the stream, and does not count it any more, but its backend works on
    let unwanted: [(&str, Provocation); 6] = [
        ("a window update of 0", |stream| window_update(stream, 0)),
        ("a window beyond its limit", |stream| window_update(stream, MAX_WINDOW)),
        ("DATA after the end", |stream| data(stream, 0, "x")),
        ("HEADERS after the end", |stream| headers(stream, END_STREAM, &[("x", "y")])),
        ("PRIORITY of a wrong size", |stream| frame(PRIORITY, 0, stream, &[0; 4])),
        ("HEADERS without an end", |stream| headers(stream, 0, &[("x", "y")])),
    ];
    for (name, provoke) in unwanted {
        let origin = Origin::silent();
        let proxy = Proxy::to(&origin);
        let mut connection = Connection::open(&proxy);
        let mut last = 0;
        for stream in (1..20_001).step_by(2) {
            last = stream;
            if !connection.send([get(stream, "/x"), provoke(stream)].concat()) {
                break;
            }
        }
        if connection.is_alive() {
            connection.send(reset(last, CANCEL));
        }
        assert!(origin.connections() < 5000, "{name}: {} streams reached the backend", origin.connections());
        assert!(proxy.admin("/healthz").is_ok());
    }
}

#[test]
fn malformed_requests_without_end_do_not_keep_a_connection_busy_for_ever() {
    let origin = super::backend();
    let proxy = Proxy::to(&origin);
    attack(&proxy, 16 * MIB, || {
        let mut connection = Connection::open(&proxy);
        for stream in (1..20_001).step_by(2) {
            if !connection.send(headers(stream, END_STREAM, &[(":method", "GET"), ("X-Upper", "y")])) {
                break;
            }
        }
        // ended, or each of them refused
        if connection.is_alive() {
            assert_ne!(connection.outcome(19_999), Outcome::Answered(200));
        }
    });
    assert!(origin.targets().iter().all(|target| target == "/after"));
}
