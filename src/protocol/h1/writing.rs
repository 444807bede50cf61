//! The body of an answer on its way to an HTTP/1 client: copied piece by piece, or spliced where it is large and plain.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::Body;

use super::encode::Coding;
use super::wire::Wire;
use crate::error::Error;
use crate::layer4::splice::{MaySplice, Moved, Splice};
use crate::protocol::http::Setup;
use crate::timer::Alarm;

/// A body that is being written.
pub(super) struct Writing<'a, B> {
    wire: &'a RefCell<Wire>,
    setup: &'a Setup,
    body: &'a mut B,
    coding: Coding,
    splice: Splice<'a>,
    /// Nothing is left of the body.
    ended: bool,
    /// It ended as it should.
    whole: bool,
    /// Nothing comes after it on this connection.
    last: bool,
    /// For a client that takes nothing, and what it had taken when this was armed.
    alarm: Option<(u64, Alarm)>,
}

/// Why no more of a body can be taken up now.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Full {
    /// There is enough to write, or nothing is left.
    Enough,
    /// The backend has to send more.
    Starved,
    /// The rest is to be spliced.
    Spliced,
}

impl<'a, B: Body<Data = Bytes, Error = Error> + MaySplice + Unpin> Writing<'a, B> {
    /// Of which nothing was written yet.
    pub fn new(wire: &'a RefCell<Wire>, body: &'a mut B, coding: Coding, setup: &'a Setup) -> Self {
        let splice = Splice::new(&setup.pipes);
        Self { wire, setup, body, coding, splice, ended: false, whole: true, last: false, alarm: None }
    }

    /// Whether there is nothing to write but what is in the connection's buffer.
    pub fn ended(self, ended: bool) -> Self {
        Self { ended, ..self }
    }

    /// Whether the connection ends with it.
    pub fn last(self, last: bool) -> Self {
        Self { last, ..self }
    }

    /// Writes it as it comes, while the client is watched. An error means that it is not whole.
    pub async fn run(mut self) -> Result<(), ()> {
        poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ()>> {
        loop {
            let mut full = self.take_up(cx);
            match self.flush(cx) {
                Poll::Ready(Ok(())) if self.ended => return Poll::Ready(if self.whole { Ok(()) } else { Err(()) }),
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => return Poll::Ready(Err(())),
                Poll::Pending => {
                    self.body.poll_upload(cx);
                    return self.poll_patience(cx).map(Err);
                }
            }
            if full == Full::Spliced {
                match self.spliced(cx) {
                    Moved::Done => {}
                    Moved::WaitsForBackend => full = Full::Starved,
                    Moved::WaitsForClient => return self.poll_patience(cx).map(Err),
                    Moved::Broken => return Poll::Ready(Err(())),
                }
            }
            if full == Full::Starved {
                self.alarm = None;
                return self.wire.borrow_mut().poll_gone(cx).map(Err);
            }
        }
    }

    /// Takes pieces of the body into the connection's buffer. The connection is not borrowed while the body is asked: it may have
    /// to read the request's body from it.
    fn take_up(&mut self, cx: &mut Context<'_>) -> Full {
        while !self.ended && self.wire.borrow().out.has_room() {
            if self.coding == Coding::Plain && self.splice.fits(self.body, &self.wire.borrow().io) {
                return Full::Spliced;
            }
            let Poll::Ready(frame) = Pin::new(&mut *self.body).poll_frame(cx) else { return Full::Starved };
            let out = &mut self.wire.borrow_mut().out;
            match frame.map(|frame| frame.map(|frame| frame.into_data())) {
                Some(Ok(Ok(data))) => {
                    self.splice.read(data.len());
                    out.data(data, self.coding);
                }
                Some(Ok(Err(frame))) => {
                    out.end(self.coding, frame.trailers_ref());
                    self.ended = true;
                }
                // what came before goes out first: a client that gets nothing at all may take its request for one that never
                // arrived, and send it again
                Some(Err(_)) => (self.ended, self.whole) = (true, false),
                None => {
                    out.end(self.coding, None);
                    self.ended = true;
                }
            }
        }
        Full::Enough
    }

    fn flush(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        let wire = &mut *self.wire.borrow_mut();
        if self.ended && self.last && self.whole {
            wire.out.finish();
        }
        wire.out.poll_flush(&mut wire.io, cx)
    }

    /// Moves what is there from socket to socket.
    fn spliced(&mut self, cx: &mut Context<'_>) -> Moved {
        loop {
            let filled = self.splice.poll_fill(self.body, cx);
            if filled != Moved::Done {
                return filled;
            }
            let wire = &mut *self.wire.borrow_mut();
            let Some(client) = wire.io.plain() else { return Moved::Broken };
            let (sent, moved) = self.splice.poll_drain(client, cx);
            wire.out.sent += sent as u64;
            if moved != Moved::Done || sent == 0 {
                return moved;
            }
        }
    }

    /// Ready when the client has taken nothing for `idle_timeout`.
    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let sent = self.wire.borrow().out.sent;
        let alarm = match &mut self.alarm {
            Some((before, alarm)) if *before == sent => alarm,
            stale => &mut stale.insert((sent, Alarm::new(&self.setup.timers, self.setup.idle_timeout))).1,
        };
        ready!(alarm.poll(cx));
        Poll::Ready(())
    }
}
