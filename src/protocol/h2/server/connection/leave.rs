//! How a client's HTTP/2 connection comes to its end: in order (RFC 9113, section 6.8), or for what the client did.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::AsyncWrite;

use super::Connection;
use crate::io::Stream as Io;
use crate::io::inbound::Inbound;
use crate::protocol::h2::frame::{self, HEAD, MAX_WINDOW, Reason};
use crate::protocol::h2::link::stream::Cause;
use crate::protocol::h2::outbound::Outbound;
use crate::protocol::http::Handler;
use crate::timer::Alarm;

/// What our own pings carry.
pub(in crate::protocol::h2::server) const SIGN: [u8; 8] = *b"evenkeel";
/// How long a client may still open streams after it was told not to: what it sent before it knew is answered.
const LAST_CALL: Duration = Duration::from_secs(1);
/// How long, and how much, is read from a client that sends on, so that it gets to read our last words.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 1024 * 1024;

/// How the connection comes to its end.
#[derive(Debug)]
pub(in crate::protocol::h2::server) enum Leaving {
    /// It does not.
    No,
    /// The client was told to open no more streams, and may not know it yet.
    Told(Alarm),
    /// No stream that is opened now is served.
    Last,
    /// Nothing is served any more: what was written is sent, and the end of the client's is waited for.
    Closing { alarm: Alarm, shut: bool, left: usize },
}

impl<H: Handler + 'static> Connection<H> {
    /// Moves a leave on; whether it came to closing.
    pub(in crate::protocol::h2::server) fn has_left(&mut self, cx: &mut Context<'_>) -> bool {
        match &mut self.leaving {
            Leaving::No => {
                if self.drain.poll(cx) {
                    self.leave();
                } else if self.gives_way(cx) {
                    self.leave_now();
                }
            }
            Leaving::Told(alarm) => {
                if alarm.poll(cx).is_ready() {
                    self.leave_now();
                }
            }
            Leaving::Last | Leaving::Closing { .. } => {}
        }
        let state = self.link.state.borrow();
        let over = matches!(self.leaving, Leaving::Last) && state.streams.is_empty();
        drop(state);
        if over {
            self.begin_closing();
        }
        over
    }

    /// Tells the client to open no more streams.
    pub(in crate::protocol::h2::server) fn leave(&mut self) {
        if !matches!(self.leaving, Leaving::No) {
            return;
        }
        // section 6.8: the highest id first, so that streams that are on their way are not lost; the answer to the ping shows
        // that the client knows
        let state = &mut *self.link.state.borrow_mut();
        frame::go_away(state.out.buffer(), MAX_WINDOW, Reason::NoError);
        frame::ping(state.out.buffer(), SIGN, false);
        state.wake();
        self.leaving = Leaving::Told(Alarm::new(&self.setup.timers, LAST_CALL));
    }

    /// From now on no new stream is served.
    pub(in crate::protocol::h2::server) fn leave_now(&mut self) {
        let state = &mut *self.link.state.borrow_mut();
        frame::go_away(state.out.buffer(), self.last, Reason::NoError);
        state.wake();
        self.last_served = Some(self.last);
        self.leaving = Leaving::Last;
    }

    /// Ends the connection for what the client did.
    pub(in crate::protocol::h2::server) fn fail(&mut self, reason: Reason, detail: &'static str) {
        tracing::debug!(?reason, detail, "an HTTP/2 connection of a client is ended");
        self.link.lose(Cause::Lost);
        let last = self.last_served.unwrap_or(self.last);
        frame::go_away(self.link.state.borrow_mut().out.buffer(), last, reason);
        self.begin_closing();
    }

    fn begin_closing(&mut self) {
        let alarm = Alarm::new(&self.setup.timers, LINGER);
        self.leaving = Leaving::Closing { alarm, shut: false, left: LINGER_BYTES };
    }

    /// Sends the last words, ends our side, and reads on for a while: data that arrives on a closed socket makes the kernel send
    /// RST, which discards what the client has not read yet.
    pub(in crate::protocol::h2::server) fn close(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Leaving::Closing { alarm, shut, left } = &mut self.leaving else { return Poll::Ready(()) };
        let out = &mut self.link.state.borrow_mut().out;
        let closing = poll_close(&mut self.io, &mut self.inbound, out, (shut, left), cx);
        if closing.is_ready() { closing } else { alarm.poll(cx) }
    }
}

fn poll_close(
    io: &mut Io,
    inbound: &mut Inbound,
    out: &mut Outbound,
    (shut, left): (&mut bool, &mut usize),
    cx: &mut Context<'_>,
) -> Poll<()> {
    if !*shut {
        if ready!(out.poll_flush(io, cx)).is_err() || ready!(Pin::new(&mut *io).poll_shutdown(cx)).is_err() {
            return Poll::Ready(());
        }
        *shut = true;
    }
    while *left > 0 {
        inbound.buf.clear();
        match ready!(inbound.poll_fill(io, cx, HEAD)) {
            Ok(true) => *left = left.saturating_sub(inbound.buf.len()),
            _ => break,
        }
    }
    Poll::Ready(())
}
