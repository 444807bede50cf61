//! Flow control (RFC 9113, sections 5.2 and 6.9) in both directions.

use std::collections::HashMap;

use super::backend::{Backend, Peer};
use super::proxy_to;
use crate::h2_frames::connection::Connection;
use crate::h2_frames::frame::{
    DATA, END_STREAM, FRAME_SIZE, Frame, HEADERS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE, PING, RST_STREAM, SETTINGS,
    WINDOW_UPDATE, data, fields, headers, ping, settings, window_update,
};
use crate::support::{Client, Cue, Proxy, tcp_with_room_for};

/// Sends a POST with a body of so many bytes.
fn upload(proxy: &Proxy, target: &str, bytes: usize) -> Client {
    let mut client = proxy.client();
    client.send(format!("POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: {bytes}\r\n\r\n{}", "b".repeat(bytes)));
    client
}

/// Reads DATA until so many bytes of it have come, without giving any window back; the frames.
fn take(peer: &mut Peer, bytes: usize) -> Vec<Frame> {
    let mut frames: Vec<Frame> = Vec::new();
    while frames.iter().map(|frame| frame.payload.len()).sum::<usize>() < bytes {
        match peer.next() {
            Some(frame) if frame.kind == DATA => frames.push(frame),
            Some(_) => {}
            None => break,
        }
    }
    frames
}

/// Whether nothing more of a body comes, as far as an answer to a PING tells.
fn has_stopped(peer: &mut Peer) -> bool {
    peer.send(ping(b"and then"));
    while let Some(frame) = peer.next() {
        match frame.kind {
            DATA => return false,
            PING => return true,
            _ => {}
        }
    }
    false
}

#[test]
fn a_window_of_nothing_that_opens_late_lets_the_body_go() {
    let backend = Backend::new(&[(INITIAL_WINDOW_SIZE, 0)], |peer, asked| {
        if asked.path() == "/first" {
            return peer.answer(asked.stream, "ok");
        }
        assert!(has_stopped(peer));
        for by in [1, 1, 3] {
            peer.send(window_update(asked.stream, by));
            assert_eq!(take(peer, by as usize).iter().map(|frame| frame.payload.len()).sum::<usize>(), by as usize);
        }
        peer.answer(asked.stream, "got it")
    });
    let proxy = proxy_to(&backend);
    // so that the settings are known
    assert_eq!(proxy.client().get("/first").text(), "ok");
    let mut client = proxy.client();
    client.send("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
    assert_eq!(client.response().text(), "got it");
}

#[test]
fn settings_that_change_the_window_do_so_while_data_waits() {
    let backend = Backend::new(&[(INITIAL_WINDOW_SIZE, 1000)], |peer, asked| {
        if asked.path() == "/first" {
            return peer.answer(asked.stream, "ok");
        }
        let sum = |frames: Vec<Frame>| frames.iter().map(|frame| frame.payload.len()).sum::<usize>();
        assert_eq!(sum(take(peer, 1000)), 1000);
        // more: what waits goes (6.9.2)
        peer.send(settings(&[(INITIAL_WINDOW_SIZE, 1500)]));
        assert_eq!(sum(take(peer, 500)), 500);
        // less: the window is negative until more than that was given
        peer.send([settings(&[(INITIAL_WINDOW_SIZE, 500)]), window_update(asked.stream, 1000)].concat());
        assert!(has_stopped(peer));
        peer.send(window_update(asked.stream, 10));
        assert_eq!(sum(take(peer, 10)), 10);
        peer.send(settings(&[(INITIAL_WINDOW_SIZE, 0), (INITIAL_WINDOW_SIZE, 100_000)]));
        let rest = take(peer, 30_000 - 1510);
        assert_eq!(sum(rest), 30_000 - 1510);
        peer.answer(asked.stream, "all of it")
    });
    let proxy = proxy_to(&backend);
    assert_eq!(proxy.client().get("/first").text(), "ok");
    assert_eq!(upload(&proxy, "/x", 30_000).response().text(), "all of it");
}

#[test]
fn frames_are_as_large_as_the_backend_takes_them_and_no_larger() {
    for size in [0x4000, 0xff_ffff] {
        let backend = Backend::new(&[(MAX_FRAME_SIZE, size), (INITIAL_WINDOW_SIZE, 1 << 20)], |peer, asked| {
            let length = peer.upload(asked).len();
            peer.answer(asked.stream, &length.to_string())
        });
        let proxy = proxy_to(&backend);
        assert_eq!(upload(&proxy, "/x", 300_000).response().text(), "300000");
        assert!(backend.seen().iter().all(|seen| seen.frame.payload.len() <= size as usize));
        assert!(size > 0x4000 || backend.seen().iter().all(|seen| seen.frame.payload.len() <= FRAME_SIZE));
    }
}

#[test]
fn a_stream_that_has_all_of_the_connection_s_window_holds_no_end_and_no_request_up() {
    let (full, released) = (Cue::default(), Cue::default());
    let (filling, release) = (full.clone(), released.clone());
    let backend = Backend::new(&[(INITIAL_WINDOW_SIZE, 1 << 20)], move |peer, asked| match asked.path() {
        "/full" => {
            // all that the connection has
            take(peer, 65_535);
            assert!(has_stopped(peer));
            filling.give();
            true
        }
        "/ends" => {
            if !asked.ended {
                assert!(peer.until(|frame| frame.kind == DATA && frame.stream == asked.stream));
            }
            peer.answer(asked.stream, "ended")
        }
        _ => {
            release.wait();
            peer.send(window_update(0, 1 << 20));
            take(peer, 100_000 - 65_535);
            peer.answer(1, "full") && peer.answer(asked.stream, "ok")
        }
    });
    let proxy = proxy_to(&backend);
    let mut filler = upload(&proxy, "/full", 100_000);
    assert!(full.wait());
    assert_eq!(proxy.client().get("/ends").text(), "ended");
    // a head and an empty end, as gRPC has them
    let mut client = Connection::open(&proxy);
    client.send([headers(1, 0, &fields("POST", "/ends")), data(1, END_STREAM, "")].concat());
    assert_eq!(client.answer(1).body, b"ended");
    released.give();
    assert_eq!(proxy.client().get("/x").text(), "ok");
    assert_eq!(filler.response().text(), "full");
    assert_eq!(backend.origin.connections(), 1);
}

/// What a backend may send.
struct Room {
    connection: i64,
    initial: i64,
    streams: HashMap<u32, i64>,
}

impl Room {
    fn new() -> Self {
        Self { connection: 65_535, initial: 65_535, streams: HashMap::new() }
    }

    fn hear(&mut self, frame: &Frame) {
        match frame.kind {
            WINDOW_UPDATE if frame.stream == 0 => self.connection += i64::from(frame.number(0)),
            WINDOW_UPDATE => *self.stream(frame.stream) += i64::from(frame.number(0)),
            SETTINGS => {
                for pair in frame.payload.chunks(6).filter(|pair| pair[..2] == INITIAL_WINDOW_SIZE.to_be_bytes()) {
                    self.initial = i64::from(u32::from_be_bytes(pair[2..6].try_into().unwrap()));
                }
            }
            _ => {}
        }
    }

    fn stream(&mut self, stream: u32) -> &mut i64 {
        let initial = self.initial;
        self.streams.entry(stream).or_insert(initial)
    }
}

#[test]
fn a_client_that_does_not_read_holds_up_its_own_stream_alone() {
    const LENGTH: usize = 8_000_000;
    let stalled = Cue::default();
    let stalling = stalled.clone();
    let backend = Backend::bare(move |peer| {
        peer.send(settings(&[]));
        let mut room = Room::new();
        let mut left: Vec<(u32, usize)> = Vec::new();
        let mut told = 0;
        loop {
            // whoever may get something gets a frame in turn
            let mut sent = false;
            for (stream, left) in &mut left {
                let own = *room.stream(*stream);
                let piece = (*left).min(FRAME_SIZE).min(usize::try_from(own.min(room.connection)).unwrap_or(0));
                if piece == 0 {
                    continue;
                }
                *left -= piece;
                *room.stream(*stream) -= piece as i64;
                room.connection -= piece as i64;
                sent = peer.send(data(*stream, if *left == 0 { END_STREAM } else { 0 }, vec![b'x'; piece]));
            }
            left.retain(|(_, left)| *left > 0);
            // three streams that nobody reads have stopped, and the connection has room
            let stopped = left.iter().filter(|(stream, _)| room.streams[stream] <= 0).count();
            if stopped == 3 && left.len() == 3 && told == 0 {
                assert!(room.connection > 0, "the connection's window is held by those who do not read");
                told += 1;
                stalling.give();
            }
            if sent {
                continue;
            }
            let Some(frame) = peer.next() else { return };
            room.hear(&frame);
            match frame.kind {
                HEADERS => {
                    peer.send(headers(frame.stream, 0, &[(":status", "200"), ("content-length", &LENGTH.to_string())]));
                    left.push((frame.stream, LENGTH));
                }
                RST_STREAM => left.retain(|(stream, _)| *stream != frame.stream),
                _ => {}
            }
        }
    });
    let proxy = proxy_to(&backend);
    let mut idle = Vec::new();
    for _ in 0..3 {
        let mut client = Client::from_tcp(tcp_with_room_for(4096, proxy.address()));
        client.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
        idle.push(client);
    }
    assert!(stalled.wait());
    for _ in 0..2 {
        assert_eq!(proxy.client().get("/x").body.len(), LENGTH);
    }
    // and those who come back to it get all of theirs
    for mut client in idle {
        assert_eq!(client.response().body.len(), LENGTH);
    }
    assert_eq!(backend.origin.connections(), 1);
}
