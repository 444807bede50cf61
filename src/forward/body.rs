//! The body of every answer, as one concrete type.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};

use super::exchange::Exchange;
use crate::error::{Error, Kind};
use crate::protocol::tunnel::{MayTunnel, Relay};
use crate::timer::Alarm;
use crate::upstream::{h1, h2};

/// What a client gets to read, and the exchange that ends with it.
#[derive(Debug)]
pub struct Body {
    content: Content,
    /// The time-out of the whole exchange.
    deadline: Option<Alarm>,
    exchange: Option<Exchange>,
}

/// Where it comes from.
#[derive(Debug)]
pub enum Content {
    /// Ours.
    Own(Bytes),
    /// From a backend over HTTP/1.
    H1(h1::ResponseBody),
    /// From a backend over HTTP/2.
    H2(h2::ResponseBody),
    /// None: the connection is turned over to another protocol.
    Tunnel(Option<Box<Relay>>),
}

impl Body {
    /// The body of an answer that ends `exchange`.
    pub fn new(content: Content, deadline: Option<Alarm>, exchange: Option<Exchange>) -> Self {
        Self { content, deadline, exchange }
    }

    fn poll_content(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match &mut self.content {
            Content::Own(bytes) if bytes.is_empty() => Poll::Ready(None),
            Content::Own(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Content::H1(body) => Pin::new(body).poll_frame(cx),
            Content::H2(body) => Pin::new(body).poll_frame(cx),
            Content::Tunnel(_) => Poll::Ready(None),
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = self.get_mut();
        let mut polled = this.poll_content(cx);
        if polled.is_pending()
            && let Some(deadline) = &mut this.deadline
            && deadline.poll(cx).is_ready()
        {
            polled = Poll::Ready(Some(Err(Error::new(Kind::UpstreamTimeout, "longer than timeout.total"))));
        }
        if let Some(exchange) = &mut this.exchange {
            match &polled {
                Poll::Ready(Some(Ok(frame))) => exchange.sent(frame.data_ref().map_or(0, |data| data.len() as u64)),
                Poll::Ready(Some(Err(error))) => exchange.failed(error.kind()),
                Poll::Ready(None) | Poll::Pending => {}
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Own(bytes) => bytes.is_empty(),
            Content::H1(body) => body.is_end_stream(),
            Content::H2(body) => body.is_end_stream(),
            Content::Tunnel(_) => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Own(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Content::H1(body) => body.size_hint(),
            Content::H2(body) => body.size_hint(),
            Content::Tunnel(_) => SizeHint::with_exact(0),
        }
    }
}

impl MayTunnel for Body {
    fn take_tunnel(&mut self) -> Option<Relay> {
        match &mut self.content {
            Content::Tunnel(relay) => relay.take().map(|relay| *relay),
            _ => None,
        }
    }
}
