use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::super::huffman::tests::encode as huffman;
use super::*;
use bytes::{BufMut, BytesMut};

/// Bytes, written as the specification does it.
fn hex(text: &str) -> Bytes {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    digits.chunks(2).map(|two| u8::from_str_radix(str::from_utf8(two).unwrap(), 16).unwrap()).collect()
}

/// A field, written `name: value`.
fn parsed(line: &str) -> Field {
    let (name, value) = line[1..].split_once(": ").unwrap();
    Name::read([&line[..1], name].concat().as_bytes()).with(Some(value.parse().unwrap()))
}

fn parsed_all(lines: &[&str]) -> Vec<Field> {
    lines.iter().map(|line| parsed(line)).collect()
}

fn decode(decoder: &mut Decoder, block: impl AsRef<[u8]>) -> Result<Vec<(Field, usize)>, CompressionError> {
    let mut fields = Vec::new();
    decoder.decode(Bytes::copy_from_slice(block.as_ref()), |field, size| fields.push((field, size)))?;
    Ok(fields)
}

fn fields(decoder: &mut Decoder, block: impl AsRef<[u8]>) -> Result<Vec<Field>, CompressionError> {
    Ok(decode(decoder, block)?.into_iter().map(|(field, _)| field).collect())
}

/// A block, the fields that are in it, and what the dynamic table has and counts for thereafter.
type Step<'a> = (&'a str, &'a [&'a str], &'a [&'a str], usize);

fn follow(max: usize, steps: &[Step<'_>]) {
    let mut decoder = Decoder::new(max);
    for (block, wanted, table, size) in steps {
        assert_eq!(fields(&mut decoder, hex(block)), Ok(parsed_all(wanted)), "{block}");
        assert_eq!(decoder.table.fields(), parsed_all(table), "{block}");
        assert_eq!(decoder.table.size(), *size, "{block}");
    }
}

// ---------------------------------------------------------------- RFC 7541, appendix C

#[test]
fn c2_each_representation() {
    let indexed = "custom-key: custom-header";
    follow(4096, &[("400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572", &[indexed], &[indexed], 55)]);
    follow(4096, &[("040c 2f73 616d 706c 652f 7061 7468", &[":path: /sample/path"], &[], 0)]);
    follow(4096, &[("1008 7061 7373 776f 7264 0673 6563 7265 74", &["password: secret"], &[], 0)]);
    follow(4096, &[("82", &[":method: GET"], &[], 0)]);
}

/// C.3 and C.4 have the same fields.
fn requests(blocks: [&str; 3]) {
    let [authority, cache, custom] =
        [":authority: www.example.com", "cache-control: no-cache", "custom-key: custom-value"];
    let first: &[_] = &[":method: GET", ":scheme: http", ":path: /", authority];
    let second: &[_] = &[":method: GET", ":scheme: http", ":path: /", authority, cache];
    let third: &[_] = &[":method: GET", ":scheme: https", ":path: /index.html", authority, custom];
    follow(
        4096,
        &[
            (blocks[0], first, &[authority], 57),
            (blocks[1], second, &[cache, authority], 110),
            (blocks[2], third, &[custom, cache, authority], 164),
        ],
    );
}

#[test]
fn c3_requests_without_huffman_coding() {
    requests([
        "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        "8286 84be 5808 6e6f 2d63 6163 6865",
        "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
    ]);
}

#[test]
fn c4_requests_with_huffman_coding() {
    requests([
        "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
        "8286 84be 5886 a8eb 1064 9cbf",
        "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
    ]);
}

/// C.5 and C.6 have the same fields, and a table of 256 bytes, so that entries are evicted.
fn responses(blocks: [&str; 3]) {
    let [found, private, date, location] = [
        ":status: 302",
        "cache-control: private",
        "date: Mon, 21 Oct 2013 20:13:21 GMT",
        "location: https://www.example.com",
    ];
    let [moved, later, gzip, cookie] = [
        ":status: 307",
        "date: Mon, 21 Oct 2013 20:13:22 GMT",
        "content-encoding: gzip",
        "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
    ];
    follow(
        256,
        &[
            (blocks[0], &[found, private, date, location], &[location, date, private, found], 222),
            (blocks[1], &[moved, private, date, location], &[moved, location, date, private], 222),
            (blocks[2], &[":status: 200", private, later, location, gzip, cookie], &[cookie, gzip, later], 215),
        ],
    );
}

#[test]
fn c5_responses_without_huffman_coding() {
    responses([
        "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d
         546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        "4803 3330 37c1 c0bf",
        "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f
         6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b
         2076 6572 7369 6f6e 3d31",
    ]);
}

#[test]
fn c6_responses_with_huffman_coding() {
    responses([
        "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7
         8f0b 97c8 e9ae 82ae 43d3",
        "4883 640e ffc1 c0bf",
        "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335
         dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
    ]);
}

// ---------------------------------------------------------------- what is wrong

#[test]
fn an_index_that_names_nothing_ends_the_connection() {
    for block in ["80", "be", "ff80 8080 8001", "ff", "7f00 0161", "7e01 61", "0f2f 0161"] {
        assert_eq!(decode(&mut Decoder::new(4096), hex(block)), Err(CompressionError), "{block}");
    }
    assert_eq!(fields(&mut Decoder::new(4096), hex("0f2e 0161")), Ok(parsed_all(&["www-authenticate: a"])));
}

#[test]
fn a_block_that_is_cut_ends_the_connection() {
    let whole = hex("400a 6375 7374 6f6d 2d6b 6579 8925 a849 e95b b8e8 b4bf");
    for length in 1..whole.len() {
        assert_eq!(decode(&mut Decoder::new(4096), &whole[..length]), Err(CompressionError), "{length}");
    }
    assert_eq!(decode(&mut Decoder::new(4096), b""), Ok(vec![]));
}

#[test]
fn a_size_update_comes_before_the_first_field_and_stays_in_its_bounds() {
    let mut decoder = Decoder::new(4096);
    assert_eq!(decode(&mut decoder, hex("20 3fe1 1f 82")).map(|fields| fields.len()), Ok(1), "to 0, then to 4096");
    assert_eq!(decode(&mut decoder, hex("3f e2 1f")), Err(CompressionError), "to 4097");
    assert_eq!(decode(&mut Decoder::new(4096), hex("82 20")), Err(CompressionError), "after a field");
    assert_eq!(
        decode(&mut Decoder::new(4096), hex("3f ff ff ff ff ff ff 0f")),
        Err(CompressionError),
        "too long a number"
    );
}

#[test]
fn a_broken_string_ends_the_connection() {
    // `a` with zeros as padding, as a name and as a value
    assert_eq!(decode(&mut Decoder::new(4096), hex("4081 1801 61")), Err(CompressionError));
    assert_eq!(decode(&mut Decoder::new(4096), hex("4001 6181 18")), Err(CompressionError));
}

/// The message is malformed, and what follows is read as if it weren't.
#[test]
fn a_malformed_field_keeps_its_place_in_the_table() {
    let mut decoder = Decoder::new(4096);
    assert_eq!(decode(&mut decoder, b"\x40\x04Name\x05value"), Ok(vec![(Field::Malformed, 41)]));
    assert_eq!(decode(&mut decoder, b"\x40\x04name\x03a\0b"), Ok(vec![(Field::Malformed, 39)]));
    assert_eq!(decode(&mut decoder, b"\x40\x06:paths\x01/"), Ok(vec![(Field::Malformed, 39)]));
    assert_eq!(decoder.table.size(), 41 + 39 + 39);
    assert_eq!(decode(&mut decoder, b"\xC0\xBF\xBE"), Ok([41, 39, 39].map(|size| (Field::Malformed, size)).to_vec()));
    // with the valid name of the second and a valid value; with the name of the first, which is never valid
    assert_eq!(decode(&mut decoder, b"\x0F\x30\x02ok"), Ok(vec![(parsed("name: ok"), 38)]));
    assert_eq!(decode(&mut decoder, b"\x0F\x31\x02ok"), Ok(vec![(Field::Malformed, 38)]));
}

#[test]
fn values_have_no_blanks_at_their_ends_however_they_are_sent() {
    for prefix in [0x00, 0x10, 0x40] {
        for value in [&b" a"[..], b"a\t", b"\n", b"\x7F"] {
            let plain = [&[prefix, 1, b'n', value.len() as u8], value].concat();
            assert_eq!(fields(&mut Decoder::new(4096), plain), Ok(vec![Field::Malformed]), "{value:?}");
            let code = huffman(value);
            let coded = [&[prefix, 1, b'n', 0x80 | code.len() as u8], &code[..]].concat();
            assert_eq!(fields(&mut Decoder::new(4096), coded), Ok(vec![Field::Malformed]), "{value:?}");
        }
    }
}

// ---------------------------------------------------------------- what is kept

#[test]
fn only_what_is_never_to_be_indexed_is_sensitive() {
    for (prefix, wanted) in [(0x00, false), (0x10, true), (0x40, false)] {
        let read = fields(&mut Decoder::new(4096), [prefix, 1, b'n', 1, b'v']).unwrap();
        let [Field::Plain(_, value)] = &read[..] else { panic!("one field") };
        assert_eq!(value.is_sensitive(), wanted, "{prefix:x}");
    }
}

#[test]
fn the_table_keeps_no_part_of_a_block() {
    let mut decoder = Decoder::new(4096);
    let block = Bytes::from_static(b"\x40\x04name\x05value\x00\x04name\x05value").slice(..);
    let copy = Bytes::copy_from_slice(&block);
    let within = |value: &HeaderValue| copy.as_ptr_range().contains(&value.as_bytes().as_ptr());
    let mut shares = Vec::new();
    let each = |field, _| match field {
        Field::Plain(_, value) => shares.push(within(&value)),
        other => panic!("{other:?}"),
    };
    decoder.decode(copy.clone(), each).unwrap();
    assert_eq!(shares, [false, true]);
}

#[test]
fn a_large_entry_named_often_is_handed_over_each_time_and_never_copied() {
    let mut decoder = Decoder::new(4096);
    let large = [&b"\x40\x01n\x7F\xA1\x1E"[..], &[b'v'; 4000]].concat();
    assert_eq!(decode(&mut decoder, large).unwrap()[0].1, 4033);
    let (mut count, mut total, mut at) = (0, 0, None);
    let each = |field, size| {
        let Field::Plain(_, value) = field else { panic!("{field:?}") };
        assert_eq!(*at.get_or_insert(value.as_bytes().as_ptr()), value.as_bytes().as_ptr());
        count += 1;
        total += size;
    };
    decoder.decode(Bytes::from(vec![0xBE; 16_000]), each).unwrap();
    assert_eq!((count, total), (16_000, 16_000 * 4033));
}

#[test]
fn a_large_string_leaves_no_large_buffer_behind() {
    let mut decoder = Decoder::new(4096);
    let code = huffman(&[b'0'; 8000]);
    let block = [&b"\x00\x01n"[..], &[0xFF, 0x89, 0x26], &code].concat();
    assert_eq!(code.len(), 127 + 0x09 + (0x26 << 7));
    assert_eq!(decode(&mut decoder, block).unwrap()[0].1, 8033);
    assert_eq!(decoder.scratch.capacity(), 0);
    decode(&mut decoder, hex("4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf")).unwrap();
    assert_ne!(decoder.scratch.capacity(), 0);
}

// ---------------------------------------------------------------- any bytes

/// Blocks that are mostly right, so that they get somewhere.
fn any_block() -> impl Strategy<Value = Vec<u8>> {
    let string = prop_oneof![
        "[a-z]{0,40}".prop_map(|text| [&[text.len() as u8], text.as_bytes()].concat()),
        vec(any::<u8>(), 0..20).prop_map(|text| [vec![text.len() as u8], text].concat()),
        "[a-zA-Z0-9=; ]{0,40}".prop_map(|text| {
            let code = huffman(text.as_bytes());
            [vec![0x80 | code.len() as u8], code].concat()
        }),
    ];
    let literal = (prop_oneof![Just(0x00), Just(0x10), Just(0x40)], string.clone(), string.clone())
        .prop_map(|(prefix, name, value)| [vec![prefix], name, value].concat());
    let named = (0x41..0x7F_u8, string).prop_map(|(first, value)| [vec![first], value].concat());
    let part = prop_oneof![
        4 => literal,
        4 => named,
        4 => (0x81..0xC8_u8).prop_map(|indexed| vec![indexed]),
        1 => (0x20..0x3F_u8).prop_map(|update| vec![update]),
        1 => any::<[u8; 2]>().prop_map(|two| two.to_vec()),
    ];
    vec(part, 0..20).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, rng_seed: RngSeed::Fixed(4), ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_fields_or_an_error_and_the_table_stays_in_its_bounds(
        blocks in vec(prop_oneof![vec(any::<u8>(), 0..200), any_block()], 1..8),
        max in prop_oneof![Just(4096_usize), 0..300_usize],
    ) {
        let mut decoder = Decoder::new(max);
        for block in blocks {
            let mut count = 0;
            let read = decoder.decode(Bytes::from(block.clone()), |_, size| {
                assert!(size >= 32);
                count += 1;
            });
            prop_assert!(count <= block.len());
            prop_assert!(decoder.table.size() <= max);
            if read.is_err() {
                break;
            }
        }
    }

    #[test]
    fn texts_are_the_same_however_they_are_coded(
        texts in vec(("[a-z0-9-]{1,60}", "[!-~]{0,90}"), 0..8),
        coded in any::<bool>(),
        prefix in prop_oneof![Just(0x00), Just(0x10), Just(0x40)],
    ) {
        let mut block = BytesMut::new();
        for (name, value) in &texts {
            block.put_u8(prefix);
            for text in [name, value] {
                let code = if coded { huffman(text.as_bytes()) } else { text.as_bytes().to_vec() };
                super::super::encode::number(&mut block, if coded { 0x80 } else { 0 }, 0x7F, code.len());
                block.put_slice(&code);
            }
        }
        let wanted: Vec<_> = texts
            .iter()
            .map(|(name, value)| (parsed(&format!("{name}: {value}")), name.len() + value.len() + 32))
            .collect();
        prop_assert_eq!(decode(&mut Decoder::new(4096), &block), Ok(wanted));
    }
}
