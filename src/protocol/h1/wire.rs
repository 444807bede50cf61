//! The two directions of a client's connection, and what is read of it beside heads.

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

/// Room for a read, of a head or a body.
pub(super) const ROOM: usize = 1024;
/// Room to see that a client went away, or has sent its next request already.
const WATCH_ROOM: usize = 64;
/// Requests sent ahead of their turn are read up to this size; then the client has to wait.
const AHEAD: usize = 64 * 1024;

/// The two directions of a connection, shared between its loop and the body that is being read.
#[derive(Debug)]
pub struct Wire {
    pub(super) io: Stream,
    pub(super) inbound: Inbound,
    pub(super) out: Outbound,
    /// Of the current request's body.
    pub(super) decoder: Decoder,
    /// The client waits for a 100 before it sends the body.
    pub(super) owes_continue: bool,
    /// While the request waits for a place at a backend: whether a client that ends its side is taken for gone.
    pub(super) waits: Option<bool>,
}

impl Wire {
    /// A new connection's; `early` was read from it before.
    pub(super) fn new(io: Stream, early: BytesMut) -> Self {
        Self {
            io,
            inbound: Inbound::new(early),
            out: Outbound::default(),
            decoder: Decoder::new(Length::Fixed(0), Kind::MalformedRequest),
            owes_continue: false,
            waits: None,
        }
    }

    /// Ready when the client is gone. Until then what it sends ahead is read, up to a bound. A client that only ended its side
    /// still waits for its answer.
    pub(super) fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.out.is_empty()
            && let Poll::Ready(Err(_)) = self.out.poll_flush(&mut self.io, cx)
        {
            return Poll::Ready(());
        }
        // while a body is to come, it is read by whoever wants it, who is nobody before there is a backend
        let room = if self.waits.is_some() { ROOM } else { WATCH_ROOM };
        let mut filled = Poll::Ready(Ok(true));
        while (self.decoder.is_done() || self.waits.is_some()) && !self.inbound.eof && self.inbound.buf.len() < AHEAD {
            filled = self.inbound.poll_fill(&mut self.io, cx, room);
            if !matches!(filled, Poll::Ready(Ok(_))) {
                break;
            }
        }
        match filled {
            Poll::Ready(Err(_)) => Poll::Ready(()),
            _ if self.inbound.eof && self.waits == Some(true) => Poll::Ready(()),
            _ => Poll::Pending,
        }
    }

    /// Ready when some of the request's body has come, or the client has ended; it owes no 100 then (RFC 9110, section 10.1.1).
    pub(super) fn poll_begun(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.inbound.buf.is_empty() {
            // what goes wrong here goes wrong again when the body is read
            let _: bool = ready!(self.inbound.poll_fill(&mut self.io, cx, ROOM)).unwrap_or_default();
        }
        self.owes_continue = false;
        Poll::Ready(())
    }

    /// The next piece of the request's body.
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
            match ready!(self.inbound.poll_fill(&mut self.io, cx, ROOM)) {
                Ok(true) => {}
                Ok(false) => return Poll::Ready(Err(gone("closed within a body"))),
                Err(error) => return Poll::Ready(Err(gone("").because(error))),
            }
        }
    }
}

impl InterimSink for RefCell<Wire> {
    /// It leaves with the next flush.
    fn interim(&self, status: StatusCode, headers: &HeaderMap) {
        encode::interim(self.borrow_mut().out.buffer(), status, headers);
    }
}

impl Waiting for RefCell<Wire> {
    fn wait(&self, abort_on_close: Option<bool>) {
        self.borrow_mut().waits = abort_on_close;
    }
}

/// What a client's leaving in the middle is.
pub(super) fn gone(detail: &'static str) -> Error {
    Error::new(Kind::ClientGone, detail)
}
