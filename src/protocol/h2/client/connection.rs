//! A connection to a backend: the task that reads frames and writes what the holders of streams have left on the [`Link`].

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::AsyncWrite;

use super::peer::{Peer, Standing};
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

/// Nothing is read while this much waits for a backend that does not read.
const BACKLOG: usize = 256 * 1024;
/// How long a ping may be unanswered before no more requests are sent on the connection.
const SIGN_WITHIN: Duration = Duration::from_secs(2);
/// How long after that until the connection is given up, with all streams on it. A backend that stands still for a moment (a garbage
/// collection, a full disk) is not cut off for that.
const GIVE_UP: Duration = Duration::from_secs(8);
/// A connection on which nothing comes is asked after so long, the first time; with nothing heard since, after [`SELDOM`].
const PING: Duration = Duration::from_secs(20);
/// The least that gRPC servers want between pings while they send nothing (gRFC A8).
const SELDOM: Duration = Duration::from_secs(301);
/// How long a backend may take nothing of what there is to write.
const STUCK: Duration = Duration::from_secs(20);

/// A connection that is spoken on.
pub(super) struct Connection {
    io: Io,
    pub(super) inbound: Inbound,
    pub(super) link: Rc<Link>,
    pub(super) peer: Rc<Peer>,
    pub(super) limits: Limits,
    pub(super) decoder: Decoder,
    /// A field block that is not whole.
    pub(super) block: Option<Block>,
    /// The backend's first SETTINGS were read.
    pub(super) settled: bool,
    /// It can't be written to.
    deaf: bool,
    phase: Phase,
    /// Bytes received or sent when the alarm was set.
    progress: u64,
    alarm: Alarm,
    /// Pings that were answered with nothing but that.
    pings: u32,
}

/// What is waited for, and for how long that may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Something is heard now and then.
    Heard,
    /// A sign of life.
    Sign,
    /// The same, and nobody counts on it any more.
    GivingUp,
    /// The backend is to take what there is to write.
    Writing,
    /// It takes nothing any more, and what it said before that is read.
    Reading,
}

/// How reading stopped.
enum Read {
    Dry,
    Full,
    End,
}

/// What ends a connection.
pub(super) enum Failed {
    /// The backend is gone.
    Gone,
    /// It broke the rules.
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
            deaf: false,
            phase: Phase::Heard,
            progress: 0,
            alarm: Alarm::new(timers, PING),
            pings: 0,
        }
    }

    /// Ready when it is over, with the reason where that was not in order.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<&'static str>> {
        self.link.attend(cx.waker());
        let why = ready!(self.advance(cx));
        self.over(Cause::Lost);
        Poll::Ready(why)
    }

    fn advance(&mut self, cx: &mut Context<'_>) -> Poll<Option<&'static str>> {
        loop {
            let read = match self.read(cx) {
                Ok(Read::End) => return Poll::Ready(None),
                Err(Failed::Gone) => return Poll::Ready(Some("it was reset")),
                Err(Failed::Fault(reason, detail)) => {
                    // requests that still go with it may be executed: only then is it told which were never written
                    let said = self.say_goodbye(reason, cx);
                    self.over(Cause::Fault(detail));
                    return said.map(|()| Some(detail));
                }
                Ok(read) => read,
            };
            let flushed = self.flush(cx);
            if let Poll::Ready(Err(_)) = flushed {
                self.fall_deaf();
            }
            if flushed.is_ready() && matches!(read, Read::Full) {
                continue;
            }
            let has_left = self.peer.standing.get() == Standing::Leaving && self.link.state.borrow().streams.is_empty();
            if has_left && flushed.is_ready() {
                return self.say_goodbye(Reason::NoError, cx).map(|()| None);
            }
            if !self.is_overdue(cx) {
                return Poll::Pending;
            }
            match self.phase {
                Phase::Heard => {
                    self.pings += 1;
                    self.peer.ask(&mut self.link.state.borrow_mut());
                }
                Phase::Sign => self.fall_silent(),
                Phase::GivingUp => return Poll::Ready(Some("it gave no sign of life")),
                Phase::Writing => return Poll::Ready(Some("it takes nothing")),
                Phase::Reading => return Poll::Ready(Some("it can't be written to")),
            }
        }
    }

    /// Reads and understands what there is.
    fn read(&mut self, cx: &mut Context<'_>) -> Result<Read, Failed> {
        loop {
            let missing = loop {
                if self.link.state.borrow().out.waiting() > BACKLOG {
                    return Ok(Read::Full);
                }
                match frame::next(&mut self.inbound.buf) {
                    Next::Frame(frame) => self.take(frame)?,
                    Next::Missing(missing) => break missing,
                }
            };
            match self.inbound.poll_fill(&mut self.io, cx, missing) {
                Poll::Ready(Ok(true)) => self.peer.hear(),
                Poll::Ready(Ok(false)) => return Ok(Read::End),
                Poll::Ready(Err(_)) => return Err(Failed::Gone),
                Poll::Pending => {
                    if self.link.state.borrow().streams.is_empty() {
                        self.inbound.rest();
                    }
                    return Ok(Read::Dry);
                }
            }
        }
    }

    /// Moves what streams have to say to the socket, as far as windows and the backend go.
    fn flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let state = &mut *self.link.state.borrow_mut();
        if self.deaf {
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

    /// Arms the alarm for what is waited for now; whether that takes too long.
    fn is_overdue(&mut self, cx: &mut Context<'_>) -> bool {
        let state = self.link.state.borrow();
        // a backend behind a slow line answers a ping when it has come to it: as long as bytes leave, it is not silent
        let moved = self.inbound.received + if state.out.is_empty() { 0 } else { state.out.sent };
        if self.phase == Phase::Heard && self.progress != self.inbound.received && !self.peer.asked.get() {
            self.pings = 0;
        }
        let (phase, limit, progress) = if self.deaf {
            (Phase::Reading, SIGN_WITHIN, self.inbound.received)
        } else if self.peer.asked.get() {
            match self.phase {
                Phase::GivingUp => (Phase::GivingUp, GIVE_UP, moved),
                _ => (Phase::Sign, SIGN_WITHIN, moved),
            }
        } else if !state.out.is_empty() {
            (Phase::Writing, STUCK, state.out.sent)
        } else {
            (Phase::Heard, if self.pings == 0 { PING } else { SELDOM }, self.inbound.received)
        };
        drop(state);
        if (phase, progress) != (self.phase, self.progress) {
            (self.phase, self.progress) = (phase, progress);
            self.alarm.set(limit);
        }
        self.alarm.poll(cx).is_ready()
    }

    /// No sign of life came: nobody counts on the connection until one does.
    fn fall_silent(&mut self) {
        self.phase = Phase::GivingUp;
        self.alarm.set(GIVE_UP);
        if matches!(self.peer.standing.get(), Standing::Open | Standing::Doubted) {
            self.peer.standing.set(Standing::Silent);
        }
        self.link.wake_streams();
    }

    /// The backend takes nothing any more. It may have said something before: an answer to an upload that it does not want, mostly.
    fn fall_deaf(&mut self) {
        self.deaf = true;
        self.peer.standing.set(Standing::Leaving);
        self.link.state.borrow_mut().out.discard();
    }

    /// Tells the backend why the connection ends, as far as it takes that, and ends our side.
    fn say_goodbye(&mut self, reason: Reason, cx: &mut Context<'_>) -> Poll<()> {
        let out = &mut self.link.state.borrow_mut().out;
        // section 6.8: the last stream of the backend's, of which there are none
        frame::go_away(out.buffer(), 0, reason);
        if out.poll_flush(&mut self.io, cx).is_ready() {
            let _ = Pin::new(&mut self.io).poll_shutdown(cx);
        }
        Poll::Ready(())
    }

    fn over(&self, cause: Cause) {
        self.peer.standing.set(Standing::Closed);
        self.link.lose(cause);
        self.peer.settled();
    }

    /// The backend takes no more streams, and has not looked at those above `last` (section 6.8).
    pub(super) fn sent_away(&self, last: u32, code: u32) {
        if code != Reason::NoError as u32 {
            tracing::debug!(code = code_name(code), "a backend ends an HTTP/2 connection");
        }
        self.peer.standing.set(Standing::Leaving);
        let state = &mut *self.link.state.borrow_mut();
        let unseen: Vec<_> = state.streams.values().filter(|stream| stream.id > last).map(Rc::clone).collect();
        for stream in unseen {
            let inner = &mut *stream.inner.borrow_mut();
            state.forget(stream.id, inner);
            inner.end(Cause::Unprocessed);
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.over(Cause::Lost);
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
