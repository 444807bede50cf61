//! The body of a request on an HTTP/2 stream. The client's flow-control window is enlarged as the body is read, which gives
//! back-pressure.

use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::HeaderName;
use http::{HeaderMap, StatusCode};
use http_body::Frame;

use crate::error::{Error, Kind};
use crate::policy::RequestLimits;
use crate::protocol::h2::link::stream::{Piece, Stream};
use crate::protocol::http::ClientBody;
use crate::protocol::http::body_limiter::BodyLimiter;
use crate::timer::Timers;

/// A body that is read from its stream when it is polled.
#[derive(Debug)]
pub struct RequestBody {
    stream: Rc<Stream>,
    limiter: BodyLimiter,
    /// Whether the client waits for a 100 before it sends the body.
    owes_continue: bool,
}

impl RequestBody {
    /// The body of `stream`, within `limits`.
    pub(super) fn new(stream: Rc<Stream>, limits: &RequestLimits, timers: &Timers, owes_continue: bool) -> Self {
        Self { stream, limiter: BodyLimiter::new(limits, timers), owes_continue }
    }
}

impl ClientBody for RequestBody {
    fn refuse_in_trailers(&mut self, fields: &Arc<[HeaderName]>) {
        self.limiter.drop_in_trailers(fields);
    }

    fn poll_begun(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let begun = self.stream.poll_begun(cx);
        // a client that has begun to send does not wait for a 100
        self.owes_continue &= begun.is_pending();
        begun
    }

    fn is_done(&self) -> bool {
        self.stream.is_read()
    }

    fn is_held(&self) -> bool {
        false
    }

    fn remaining(&self) -> Option<u64> {
        self.stream.unread()
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if std::mem::take(&mut self.owes_continue) {
            self.stream.interim(StatusCode::CONTINUE, &HeaderMap::new());
        }
        match self.stream.poll_piece(cx) {
            Poll::Ready(Some(Ok(Piece::Data(data)))) => Poll::Ready(Some(self.limiter.data(data))),
            Poll::Ready(Some(Ok(Piece::Trailers(trailers)))) => Poll::Ready(self.limiter.trailers(trailers).map(Ok)),
            Poll::Ready(Some(Err(_))) => Poll::Ready(Some(Err(Error::new(Kind::ClientGone, "its stream is over")))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => self.limiter.poll_too_slow(cx).map(|late| Some(Err(late))),
        }
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        self.stream.abandon();
    }
}
