//! What is true of the client's side of HTTP/2, whatever a backend says: every request comes to its end, no stream is left, and what
//! we say is frames.

use std::future::poll_fn;
use std::time::Duration;

use bytes::Bytes;
use evenkeel::io::{Socket, Stream};
use evenkeel::protocol::h2::client::{Client, Limits, Request, RequestHead};
use evenkeel::timer::Timers;
use http::{HeaderMap, HeaderValue, Method};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::runtime::{Builder, LocalOptions};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const GOAWAY: u8 = 7;
/// The code of GOAWAY that would be our own failure.
const INTERNAL_ERROR: [u8; 4] = [0, 0, 0, 2];

/// Lets a backend say these bytes to three requests and end.
pub fn hear(said: &[u8]) {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default()).unwrap();
    runtime.block_on(async {
        let limit = Duration::from_secs(20);
        tokio::time::timeout(limit, heard(said.to_vec())).await.expect("something hangs");
    });
}

async fn heard(said: Vec<u8>) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let limits = Limits { bytes: 16 * 1024, fields: 100 };
    let (client, connection) = Client::start(Stream::Plain(Socket::Unix(ours)), limits, &Timers::new());
    tokio::task::spawn_local(connection);
    let requests: Vec<Request> = (0..3).filter_map(|i| ask(&client, i == 0)).collect();
    requests[1].data(Bytes::from_static(b"some of its body"), false);
    let (mut reading, mut writing) = theirs.into_split();
    let saying = tokio::task::spawn_local(async move {
        // who has heard enough stops reading
        let _ = writing.write_all(&said).await;
        let _ = writing.shutdown().await;
    });
    let listening = tokio::task::spawn_local(async move {
        let mut heard = Vec::new();
        let _ = reading.read_to_end(&mut heard).await;
        heard
    });
    for request in &requests {
        end(request).await;
    }
    drop(requests);
    saying.await.unwrap();
    frames(&listening.await.unwrap());
    assert_eq!(client.taken(), 0);
    assert!(client.is_closed());
}

fn ask(client: &Client, end: bool) -> Option<Request> {
    let head = RequestHead {
        method: if end { &Method::GET } else { &Method::POST },
        is_tls: false,
        authority: &HeaderValue::from_static("a"),
        path: "/",
        protocol: None,
        headers: &HeaderMap::new(),
        traceparent: None,
        more: None,
        length: None,
        te_trailers: false,
        expect_continue: false,
    };
    client.reserve().send(&head, end)
}

/// Reads an answer to whatever end it has.
async fn end(request: &Request) {
    loop {
        match poll_fn(|cx| request.poll_head(cx)).await {
            Ok(head) if head.status.is_informational() => {}
            Ok(_) => break,
            Err(_) => return,
        }
    }
    while let Some(Ok(_)) = poll_fn(|cx| request.poll_part(cx)).await {}
}

/// What we said is frames behind a preface, the last perhaps cut off, and no failure of our own.
fn frames(heard: &[u8]) {
    let Some(mut rest) = heard.strip_prefix(PREFACE) else {
        assert!(PREFACE.starts_with(heard));
        return;
    };
    while let [a, b, c, kind, _, stream @ ..] = rest {
        let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        assert!(*kind <= 9 && length <= 16_384, "a frame of type {kind} and {length} bytes");
        let Some(payload) = stream.get(4..4 + length) else { return };
        assert!(*kind != GOAWAY || payload[4..8] != INTERNAL_ERROR);
        rest = &stream[4 + length..];
    }
}
