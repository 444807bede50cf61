//! What the frames of a client do to its connection and its streams (RFC 9113, sections 5 and 6).

use std::rc::Rc;

use bytes::Bytes;
use tokio::task::spawn_local;

use super::body::RequestBody as Body;
use super::connection::leave::{Leaving, SIGN};
use super::connection::{Connection, Failed};
use super::exchange;
use super::head::{Fields, Refused};
use crate::protocol::h2::block::{Block, in_order};
use crate::protocol::h2::frame::{self, Fault, Frame, Reason, protocol, setting};
use crate::protocol::h2::link::stream::{Cause, Stream};
use crate::protocol::http::length::Length;
use crate::protocol::http::{Handler, Interim, Request, RequestBody};

/// The least bytes that a block may have before they are too many, whatever `max_header_bytes` says.
const MIN_BLOCK: usize = 64 * 1024;

/// What a window is widened by at least by clients that read in good faith, but for small answers. Less than this where no stream
/// waits for it is talk; more than this often enough makes the window too large, which is an error (section 6.9.1).
const SMALL_WINDOW: u32 = 1024;

impl<H: Handler + 'static> Connection<H> {
    /// Does what a frame asks for.
    pub(super) fn take(&mut self, frame: Result<Frame, Fault>) -> Result<(), Failed> {
        match frame.and_then(|frame| self.act(frame)) {
            Ok(()) => Ok(()),
            Err(Fault::Stream(id, reason)) => self.reset(id, reason),
            Err(fault) => Err(fault.into()),
        }
    }

    fn act(&mut self, frame: Frame) -> Result<(), Fault> {
        in_order(self.block.as_ref(), &frame, &mut self.settled)?;
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
            Frame::Priority { .. } | Frame::SettingsAck | Frame::Unknown => self.talk(),
            Frame::Reset { stream, code } => self.reset_by_client(stream, code),
            Frame::Settings(settings) => self.settings(settings),
            Frame::Ping(opaque) => {
                self.talk()?;
                frame::ping(self.link.state.borrow_mut().out.buffer(), opaque, true);
                Ok(())
            }
            Frame::Pong(opaque) => {
                if opaque == SIGN && matches!(self.leaving, Leaving::Told(_)) {
                    self.leave_now();
                }
                self.talk()
            }
            Frame::GoAway { .. } => {
                if matches!(self.leaving, Leaving::No | Leaving::Told(_)) {
                    self.leave_now();
                }
                Ok(())
            }
            Frame::WindowUpdate { stream, increment } => self.widen(stream, increment),
        }
    }

    /// A stream is reset for what the client did; a connection on which that happens again and again is ended.
    fn reset(&mut self, id: u32, reason: Reason) -> Result<(), Failed> {
        if id > self.last {
            return Err(Failed::Fault(reason, "an error of a stream that was never opened"));
        }
        self.spend()?;
        if self.last_served.is_some_and(|last| id > last) {
            // behind our last word: nothing that is sent on it is looked at
            return Ok(());
        }
        let state = &mut *self.link.state.borrow_mut();
        match state.streams.get(&id).cloned() {
            Some(stream) => state.reset(&stream, reason),
            None => state.write_reset(id, reason),
        }
        Ok(())
    }

    fn spend(&self) -> Result<(), Fault> {
        let now = self.setup.timers.now();
        match self.link.state.borrow_mut().guard.spend(now) {
            true => Ok(()),
            false => Err(Fault::Connection(Reason::EnhanceYourCalm, "more resets and empty frames than answers")),
        }
    }

    /// A frame that is about the connection: each one is legitimate, and a flood of them is not (RFC 9113, section 10.5).
    fn talk(&self) -> Result<(), Fault> {
        let now = self.setup.timers.now();
        match self.link.state.borrow_mut().guard.talk(now) {
            true => Ok(()),
            false => Err(Fault::Connection(Reason::EnhanceYourCalm, "more PING, PRIORITY and the like than streams")),
        }
    }

    fn data(&mut self, id: u32, data: Bytes, flow: u32, end: bool) -> Result<(), Fault> {
        if data.is_empty() && !end {
            self.spend()?;
        }
        let state = &mut *self.link.state.borrow_mut();
        if id > self.last {
            return Err(protocol("DATA on a stream that was never opened"));
        }
        state.arrive(flow)?;
        match state.streams.get(&id).cloned() {
            Some(stream) => stream.data(state, data, flow, end),
            None => {
                state.consume(flow);
                // what was under way when we reset it
                if state.was_reset_by_us(id) { Ok(()) } else { Err(Fault::Stream(id, Reason::StreamClosed)) }
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

    /// A whole field block: a request, or the trailers of one.
    fn fields(&mut self, id: u32, block: Bytes, end: bool, circular: bool) -> Result<(), Fault> {
        // whatever becomes of them: the next block may refer to these
        let mut fields = Fields::new(&self.setup.limits);
        let decoded = self.decoder.decode(block, |field, size| fields.take(field, size));
        decoded.map_err(|_| Fault::Connection(Reason::Compression, "a field block can't be decoded"))?;
        if id > self.last {
            return self.open(id, fields, end, circular);
        }
        let state = &mut *self.link.state.borrow_mut();
        match state.streams.get(&id).cloned() {
            Some(stream) => {
                let trailers = fields.trailers().filter(|_| end).ok_or(Fault::Stream(id, Reason::Protocol));
                stream.trailers(state, trailers)
            }
            None if state.was_reset_by_us(id) => Ok(()),
            None => Err(Fault::Connection(Reason::StreamClosed, "HEADERS on a stream that is closed")),
        }
    }

    fn open(&mut self, id: u32, mut fields: Fields, end: bool, circular: bool) -> Result<(), Fault> {
        if id.is_multiple_of(2) {
            return Err(protocol("a stream of a client with an even id"));
        }
        if matches!(self.leaving, Leaving::Last | Leaving::Closing { .. }) {
            // it was told which stream is the last, and sends this to another connection; what belongs to it is ignored too
            self.last = id;
            self.link.state.borrow_mut().expect_more_of(id);
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
            self.leave();
        }
        let method = fields.answered_as();
        match fields.request(&self.setup.limits, end) {
            Ok((request, announced)) => self.begin(id, request, announced, end),
            Err(Refused::Answered(error)) => {
                let response = self.handler.refuse(&error, &fields.partial());
                let stream = self.stream(id, end, None);
                stream.abandon();
                spawn_local(exchange::refuse(stream, response, method, Rc::clone(&self.setup)));
            }
            Err(Refused::Malformed(error)) => {
                // recorded as what HTTP/1 answers it with
                drop(self.handler.refuse(&error, &fields.partial()));
                return Err(Fault::Stream(id, Reason::Protocol));
            }
        }
        Ok(())
    }

    fn begin(&self, id: u32, mut request: Box<Request>, announced: Option<u64>, end: bool) {
        let stream = self.stream(id, end, announced);
        if request.length != Length::Fixed(0) {
            let setup = &self.setup;
            let body = Body::new(Rc::clone(&stream), &setup.limits, &setup.timers, request.expect_continue);
            request.body = RequestBody::Client(Box::new(body));
        }
        request.interim = Some(Interim::new(Rc::clone(&stream) as _));
        // boxed here: the runtime copies what it is given several times before it lies where it stays; and made in its box, not on
        // the stack and copied into one
        let room = Box::new_uninit();
        let exchange = exchange::run(stream, Rc::clone(&self.handler), request, Rc::clone(&self.setup));
        spawn_local(Box::into_pin(Box::write(room, exchange)));
    }

    fn stream(&self, id: u32, ended: bool, announced: Option<u64>) -> Rc<Stream> {
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
        let Some(stream) = state.streams.get(&id).cloned() else { return Ok(()) };
        let inner = &mut *stream.inner.borrow_mut();
        state.forget(id, inner);
        inner.end(Cause::Reset(code));
        let now = self.setup.timers.now();
        match state.guard.spend(now) {
            true => Ok(()),
            false => Err(Fault::Connection(Reason::EnhanceYourCalm, "more resets than answers")),
        }
    }

    fn widen(&mut self, id: u32, by: u32) -> Result<(), Fault> {
        if by < SMALL_WINDOW && self.link.state.borrow().streams.is_empty() {
            self.talk()?;
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
            Some(stream) => stream.widen(state, by),
            None => Ok(()),
        }
    }

    fn settings(&mut self, settings: Bytes) -> Result<(), Fault> {
        self.spend()?;
        // we push nothing, open no streams, and send what fields a backend has sent: the others say nothing to us
        self.link.state.borrow_mut().settings(settings, |id, value| match id {
            setting::ENABLE_PUSH | setting::ENABLE_CONNECT_PROTOCOL if value > 1 => {
                Err(protocol("a setting that is neither 0 nor 1"))
            }
            _ => Ok(()),
        })
    }
}
