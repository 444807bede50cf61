//! A client's HTTP/2 connection, from its preface to its end. Its task reads frames, and writes what the streams' tasks have
//! queued on the [`Link`].

pub(super) mod shutdown;

use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, BytesMut};

use self::shutdown::{PING_PAYLOAD, Shutdown};
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

/// A client that has open streams and sends nothing for this long gets a PING. When it does not answer for the same time again,
/// the connection is closed.
const PING: Duration = Duration::from_secs(20);
/// What still comes of a request that was answered is let in for so long, and for less than twice of that.
const UPLOAD: Duration = Duration::from_secs(1);
/// Nothing is read from a client while more than this many bytes wait to be written to it.
const MAX_UNWRITTEN: usize = 256 * 1024;

/// A client's connection.
pub(super) struct Connection<H> {
    pub(super) io: Io,
    pub(super) inbound: Inbound,
    pub(super) link: Rc<Link>,
    pub(super) handler: Rc<H>,
    pub(super) setup: Rc<Setup>,
    pub(super) decoder: Decoder,
    /// A field block that is not complete yet.
    pub(super) block: Option<Block>,
    /// The highest id of the streams that the client has opened.
    pub(super) last: u32,
    /// The highest id of the streams that are served, after the last GOAWAY.
    pub(super) last_served: Option<u32>,
    pub(super) served: u64,
    /// Whether the preface was read.
    preface_read: bool,
    /// Whether the client's first SETTINGS were read.
    pub(super) settled: bool,
    pub(super) shutdown: Shutdown,
    pub(super) drain: DrainWatch,
    /// The connection's entry among the idle ones, when the number of connections is limited.
    rest: Option<IdleConnection>,
    phase: Phase,
    alarm: Alarm,
    /// The number of bytes received, or sent, when the alarm was set.
    progress: u64,
    /// Whether a PING of ours is unanswered.
    ping_pending: bool,
    /// When answered requests that are still coming in have had their time.
    uploads_end: Option<Alarm>,
    reported: (u64, u64),
}

/// What the connection waits for, which decides how long it may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The preface and the first SETTINGS have to come.
    Beginning,
    /// The rest of a field block has to come.
    Block,
    /// The client has to read what we write.
    Writing,
    /// Streams are open.
    Open,
    /// No stream is open.
    Idle,
}

/// Why a connection can't go on.
pub(super) enum Failed {
    /// The client has closed it.
    Gone,
    /// The client has violated the protocol.
    Fault(Reason, &'static str),
}

/// Why reading has stopped.
enum Read {
    /// There is nothing to read.
    Empty,
    /// Too much waits to be written, so the client has to read first.
    Full,
    /// The client has ended its side.
    End,
}

impl<H: Handler + 'static> Connection<H> {
    /// A new connection, of which `early` was already read.
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
            preface_read: false,
            settled: false,
            shutdown: Shutdown::No,
            drain: setup.drain.watch(),
            rest: setup.resting.as_ref().map(IdleList::connection),
            phase: Phase::Beginning,
            alarm: Alarm::new(&setup.timers, limits.header_timeout),
            progress: 0,
            ping_pending: false,
            uploads_end: None,
            reported: (0, 0),
            setup,
        }
    }

    /// Runs the connection. Ready when it is over.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.link.set_waker(cx.waker());
        let over = self.advance(cx);
        self.report_bytes();
        over
    }

    fn advance(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if matches!(self.shutdown, Shutdown::Closing { .. }) {
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
            if self.advance_shutdown(cx) {
                continue;
            }
            if flushed.is_ready() && matches!(read, Read::Full) || self.end_uploads(cx) {
                continue;
            }
            if !self.is_overdue(cx) {
                return Poll::Pending;
            }
            match self.phase {
                Phase::Open if !self.ping_pending => self.ping(),
                Phase::Idle if matches!(self.shutdown, Shutdown::No) => self.begin_shutdown(),
                // the drain has a time-out of its own
                Phase::Idle => return Poll::Pending,
                Phase::Block => self.fail(Reason::EnhanceYourCalm, "a field block took longer than header_timeout"),
                Phase::Beginning => self.fail(Reason::Protocol, "its preface took longer than header_timeout"),
                Phase::Open | Phase::Writing => return Poll::Ready(()),
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
                match self.next() {
                    Next::Frame(frame) => self.handle(frame)?,
                    Next::Missing(missing) => break missing,
                }
            };
            match self.inbound.poll_fill(&mut self.io, cx, missing) {
                Poll::Ready(Ok(true)) => self.ping_pending = false,
                Poll::Ready(Ok(false)) => return Ok(Read::End),
                Poll::Ready(Err(_)) => return Err(Failed::Gone),
                Poll::Pending => return Ok(Read::Empty),
            }
        }
    }

    /// The next frame, after the preface.
    fn next(&mut self) -> Next {
        let buf = &mut self.inbound.buf;
        if !self.preface_read {
            let known = buf.len().min(PREFACE.len());
            if buf[..known] != PREFACE[..known] {
                return Next::Frame(Err(protocol("no preface")));
            }
            if known < PREFACE.len() {
                return Next::Missing(PREFACE.len() - known);
            }
            buf.advance(PREFACE.len());
            self.preface_read = true;
        }
        frame::next(buf)
    }

    /// Writes what the streams have queued, as far as flow-control windows and the socket allow.
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

    /// Stops clients that go on sending requests which were answered [long ago](UPLOAD). Returns whether there is something to write.
    fn end_uploads(&mut self, cx: &mut Context<'_>) -> bool {
        let state = &mut *self.link.state.borrow_mut();
        let mut has_ended = false;
        while !state.uploads.is_empty() {
            let alarm = self.uploads_end.get_or_insert_with(|| Alarm::new(&self.setup.timers, UPLOAD));
            if alarm.poll(cx).is_pending() {
                return has_ended;
            }
            has_ended |= state.end_uploads();
            self.uploads_end = None;
        }
        self.uploads_end = None;
        has_ended
    }

    fn ping(&mut self) {
        self.ping_pending = true;
        let state = &mut *self.link.state.borrow_mut();
        frame::ping(state.out.buffer(), PING_PAYLOAD, false);
        self.alarm.set(PING);
    }

    /// Sets the time-out for what the connection waits for now. Returns whether that time is over.
    fn is_overdue(&mut self, cx: &mut Context<'_>) -> bool {
        let limits = &self.setup.limits;
        let state = self.link.state.borrow();
        // the type is the fourth byte of a frame's head, so a field block is recognised before its head is complete
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

    /// Whether the connection has to end to make room for a new one: because no stream is open, or because closing idle
    /// connections does not suffice.
    pub(super) fn must_make_room(&mut self, cx: &Context<'_>) -> bool {
        let (Some(rest), Some(resting)) = (&mut self.rest, &self.setup.resting) else { return false };
        let state = self.link.state.borrow();
        if state.streams.is_empty() && state.out.is_empty() && self.block.is_none() && self.inbound.buf.is_empty() {
            return rest.must_close(self.setup.timers.now(), cx);
        }
        rest.begin_work();
        resting.is_full_and_busy()
    }

    fn report_bytes(&mut self) {
        let now = (self.inbound.received, self.link.state.borrow().out.sent);
        let (received, sent) = (now.0 - self.reported.0, now.1 - self.reported.1);
        if received + sent > 0 {
            self.reported = now;
            self.handler.transferred(received, sent);
        }
    }
}

impl<H> Drop for Connection<H> {
    fn drop(&mut self) {
        self.link.end_all(Cause::Lost);
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
