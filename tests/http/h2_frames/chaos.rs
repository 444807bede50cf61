//! What nobody thought of: frames in any order, some of them damaged, from a seed.

use fastrand::Rng;

use super::frame::{
    ACK, CANCEL, CONTINUATION, END_HEADERS, END_STREAM, GOAWAY, HEADERS, INITIAL_WINDOW_SIZE, MAX_WINDOW, NO_ERROR,
    PADDED, PREFACE, PRIORITY, SETTINGS, data, frame, get, headers, ping, post, reset, settings, window_update,
};
use super::rows::assert_still_serves;
use crate::support::Proxy;

const CONNECTIONS: u64 = 300;

/// One of the frames that clients send, on one of a few streams.
fn any_frame(rng: &mut Rng, last: &mut u32) -> Vec<u8> {
    let stream = rng.u32(0..=*last + 2);
    let mut fresh = || {
        *last += 2;
        *last
    };
    match rng.u8(0..18) {
        0..=3 => get(fresh(), if rng.bool() { "/hold" } else { "/bytes/100000" }),
        4 | 5 => post(fresh(), "/x"),
        6 => frame(HEADERS, rng.u8(..), fresh(), &[0x82, 0x86, 0x84, 0x41, 1, b'a']),
        7 => headers(stream, END_STREAM, &[("x", "y")]),
        8 => data(stream, rng.u8(0..2), "data"),
        9 => data(stream, END_STREAM | PADDED, [rng.u8(0..4), 0, 0, 0]),
        10 => reset(stream, CANCEL),
        11 => window_update(stream, if rng.bool() { 1000 } else { MAX_WINDOW / 3 }),
        12 => settings(&[(INITIAL_WINDOW_SIZE, rng.u32(0..100_000)), (rng.u16(0..9), rng.u32(0..20_000))]),
        13 => frame(SETTINGS, ACK, 0, &[]),
        14 => ping(b"12345678"),
        15 => frame(PRIORITY, 0, stream, &[0, 0, 0, 0, 9]),
        16 => frame(CONTINUATION, END_HEADERS, stream, &[0x82]),
        _ => frame(GOAWAY, 0, 0, &[&[0; 4][..], &NO_ERROR.to_be_bytes()].concat()),
    }
}

/// A connection's worth of them. A few are damaged, so that most connections come some way before they end.
fn connection(rng: &mut Rng) -> Vec<u8> {
    let mut bytes = [PREFACE, &settings(&[])].concat();
    let mut last = 1;
    for _ in 0..rng.usize(1..40) {
        let mut frame = any_frame(rng, &mut last);
        if rng.u8(0..20) == 0 {
            let at = rng.usize(0..frame.len());
            frame[at] ^= 1 << rng.u8(0..8);
        }
        bytes.extend(frame);
    }
    bytes
}

#[test]
fn whatever_a_client_sends_its_connection_ends_with_it_and_the_next_is_served() {
    let origin = super::backend();
    let proxy = Proxy::to(&origin);
    for seed in 0..CONNECTIONS {
        let mut client = proxy.client();
        let _ = client.try_send(connection(&mut Rng::with_seed(seed)));
        client.finish();
        assert!(client.ends(), "seed {seed}: the connection is still there");
    }
    assert_still_serves(&proxy);
}
