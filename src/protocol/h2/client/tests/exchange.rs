//! An exchange, as both sides know it.

use std::future::poll_fn;
use std::task::Poll;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};

use super::model::Event;
use super::{OK, frame, now};
use crate::protocol::h2::client::{Cause, Part, Request};
use crate::protocol::h2::frame::{flag, kind};

/// A field, as trailers have it.
const TRAILERS: &[u8] = b"\x00\x01x\x01y";

/// A byte of a body, by its place.
fn byte(id: u32, at: usize) -> u8 {
    (id as usize).wrapping_mul(37).wrapping_add(at).wrapping_add(at >> 8) as u8
}

pub fn bytes(id: u32, from: usize, length: usize) -> Vec<u8> {
    (from..from + length).map(|at| byte(id, at)).collect()
}

/// One exchange.
#[derive(Debug)]
pub struct Exchange {
    pub id: u32,
    pub request: Option<Request>,
    /// The bytes of the request's body that we have sent, and that the backend has received.
    pub given: usize,
    pub arrived: usize,
    /// Whether we have sent all of the request's body, and whether the backend has seen its end.
    pub given_end: bool,
    pub arrived_end: bool,
    /// The bytes of the response's body that the backend has sent, and that we have read.
    pub sent: usize,
    pub got: usize,
    pub head_sent: bool,
    pub head_read: bool,
    pub sent_end: bool,
    /// What the reader of the response has got: its end, or an error.
    pub told: Option<Result<(), Cause>>,
    /// Whether the backend has reset the stream or excluded it by GOAWAY, and whether we have reset it.
    pub cut: bool,
    pub reset_by_us: bool,
    /// The flow-control windows of the backend and of ours.
    pub room: i64,
    pub window: i64,
}

impl Exchange {
    /// An exchange of which only the request's head was sent.
    pub fn new(id: u32, request: Request, given_end: bool, room: i64, window: i64) -> Self {
        Self {
            id,
            request: Some(request),
            given: 0,
            arrived: 0,
            given_end,
            arrived_end: false,
            sent: 0,
            got: 0,
            head_sent: false,
            head_read: false,
            sent_end: false,
            told: None,
            cut: false,
            reset_by_us: false,
            room,
            window,
        }
    }

    /// Whether the backend may still send something on the stream.
    fn is_open(&self) -> bool {
        !self.cut && !self.reset_by_us && !self.sent_end
    }

    /// What the backend says by it.
    pub async fn play(&mut self, event: Event, connection: &mut i64) -> Vec<u8> {
        match event {
            Event::Give(_, length) => {
                if let Some(request) = &self.request
                    && !self.given_end
                    && now(|cx| Poll::Ready(request.has_room(cx))).await == Some(true)
                {
                    request.data(Bytes::from(bytes(self.id, self.given, length)), false);
                    self.given += length;
                }
            }
            Event::Finish(_, trailers) => {
                if let Some(request) = &self.request
                    && !self.given_end
                    && now(|cx| Poll::Ready(request.has_room(cx))).await == Some(true)
                {
                    let fields = HeaderMap::from_iter([(http::header::ETAG, HeaderValue::from_static("x"))]);
                    request.finish(trailers.then_some(fields));
                    self.given_end = true;
                }
            }
            Event::Read(_) => {
                if let Some(request) = self.request.take() {
                    self.read(&request, true).await;
                    self.check();
                    self.request = Some(request);
                }
            }
            Event::Drop(_) => self.request = None,
            Event::Answer(_, end) if self.is_open() && !self.head_sent => {
                (self.head_sent, self.sent_end) = (true, end);
                let flags = flag::END_HEADERS | if end { flag::END_STREAM } else { 0 };
                // 103: `:status` of the static table with another value
                let interim = frame(kind::HEADERS, flag::END_HEADERS, self.id, b"\x08\x03103");
                return [interim, frame(kind::HEADERS, flags, self.id, OK)].concat();
            }
            Event::Data(_, length, padded, end) if self.is_open() && self.head_sent => {
                return self.data(length, padded, end, connection);
            }
            Event::Trailers(_) if self.is_open() && self.head_sent => {
                self.sent_end = true;
                return frame(kind::HEADERS, flag::END_HEADERS | flag::END_STREAM, self.id, TRAILERS);
            }
            Event::Reset(_, code) if !self.cut && !self.reset_by_us => {
                self.cut = true;
                return frame(kind::RST_STREAM, 0, self.id, &code.to_be_bytes());
            }
            Event::Widen(_, by) => {
                self.window += i64::from(by);
                return frame(kind::WINDOW_UPDATE, 0, self.id, &by.to_be_bytes());
            }
            _ => {}
        }
        Vec::new()
    }

    /// DATA frames as far as the windows allow; the last one has END_STREAM.
    fn data(&mut self, length: usize, padded: bool, end: bool, connection: &mut i64) -> Vec<u8> {
        let mut out = Vec::new();
        let mut left = length;
        loop {
            let padding = if padded { 8 } else { 0 };
            let room = usize::try_from(self.room.min(*connection)).unwrap_or(0);
            let piece = left.min(16_000).min(room.saturating_sub(padding));
            left -= piece;
            let last = left == 0;
            if piece == 0 && !(last && end) {
                return out;
            }
            if room < piece + padding {
                return out;
            }
            let body = bytes(self.id, self.sent, piece);
            let (flags, payload) = match padded {
                true => (flag::PADDED, [&[7][..], &body, &[0; 7]].concat()),
                false => (0, body),
            };
            self.sent += piece;
            self.room -= payload.len() as i64;
            *connection -= payload.len() as i64;
            self.sent_end = last && end;
            out.extend(frame(
                kind::DATA,
                if self.sent_end { flags | flag::END_STREAM } else { flags },
                self.id,
                &payload,
            ));
            if last {
                return out;
            }
        }
    }

    /// Reads the answer; with `at_once` only what is there.
    pub async fn read(&mut self, request: &Request, at_once: bool) {
        while self.told.is_none() {
            if !self.head_read {
                let head = match at_once {
                    true => now(|cx| request.poll_head(cx)).await,
                    false => Some(poll_fn(|cx| request.poll_head(cx)).await),
                };
                match head {
                    Some(Ok(head)) => self.head_read = !head.status.is_informational(),
                    Some(Err(cause)) => self.told = Some(Err(cause)),
                    None => return,
                }
                continue;
            }
            let part = match at_once {
                true => now(|cx| request.poll_part(cx)).await,
                false => Some(poll_fn(|cx| request.poll_part(cx)).await),
            };
            match part {
                Some(Some(Ok(Part::Data(data)))) => {
                    assert_eq!(data, bytes(self.id, self.got, data.len()), "other bytes than were sent");
                    self.got += data.len();
                }
                Some(Some(Ok(Part::Trailers(trailers)))) => assert_eq!(trailers.len(), 1),
                Some(Some(Err(cause))) => self.told = Some(Err(cause)),
                Some(None) => self.told = Some(Ok(())),
                None => return,
            }
        }
    }

    /// Checks that what the reader has got is what was sent.
    pub fn check(&self) {
        assert!(self.got <= self.sent);
        match self.told {
            Some(Ok(())) => assert!(self.sent_end && self.got == self.sent, "an end before the end: {self:?}"),
            Some(Err(cause)) => {
                assert!(!self.sent_end, "an answer that was whole is broken: {cause:?} {self:?}");
                assert_eq!(self.got, self.sent, "bytes are lost");
            }
            None => {}
        }
    }
}
