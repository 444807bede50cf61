//! What a chunked body is and what is not, byte by byte.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::*;

/// The result of decoding a body: its data, the names of its trailers, and its state.
#[derive(Debug, PartialEq, Eq)]
struct Read {
    data: Vec<u8>,
    trailers: Vec<String>,
    state: Stands,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stands {
    /// The body is complete, and so many bytes follow it.
    Ended(usize),
    /// There is more to come.
    Starved,
    Broken,
}

/// Reads a chunked body that comes in these pieces.
fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Read {
    let mut decoder = Decoder::new(Length::Chunked, Kind::MalformedRequest);
    let (mut buf, mut data, mut trailers) = (BytesMut::new(), Vec::new(), Vec::new());
    let mut state = Stands::Starved;
    for piece in pieces {
        buf.extend_from_slice(piece);
        while state == Stands::Starved {
            match decoder.decode(&mut buf) {
                Ok(Decoded::Data(piece)) => data.extend_from_slice(&piece),
                Ok(Decoded::Trailers(map)) => trailers.extend(map.keys().map(|name| name.to_string())),
                Ok(Decoded::End) => state = Stands::Ended(0),
                Ok(Decoded::Starved) => break,
                Err(_) => state = Stands::Broken,
            }
        }
    }
    if let Stands::Ended(behind) = &mut state {
        *behind = buf.len();
    }
    Read { data, trailers, state }
}

fn stands(body: &[u8]) -> Stands {
    read([body]).state
}

/// A whole body of one chunk whose line is this.
fn with_line(line: &[u8]) -> Stands {
    stands(&[line, b"\r\nhello\r\n0\r\n\r\n"].concat())
}

#[test]
fn a_body_means_the_same_however_it_is_cut() {
    let whole = b"5;a=\"b;\"\r\nhello\r\n00e\r\n, whole\r\nworld\r\n000\r\nX-Sum: 1\r\nX-More:\r\n\r\nGET /";
    let want = read([&whole[..]]);
    assert_eq!((want.state, want.data.len()), (Stands::Ended(5), 19));
    assert_eq!(want.trailers.len(), 2);
    assert_eq!(read(whole.chunks(1)), want);
    for cut in 0..whole.len() {
        assert_eq!(read([&whole[..cut], &whole[cut..]]), want, "{cut}");
    }
}

#[test]
fn a_size_is_hexadecimal_and_fits_a_signed_number() {
    for good in [&b"5"[..], b"05", b"0000000000000005", b"5;a", b"5;a=b;c=\"d\""] {
        assert_eq!(with_line(good), Stands::Ended(0), "{:?}", good.escape_ascii().to_string());
    }
    for bad in [
        &b""[..],
        b"+5",
        b"-5",
        b"0x5",
        b"5_",
        b" 5",
        b"5 ",
        b"5\t",
        b"00000000000000005",
        b"8000000000000000",
        b"ffffffffffffffff",
        b"10000000000000005",
        b"5;",
        b"5;bad[=x",
        b"5;a=\"b",
        b"5;a;",
        b"5;a=\x80",
        b"5 ;a",
    ] {
        assert_eq!(with_line(bad), Stands::Broken, "{:?}", bad.escape_ascii().to_string());
    }
    assert_eq!(stands(b"7fffffffffffffff\r\nhello"), Stands::Starved);
}

#[test]
fn what_is_wrong_is_refused_as_soon_as_it_is_there() {
    for bad in [
        &b"5\n"[..],
        b"5\rx",
        b"5\r\nhello\n",
        b"5\r\nhellox",
        b"5\r\nhello\rx",
        b"0\n",
        b"0\r\n\n",
        b"0\r\na: b\n",
        b"0\r\na: b\r\n\n",
        b"0\r\na: b\n\r\n",
    ] {
        assert_eq!(stands(bad), Stands::Broken, "{:?}", bad.escape_ascii().to_string());
        assert_eq!(read(bad.chunks(1)).state, Stands::Broken, "{:?}", bad.escape_ascii().to_string());
    }
    let extension = [b"5;".to_vec(), b"x".repeat(MAX_CHUNK_LINE)].concat();
    assert_eq!(stands(&extension), Stands::Broken);
    let trailer = [b"0\r\nx: ".to_vec(), b"y".repeat(MAX_TRAILERS)].concat();
    assert_eq!(stands(&trailer), Stands::Broken);
}

#[test]
fn fields_that_are_not_for_trailers_are_dropped_in_every_spelling() {
    let section = b"0\r\nContent-Length: 5\r\ncontent_length: 5\r\nX-Sum: 1\r\nX-Forwarded-For: a\r\n\
        X_Forwarded_For: a\r\nForwarded: a\r\nSet_Cookie: a\r\nx_sum: 1\r\n\r\n";
    let read = read([&section[..]]);
    assert_eq!((read.state, read.trailers), (Stands::Ended(0), vec!["x-sum".to_owned(), "x_sum".to_owned()]));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, rng_seed: RngSeed::Fixed(6), ..ProptestConfig::default() })]

    /// Bytes that are nearly a chunked body: however they are cut, they mean the same, and nothing is made up.
    #[test]
    fn no_cut_changes_what_a_body_means(
        parts in prop::collection::vec(prop::sample::select(PARTS), 0..12),
        noise in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let mut body = parts.concat();
        for (at, byte) in noise {
            if !body.is_empty() {
                let at = at.index(body.len());
                body[at] = byte;
            }
        }
        let whole = read([&body[..]]);
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(body.len() + 1)).chain([0, body.len()]).collect();
        cuts.sort_unstable();
        let cut = read(cuts.windows(2).map(|ends| &body[ends[0]..ends[1]]));
        prop_assert_eq!(&cut, &whole);
        prop_assert!(whole.data.len() <= body.len());
        if let Stands::Ended(behind) = whole.state {
            prop_assert!(behind < body.len());
        }
    }
}

const PARTS: &[&[u8]] = &[
    b"5\r\nhello\r\n",
    b"1\r\nx\r\n",
    b"00\r\n",
    b"0\r\n\r\n",
    b"0\r\n",
    b"x-sum: 1\r\n",
    b"\r\n",
    b"\n",
    b"\r",
    b"a;b=\"c\"\r\n",
    b"0123456789",
    b";a",
    b" ",
];
