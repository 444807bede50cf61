//! What the tasks of one HTTP/2 connection share: the connection's task, which reads and writes the socket, and those who hold
//! its streams, which put what they send here.
//!
//! All of them are on one thread, so this is a [`RefCell`] and no lock. It is never borrowed while code of others runs: wakers
//! only put a task into the runtime's queue.

mod fields;
mod reading;
mod received;
mod sending;
pub(super) mod stream;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::Waker;

use ahash::HashMap;
use bytes::{Buf, Bytes, BytesMut};

use self::stream::{Cause, Ending, Inner, Stream};
use super::flow::{Inflow, Window};
use super::frame::{self, Fault, HEAD, MAX_WINDOW, Reason, flag, kind, protocol, setting};
use super::guard::Guard;
use super::outbound::Outbound;
use super::{CONNECTION_WINDOW, DEFAULT_WINDOW, HPACK_TABLE};
use crate::protocol::h2::hpack::encode;

/// Streams that we have reset whose frames may still be under way: as many are remembered.
const REMEMBERED: usize = 128;
/// The largest piece of a body in one frame, whatever the client would take: streams take turns by frames.
const TURN: usize = 16_384;

/// Streams for which a connection keeps room while none is open: some hundred bytes.
const FEW: usize = 7;

/// One connection, as its tasks share it.
#[derive(Debug)]
pub struct Link {
    pub(super) state: RefCell<Shared>,
}

/// What its tasks share.
#[derive(Debug)]
pub(super) struct Shared {
    pub out: Outbound,
    /// What may be sent of all bodies together.
    pub window: Window,
    /// What may come of all bodies together.
    pub inflow: Inflow,
    /// The peer's SETTINGS_INITIAL_WINDOW_SIZE.
    pub initial: u32,
    /// The peer's SETTINGS_MAX_FRAME_SIZE.
    pub max_frame: usize,
    /// Those that are not over.
    pub streams: HashMap<u32, Rc<Stream>>,
    pub guard: Guard,
    /// Streams that have something to send, and whose own windows let it go: each in turn sends one frame.
    ready: VecDeque<Rc<Stream>>,
    /// The last streams that we have reset.
    ours: VecDeque<u32>,
    /// The peer's bytes are given back to the connection's window as they arrive and not as they are read: who reads one stream
    /// slowly holds up that stream, and none of its neighbours.
    credits_on_arrival: bool,
    /// The peer wants a smaller table for our fields than there is by default: it is to be told that we use none.
    pub tell_tableless: bool,
    waker: Option<Waker>,
}

impl Link {
    /// A client's new connection to us.
    pub fn new(guard: Guard) -> Self {
        Self::with_window(guard, CONNECTION_WINDOW, false)
    }

    /// Our new connection to a server, which may have `window` bytes on their way to us.
    pub fn to_server(guard: Guard, window: u32) -> Self {
        Self::with_window(guard, window, true)
    }

    fn with_window(guard: Guard, window: u32, credits_on_arrival: bool) -> Self {
        Self {
            state: RefCell::new(Shared {
                out: Outbound::default(),
                window: Window::new(DEFAULT_WINDOW),
                inflow: Inflow::new(window),
                initial: DEFAULT_WINDOW,
                max_frame: frame::MAX_PAYLOAD,
                streams: HashMap::default(),
                guard,
                ready: VecDeque::new(),
                ours: VecDeque::new(),
                credits_on_arrival,
                tell_tableless: false,
                waker: None,
            }),
        }
    }

    /// The task that reads and writes.
    pub fn attend(&self, waker: &Waker) {
        let ours = &mut self.state.borrow_mut().waker;
        if !ours.as_ref().is_some_and(|ours| ours.will_wake(waker)) {
            *ours = Some(waker.clone());
        }
    }

    /// Has those who wait for something on a stream look at how the connection stands.
    pub fn wake_streams(&self) {
        self.state.borrow().streams.values().for_each(|stream| stream.inner.borrow_mut().wake_reader());
    }

    /// Nothing is under way: what was made for streams is given back, unless it is little.
    pub fn rest(&self) {
        let state = &mut *self.state.borrow_mut();
        if state.streams.is_empty() && state.ready.is_empty() {
            if state.streams.capacity() > FEW {
                state.streams = HashMap::default();
            }
            if state.ready.capacity() > FEW {
                state.ready = VecDeque::new();
            }
            state.out.rest();
        }
    }

    /// The connection is no more: neither are its streams. What was never written of one has reached nobody.
    pub fn lose(&self, cause: Cause) {
        let mut state = self.state.borrow_mut();
        state.ready.clear();
        let sent = state.out.sent;
        for stream in std::mem::take(&mut state.streams).into_values() {
            let inner = &mut *stream.inner.borrow_mut();
            inner.end(if inner.begins_at >= sent { Cause::Unprocessed } else { cause });
        }
    }
}

impl Shared {
    /// Has the connection's task look at what there is to write.
    pub fn wake(&self) {
        if let Some(waker) = &self.waker {
            waker.wake_by_ref();
        }
    }

    /// Writes HEADERS, and CONTINUATION where one frame does not hold them; `block` writes the fields.
    pub fn headers(&mut self, stream: u32, end: bool, block: impl FnOnce(&mut BytesMut)) {
        let out = self.out.buffer();
        let at = out.len();
        out.extend_from_slice(&[0; HEAD]);
        if std::mem::take(&mut self.tell_tableless) {
            encode::no_table(out);
        }
        block(out);
        let length = out.len() - at - HEAD;
        let mut flags = if end { flag::END_STREAM } else { 0 };
        if length <= self.max_frame {
            flags |= flag::END_HEADERS;
            out[at..at + HEAD].copy_from_slice(&frame::head_bytes(length, kind::HEADERS, flags, stream));
            return;
        }
        let rest = out.split_off(at + HEAD + self.max_frame);
        out[at..at + HEAD].copy_from_slice(&frame::head_bytes(self.max_frame, kind::HEADERS, flags, stream));
        let mut pieces = rest.chunks(self.max_frame).peekable();
        while let Some(piece) = pieces.next() {
            let flags = if pieces.peek().is_none() { flag::END_HEADERS } else { 0 };
            frame::head(out, piece.len(), kind::CONTINUATION, flags, stream);
            out.extend_from_slice(piece);
        }
    }

    /// Puts a stream that has something to send at the end of the queue.
    pub fn schedule(&mut self, stream: &Rc<Stream>) {
        if !std::mem::replace(&mut stream.inner.borrow_mut().scheduled, true) {
            self.ready.push_back(Rc::clone(stream));
        }
    }

    /// Moves what the windows and the buffer allow from the streams to the buffer; each in turn one frame.
    pub fn pump(&mut self) {
        while self.out.has_room() {
            let Some(stream) = self.ready.pop_front() else { return };
            match self.turn(&stream) {
                Turn::Again => self.ready.push_back(stream),
                Turn::Over => stream.inner.borrow_mut().scheduled = false,
                Turn::Blocked => {
                    self.ready.push_front(stream);
                    return;
                }
            }
        }
    }

    /// Sends what a stream has to send, a frame of DATA at most.
    pub fn turn(&mut self, stream: &Rc<Stream>) -> Turn {
        let inner = &mut *stream.inner.borrow_mut();
        if inner.over.is_some() {
            return Turn::Over;
        }
        if !inner.piece.is_empty() {
            let fits = inner.window.room().min(self.max_frame.min(TURN));
            let length = inner.piece.len().min(fits).min(self.window.room());
            if length == 0 {
                // the stream's own window brings it back
                return if fits == 0 { Turn::Over } else { Turn::Blocked };
            }
            inner.window.take(length);
            self.window.take(length);
            let piece = inner.piece.split_to(length);
            inner.moved += length as u64;
            let last = inner.piece.is_empty() && matches!(inner.ending, Ending::Data);
            self.data(stream.id, piece, last);
            if last {
                inner.ending = Ending::Done;
            } else if !inner.piece.is_empty() {
                return Turn::Again;
            }
        }
        match std::mem::replace(&mut inner.ending, Ending::Done) {
            Ending::Open => inner.ending = Ending::Open,
            Ending::Done => {}
            Ending::Data => self.data(stream.id, Bytes::new(), true),
            Ending::Trailers(trailers) => self.headers(stream.id, true, |block| _ = fields::all(block, &trailers)),
        }
        // room for its next piece, or the end of its task
        inner.wake_task();
        if inner.is_finished() {
            self.finished(stream.id, inner);
        }
        Turn::Over
    }

    fn data(&mut self, stream: u32, data: Bytes, end: bool) {
        let flags = if end { flag::END_STREAM } else { 0 };
        frame::head(self.out.buffer(), data.len(), kind::DATA, flags, stream);
        self.out.data(data);
        self.guard.sent();
    }

    /// A stream has come to its end in order. A client that has not sent all of a request whose whole answer is on its way need not
    /// send the rest (section 8.1).
    pub fn finished(&mut self, id: u32, inner: &mut Inner) {
        inner.over = Some(Cause::Finished);
        self.guard.earn();
        self.forget(id, inner);
        if !inner.ended {
            self.write_reset(id, Reason::NoError);
        }
    }

    /// Ends a stream before its time.
    pub fn reset(&mut self, stream: &Stream, reason: Reason) {
        let inner = &mut *stream.inner.borrow_mut();
        if inner.over.is_some() {
            return;
        }
        self.forget(stream.id, inner);
        inner.end(Cause::Reset(reason as u32));
        self.write_reset(stream.id, reason);
    }

    /// Says that a stream is over.
    pub fn write_reset(&mut self, id: u32, reason: Reason) {
        frame::reset(self.out.buffer(), id, reason);
        self.expect_more_of(id);
    }

    /// Frames of a stream that is over for us may still come.
    pub fn expect_more_of(&mut self, id: u32) {
        if self.ours.len() == REMEMBERED {
            self.ours.pop_front();
        }
        self.ours.push_back(id);
    }

    /// Whether we have reset this stream a short time ago.
    pub fn was_reset_by_us(&self, id: u32) -> bool {
        self.ours.contains(&id)
    }

    /// Takes a stream out, and gives the connection's window back what it held.
    pub fn forget(&mut self, id: u32, inner: &mut Inner) {
        self.streams.remove(&id);
        if !self.credits_on_arrival {
            self.release(inner.discard());
        }
    }

    /// A frame of a body has come.
    pub fn arrive(&mut self, flow: u32) -> Result<(), Fault> {
        if !self.inflow.receive(flow) {
            return Err(Fault::Connection(Reason::FlowControl, "more data than the connection's window allows"));
        }
        if self.credits_on_arrival {
            self.release(flow);
        }
        Ok(())
    }

    /// Bytes of bodies were read, or won't be.
    pub fn consume(&mut self, bytes: u32) {
        if !self.credits_on_arrival {
            self.release(bytes);
        }
    }

    /// The peer may send so many bytes more.
    fn release(&mut self, bytes: u32) {
        if let Some(increment) = self.inflow.release_shared(bytes) {
            frame::window_update(self.out.buffer(), 0, increment);
        }
    }

    /// Does what the peer's SETTINGS say of what we send (section 6.5.2), and answers them; `each` gets those of one role.
    pub fn settings(
        &mut self,
        mut settings: Bytes,
        mut each: impl FnMut(u16, u32) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let mut initial = None;
        while settings.has_remaining() {
            let (id, value) = (settings.get_u16(), settings.get_u32());
            match id {
                // RFC 7541, section 4.2: only a smaller table than before must be answered
                setting::HEADER_TABLE_SIZE if (value as usize) < HPACK_TABLE => self.tell_tableless = true,
                setting::INITIAL_WINDOW_SIZE if value > MAX_WINDOW => {
                    return Err(Fault::Connection(Reason::FlowControl, "SETTINGS_INITIAL_WINDOW_SIZE is too large"));
                }
                setting::INITIAL_WINDOW_SIZE => initial = Some(value),
                setting::MAX_FRAME_SIZE if !(16_384..=0xff_ffff).contains(&value) => {
                    return Err(protocol("SETTINGS_MAX_FRAME_SIZE can't be that"));
                }
                setting::MAX_FRAME_SIZE => self.max_frame = value as usize,
                _ => each(id, value)?,
            }
        }
        // once, for it is a walk through all streams: of several values it is the last that holds
        if let Some(initial) = initial {
            self.set_initial(initial)?;
        }
        frame::settings_ack(self.out.buffer());
        Ok(())
    }

    /// The peer's initial window changed: so do the windows of all streams (section 6.9.2).
    fn set_initial(&mut self, initial: u32) -> Result<(), Fault> {
        let by = i64::from(initial) - i64::from(self.initial);
        self.initial = initial;
        for stream in self.streams.values() {
            let inner = &mut *stream.inner.borrow_mut();
            if !inner.window.shift(by) {
                return Err(Fault::Connection(Reason::FlowControl, "an initial window that makes one too large"));
            }
            if !inner.piece.is_empty() && !std::mem::replace(&mut inner.scheduled, true) {
                self.ready.push_back(Rc::clone(stream));
            }
        }
        Ok(())
    }
}

/// What a stream's turn came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// It has more.
    Again,
    /// It has nothing more, or must wait for its own window.
    Over,
    /// It must wait for the connection's window.
    Blocked,
}

#[cfg(test)]
mod tests;
