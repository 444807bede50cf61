//! What is read of a stream: heads, a body piece by piece, and its end.

use std::task::{Context, Poll};

use super::received::BEHIND;
use super::stream::{Cause, Head, Piece, Stream};
use crate::protocol::h2::frame;

impl Stream {
    /// The next interim response, or the head of the answer; an error is why none comes.
    pub(in crate::protocol::h2) fn poll_head(&self, cx: &mut Context<'_>) -> Poll<Result<Head, Cause>> {
        let inner = &mut *self.inner.borrow_mut();
        if let Some(head) = inner.heads.interim.pop_front().or_else(|| inner.heads.last.take()) {
            return Poll::Ready(Ok(head));
        }
        if let Some(cause) = inner.over {
            return Poll::Ready(Err(cause));
        }
        inner.keep_reader(cx);
        Poll::Pending
    }

    /// Ready when there is something to read of the body that comes, or won't be.
    pub(in crate::protocol::h2) fn poll_begun(&self, cx: &mut Context<'_>) -> Poll<()> {
        let inner = &mut *self.inner.borrow_mut();
        if inner.received.bytes > 0 || inner.ended || inner.over.is_some() {
            return Poll::Ready(());
        }
        inner.keep_reader(cx);
        Poll::Pending
    }

    /// The next piece of the body that comes; an error is why it breaks off.
    pub(in crate::protocol::h2) fn poll_piece(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Piece, Cause>>> {
        let state = &mut *self.link.state.borrow_mut();
        let inner = &mut *self.inner.borrow_mut();
        if let Some(data) = inner.received.pop() {
            let used = data.len() as u32;
            state.consume(used);
            if !inner.ended
                && let Some(increment) = inner.inflow.release(used)
            {
                frame::window_update(state.out.buffer(), self.id, increment);
            }
            if state.out.waiting() > 0 {
                state.wake();
            }
            return Poll::Ready(Some(Ok(Piece::Data(data))));
        }
        if inner.ended {
            return Poll::Ready(inner.trailers.take().map(|trailers| Ok(Piece::Trailers(*trailers))));
        }
        if let Some(cause) = inner.over {
            return Poll::Ready(Some(Err(cause)));
        }
        inner.keep_reader(cx);
        Poll::Pending
    }

    /// Nobody reads the body that comes any more.
    pub(in crate::protocol::h2) fn abandon(&self) {
        let state = &mut *self.link.state.borrow_mut();
        let inner = &mut *self.inner.borrow_mut();
        inner.unwanted = true;
        let held = std::mem::take(&mut inner.received).bytes;
        if held > 0 {
            state.consume(held as u32);
            state.wake();
        }
    }

    /// Whether all that comes was read.
    pub(in crate::protocol::h2) fn is_read(&self) -> bool {
        let inner = self.inner.borrow();
        inner.ended && inner.received.bytes == 0 && inner.trailers.is_none()
    }

    /// The bytes of the body that are still to be read, when that is known.
    pub(in crate::protocol::h2) fn unread(&self) -> Option<u64> {
        let inner = self.inner.borrow();
        let held = inner.received.bytes as u64;
        match inner.ended {
            // HTTP/1 has no trailers behind a body whose length was said
            true if inner.trailers.is_some() && inner.expected.is_none() => None,
            true => Some(held),
            false => inner.expected.map(|expected| expected + held),
        }
    }

    /// Whether more has come than a reader that keeps up would leave.
    pub(in crate::protocol::h2) fn is_behind(&self) -> bool {
        self.inner.borrow().received.bytes > BEHIND
    }
}
