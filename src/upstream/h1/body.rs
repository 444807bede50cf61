//! The body of a response over HTTP/1.1. It reads from the connection, and returns it to its pool at the end.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::connection::ROOM;
use super::sending::Sending;
use crate::error::{Error, Kind, Result};
use crate::io::Stream;
use crate::io::pipe::Pipe;
use crate::protocol::h1::decode::{Decoded, Decoder};
use crate::protocol::http::length::Length;
use crate::timer::{Alarm, Timers};
use crate::upstream::pool::Pool;
use crate::upstream::terms::{Terms, stall_error};

/// The body of a backend's response. When it has been read to its end, the connection is returned to its pool.
#[derive(Debug)]
pub struct ResponseBody {
    sending: Option<Sending>,
    decoder: Decoder,
    /// The idle time-out, which is set while the body waits for the backend.
    alarm: Option<Alarm>,
    /// How many bytes of the request had been written when the alarm was last set.
    written: u64,
    timers: Timers,
    idle: Duration,
    reusable: bool,
    pool: Rc<Pool>,
}

impl ResponseBody {
    /// The body of the response to the request in `sending`. `reusable` says whether its connection may carry another exchange
    /// afterwards.
    pub(super) fn new(sending: Sending, length: Length, reusable: bool, pool: Rc<Pool>, terms: &Terms<'_>) -> Self {
        let mut body = Self {
            sending: Some(sending),
            decoder: Decoder::new(length, Kind::UpstreamMalformed),
            alarm: None,
            written: 0,
            timers: terms.timers.clone(),
            idle: terms.timeouts.idle,
            reusable,
            pool,
        };
        body.finish_if_done();
        body
    }

    /// When the whole response has been read, returns the connection to its pool, or closes it if it can't be reused.
    fn finish_if_done(&mut self) {
        if !self.decoder.is_done() {
            return;
        }
        if let Some(sending) = self.sending.take() {
            let clean = sending.sent && !sending.broken && sending.connection.inbound.buf.is_empty();
            if self.reusable && clean {
                let mut connection = sending.connection;
                connection.out.sent = 0;
                connection.inbound.rest();
                self.pool.park(connection);
            }
        }
    }

    /// The number of bytes that can be moved from the socket without being read: what is left of the body, when nothing of it was
    /// read ahead and the request has been written. Otherwise 0.
    pub fn spliceable(&self) -> u64 {
        match (&self.sending, self.decoder.remaining()) {
            (Some(Sending { connection, sent: true, .. }), Some(left))
                if connection.inbound.buf.is_empty() && matches!(connection.io, Stream::Plain(_)) =>
            {
                left
            }
            _ => 0,
        }
    }

    /// Moves bytes of the body that have arrived into an empty pipe. Ready with their number.
    pub fn poll_splice(&mut self, pipe: &mut Pipe, cx: &mut Context<'_>) -> Poll<Result<usize>> {
        let (left, sending) = (self.spliceable(), self.sending.as_ref());
        let Some(Stream::Plain(socket)) = sending.map(|sending| &sending.connection.io) else {
            return Poll::Ready(Ok(0));
        };
        match pipe.poll_fill(socket, left, cx) {
            Poll::Ready(Ok(0)) => Poll::Ready(Err(Error::new(Kind::UpstreamClosed, "within a body"))),
            Poll::Ready(Ok(moved)) => {
                self.decoder.skip(moved as u64);
                self.on_progress();
                Poll::Ready(Ok(moved))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(Error::new(Kind::UpstreamClosed, "").because(error))),
            Poll::Pending => self.poll_stalled(cx).map(Err),
        }
    }

    /// Called when bytes of the body have arrived: the idle time-out begins anew, and the connection is returned if they were the
    /// last.
    fn on_progress(&mut self) {
        self.restart_idle();
        self.finish_if_done();
    }

    /// The idle time-out begins anew: something has arrived, or nobody wants to read for a while.
    pub fn restart_idle(&mut self) {
        if let Some(alarm) = &mut self.alarm {
            alarm.set(self.idle);
        }
    }

    /// Whether the response waits for the client, which has not sent all of its request yet.
    pub fn is_starved(&self) -> bool {
        self.sending.as_ref().is_some_and(Sending::is_starved)
    }

    /// Ready with an error when the idle time-out is over, in which no byte came and none of the request could be written.
    fn poll_stalled(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        let starved = self.is_starved();
        let alarm = self.alarm.get_or_insert_with(|| Alarm::new(&self.timers, self.idle));
        let written = self.sending.as_ref().map_or(0, |sending| sending.connection.out.sent);
        let is_held = self.sending.as_ref().is_some_and(|sending| sending.body.is_held());
        if self.written != written || is_held {
            self.written = written;
            alarm.set(self.idle);
        }
        alarm.poll(cx).map(|()| stall_error(starved))
    }

    /// Goes on sending the request while nobody reads the response. An error shows when the response is read.
    pub fn poll_upload(&mut self, cx: &mut Context<'_>) {
        if let Some(sending) = &mut self.sending {
            let _: Poll<Result<()>> = sending.poll_send(cx);
        }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>>>> {
        loop {
            let Some(sending) = &mut self.sending else { return Poll::Ready(None) };
            if let Poll::Ready(Err(error)) = sending.poll_send(cx) {
                return Poll::Ready(Some(Err(error)));
            }
            let frame = match self.decoder.decode(&mut sending.connection.inbound.buf)? {
                Decoded::Data(data) => Some(Frame::data(data)),
                Decoded::Trailers(trailers) => Some(Frame::trailers(trailers)),
                Decoded::End => None,
                Decoded::Starved => {
                    match sending.connection.inbound.poll_fill(&mut sending.connection.io, cx, ROOM) {
                        Poll::Ready(Ok(true)) => {}
                        Poll::Ready(Ok(false)) if self.decoder.end_of_stream() => {}
                        Poll::Ready(Ok(false)) => {
                            return Poll::Ready(Some(Err(Error::new(Kind::UpstreamClosed, "within a body"))));
                        }
                        Poll::Ready(Err(error)) => {
                            return Poll::Ready(Some(Err(Error::new(Kind::UpstreamClosed, "").because(error))));
                        }
                        Poll::Pending => return self.poll_stalled(cx).map(|stalled| Some(Err(stalled))),
                    }
                    continue;
                }
            };
            self.on_progress();
            return Poll::Ready(frame.map(Ok));
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>>>> {
        self.get_mut().poll_next(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.sending.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.decoder.remaining().map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
