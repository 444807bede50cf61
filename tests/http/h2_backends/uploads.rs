//! Bodies that are longer than what is held of them, when their backend did not look at them (RFC 9113, section 8.7): what has not left
//! is still there.

use super::backend::{Backend, Peer, goaway};
use super::{CHARGING, assert_nobody_is_charged, proxy_with};
use crate::h2_frames::connection::Connection;
use crate::h2_frames::frame::{
    DATA, INITIAL_WINDOW_SIZE, NO_ERROR, REFUSED_STREAM, post, reset, settings, window_update,
};
use crate::support::{Client, Proxy};

/// What may leave of a body before its backend says anything: RFC 9113, section 6.9.2.
const WINDOW: usize = 65_535;

/// A body of this length in which no piece can stand in another's place.
fn body(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| b'a' + (at % 23) as u8).collect()
}

/// Ends the first stream like this when so much of its body has come, and tells of all others how long their bodies were. Later
/// connections take more at once than the first.
fn leaving_after(window: u32, bytes: usize, end: fn(&mut Peer, u32)) -> Backend {
    Backend::bare(move |peer| {
        let window = if peer.conn.number == 0 { window } else { 1 << 20 };
        peer.send([settings(&[(INITIAL_WINDOW_SIZE, window)]), window_update(0, 1 << 20)].concat());
        let mut is_first = peer.conn.number == 0;
        while let Some(asked) = peer.request() {
            if std::mem::take(&mut is_first) {
                let mut left = bytes;
                while left > 0 {
                    let Some(frame) = peer.next() else { return };
                    left = left.saturating_sub(if frame.kind == DATA { frame.payload.len() } else { 0 });
                }
                end(peer, asked.stream);
                continue;
            }
            let got = peer.upload(&asked);
            assert!(got == body(got.len()), "it is another body");
            peer.answer(asked.stream, &got.len().to_string());
        }
    })
}

fn leave(peer: &mut Peer, _: u32) {
    peer.send(goaway(0, NO_ERROR));
}

fn refuse(peer: &mut Peer, stream: u32) {
    peer.send(reset(stream, REFUSED_STREAM));
}

/// A POST whose body has this length, with it or in chunks.
fn upload(proxy: &Proxy, bytes: usize, chunked: bool) -> Client {
    let mut client = proxy.client();
    let head = "POST /x HTTP/1.1\r\nHost: a\r\n";
    let body = String::from_utf8(body(bytes)).unwrap();
    client.send(match chunked {
        true => format!("{head}Transfer-Encoding: chunked\r\n\r\n{bytes:x}\r\n{body}\r\n0\r\n\r\n"),
        false => format!("{head}Content-Length: {bytes}\r\n\r\n{body}"),
    });
    client
}

#[test]
fn a_long_body_that_was_not_looked_at_is_sent_again() {
    for end in [leave, refuse] {
        // at the head, in the middle, and where the window ends
        for gone in [0, 1, WINDOW] {
            for (bytes, chunked) in [(100 * 1024, false), (100 * 1024, true), (3 << 20, false)] {
                let backend = leaving_after(WINDOW as u32, gone, end);
                let proxy = proxy_with(CHARGING, &[&backend]);
                let told = upload(&proxy, bytes, chunked).response();
                assert_eq!((told.status, told.text()), (200, bytes.to_string()), "{gone} of {bytes} had gone");
                assert_nobody_is_charged(&proxy);
            }
        }
    }
}

#[test]
fn a_long_body_of_an_http_2_client_is_sent_again() {
    for end in [leave, refuse] {
        let backend = leaving_after(WINDOW as u32, WINDOW, end);
        let proxy = proxy_with(CHARGING, &[&backend]);
        let mut client = Connection::open(&proxy);
        client.send(post(1, "/x"));
        assert!(client.upload(1, &body(1 << 20)));
        assert_eq!(client.answer(1).body, b"1048576");
        assert_nobody_is_charged(&proxy);
    }
}

#[test]
fn a_body_of_which_more_has_left_than_is_held_is_not_sent_again() {
    for end in [leave, refuse] {
        let backend = leaving_after(1 << 20, 300_000, end);
        let proxy = proxy_with("", &[&backend]);
        let told = upload(&proxy, 400_000, false).response();
        assert!((500..=599).contains(&told.status), "{told:?}");
        assert_eq!(backend.requests(), 1);
    }
}
