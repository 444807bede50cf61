//! The body of a request, whichever protocol it came by, as one concrete type.

use std::fmt::Debug;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::HeaderName;
use http_body::{Body, Frame, SizeHint};

use super::replay::ReplayedBody;
use crate::error::Error;

/// A body on its way from a client, as its connection's version of HTTP reads it.
pub trait ClientBody: Debug {
    /// The next piece of it.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>>;

    /// Ready when some of it has come, or its client has ended.
    fn poll_begun(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// Has these fields dropped from its trailers.
    fn refuse_in_trailers(&mut self, fields: &Arc<[HeaderName]>);

    /// Whether it has been read to its end.
    fn is_done(&self) -> bool;

    /// The bytes still to come, when that is known.
    fn remaining(&self) -> Option<u64>;
}

/// A request's body. Boxed where there is one: most requests have none, and it is moved from hand to hand.
#[derive(Debug, Default)]
pub enum RequestBody {
    /// There is none.
    #[default]
    Empty,
    /// From the client's connection.
    Client(Box<dyn ClientBody>),
    /// One of these, as one attempt of several sends it.
    Replayed(Box<ReplayedBody>),
}

impl RequestBody {
    /// Ready when its client has begun to send it, or won't: who waits for a 100 (RFC 9110, section 10.1.1) does neither.
    pub fn poll_begun(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Empty => Poll::Ready(()),
            Self::Client(body) => body.poll_begun(cx),
            Self::Replayed(body) => body.poll_begun(cx),
        }
    }

    /// Has these fields dropped from its trailers, before anything of it is asked for.
    pub fn refuse_in_trailers(&mut self, fields: &Arc<[HeaderName]>) {
        match self {
            // a kept one is of a body that was told
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
