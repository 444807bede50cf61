//! Whole connections, with clients that send anything at all.

use std::io;
use std::time::Duration;

use bytes::BufMut;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::runtime::{Builder, LocalOptions};

use super::*;
use crate::io::Socket;
use crate::protocol::h2::frame::{self, Head, Reason, flag, head_bytes, kind};
use crate::protocol::http::testing::{Echo, setup};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// `GET / http://a`: three fields of the static table and a literal.
const GET: &[u8] = b"\x82\x86\x84\x01\x01a";
const POST: &[u8] = b"\x83\x86\x84\x01\x01a";

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    [&head_bytes(payload.len(), kind, flags, stream)[..], payload].concat()
}

/// The bytes that a server sends to a client which sends these bytes and then ends its side.
fn answered(bytes: Vec<u8>) -> io::Result<Vec<u8>> {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    runtime.block_on(async move {
        let (client, server) = UnixStream::pair()?;
        let setup = Rc::new(setup());
        tokio::task::spawn_local(setup.timers.clone().run());
        let serving = tokio::task::spawn_local(async move {
            serve(Stream::Plain(Socket::Unix(server)), BytesMut::new(), Rc::new(Echo), setup).await;
        });
        let (mut reading, mut writing) = client.into_split();
        tokio::task::spawn_local(async move {
            // an error means that the server has stopped reading
            let _ = writing.write_all(&bytes).await;
            // gives responses that are under way time to be written
            tokio::time::sleep(Duration::from_millis(1)).await;
        });
        let mut said = Vec::new();
        let limit = Duration::from_secs(20);
        let end = tokio::time::timeout(limit, reading.read_to_end(&mut said)).await;
        end.map_err(|_| io::Error::other("it never ended"))?.or_else(|error| match error.kind() {
            io::ErrorKind::ConnectionReset => Ok(0),
            _ => Err(error),
        })?;
        tokio::time::timeout(limit, serving).await.map_err(|_| io::Error::other("it is served for ever"))??;
        Ok(said)
    })
}

/// The frames in the bytes that a server has sent: type, stream, payload.
fn frames(mut said: &[u8]) -> Vec<(u8, u32, Vec<u8>)> {
    let mut frames = Vec::new();
    while let Some(head) = Head::parse(said) {
        let Some(payload) = said.get(frame::HEAD..frame::HEAD + head.length) else { break };
        frames.push((head.kind, head.stream, payload.to_vec()));
        said = &said[frame::HEAD + head.length..];
    }
    frames
}

#[derive(Debug, Clone)]
enum Piece {
    Frame(u8, u8, u32, Vec<u8>),
    Request(u32, bool),
    Data(u32, usize, bool),
    Widen(u32, u32),
    Bytes(Vec<u8>),
}

fn piece() -> impl Strategy<Value = Piece> {
    let stream = || 0..14u32;
    let bytes = |most| proptest::collection::vec(any::<u8>(), 0..most);
    prop_oneof![
        3 => (0..11u8, any::<u8>(), stream(), bytes(40)).prop_map(|(k, f, s, p)| Piece::Frame(k, f, s, p)),
        8 => (stream(), any::<bool>()).prop_map(|(s, end)| Piece::Request(s | 1, end)),
        6 => (stream(), 0..20_000usize, any::<bool>()).prop_map(|(s, n, end)| Piece::Data(s | 1, n.min(16_384), end)),
        2 => (stream(), 0..100_000u32).prop_map(|(s, by)| Piece::Widen(s, by)),
        1 => bytes(20).prop_map(Piece::Bytes),
    ]
}

fn bytes_of(piece: Piece) -> Vec<u8> {
    match piece {
        Piece::Frame(kind, flags, stream, payload) => frame(kind, flags, stream, &payload),
        Piece::Request(stream, true) => frame(kind::HEADERS, flag::END_HEADERS | flag::END_STREAM, stream, GET),
        Piece::Request(stream, false) => frame(kind::HEADERS, flag::END_HEADERS, stream, POST),
        Piece::Data(stream, length, end) => {
            frame(kind::DATA, if end { flag::END_STREAM } else { 0 }, stream, &vec![7; length])
        }
        Piece::Widen(stream, by) => frame(kind::WINDOW_UPDATE, 0, stream, &by.to_be_bytes()),
        Piece::Bytes(bytes) => bytes,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::with_cases(300) })]

    /// Whatever a client sends, the connection ends, nothing panics, and the frames that we send are well-formed.
    #[test]
    fn nothing_that_a_client_says_breaks_its_connection_otherwise_than_in_order(
        pieces in proptest::collection::vec(piece(), 0..40)
    ) {
        let mut bytes = [PREFACE, &frame(kind::SETTINGS, 0, 0, &[])].concat();
        bytes.extend(pieces.into_iter().flat_map(bytes_of));
        let said = answered(bytes).map_err(|error| TestCaseError::fail(error.to_string()))?;
        let frames = frames(&said);
        prop_assert_eq!(frames.first().map(|(kind, stream, _)| (*kind, *stream)), Some((kind::SETTINGS, 0)));
        // the last stream that our last GOAWAY leaves to be finished; a GOAWAY with an error leaves none
        let mut left = u32::MAX;
        for (kind, stream, payload) in &frames {
            let (reason, last) = match *kind {
                kind::RST_STREAM => (&payload[..4], left),
                kind::GOAWAY => (&payload[4..8], u32::from_be_bytes(payload[..4].try_into().unwrap())),
                _ => continue,
            };
            prop_assert_ne!(reason, (Reason::Internal as u32).to_be_bytes());
            prop_assert!(*stream <= left, "a stream is reset behind the last word");
            left = if *kind == kind::GOAWAY && reason != [0; 4] { 0 } else { left.min(last) };
        }
    }
}

#[test]
fn bodies_come_back_whole_through_small_windows_in_both_directions() {
    let mut bytes = PREFACE.to_vec();
    // windows of 1,000 bytes, which the client never widens by more than that
    let mut settings = Vec::new();
    settings.put_u16(4);
    settings.put_u32(1000);
    bytes.extend(frame(kind::SETTINGS, 0, 0, &settings));
    for stream in [1, 3] {
        bytes.extend(frame(kind::HEADERS, flag::END_HEADERS, stream, POST));
        bytes.extend(frame(kind::DATA, flag::END_STREAM, stream, &vec![stream as u8; 5000]));
        for _ in 0..4 {
            bytes.extend(frame(kind::WINDOW_UPDATE, 0, stream, &1000u32.to_be_bytes()));
        }
    }
    let said = frames(&answered(bytes).unwrap());
    for stream in [1u32, 3] {
        let body: Vec<u8> =
            said.iter().filter(|f| f.0 == kind::DATA && f.1 == stream).flat_map(|f| f.2.clone()).collect();
        assert_eq!(body, vec![stream as u8; 5000]);
    }
}
