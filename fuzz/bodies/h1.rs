//! What holds for any bytes that an HTTP/1 connection may bring, from either side: no panic, the same meaning however they are cut,
//! and nothing in it that could be read in another way when it is written again.
//!
//! The fuzz targets run these on what the fuzzer finds, `tests/http/parsers.rs` on what is made up.

use bytes::{Bytes, BytesMut};
use evenkeel::error::{Error, Kind};
use evenkeel::protocol::h1::decode::{Decoded, Decoder};
use evenkeel::protocol::h1::framing;
use evenkeel::protocol::h1::head::{self, RequestHead, ResponseHead, Scan};
use evenkeel::protocol::http::length::{Length, MAX_LENGTH};
use evenkeel::protocol::http::target::MAX_METHOD;
use evenkeel::protocol::http::{HeadLimits, Leniency};
use http::{HeaderMap, Method};

fn limits(bare_lf: bool) -> HeadLimits {
    HeadLimits { bytes: 4096, fields: 32, leniency: Leniency { encoded_controls: false, bare_lf } }
}

/// Gives `bytes` to a parser in two pieces; what it makes of them, and what it leaves.
fn cut<T>(
    bytes: &[u8],
    at: usize,
    mut parse: impl FnMut(&mut BytesMut, &mut Scan) -> Result<Option<T>, Error>,
) -> (Result<Option<T>, Error>, BytesMut) {
    let (first, second) = bytes.split_at(at.min(bytes.len()));
    let (mut buf, mut scan) = (BytesMut::from(first), Scan::default());
    let mut made = parse(&mut buf, &mut scan);
    buf.extend_from_slice(second);
    if matches!(made, Ok(None)) {
        made = parse(&mut buf, &mut scan);
    }
    (made, buf)
}

/// The head of a request, cut at some place.
pub fn request(bytes: &[u8], at: usize) {
    let parse = |buf: &mut BytesMut, scan: &mut Scan| head::request(buf, scan, limits(false));
    let ((whole, left), (parts, left_of_parts)) = (cut(bytes, bytes.len(), parse), cut(bytes, at, parse));
    match (whole, parts) {
        (Ok(Some(whole)), Ok(Some(parts))) => {
            assert_eq!((&left, written(&whole)), (&left_of_parts, written(&parts)));
            check_request(&whole);
        }
        (Ok(None), Ok(None)) => assert_eq!(left, left_of_parts),
        // what is wrong may be seen before it is whole, and have another name then
        (Err(_), Err(_)) => {}
        (whole, parts) => panic!("{whole:?} as a whole, {parts:?} in parts"),
    }
}

fn written(head: &RequestHead) -> String {
    format!("{head:?}")
}

fn check_request(head: &RequestHead) {
    let request = &head.request;
    let target = request.uri.path_and_query().map_or("/", |target| target.as_str());
    assert!(target.bytes().all(|b| b > b' ' && b < 0x7f && b != b'"'), "{target:?}");
    let path = request.uri.path();
    assert!(!path.contains('\\') && path.starts_with(['/', '*']), "{path:?}");
    let lower = path.to_ascii_lowercase();
    assert!(!["%00", "%0a", "%0d"].iter().any(|control| lower.contains(control)), "{path:?}");
    assert!(request.host.as_ref().is_none_or(|host| !host.is_empty()));
    assert!(request.method.as_str().len() <= MAX_METHOD);
    if let Length::Fixed(length) = request.length {
        assert!(length <= MAX_LENGTH);
    }
    check_fields(&request.headers);
}

fn check_fields(fields: &HeaderMap) {
    for (name, value) in fields {
        let spelled = name.as_str().replace('_', "-");
        assert!(
            !["content-length", "transfer-encoding", "connection", "upgrade"].contains(&spelled.as_str()),
            "{name}"
        );
        let fits = |&b: &u8| b == b'\t' || (b >= b' ' && b != 0x7f);
        assert!(value.as_bytes().iter().all(fits), "{value:?}");
    }
}

/// The head of an answer, cut at some place; `bare_lf` = lines may end in LF alone.
pub fn answer(bytes: &[u8], at: usize, bare_lf: bool) {
    let parse = |buf: &mut BytesMut, scan: &mut Scan| head::response(buf, scan, limits(bare_lf));
    let ((whole, left), (parts, left_of_parts)) = (cut(bytes, bytes.len(), parse), cut(bytes, at, parse));
    match (whole, parts) {
        (Ok(Some(whole)), Ok(Some(parts))) => {
            assert_eq!((&left, format!("{whole:?}")), (&left_of_parts, format!("{parts:?}")));
            check_answer(&whole);
        }
        (Ok(None), Ok(None)) | (Err(_), Err(_)) => {}
        (whole, parts) => panic!("{whole:?} as a whole, {parts:?} in parts"),
    }
}

fn check_answer(head: &ResponseHead) {
    check_fields(&head.headers);
    if let Ok(Length::Fixed(length)) = framing::response(&head.fields, &Method::GET, head.status, head.version) {
        assert!(length <= MAX_LENGTH);
    }
}

/// What a body came to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Read {
    data: Vec<u8>,
    trailers: HeaderMap,
    /// How many bytes came behind its end.
    behind: Option<usize>,
    broken: bool,
}

/// A chunked body in pieces of this length.
pub fn chunks(bytes: &[u8], piece: usize) {
    let whole = read(bytes, bytes.len());
    assert_eq!(read(bytes, piece), whole);
    check_fields(&whole.trailers);
    assert!(whole.data.len() <= bytes.len());
    if let Some(behind) = whole.behind {
        let body = &bytes[..bytes.len() - behind];
        // written again in one chunk it is the same body
        let mut again = format!("{:x}\r\n", whole.data.len()).into_bytes();
        if !whole.data.is_empty() {
            again = [&again[..], &whole.data, b"\r\n0\r\n"].concat();
        }
        again.extend_from_slice(b"\r\n");
        assert_eq!(read(&again, again.len()).data, whole.data);
        assert!(body.ends_with(b"\r\n"));
    }
}

fn read(bytes: &[u8], piece: usize) -> Read {
    let mut decoder = Decoder::new(Length::Chunked, Kind::MalformedRequest);
    let (mut read, mut buf) = (Read::default(), BytesMut::new());
    for piece in bytes.chunks(piece.max(1)) {
        buf.extend_from_slice(piece);
        while read.behind.is_none() && !read.broken {
            match decoder.decode(&mut buf) {
                Ok(Decoded::Data(data)) => take(&mut read.data, &data),
                Ok(Decoded::Trailers(trailers)) => read.trailers = trailers,
                Ok(Decoded::End) => read.behind = Some(0),
                Ok(Decoded::Starved) => break,
                Err(_) => read.broken = true,
            }
        }
    }
    if let Some(behind) = &mut read.behind {
        *behind = buf.len();
    }
    read
}

fn take(all: &mut Vec<u8>, data: &Bytes) {
    assert!(!data.is_empty());
    all.extend_from_slice(data);
}
