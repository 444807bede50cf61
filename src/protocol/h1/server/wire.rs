//! The two directions of a client's connection, and what is read of it beside heads.

use std::cell::RefCell;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use http::StatusCode;
use http::header::HeaderMap;

use crate::error::{Error, Kind, Result};
use crate::io::Stream;
use crate::protocol::h1::decode::{Decoded, Decoder};
use crate::protocol::h1::encode;
use crate::protocol::h1::framing::Length;
use crate::protocol::h1::inbound::Inbound;
use crate::protocol::h1::outbound::Outbound;

/// Room for a read, of a head or a body.
pub(super) const ROOM: usize = 1024;
/// Room to see that a client went away, or has sent its next request already.
const WATCH_ROOM: usize = 64;
/// Requests sent ahead of their turn are read up to this size; then the client has to wait.
const AHEAD: usize = 64 * 1024;

/// The two directions of a connection, shared between its loop and the body that is being read.
#[derive(Debug)]
pub struct Wire {
    pub(in crate::protocol::h1) io: Stream,
    pub(super) inbound: Inbound,
    pub(in crate::protocol::h1) out: Outbound,
    /// Of the current request's body.
    pub(in crate::protocol::h1) decoder: Decoder,
    /// The client waits for a 100 before it sends the body.
    pub(super) owes_continue: bool,
    /// While the request waits for a place at a backend: whether a client that ends its side is taken for gone.
    pub(in crate::protocol::h1) waits: Option<bool>,
}

/// A way to send interim (1xx) responses before the answer.
#[derive(Debug, Clone)]
pub struct Interim(pub(super) Rc<RefCell<Wire>>);

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
    pub(in crate::protocol::h1) fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
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
    pub(in crate::protocol::h1) fn poll_begun(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.inbound.buf.is_empty() {
            // what goes wrong here goes wrong again when the body is read
            let _: bool = ready!(self.inbound.poll_fill(&mut self.io, cx, ROOM)).unwrap_or_default();
        }
        self.owes_continue = false;
        Poll::Ready(())
    }

    /// The next piece of the request's body.
    pub(in crate::protocol::h1) fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<Decoded>> {
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

impl Interim {
    /// Queues an interim response; it leaves with the next flush.
    pub fn send(&self, status: StatusCode, headers: &HeaderMap) {
        let mut wire = self.0.borrow_mut();
        if status == StatusCode::CONTINUE {
            // sent when the body is asked for, and only once
            return;
        }
        encode::interim(wire.out.buffer(), status, headers);
    }
}

/// What a client's leaving in the middle is.
pub(super) fn gone(detail: &'static str) -> Error {
    Error::new(Kind::ClientGone, detail)
}
