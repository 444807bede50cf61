//! What goes on a stream: the head of a request or of an answer, a body piece by piece, and its end.

use std::rc::Rc;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode};

use super::fields;
use super::stream::{Asked, Ending, Stream};

impl Stream {
    /// Sends an interim response, unless the answer has begun.
    pub(in crate::protocol::h2) fn interim(&self, status: StatusCode, headers: &HeaderMap) {
        let state = &mut *self.link.state.borrow_mut();
        let inner = self.inner.borrow();
        if inner.over.is_some() || inner.head_sent {
            return;
        }
        state.headers(self.id, false, |block| fields::answer(block, status, headers, None, None));
        state.wake();
    }

    /// Sends the head of the answer; with `end` there is nothing else.
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
        state.headers(self.id, end, |block| fields::answer(block, status, headers, Some(date), length));
        if end {
            inner.ending = Ending::Done;
            state.finished(self.id, inner);
        }
        state.wake();
    }

    /// Sends the head of a request, whose fields `block` writes; with `end` there is nothing else.
    pub(in crate::protocol::h2) fn ask(&self, asked: Asked, end: bool, block: impl FnOnce(&mut BytesMut)) {
        let state = &mut *self.link.state.borrow_mut();
        let inner = &mut *self.inner.borrow_mut();
        inner.heads.asked = asked;
        inner.begins_at = state.out.sent + state.out.waiting() as u64;
        state.headers(self.id, end, block);
        if end {
            inner.ending = Ending::Done;
        }
        state.wake();
    }

    /// What comes and goes from now on is a tunnel's.
    pub(in crate::protocol::h2) fn become_tunnel(&self) {
        self.inner.borrow_mut().duplex = true;
    }

    /// Whether the next piece of the body that goes may be given.
    pub(in crate::protocol::h2) fn has_room(&self) -> bool {
        let inner = self.inner.borrow();
        inner.over.is_none() && inner.piece.is_empty() && matches!(inner.ending, Ending::Open)
    }

    /// Whether all that goes has gone, or can't go any more.
    pub(in crate::protocol::h2) fn is_sent(&self) -> bool {
        let inner = self.inner.borrow();
        inner.over.is_some() || matches!(inner.ending, Ending::Done)
    }

    /// Bytes of the body that goes which were put into frames so far.
    pub(in crate::protocol::h2) fn moved(&self) -> u64 {
        self.inner.borrow().moved
    }

    /// Bytes of the body that goes which may have left: no more than were written to the connection since its head.
    pub(in crate::protocol::h2) fn gone(&self) -> u64 {
        let inner = self.inner.borrow();
        let written = self.link.state.borrow().out.sent.saturating_sub(inner.begins_at);
        inner.moved.min(written)
    }

    /// Sends a piece of a body, when [there is room](Self::has_room); with `end` it is the last.
    pub(in crate::protocol::h2) fn send(self: &Rc<Self>, data: Bytes, end: bool) {
        self.say(data, if end { Ending::Data } else { Ending::Open });
    }

    /// Ends the body that goes.
    pub(in crate::protocol::h2) fn finish(self: &Rc<Self>, trailers: Option<HeaderMap>) {
        let ending = trailers.map_or(Ending::Data, |trailers| Ending::Trailers(Box::new(trailers)));
        self.say(Bytes::new(), ending);
    }

    fn say(self: &Rc<Self>, data: Bytes, ending: Ending) {
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
            inner.task = None;
        }
        if needs_window {
            state.schedule(self);
            state.pump();
        } else {
            // an end alone waits behind nobody's data, for what that waits for may never come
            state.turn(self);
        }
        state.wake();
    }
}
