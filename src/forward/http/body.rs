//! The body of every answer, ours or a backend's, as one type. The record of its exchange ends with it.

pub mod recoded;

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as _, Frame, SizeHint};

use super::exchange::{Exchange, Rest};
use super::paced::Paced;
use crate::bandwidth::{Pace, Paces};
use crate::error::Error;
use crate::io::pipe::Pipe;
use crate::layer4::splice::MaySplice;
use crate::outcome::TunnelEnd;
use crate::protocol::http::tunnel::{MayTunnel, Relay};
use crate::timer::Alarm;
use crate::upstream::terms::too_late;
use crate::upstream::{h1, h2};
use recoded::Recoded;

/// A body up to this length is short: however slow its client is, most of it fits into the buffers of the sockets, and its exchange ends soon.
const SHORT: u64 = 1024 * 1024;

/// Content that is there already is compressed at once where it has at most so many bytes: that holds a worker for less than a millisecond.
pub const SHORT_ENOUGH: usize = 32 * 1024;

/// A body that is held to a bandwidth is spliced where its pieces have this size at least, which is that of a pipe.
const SPLICED: usize = 64 * 1024;

/// What a client gets to read, and the exchange that ends with it.
#[derive(Debug)]
pub struct Body {
    content: Content,
    /// The pace that it is held to, where the bandwidth of its client is limited.
    paced: Option<Box<Paced>>,
    /// The time-out of the whole exchange.
    deadline: Option<Alarm>,
    exchange: Option<Box<Exchange>>,
}

/// Where a body comes from.
#[derive(Debug)]
pub enum Content {
    /// Ours, or a backend's that was read whole.
    Own(Bytes),
    /// A backend's that was read whole, with its trailers.
    Whole(Bytes, Option<Box<HeaderMap>>),
    /// From a backend over HTTP/1.
    H1(Box<h1::ResponseBody>),
    /// From a backend over HTTP/2.
    H2(Box<h2::ResponseBody>),
    /// One of the others, compressed or decompressed on its way.
    Recoded(Box<Recoded>),
    /// There is none: the connection is turned over to another protocol.
    Tunnel(Option<Box<Relay>>),
}

impl Body {
    /// The body of an answer that ends `exchange`, held to the `pace` if there is one.
    #[inline]
    pub fn new(
        content: Content,
        pace: Option<Box<Pace>>,
        deadline: Option<Alarm>,
        exchange: Option<Box<Exchange>>,
    ) -> Self {
        Self { content, paced: pace.map(|pace| Box::new(Paced::new(pace))), deadline, exchange }
    }

    /// Pending while the client's bandwidth does not allow more.
    fn poll_held(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(paced) = &mut self.paced else { return Poll::Ready(()) };
        let was_held = paced.is_held();
        let held = paced.poll_held(cx);
        if was_held || held.is_pending() {
            self.content.held_back(cx);
        }
        held
    }

    /// The next frame, or a piece of it.
    fn poll_content(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        ready!(self.poll_held(cx));
        match &mut self.paced {
            None => self.content.poll_frame(cx),
            Some(paced) => paced.poll_piece(cx, |cx| self.content.poll_frame(cx)),
        }
    }

    /// How many bytes were read and not passed on yet.
    fn left(&self) -> usize {
        self.paced.as_ref().map_or(0, |paced| paced.left())
    }

    /// Ready when the time of the whole exchange is over.
    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        match &mut self.deadline {
            // a body that we have slowed down has taken longer for its client's sake
            Some(deadline) => deadline.poll(cx).map(|()| {
                too_late(self.content.is_starved() || self.paced.as_ref().is_some_and(|paced| paced.was_held()))
            }),
            None => Poll::Pending,
        }
    }
}

impl Content {
    /// How it follows the head of its answer. One of unknown length may never end, and a long one takes as long as its client likes.
    pub fn rest(&self) -> Rest {
        match self {
            Self::Tunnel(_) => Rest::Lasting,
            Self::Recoded(recoded) => recoded.source().rest(),
            Self::Own(_) | Self::Whole(..) => Rest::Whole,
            Self::H1(_) | Self::H2(_) if self.is_end() => Rest::Whole,
            Self::H1(_) | Self::H2(_) => match self.size_hint().exact() {
                Some(length) if length <= SHORT => Rest::Streamed,
                _ => Rest::Lasting,
            },
        }
    }

    /// Whether all of it was passed on, or there is none.
    pub fn is_end(&self) -> bool {
        match self {
            Self::Own(bytes) => bytes.is_empty(),
            Self::Whole(bytes, trailers) => bytes.is_empty() && trailers.is_none(),
            Self::H1(body) => body.is_end_stream(),
            Self::H2(body) => body.is_end_stream(),
            Self::Recoded(recoded) => recoded.is_end(),
            Self::Tunnel(_) => true,
        }
    }

    /// Whether all of it has come from where it comes from.
    fn is_backend_done(&self) -> bool {
        match self {
            Self::Recoded(recoded) => recoded.source().is_backend_done(),
            other => other.is_end(),
        }
    }

    /// Whether a backend sends it, which may not be done yet.
    fn is_streamed(&self) -> bool {
        match self {
            Self::H1(_) | Self::H2(_) => true,
            Self::Recoded(recoded) => recoded.source().is_streamed(),
            Self::Own(_) | Self::Whole(..) | Self::Tunnel(_) => false,
        }
    }

    /// Goes on sending the request while nobody reads.
    fn poll_upload(&mut self, cx: &mut Context<'_>) {
        match self {
            Self::H1(body) => body.poll_upload(cx),
            Self::H2(body) => body.poll_upload(cx),
            Self::Recoded(recoded) => recoded.source_mut().poll_upload(cx),
            Self::Own(_) | Self::Whole(..) | Self::Tunnel(_) => {}
        }
    }

    /// Whether the client is waited for, which has still to send some of its request.
    pub fn is_starved(&self) -> bool {
        match self {
            Self::H1(body) => body.is_starved(),
            Self::H2(body) => body.is_starved(),
            Self::Recoded(recoded) => recoded.source().is_starved(),
            Self::Own(_) | Self::Whole(..) | Self::Tunnel(_) => false,
        }
    }

    /// Nobody reads it for a while, which is not the backend's doing. The request goes on.
    fn held_back(&mut self, cx: &mut Context<'_>) {
        match self {
            Self::H1(body) => {
                body.restart_idle();
                body.poll_upload(cx);
            }
            Self::H2(body) => {
                body.restart_idle();
                body.poll_upload(cx);
            }
            Self::Recoded(recoded) => recoded.source_mut().held_back(cx),
            Self::Own(_) | Self::Whole(..) | Self::Tunnel(_) => {}
        }
    }

    /// What is known of its length.
    pub fn size_hint(&self) -> SizeHint {
        match self {
            Self::Own(bytes) | Self::Whole(bytes, _) => SizeHint::with_exact(bytes.len() as u64),
            Self::H1(body) => body.size_hint(),
            Self::H2(body) => body.size_hint(),
            Self::Recoded(recoded) if recoded.is_end() => SizeHint::with_exact(0),
            Self::Recoded(_) => SizeHint::default(),
            Self::Tunnel(_) => SizeHint::with_exact(0),
        }
    }

    /// The next piece.
    pub fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match self {
            Self::Own(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Own(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Whole(bytes, trailers) if bytes.is_empty() => {
                Poll::Ready(trailers.take().map(|trailers| Ok(Frame::trailers(*trailers))))
            }
            Self::Whole(bytes, _) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::H1(body) => Pin::new(body).poll_frame(cx),
            Self::H2(body) => Pin::new(body).poll_frame(cx),
            Self::Recoded(recoded) => recoded.poll_frame(cx),
            Self::Tunnel(_) => Poll::Ready(None),
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = self.get_mut();
        let mut polled = this.poll_content(cx);
        if polled.is_pending() {
            polled = this.poll_deadline(cx).map(|late| Some(Err(late)));
        }
        if let Some(exchange) = &mut this.exchange {
            if let Poll::Ready(Some(Ok(frame))) = &mut polled
                && let Some(trailers) = frame.trailers_mut()
            {
                exchange.take_backend_words(trailers);
            }
            match &polled {
                Poll::Ready(Some(Ok(frame))) => exchange.sent(frame.data_ref().map_or(0, |data| data.len() as u64)),
                Poll::Ready(Some(Err(error))) => exchange.failed(error),
                Poll::Ready(None) | Poll::Pending => {}
            }
            if polled.is_ready() && this.content.is_backend_done() {
                exchange.backend_done();
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.content.is_end() && self.left() == 0
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = self.content.size_hint();
        let left = self.left() as u64;
        if left > 0 {
            if let Some(upper) = hint.upper() {
                hint.set_upper(upper + left);
            }
            hint.set_lower(hint.lower() + left);
        }
        hint
    }
}

impl Drop for Body {
    /// An answer that is dropped before its end was not sent whole: its client went away, or we have given it up.
    fn drop(&mut self) {
        if let Some(exchange) = &mut self.exchange
            && self.content.is_streamed()
            && !(self.content.is_end() && self.paced.as_ref().is_none_or(|paced| paced.left() == 0))
        {
            exchange.broke_off();
        }
    }
}

impl MaySplice for Body {
    fn poll_upload(&mut self, cx: &mut Context<'_>) {
        self.content.poll_upload(cx);
    }

    fn spliceable(&self) -> u64 {
        match (&self.content, &self.paced) {
            (Content::H1(body), None) => body.spliceable(),
            // a pipe may fill at once, which is too much for a small bandwidth
            (Content::H1(body), Some(paced)) if paced.left() == 0 && paced.has_pieces_of(SPLICED) => body.spliceable(),
            _ => 0,
        }
    }

    fn poll_splice(&mut self, pipe: &mut Pipe, cx: &mut Context<'_>) -> Poll<Result<usize, Error>> {
        let held = self.poll_held(cx);
        let Content::H1(body) = &mut self.content else { return Poll::Ready(Ok(0)) };
        let mut polled = if held.is_ready() { body.poll_splice(pipe, cx) } else { Poll::Pending };
        if let (Some(paced), Poll::Ready(Ok(moved))) = (&mut self.paced, &polled) {
            paced.moved(*moved);
        }
        if polled.is_pending() {
            polled = self.poll_deadline(cx).map(Err);
        }
        match (&mut self.exchange, &polled) {
            (Some(exchange), Poll::Ready(Ok(moved))) => {
                exchange.sent(*moved as u64);
                if self.content.is_end() {
                    exchange.backend_done();
                }
            }
            (Some(exchange), Poll::Ready(Err(error))) => exchange.failed(error),
            _ => {}
        }
        polled
    }
}

impl MayTunnel for Body {
    fn take_tunnel(&mut self) -> Option<Relay> {
        let Content::Tunnel(relay) = &mut self.content else { return None };
        let up = self.exchange.as_mut().and_then(|exchange| exchange.take_upload_pace());
        let down = self.paced.take().map(|paced| paced.into_pace());
        relay.take().map(|relay| relay.paced(Paces { up, down }))
    }

    fn tunnelled(&mut self, bytes: u64, end: TunnelEnd) {
        if let Some(exchange) = &mut self.exchange {
            exchange.sent(bytes);
            exchange.tunnel_ended(end);
        }
    }
}
