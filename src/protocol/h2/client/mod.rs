//! The client's side of HTTP/2: a connection to a backend that many exchanges share.
//!
//! One task reads the socket, understands frames and writes ([`connection`], [`receive`]). A stream has no task of its own: whoever
//! wants its answer holds it as a [`Request`], puts what goes on the [`Link`], and is woken when something of the answer has come.
//! So nothing is handed from task to task but the bytes themselves.
//!
//! A connection that is silent is asked for a sign of life by PING, with a cause only: gRPC servers end a connection that pings
//! them more often than every five minutes without sending anything (gRFC A8). [`peer`] says when.

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
use self::peer::{Peer, Standing};
use super::ends::Ends;
use super::frame::Reason;
pub use super::frame::code_name;
use super::guard::Guard;
use super::link::Link;
pub use super::link::stream::{Cause, Head, Section};
use super::link::stream::{Piece, Stream};
use crate::io::Stream as Io;
use crate::timer::Timers;

/// What a backend may have on its way to us on one stream: the product of a gigabit and four milliseconds, so that one stream can
/// fill a fast link, and the most that is held for a client that does not read.
const STREAM_WINDOW: u32 = 512 * 1024;
/// The same for all streams. It is given back when bytes arrive, whoever reads them.
const CONNECTION_WINDOW: u32 = 4 * 1024 * 1024;
/// What a backend may do for nothing (SETTINGS, empty DATA) is counted as if it had opened so many streams.
const DECENT: u32 = 250;

/// What the head of an answer, its trailers, and its interim responses in all may be: as over HTTP/1.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes, as RFC 9113, section 6.5.2, counts a list of fields.
    pub bytes: usize,
    /// Fields.
    pub fields: usize,
}

/// A connection, as those see it who send requests on it.
#[derive(Debug, Clone)]
pub struct Client {
    link: Rc<Link>,
    peer: Rc<Peer>,
}

/// Room for one stream on a connection: kept for whoever holds this, so that nobody else opens one in its place.
#[derive(Debug)]
pub struct Room {
    client: Client,
    used: bool,
}

/// A request that was sent, and its answer. When it is dropped before both have ended, its stream is reset.
#[derive(Debug)]
pub struct Request {
    stream: Rc<Stream>,
    client: Client,
}

/// A piece of an answer's body.
#[derive(Debug)]
pub enum Part {
    /// Some of it.
    Data(Bytes),
    /// Its trailers, after which there is nothing.
    Trailers(HeaderMap),
}

/// A stream that speaks another protocol. When it is dropped before both sides have ended, it is reset.
#[derive(Debug)]
pub struct Tunnel {
    ends: Ends,
    _request: Request,
}

impl Client {
    /// Speaks HTTP/2 on `io` from now on. The future is the connection: it is to be spawned, and ready when that is over, with the
    /// reason where it did not end in order.
    pub fn start(
        io: Io,
        limits: Limits,
        timers: &Timers,
    ) -> (Self, impl Future<Output = Option<&'static str>> + use<>) {
        let link = Rc::new(Link::to_server(Guard::new(DECENT, timers.now()), CONNECTION_WINDOW));
        let client = Self { link, peer: Rc::new(Peer::new(timers)) };
        let mut connection = connection::Connection::new(io, &client, limits, timers);
        (client, std::future::poll_fn(move |cx| connection.poll(cx)))
    }

    /// Whether it takes another stream, as far as that is known.
    pub fn is_open(&self) -> bool {
        self.peer.standing.get() == Standing::Open
    }

    /// Whether it is over.
    pub fn is_closed(&self) -> bool {
        self.peer.standing.get() == Standing::Closed
    }

    /// Streams that are open, or have room kept for them.
    pub fn taken(&self) -> usize {
        self.link.state.borrow().streams.len() + self.peer.reserved.get() as usize
    }

    /// Whether there is room for another.
    pub fn has_room(&self) -> bool {
        self.is_open() && self.taken() < self.allowed()
    }

    /// Keeps room for a stream. Whether there is some is asked before.
    pub fn reserve(&self) -> Room {
        self.peer.reserved.set(self.peer.reserved.get() + 1);
        Room { client: self.clone(), used: false }
    }

    /// How many there may be. Before its settings have come that is one, which no backend has to refuse.
    pub fn allowed(&self) -> usize {
        if self.is_settled() { self.peer.allowed.get() as usize } else { 1 }
    }

    /// Whether the backend has said how many it takes.
    pub fn is_settled(&self) -> bool {
        self.peer.tunnels.get().is_some()
    }

    /// Whether the backend takes none, and has taken none since its settings came.
    pub fn is_shut(&self) -> bool {
        self.peer.shut.get()
    }

    /// Streams whose readers are far behind: what the backend has to say on them may fill its buffers for all.
    pub fn stalled(&self) -> usize {
        self.link.state.borrow().streams.values().filter(|stream| stream.is_behind()).count()
    }

    /// Whether the backend takes extended CONNECT (RFC 8441, section 3): ready when its settings have come, or won't.
    pub fn poll_takes_tunnels(&self, cx: &mut Context<'_>) -> Poll<bool> {
        match (self.peer.tunnels.get(), self.is_closed()) {
            (Some(tunnels), _) => Poll::Ready(tunnels),
            (None, true) => Poll::Ready(false),
            (None, false) => {
                self.peer.waiting.borrow_mut().push(cx.waker().clone());
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
        stream.ask(head.asked(), end, |block| head.write(block, &self.peer.table));
        if self.peer.is_worth_asking() {
            self.peer.ask(&mut self.link.state.borrow_mut());
        }
        Some(Request { stream, client: self.clone() })
    }

    /// Nothing came in time: no other request is sent on it until the backend has given a sign of life.
    pub fn doubt(&self) {
        if self.is_open() {
            self.peer.standing.set(Standing::Doubted);
            let state = &mut *self.link.state.borrow_mut();
            self.peer.ask(state);
            state.wake();
        }
    }

    /// Takes no more streams, and ends when those that are open have ended.
    pub fn leave(&self) {
        if matches!(self.peer.standing.get(), Standing::Open | Standing::Doubted | Standing::Silent) {
            self.peer.standing.set(Standing::Leaving);
            self.link.state.borrow().wake();
        }
    }
}

impl Room {
    /// On which connection it is.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Sends a request's head; with `end` it has no body. `None`: this connection takes no more.
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
            // the connection's task is where room is handed to those who wait for it
            self.client.link.state.borrow().wake();
        }
    }
}

impl Request {
    /// The next interim response, or the head of the answer; an error is why none comes.
    pub fn poll_head(&self, cx: &mut Context<'_>) -> Poll<Result<Head, Cause>> {
        self.stream.poll_head(cx)
    }

    /// The next piece of the answer's body; an error is why it breaks off.
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

    /// Whether the next piece of the request's body may be given. Where not, the task is woken when it may.
    pub fn has_room(&self, cx: &mut Context<'_>) -> bool {
        self.stream.has_room() || {
            // what is over has no room, and is told by the answer
            let _ = self.stream.poll_over(cx);
            false
        }
    }

    /// Sends a piece of the request's body, when [there is room](Self::has_room); with `end` it is the last.
    pub fn data(&self, data: Bytes, end: bool) {
        self.stream.send(data, end);
    }

    /// Ends the request's body.
    pub fn finish(&self, trailers: Option<HeaderMap>) {
        self.stream.finish(trailers);
    }

    /// Whether the whole request has gone, or the backend wants no more of it.
    pub fn is_sent(&self) -> bool {
        self.stream.is_sent()
    }

    /// Bytes of the request's body that were put into frames so far.
    pub fn moved(&self) -> u64 {
        self.stream.moved()
    }

    /// Bytes of the request's body that may have left.
    pub fn gone(&self) -> u64 {
        self.stream.gone()
    }

    /// Whether the whole answer was read.
    pub fn is_read(&self) -> bool {
        self.stream.is_read()
    }

    /// The bytes of the answer's body that are still to be read, when that is known.
    pub fn unread(&self) -> Option<u64> {
        self.stream.unread()
    }

    /// Whether its connection was asked for a sign of life and gives none.
    pub fn is_silent(&self) -> bool {
        self.client.peer.standing.get() == Standing::Silent
    }

    /// No answer came in time.
    pub fn doubt(&self) {
        self.client.doubt();
    }

    /// Whether a piece of the request's body may be given now.
    pub fn is_free(&self) -> bool {
        self.stream.has_room()
    }

    /// The stream as a tunnel, after an answer that opens it.
    pub fn into_tunnel(self) -> Tunnel {
        Tunnel { ends: Ends::new(&self.stream), _request: self }
    }
}

impl AsyncRead for Tunnel {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().ends).poll_read(cx, buf)
    }
}

impl AsyncWrite for Tunnel {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().ends).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().ends).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().ends).poll_shutdown(cx)
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        if self.stream.is_over() {
            return;
        }
        // an answer that came whole is no cancellation, whatever is left of the request
        let whole = self.stream.inner.borrow().ended;
        self.stream.reset(if whole { Reason::NoError } else { Reason::Cancel });
        if !whole && self.client.peer.has_cancelled_enough() {
            self.client.leave();
        }
    }
}

#[cfg(test)]
mod tests;
