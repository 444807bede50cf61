//! The body of a request, whichever protocol it came by, as one concrete type.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::{h1, replay};
use crate::error::{Error, Kind};

/// A request's body. Boxed where there is one: most requests have none, and it is moved from hand to hand.
#[derive(Debug, Default)]
pub enum RequestBody {
    /// There is none.
    #[default]
    Empty,
    /// From an HTTP/1 connection.
    H1(Box<h1::RequestBody>),
    /// From an HTTP/2 stream.
    H2(Box<H2Body>),
    /// One of these, as one attempt of several sends it.
    Kept(Box<replay::Attempt>),
}

/// The body of an HTTP/2 request, held to `max_body`.
#[derive(Debug)]
pub struct H2Body {
    incoming: Incoming,
    seen: u64,
    max: u64,
    touched: bool,
}

impl H2Body {
    /// Not more than `max` bytes of it are taken; 0 = no limit.
    pub fn new(incoming: Incoming, max: u64) -> Self {
        Self { incoming, seen: 0, max, touched: false }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        self.touched = true;
        let frame = match ready!(Pin::new(&mut self.incoming).poll_frame(cx)) {
            None => return Poll::Ready(None),
            Some(Ok(frame)) => frame,
            Some(Err(error)) => return Poll::Ready(Some(Err(Error::new(Kind::ClientGone, "").because(error)))),
        };
        self.seen += frame.data_ref().map_or(0, |data| data.len() as u64);
        if self.max != 0 && self.seen > self.max {
            return Poll::Ready(Some(Err(Error::new(Kind::BodyTooLarge, "more than limits.max_body"))));
        }
        Poll::Ready(Some(Ok(frame)))
    }
}

impl RequestBody {
    /// Whether nothing of it has been asked for yet, so that it can still be sent to another backend.
    pub fn is_untouched(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::H1(body) => body.is_untouched(),
            Self::H2(body) => !body.touched,
            Self::Kept(body) => body.is_untouched(),
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::H1(body) => body.poll(cx),
            Self::H2(body) => body.poll(cx),
            Self::Kept(body) => body.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::H1(body) => body.is_done(),
            Self::H2(body) => body.incoming.is_end_stream(),
            Self::Kept(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::H1(body) => body.remaining().map_or_else(SizeHint::default, SizeHint::with_exact),
            Self::H2(body) => body.incoming.size_hint(),
            Self::Kept(body) => body.size_hint(),
        }
    }
}
