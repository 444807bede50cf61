//! A request that is being sent to a backend over HTTP/1.1.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http_body::Body;

use super::connection::Connection;
use crate::error::Result;
use crate::protocol::h1::encode::Coding;
use crate::protocol::http::RequestBody;

/// A request that is being sent, and how much of it was sent.
#[derive(Debug)]
pub struct Sending {
    pub(super) connection: Box<Connection>,
    pub(super) body: RequestBody,
    pub(super) coding: Coding,
    /// The size of the request's head in bytes.
    pub(super) head_size: u64,
    /// The bytes of the body that were put into the connection's buffers, without framing.
    pub(super) bytes_queued: u64,
    /// Whether the body waits for a 100 of the backend, as the client waits for ours.
    pub(super) awaits_continue: bool,
    /// Whether all of the request was put into the connection's buffers.
    pub(super) ended: bool,
    /// Whether all of the request was written, or writing has failed.
    pub(super) sent: bool,
    /// Whether writing has failed. The backend may have sent a response nevertheless.
    pub(super) broken: bool,
}

impl Sending {
    /// Writes as much of the request as the connection takes. Ready when all was written; an error is one of the client's body.
    /// The next piece of the body is read only when the one before was written or is small, so that the client is slowed down to
    /// the speed of its backend.
    pub(super) fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.awaits_continue = self.awaits_continue && self.body.poll_begun(cx).is_pending();
        while !self.sent {
            self.report_sent();
            let mut starved = false;
            while !self.ended && self.connection.out.has_room() {
                if self.awaits_continue {
                    starved = true;
                    break;
                }
                match Pin::new(&mut self.body).poll_frame(cx) {
                    Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                        Ok(data) => {
                            self.bytes_queued += data.len() as u64;
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
                    self.report_sent();
                }
                Ok(()) if starved => return Poll::Pending,
                Ok(()) => {}
                Err(_) => (self.sent, self.broken) = (true, true),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Tells the body how much of it may have been sent: at most what was put into the connection's buffers, and at most what was
    /// written after the head.
    fn report_sent(&mut self) {
        if let RequestBody::Replayed(body) = &mut self.body {
            body.mark_sent(self.bytes_queued.min(self.connection.out.sent.saturating_sub(self.head_size)));
        }
    }

    /// Whether all that is here of the request was written and more has to come from the client.
    pub(super) fn is_starved(&self) -> bool {
        !self.sent && self.connection.out.is_empty()
    }
}
