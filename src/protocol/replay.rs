//! A request's body that can be sent again: what was read of it is kept, up to a bound.
//!
//! The pieces are kept as they came, which copies nothing: they count references to the buffers that they were read into.

use std::cell::RefCell;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as _, Frame, SizeHint};

use super::RequestBody;
use crate::error::{Error, Kind};

/// What is kept of a body. A longer one streams, and can't be sent again once it has begun.
pub const KEPT: usize = 64 * 1024;

/// A body and what was read of it.
#[derive(Debug)]
pub struct Replay(Rc<RefCell<Inner>>);

#[derive(Debug)]
struct Inner {
    source: RequestBody,
    pieces: Vec<Bytes>,
    size: usize,
    trailers: Option<HeaderMap>,
    ended: bool,
    /// More than [`KEPT`] was read: the beginning is gone.
    outgrown: bool,
    /// The attempt that may read; one that was given up may still be held by a task of its connection.
    attempt: u32,
}

/// The body as one attempt sends it.
#[derive(Debug)]
pub struct Attempt {
    inner: Rc<RefCell<Inner>>,
    number: u32,
    /// Pieces that this attempt has had.
    had: usize,
    had_trailers: bool,
}

impl Replay {
    /// Keeps what is read of `source`.
    pub fn new(source: RequestBody) -> Self {
        Self(Rc::new(RefCell::new(Inner {
            source,
            pieces: Vec::new(),
            size: 0,
            trailers: None,
            ended: false,
            outgrown: false,
            attempt: 0,
        })))
    }

    /// The body from its beginning, for the next attempt; the one before reads nothing more.
    pub fn attempt(&self) -> Attempt {
        let mut inner = self.0.borrow_mut();
        inner.attempt += 1;
        Attempt { inner: Rc::clone(&self.0), number: inner.attempt, had: 0, had_trailers: false }
    }

    /// Whether another attempt would get all of it.
    pub fn is_whole(&self) -> bool {
        !self.0.borrow().outgrown
    }
}

impl Inner {
    fn keep(&mut self, piece: &Bytes) {
        self.size += piece.len();
        if self.size > KEPT {
            self.outgrown = true;
            self.pieces = Vec::new();
        }
        if !self.outgrown {
            self.pieces.push(piece.clone());
        }
    }
}

impl Attempt {
    /// The next piece.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let inner = &mut *self.inner.borrow_mut();
        if inner.attempt != self.number {
            return Poll::Ready(Some(Err(Error::new(Kind::ClientGone, "this attempt was given up"))));
        }
        if let Some(piece) = inner.pieces.get(self.had) {
            self.had += 1;
            return Poll::Ready(Some(Ok(Frame::data(piece.clone()))));
        }
        if !inner.ended {
            match ready!(std::pin::Pin::new(&mut inner.source).poll_frame(cx)) {
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => {
                        inner.keep(&data);
                        self.had = inner.pieces.len();
                        inner.ended = inner.source.is_end_stream();
                        return Poll::Ready(Some(Ok(Frame::data(data))));
                    }
                    Err(frame) => {
                        inner.trailers = frame.into_trailers().ok();
                        inner.ended = true;
                    }
                },
                None => inner.ended = true,
            }
        }
        match &inner.trailers {
            Some(trailers) if !self.had_trailers => {
                self.had_trailers = true;
                Poll::Ready(Some(Ok(Frame::trailers(trailers.clone()))))
            }
            _ => Poll::Ready(None),
        }
    }

    /// Whether there is nothing more to come.
    pub fn is_end_stream(&self) -> bool {
        let inner = self.inner.borrow();
        let source_ended = inner.ended || inner.source.is_end_stream();
        self.had >= inner.pieces.len() && source_ended && (inner.trailers.is_none() || self.had_trailers)
    }

    /// What is still to come.
    pub fn size_hint(&self) -> SizeHint {
        let inner = self.inner.borrow();
        let kept: usize = inner.pieces.get(self.had..).unwrap_or_default().iter().map(Bytes::len).sum();
        let source = inner.source.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(source.lower() + kept as u64);
        if let Some(upper) = source.upper() {
            hint.set_upper(upper + kept as u64);
        }
        hint
    }

    /// Whether nothing of it was ever asked for.
    pub fn is_untouched(&self) -> bool {
        let inner = self.inner.borrow();
        inner.size == 0 && inner.source.is_untouched()
    }
}
