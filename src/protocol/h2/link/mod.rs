//! The state that the tasks of one HTTP/2 connection share. The connection's task reads and writes the socket; the tasks that
//! hold its streams queue here what they send.
//!
//! All of them run on one thread, so this is a [`RefCell`] and not a lock. It is never borrowed while code of others runs: a
//! waker only puts a task into the runtime's queue.

mod fields;
mod reading;
mod received;
mod sending;
pub(super) mod stream;
pub(super) mod uploads;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::Waker;

use ahash::HashMap;
use bytes::{Buf, Bytes, BytesMut};

use self::stream::{Cause, Ending, Inner, Stream};
use self::uploads::Uploads;
use super::flow::{Inflow, Window};
use super::frame::{self, Fault, HEAD, MAX_WINDOW, Reason, flag, kind, protocol, setting};
use super::guard::Guard;
use super::outbound::Outbound;
use super::{CONNECTION_WINDOW, DEFAULT_WINDOW, HPACK_TABLE};
use crate::protocol::h2::hpack::encode;

/// How many reset streams are remembered, whose frames may still arrive.
const REMEMBERED_RESETS: usize = 128;
/// The most data in one frame, even if the client allows more: streams take turns frame by frame, so smaller frames are fairer.
const MAX_DATA_FRAME: usize = 16_384;

/// Collections with room for this many streams (some hundred bytes) are kept while none is open.
const KEPT_STREAMS: usize = 7;

/// One connection, as its tasks share it.
#[derive(Debug)]
pub struct Link {
    pub(super) state: RefCell<Shared>,
}

/// The shared state.
#[derive(Debug)]
pub(super) struct Shared {
    pub out: Outbound,
    /// The connection's window for data that we send.
    pub window: Window,
    /// The connection's window for data that the peer sends.
    pub inflow: Inflow,
    /// The peer's SETTINGS_INITIAL_WINDOW_SIZE.
    pub initial: u32,
    /// The peer's SETTINGS_MAX_FRAME_SIZE.
    pub max_frame: usize,
    /// The open streams.
    pub streams: HashMap<u32, Rc<Stream>>,
    pub guard: Guard,
    /// The streams that have data which their own windows allow to send. They take turns, each sending one frame.
    ready: VecDeque<Rc<Stream>>,
    /// The last streams that we have reset.
    recently_reset: VecDeque<u32>,
    /// Answered requests of which more is to come.
    pub uploads: Uploads,
    /// Whether the connection's window is enlarged when bytes arrive, and not when they are read. Then a slow reader of one
    /// stream holds up only that stream.
    credits_on_arrival: bool,
    /// Whether the peer has asked for a smaller HPACK table than the default, so that it must be told that we use none.
    pub must_announce_no_table: bool,
    waker: Option<Waker>,
}

impl Link {
    /// The state of a client's new connection to us.
    pub fn new(guard: Guard) -> Self {
        Self::with_window(guard, CONNECTION_WINDOW, false)
    }

    /// The state of a new connection of ours to a server, which may have `window` bytes in flight to us.
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
                recently_reset: VecDeque::new(),
                uploads: Uploads::default(),
                credits_on_arrival,
                must_announce_no_table: false,
                waker: None,
            }),
        }
    }

    /// Sets the task that reads and writes.
    pub fn set_waker(&self, waker: &Waker) {
        let current = &mut self.state.borrow_mut().waker;
        if !current.as_ref().is_some_and(|current| current.will_wake(waker)) {
            *current = Some(waker.clone());
        }
    }

    /// Wakes those who wait for something on a stream, so that they check how the connection stands.
    pub fn wake_streams(&self) {
        self.state.borrow().streams.values().for_each(|stream| stream.inner.borrow_mut().wake_reader());
    }

    /// Frees what was allocated for streams when none is open, unless it is little.
    pub fn rest(&self) {
        let state = &mut *self.state.borrow_mut();
        if state.streams.is_empty() && state.ready.is_empty() {
            if state.streams.capacity() > KEPT_STREAMS {
                state.streams = HashMap::default();
            }
            if state.ready.capacity() > KEPT_STREAMS {
                state.ready = VecDeque::new();
            }
            state.out.rest();
        }
    }

    /// Ends all streams, because the connection is over. A stream of which nothing was written has not been processed by the
    /// peer.
    pub fn end_all(&self, cause: Cause) {
        let mut state = self.state.borrow_mut();
        state.ready.clear();
        let sent = state.out.sent;
        for stream in std::mem::take(&mut state.streams).into_values() {
            let inner = &mut *stream.inner.borrow_mut();
            inner.end(if inner.starts_at >= sent { Cause::Unprocessed } else { cause });
        }
    }
}

impl Shared {
    /// Wakes the connection's task, because there is something to write.
    pub fn wake(&self) {
        if let Some(waker) = &self.waker {
            waker.wake_by_ref();
        }
    }

    /// Writes HEADERS, followed by CONTINUATION if one frame is too small. `block` appends the fields.
    pub fn headers(&mut self, stream: u32, end: bool, block: impl FnOnce(&mut BytesMut)) {
        let out = self.out.buffer();
        let at = out.len();
        out.extend_from_slice(&[0; HEAD]);
        if std::mem::take(&mut self.must_announce_no_table) {
            encode::empty_table(out);
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

    /// Moves data from the streams to the output buffer, as far as windows and buffer allow. The streams take turns, a frame
    /// each.
    pub fn pump(&mut self) {
        while self.out.has_room() {
            let Some(stream) = self.ready.pop_front() else { return };
            match self.send_turn(&stream) {
                TurnOutcome::Again => self.ready.push_back(stream),
                TurnOutcome::Over => stream.inner.borrow_mut().scheduled = false,
                TurnOutcome::Blocked => {
                    self.ready.push_front(stream);
                    return;
                }
            }
        }
    }

    /// Sends what a stream has to send, up to one DATA frame.
    pub fn send_turn(&mut self, stream: &Rc<Stream>) -> TurnOutcome {
        let inner = &mut *stream.inner.borrow_mut();
        if inner.over.is_some() {
            return TurnOutcome::Over;
        }
        if !inner.piece.is_empty() {
            let fits = inner.window.room().min(self.max_frame.min(MAX_DATA_FRAME));
            let length = inner.piece.len().min(fits).min(self.window.room());
            if length == 0 {
                // a WINDOW_UPDATE for the stream will schedule it again
                return if fits == 0 { TurnOutcome::Over } else { TurnOutcome::Blocked };
            }
            inner.window.take(length);
            self.window.take(length);
            let piece = inner.piece.split_to(length);
            inner.bytes_framed += length as u64;
            let last = inner.piece.is_empty() && matches!(inner.ending, Ending::Data);
            self.data(stream.id, piece, last);
            if last {
                inner.ending = Ending::Done;
            } else if !inner.piece.is_empty() {
                return TurnOutcome::Again;
            }
        }
        match std::mem::replace(&mut inner.ending, Ending::Done) {
            Ending::Open => inner.ending = Ending::Open,
            Ending::Done => {}
            Ending::Data => self.data(stream.id, Bytes::new(), true),
            Ending::Trailers(trailers) => self.headers(stream.id, true, |block| _ = fields::write(block, &trailers)),
        }
        // there is room for the next piece, or the task can end
        inner.wake_sender();
        if inner.is_finished() {
            self.finished(stream.id, inner);
        }
        TurnOutcome::Over
    }

    fn data(&mut self, stream: u32, data: Bytes, end: bool) {
        let flags = if end { flag::END_STREAM } else { 0 };
        frame::head(self.out.buffer(), data.len(), kind::DATA, flags, stream);
        self.out.data(data);
        self.guard.sent();
    }

    /// A stream has ended in order. When a response is complete before its request, the rest of that is [let in](Uploads) for a while.
    pub fn finished(&mut self, id: u32, inner: &mut Inner) {
        inner.over = Some(Cause::Finished);
        self.guard.earn();
        self.remove_stream(id, inner);
        if !inner.ended
            && let Some(stream) = self.uploads.begin(id, inner.inflow.left())
        {
            self.write_reset(stream, Reason::NoError);
        }
    }

    /// Ends a stream early.
    pub fn reset(&mut self, stream: &Stream, reason: Reason) {
        let inner = &mut *stream.inner.borrow_mut();
        if inner.over.is_some() {
            return;
        }
        self.remove_stream(stream.id, inner);
        inner.end(Cause::Reset(reason as u32));
        self.write_reset(stream.id, reason);
    }

    /// Writes RST_STREAM.
    pub fn write_reset(&mut self, id: u32, reason: Reason) {
        frame::reset(self.out.buffer(), id, reason);
        self.remember_reset(id);
    }

    /// Remembers a stream that is over for us, but of which frames may still arrive.
    pub fn remember_reset(&mut self, id: u32) {
        if self.recently_reset.len() == REMEMBERED_RESETS {
            self.recently_reset.pop_front();
        }
        self.recently_reset.push_back(id);
    }

    /// Whether we have reset this stream lately.
    pub fn was_reset_by_us(&self, id: u32) -> bool {
        self.recently_reset.contains(&id)
    }

    /// Removes a stream, and gives the unread bytes that it held back to the connection's window.
    pub fn remove_stream(&mut self, id: u32, inner: &mut Inner) {
        self.streams.remove(&id);
        if !self.credits_on_arrival {
            self.release(inner.discard());
        }
    }

    /// Counts a DATA frame that has arrived against the connection's window.
    ///
    /// # Errors
    ///
    /// The peer has sent more than the window allows.
    pub fn count_received(&mut self, flow: u32) -> Result<(), Fault> {
        if !self.inflow.receive(flow) {
            return Err(Fault::Connection(Reason::FlowControl, "more data than the connection's window allows"));
        }
        if self.credits_on_arrival {
            self.release(flow);
        }
        Ok(())
    }

    /// Bytes of bodies have been read, or will never be.
    pub fn consume(&mut self, bytes: u32) {
        if !self.credits_on_arrival {
            self.release(bytes);
        }
    }

    /// Enlarges the connection's window by so many bytes.
    fn release(&mut self, bytes: u32) {
        if let Some(increment) = self.inflow.release_shared(bytes) {
            frame::window_update(self.out.buffer(), 0, increment);
        }
    }

    /// Applies the peer's SETTINGS (section 6.5.2) and acknowledges them. `each` gets those that are not the same for servers and
    /// clients.
    pub fn settings(
        &mut self,
        mut settings: Bytes,
        mut each: impl FnMut(u16, u32) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let mut initial = None;
        while settings.has_remaining() {
            let (id, value) = (settings.get_u16(), settings.get_u32());
            match id {
                // RFC 7541, section 4.2: only a table smaller than before requires an update
                setting::HEADER_TABLE_SIZE if (value as usize) < HPACK_TABLE => self.must_announce_no_table = true,
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
        // applied once, because it walks through all streams; the last of several values counts
        if let Some(initial) = initial {
            self.set_initial(initial)?;
        }
        frame::settings_ack(self.out.buffer());
        Ok(())
    }

    /// Applies a new initial window of the peer to the windows of all streams (section 6.9.2).
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

/// The outcome of a stream's turn to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TurnOutcome {
    /// The stream has more to send.
    Again,
    /// The stream has nothing more to send, or has to wait for its own window.
    Over,
    /// The stream has to wait for the connection's window.
    Blocked,
}

#[cfg(test)]
mod tests;
