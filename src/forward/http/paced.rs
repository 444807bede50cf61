//! Bodies that are held to the bandwidth of their client (`upload` and `download` of `[listener.client_limits]`): they are read in pieces, with pauses between.
//!
//! While a body is held, nothing of it is read, so its sender is slowed down by the windows of TCP or HTTP/2. No time-out runs for that: not for the backend, which
//! may have sent long ago what is read later, and not for the client.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::HeaderName;
use http_body::Frame;

use super::exchange::Exchange;
use crate::bandwidth::Pace;
use crate::error::Result;
use crate::protocol::http::{ClientBody, RequestBody};

/// The next frame of a body.
type Polled = Poll<Option<Result<Frame<Bytes>>>>;

/// The pace of a body.
#[derive(Debug)]
pub struct Paced {
    pace: Box<Pace>,
    /// What is left of a frame of which only a piece was passed on.
    rest: Bytes,
}

/// The body of a request at a pace.
#[derive(Debug)]
struct PacedUpload {
    body: Box<dyn ClientBody>,
    paced: Paced,
}

impl Paced {
    /// Of a body of which nothing was read.
    pub fn new(pace: Box<Pace>) -> Self {
        Self { pace, rest: Bytes::new() }
    }

    /// Whether nothing may be read now, as far as that was found out by the last look.
    pub fn is_held(&self) -> bool {
        self.pace.is_held()
    }

    /// Ready while something may be read.
    pub fn poll_held(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.pace.poll(cx)
    }

    /// The next piece, which is taken from `source` when all of the frame before was passed on. Only to be called while something may be read.
    pub fn poll_piece(&mut self, cx: &mut Context<'_>, source: impl FnOnce(&mut Context<'_>) -> Polled) -> Polled {
        let mut data = std::mem::take(&mut self.rest);
        if data.is_empty() {
            data = match ready!(source(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => data,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                ended => return Poll::Ready(ended),
            };
        }
        self.rest = data.split_off(data.len().min(self.pace.piece()));
        self.moved(data.len());
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    /// The pace, for what goes on in another way.
    pub fn into_pace(self) -> Box<Pace> {
        self.pace
    }

    /// So many bytes were passed on, by whatever way.
    pub fn moved(&mut self, bytes: usize) {
        self.pace.moved(bytes as u64);
    }

    /// How many bytes of what was read were not passed on yet.
    pub fn left(&self) -> usize {
        self.rest.len()
    }

    /// Whether pieces have this size or more.
    pub fn has_pieces_of(&self, bytes: usize) -> bool {
        self.pace.piece() >= bytes
    }

    /// Whether it has held anything so far.
    pub fn was_held(&self) -> bool {
        self.pace.was_held()
    }
}

/// The body of a request, at the pace that its client has for that. A request without one may become a tunnel, which needs the pace.
pub fn upload(body: RequestBody, exchange: &mut Exchange) -> RequestBody {
    let RequestBody::Client(body) = body else { return body };
    RequestBody::Client(match exchange.take_upload_pace() {
        Some(pace) => Box::new(PacedUpload { body, paced: Paced::new(pace) }),
        None => body,
    })
}

impl ClientBody for PacedUpload {
    fn poll(&mut self, cx: &mut Context<'_>) -> Polled {
        ready!(self.paced.poll_held(cx));
        let body = &mut self.body;
        self.paced.poll_piece(cx, |cx| body.poll(cx))
    }

    fn poll_begun(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.body.poll_begun(cx)
    }

    fn refuse_in_trailers(&mut self, fields: &Arc<[HeaderName]>) {
        self.body.refuse_in_trailers(fields);
    }

    fn is_held(&self) -> bool {
        self.paced.is_held()
    }

    fn is_done(&self) -> bool {
        self.body.is_done() && self.paced.left() == 0
    }

    fn remaining(&self) -> Option<u64> {
        self.body.remaining().map(|remaining| remaining + self.paced.left() as u64)
    }
}
