//! What the fuzz target of the client's frames asserts, on bytes that are made up.

#[path = "../../../fuzz/bodies/h2_client.rs"]
mod h2_client;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use crate::h2_frames::frame::{DATA, END_HEADERS, END_STREAM, HEADERS, frame, settings};

/// `:status: 200`, from the static table.
const OK: &[u8] = b"\x88";

/// A piece of what a backend says, more often a frame than not.
#[derive(Debug, Clone)]
enum Piece {
    Frame(u8, u8, u32, Vec<u8>),
    Head(u32, bool),
    Data(u32, usize, bool),
    Bytes(Vec<u8>),
}

fn piece() -> impl Strategy<Value = Piece> {
    let stream = || 0..8u32;
    let some = |most| proptest::collection::vec(any::<u8>(), 0..most);
    prop_oneof![
        4 => (0..11u8, any::<u8>(), stream(), some(40)).prop_map(|(k, f, s, p)| Piece::Frame(k, f, s, p)),
        6 => (stream(), any::<bool>()).prop_map(|(s, end)| Piece::Head(s | 1, end)),
        6 => (stream(), 0..16_384usize, any::<bool>()).prop_map(|(s, n, end)| Piece::Data(s | 1, n, end)),
        1 => some(20).prop_map(Piece::Bytes),
    ]
}

fn bytes_of(piece: Piece) -> Vec<u8> {
    let flags = |end| if end { END_STREAM } else { 0 };
    match piece {
        Piece::Frame(kind, flags, stream, payload) => frame(kind, flags, stream, &payload),
        Piece::Head(stream, end) => frame(HEADERS, END_HEADERS | flags(end), stream, OK),
        Piece::Data(stream, length, end) => frame(DATA, flags(end), stream, &vec![7; length]),
        Piece::Bytes(bytes) => bytes,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, rng_seed: RngSeed::Fixed(4), ..ProptestConfig::with_cases(500) })]

    #[test]
    fn whatever_a_backend_says_its_requests_come_to_their_ends(
        settled in proptest::bool::weighted(0.95), pieces in proptest::collection::vec(piece(), 0..40)
    ) {
        let mut said = if settled { settings(&[]) } else { Vec::new() };
        said.extend(pieces.into_iter().flat_map(bytes_of));
        h2_client::hear(&said);
    }

    #[test]
    fn whatever_becomes_of_a_good_answer_its_request_comes_to_its_end(
        at in 0..600usize, byte in any::<u8>(), cut in 0..600usize
    ) {
        let answer = |s| [frame(HEADERS, END_HEADERS, s, OK), frame(DATA, END_STREAM, s, &[7; 150])].concat();
        let mut said = [settings(&[(4, 1000), (3, 50)]), answer(1), answer(3), answer(5)].concat();
        let length = said.len();
        said[at % length] = byte;
        said.truncate(length.min(cut + 30));
        h2_client::hear(&said);
    }
}
