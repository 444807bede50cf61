//! Reading from a stream: heads, the pieces of a body, and its end.

use std::task::{Context, Poll};

use super::received::BEHIND;
use super::stream::{Cause, Head, Piece, Stream};
use crate::protocol::h2::frame;

impl Stream {
    /// The next interim response, or the head of the final one.
    ///
    /// # Errors
    ///
    /// The cause for which no head will come.
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

    /// Ready when some of the body has arrived, or none will.
    pub(in crate::protocol::h2) fn poll_begun(&self, cx: &mut Context<'_>) -> Poll<()> {
        let inner = &mut *self.inner.borrow_mut();
        if inner.received.bytes > 0 || inner.ended || inner.over.is_some() {
            return Poll::Ready(());
        }
        inner.keep_reader(cx);
        Poll::Pending
    }

    /// The next piece of the body; an error is the cause for which it is incomplete.
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

    /// Nobody will read the rest of the body.
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

    /// Whether the whole message was read.
    pub(in crate::protocol::h2) fn is_read(&self) -> bool {
        let inner = self.inner.borrow();
        inner.ended && inner.received.bytes == 0 && inner.trailers.is_none()
    }

    /// The number of bytes of the body that are still to be read, when it is known.
    pub(in crate::protocol::h2) fn unread(&self) -> Option<u64> {
        let inner = self.inner.borrow();
        let held = inner.received.bytes as u64;
        match inner.ended {
            // unknown, so that it is sent in chunks over HTTP/1, where a body with Content-Length has no trailers
            true if inner.trailers.is_some() && inner.expected.is_none() => None,
            true => Some(held),
            false => inner.expected.map(|expected| expected + held),
        }
    }

    /// Whether so much has arrived unread that the reader does not keep up.
    pub(in crate::protocol::h2) fn is_behind(&self) -> bool {
        self.inner.borrow().received.bytes > BEHIND
    }
}
