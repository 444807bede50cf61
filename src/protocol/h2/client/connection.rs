//! A connection to a backend. Its task reads frames, and writes what the holders of streams have queued on the [`Link`].

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::AsyncWrite;

use super::peer::{ConnectionState, Peer};
use super::{CONNECTION_WINDOW, Client, Limits, STREAM_WINDOW};
use crate::io::Stream as Io;
use crate::io::inbound::Inbound;
use crate::protocol::h2::block::Block;
use crate::protocol::h2::frame::{self, Fault, Next, Reason, code_name, setting};
use crate::protocol::h2::hpack::Decoder;
use crate::protocol::h2::link::Link;
use crate::protocol::h2::link::stream::Cause;
use crate::protocol::h2::{DEFAULT_WINDOW, HPACK_TABLE, PREFACE};
use crate::timer::{Alarm, Timers};

/// Nothing is read from a backend while more than this many bytes wait to be written to it.
const MAX_UNWRITTEN: usize = 256 * 1024;
/// How long a PING may be unanswered before no more requests are sent on the connection.
const PONG_WITHIN: Duration = Duration::from_secs(2);
/// How long after that the connection is closed, with all its streams. A backend that stands still for a moment (a garbage
/// collection, a full disk) does not lose its connections.
const GIVE_UP: Duration = Duration::from_secs(8);
/// After this time without anything from the backend, a PING is sent on a connection. If only its answer has come since, the next
/// one is sent after [`GRPC_PING_INTERVAL`].
const PING: Duration = Duration::from_secs(20);
/// The shortest interval between PING frames that gRPC servers accept while they send nothing (gRFC A8 has 5 minutes), plus a
/// second.
const GRPC_PING_INTERVAL: Duration = Duration::from_secs(301);
/// How long a backend may read nothing of what there is to write.
const WRITE_TIMEOUT: Duration = Duration::from_secs(20);

/// A connection to a backend.
pub(super) struct Connection {
    io: Io,
    pub(super) inbound: Inbound,
    pub(super) link: Rc<Link>,
    pub(super) peer: Rc<Peer>,
    pub(super) limits: Limits,
    pub(super) decoder: Decoder,
    /// A field block that is not complete yet.
    pub(super) block: Option<Block>,
    /// Whether the backend's first SETTINGS were read.
    pub(super) settled: bool,
    /// Whether writing has failed.
    write_failed: bool,
    phase: Phase,
    /// The number of bytes received, or sent, when the alarm was set.
    progress: u64,
    alarm: Alarm,
    /// The number of PING frames in a row after which nothing but their answer has arrived.
    pings: u32,
}

/// What the connection waits for, which decides how long it may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Anything has to arrive.
    Listening,
    /// The answer to a PING has to arrive.
    AwaitingPong,
    /// The same, and no more requests are sent on the connection.
    GivingUp,
    /// The backend has to read what there is to write.
    Writing,
    /// Writing has failed, and what the backend sent before that is read.
    Reading,
}

/// Why reading has stopped: nothing to read, too much to write, or the end.
enum Read {
    Empty,
    Full,
    End,
}

/// Why a connection can't go on.
pub(super) enum Failed {
    /// The backend has closed it.
    Gone,
    /// The backend has violated the protocol.
    Fault(Reason, &'static str),
}

impl Connection {
    pub fn new(io: Io, client: &Client, limits: Limits, timers: &Timers) -> Self {
        {
            let out = &mut client.link.state.borrow_mut().out;
            out.buffer().extend_from_slice(PREFACE);
            let settings = [
                (setting::ENABLE_PUSH, 0),
                (setting::INITIAL_WINDOW_SIZE, STREAM_WINDOW),
                (setting::MAX_HEADER_LIST_SIZE, u32::try_from(limits.bytes).unwrap_or(u32::MAX)),
            ];
            frame::settings(out.buffer(), &settings);
            frame::window_update(out.buffer(), 0, CONNECTION_WINDOW - DEFAULT_WINDOW);
        }
        Self {
            io,
            inbound: Inbound::default(),
            link: Rc::clone(&client.link),
            peer: Rc::clone(&client.peer),
            limits,
            decoder: Decoder::new(HPACK_TABLE),
            block: None,
            settled: false,
            write_failed: false,
            phase: Phase::Listening,
            progress: 0,
            alarm: Alarm::new(timers, PING),
            pings: 0,
        }
    }

    /// Runs the connection. Ready when it is over, with the reason if it did not end in order.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<&'static str>> {
        self.link.set_waker(cx.waker());
        let why = ready!(self.advance(cx));
        self.end_streams(Cause::Lost);
        Poll::Ready(why)
    }

    fn advance(&mut self, cx: &mut Context<'_>) -> Poll<Option<&'static str>> {
        loop {
            let read = match self.read(cx) {
                Ok(Read::End) => return Poll::Ready(None),
                Err(Failed::Gone) => return Poll::Ready(Some("it was reset")),
                Err(Failed::Fault(reason, detail)) => {
                    // the GOAWAY may also write requests that are still queued, which the backend may then execute; so only after
                    // it is it certain which ones were never sent
                    let said = self.send_go_away(reason, cx);
                    self.end_streams(Cause::Fault(detail));
                    return said.map(|()| Some(detail));
                }
                Ok(read) => read,
            };
            let flushed = self.flush(cx);
            if let Poll::Ready(Err(_)) = flushed {
                self.stop_writing();
            }
            if flushed.is_ready() && matches!(read, Read::Full) {
                continue;
            }
            let has_left = self.peer.connection_state.get() == ConnectionState::Leaving
                && self.link.state.borrow().streams.is_empty();
            if has_left && flushed.is_ready() {
                return self.send_go_away(Reason::NoError, cx).map(|()| None);
            }
            if !self.is_overdue(cx) {
                return Poll::Pending;
            }
            match self.phase {
                Phase::Listening => {
                    self.pings += 1;
                    self.peer.ping(&mut self.link.state.borrow_mut());
                }
                Phase::AwaitingPong => self.mark_unresponsive(),
                Phase::GivingUp => return Poll::Ready(Some("it gave no sign of life")),
                Phase::Writing => return Poll::Ready(Some("it takes nothing")),
                Phase::Reading => return Poll::Ready(Some("it can't be written to")),
            }
        }
    }

    /// Reads from the socket, and handles all complete frames.
    fn read(&mut self, cx: &mut Context<'_>) -> Result<Read, Failed> {
        loop {
            let missing = loop {
                if self.link.state.borrow().out.waiting() > MAX_UNWRITTEN {
                    return Ok(Read::Full);
                }
                match frame::next(&mut self.inbound.buf) {
                    Next::Frame(frame) => self.handle(frame)?,
                    Next::Missing(missing) => break missing,
                }
            };
            match self.inbound.poll_fill(&mut self.io, cx, missing) {
                Poll::Ready(Ok(true)) => self.peer.on_received(),
                Poll::Ready(Ok(false)) => return Ok(Read::End),
                Poll::Ready(Err(_)) => return Err(Failed::Gone),
                Poll::Pending => {
                    if self.link.state.borrow().streams.is_empty() {
                        self.inbound.rest();
                    }
                    return Ok(Read::Empty);
                }
            }
        }
    }

    /// Writes what the streams have queued, as far as flow-control windows and the socket allow.
    fn flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let state = &mut *self.link.state.borrow_mut();
        if self.write_failed {
            state.out.discard();
            return Poll::Ready(Ok(()));
        }
        loop {
            state.pump();
            if state.out.is_empty() {
                return Poll::Ready(Ok(()));
            }
            ready!(state.out.poll_flush(&mut self.io, cx))?;
        }
    }

    /// Sets the time-out for what the connection waits for now. Returns whether that time is over.
    fn is_overdue(&mut self, cx: &mut Context<'_>) -> bool {
        let state = self.link.state.borrow();
        // on a slow line a backend can answer a PING only when that has reached it, so it is not called silent as long as bytes
        // are written
        let moved = self.inbound.received + if state.out.is_empty() { 0 } else { state.out.sent };
        if self.phase == Phase::Listening && self.progress != self.inbound.received && !self.peer.ping_pending.get() {
            self.pings = 0;
        }
        let (phase, limit, progress) = if self.write_failed {
            (Phase::Reading, PONG_WITHIN, self.inbound.received)
        } else if self.peer.ping_pending.get() {
            match self.phase {
                Phase::GivingUp => (Phase::GivingUp, GIVE_UP, moved),
                _ => (Phase::AwaitingPong, PONG_WITHIN, moved),
            }
        } else if !state.out.is_empty() {
            (Phase::Writing, WRITE_TIMEOUT, state.out.sent)
        } else {
            (Phase::Listening, if self.pings == 0 { PING } else { GRPC_PING_INTERVAL }, self.inbound.received)
        };
        drop(state);
        if (phase, progress) != (self.phase, self.progress) {
            (self.phase, self.progress) = (phase, progress);
            self.alarm.set(limit);
        }
        self.alarm.poll(cx).is_ready()
    }

    /// The PING was not answered in time: no requests are sent on the connection until something arrives.
    fn mark_unresponsive(&mut self) {
        self.phase = Phase::GivingUp;
        self.alarm.set(GIVE_UP);
        if matches!(self.peer.connection_state.get(), ConnectionState::Open | ConnectionState::Suspect) {
            self.peer.connection_state.set(ConnectionState::Unresponsive);
        }
        self.link.wake_streams();
    }

    /// Writing has failed. The backend may have sent something before that, typically an early response to an upload.
    fn stop_writing(&mut self) {
        self.write_failed = true;
        self.peer.connection_state.set(ConnectionState::Leaving);
        self.link.state.borrow_mut().out.discard();
    }

    /// Sends GOAWAY if the socket takes it, and ends our side.
    fn send_go_away(&mut self, reason: Reason, cx: &mut Context<'_>) -> Poll<()> {
        let out = &mut self.link.state.borrow_mut().out;
        // section 6.8: the id is that of the last stream which the backend opened, and there are none
        frame::go_away(out.buffer(), 0, reason);
        if out.poll_flush(&mut self.io, cx).is_ready() {
            let _ = Pin::new(&mut self.io).poll_shutdown(cx);
        }
        Poll::Ready(())
    }

    fn end_streams(&self, cause: Cause) {
        self.peer.connection_state.set(ConnectionState::Closed);
        self.link.end_all(cause);
        self.peer.wake_settings_waiters();
    }

    /// Handles a GOAWAY: the backend accepts no more streams, and has not processed those above `last` (section 6.8).
    pub(super) fn on_go_away(&self, last: u32, code: u32) {
        if code != Reason::NoError as u32 {
            tracing::debug!(code = code_name(code), "a backend ends an HTTP/2 connection");
        }
        self.peer.connection_state.set(ConnectionState::Leaving);
        let state = &mut *self.link.state.borrow_mut();
        let unseen: Vec<_> = state.streams.values().filter(|stream| stream.id > last).map(Rc::clone).collect();
        for stream in unseen {
            let inner = &mut *stream.inner.borrow_mut();
            state.remove_stream(stream.id, inner);
            inner.end(Cause::Unprocessed);
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.end_streams(Cause::Lost);
    }
}

impl From<Fault> for Failed {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Connection(reason, detail) => Self::Fault(reason, detail),
            Fault::Stream(_, reason) => Self::Fault(reason, "an error of a stream that was never opened"),
        }
    }
}
