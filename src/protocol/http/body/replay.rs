//! A request's body that can be sent more than once. The bytes that were sent are kept, up to a bound, and so are those that were
//! read and not sent yet.
//!
//! An attempt reads a piece only when it can pass on the one before, so what was read and not sent is one piece, and whatever its
//! connection has not written yet. The body can be repeated until more than the bound was sent; then what was kept is dropped.
//!
//! Kept bytes cost about their size in memory, however they arrived. A large piece is kept as a reference to the buffer that it
//! was read into, without a copy. Small pieces are copied together, because each reference has a cost of its own and might keep
//! alive a large buffer that holds nothing else of this body.

use std::cell::RefCell;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body as _, Frame, SizeHint};

use super::RequestBody;
use crate::error::{Error, Kind};

/// The most bytes of a body that may have been sent if it is to be sent again. This is HTTP/2's initial flow-control window
/// (65,535 bytes, RFC 9113, section 6.9.2): a backend that has not processed a request has got no more than that of its body.
pub const KEPT: usize = 64 * 1024;

/// A piece smaller than this is copied. As no read is larger than 128 KiB, kept pieces hold on to eight times their size at most.
const COPIED: usize = 16 * 1024;

/// A body together with what was read of it.
#[derive(Debug)]
pub struct Replay(Rc<RefCell<Inner>>);

#[derive(Debug)]
struct Inner {
    source: RequestBody,
    kept: Kept,
    trailers: Option<HeaderMap>,
    ended: bool,
    /// An attempt has asked for more than has come.
    is_awaited: bool,
    /// Whether nothing more is kept, because more than [`KEPT`] was sent or there will be no other attempt.
    outgrown: bool,
    /// The number of the attempt that may read. The body of an earlier one, which was given up, may still be held by a task of
    /// its connection.
    attempt: u32,
}

/// The bytes at the beginning of a body that are kept.
#[derive(Debug, Default)]
struct Kept {
    pieces: Vec<Bytes>,
    /// The bytes after `pieces`, copied from small pieces.
    tail: BytesMut,
    /// The number of bytes in `pieces` and `tail` together.
    size: usize,
}

/// The body as one attempt reads it.
#[derive(Debug)]
pub struct ReplayedBody {
    inner: Rc<RefCell<Inner>>,
    number: u32,
    /// How many of the kept bytes this attempt has read.
    read: usize,
    read_trailers: bool,
}

impl Replay {
    /// Wraps `source`, and keeps what is read of it.
    pub fn new(source: RequestBody) -> Self {
        Self(Rc::new(RefCell::new(Inner {
            source,
            kept: Kept::default(),
            trailers: None,
            ended: false,
            is_awaited: false,
            outgrown: false,
            attempt: 0,
        })))
    }

    /// The body from its beginning, for a new attempt. The body of the attempt before yields an error from now on.
    pub fn attempt(&self) -> ReplayedBody {
        let mut inner = self.0.borrow_mut();
        inner.attempt += 1;
        ReplayedBody { inner: Rc::clone(&self.0), number: inner.attempt, read: 0, read_trailers: false }
    }

    /// The body from its beginning, for an attempt that is made beside the one before, which goes on. Only while the body
    /// [has all come](Self::has_all).
    pub fn attempt_beside(&self) -> ReplayedBody {
        let number = self.0.borrow().attempt;
        ReplayedBody { inner: Rc::clone(&self.0), number, read: 0, read_trailers: false }
    }

    /// Whether all of the body was read, and is kept, whoever sends how much of it: then two attempts can read it beside each other.
    pub fn has_all(&self) -> bool {
        let inner = self.0.borrow();
        inner.ended && !inner.outgrown && inner.kept.size <= KEPT
    }

    /// Whether an attempt waits for more of it to come.
    pub fn is_awaited(&self) -> bool {
        self.0.borrow().is_awaited
    }

    /// Whether the end of it has come.
    pub fn has_ended(&self) -> bool {
        self.0.borrow().ended
    }

    /// Whether a new attempt would get the body complete.
    pub fn is_whole(&self) -> bool {
        !self.0.borrow().outgrown
    }
}

impl Kept {
    fn push(&mut self, piece: &Bytes) {
        self.size += piece.len();
        if piece.len() < COPIED {
            self.tail.extend_from_slice(piece);
            return;
        }
        if !self.tail.is_empty() {
            self.pieces.push(self.tail.split().freeze());
        }
        self.pieces.push(piece.clone());
    }

    /// The bytes from the offset `at` on, up to the end of a piece; `None` when that is the end.
    fn from(&self, at: usize) -> Option<Bytes> {
        let mut start = 0;
        for piece in &self.pieces {
            if at < start + piece.len() {
                return Some(piece.slice(at - start..));
            }
            start += piece.len();
        }
        self.tail.get(at - start..).filter(|tail| !tail.is_empty()).map(Bytes::copy_from_slice)
    }
}

impl ReplayedBody {
    /// The attempt reports that up to this many bytes of the body have been sent.
    pub fn mark_sent(&mut self, bytes: u64) {
        // when nobody but this attempt holds the body, its answer is being passed on and there will be no retry: long streams
        // keep nothing
        let is_last = Rc::strong_count(&self.inner) == 1;
        let inner = &mut *self.inner.borrow_mut();
        if inner.attempt != self.number {
            return;
        }
        inner.outgrown |= is_last || bytes > KEPT as u64;
        // an attempt after the first still has to send what is kept, so it is dropped after that
        if inner.outgrown && self.read >= inner.kept.size && inner.kept.size > 0 {
            inner.kept = Kept::default();
            self.read = 0;
        }
    }

    /// Whether it is us who don't read it now.
    pub fn is_held(&self) -> bool {
        self.inner.borrow().source.is_held()
    }

    /// Ready when some of the body has arrived without being asked for, so its sender does not wait for a 100 (RFC 9110, section
    /// 10.1.1).
    pub fn poll_begun(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let inner = &mut *self.inner.borrow_mut();
        if inner.kept.size > 0 || inner.ended || inner.outgrown {
            return Poll::Ready(());
        }
        inner.source.poll_begun(cx)
    }

    /// The next frame of the body.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let inner = &mut *self.inner.borrow_mut();
        if inner.attempt != self.number {
            return Poll::Ready(Some(Err(Error::new(Kind::ClientGone, "this attempt was given up"))));
        }
        if let Some(piece) = inner.kept.from(self.read) {
            self.read += piece.len();
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        if !inner.ended {
            let frame = std::pin::Pin::new(&mut inner.source).poll_frame(cx);
            inner.is_awaited = frame.is_pending();
            match ready!(frame) {
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(mut data) => {
                        inner.ended = inner.source.is_end_stream();
                        if !inner.outgrown {
                            inner.kept.push(&data);
                            // the bytes beyond the bound go as a piece of their own, so that the body can be repeated until that
                            // piece is sent
                            let within = KEPT.saturating_sub(self.read);
                            if within > 0 && within < data.len() {
                                data.truncate(within);
                            }
                            self.read += data.len();
                        }
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
            Some(trailers) if !self.read_trailers => {
                self.read_trailers = true;
                Poll::Ready(Some(Ok(Frame::trailers(trailers.clone()))))
            }
            _ => Poll::Ready(None),
        }
    }

    /// Whether this attempt has read everything.
    pub fn is_end_stream(&self) -> bool {
        let inner = self.inner.borrow();
        let source_ended = inner.ended || inner.source.is_end_stream();
        self.read >= inner.kept.size && source_ended && (inner.trailers.is_none() || self.read_trailers)
    }

    /// The number of bytes that this attempt has not read yet, as far as it is known.
    pub fn size_hint(&self) -> SizeHint {
        let inner = self.inner.borrow();
        let kept = inner.kept.size.saturating_sub(self.read);
        let source = inner.source.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(source.lower() + kept as u64);
        if let Some(upper) = source.upper() {
            hint.set_upper(upper + kept as u64);
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    /// A body that comes in pieces of these sizes, and its bytes.
    fn body(sizes: &[usize]) -> (Replay, Vec<u8>) {
        let (kept, all) = kept(sizes);
        let source = Replay::new(RequestBody::Empty);
        source.0.borrow_mut().kept = kept;
        (Replay::new(RequestBody::Replayed(Box::new(source.attempt()))), all)
    }

    fn next(attempt: &mut ReplayedBody) -> Option<Bytes> {
        match attempt.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(piece) => piece.map(|frame| frame.unwrap().into_data().unwrap()),
            Poll::Pending => panic!("it is all there"),
        }
    }

    /// Reads to the end, as a connection that writes what it is given at once; the bytes.
    fn send(attempt: &mut ReplayedBody) -> Vec<u8> {
        let mut sent = Vec::new();
        while let Some(piece) = next(attempt) {
            sent.extend(piece);
            attempt.mark_sent(sent.len() as u64);
        }
        assert!(attempt.is_end_stream());
        sent
    }

    #[test]
    fn what_was_read_and_has_not_left_is_there_for_the_next_attempt() {
        let (replay, all) = body(&[20_000; 10]);
        let mut first = replay.attempt();
        let read: Vec<u8> = std::iter::from_fn(|| next(&mut first)).flatten().collect();
        assert_eq!(read, all);
        first.mark_sent(KEPT as u64);
        assert!(replay.is_whole());
        let mut second = replay.attempt();
        // one that was given up has no say
        first.mark_sent(1 << 20);
        assert!(replay.is_whole());
        assert_eq!(send(&mut second), all);
        assert!(!replay.is_whole());
        assert_eq!(replay.0.borrow().kept.size, 0);
    }

    #[test]
    fn a_body_stays_whole_until_more_has_left_than_is_kept() {
        for sizes in [&[KEPT + 1][..], &[1, KEPT], &[KEPT, 1], &[30_000; 3], &[200_000, 5]] {
            let (replay, all) = body(sizes);
            let mut attempt = replay.attempt();
            let mut sent = 0;
            while sent < KEPT {
                sent += next(&mut attempt).unwrap().len();
                attempt.mark_sent(sent as u64);
            }
            assert!(sent == KEPT && replay.is_whole(), "{sizes:?}: {sent}");
            assert!(!attempt.is_end_stream());
            assert_eq!(send(&mut replay.attempt()), all, "{sizes:?}");
            assert!(!replay.is_whole(), "{sizes:?}");
        }
    }

    #[test]
    fn two_attempts_beside_each_other_read_the_same() {
        let (replay, all) = body(&[20_000, 30_000]);
        let mut first = replay.attempt();
        assert_eq!(next(&mut first).unwrap(), all[..20_000]);
        assert!(!replay.has_all(), "some of it may never come");
        assert_eq!(next(&mut first).unwrap(), all[20_000..]);
        assert!(next(&mut first).is_none() && replay.has_all());
        first.mark_sent(50_000);
        let mut second = replay.attempt_beside();
        assert_eq!(send(&mut second), all);
        assert!(first.is_end_stream() && next(&mut first).is_none(), "it was not given up");
        assert!(replay.has_all());
        let (replay, _) = body(&[KEPT, 1]);
        let mut first = replay.attempt();
        while next(&mut first).is_some() {}
        assert!(replay.is_whole() && !replay.has_all(), "one of the two may send so much that nothing is kept");
    }

    #[test]
    fn the_last_attempt_keeps_nothing() {
        let (replay, all) = body(&[20_000; 3]);
        let mut attempt = replay.attempt();
        assert_eq!(next(&mut attempt).unwrap(), all[..20_000]);
        attempt.mark_sent(20_000);
        assert_eq!(attempt.inner.borrow().kept.size, 20_000);
        drop(replay);
        attempt.mark_sent(20_000);
        assert_eq!(send(&mut attempt), all[20_000..]);
        assert_eq!(attempt.inner.borrow().kept.size, 0);
    }

    /// Pieces of these sizes, with bytes that tell where each stands.
    fn kept(sizes: &[usize]) -> (Kept, Vec<u8>) {
        let all: Vec<u8> = (0..sizes.iter().sum()).map(|at: usize| at as u8).collect();
        let (mut kept, mut rest) = (Kept::default(), Bytes::from(all.clone()));
        sizes.iter().for_each(|&size| kept.push(&rest.split_to(size)));
        (kept, all)
    }

    #[test]
    fn what_is_kept_is_read_from_anywhere_to_its_end() {
        let (kept, all) = kept(&[1, 20_000, 3, 5000, 16_384, 16_383, 1]);
        for from in [0, 1, 2, 20_001, 20_004, 25_003, 25_004, 25_005, 41_388, all.len() - 1, all.len()] {
            let mut read = all[..from].to_vec();
            while let Some(piece) = kept.from(read.len()) {
                assert!(!piece.is_empty());
                read.extend(piece);
            }
            assert_eq!(read, all, "from {from}");
        }
    }

    #[test]
    fn small_pieces_cost_about_their_size_and_hold_nothing_of_what_they_were_read_into() {
        let mut kept = Kept::default();
        let pieces: Vec<Bytes> = (0..KEPT).map(|_| Bytes::from(vec![7; 1000]).slice(..1)).collect();
        pieces.iter().for_each(|piece| kept.push(piece));
        assert!(pieces.iter().all(Bytes::is_unique));
        assert_eq!((kept.size, kept.pieces.len()), (KEPT, 0));
        assert!(kept.tail.capacity() <= 2 * KEPT);
    }

    #[test]
    fn large_pieces_are_not_copied() {
        let piece = Bytes::from(vec![7; COPIED]);
        let mut kept = Kept::default();
        kept.push(&piece);
        assert_eq!(kept.from(0).map(|kept| kept.as_ptr()), Some(piece.as_ptr()));
    }
}
