//! The two directions of a client's HTTP/1 connection, and reading from it what is not a head.

use std::cell::RefCell;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use http::StatusCode;
use http::header::HeaderMap;

use super::decode::{Decoded, Decoder};
use super::encode;
use super::outbound::Outbound;
use crate::error::{Error, Kind, Result};
use crate::io::Stream;
use crate::io::inbound::Inbound;
use crate::protocol::http::length::Length;
use crate::protocol::http::{InterimSink, Waiting};

/// The room for one read of a head or a body, in bytes.
pub(super) const READ_SIZE: usize = 1024;
/// The room for a read that only finds out whether the client went away or has sent its next request.
const WATCH_READ_SIZE: usize = 64;
/// The most bytes of further requests that are read while a request is handled. After that the client has to wait.
const MAX_READ_AHEAD: usize = 64 * 1024;

/// The two directions of a connection, shared by the connection's loop and the body of the current request.
#[derive(Debug)]
pub struct Wire {
    pub(super) io: Stream,
    pub(super) inbound: Inbound,
    pub(super) out: Outbound,
    /// The decoder for the current request's body.
    pub(super) decoder: Decoder,
    /// Whether the client waits for a 100 before it sends the body.
    pub(super) owes_continue: bool,
    /// `Some` while the request waits in a queue for a connection slot at a backend. The value says whether a client that ends
    /// its side counts as gone.
    pub(super) queued: Option<bool>,
}

impl Wire {
    /// The state of a new connection, of which `early` was already read.
    pub(super) fn new(io: Stream, early: BytesMut) -> Self {
        Self {
            io,
            inbound: Inbound::new(early),
            out: Outbound::default(),
            decoder: Decoder::new(Length::Fixed(0), Kind::MalformedRequest),
            owes_continue: false,
            queued: None,
        }
    }

    /// Ready when the client is gone. Until then, reads what the client sends ahead, up to a limit. A client that only ends its
    /// side still waits for its response.
    pub(super) fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.out.is_empty()
            && let Poll::Ready(Err(_)) = self.out.poll_flush(&mut self.io, cx)
        {
            return Poll::Ready(());
        }
        // a body is normally read by the one that sends it to the backend; while the request waits in a queue, nobody does
        let room = if self.queued.is_some() { READ_SIZE } else { WATCH_READ_SIZE };
        let mut filled = Poll::Ready(Ok(true));
        while (self.decoder.is_done() || self.queued.is_some())
            && !self.inbound.eof
            && self.inbound.buf.len() < MAX_READ_AHEAD
        {
            filled = self.inbound.poll_fill(&mut self.io, cx, room);
            if !matches!(filled, Poll::Ready(Ok(_))) {
                break;
            }
        }
        match filled {
            Poll::Ready(Err(_)) => Poll::Ready(()),
            _ if self.inbound.eof && self.queued == Some(true) => Poll::Ready(()),
            _ => Poll::Pending,
        }
    }

    /// Ready when some of the request's body has arrived, or the client has ended its side. The client does not need a 100 then
    /// (RFC 9110, section 10.1.1).
    pub(super) fn poll_begun(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.inbound.buf.is_empty() {
            // an error is ignored here, because reading the body will fail with it again
            let _: bool = ready!(self.inbound.poll_fill(&mut self.io, cx, READ_SIZE)).unwrap_or_default();
        }
        self.owes_continue = false;
        Poll::Ready(())
    }

    /// Decodes the next piece of the request's body, and reads from the socket if need be.
    pub(super) fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<Decoded>> {
        if self.owes_continue {
            self.owes_continue = false;
            self.out.buffer().extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
            let _ = self.out.poll_flush(&mut self.io, cx);
        }
        loop {
            match self.decoder.decode(&mut self.inbound.buf)? {
                Decoded::Starved => {}
                decoded => return Poll::Ready(Ok(decoded)),
            }
            match ready!(self.inbound.poll_fill(&mut self.io, cx, READ_SIZE)) {
                Ok(true) => {}
                Ok(false) => return Poll::Ready(Err(gone("closed within a body"))),
                Err(error) => return Poll::Ready(Err(gone("").because(error))),
            }
        }
    }
}

impl InterimSink for RefCell<Wire> {
    /// The response is sent with the next flush.
    fn interim(&self, status: StatusCode, headers: &HeaderMap) {
        encode::interim(self.borrow_mut().out.buffer(), status, headers);
    }
}

impl Waiting for RefCell<Wire> {
    fn wait(&self, abort_on_close: Option<bool>) {
        self.borrow_mut().queued = abort_on_close;
    }
}

/// The error for a client that left in the middle of a message.
pub(super) fn gone(detail: &'static str) -> Error {
    Error::new(Kind::ClientGone, detail)
}
