//! One stream of an HTTP/2 connection: the request that comes and the answer that goes, each at its own pace.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use super::STREAM_WINDOW;
use super::flow::{Inflow, Window};
use super::frame::{self, Fault, Reason};
use super::link::{self, Link, State};
use crate::error::{Error, Kind};

/// A stream, held by its connection until it is over, by its task, and by the request's body.
#[derive(Debug)]
pub struct Stream {
    pub(super) id: u32,
    link: Rc<Link>,
    pub(super) inner: RefCell<Inner>,
}

/// Its state.
#[derive(Debug)]
pub(super) struct Inner {
    /// Neither side says more: both have ended, or one has reset it, or the connection is gone.
    pub over: bool,
    /// Of the request's body, what came and was not read.
    pub queue: VecDeque<Bytes>,
    trailers: Option<Box<HeaderMap>>,
    /// The whole request has come.
    pub ended: bool,
    /// Nobody reads the request's body.
    unwanted: bool,
    inflow: Inflow,
    /// What `content-length` lets come.
    expected: Option<u64>,
    reader: Option<Waker>,
    /// What may be sent.
    pub window: Window,
    /// The part of the answer's body that waits for windows and its turn.
    pub piece: Bytes,
    pub ending: Ending,
    /// It is in the queue of those that send.
    pub scheduled: bool,
    /// Frames of the answer's body so far.
    pub moved: u64,
    head_sent: bool,
    /// It is a tunnel, whose directions end each for itself.
    tunnel: bool,
    task: Option<Waker>,
}

/// How the answer ends behind the piece that waits.
#[derive(Debug)]
pub(super) enum Ending {
    /// More is to come.
    Open,
    /// With that piece.
    Data,
    /// With trailers.
    Trailers(Box<HeaderMap>),
    /// All of it was written.
    Done,
}

/// A piece of a request's body.
#[derive(Debug)]
pub(super) enum Piece {
    Data(Bytes),
    Trailers(HeaderMap),
}

impl Stream {
    /// A stream whose request's head has come; `ended` = all of it.
    pub(super) fn new(id: u32, link: &Rc<Link>, window: u32, ended: bool, expected: Option<u64>) -> Rc<Self> {
        let inner = Inner {
            over: false,
            queue: VecDeque::new(),
            trailers: None,
            ended,
            unwanted: ended,
            inflow: Inflow::new(STREAM_WINDOW),
            expected,
            reader: None,
            window: Window::new(window),
            piece: Bytes::new(),
            ending: Ending::Open,
            scheduled: false,
            moved: 0,
            head_sent: false,
            tunnel: false,
            task: None,
        };
        Rc::new(Self { id, link: Rc::clone(link), inner: RefCell::new(inner) })
    }

    /// Data came, with the frame that counts `flow` for the windows. The connection's was counted already, and gets it back here
    /// if nobody will read it.
    pub(super) fn data(&self, state: &mut State, data: Bytes, flow: u32, end: bool) -> Result<(), Fault> {
        let inner = &mut *self.inner.borrow_mut();
        let arrived = inner.arrive(self.id, data.len(), flow, end);
        if arrived.is_err() || inner.unwanted {
            state.release(flow);
            return arrived;
        }
        let padding = flow - data.len() as u32;
        if padding > 0 {
            state.release(padding);
            if let Some(increment) = inner.inflow.release(padding) {
                frame::window_update(state.out.buffer(), self.id, increment);
            }
        }
        if !data.is_empty() {
            inner.queue.push_back(data);
        }
        if end || !inner.queue.is_empty() {
            inner.wake_reader();
        }
        inner.close_tunnel(self.id, state);
        Ok(())
    }

    /// The request ends with these trailers, or with fields that can't be trailers.
    pub(super) fn trailers(&self, state: &mut State, trailers: Result<HeaderMap, Fault>) -> Result<(), Fault> {
        let inner = &mut *self.inner.borrow_mut();
        if inner.ended {
            return Err(Fault::Stream(self.id, Reason::StreamClosed));
        }
        let trailers = trailers?;
        inner.finish(self.id)?;
        inner.trailers = (!trailers.is_empty()).then(|| Box::new(trailers));
        inner.wake_reader();
        inner.close_tunnel(self.id, state);
        Ok(())
    }

    /// The client lets more of the answer come.
    pub(super) fn widen(self: &Rc<Self>, state: &mut State, by: u32) -> Result<(), Fault> {
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

    /// Ready when the stream is over before its answer is.
    pub(super) fn poll_over(&self, cx: &mut Context<'_>) -> Poll<()> {
        let inner = &mut *self.inner.borrow_mut();
        if inner.over {
            return Poll::Ready(());
        }
        inner.keep_task(cx);
        Poll::Pending
    }

    /// Sends an interim response, unless the answer has begun.
    pub(super) fn interim(&self, status: StatusCode, headers: &HeaderMap) {
        let state = &mut *self.link.state.borrow_mut();
        let inner = self.inner.borrow();
        if inner.over || inner.head_sent {
            return;
        }
        state.headers(self.id, false, |block| link::head(block, status, headers, None, None));
        state.wake();
    }

    /// Sends the head of the answer; with `end` there is nothing else.
    pub(super) fn head(&self, status: StatusCode, headers: &HeaderMap, date: &[u8], length: Option<u64>, end: bool) {
        let state = &mut *self.link.state.borrow_mut();
        let inner = &mut *self.inner.borrow_mut();
        if inner.over {
            return;
        }
        inner.head_sent = true;
        state.headers(self.id, end, |block| link::head(block, status, headers, Some(date), length));
        if end {
            inner.ending = Ending::Done;
            state.answered(self.id, inner);
        }
        state.wake();
    }

    /// What comes and goes from now on is a tunnel's.
    pub(super) fn become_tunnel(&self) {
        self.inner.borrow_mut().tunnel = true;
    }

    /// Whether the next piece of the answer's body may be given.
    pub(super) fn has_room(&self) -> bool {
        let inner = self.inner.borrow();
        !inner.over && inner.piece.is_empty() && matches!(inner.ending, Ending::Open)
    }

    /// Whether nothing is left to be said.
    pub(super) fn is_over(&self) -> bool {
        self.inner.borrow().over
    }

    /// Frames of the answer's body that were sent so far.
    pub(super) fn moved(&self) -> u64 {
        self.inner.borrow().moved
    }

    /// Sends a piece of the answer's body, when [there is room](Self::has_room); with `end` it is the last.
    pub(super) fn send(self: &Rc<Self>, data: Bytes, end: bool) {
        self.say(data, if end { Ending::Data } else { Ending::Open });
    }

    /// Ends the answer.
    pub(super) fn finish(self: &Rc<Self>, trailers: Option<HeaderMap>) {
        let ending = trailers.map_or(Ending::Data, |trailers| Ending::Trailers(Box::new(trailers)));
        self.say(Bytes::new(), ending);
    }

    fn say(self: &Rc<Self>, data: Bytes, ending: Ending) {
        let state = &mut *self.link.state.borrow_mut();
        {
            let inner = &mut *self.inner.borrow_mut();
            if inner.over {
                return;
            }
            if !data.is_empty() {
                inner.piece = data;
            }
            inner.ending = ending;
            inner.task = None;
        }
        state.schedule(self);
        state.pump();
        state.wake();
    }

    /// Ends the stream with a reason; nothing if it is over.
    pub(super) fn reset(&self, reason: Reason) {
        let state = &mut *self.link.state.borrow_mut();
        state.reset(self, reason);
        state.wake();
    }

    /// The next piece of the request's body.
    pub(super) fn poll_piece(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Piece, Error>>> {
        let state = &mut *self.link.state.borrow_mut();
        let inner = &mut *self.inner.borrow_mut();
        if let Some(data) = inner.queue.pop_front() {
            let used = data.len() as u32;
            state.release(used);
            if !inner.ended
                && let Some(increment) = inner.inflow.release(used)
            {
                frame::window_update(state.out.buffer(), self.id, increment);
            }
            if state.out.waiting() > 0 {
                state.wake();
            }
            return Poll::Ready(Some(Ok(Piece::Data(data))));
        }
        if inner.ended {
            return Poll::Ready(inner.trailers.take().map(|trailers| Ok(Piece::Trailers(*trailers))));
        }
        if inner.over {
            return Poll::Ready(Some(Err(Error::new(Kind::ClientGone, "its stream is over"))));
        }
        if !inner.reader.as_ref().is_some_and(|reader| reader.will_wake(cx.waker())) {
            inner.reader = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Nobody reads the request's body any more.
    pub(super) fn abandon(&self) {
        let state = &mut *self.link.state.borrow_mut();
        let inner = &mut *self.inner.borrow_mut();
        inner.unwanted = true;
        let held: usize = inner.queue.drain(..).map(|data| data.len()).sum();
        if held > 0 {
            state.release(held as u32);
            state.wake();
        }
    }

    /// Whether the whole request's body was read.
    pub(super) fn is_read(&self) -> bool {
        let inner = self.inner.borrow();
        inner.ended && inner.queue.is_empty() && inner.trailers.is_none()
    }

    /// The bytes of the request's body that are still to be read, when that is known.
    pub(super) fn unread(&self) -> Option<u64> {
        let inner = self.inner.borrow();
        let queued = || inner.queue.iter().map(|data| data.len() as u64).sum::<u64>();
        if inner.ended { Some(queued()) } else { inner.expected.map(|expected| expected + queued()) }
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
            // section 8.1.1: a body of another length than said makes the request malformed
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

    /// A tunnel is over when its second direction ends.
    fn close_tunnel(&mut self, id: u32, state: &mut State) {
        if self.tunnel && self.is_answered() && !self.over {
            state.answered(id, self);
            self.wake_task();
        }
    }

    /// Whether the answer is whole, and so is a request that goes on after it.
    pub(super) fn is_answered(&self) -> bool {
        matches!(self.ending, Ending::Done) && (self.ended || !self.tunnel)
    }

    /// It is over, whoever ended it: whoever waits for it need not.
    pub(super) fn end(&mut self) {
        self.over = true;
        self.piece = Bytes::new();
        self.wake_task();
        self.wake_reader();
    }

    /// Gives up what came of a request that won't be whole; gives back how much that was.
    pub(super) fn discard(&mut self) -> u32 {
        if self.ended {
            return 0;
        }
        self.queue.drain(..).map(|data| data.len() as u32).sum()
    }

    pub(super) fn wake_task(&mut self) {
        if let Some(task) = self.task.take() {
            task.wake();
        }
    }

    fn wake_reader(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    fn keep_task(&mut self, cx: &Context<'_>) {
        if !self.task.as_ref().is_some_and(|task| task.will_wake(cx.waker())) {
            self.task = Some(cx.waker().clone());
        }
    }
}
