//! Encoders against decoders, and both against programs of others.

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use proptest::prelude::*;

use super::{Broken, Coding, Decoder, Encoder};
use crate::policy::compression::Algorithm;

/// Encodes `text` in pieces of these lengths, again and again, with a flush after each one where it says so.
fn encode(algorithm: Algorithm, level: u32, text: &[u8], cuts: &[(usize, bool)]) -> Vec<u8> {
    let (mut encoder, mut out, mut left) = (Encoder::new(algorithm, level).unwrap(), Vec::new(), text);
    for (length, flushes) in cuts.iter().cycle() {
        if left.is_empty() {
            break;
        }
        let (piece, rest) = left.split_at(left.len().min(*length));
        encoder.push(piece, &mut out).unwrap();
        if *flushes {
            encoder.flush(&mut out).unwrap();
            assert!(!encoder.holds_back());
        }
        left = rest;
    }
    encoder.finish(&mut out).unwrap();
    out
}

/// Decodes in pieces of these lengths, with so much room each time.
fn decode(coding: Coding, coded: &[u8], cuts: &[usize], room: usize) -> Result<Vec<u8>, Broken> {
    let (mut decoder, mut whole, mut left) = (Decoder::new(coding)?, Vec::new(), coded);
    for length in cuts.iter().cycle() {
        let (piece, rest) = left.split_at(left.len().min(*length));
        left = rest;
        let mut piece = piece;
        loop {
            let mut out = Vec::new();
            let taken = decoder.pull(piece, room, &mut out)?;
            piece = &piece[taken..];
            assert!(out.len() <= room);
            whole.extend_from_slice(&out);
            if out.len() < room {
                assert!(piece.is_empty(), "there was room, and input was left");
                break;
            }
        }
        if left.is_empty() {
            return decoder.finish().map(|()| whole);
        }
    }
    unreachable!("there are pieces")
}

fn coding(algorithm: Algorithm) -> Coding {
    Coding::of(algorithm)
}

/// Text that is like pages, with some that can't be compressed.
fn text() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        8 => "[a-z ]{1,12}".prop_map(String::into_bytes),
        2 => Just(b"<div class=\"item\">".to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..300),
        1 => (any::<u8>(), 0..60_000_usize).prop_map(|(byte, count)| vec![byte; count]),
    ];
    prop::collection::vec(word, 0..400).prop_map(|words| words.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn what_was_encoded_in_any_pieces_is_decoded_in_any_pieces(
        text in text(),
        algorithm in prop::sample::select(&Algorithm::ALL[..]),
        level in 1..6_u32,
        cuts in prop::collection::vec((1..40_000_usize, any::<bool>()), 1..6),
        read in prop::collection::vec(1..9_000_usize, 1..6),
        room in 1..20_000_usize,
    ) {
        let coded = encode(algorithm, level, &text, &cuts);
        prop_assert!(decode(coding(algorithm), &coded, &read, room.max(text.len() / 5_000)) == Ok(text));
    }

    #[test]
    fn all_that_was_put_in_can_be_read_after_a_flush(
        text in text(),
        algorithm in prop::sample::select(&Algorithm::ALL[..]),
        more in text(),
    ) {
        let mut encoder = Encoder::new(algorithm, 3).unwrap();
        let (mut out, mut read) = (Vec::new(), Vec::new());
        let mut decoder = Decoder::new(coding(algorithm)).unwrap();
        for part in [&text, &more] {
            encoder.push(part, &mut out).unwrap();
            encoder.flush(&mut out).unwrap();
            let room = text.len() + more.len() + 1;
            prop_assert_eq!(decoder.pull(&out, room, &mut read).unwrap(), out.len());
            out.clear();
        }
        prop_assert!(read == [text, more].concat());
    }

    #[test]
    fn whatever_is_called_coded_is_read_or_refused(
        coding in prop::sample::select(&Coding::ALL[..]),
        bytes in prop::collection::vec(any::<u8>(), 0..600),
        change in (any::<prop::sample::Index>(), any::<u8>()),
    ) {
        let _ = decode(coding, &bytes, &[7, 100], 500);
        let algorithm = Algorithm::ALL.into_iter().find(|algorithm| Coding::of(*algorithm) == coding);
        let mut good = encode(algorithm.unwrap_or(Algorithm::Gzip), 3, &bytes.repeat(20), &[(100, false)]);
        let at = change.0.index(good.len());
        good[at] ^= change.1;
        let _ = decode(coding, &good, &[7, 100], 500);
    }
}

#[test]
fn what_is_cut_off_anywhere_is_not_taken_for_whole() {
    let text = b"It was a bright cold day in April, and the clocks were striking thirteen. ".repeat(20);
    for algorithm in Algorithm::ALL {
        let whole = encode(algorithm, 3, &text, &[(64, false)]);
        for end in (1..whole.len()).step_by(3) {
            assert_eq!(
                decode(coding(algorithm), &whole[..end], &[16], 1 << 20),
                Err(Broken::Malformed),
                "{algorithm:?} {end}"
            );
        }
        assert_eq!(decode(coding(algorithm), &[], &[16], 16), Ok(Vec::new()));
        let longer = [&whole[..], b"more"].concat();
        assert_eq!(decode(coding(algorithm), &longer, &[16], 1 << 20), Err(Broken::Malformed), "{algorithm:?}");
    }
}

#[test]
fn members_of_gzip_and_frames_of_zstd_follow_each_other() {
    for algorithm in [Algorithm::Gzip, Algorithm::Zstd] {
        let parts: Vec<u8> = [&b"one, "[..], b"two, ", b"three"]
            .iter()
            .flat_map(|part| encode(algorithm, 3, part, &[(2, false)]))
            .collect();
        for cut in [1, 3, 1000] {
            assert_eq!(decode(coding(algorithm), &parts, &[cut], 4).unwrap(), b"one, two, three");
        }
    }
}

#[test]
fn deflate_is_read_with_its_wrapper_and_without() {
    let text = b"deflate, deflate, deflate".repeat(50);
    for has_wrapper in [true, false] {
        let mut encoder = flate2::Compress::new(flate2::Compression::new(6), has_wrapper);
        let mut coded = Vec::with_capacity(1 << 16);
        encoder.compress_vec(&text, &mut coded, flate2::FlushCompress::Finish).unwrap();
        for cut in [1, 2, 5, 1 << 16] {
            assert_eq!(decode(Coding::Deflate, &coded, &[cut], 100).unwrap(), text, "{has_wrapper} {cut}");
        }
        assert_eq!(decode(Coding::Deflate, &coded[..1], &[1], 100), Err(Broken::Malformed));
    }
}

#[test]
fn a_bomb_is_given_up_soon() {
    for algorithm in Algorithm::ALL {
        let bomb = encode(algorithm, 3, &vec![0; 64 << 20], &[(1 << 20, false)]);
        let mut decoder = Decoder::new(coding(algorithm)).unwrap();
        let (mut left, mut given) = (&bomb[..], 0_u64);
        let ended = loop {
            let mut out = Vec::new();
            match decoder.pull(left, 16 << 10, &mut out) {
                Ok(taken) => left = &left[taken..],
                Err(broken) => break Some(broken),
            }
            given += out.len() as u64;
            if out.is_empty() {
                break None;
            }
        };
        match (algorithm, ended) {
            // blocks of zstd and brotli are as long as encoders make them here, and each has a head
            (_, Some(broken)) => assert_eq!(broken, Broken::Bomb),
            (_, None) => assert!(given / bomb.len() as u64 <= 1_000, "{algorithm:?}: {given} of {}", bomb.len()),
        }
    }
    // a frame of zstd with blocks of 128 KiB that are one byte each (RFC 8878, section 3.1.1.2)
    let mut bomb = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x38];
    for _ in 0..2_000 {
        let head = (128_u32 << 10) << 3 | 1 << 1;
        bomb.extend_from_slice(&head.to_le_bytes()[..3]);
        bomb.push(b'x');
    }
    assert_eq!(decode(Coding::Zstd, &bomb, &[1 << 20], 16 << 10), Err(Broken::Bomb));
}

#[test]
fn programs_of_others_read_what_we_write_and_we_read_what_they_write() {
    let text = b"The quick brown fox jumps over the lazy dog. ".repeat(3_000);
    for (algorithm, program) in [(Algorithm::Gzip, "gzip"), (Algorithm::Zstd, "zstd"), (Algorithm::Brotli, "brotli")] {
        for level in [1, 4, 9] {
            let coded = encode(algorithm, level, &text, &[(1_000, false), (9_000, true)]);
            // where a program is not installed there is nothing to compare with
            let Some(read) = piped(program, &["-d", "-c"], &coded) else { continue };
            assert!(read == text, "{program} {level}");
        }
        if let Some(coded) = piped(program, &["-c"], &text) {
            assert!(decode(coding(algorithm), &coded, &[777], 5_000).unwrap() == text, "{program}");
        }
    }
}

/// What a program makes of this input; `None` = it is not there.
fn piped(program: &str, arguments: &[&str], input: &[u8]) -> Option<Vec<u8>> {
    let mut child = Command::new(program).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().ok()?;
    let (mut stdin, mut stdout) = (child.stdin.take()?, child.stdout.take()?);
    let input = input.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let mut out = Vec::new();
    stdout.read_to_end(&mut out).ok()?;
    writer.join().unwrap().unwrap();
    assert!(child.wait().unwrap().success(), "{program}");
    Some(out)
}
