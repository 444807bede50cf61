//! Handling the frames that a backend sends (RFC 9113, sections 5 and 6).

use bytes::Bytes;
use http::StatusCode;

use super::connection::{Connection, Failed};
use super::head::{Fields, announced};
use crate::protocol::h2::block::{Block, check_sequence};
use crate::protocol::h2::frame::{self, Fault, Frame, Reason, protocol, setting};
use crate::protocol::h2::link::stream::{Cause, Head, RequestKind, Stream};

/// The most bytes of a field block. This is far more than its fields may have, because a block that is too large has to be
/// decoded completely if it is to end only its own stream: later blocks may refer to its fields.
const MAX_BLOCK: usize = 1024 * 1024;

impl Connection {
    /// Handles a frame.
    pub(super) fn handle(&mut self, frame: Result<Frame, Fault>) -> Result<(), Failed> {
        match frame.and_then(|frame| self.dispatch(frame)) {
            Ok(()) => Ok(()),
            Err(Fault::Stream(id, reason)) => Ok(self.reset(id, reason, Cause::Malformed(broken(reason)))?),
            Err(fault) => Err(fault.into()),
        }
    }

    fn dispatch(&mut self, frame: Frame) -> Result<(), Fault> {
        check_sequence(self.block.as_ref(), &frame, &mut self.settled)?;
        match frame {
            Frame::Data { stream, data, flow, end } => self.data(stream, data, flow, end),
            Frame::Headers { stream, block, end_stream, end_headers, .. } => {
                if end_headers {
                    return self.fields(stream, block, end_stream);
                }
                self.block = Some(Block::new(stream, end_stream, false, block));
                Ok(())
            }
            Frame::Continuation { block, end_headers, .. } => self.more_fields(&block, end_headers),
            Frame::Priority { .. } | Frame::SettingsAck | Frame::Unknown | Frame::Pong(_) => Ok(()),
            Frame::Reset { stream, code } => self.reset_by_backend(stream, code),
            Frame::Settings(settings) => self.settings(settings),
            Frame::Ping(opaque) => {
                frame::ping(self.link.state.borrow_mut().out.buffer(), opaque, true);
                Ok(())
            }
            Frame::GoAway { last, code } => {
                self.on_go_away(last, code);
                Ok(())
            }
            Frame::WindowUpdate { stream, increment } => self.enlarge_window(stream, increment),
        }
    }

    /// Resets one stream because of an error of the backend on it.
    fn reset(&self, id: u32, reason: Reason, cause: Cause) -> Result<(), Fault> {
        if self.peer.is_unopened(id) {
            return Err(Fault::Connection(reason, "an error of a stream that was never opened"));
        }
        let state = &mut *self.link.state.borrow_mut();
        if let Some(stream) = state.streams.get(&id).cloned() {
            let inner = &mut *stream.inner.borrow_mut();
            state.remove_stream(id, inner);
            inner.end(cause);
        }
        state.write_reset(id, reason);
        Ok(())
    }

    fn count_waste(&self) -> Result<(), Fault> {
        let now = self.peer.now();
        match self.link.state.borrow_mut().guard.spend(now) {
            true => Ok(()),
            false => Err(Fault::Connection(Reason::EnhanceYourCalm, "more empty frames and SETTINGS than answers")),
        }
    }

    fn data(&self, id: u32, data: Bytes, flow: u32, end: bool) -> Result<(), Fault> {
        if data.is_empty() && !end {
            self.count_waste()?;
        }
        if self.peer.is_unopened(id) {
            return Err(protocol("DATA on a stream that was never opened"));
        }
        let state = &mut *self.link.state.borrow_mut();
        state.count_received(flow)?;
        self.peer.on_response();
        let Some(stream) = state.streams.get(&id).cloned() else {
            // these frames were on their way when we reset the stream
            return if state.was_reset_by_us(id) { Ok(()) } else { Err(Fault::Stream(id, Reason::StreamClosed)) };
        };
        if !stream.inner.borrow().heads.complete {
            // section 8.1: a message begins with its head
            return Err(Fault::Stream(id, Reason::Protocol));
        }
        stream.data(state, data, flow, end)?;
        self.count(&stream);
        Ok(())
    }

    /// A stream that was answered completely makes up for one that was cancelled.
    fn count(&self, stream: &Stream) {
        if stream.inner.borrow().ended {
            self.peer.on_answered();
        }
    }

    fn more_fields(&mut self, fields: &Bytes, whole: bool) -> Result<(), Fault> {
        let Some(block) = &mut self.block else { return Ok(()) };
        block.add(fields, MAX_BLOCK)?;
        match self.block.take_if(|_| whole) {
            Some(block) => {
                let (stream, end) = (block.stream, block.end_stream);
                self.fields(stream, block.into_fields(), end)
            }
            None => Ok(()),
        }
    }

    /// Handles a complete field block: the head of a response, or its trailers.
    fn fields(&mut self, id: u32, block: Bytes, end: bool) -> Result<(), Fault> {
        // decoded even if it will be refused, because later blocks may refer to its fields
        let mut fields = Fields::new(self.limits);
        let decoded = self.decoder.decode(block, |field, size| fields.take(field, size));
        decoded.map_err(|_| Fault::Connection(Reason::Compression, "a field block can't be decoded"))?;
        if self.peer.is_unopened(id) {
            return Err(protocol("HEADERS on a stream that was never opened"));
        }
        self.peer.on_response();
        let stream = {
            let state = self.link.state.borrow();
            match state.streams.get(&id).cloned() {
                Some(stream) => stream,
                None if state.was_reset_by_us(id) => return Ok(()),
                None => return Err(Fault::Connection(Reason::StreamClosed, "HEADERS on a stream that is closed")),
            }
        };
        let is_answered = stream.inner.borrow().heads.complete;
        let taken = match is_answered {
            true => self.trailers(&stream, fields, end),
            false => self.head(&stream, fields, end),
        };
        match taken {
            Ok(()) => {
                self.count(&stream);
                Ok(())
            }
            Err(cause @ Cause::TooLarge(_)) => self.reset(id, Reason::Cancel, cause),
            Err(cause) => self.reset(id, Reason::Protocol, cause),
        }
    }

    fn head(&self, stream: &Stream, fields: Fields, end: bool) -> Result<(), Cause> {
        let size = fields.size;
        let head = fields.head()?;
        if head.status.is_informational() {
            if end {
                return Err(Cause::Malformed("an interim response that ends its stream"));
            }
            let heads = &mut stream.inner.borrow_mut().heads;
            heads.interim_bytes = heads.interim_bytes.saturating_add(size);
            if heads.interim_bytes > self.limits.bytes {
                return Err(Cause::Malformed("more bytes of interim responses than a head may have"));
            }
        }
        let expected = expected(&head, stream.inner.borrow().heads.request_kind)?;
        let state = &mut *self.link.state.borrow_mut();
        stream.response_head(state, head, expected, end).map_err(|_| Cause::Malformed(LENGTH))
    }

    fn trailers(&self, stream: &Stream, fields: Fields, end: bool) -> Result<(), Cause> {
        let trailers = fields.trailers()?;
        if !end {
            // section 8.1
            return Err(Cause::Malformed("fields after the head that do not end the stream"));
        }
        let state = &mut *self.link.state.borrow_mut();
        stream.trailers(state, Ok(trailers)).map_err(|_| Cause::Malformed(LENGTH))
    }

    fn reset_by_backend(&self, id: u32, code: u32) -> Result<(), Fault> {
        if self.peer.is_unopened(id) {
            return Err(protocol("RST_STREAM on a stream that was never opened"));
        }
        let state = &mut *self.link.state.borrow_mut();
        let Some(stream) = state.streams.get(&id).cloned() else { return Ok(()) };
        let inner = &mut *stream.inner.borrow_mut();
        state.remove_stream(id, inner);
        inner.end(match inner.ended {
            // section 8.1: the response is complete, and the backend does not want the rest of the request
            true => Cause::Finished,
            false if code == Reason::RefusedStream as u32 => Cause::Refused,
            // also with NO_ERROR: a response without END_STREAM is not complete
            false => Cause::Reset(code),
        });
        Ok(())
    }

    fn enlarge_window(&self, id: u32, by: u32) -> Result<(), Fault> {
        let state = &mut *self.link.state.borrow_mut();
        if id == 0 {
            return match state.window.shift(i64::from(by)) {
                true => Ok(()),
                false => Err(Fault::Connection(Reason::FlowControl, "the connection's window is too large")),
            };
        }
        if self.peer.is_unopened(id) {
            return Err(protocol("WINDOW_UPDATE on a stream that was never opened"));
        }
        match state.streams.get(&id).cloned() {
            Some(stream) => stream.enlarge_window(state, by),
            None => Ok(()),
        }
    }

    fn settings(&self, settings: Bytes) -> Result<(), Fault> {
        self.count_waste()?;
        let mut tunnels = self.peer.tunnels.get().unwrap_or(false);
        self.link.state.borrow_mut().settings(settings, |id, value| {
            match id {
                // section 6.5.2: a server must not set it to 1
                setting::ENABLE_PUSH if value != 0 => return Err(protocol("a server that wants to be pushed to")),
                setting::ENABLE_CONNECT_PROTOCOL if value > 1 => {
                    return Err(protocol("a setting that is neither 0 nor 1"));
                }
                setting::ENABLE_CONNECT_PROTOCOL => tunnels = value == 1,
                setting::MAX_CONCURRENT_STREAMS => self.peer.set_allowed(value),
                _ => {}
            }
            Ok(())
        })?;
        if self.link.state.borrow().must_announce_no_table {
            self.peer.table.give_up();
        }
        self.peer.tunnels.set(Some(tunnels));
        self.peer.wake_settings_waiters();
        Ok(())
    }
}

const LENGTH: &str = "a body of another length than its content-length";

/// The description of a stream error in a response.
fn broken(reason: Reason) -> &'static str {
    match reason {
        Reason::Protocol => "DATA before a head, or a body of another length than its content-length",
        Reason::StreamClosed => "frames after the end of its stream",
        Reason::FlowControl => "a window that is too large",
        _ => "a frame that its stream can't have",
    }
}

/// How long the body of a response has to be; `None` when that is unknown.
fn expected(head: &Head, request_kind: RequestKind) -> Result<Option<u64>, Cause> {
    let announced = announced(&head.headers)?;
    let bodiless = head.status == StatusCode::NO_CONTENT || head.status == StatusCode::NOT_MODIFIED;
    Ok(match request_kind {
        RequestKind::Tunnel if head.status.is_success() => None,
        // they may announce a length, but have no body
        RequestKind::Head => Some(0),
        _ if bodiless => Some(0),
        RequestKind::Tunnel | RequestKind::Other => announced,
    })
}
