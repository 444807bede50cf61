//! The client's side of HTTP/2: a connection to a backend that many exchanges share.
//!
//! One task reads the socket, handles frames and writes ([`connection`], [`receive`]). A stream has no task of its own: the
//! exchange that wants the response holds it as a [`Request`], queues what it sends on the [`Link`], and is woken when something
//! has arrived. So nothing but the bytes themselves is handed from task to task.
//!
//! A silent connection is checked with PING, but only when there is cause: gRPC servers end a connection that sends them PING
//! frames more often than every five minutes while they send nothing (gRFC A8). [`peer`] decides when.

mod connection;
mod head;
mod peer;
mod receive;
mod table;

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::HeaderMap;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

pub use self::head::RequestHead;
use self::peer::{ConnectionState, Peer};
use super::frame::Reason;
pub use super::frame::code_name;
use super::guard::Guard;
use super::link::Link;
pub use super::link::stream::{Cause, Head, Section};
use super::link::stream::{Piece, Stream};
use super::tunnel_io::TunnelIo;
use crate::io::Stream as Io;
use crate::timer::Timers;

/// How many bytes a backend may have in flight to us on one stream. This is 1 Gbit/s times 4 ms, so that one stream can fill a
/// fast link; it is also the most that is held for a client that does not read.
const STREAM_WINDOW: u32 = 512 * 1024;
/// The same for all streams of a connection together. This window is enlarged when bytes arrive, whether they are read or not.
const CONNECTION_WINDOW: u32 = 4 * 1024 * 1024;
/// The limit for frames that make us work in vain (SETTINGS, empty DATA) is the same as for a client that may open this many
/// streams.
const GUARD_STREAMS: u32 = 250;

/// The limits for the head of a response, for its trailer section, and for all its interim responses together, as over HTTP/1.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The most bytes, as RFC 9113, section 6.5.2, counts a list of fields.
    pub bytes: usize,
    /// The most fields.
    pub fields: usize,
}

/// A handle on a connection, for sending requests on it.
#[derive(Debug, Clone)]
pub struct Client {
    link: Rc<Link>,
    peer: Rc<Peer>,
}

/// Room for one stream on a connection. It is reserved for the holder of this value.
#[derive(Debug)]
pub struct Room {
    client: Client,
    used: bool,
}

/// A request that was sent, and its response. When it is dropped before both are complete, the stream is reset.
#[derive(Debug)]
pub struct Request {
    stream: Rc<Stream>,
    client: Client,
}

/// A piece of a response's body.
#[derive(Debug)]
pub enum Part {
    /// Data.
    Data(Bytes),
    /// The trailer section, which ends the body.
    Trailers(HeaderMap),
}

/// A stream that was turned into a tunnel. When it is dropped before both directions have ended, it is reset.
#[derive(Debug)]
pub struct Tunnel {
    io: TunnelIo,
    _request: Request,
}

impl Client {
    /// Whether both are handles of one connection.
    pub fn is_same(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.link, &other.link)
    }

    /// Starts HTTP/2 on `io`. The returned future runs the connection and has to be spawned. It is ready when the connection is
    /// over, with the reason if that did not end in order.
    pub fn start(
        io: Io,
        limits: Limits,
        timers: &Timers,
    ) -> (Self, impl Future<Output = Option<&'static str>> + use<>) {
        let link = Rc::new(Link::to_server(Guard::new(GUARD_STREAMS, timers.now()), CONNECTION_WINDOW));
        let client = Self { link, peer: Rc::new(Peer::new(timers)) };
        let mut connection = connection::Connection::new(io, &client, limits, timers);
        (client, std::future::poll_fn(move |cx| connection.poll(cx)))
    }

    /// Whether new streams may be opened, as far as is known.
    pub fn is_open(&self) -> bool {
        self.peer.connection_state.get() == ConnectionState::Open
    }

    /// Whether the connection is over.
    pub fn is_closed(&self) -> bool {
        self.peer.connection_state.get() == ConnectionState::Closed
    }

    /// The number of streams that are open or reserved.
    pub fn taken(&self) -> usize {
        self.link.state.borrow().streams.len() + self.peer.reserved.get() as usize
    }

    /// Whether there is room for another stream.
    pub fn has_room(&self) -> bool {
        self.is_open() && self.taken() < self.allowed()
    }

    /// Reserves room for a stream. The caller has to check first that there is some.
    pub fn reserve(&self) -> Room {
        self.peer.reserved.set(self.peer.reserved.get() + 1);
        Room { client: self.clone(), used: false }
    }

    /// The number of streams that the backend allows. Before its SETTINGS have come that is taken to be one, which hardly any
    /// backend refuses.
    pub fn allowed(&self) -> usize {
        if self.is_settled() { self.peer.allowed.get() as usize } else { 1 }
    }

    /// Whether the backend's SETTINGS have come.
    pub fn is_settled(&self) -> bool {
        self.peer.tunnels.get().is_some()
    }

    /// Whether the backend allows no streams, and has not allowed any since its first SETTINGS.
    pub fn is_shut(&self) -> bool {
        self.peer.shut.get()
    }

    /// The number of streams whose readers don't keep up. What the backend has to send on them may fill its buffers for all
    /// streams.
    pub fn stalled(&self) -> usize {
        self.link.state.borrow().streams.values().filter(|stream| stream.is_behind()).count()
    }

    /// Whether the backend accepts extended CONNECT (RFC 8441, section 3). Ready when its SETTINGS have come, or never will.
    pub fn poll_takes_tunnels(&self, cx: &mut Context<'_>) -> Poll<bool> {
        match (self.peer.tunnels.get(), self.is_closed()) {
            (Some(tunnels), _) => Poll::Ready(tunnels),
            (None, true) => Poll::Ready(false),
            (None, false) => {
                self.peer.settings_waiters.borrow_mut().push(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    fn send(&self, head: &RequestHead<'_>, end: bool) -> Option<Request> {
        let id = self.peer.next_id()?;
        let stream = {
            let state = &mut *self.link.state.borrow_mut();
            let stream = Stream::to_server(id, &self.link, state.initial, STREAM_WINDOW);
            state.streams.insert(id, Rc::clone(&stream));
            stream
        };
        stream.send_request(head.kind(), end, |block| head.write(block, &self.peer.table));
        if self.peer.should_ping() {
            self.peer.ping(&mut self.link.state.borrow_mut());
        }
        Some(Request { stream, client: self.clone() })
    }

    /// A response was late: no other request is sent on the connection until something arrives, and a PING is sent.
    pub fn suspect(&self) {
        if self.is_open() {
            self.peer.connection_state.set(ConnectionState::Suspect);
            let state = &mut *self.link.state.borrow_mut();
            self.peer.ping(state);
            state.wake();
        }
    }

    /// Opens no more streams on the connection, and ends it when the open ones have ended.
    pub fn leave(&self) {
        if matches!(
            self.peer.connection_state.get(),
            ConnectionState::Open | ConnectionState::Suspect | ConnectionState::Unresponsive
        ) {
            self.peer.connection_state.set(ConnectionState::Leaving);
            self.link.state.borrow().wake();
        }
    }
}

impl Room {
    /// The connection on which there is room.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Sends the head of a request. With `end` it has no body. `None` when the connection allows no more streams.
    pub fn send(mut self, head: &RequestHead<'_>, end: bool) -> Option<Request> {
        let request = self.client.send(head, end);
        self.used = request.is_some();
        request
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let peer = &self.client.peer;
        peer.reserved.set(peer.reserved.get().saturating_sub(1));
        if !self.used {
            // the connection's task hands the room to an exchange that waits for it
            self.client.link.state.borrow().wake();
        }
    }
}

impl Request {
    /// The next interim response, or the head of the final one.
    ///
    /// # Errors
    ///
    /// The cause for which no head will come.
    pub fn poll_head(&self, cx: &mut Context<'_>) -> Poll<Result<Head, Cause>> {
        self.stream.poll_head(cx)
    }

    /// The next piece of the response's body; an error is the cause for which it is incomplete.
    pub fn poll_part(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Part, Cause>>> {
        self.stream.poll_piece(cx).map(|piece| {
            piece.map(|piece| {
                piece.map(|piece| match piece {
                    Piece::Data(data) => Part::Data(data),
                    Piece::Trailers(trailers) => Part::Trailers(trailers),
                })
            })
        })
    }

    /// Whether the next piece of the request's body may be added. If not, the task is woken when it may.
    pub fn has_room(&self, cx: &mut Context<'_>) -> bool {
        self.stream.has_room() || {
            // a stream that is over has no room; reading the response reports its end
            let _ = self.stream.poll_over(cx);
            false
        }
    }

    /// Sends a piece of the request's body. Only to be called when [there is room](Self::has_room). With `end` it is the last
    /// piece.
    pub fn data(&self, data: Bytes, end: bool) {
        self.stream.send(data, end);
    }

    /// Ends the request's body, with a trailer section if there is one.
    pub fn finish(&self, trailers: Option<HeaderMap>) {
        self.stream.finish(trailers);
    }

    /// Whether the whole request was put into frames, or the backend does not want the rest.
    pub fn is_sent(&self) -> bool {
        self.stream.is_sent()
    }

    /// The number of bytes of the request's body that were put into frames so far.
    pub fn bytes_framed(&self) -> u64 {
        self.stream.bytes_framed()
    }

    /// The number of bytes of the request's body that may have been sent.
    pub fn bytes_sent(&self) -> u64 {
        self.stream.bytes_sent()
    }

    /// Whether the whole response was read.
    pub fn is_read(&self) -> bool {
        self.stream.is_read()
    }

    /// The number of bytes of the response's body that are still to be read, when it is known.
    pub fn unread(&self) -> Option<u64> {
        self.stream.unread()
    }

    /// Whether a PING on its connection was not answered in time.
    pub fn is_unresponsive(&self) -> bool {
        self.client.peer.connection_state.get() == ConnectionState::Unresponsive
    }

    /// The response was late.
    pub fn suspect(&self) {
        self.client.suspect();
    }

    /// Whether a piece of the request's body may be added now.
    pub fn is_free(&self) -> bool {
        self.stream.has_room()
    }

    /// Turns the stream into a tunnel, after a response that accepted this.
    pub fn into_tunnel(self) -> Tunnel {
        Tunnel { io: TunnelIo::new(&self.stream), _request: self }
    }
}

impl AsyncRead for Tunnel {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Tunnel {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        if self.stream.is_over() {
            return;
        }
        // a complete response makes this no cancellation, even if the request was not sent completely
        let whole = self.stream.inner.borrow().ended;
        self.stream.reset(if whole { Reason::NoError } else { Reason::Cancel });
        if !whole && self.client.peer.has_cancelled_enough() {
            self.client.leave();
        }
    }
}

#[cfg(test)]
mod tests;
