//! A client's HTTP/2 connection, from its preface to its end: the task that reads frames and writes what the streams' tasks have
//! left on the [`Link`].

pub(super) mod leave;

use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, BytesMut};

use self::leave::{Leaving, SIGN};
use crate::drain::DrainWatch;
use crate::eviction::{IdleConnection, IdleList};
use crate::io::Stream as Io;
use crate::io::inbound::Inbound;
use crate::protocol::h2::block::Block;
use crate::protocol::h2::frame::{self, Fault, Next, Reason, protocol, setting};
use crate::protocol::h2::guard::Guard;
use crate::protocol::h2::hpack::Decoder;
use crate::protocol::h2::link::Link;
use crate::protocol::h2::link::stream::Cause;
use crate::protocol::h2::{CONNECTION_WINDOW, DEFAULT_WINDOW, HPACK_TABLE, PREFACE, STREAM_WINDOW};
use crate::protocol::http::Handler;
use crate::protocol::http::Setup;
use crate::timer::Alarm;

/// A client with open streams that says nothing for so long is asked for a sign of life, and given up after as long again.
const PING: Duration = Duration::from_secs(20);
/// Nothing is read while this much waits for a client that does not read.
const BACKLOG: usize = 256 * 1024;

/// A connection that is served.
pub(super) struct Connection<H> {
    pub(super) io: Io,
    pub(super) inbound: Inbound,
    pub(super) link: Rc<Link>,
    pub(super) handler: Rc<H>,
    pub(super) setup: Rc<Setup>,
    pub(super) decoder: Decoder,
    /// A field block that is not whole.
    pub(super) block: Option<Block>,
    /// The highest id of a stream that the client has opened.
    pub(super) last: u32,
    /// The highest that is served, once the client was told.
    pub(super) last_served: Option<u32>,
    pub(super) served: u64,
    /// The preface was read.
    greeted: bool,
    /// The client's first SETTINGS were read.
    pub(super) settled: bool,
    pub(super) leaving: Leaving,
    pub(super) drain: DrainWatch,
    /// Where there is a limit to connections.
    rest: Option<IdleConnection>,
    phase: Phase,
    alarm: Alarm,
    /// Bytes received or sent when the alarm was set.
    progress: u64,
    /// A ping of ours was not answered yet.
    asked: bool,
    counted: (u64, u64),
}

/// What a connection is doing, as far as it matters for how long it may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Its preface and settings are waited for.
    Beginning,
    /// The rest of a field block is.
    Block,
    /// The client is to read.
    Writing,
    /// Streams are open.
    Open,
    /// None is.
    Idle,
}

/// Why a connection does not go on.
pub(super) enum Failed {
    /// The client is gone.
    Gone,
    /// It broke the rules.
    Fault(Reason, &'static str),
}

/// How reading stopped.
enum Read {
    /// Nothing is there to be read.
    Dry,
    /// The client has to read first.
    Full,
    /// The client has ended.
    End,
}

impl<H: Handler + 'static> Connection<H> {
    /// A connection of which `early` was read before.
    pub fn new(io: Io, early: BytesMut, handler: Rc<H>, setup: Rc<Setup>) -> Self {
        let limits = &setup.limits;
        let link = Link::new(Guard::new(limits.max_concurrent_streams, setup.timers.now()));
        {
            let out = &mut link.state.borrow_mut().out;
            let list = u32::try_from(limits.max_header_bytes).unwrap_or(u32::MAX);
            let settings = [
                (setting::MAX_CONCURRENT_STREAMS, limits.max_concurrent_streams),
                (setting::INITIAL_WINDOW_SIZE, STREAM_WINDOW),
                (setting::MAX_HEADER_LIST_SIZE, list),
                (setting::ENABLE_CONNECT_PROTOCOL, 1),
            ];
            frame::settings(out.buffer(), &settings);
            frame::window_update(out.buffer(), 0, CONNECTION_WINDOW - DEFAULT_WINDOW);
        }
        Self {
            io,
            inbound: Inbound::new(early),
            link: Rc::new(link),
            handler,
            decoder: Decoder::new(HPACK_TABLE),
            block: None,
            last: 0,
            last_served: None,
            served: 0,
            greeted: false,
            settled: false,
            leaving: Leaving::No,
            drain: setup.drain.watch(),
            rest: setup.resting.as_ref().map(IdleList::connection),
            phase: Phase::Beginning,
            alarm: Alarm::new(&setup.timers, limits.header_timeout),
            progress: 0,
            asked: false,
            counted: (0, 0),
            setup,
        }
    }

    /// Serves it; ready when it is over.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.link.attend(cx.waker());
        let over = self.advance(cx);
        self.account();
        over
    }

    fn advance(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if matches!(self.leaving, Leaving::Closing { .. }) {
                return self.close(cx);
            }
            let read = match self.read(cx) {
                Ok(Read::End) | Err(Failed::Gone) => return Poll::Ready(()),
                Ok(read) => read,
                Err(Failed::Fault(reason, detail)) => {
                    self.fail(reason, detail);
                    continue;
                }
            };
            let flushed = self.flush(cx);
            if let Poll::Ready(Err(_)) = flushed {
                return Poll::Ready(());
            }
            if self.has_left(cx) {
                continue;
            }
            if flushed.is_ready() && matches!(read, Read::Full) {
                continue;
            }
            if !self.is_overdue(cx) {
                return Poll::Pending;
            }
            match self.phase {
                Phase::Open if !self.asked => self.ask(),
                Phase::Idle if matches!(self.leaving, Leaving::No) => self.leave(),
                // its last call has an alarm of its own
                Phase::Idle => return Poll::Pending,
                Phase::Block => self.fail(Reason::EnhanceYourCalm, "a field block took longer than header_timeout"),
                Phase::Beginning => self.fail(Reason::Protocol, "its preface took longer than header_timeout"),
                Phase::Open | Phase::Writing => return Poll::Ready(()),
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
                match self.next() {
                    Next::Frame(frame) => self.take(frame)?,
                    Next::Missing(missing) => break missing,
                }
            };
            match self.inbound.poll_fill(&mut self.io, cx, missing) {
                Poll::Ready(Ok(true)) => self.asked = false,
                Poll::Ready(Ok(false)) => return Ok(Read::End),
                Poll::Ready(Err(_)) => return Err(Failed::Gone),
                Poll::Pending => return Ok(Read::Dry),
            }
        }
    }

    /// The next frame.
    fn next(&mut self) -> Next {
        let buf = &mut self.inbound.buf;
        if !self.greeted {
            let known = buf.len().min(PREFACE.len());
            if buf[..known] != PREFACE[..known] {
                return Next::Frame(Err(protocol("no preface")));
            }
            if known < PREFACE.len() {
                return Next::Missing(PREFACE.len() - known);
            }
            buf.advance(PREFACE.len());
            self.greeted = true;
        }
        frame::next(buf)
    }

    /// Moves what streams have to say to the socket, as far as windows and the client go.
    fn flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let state = &mut *self.link.state.borrow_mut();
        loop {
            state.pump();
            if state.out.is_empty() {
                return Poll::Ready(Ok(()));
            }
            ready!(state.out.poll_flush(&mut self.io, cx))?;
        }
    }

    fn ask(&mut self) {
        self.asked = true;
        let state = &mut *self.link.state.borrow_mut();
        frame::ping(state.out.buffer(), SIGN, false);
        self.alarm.set(PING);
    }

    /// Arms the alarm for what the connection is doing now; whether that takes too long.
    fn is_overdue(&mut self, cx: &mut Context<'_>) -> bool {
        let limits = &self.setup.limits;
        let state = self.link.state.borrow();
        // a head of 9 bytes says after 4 of them that a field block comes
        let block = self.block.is_some() || self.inbound.buf.get(3).is_some_and(|&kind| kind == frame::kind::HEADERS);
        let (phase, limit, progress) = if !self.settled {
            (Phase::Beginning, limits.header_timeout, 0)
        } else if block {
            (Phase::Block, limits.header_timeout, u64::from(self.last))
        } else if !state.out.is_empty() {
            (Phase::Writing, self.setup.idle_timeout, state.out.sent)
        } else if !state.streams.is_empty() {
            (Phase::Open, PING, self.inbound.received)
        } else {
            drop(state);
            self.inbound.rest();
            self.link.rest();
            (Phase::Idle, self.setup.idle_timeout, 0)
        };
        if (phase, progress) != (self.phase, self.progress) {
            (self.phase, self.progress) = (phase, progress);
            self.alarm.set(limit);
        }
        self.alarm.poll(cx).is_ready()
    }

    /// Whether it has to end because others wait for its place: nothing is under way on it, or nobody else can make room.
    pub(super) fn gives_way(&mut self, cx: &Context<'_>) -> bool {
        let (Some(rest), Some(resting)) = (&mut self.rest, &self.setup.resting) else { return false };
        let state = self.link.state.borrow();
        if state.streams.is_empty() && state.out.is_empty() && self.block.is_none() && self.inbound.buf.is_empty() {
            return rest.must_close(self.setup.timers.now(), cx);
        }
        rest.begin_work();
        resting.is_full_and_busy()
    }

    fn account(&mut self) {
        let now = (self.inbound.received, self.link.state.borrow().out.sent);
        let (received, sent) = (now.0 - self.counted.0, now.1 - self.counted.1);
        if received + sent > 0 {
            self.counted = now;
            self.handler.transferred(received, sent);
        }
    }
}

impl<H> Drop for Connection<H> {
    fn drop(&mut self) {
        self.link.lose(Cause::Lost);
    }
}

impl From<Fault> for Failed {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Connection(reason, detail) => Self::Fault(reason, detail),
            Fault::Stream(_, reason) => Self::Fault(reason, "an error of a stream that can't be reset"),
        }
    }
}
