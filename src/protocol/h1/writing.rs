//! Writing the body of a response to an HTTP/1 client. It is copied piece by piece, or spliced when it is large and not
//! encrypted.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::Body;

use super::encode::Coding;
use super::wire::Wire;
use crate::error::Error;
use crate::layer4::splice::{MaySplice, Splice, SpliceOutcome};
use crate::protocol::http::Setup;
use crate::timer::Alarm;

/// A response body that is being written.
pub(super) struct Writing<'a, B> {
    wire: &'a RefCell<Wire>,
    setup: &'a Setup,
    body: &'a mut B,
    coding: Coding,
    splice: Splice<'a>,
    /// Whether nothing is left to be read of the body.
    ended: bool,
    /// Whether the body ended without an error.
    complete: bool,
    /// Whether the connection ends after this response.
    last: bool,
    /// The time-out for a client that reads nothing, and the number of bytes that had been written when it was set.
    alarm: Option<(u64, Alarm)>,
}

/// Why no more of the body is added to the output now.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Full {
    /// There is enough to write, or the body has ended.
    Enough,
    /// The backend has to send more first.
    Starved,
    /// The rest will be spliced.
    Spliced,
}

impl<'a, B: Body<Data = Bytes, Error = Error> + MaySplice + Unpin> Writing<'a, B> {
    /// A writer for `body`, of which nothing was written yet.
    pub fn new(wire: &'a RefCell<Wire>, body: &'a mut B, coding: Coding, setup: &'a Setup) -> Self {
        let splice = Splice::new(&setup.pipes);
        Self { wire, setup, body, coding, splice, ended: false, complete: true, last: false, alarm: None }
    }

    /// Sets whether the body has ended already, so that only the head is to be written.
    pub fn ended(self, ended: bool) -> Self {
        Self { ended, ..self }
    }

    /// Sets whether the connection ends after this response.
    pub fn last(self, last: bool) -> Self {
        Self { last, ..self }
    }

    /// Writes the body as it arrives, and watches the client meanwhile. An error means that the response is incomplete.
    pub async fn run(mut self) -> Result<(), ()> {
        poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ()>> {
        loop {
            let mut full = self.fill_output(cx);
            match self.flush(cx) {
                Poll::Ready(Ok(())) if self.ended => return Poll::Ready(if self.complete { Ok(()) } else { Err(()) }),
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => return Poll::Ready(Err(())),
                Poll::Pending => {
                    self.body.poll_upload(cx);
                    return self.poll_client_timeout(cx).map(Err);
                }
            }
            if full == Full::Spliced {
                match self.splice(cx) {
                    SpliceOutcome::Done => {}
                    SpliceOutcome::WaitsForBackend => full = Full::Starved,
                    SpliceOutcome::WaitsForClient => return self.poll_client_timeout(cx).map(Err),
                    SpliceOutcome::Broken => return Poll::Ready(Err(())),
                }
            }
            if full == Full::Starved {
                self.alarm = None;
                return self.wire.borrow_mut().poll_gone(cx).map(Err);
            }
        }
    }

    /// Adds pieces of the body to the output. `wire` is not borrowed while the body is polled, because the body may have to read
    /// the request's body from it.
    fn fill_output(&mut self, cx: &mut Context<'_>) -> Full {
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
                // what was read before is written first: a client that gets nothing at all may conclude that its request never
                // arrived, and send it again
                Some(Err(_)) => (self.ended, self.complete) = (true, false),
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
        if self.ended && self.last && self.complete {
            wire.out.finish();
        }
        wire.out.poll_flush(&mut wire.io, cx)
    }

    /// Moves the bytes that have arrived from the backend's socket to the client's.
    fn splice(&mut self, cx: &mut Context<'_>) -> SpliceOutcome {
        loop {
            let filled = self.splice.poll_fill(self.body, cx);
            if filled != SpliceOutcome::Done {
                return filled;
            }
            let wire = &mut *self.wire.borrow_mut();
            let Some(client) = wire.io.plain() else { return SpliceOutcome::Broken };
            let (sent, moved) = self.splice.poll_drain(client, cx);
            wire.out.sent += sent as u64;
            if moved != SpliceOutcome::Done || sent == 0 {
                return moved;
            }
        }
    }

    /// Ready when the client has read nothing for `idle_timeout`.
    fn poll_client_timeout(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let sent = self.wire.borrow().out.sent;
        let alarm = match &mut self.alarm {
            Some((before, alarm)) if *before == sent => alarm,
            stale => &mut stale.insert((sent, Alarm::new(&self.setup.timers, self.setup.idle_timeout))).1,
        };
        ready!(alarm.poll(cx));
        Poll::Ready(())
    }
}
