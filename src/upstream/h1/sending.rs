//! A request on its way to a backend over HTTP/1.1, and how far it has come.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http_body::Body;

use super::connection::Connection;
use crate::error::Result;
use crate::protocol::h1::encode::Coding;
use crate::protocol::http::RequestBody;

/// A request on its way.
#[derive(Debug)]
pub struct Sending {
    pub(super) connection: Box<Connection>,
    pub(super) body: RequestBody,
    pub(super) coding: Coding,
    /// Bytes of the request's head.
    pub(super) head: u64,
    /// Bytes of the body that were put into the connection's buffers.
    pub(super) given: u64,
    /// The body waits for the backend's 100, and its client for ours.
    pub(super) held: bool,
    /// Everything was put into the connection's buffers.
    pub(super) ended: bool,
    /// Everything was written, or can't be.
    pub(super) sent: bool,
    /// Writing failed: there may be an answer all the same.
    pub(super) broken: bool,
}

impl Sending {
    /// Puts the request into the connection as far as it goes. Ready when all was written; an error is the client's. The next piece is
    /// asked for when the one before was written, or is small: a client gives no more than that ahead of what its backend takes.
    pub(super) fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.held = self.held && self.body.poll_begun(cx).is_pending();
        while !self.sent {
            self.let_go();
            let mut starved = false;
            while !self.ended && self.connection.out.has_room() {
                if self.held {
                    starved = true;
                    break;
                }
                match Pin::new(&mut self.body).poll_frame(cx) {
                    Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                        Ok(data) => {
                            self.given += data.len() as u64;
                            self.connection.out.data(data, self.coding);
                        }
                        Err(frame) => {
                            self.connection.out.end(self.coding, frame.trailers_ref());
                            self.ended = true;
                        }
                    },
                    Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error)),
                    Poll::Ready(None) => {
                        self.connection.out.end(self.coding, None);
                        self.ended = true;
                    }
                    Poll::Pending => {
                        starved = true;
                        break;
                    }
                }
            }
            let connection = &mut *self.connection;
            match ready!(connection.out.poll_flush(&mut connection.io, cx)) {
                Ok(()) if self.ended => {
                    self.sent = true;
                    self.let_go();
                }
                Ok(()) if starved => return Poll::Pending,
                Ok(()) => {}
                Err(_) => (self.sent, self.broken) = (true, true),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Tells the body how much of it may have left: no more than was given to the connection, nor than was written behind the head.
    fn let_go(&mut self) {
        if let RequestBody::Replayed(body) = &mut self.body {
            body.mark_sent(self.given.min(self.connection.out.sent.saturating_sub(self.head)));
        }
    }

    /// Nothing is left to write, and it is not at the end: it is the client who is waited for.
    pub(super) fn is_starved(&self) -> bool {
        !self.sent && self.connection.out.is_empty()
    }
}
