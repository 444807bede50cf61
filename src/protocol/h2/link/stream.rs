//! One stream of an HTTP/2 connection. Its two directions progress independently of each other.

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

/// A stream. It is held by its connection until it is over, by its task, and by the body that is read from it.
#[derive(Debug)]
pub struct Stream {
    pub(in crate::protocol::h2) id: u32,
    pub(in crate::protocol::h2) link: Rc<Link>,
    pub(in crate::protocol::h2) inner: RefCell<Inner>,
}

/// The state of a stream.
#[derive(Debug)]
pub(in crate::protocol::h2) struct Inner {
    /// Why the stream is over; `None` while it is not.
    pub over: Option<Cause>,
    /// The part of the incoming body that was not read yet.
    pub(in crate::protocol::h2::link) received: Received,
    pub trailers: Option<Box<HeaderMap>>,
    /// Whether all of the incoming message has arrived.
    pub ended: bool,
    /// Whether nobody reads the incoming body.
    pub unwanted: bool,
    pub inflow: Inflow,
    /// The number of bytes that may still arrive according to `content-length`.
    pub expected: Option<u64>,
    /// The heads of the response to a request of ours.
    pub heads: Heads,
    reader: Option<Waker>,
    /// The flow-control window for data that we send.
    pub window: Window,
    /// The piece of the outgoing body that waits for windows and its turn.
    pub piece: Bytes,
    pub ending: Ending,
    /// Whether the stream is in the queue of those that send.
    pub scheduled: bool,
    /// The number of bytes of the outgoing body that were put into frames so far.
    pub bytes_framed: u64,
    pub head_sent: bool,
    /// The number of bytes that the connection had sent or queued before the first of this stream.
    pub starts_at: u64,
    /// Whether the two directions end independently: a request of ours, or a tunnel. Otherwise the stream is over when the
    /// response is.
    pub duplex: bool,
    pub sender: Option<Waker>,
}

/// Why a stream is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Both sides have sent everything.
    Finished,
    /// One side has reset it, with this code (section 7).
    Reset(u32),
    /// The peer has not processed it and will not: a GOAWAY said so, or it was never sent (section 8.7).
    Unprocessed,
    /// The peer has refused it with REFUSED_STREAM, before processing it (section 8.7).
    Refused,
    /// The connection was lost.
    Lost,
    /// The message of the peer is malformed (section 8.1.1).
    Malformed(&'static str),
    /// A head or a trailer section of the peer is larger than the limits allow.
    TooLarge(Section),
    /// The peer has violated the protocol of the connection.
    Fault(&'static str),
}

/// A part of a message that consists of fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// The head.
    Head,
    /// The trailer section.
    Trailers,
}

/// The head of a response.
#[derive(Debug)]
pub struct Head {
    /// The status.
    pub status: StatusCode,
    /// The fields.
    pub headers: HeaderMap,
}

/// The heads of a response that were not read yet.
#[derive(Debug, Default)]
pub(in crate::protocol::h2) struct Heads {
    /// The heads of interim (1xx) responses.
    pub interim: VecDeque<Head>,
    /// The head of the final response.
    pub last: Option<Head>,
    /// Whether the head of the final response has arrived.
    pub complete: bool,
    /// The number of bytes of all interim responses so far.
    pub interim_bytes: usize,
    /// The kind of request that the response is for.
    pub request_kind: RequestKind,
}

/// The kind of a request, as far as the length of the response's body depends on it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::protocol::h2) enum RequestKind {
    /// HEAD: the response has no body.
    Head,
    /// Extended CONNECT: the stream becomes a tunnel.
    Tunnel,
    /// Any other method.
    #[default]
    Other,
}

/// How the outgoing body ends after the piece that waits.
#[derive(Debug)]
pub(in crate::protocol::h2) enum Ending {
    /// More pieces will be added.
    Open,
    /// The piece that waits is the last; END_STREAM is set on its frame.
    Data,
    /// A trailer section follows the piece.
    Trailers(Box<HeaderMap>),
    /// The end was put into a frame.
    Done,
}

/// A piece of an incoming body.
#[derive(Debug)]
pub(in crate::protocol::h2) enum Piece {
    Data(Bytes),
    Trailers(HeaderMap),
}

impl Stream {
    /// A stream that the peer has opened. `window` is the flow-control window for what we send; `ended` says that nothing more
    /// will arrive, and `expected` how long the incoming body has to be.
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
            bytes_framed: 0,
            head_sent: false,
            starts_at: 0,
            duplex: false,
            sender: None,
        };
        Rc::new(Self { id, link: Rc::clone(link), inner: RefCell::new(inner) })
    }

    /// A stream for a request of ours. `window` is the flow-control window for what we send, `inflow` the one for what we
    /// receive.
    pub(in crate::protocol::h2) fn to_server(id: u32, link: &Rc<Link>, window: u32, inflow: u32) -> Rc<Self> {
        let stream = Self::new(id, link, window, false, None);
        {
            let inner = &mut *stream.inner.borrow_mut();
            inner.inflow = Inflow::new(inflow);
            inner.duplex = true;
        }
        stream
    }

    /// Takes in data that has arrived in a frame that counts as `flow` bytes for flow control. These were counted against the
    /// connection's window already, and are given back to it here if nobody will read them.
    pub(in crate::protocol::h2) fn data(
        &self,
        state: &mut Shared,
        data: Bytes,
        flow: u32,
        end: bool,
    ) -> Result<(), Fault> {
        let inner = &mut *self.inner.borrow_mut();
        let arrived = inner.count_received(self.id, data.len(), flow, end);
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

    /// Takes in the trailer section that ends the message; an error when the fields are not a valid one.
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

    /// Takes in the head of a response, or of an interim one. With `end` nothing follows it. `expected` is how long the body has
    /// to be.
    pub(in crate::protocol::h2) fn response_head(
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

    /// The peer has enlarged the stream's window.
    pub(in crate::protocol::h2) fn enlarge_window(self: &Rc<Self>, state: &mut Shared, by: u32) -> Result<(), Fault> {
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

    /// Ready when the stream is over.
    pub(in crate::protocol::h2) fn poll_over(&self, cx: &mut Context<'_>) -> Poll<()> {
        let inner = &mut *self.inner.borrow_mut();
        if inner.over.is_some() {
            return Poll::Ready(());
        }
        inner.keep_sender(cx);
        Poll::Pending
    }

    /// Whether the stream is over: ended in both directions, or broken off.
    pub(in crate::protocol::h2) fn is_over(&self) -> bool {
        self.inner.borrow().over.is_some()
    }

    /// Resets the stream, unless it is over.
    pub(in crate::protocol::h2) fn reset(&self, reason: Reason) {
        let state = &mut *self.link.state.borrow_mut();
        state.reset(self, reason);
        state.wake();
    }
}

impl Inner {
    /// Counts data that has arrived.
    fn count_received(&mut self, id: u32, length: usize, flow: u32, end: bool) -> Result<(), Fault> {
        if self.ended {
            return Err(Fault::Stream(id, Reason::StreamClosed));
        }
        if !self.inflow.receive(flow) {
            // section 6.9.1 allows to end only this stream, but a peer that ignores one window will ignore the others
            return Err(Fault::Connection(Reason::FlowControl, "more data than a stream's window allows"));
        }
        if let Some(expected) = &mut self.expected {
            // section 8.1.1: a message whose body does not have the announced length is malformed
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

    /// Ends a stream of two independent directions when the second of them has ended.
    fn close_if_finished(&mut self, id: u32, state: &mut Shared) {
        if self.duplex && self.is_finished() && self.over.is_none() {
            state.finished(id, self);
            self.wake_sender();
        }
    }

    /// Whether everything was sent and, if the directions are independent, everything has arrived.
    pub(in crate::protocol::h2) fn is_finished(&self) -> bool {
        matches!(self.ending, Ending::Done) && (self.ended || !self.duplex)
    }

    /// The stream is over, whoever ended it. Those who wait for something on it are woken.
    pub(in crate::protocol::h2) fn end(&mut self, cause: Cause) {
        self.over = Some(cause);
        self.piece = Bytes::new();
        self.wake_sender();
        self.wake_reader();
    }

    /// Drops what has arrived of a message that will not become complete. Returns the number of bytes.
    pub(in crate::protocol::h2) fn discard(&mut self) -> u32 {
        if self.ended {
            return 0;
        }
        std::mem::take(&mut self.received).bytes as u32
    }

    pub(in crate::protocol::h2) fn wake_sender(&mut self) {
        if let Some(task) = self.sender.take() {
            task.wake();
        }
    }

    pub(in crate::protocol::h2) fn wake_reader(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    fn keep_sender(&mut self, cx: &Context<'_>) {
        keep(&mut self.sender, cx);
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
