//! The parsers of HTTP/1 on bytes that are made up: pieces of good and of bad messages, put together, changed and cut at random.
//!
//! What has to hold is what the fuzz targets assert.

#[path = "../../fuzz/bodies/h1.rs"]
mod h1;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::RngSeed;

const REQUEST: &[&[u8]] = &[
    b"GET / HTTP/1.1\r\n",
    b"POST /a?b=%00 HTTP/1.1\r\n",
    b"GET http://a/b HTTP/1.0\r\n",
    b"OPTIONS * HTTP/1.9\r\n",
    b"GET /%0",
    b"Host: a\r\n",
    b"Host:\r\n",
    b"Content-Length: 5\r\n",
    b"Content-Length: 9223372036854775807\r\n",
    b"content_length: 1\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Connection: close, x, upgrade\r\n",
    b"Upgrade: x\r\n",
    b"X: y\r\n",
    b"X:\t y \t\r\n",
    b"\r\n",
    b"\n",
    b" ",
    b":",
];

const ANSWER: &[&[u8]] = &[
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.0 204\n",
    b"HTTP/1.2 500 caf\xe9\r\n",
    b"Content-Length: 5\r\n",
    b"Content-Length: 05\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Connection: close\r\n",
    b"X: y\n",
    b"X:\r\n",
    b"\r\n",
    b"\n",
    b"\r",
];

const CHUNKS: &[&[u8]] = &[
    b"5\r\nhello\r\n",
    b"00a\r\n0123456789\r\n",
    b"1;a=\"b\\\"\";c\r\nx\r\n",
    b"0\r\n",
    b"0\r\n\r\n",
    b"ffffffffffffffff\r\n",
    b"X: y\r\n",
    b"transfer_encoding: y\r\n",
    b"\r\n",
    b"\n",
    b";",
];

/// Pieces of these, with some bytes changed.
fn made_of(pieces: &'static [&'static [u8]]) -> impl Strategy<Value = Vec<u8>> {
    let changes = vec((any::<Index>(), any::<u8>()), 0..3);
    (vec(select(pieces), 0..10), changes).prop_map(|(pieces, changes)| {
        let mut bytes = pieces.concat();
        for (at, byte) in changes.into_iter().filter(|_| !pieces.is_empty()) {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, rng_seed: RngSeed::Fixed(5), ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn heads_of_requests_mean_one_thing(bytes in made_of(REQUEST), at in 0..200_usize) {
        h1::request(&bytes, at);
        h1::request(&[b"GET / HTTP/1.1\r\nHost: a\r\n", &bytes[..], b"\r\n"].concat(), at);
    }

    #[test]
    fn heads_of_answers_mean_one_thing(bytes in made_of(ANSWER), at in 0..200_usize, bare_lf: bool) {
        h1::answer(&bytes, at, bare_lf);
        h1::answer(&[b"HTTP/1.1 200 OK\r\n", &bytes[..], b"\r\n"].concat(), at, bare_lf);
    }

    #[test]
    fn chunked_bodies_mean_one_thing(bytes in made_of(CHUNKS), piece in 1..40_usize) {
        h1::chunks(&bytes, piece);
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in vec(any::<u8>(), 0..200), at in 0..200_usize) {
        h1::request(&bytes, at);
        h1::answer(&bytes, at, true);
        h1::chunks(&bytes, at);
    }
}
