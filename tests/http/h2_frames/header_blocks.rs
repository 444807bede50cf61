//! Header blocks: their pieces, their padding, their compression (RFC 9113, sections 4.3, 6.2 and 6.10; RFC 7541).

use super::connection::{Connection as Client, Outcome};
use super::frame::{
    COMPRESSION_ERROR, CONTINUATION, END_HEADERS, END_STREAM, FRAME_SIZE, FRAME_SIZE_ERROR, HEADERS, PADDED, PING,
    PRIORITIZED, PRIORITY, PROTOCOL_ERROR, SETTINGS, data, fields, frame, get, post, reset, window_update,
};
use super::hpack::{self, NEWEST, huffman, indexed, insert, integer, literal, size_update};
use super::rows::Expect::{Connection, Served};
use super::rows::{Row, assert_still_serves, check};
use crate::support::{Origin, Proxy, config};

const WHOLE: u8 = END_HEADERS | END_STREAM;

fn good() -> Vec<u8> {
    hpack::block(&fields("GET", "/good"))
}

fn bad() -> Vec<u8> {
    hpack::block(&fields("GET", "/bad"))
}

#[test]
fn a_block_may_come_in_pieces() {
    let block = good();
    let pieces = |at: &[usize]| {
        let mut frames = frame(HEADERS, END_STREAM, 1, &block[..at[0]]);
        for (i, from) in at.iter().enumerate() {
            let (to, flags) = at.get(i + 1).map_or((block.len(), END_HEADERS), |to| (*to, 0));
            frames.extend(frame(CONTINUATION, flags, 1, &block[*from..to]));
        }
        frames
    };
    check(vec![
        Row("two", pieces(&[10]), Served(1)),
        Row("four, within fields", pieces(&[1, 2, 17]), Served(1)),
        Row("an empty HEADERS first", pieces(&[0]), Served(1)),
        Row("an empty CONTINUATION last", pieces(&[block.len()]), Served(1)),
    ]);
}

#[test]
fn nothing_may_come_between_the_pieces_of_a_block() {
    let block = bad();
    let end = frame(CONTINUATION, END_HEADERS, 1, &block[10..]);
    let between = |between: Vec<u8>| [frame(HEADERS, END_STREAM, 1, &block[..10]), between, end.clone()].concat();
    let error = Connection(PROTOCOL_ERROR);
    check(vec![
        Row("DATA", between(data(1, 0, "x")), error),
        Row("HEADERS of the same stream", between(frame(HEADERS, WHOLE, 1, &block)), error),
        Row("HEADERS of another stream", between(get(3, "/bad")), error),
        Row("PRIORITY", between(frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 15])), error),
        Row("RST_STREAM", between(reset(1, 8)), error),
        Row("SETTINGS", between(frame(SETTINGS, 0, 0, &[])), error),
        Row("PING", between(frame(PING, 0, 0, b"12345678")), error),
        Row("WINDOW_UPDATE", between(window_update(0, 1)), error),
        Row("an unknown frame", between(frame(0x16, 0, 1, b"x")), error),
        Row("CONTINUATION of another stream", between(frame(CONTINUATION, END_HEADERS, 3, &block[10..])), error),
        Row("CONTINUATION on its own", frame(CONTINUATION, END_HEADERS, 1, &block), error),
        Row("CONTINUATION after a whole block", [get(1, "/good"), end.clone()].concat(), error),
        Row("CONTINUATION after DATA", [post(1, "/bad"), data(1, 0, "x"), end.clone()].concat(), error),
        Row("CONTINUATION after the last CONTINUATION", between(end.clone()), error),
    ]);
}

#[test]
fn headers_may_be_padded_and_padding_has_to_fit() {
    let padded = |flags: u8, before: &[u8], block: &[u8], after: &[u8]| {
        frame(HEADERS, WHOLE | PADDED | flags, 1, &[before, block, after].concat())
    };
    let error = Connection(PROTOCOL_ERROR);
    check(vec![
        Row("no padding", padded(0, &[0], &good(), &[]), Served(1)),
        Row("some padding", padded(0, &[4], &good(), &[0; 4]), Served(1)),
        Row("the most padding", padded(0, &[255], &good(), &[0; 255]), Served(1)),
        Row("padding and priority", padded(PRIORITIZED, &[4, 0, 0, 0, 0, 9], &good(), &[0; 4]), Served(1)),
        Row("padding as long as the frame", padded(0, &[5], &[], &[0; 4]), error),
        Row("padding longer than the frame", padded(0, &[255], &bad(), &[]), error),
        Row(
            "padding where the priority should be",
            padded(PRIORITIZED, &[4], &[], &[0; 5]),
            Connection(FRAME_SIZE_ERROR),
        ),
        Row("no room for the length of the padding", padded(0, &[], &[], &[]), Connection(FRAME_SIZE_ERROR)),
    ]);
}

#[test]
fn a_block_that_cannot_be_decoded_ends_the_connection() {
    let error = Connection(COMPRESSION_ERROR);
    let row = |name, more: &[u8]| Row(name, frame(HEADERS, WHOLE, 1, &[&bad(), more].concat()), error);
    let huffman = |bytes: &[u8]| [&[0, 1, b'x', 0x80 | u8::try_from(bytes.len()).unwrap()], bytes].concat();
    check(vec![
        row("field 0", &[0x80]),
        row("a field beyond the tables", &indexed(NEWEST)),
        row("a name beyond the tables", &[&integer(0x40, 6, NEWEST)[..], &[1, b'x']].concat()),
        row("a field far beyond the tables", &indexed(1 << 40)),
        row("an integer without an end", &[0xff; 20]),
        row("an integer that the block ends in", &[0xff, 0x80]),
        row("a name that the block ends in", &[0, 5, b'x']),
        row("a value that the block ends in", &[0, 1, b'x', 5, b'y']),
        row("no value", &[0, 1, b'x']),
        row("a string of 2^40", &[&[0, 1, b'x'][..], &integer(0, 7, 1 << 40)].concat()),
        row("Huffman padding of a whole byte", &huffman(&[0x1f, 0xff])),
        row("Huffman padding of zeros", &huffman(&[0x18])),
        row("Huffman's end of string", &huffman(&[0xff, 0xff, 0xff, 0xff])),
        row("a table size update behind a field", &size_update(0)),
        Row(
            "a table size update above the setting",
            frame(HEADERS, WHOLE, 1, &[size_update(4097), bad()].concat()),
            error,
        ),
        Row("trailers that can't be decoded", [post(1, "/bad"), frame(HEADERS, WHOLE, 1, &[0x80])].concat(), error),
    ]);
}

#[test]
fn every_way_to_write_a_field_is_understood() {
    let plain = fields("GET", "/good");
    let rest = hpack::block(&plain[2..]);
    let start = hpack::block(&plain[..2]);
    let inserted: Vec<u8> = plain.iter().flat_map(|(name, value)| insert(name, value)).collect();
    let never = |name: &str, value: &str| [vec![0x10], literal(name, value)[1..].to_vec()].concat();
    let coded = [&[0][..], &huffman(":path"), &huffman("/good")].concat();
    let row = |name, block: Vec<u8>| Row(name, frame(HEADERS, WHOLE, 1, &block), Served(1));
    check(vec![
        row("from the static table", [indexed(2), indexed(6), rest.clone()].concat()),
        row(
            "with names from the static table",
            [&indexed(2)[..], &indexed(6), &[4, 2, b'/', b'y', 1, 1, b'a']].concat(),
        ),
        row("into the dynamic table", inserted),
        row("never to be indexed", [start.clone(), rest.clone(), never("x-secret", "y")].concat()),
        row("in Huffman's code", [start.clone(), coded, hpack::block(&plain[3..])].concat()),
        row("with an empty value", [start.clone(), rest.clone(), literal("x-empty", "")].concat()),
        row("after a table of nothing", [size_update(0), start.clone(), rest.clone()].concat()),
        row("after two sizes of the table", [size_update(0), size_update(4096), start, rest].concat()),
    ]);
}

#[test]
fn fields_that_were_put_into_the_table_are_there_in_the_next_request() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let mut client = Client::open(&proxy);
    client.send(frame(HEADERS, WHOLE, 1, &[good(), insert("x-kept", "first"), insert("x-kept", "second")].concat()));
    client.send(frame(HEADERS, WHOLE, 3, &[good(), indexed(NEWEST), indexed(NEWEST + 1)].concat()));
    // room for one field of them
    client.send(frame(HEADERS, WHOLE, 5, &[size_update(50), good(), indexed(NEWEST)].concat()));
    for stream in [1, 3, 5] {
        assert_eq!(client.answer(stream).status, 200);
    }
    client.send(frame(HEADERS, WHOLE, 7, &[good(), indexed(NEWEST + 1)].concat()));
    assert!(matches!(client.outcome(7), Outcome::ConnectionEnded(_)), "the field should be gone");
    let mut kept: Vec<_> = origin.requests().iter().map(|request| request.head.all("x-kept").join(" ")).collect();
    kept.sort();
    assert_eq!(kept, ["first second", "second", "second first"]);
}

#[test]
fn a_request_that_is_refused_does_not_put_the_table_out_of_step() {
    let kept = insert("x-kept", "yes");
    let long = "v".repeat(4000);
    let oversized: Vec<u8> = (0..3).flat_map(|_| literal("x-long", &long)).collect();
    let many: Vec<u8> = (0..150).flat_map(|_| literal("x", "y")).collect();
    let too_large = [&bad(), &kept[..], &oversized].concat();
    let (head, tail) = too_large.split_at(9000);
    let two_frames = [frame(HEADERS, END_STREAM, 1, head), frame(CONTINUATION, END_HEADERS, 1, tail)].concat();
    let whole = |pieces: &[&[u8]]| frame(HEADERS, WHOLE, 1, &pieces.concat());
    let upper = literal("X-Upper", "y");
    let rows = [
        ("a malformed field first", whole(&[&bad(), &upper, &kept])),
        ("a malformed field last", whole(&[&bad(), &kept, &upper])),
        ("no path", whole(&[&indexed(2), &kept])),
        ("too many bytes", whole(&[&bad(), &kept, &oversized])),
        ("too many bytes in two frames", two_frames),
        ("too many fields", whole(&[&bad(), &kept, &many])),
        ("a second head after the end", [get(1, "/hold"), whole(&[&bad(), &kept])].concat()),
        ("a head on a stream that was reset", [get(1, "/hold"), reset(1, 8), whole(&[&bad(), &kept])].concat()),
    ];
    let origin = super::backend();
    let proxy = Proxy::start(&config("[listener.limits]\nmax_header_bytes = \"8KiB\"", "", &[&origin]));
    for (name, bytes) in rows {
        let mut client = Client::open(&proxy);
        client.send(bytes);
        client.send(frame(HEADERS, WHOLE, 5, &[good(), indexed(NEWEST)].concat()));
        match client.outcome(5) {
            Outcome::Answered(200) => {
                let request = origin.requests().pop().unwrap();
                assert_eq!((request.target(), request.field("x-kept")), ("/good", Some("yes")), "{name}");
            }
            Outcome::ConnectionEnded(code) => assert_ne!(code, Some(COMPRESSION_ERROR), "{name}"),
            other => panic!("{name}: {other:?}"),
        }
    }
    assert_still_serves(&proxy);
    assert!(origin.targets().iter().all(|target| target != "/bad"));
}

#[test]
fn a_block_above_the_limit_is_431_however_many_frames_it_takes() {
    let origin = super::backend();
    let proxy = Proxy::to(&origin);
    let long = "v".repeat(4000);
    for fields in [17, 30] {
        let block = [bad(), (0..fields).flat_map(|_| literal("x-long", &long)).collect()].concat();
        let mut client = Client::open(&proxy);
        let mut pieces = block.chunks(FRAME_SIZE).peekable();
        let mut kind = HEADERS;
        while let Some(piece) = pieces.next() {
            let last = if pieces.peek().is_none() { END_HEADERS } else { 0 };
            client.send(frame(kind, last | if kind == HEADERS { END_STREAM } else { 0 }, 1, piece));
            kind = CONTINUATION;
        }
        match client.outcome(1) {
            Outcome::Answered(status) => assert_eq!(status, 431),
            Outcome::Reset(_) | Outcome::ConnectionEnded(_) => {}
        }
    }
    assert_still_serves(&proxy);
    assert_eq!(origin.targets(), ["/after"]);
}
