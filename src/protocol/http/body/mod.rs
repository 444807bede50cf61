//! The body of a request as one concrete type, whichever version of HTTP the request came by.

pub mod replay;

use std::fmt::Debug;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::HeaderName;
use http_body::{Body, Frame, SizeHint};

use self::replay::ReplayedBody;
use crate::error::Error;

/// A request body that is still arriving from a client, read by the version of HTTP that the client's connection speaks.
pub trait ClientBody: Debug {
    /// The next frame of the body: data or trailers.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>>;

    /// Ready when the first bytes of the body have arrived, or when the client has ended its side.
    fn poll_begun(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// Drops these fields from the body's trailer section.
    fn refuse_in_trailers(&mut self, fields: &Arc<[HeaderName]>);

    /// Whether the body has been read to its end.
    fn is_done(&self) -> bool;

    /// Whether it is us who don't read it now, because its client has used up its bandwidth.
    fn is_held(&self) -> bool;

    /// The bytes of the body that have not been read yet, when that number is known.
    fn remaining(&self) -> Option<u64>;
}

/// A request's body. Its larger variants are boxed, because most requests have no body and this value is moved many times.
#[derive(Debug, Default)]
pub enum RequestBody {
    /// The request has no body.
    #[default]
    Empty,
    /// The body is read from the client's connection.
    Client(Box<dyn ClientBody>),
    /// The body is kept while it is read, so that several attempts can send it.
    Replayed(Box<ReplayedBody>),
}

impl RequestBody {
    /// Ready when the client has begun to send its body, or has none. A client that waits for a 100 (RFC 9110, section 10.1.1)
    /// has not begun.
    pub fn poll_begun(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Empty => Poll::Ready(()),
            Self::Client(body) => body.poll_begun(cx),
            Self::Replayed(body) => body.poll_begun(cx),
        }
    }

    /// Whether it is us who don't read it now, because its client has used up its bandwidth: no time-out is to run for that.
    pub fn is_held(&self) -> bool {
        match self {
            Self::Empty => false,
            Self::Client(body) => body.is_held(),
            Self::Replayed(body) => body.is_held(),
        }
    }

    /// Drops these fields from the body's trailer section. To be called before the body is polled.
    pub fn refuse_in_trailers(&mut self, fields: &Arc<[HeaderName]>) {
        match self {
            // the body that is replayed was given these names before it was wrapped
            Self::Empty | Self::Replayed(_) => {}
            Self::Client(body) => body.refuse_in_trailers(fields),
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Client(body) => body.poll(cx),
            Self::Replayed(body) => body.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Client(body) => body.is_done(),
            Self::Replayed(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Client(body) => body.remaining().map_or_else(SizeHint::default, SizeHint::with_exact),
            Self::Replayed(body) => body.size_hint(),
        }
    }
}
