//! The examples of RFC 7541, appendix C: what reads the proxy's answers has to be right itself.

use super::{Decoder, huffman, integer, size_update};

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u32> = hex.chars().filter_map(|c| c.to_digit(16)).collect();
    digits.chunks(2).map(|pair| u8::try_from(pair[0] << 4 | pair[1]).unwrap()).collect()
}

#[test]
fn integers_and_strings_are_written_as_in_the_rfc() {
    assert_eq!(integer(0, 5, 10), [0x0a]);
    assert_eq!(integer(0, 5, 1337), [0x1f, 0x9a, 0x0a]);
    assert_eq!(integer(0, 8, 42), [0x2a]);
    assert_eq!(huffman("www.example.com"), bytes("8c f1e3 c2e5 f23a 6ba0 ab90 f4ff"));
    assert_eq!(huffman("no-cache"), bytes("86 a8eb 1064 9cbf"));
    assert_eq!(huffman("custom-value"), bytes("89 25a8 49e9 5bb8 e8b4 bf"));
}

#[test]
fn blocks_are_read_as_in_the_rfc() {
    let date = "Mon, 21 Oct 2013 20:13:21 GMT";
    let later = "Mon, 21 Oct 2013 20:13:22 GMT";
    let site = ("location", "https://www.example.com");
    let cookie = ("set-cookie", "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1");
    let first = "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad \
                 1718 63c7 8f0b 97c8 e9ae 82ae 43d3";
    let third = "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 \
                 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07";
    let private = ("cache-control", "private");
    let rows = [
        ([size_update(256), bytes(first)].concat(), vec![(":status", "302"), private, ("date", date), site]),
        (bytes("4883 640e ffc1 c0bf"), vec![(":status", "307"), private, ("date", date), site]),
        (bytes(third), vec![(":status", "200"), private, ("date", later), site, ("content-encoding", "gzip"), cookie]),
    ];
    let mut decoder = Decoder::default();
    for (block, fields) in rows {
        let read = decoder.decode(&block);
        let read: Vec<_> = read.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(read, fields);
    }
    assert_eq!((decoder.table.len(), decoder.weight()), (3, 215));
}

#[test]
#[should_panic(expected = "does not begin with that")]
fn a_table_that_is_reduced_in_silence_is_noticed() {
    let mut decoder = Decoder::default();
    decoder.decode(&bytes("4882 6402"));
    decoder.set_limit(0);
    decoder.set_limit(4096);
    decoder.decode(&bytes("88"));
}
