//! The body of a request on an HTTP/1 connection. It is read from the socket only when it is polled, which gives back-pressure
//! through TCP.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::HeaderName;
use http_body::Frame;

use super::decode::Decoded;
use super::wire::Wire;
use crate::error::Error;
use crate::policy::RequestLimits;
use crate::protocol::http::ClientBody;
use crate::protocol::http::body_limiter::BodyLimiter;
use crate::timer::Timers;

/// A body that is read from the client's connection when it is polled.
#[derive(Debug)]
pub struct RequestBody {
    wire: Rc<RefCell<Wire>>,
    limiter: BodyLimiter,
}

impl RequestBody {
    /// The body of the current request on `wire`, within `limits`.
    pub(super) fn new(wire: Rc<RefCell<Wire>>, limits: &RequestLimits, timers: &Timers) -> Self {
        Self { wire, limiter: BodyLimiter::new(limits, timers) }
    }
}

impl ClientBody for RequestBody {
    fn refuse_in_trailers(&mut self, fields: &Arc<[HeaderName]>) {
        self.limiter.drop_in_trailers(fields);
    }

    fn poll_begun(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.wire.borrow_mut().poll_begun(cx)
    }

    fn is_done(&self) -> bool {
        self.wire.borrow().decoder.is_done()
    }

    fn is_held(&self) -> bool {
        false
    }

    fn remaining(&self) -> Option<u64> {
        self.wire.borrow().decoder.remaining()
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let polled = self.wire.borrow_mut().poll_body(cx);
        match polled {
            Poll::Ready(Ok(Decoded::Data(data))) => Poll::Ready(Some(self.limiter.data(data))),
            Poll::Ready(Ok(Decoded::Trailers(trailers))) => Poll::Ready(self.limiter.trailers(trailers).map(Ok)),
            Poll::Ready(Ok(Decoded::End | Decoded::Starved)) => Poll::Ready(None),
            Poll::Ready(Err(error)) => Poll::Ready(Some(Err(error))),
            Poll::Pending => self.limiter.poll_too_slow(cx).map(|late| Some(Err(late))),
        }
    }
}
