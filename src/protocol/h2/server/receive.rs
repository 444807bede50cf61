//! Handling the frames that a client sends (RFC 9113, sections 5 and 6).

use std::rc::Rc;

use bytes::Bytes;
use tokio::task::spawn_local;

use super::body::RequestBody as Body;
use super::connection::shutdown::{PING_PAYLOAD, Shutdown};
use super::connection::{Connection, Failed};
use super::exchange;
use super::head::{Fields, Refused};
use crate::protocol::h2::block::{Block, check_sequence};
use crate::protocol::h2::frame::{self, Fault, Frame, Reason, protocol, setting};
use crate::protocol::h2::link::stream::{Cause, Stream};
use crate::protocol::http::length::Length;
use crate::protocol::http::{Handler, Interim, Request, RequestBody};

/// A field block may always have this many bytes, even if `max_header_bytes` is smaller.
const MIN_BLOCK: usize = 64 * 1024;

/// The smallest increment of a window that a well-behaved client sends, except after small responses. A smaller one is counted as
/// a frame about the connection when no stream is open. Larger ones can't be sent endlessly: the window would exceed its limit,
/// which is an error (section 6.9.1).
const SMALL_WINDOW: u32 = 1024;

impl<H: Handler + 'static> Connection<H> {
    /// Handles a frame.
    pub(super) fn handle(&mut self, frame: Result<Frame, Fault>) -> Result<(), Failed> {
        match frame.and_then(|frame| self.dispatch(frame)) {
            Ok(()) => Ok(()),
            Err(Fault::Stream(id, reason)) => self.reset(id, reason),
            Err(fault) => Err(fault.into()),
        }
    }

    fn dispatch(&mut self, frame: Frame) -> Result<(), Fault> {
        check_sequence(self.block.as_ref(), &frame, &mut self.settled)?;
        match frame {
            Frame::Data { stream, data, flow, end } => self.data(stream, data, flow, end),
            Frame::Headers { stream, block, end_stream, end_headers, depends_on } => {
                let circular = depends_on == Some(stream);
                if end_headers {
                    return self.fields(stream, block, end_stream, circular);
                }
                self.block = Some(Block::new(stream, end_stream, circular, block));
                Ok(())
            }
            Frame::Continuation { block, end_headers, .. } => self.more_fields(&block, end_headers),
            Frame::Priority { stream, depends_on } if stream == depends_on => {
                Err(Fault::Stream(stream, Reason::Protocol))
            }
            Frame::Priority { .. } | Frame::SettingsAck | Frame::Unknown => self.count_control_frame(),
            Frame::Reset { stream, code } => self.reset_by_client(stream, code),
            Frame::Settings(settings) => self.settings(settings),
            Frame::Ping(opaque) => {
                self.count_control_frame()?;
                frame::ping(self.link.state.borrow_mut().out.buffer(), opaque, true);
                Ok(())
            }
            Frame::Pong(opaque) => {
                if opaque == PING_PAYLOAD && matches!(self.shutdown, Shutdown::Announced(_)) {
                    self.refuse_new_streams();
                }
                self.count_control_frame()
            }
            Frame::GoAway { .. } => {
                if matches!(self.shutdown, Shutdown::No | Shutdown::Announced(_)) {
                    self.refuse_new_streams();
                }
                Ok(())
            }
            Frame::WindowUpdate { stream, increment } => self.enlarge_window(stream, increment),
        }
    }

    /// Resets a stream because of an error of the client. A connection on which this happens too often is ended.
    fn reset(&mut self, id: u32, reason: Reason) -> Result<(), Failed> {
        if id > self.last {
            return Err(Failed::Fault(reason, "an error of a stream that was never opened"));
        }
        self.count_waste()?;
        if self.last_served.is_some_and(|last| id > last) {
            // the stream was opened after our GOAWAY, so nothing on it is handled
            return Ok(());
        }
        let state = &mut *self.link.state.borrow_mut();
        match state.streams.get(&id).cloned() {
            Some(stream) => state.reset(&stream, reason),
            None => state.write_reset(id, reason),
        }
        Ok(())
    }

    fn count_waste(&self) -> Result<(), Fault> {
        let now = self.setup.timers.now();
        match self.link.state.borrow_mut().guard.spend(now) {
            true => Ok(()),
            false => Err(Fault::Connection(Reason::EnhanceYourCalm, "more resets and empty frames than answers")),
        }
    }

    /// Counts a frame about the connection. Each of them is legitimate, but a flood is not (RFC 9113, section 10.5).
    fn count_control_frame(&self) -> Result<(), Fault> {
        let now = self.setup.timers.now();
        match self.link.state.borrow_mut().guard.control(now) {
            true => Ok(()),
            false => Err(Fault::Connection(Reason::EnhanceYourCalm, "more PING, PRIORITY and the like than streams")),
        }
    }

    fn data(&mut self, id: u32, data: Bytes, flow: u32, end: bool) -> Result<(), Fault> {
        if data.is_empty() && !end {
            self.count_waste()?;
        }
        let state = &mut *self.link.state.borrow_mut();
        if id > self.last {
            return Err(protocol("DATA on a stream that was never opened"));
        }
        state.count_received(flow)?;
        match state.streams.get(&id).cloned() {
            Some(stream) => stream.data(state, data, flow, end),
            None => {
                state.consume(flow);
                if state.arrived_late(id, flow, end) { Ok(()) } else { Err(Fault::Stream(id, Reason::StreamClosed)) }
            }
        }
    }

    fn more_fields(&mut self, fields: &Bytes, whole: bool) -> Result<(), Fault> {
        let most = MIN_BLOCK.max(2 * self.setup.limits.max_header_bytes);
        let Some(block) = &mut self.block else { return Ok(()) };
        block.add(fields, most)?;
        match self.block.take_if(|_| whole) {
            Some(block) => {
                let (stream, end, circular) = (block.stream, block.end_stream, block.circular);
                self.fields(stream, block.into_fields(), end, circular)
            }
            None => Ok(()),
        }
    }

    /// Handles a complete field block: a request, or the trailers of one.
    fn fields(&mut self, id: u32, block: Bytes, end: bool, circular: bool) -> Result<(), Fault> {
        // decoded even if it will be refused, because later blocks may refer to its fields
        let mut fields = Fields::new(&self.setup.limits);
        let decoded = self.decoder.decode(block, |field, size| fields.take(field, size));
        decoded.map_err(|_| Fault::Connection(Reason::Compression, "a field block can't be decoded"))?;
        if id > self.last {
            return self.open_stream(id, fields, end, circular);
        }
        let state = &mut *self.link.state.borrow_mut();
        match state.streams.get(&id).cloned() {
            Some(stream) => {
                let trailers = fields.trailers().filter(|_| end).ok_or(Fault::Stream(id, Reason::Protocol));
                stream.trailers(state, trailers)
            }
            None if state.arrived_late(id, 0, end) => Ok(()),
            None => Err(Fault::Connection(Reason::StreamClosed, "HEADERS on a stream that is closed")),
        }
    }

    fn open_stream(&mut self, id: u32, mut fields: Fields, end: bool, circular: bool) -> Result<(), Fault> {
        if id.is_multiple_of(2) {
            return Err(protocol("a stream of a client with an even id"));
        }
        if matches!(self.shutdown, Shutdown::Final | Shutdown::Closing { .. }) {
            // after our GOAWAY the client sends this request on another connection; further frames of the stream are ignored too
            self.last = id;
            self.link.state.borrow_mut().remember_reset(id);
            return Ok(());
        }
        self.last = id;
        let limits = &self.setup.limits;
        if self.link.state.borrow().streams.len() >= limits.max_concurrent_streams as usize {
            return Err(Fault::Stream(id, Reason::RefusedStream));
        }
        if circular {
            return Err(Fault::Stream(id, Reason::Protocol));
        }
        self.served += 1;
        if limits.max_requests_per_connection != 0 && self.served >= limits.max_requests_per_connection {
            self.begin_shutdown();
        }
        let method = fields.method_for_refusal();
        match fields.request(&self.setup.limits, end) {
            Ok((request, announced)) => self.start_exchange(id, request, announced, end),
            Err(Refused::Answered(error)) => {
                let response = self.handler.refuse(&error, &fields.partial());
                let stream = self.add_stream(id, end, None);
                stream.abandon();
                spawn_local(exchange::refuse(stream, response, method, Rc::clone(&self.setup)));
            }
            Err(Refused::Malformed(error)) => {
                // the access log records it like a 400, which is what HTTP/1 would send
                drop(self.handler.refuse(&error, &fields.partial()));
                return Err(Fault::Stream(id, Reason::Protocol));
            }
        }
        Ok(())
    }

    fn start_exchange(&self, id: u32, mut request: Box<Request>, announced: Option<u64>, end: bool) {
        let stream = self.add_stream(id, end, announced);
        if request.length != Length::Fixed(0) {
            let setup = &self.setup;
            let body = Body::new(Rc::clone(&stream), &setup.limits, &setup.timers, request.expect_continue);
            request.body = RequestBody::Client(Box::new(body));
        }
        request.interim = Some(Interim::new(Rc::clone(&stream) as _));
        // boxed here, because the runtime copies a future several times before it reaches its final place; and written directly
        // into its box, so that it is not copied there from the stack
        let room = Box::new_uninit();
        let exchange = exchange::run(stream, Rc::clone(&self.handler), request, Rc::clone(&self.setup));
        spawn_local(Box::into_pin(Box::write(room, exchange)));
    }

    fn add_stream(&self, id: u32, ended: bool, announced: Option<u64>) -> Rc<Stream> {
        let state = &mut *self.link.state.borrow_mut();
        state.guard.opened();
        let stream = Stream::new(id, &self.link, state.initial, ended, announced);
        state.streams.insert(id, Rc::clone(&stream));
        stream
    }

    fn reset_by_client(&mut self, id: u32, code: u32) -> Result<(), Fault> {
        if id > self.last {
            return Err(protocol("RST_STREAM on a stream that was never opened"));
        }
        let state = &mut *self.link.state.borrow_mut();
        let Some(stream) = state.streams.get(&id).cloned() else {
            // what was answered already may be broken off: it is not waited for
            state.uploads.broken_off(id);
            return Ok(());
        };
        let inner = &mut *stream.inner.borrow_mut();
        state.remove_stream(id, inner);
        inner.end(Cause::Reset(code));
        let now = self.setup.timers.now();
        match state.guard.spend(now) {
            true => Ok(()),
            false => Err(Fault::Connection(Reason::EnhanceYourCalm, "more resets than answers")),
        }
    }

    fn enlarge_window(&mut self, id: u32, by: u32) -> Result<(), Fault> {
        if by < SMALL_WINDOW && self.link.state.borrow().streams.is_empty() {
            self.count_control_frame()?;
        }
        let state = &mut *self.link.state.borrow_mut();
        if id == 0 {
            if !state.window.shift(i64::from(by)) {
                return Err(Fault::Connection(Reason::FlowControl, "the connection's window is too large"));
            }
            return Ok(());
        }
        if id > self.last {
            return Err(protocol("WINDOW_UPDATE on a stream that was never opened"));
        }
        match state.streams.get(&id).cloned() {
            Some(stream) => stream.enlarge_window(state, by),
            None => Ok(()),
        }
    }

    fn settings(&mut self, settings: Bytes) -> Result<(), Fault> {
        self.count_waste()?;
        // the other settings concern pushed responses, streams that we would open, and limits for fields that a backend has
        // chosen
        self.link.state.borrow_mut().settings(settings, |id, value| match id {
            setting::ENABLE_PUSH | setting::ENABLE_CONNECT_PROTOCOL if value > 1 => {
                Err(protocol("a setting that is neither 0 nor 1"))
            }
            _ => Ok(()),
        })
    }
}
