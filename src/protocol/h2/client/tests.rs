//! Whole connections, from both ends.

mod exchange;
mod model;

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use bytes::BytesMut;
use http::{HeaderValue, Method};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::runtime::{Builder, LocalOptions};

use super::*;
use crate::io::Socket;
use crate::protocol::h2::PREFACE;
use crate::protocol::h2::frame::{self, Frame, flag, head_bytes, kind};

const LIMITS: Limits = Limits { bytes: 64 * 1024, fields: 100 };
/// `:status: 200`, from the static table.
const OK: &[u8] = b"\x88";

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    [&head_bytes(payload.len(), kind, flags, stream)[..], payload].concat()
}

/// Runs a test on the same kind of runtime as a worker's, and fails when it does not end.
fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default()).unwrap();
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(20), test).await.expect("something hangs") })
}

/// A request with no fields.
fn ask(client: &Client, end: bool) -> Option<Request> {
    let (method, headers) = (if end { Method::GET } else { Method::POST }, HeaderMap::new());
    let head = RequestHead {
        method: &method,
        is_tls: false,
        authority: &HeaderValue::from_static("a"),
        path: "/",
        protocol: None,
        headers: &headers,
        more: None,
        traceparent: None,
        length: None,
        te_trailers: false,
        expect_continue: false,
    };
    client.reserve().send(&head, end)
}

/// A connection with both of its ends. The timers don't advance.
struct Both {
    client: Client,
    peer: UnixStream,
    /// Bytes that the backend has read, but not parsed yet.
    read: BytesMut,
}

impl Both {
    fn new() -> Self {
        Self::by(&Timers::new())
    }

    fn by(timers: &Timers) -> Self {
        let (ours, peer) = UnixStream::pair().unwrap();
        let (client, connection) = Client::start(Io::Plain(Socket::Unix(ours)), LIMITS, timers);
        tokio::task::spawn_local(connection);
        Self { client, peer, read: BytesMut::new() }
    }

    fn ask(&self, end: bool) -> Option<Request> {
        ask(&self.client, end)
    }

    /// The backend sends these bytes.
    async fn backend_sends(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.peer.write_all(bytes.as_ref()).await.is_ok()
    }

    /// The next frame that the backend receives; `None` at the end.
    async fn next(&mut self) -> Option<Frame> {
        loop {
            if self.read.starts_with(PREFACE) {
                let _ = self.read.split_to(PREFACE.len());
            }
            if self.read.len() >= PREFACE.len() || self.read.first() != Some(&b'P') {
                match frame::next(&mut self.read) {
                    frame::Next::Frame(frame) => return Some(frame.expect("a frame that can't be")),
                    frame::Next::Missing(_) => {}
                }
            }
            let read = self.peer.read_buf(&mut self.read).await;
            if !read.is_ok_and(|read| read > 0) {
                return None;
            }
        }
    }

    /// The frames that the backend receives until we have handled everything that it has sent.
    async fn settle(&mut self) -> Vec<Frame> {
        let mut frames = Vec::new();
        // the answer to the second PING comes after everything that was sent because of the first
        for _ in 0..2 {
            self.backend_sends(frame(kind::PING, 0, 0, b"settled?")).await;
            while let Some(frame) = self.next().await {
                if frame == Frame::Pong(*b"settled?") {
                    break;
                }
                frames.push(frame);
            }
        }
        frames
    }
}

/// The value that `poll` has ready at once, if any.
async fn now<T>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Option<T> {
    poll_fn(|cx| {
        Poll::Ready(match poll(cx) {
            Poll::Ready(value) => Some(value),
            Poll::Pending => None,
        })
    })
    .await
}

/// Lets the runtime find out which sockets are readable, without anybody reading.
async fn look_at_sockets() {
    let (mut one, mut other) = UnixStream::pair().unwrap();
    one.write_all(b"x").await.unwrap();
    other.read_exact(&mut [0]).await.unwrap();
}

#[test]
fn what_goes_with_a_goodbye_is_never_called_unseen() {
    run(async {
        let (ours, mut peer) = UnixStream::pair().unwrap();
        let (client, connection) = Client::start(Io::Plain(Socket::Unix(ours)), LIMITS, &Timers::new());
        let mut connection = std::pin::pin!(connection);
        assert!(now(|cx| connection.as_mut().poll(cx)).await.is_none());
        // the backend violates the protocol, and a request is sent before we have read that
        peer.write_all(&frame(kind::PING, 0, 1, b"a fault!")).await.unwrap();
        look_at_sockets().await;
        let request = ask(&client, true).unwrap();
        assert!(now(|cx| connection.as_mut().poll(cx)).await.is_some());
        let cause = poll_fn(|cx| request.poll_head(cx)).await.unwrap_err();
        drop((client, connection));
        let mut both = Both { client: Both::new().client, peer, read: BytesMut::new() };
        let mut arrived = false;
        while let Some(frame) = both.next().await {
            arrived |= matches!(frame, Frame::Headers { .. });
        }
        assert_eq!(arrived, cause != Cause::Unprocessed, "{cause:?}");
    });
}

#[test]
fn an_answer_that_came_before_the_connection_broke_is_read() {
    run(async {
        let mut both = Both::new();
        both.backend_sends(frame(kind::SETTINGS, 0, 0, &[])).await;
        let request = both.ask(false).unwrap();
        both.settle().await;
        let answer = [
            frame(kind::HEADERS, flag::END_HEADERS, 1, OK),
            frame(kind::DATA, flag::END_STREAM, 1, b"too large"),
            frame(kind::RST_STREAM, 0, 1, &[0; 4]),
        ];
        both.backend_sends(answer.concat()).await;
        // the backend closes, and our next write fails before the runtime has reported what can be read
        drop(both.peer);
        request.data(Bytes::from(vec![0; 10_000]), false);
        let head = poll_fn(|cx| request.poll_head(cx)).await.expect("there is an answer");
        assert_eq!(head.status, 200);
        let part = poll_fn(|cx| request.poll_part(cx)).await;
        assert!(matches!(part, Some(Ok(Part::Data(data))) if data == "too large"));
        assert!(poll_fn(|cx| request.poll_part(cx)).await.is_none());
    });
}

#[test]
fn a_backend_that_is_slow_to_answer_is_not_pinged_more_often_than_grpc_servers_take() {
    let runtime =
        Builder::new_current_thread().enable_all().start_paused(true).build_local(LocalOptions::default()).unwrap();
    runtime.block_on(async {
        let timers = Timers::new();
        tokio::task::spawn_local(timers.clone().run());
        let mut both = Both::by(&timers);
        both.backend_sends(frame(kind::SETTINGS, 0, 0, &[])).await;
        let (mut requests, mut pings) = (Vec::new(), Vec::new());
        for i in 0..12 {
            requests.push(both.ask(true).unwrap());
            if i == 7 {
                both.backend_sends(frame(kind::HEADERS, flag::END_HEADERS | flag::END_STREAM, 1, OK)).await;
            }
            let mut asked = 0;
            for got in both.settle().await {
                if let Frame::Ping(opaque) = got {
                    asked += 1;
                    both.backend_sends(frame(kind::PING, flag::ACK, 0, &opaque)).await;
                }
            }
            pings.push(asked);
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
        // frames in between that are not part of a response don't count
        let (before, after) = pings.split_at(8);
        assert_eq!((before.iter().sum::<u32>(), after.iter().sum::<u32>()), (2, 2), "{pings:?}");
    });
}
