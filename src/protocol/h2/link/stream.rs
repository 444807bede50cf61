//! One stream of an HTTP/2 connection: what comes on it and what goes, each at its own pace.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use super::received::Received;
use super::{Link, Shared};
use crate::protocol::h2::flow::{Inflow, Window};
use crate::protocol::h2::frame::{self, Fault, Reason};

/// A stream, held by its connection until it is over, by its task, and by the body that comes on it.
#[derive(Debug)]
pub struct Stream {
    pub(in crate::protocol::h2) id: u32,
    pub(in crate::protocol::h2) link: Rc<Link>,
    pub(in crate::protocol::h2) inner: RefCell<Inner>,
}

/// Its state.
#[derive(Debug)]
pub(in crate::protocol::h2) struct Inner {
    /// Neither side says more, and why.
    pub over: Option<Cause>,
    /// Of the body that comes, what came and was not read.
    pub(in crate::protocol::h2::link) received: Received,
    pub trailers: Option<Box<HeaderMap>>,
    /// All that comes has come.
    pub ended: bool,
    /// Nobody reads the body that comes.
    pub unwanted: bool,
    pub inflow: Inflow,
    /// What `content-length` lets come.
    pub expected: Option<u64>,
    /// Heads of the answer to a request of ours.
    pub heads: Heads,
    reader: Option<Waker>,
    /// What may be sent.
    pub window: Window,
    /// The part of the body that goes which waits for windows and its turn.
    pub piece: Bytes,
    pub ending: Ending,
    /// It is in the queue of those that send.
    pub scheduled: bool,
    /// Bytes of the body that goes which were put into frames so far.
    pub moved: u64,
    pub head_sent: bool,
    /// Bytes that the connection had to send before this stream's first.
    pub begins_at: u64,
    /// Its two directions end each for itself: a request of ours, or a tunnel. Else it is over with the answer.
    pub duplex: bool,
    pub task: Option<Waker>,
}

/// Why a stream is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Both sides have said all.
    Finished,
    /// One of them has reset it, with this code (section 7).
    Reset(u32),
    /// The peer has not looked at it, and will not: GOAWAY said so, or it was never sent (section 8.7).
    Unprocessed,
    /// The peer has refused it without looking at it, with REFUSED_STREAM (section 8.7).
    Refused,
    /// The connection is gone.
    Lost,
    /// What the peer sent on it is no message (section 8.1.1).
    Malformed(&'static str),
    /// A head, or trailers, larger than is taken.
    TooLarge(Section),
    /// The peer broke the rules of the connection.
    Fault(&'static str),
}

/// A part of a message that has fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// Its head.
    Head,
    /// Its trailers.
    Trailers,
}

/// The head of an answer.
#[derive(Debug)]
pub struct Head {
    /// Its status.
    pub status: StatusCode,
    /// Its fields.
    pub headers: HeaderMap,
}

/// Heads of an answer that were not taken yet.
#[derive(Debug, Default)]
pub(in crate::protocol::h2) struct Heads {
    /// Interim (1xx) responses.
    pub interim: VecDeque<Head>,
    /// The head of the answer itself.
    pub last: Option<Head>,
    /// That has come.
    pub complete: bool,
    /// Bytes of interim responses so far.
    pub interim_bytes: usize,
    /// What they answer.
    pub asked: Asked,
}

/// What a request asks for, as far as it matters for how long its answer is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::protocol::h2) enum Asked {
    /// The head only.
    Head,
    /// That the stream becomes a tunnel.
    Tunnel,
    /// Anything else.
    #[default]
    Other,
}

/// How the body that goes ends behind the piece that waits.
#[derive(Debug)]
pub(in crate::protocol::h2) enum Ending {
    /// More is to come.
    Open,
    /// With that piece.
    Data,
    /// With trailers.
    Trailers(Box<HeaderMap>),
    /// All of it was written.
    Done,
}

/// A piece of a body that comes.
#[derive(Debug)]
pub(in crate::protocol::h2) enum Piece {
    Data(Bytes),
    Trailers(HeaderMap),
}

impl Stream {
    /// A stream on which the peer may send its body, unless that has `ended`; `window` is what may go.
    pub(in crate::protocol::h2) fn new(
        id: u32,
        link: &Rc<Link>,
        window: u32,
        ended: bool,
        expected: Option<u64>,
    ) -> Rc<Self> {
        let inner = Inner {
            over: None,
            received: Received::default(),
            trailers: None,
            ended,
            unwanted: ended,
            inflow: Inflow::new(crate::protocol::h2::STREAM_WINDOW),
            expected,
            heads: Heads::default(),
            reader: None,
            window: Window::new(window),
            piece: Bytes::new(),
            ending: Ending::Open,
            scheduled: false,
            moved: 0,
            head_sent: false,
            begins_at: 0,
            duplex: false,
            task: None,
        };
        Rc::new(Self { id, link: Rc::clone(link), inner: RefCell::new(inner) })
    }

    /// A stream for a request of ours: `window` is what may go, `inflow` what may come.
    pub(in crate::protocol::h2) fn to_server(id: u32, link: &Rc<Link>, window: u32, inflow: u32) -> Rc<Self> {
        let stream = Self::new(id, link, window, false, None);
        {
            let inner = &mut *stream.inner.borrow_mut();
            inner.inflow = Inflow::new(inflow);
            inner.duplex = true;
        }
        stream
    }

    /// Data came, with the frame that counts `flow` for the windows. The connection's was counted already, and gets it back here
    /// if nobody will read it.
    pub(in crate::protocol::h2) fn data(
        &self,
        state: &mut Shared,
        data: Bytes,
        flow: u32,
        end: bool,
    ) -> Result<(), Fault> {
        let inner = &mut *self.inner.borrow_mut();
        let arrived = inner.arrive(self.id, data.len(), flow, end);
        if arrived.is_err() || inner.unwanted {
            state.consume(flow);
            return arrived;
        }
        let padding = flow - data.len() as u32;
        if padding > 0 {
            state.consume(padding);
            if let Some(increment) = inner.inflow.release(padding) {
                frame::window_update(state.out.buffer(), self.id, increment);
            }
        }
        inner.received.push(data);
        if end || inner.received.bytes > 0 {
            inner.wake_reader();
        }
        inner.close_if_finished(self.id, state);
        Ok(())
    }

    /// What comes ends with these trailers, or with fields that can't be trailers.
    pub(in crate::protocol::h2) fn trailers(
        &self,
        state: &mut Shared,
        trailers: Result<HeaderMap, Fault>,
    ) -> Result<(), Fault> {
        let inner = &mut *self.inner.borrow_mut();
        if inner.ended {
            return Err(Fault::Stream(self.id, Reason::StreamClosed));
        }
        let trailers = trailers?;
        inner.finish(self.id)?;
        inner.trailers = (!trailers.is_empty()).then(|| Box::new(trailers));
        inner.wake_reader();
        inner.close_if_finished(self.id, state);
        Ok(())
    }

    /// The head of an answer came, or an interim one; with `end` nothing follows. `expected` is how long its body may be.
    pub(in crate::protocol::h2) fn answered(
        &self,
        state: &mut Shared,
        head: Head,
        expected: Option<u64>,
        end: bool,
    ) -> Result<(), Fault> {
        let inner = &mut *self.inner.borrow_mut();
        if head.status.is_informational() {
            inner.heads.interim.push_back(head);
        } else {
            inner.expected = expected;
            if end {
                inner.finish(self.id)?;
            }
            inner.heads.last = Some(head);
            inner.heads.complete = true;
        }
        inner.wake_reader();
        inner.close_if_finished(self.id, state);
        Ok(())
    }

    /// The peer lets more go.
    pub(in crate::protocol::h2) fn widen(self: &Rc<Self>, state: &mut Shared, by: u32) -> Result<(), Fault> {
        let mut inner = self.inner.borrow_mut();
        if !inner.window.shift(i64::from(by)) {
            return Err(Fault::Stream(self.id, Reason::FlowControl));
        }
        let waits = !inner.piece.is_empty();
        drop(inner);
        if waits {
            state.schedule(self);
        }
        Ok(())
    }

    /// Ready when the stream is over before all has gone.
    pub(in crate::protocol::h2) fn poll_over(&self, cx: &mut Context<'_>) -> Poll<()> {
        let inner = &mut *self.inner.borrow_mut();
        if inner.over.is_some() {
            return Poll::Ready(());
        }
        inner.keep_task(cx);
        Poll::Pending
    }

    /// Whether nothing is left to be said, by either side.
    pub(in crate::protocol::h2) fn is_over(&self) -> bool {
        self.inner.borrow().over.is_some()
    }

    /// Ends the stream with a reason; nothing if it is over.
    pub(in crate::protocol::h2) fn reset(&self, reason: Reason) {
        let state = &mut *self.link.state.borrow_mut();
        state.reset(self, reason);
        state.wake();
    }
}

impl Inner {
    /// Counts data that came.
    fn arrive(&mut self, id: u32, length: usize, flow: u32, end: bool) -> Result<(), Fault> {
        if self.ended {
            return Err(Fault::Stream(id, Reason::StreamClosed));
        }
        if !self.inflow.receive(flow) {
            // it could be this stream's end alone (section 6.9.1), but who does not count on one counts on none
            return Err(Fault::Connection(Reason::FlowControl, "more data than a stream's window allows"));
        }
        if let Some(expected) = &mut self.expected {
            // section 8.1.1: a body of another length than said makes the message malformed
            *expected = expected.checked_sub(length as u64).ok_or(Fault::Stream(id, Reason::Protocol))?;
        }
        if end { self.finish(id) } else { Ok(()) }
    }

    fn finish(&mut self, id: u32) -> Result<(), Fault> {
        if self.ended {
            return Err(Fault::Stream(id, Reason::StreamClosed));
        }
        if self.expected.is_some_and(|missing| missing > 0) {
            return Err(Fault::Stream(id, Reason::Protocol));
        }
        self.ended = true;
        Ok(())
    }

    /// What has two directions is over when the second one ends.
    fn close_if_finished(&mut self, id: u32, state: &mut Shared) {
        if self.duplex && self.is_finished() && self.over.is_none() {
            state.finished(id, self);
            self.wake_task();
        }
    }

    /// Whether all has gone, and has come where the stream goes on after that.
    pub(in crate::protocol::h2) fn is_finished(&self) -> bool {
        matches!(self.ending, Ending::Done) && (self.ended || !self.duplex)
    }

    /// It is over, whoever ended it: whoever waits for it need not.
    pub(in crate::protocol::h2) fn end(&mut self, cause: Cause) {
        self.over = Some(cause);
        self.piece = Bytes::new();
        self.wake_task();
        self.wake_reader();
    }

    /// Gives up what came of a message that won't be whole; gives back how much that was.
    pub(in crate::protocol::h2) fn discard(&mut self) -> u32 {
        if self.ended {
            return 0;
        }
        std::mem::take(&mut self.received).bytes as u32
    }

    pub(in crate::protocol::h2) fn wake_task(&mut self) {
        if let Some(task) = self.task.take() {
            task.wake();
        }
    }

    pub(in crate::protocol::h2) fn wake_reader(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    fn keep_task(&mut self, cx: &Context<'_>) {
        keep(&mut self.task, cx);
    }

    pub(in crate::protocol::h2) fn keep_reader(&mut self, cx: &Context<'_>) {
        keep(&mut self.reader, cx);
    }
}

fn keep(kept: &mut Option<Waker>, cx: &Context<'_>) {
    if !kept.as_ref().is_some_and(|kept| kept.will_wake(cx.waker())) {
        *kept = Some(cx.waker().clone());
    }
}
