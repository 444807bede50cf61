use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::*;

/// The code of a symbol, as text of zeros and ones.
fn code(symbol: usize) -> String {
    let place = (0..256).filter(|&s| (LENGTHS[s], s) < (LENGTHS[symbol], symbol)).count();
    let length = usize::from(LENGTHS[symbol]);
    let code = CANONICAL.offsets[length].wrapping_add(place as u32);
    format!("{code:0length$b}")
}

/// The bytes of these bits, padded with ones.
fn packed(bits: &str) -> Vec<u8> {
    let padded = bits.to_owned() + &"1".repeat(bits.len().wrapping_neg() % 8);
    (0..padded.len()).step_by(8).map(|at| u8::from_str_radix(&padded[at..at + 8], 2).unwrap()).collect()
}

/// What a sender makes of a text.
pub(in crate::protocol::h2::hpack) fn encode(text: &[u8]) -> Vec<u8> {
    packed(&text.iter().map(|&byte| code(byte.into())).collect::<String>())
}

fn decoded(code: &[u8]) -> Result<Vec<u8>, CompressionError> {
    let mut out = Vec::new();
    let length = decode(code, &mut out)?;
    Ok(out[..length].to_vec())
}

/// Appendix B, the first and last of lengths.
#[test]
fn codes_are_those_of_the_specification() {
    let rows = [
        (b'0', 5, 0x0),
        (b'a', 5, 0x3),
        (b't', 5, 0x9),
        (b' ', 6, 0x14),
        (b'u', 6, 0x2d),
        (b':', 7, 0x5c),
        (b'z', 7, 0x7b),
        (b'&', 8, 0xf8),
        (b'Z', 8, 0xfd),
        (b'!', 10, 0x3f8),
        (b'|', 11, 0x7fc),
        (b'#', 12, 0xffa),
        (0, 13, 0x1ff8),
        (b'}', 14, 0x3ffd),
        (b'{', 15, 0x7ffe),
        (b'\\', 19, 0x7fff0),
        (128, 20, 0xfffe6),
        (161, 21, 0x1fffdd),
        (230, 21, 0x1fffe8),
        (224, 20, 0xfffec),
        (143, 23, 0x7fffdf),
        (192, 26, 0x3ffffe0),
        (255, 26, 0x3ffffee),
        (254, 27, 0x7fffff0),
        (2, 28, 0xfffffe2),
        (249, 28, 0xffffffe),
        (b'\n', 30, 0x3fff_fffc),
        (22, 30, 0x3fff_fffe),
    ];
    for (symbol, length, bits) in rows {
        assert_eq!(code(symbol.into()), format!("{bits:0length$b}"), "{symbol}");
    }
    assert_eq!(code(256), "1".repeat(30), "EOS");
}

#[test]
fn every_symbol_is_read_wherever_it_begins() {
    for symbol in 0..=255 {
        for before in 0..8 {
            for behind in [&b""[..], b"0", b"~0000", b"\xFE\n\x16zzzz"] {
                let text = [&b"00000000"[..before], &[symbol], behind].concat();
                assert_eq!(decoded(&encode(&text)), Ok(text));
            }
        }
    }
}

#[test]
fn padding_is_ones_and_less_than_a_byte() {
    for text in ["", "a", "ab", "abc", "abcdefg", "abcdefgh"] {
        let good = encode(text.as_bytes());
        assert_eq!(decoded(&good), Ok(text.into()));
        assert_eq!(decoded(&[&good[..], &[0xFF]].concat()), Err(CompressionError), "a byte of padding after {text:?}");
    }
    // `a` is 00011, and all that follows is padding
    for padding in 0..0b111 {
        assert_eq!(decoded(&[0b0001_1000 | padding]), Err(CompressionError), "{padding:b}");
    }
    assert_eq!(decoded(&[0b0001_1111]), Ok(b"a".to_vec()));
}

#[test]
fn the_end_of_the_string_is_never_sent() {
    let end = "1".repeat(30);
    for before in ["", "a", "abcdefg"] {
        let bits: String = before.bytes().map(|byte| code(byte.into())).collect();
        for behind in ["", "00000", "0000000000000000000000000000000000000000"] {
            assert_eq!(
                decoded(&packed(&(bits.clone() + &end + behind))),
                Err(CompressionError),
                "{before:?} {behind:?}"
            );
        }
    }
    assert_eq!(decoded(&[0xFF; 4]), Err(CompressionError));
    assert_eq!(decoded(&[0xFF; 40]), Err(CompressionError));
}

#[test]
fn a_code_that_is_cut_is_refused() {
    // the 26 bits of 0xFF, without the last byte of them: neither a code nor ones only
    let whole = encode(&[0xFF]);
    assert_eq!(decoded(&whole[..3]), Err(CompressionError));
    assert_eq!(decoded(&encode(b"aaaaaaaaaaaa\xFF")[..10]), Err(CompressionError));
}

#[test]
fn the_buffer_is_used_again() {
    let mut out = Vec::new();
    let long = decode(&encode(b"www.example.com"), &mut out).unwrap();
    let room = out.len();
    let short = decode(&encode(b"302"), &mut out).unwrap();
    assert_eq!((long, short, out.len()), (15, 3, room));
    assert_eq!(&out[..3], b"302");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, rng_seed: RngSeed::Fixed(3), ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_again(text in vec(prop_oneof![any::<u8>(), b' '..b'~'], 0..200)) {
        prop_assert_eq!(decoded(&encode(&text)), Ok(text));
    }

    /// There is one code for each text, so that no two of them can be taken for the same.
    #[test]
    fn what_is_read_is_the_only_code_for_it(code in vec(any::<u8>(), 0..12)) {
        if let Ok(text) = decoded(&code) {
            prop_assert_eq!(encode(&text), code);
        }
    }
}
