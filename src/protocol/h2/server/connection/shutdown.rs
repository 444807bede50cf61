//! Ending a client's HTTP/2 connection: in order, with GOAWAY (RFC 9113, section 6.8), or because of an error of the client.

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

/// The payload of our PING frames.
pub(in crate::protocol::h2::server) const PING_PAYLOAD: [u8; 8] = *b"evenkeel";
/// How long a client may go on opening streams after the first GOAWAY, so that requests which it sent before it got that are
/// answered.
const GRACE: Duration = Duration::from_secs(1);
/// How long, and how many bytes, we go on reading from a client after our last frame, so that it can read what we sent.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 1024 * 1024;

/// How far the connection is on the way to its end.
#[derive(Debug)]
pub(in crate::protocol::h2::server) enum Shutdown {
    /// The connection goes on.
    No,
    /// A first GOAWAY was sent, which the client may not have read yet. New streams are still served.
    Announced(Alarm),
    /// The last GOAWAY was sent. New streams are not served; the open ones go on.
    Final,
    /// No stream is served any more. What was written is sent, and then the client's end of the connection is waited for.
    Closing { alarm: Alarm, shut: bool, left: usize },
}

impl<H: Handler + 'static> Connection<H> {
    /// Takes the next step towards the end of the connection, if it is time. Returns whether closing has begun.
    pub(in crate::protocol::h2::server) fn advance_shutdown(&mut self, cx: &mut Context<'_>) -> bool {
        match &mut self.shutdown {
            Shutdown::No => {
                if self.drain.poll(cx) {
                    self.begin_shutdown();
                } else if self.must_make_room(cx) {
                    self.refuse_new_streams();
                }
            }
            Shutdown::Announced(alarm) => {
                if alarm.poll(cx).is_ready() {
                    self.refuse_new_streams();
                }
            }
            Shutdown::Final | Shutdown::Closing { .. } => {}
        }
        let state = self.link.state.borrow();
        let over = matches!(self.shutdown, Shutdown::Final) && state.streams.is_empty();
        drop(state);
        if over {
            self.begin_closing();
        }
        over
    }

    /// Begins a graceful shutdown: asks the client to open no more streams.
    pub(in crate::protocol::h2::server) fn begin_shutdown(&mut self) {
        if !matches!(self.shutdown, Shutdown::No) {
            return;
        }
        // section 6.8: the first GOAWAY has the highest possible id, so that streams which are on their way are still served; the
        // answer to the PING shows that the client has read the GOAWAY
        let state = &mut *self.link.state.borrow_mut();
        frame::go_away(state.out.buffer(), MAX_WINDOW, Reason::NoError);
        frame::ping(state.out.buffer(), PING_PAYLOAD, false);
        state.wake();
        self.shutdown = Shutdown::Announced(Alarm::new(&self.setup.timers, GRACE));
    }

    /// Sends the last GOAWAY: from now on no new stream is served.
    pub(in crate::protocol::h2::server) fn refuse_new_streams(&mut self) {
        let state = &mut *self.link.state.borrow_mut();
        frame::go_away(state.out.buffer(), self.last, Reason::NoError);
        state.wake();
        self.last_served = Some(self.last);
        self.shutdown = Shutdown::Final;
    }

    /// Ends the connection because of an error of the client.
    pub(in crate::protocol::h2::server) fn fail(&mut self, reason: Reason, detail: &'static str) {
        tracing::debug!(?reason, detail, "an HTTP/2 connection of a client is ended");
        self.link.end_all(Cause::Lost);
        let last = self.last_served.unwrap_or(self.last);
        frame::go_away(self.link.state.borrow_mut().out.buffer(), last, reason);
        self.begin_closing();
    }

    fn begin_closing(&mut self) {
        let alarm = Alarm::new(&self.setup.timers, LINGER);
        self.shutdown = Shutdown::Closing { alarm, shut: false, left: LINGER_BYTES };
    }

    /// Writes what is left, ends our side, and goes on reading for a while: data that arrives on a closed socket makes the kernel
    /// send RST, which discards what the client has not read yet.
    pub(in crate::protocol::h2::server) fn close(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Shutdown::Closing { alarm, shut, left } = &mut self.shutdown else { return Poll::Ready(()) };
        let out = &mut self.link.state.borrow_mut().out;
        let closing = poll_close(&mut self.io, &mut self.inbound, out, shut, left, cx);
        if closing.is_ready() { closing } else { alarm.poll(cx) }
    }
}

fn poll_close(
    io: &mut Io,
    inbound: &mut Inbound,
    out: &mut Outbound,
    shut: &mut bool,
    left: &mut usize,
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
