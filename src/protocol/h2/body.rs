//! The body of a request on an HTTP/2 stream: the client's window grows as it is read, which is what makes back-pressure.

use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use http_body::Frame;

use super::stream::{Piece, Stream};
use crate::error::{Error, Kind};
use crate::policy::Limits;
use crate::protocol::pace::Pace;
use crate::timer::Timers;

/// A body that is taken from its stream as it is asked for.
#[derive(Debug)]
pub struct RequestBody {
    stream: Rc<Stream>,
    received: u64,
    max: u64,
    touched: bool,
    pace: Option<Pace>,
    /// The client waits for a 100 before it sends the body.
    owes_continue: bool,
}

impl RequestBody {
    /// A body within these limits, of a client that may wait for a 100.
    pub(super) fn new(stream: Rc<Stream>, limits: &Limits, timers: &Timers, owes_continue: bool) -> Self {
        let pace = Pace::new(limits.min_body_rate, timers);
        Self { stream, received: 0, max: limits.max_body, touched: false, pace, owes_continue }
    }

    /// Whether nothing of it has been asked for yet.
    pub fn is_untouched(&self) -> bool {
        !self.touched
    }

    /// Whether it has been read to its end.
    pub fn is_done(&self) -> bool {
        self.stream.is_read()
    }

    /// The bytes still to come, when that is known.
    pub fn remaining(&self) -> Option<u64> {
        self.stream.unread()
    }

    /// The next piece.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        self.touched = true;
        if std::mem::take(&mut self.owes_continue) {
            self.stream.interim(StatusCode::CONTINUE, &HeaderMap::new());
        }
        match self.stream.poll_piece(cx) {
            Poll::Ready(Some(Ok(Piece::Data(data)))) => {
                self.received += data.len() as u64;
                if let Some(pace) = &mut self.pace {
                    pace.arrived();
                }
                if self.max != 0 && self.received > self.max {
                    return Poll::Ready(Some(Err(Error::new(Kind::BodyTooLarge, "more than limits.max_body"))));
                }
                Poll::Ready(Some(Ok(Frame::data(data))))
            }
            Poll::Ready(Some(Ok(Piece::Trailers(trailers)))) => Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(error))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => match &mut self.pace {
                Some(pace) => pace.poll(self.received, cx).map(|slow| Some(Err(slow))),
                None => Poll::Pending,
            },
        }
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        self.stream.abandon();
    }
}
