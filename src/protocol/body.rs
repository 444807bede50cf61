//! The body of a request, whichever protocol it came by, as one concrete type.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::HeaderName;
use http_body::{Body, Frame, SizeHint};

use super::{h1, h2, replay};
use crate::error::Error;

/// A request's body. Boxed where there is one: most requests have none, and it is moved from hand to hand.
#[derive(Debug, Default)]
pub enum RequestBody {
    /// There is none.
    #[default]
    Empty,
    /// From an HTTP/1 connection.
    H1(Box<h1::RequestBody>),
    /// From an HTTP/2 stream.
    H2(Box<h2::RequestBody>),
    /// One of these, as one attempt of several sends it.
    Kept(Box<replay::Attempt>),
}

impl RequestBody {
    /// Ready when its client has begun to send it, or won't: who waits for a 100 (RFC 9110, section 10.1.1) does neither.
    pub fn poll_begun(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Empty => Poll::Ready(()),
            Self::H1(body) => body.poll_begun(cx),
            Self::H2(body) => body.poll_begun(cx),
            Self::Kept(body) => body.poll_begun(cx),
        }
    }

    /// Has these fields dropped from its trailers, before anything of it is asked for.
    pub fn refuse_in_trailers(&mut self, fields: &Arc<[HeaderName]>) {
        match self {
            // a kept one is of a body that was told
            Self::Empty | Self::Kept(_) => {}
            Self::H1(body) => body.refuse_in_trailers(fields),
            Self::H2(body) => body.refuse_in_trailers(fields),
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
            Self::H2(body) => body.is_done(),
            Self::Kept(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::H1(body) => body.remaining().map_or_else(SizeHint::default, SizeHint::with_exact),
            Self::H2(body) => body.remaining().map_or_else(SizeHint::default, SizeHint::with_exact),
            Self::Kept(body) => body.size_hint(),
        }
    }
}
