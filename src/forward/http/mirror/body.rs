//! The body of a request that is copied: the copy gets each piece as the exchange reads it.
//!
//! The exchange never waits for the copy. What the copy has not sent yet waits here, up to the length that bodies may have to be copied, and up to a
//! bound for all copies of a worker; beyond either of them, the copy is given up.
//!
//! A large piece is not copied: both hold a reference to the buffer that it was read into. Small pieces are put together, because each reference has a
//! cost of its own, and might keep alive a large buffer that holds nothing else of this body.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};
use http::header::{HeaderMap, HeaderName};
use http_body::Frame;

use crate::error::{Error, Kind, Result};
use crate::metrics::MirrorResult;
use crate::protocol::http::fields;
use crate::protocol::http::{ClientBody, Request, RequestBody};

/// The most bytes of bodies that wait on one worker for backends that get copies. With 16 MiB, 256 bodies of the default length may wait whole.
const MOST_WAITING: usize = 16 << 20;

/// A piece smaller than this is copied, as in what is kept for retries. As no read is larger than 128 KiB, what waits holds on to eight times its size
/// at most.
const COPIED: usize = 16 * 1024;

/// What a request and its copy share of its body.
#[derive(Debug, Clone)]
pub struct Feed(Rc<RefCell<Inner>>);

#[derive(Debug)]
struct Inner {
    pieces: VecDeque<Bytes>,
    /// The bytes after `pieces`, put together from small pieces.
    tail: BytesMut,
    /// The bytes in `pieces` and `tail` together.
    waiting: usize,
    /// The bytes of the body so far.
    length: u64,
    longest: u64,
    trailers: Option<HeaderMap>,
    end: Option<End>,
    waker: Option<Waker>,
    /// The bytes that wait on this worker, of all copies.
    of_worker: Rc<Cell<usize>>,
}

/// How what is fed has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The body was read to its end.
    Whole,
    /// The copy was given up.
    GivenUp(MirrorResult),
    /// The copy needs no more of it.
    Unwanted,
}

/// The body as the exchange reads it.
#[derive(Debug)]
struct Original {
    inner: Box<dyn ClientBody>,
    feed: Feed,
}

/// The body as the copy sends it.
#[derive(Debug)]
struct Copied {
    feed: Feed,
    refused: Option<Arc<[HeaderName]>>,
}

/// Gives a copy the body of its original, if that has one, up to this length. `of_worker` counts the bytes that wait on this worker.
pub fn share(original: &mut Request, copy: &mut Request, longest: u64, of_worker: &Rc<Cell<usize>>) -> Option<Feed> {
    match std::mem::take(&mut original.body) {
        RequestBody::Client(inner) => {
            let feed = Feed::new(longest, of_worker);
            original.body = RequestBody::Client(Box::new(Original { inner, feed: feed.clone() }));
            copy.body = RequestBody::Client(Box::new(Copied { feed: feed.clone(), refused: None }));
            Some(feed)
        }
        other => {
            original.body = other;
            None
        }
    }
}

impl Feed {
    fn new(longest: u64, of_worker: &Rc<Cell<usize>>) -> Self {
        Self(Rc::new(RefCell::new(Inner {
            pieces: VecDeque::new(),
            tail: BytesMut::new(),
            waiting: 0,
            length: 0,
            longest,
            trailers: None,
            end: None,
            waker: None,
            of_worker: Rc::clone(of_worker),
        })))
    }

    /// Why the copy was given up, if it was.
    pub fn given_up(&self) -> Option<MirrorResult> {
        match self.0.borrow().end {
            Some(End::GivenUp(why)) => Some(why),
            Some(End::Whole | End::Unwanted) | None => None,
        }
    }
}

impl Inner {
    fn push(&mut self, data: &Bytes) {
        if self.end.is_some() {
            return;
        }
        self.length += data.len() as u64;
        if self.length > self.longest {
            return self.end(End::GivenUp(MirrorResult::TooLarge));
        }
        if self.of_worker.get() + data.len() > MOST_WAITING {
            return self.end(End::GivenUp(MirrorResult::TooSlow));
        }
        self.of_worker.set(self.of_worker.get() + data.len());
        self.waiting += data.len();
        if data.len() < COPIED {
            self.tail.extend_from_slice(data);
        } else {
            if !self.tail.is_empty() {
                self.pieces.push_back(self.tail.split().freeze());
            }
            self.pieces.push_back(data.clone());
        }
        self.wake();
    }

    /// It has ended, unless it had before.
    fn end(&mut self, end: End) {
        if self.end.is_some() {
            return;
        }
        self.end = Some(end);
        if end != End::Whole {
            self.release(self.waiting);
            self.pieces = VecDeque::new();
            self.tail = BytesMut::new();
        }
        self.wake();
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// The next piece, if one waits.
    fn pop(&mut self) -> Option<Bytes> {
        let small = || (!self.tail.is_empty()).then(|| self.tail.split().freeze());
        let piece = self.pieces.pop_front().or_else(small)?;
        self.release(piece.len());
        Some(piece)
    }

    fn release(&mut self, bytes: usize) {
        self.waiting -= bytes;
        self.of_worker.set(self.of_worker.get() - bytes);
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.release(self.waiting);
    }
}

impl ClientBody for Original {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>>>> {
        let polled = self.inner.poll(cx);
        let Poll::Ready(read) = &polled else { return polled };
        let feed = &mut *self.feed.0.borrow_mut();
        match read {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    feed.push(data);
                } else if feed.end.is_none() {
                    feed.trailers = frame.trailers_ref().cloned();
                }
                if frame.is_trailers() || self.inner.is_done() {
                    feed.end(End::Whole);
                }
            }
            Some(Err(_)) => feed.end(End::GivenUp(MirrorResult::Cancelled)),
            None => feed.end(End::Whole),
        }
        polled
    }

    fn poll_begun(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.inner.poll_begun(cx)
    }

    fn refuse_in_trailers(&mut self, fields: &Arc<[HeaderName]>) {
        self.inner.refuse_in_trailers(fields);
    }

    fn is_done(&self) -> bool {
        self.inner.is_done()
    }

    fn is_held(&self) -> bool {
        self.inner.is_held()
    }

    fn remaining(&self) -> Option<u64> {
        self.inner.remaining()
    }
}

impl Drop for Original {
    /// The exchange reads no more of it.
    fn drop(&mut self) {
        let end = if self.inner.is_done() { End::Whole } else { End::GivenUp(MirrorResult::Cancelled) };
        self.feed.0.borrow_mut().end(end);
    }
}

impl ClientBody for Copied {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>>>> {
        let feed = &mut *self.feed.0.borrow_mut();
        if let Some(piece) = feed.pop() {
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        match feed.end {
            None => {
                feed.waker = Some(cx.waker().clone());
                Poll::Pending
            }
            Some(End::Whole) => Poll::Ready(feed.trailers.take().map(|trailers| {
                let trailers = match &self.refused {
                    Some(refused) => fields::without(trailers, refused),
                    None => trailers,
                };
                Ok(Frame::trailers(trailers))
            })),
            // what kind of error it is matters to nobody, only that it is not the backend's
            Some(End::GivenUp(_) | End::Unwanted) => {
                Poll::Ready(Some(Err(Error::new(Kind::ClientGone, "the copy was given up"))))
            }
        }
    }

    fn poll_begun(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let feed = &mut *self.feed.0.borrow_mut();
        if feed.waiting > 0 || feed.end.is_some() {
            return Poll::Ready(());
        }
        feed.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    fn refuse_in_trailers(&mut self, fields: &Arc<[HeaderName]>) {
        self.refused = Some(Arc::clone(fields));
    }

    fn is_done(&self) -> bool {
        let feed = self.feed.0.borrow();
        feed.end == Some(End::Whole) && feed.waiting == 0 && feed.trailers.is_none()
    }

    fn is_held(&self) -> bool {
        false
    }

    fn remaining(&self) -> Option<u64> {
        None
    }
}

impl Drop for Copied {
    fn drop(&mut self) {
        self.feed.0.borrow_mut().end(End::Unwanted);
    }
}

#[cfg(test)]
mod tests;
