//! Sending on a stream: the head of a request or a response, the pieces of a body, and its end.

use std::rc::Rc;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode};

use super::fields;
use super::stream::{Ending, RequestKind, Stream};

impl Stream {
    /// Sends an interim response, unless the final one has begun.
    pub(in crate::protocol::h2) fn interim(&self, status: StatusCode, headers: &HeaderMap) {
        let state = &mut *self.link.state.borrow_mut();
        let inner = self.inner.borrow();
        if inner.over.is_some() || inner.head_sent {
            return;
        }
        state.headers(self.id, false, |block| fields::response(block, status, headers, None, None));
        state.wake();
    }

    /// Sends the head of a response. With `end` it has no body.
    pub(in crate::protocol::h2) fn head(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
        date: &[u8],
        length: Option<u64>,
        end: bool,
    ) {
        let state = &mut *self.link.state.borrow_mut();
        let inner = &mut *self.inner.borrow_mut();
        if inner.over.is_some() {
            return;
        }
        inner.head_sent = true;
        state.headers(self.id, end, |block| fields::response(block, status, headers, Some(date), length));
        if end {
            inner.ending = Ending::Done;
            state.finished(self.id, inner);
        }
        state.wake();
    }

    /// Sends the head of a request, whose fields `block` writes. With `end` it has no body.
    pub(in crate::protocol::h2) fn send_request(
        &self,
        kind: RequestKind,
        end: bool,
        block: impl FnOnce(&mut BytesMut),
    ) {
        let state = &mut *self.link.state.borrow_mut();
        let inner = &mut *self.inner.borrow_mut();
        inner.heads.request_kind = kind;
        inner.starts_at = state.out.sent + state.out.waiting() as u64;
        state.headers(self.id, end, block);
        if end {
            inner.ending = Ending::Done;
        }
        state.wake();
    }

    /// Turns the stream into a tunnel: its two directions end independently of each other.
    pub(in crate::protocol::h2) fn become_tunnel(&self) {
        self.inner.borrow_mut().duplex = true;
    }

    /// Whether the next piece of the body may be added.
    pub(in crate::protocol::h2) fn has_room(&self) -> bool {
        let inner = self.inner.borrow();
        inner.over.is_none() && inner.piece.is_empty() && matches!(inner.ending, Ending::Open)
    }

    /// Whether everything was put into frames, or can't be sent any more.
    pub(in crate::protocol::h2) fn is_sent(&self) -> bool {
        let inner = self.inner.borrow();
        inner.over.is_some() || matches!(inner.ending, Ending::Done)
    }

    /// The number of bytes of the body that were put into frames so far.
    pub(in crate::protocol::h2) fn bytes_framed(&self) -> u64 {
        self.inner.borrow().bytes_framed
    }

    /// The number of bytes of the body that may have been sent: at most what was put into frames, and at most what the connection
    /// has written since the stream's head.
    pub(in crate::protocol::h2) fn bytes_sent(&self) -> u64 {
        let inner = self.inner.borrow();
        let written = self.link.state.borrow().out.sent.saturating_sub(inner.starts_at);
        inner.bytes_framed.min(written)
    }

    /// Sends a piece of the body. Only to be called when [there is room](Self::has_room). With `end` it is the last piece.
    pub(in crate::protocol::h2) fn send(self: &Rc<Self>, data: Bytes, end: bool) {
        self.queue(data, if end { Ending::Data } else { Ending::Open });
    }

    /// Ends the body, with a trailer section if there is one.
    pub(in crate::protocol::h2) fn finish(self: &Rc<Self>, trailers: Option<HeaderMap>) {
        let ending = trailers.map_or(Ending::Data, |trailers| Ending::Trailers(Box::new(trailers)));
        self.queue(Bytes::new(), ending);
    }

    fn queue(self: &Rc<Self>, data: Bytes, ending: Ending) {
        let state = &mut *self.link.state.borrow_mut();
        let needs_window = !data.is_empty();
        {
            let inner = &mut *self.inner.borrow_mut();
            if inner.over.is_some() {
                return;
            }
            if !data.is_empty() {
                inner.piece = data;
            }
            inner.ending = ending;
            inner.sender = None;
        }
        if needs_window {
            state.schedule(self);
            state.pump();
        } else {
            // an end without data does not wait its turn: it needs no window, and the data before it in the queue may wait for
            // one for ever
            state.send_turn(self);
        }
        state.wake();
    }
}
