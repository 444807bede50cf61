//! The body of an answer over HTTP/1.1: it reads from the connection, and gives that back to its pool at the end.

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
use crate::upstream::terms::{Terms, stalled};

/// The body of a backend's answer. When it was read to its end, the connection goes back to its pool.
#[derive(Debug)]
pub struct ResponseBody {
    sending: Option<Sending>,
    decoder: Decoder,
    /// While it is waited for.
    alarm: Option<Alarm>,
    /// What of the request had been written when that was set.
    written: u64,
    timers: Timers,
    idle: Duration,
    reusable: bool,
    pool: Rc<Pool>,
}

impl ResponseBody {
    /// The body of this sending's answer, of this length; `reusable`: its connection may carry another exchange then.
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

    /// Gives the connection back once the whole answer was read, or closes it.
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

    /// What of it is still to come through the socket as it is: nothing of it was read ahead, and the request has gone.
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

    /// Moves what has come of it into an empty pipe.
    pub fn poll_splice(&mut self, pipe: &mut Pipe, cx: &mut Context<'_>) -> Poll<Result<usize>> {
        let (left, sending) = (self.spliceable(), self.sending.as_ref());
        let Some(Stream::Plain(socket)) = sending.map(|sending| &sending.connection.io) else {
            return Poll::Ready(Ok(0));
        };
        match pipe.poll_fill(socket, left, cx) {
            Poll::Ready(Ok(0)) => Poll::Ready(Err(Error::new(Kind::UpstreamClosed, "within a body"))),
            Poll::Ready(Ok(moved)) => {
                self.decoder.skip(moved as u64);
                self.moved();
                Poll::Ready(Ok(moved))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(Error::new(Kind::UpstreamClosed, "").because(error))),
            Poll::Pending => self.poll_stalled(cx).map(Err),
        }
    }

    /// Something of it came: the backend has its time again, and the connection goes back if that was the last of it.
    fn moved(&mut self) {
        if let Some(alarm) = &mut self.alarm {
            alarm.set(self.idle);
        }
        self.finish_if_done();
    }

    /// Whether the client is waited for, which has still to send some of its request.
    pub fn is_starved(&self) -> bool {
        self.sending.as_ref().is_some_and(Sending::is_starved)
    }

    /// Ready when nothing has come for too long, and nothing of the request could go.
    fn poll_stalled(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        let starved = self.is_starved();
        let alarm = self.alarm.get_or_insert_with(|| Alarm::new(&self.timers, self.idle));
        let written = self.sending.as_ref().map_or(0, |sending| sending.connection.out.sent);
        if self.written != written {
            self.written = written;
            alarm.set(self.idle);
        }
        alarm.poll(cx).map(|()| stalled(starved))
    }

    /// Sends more of the request while nobody takes the answer. What goes wrong is told when it is taken.
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
            self.moved();
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
