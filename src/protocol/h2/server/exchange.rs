//! The task of one stream on a client's connection: it has the request handled, and sends the response as flow-control windows
//! allow.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::HeaderMap;
use http::{Method, Response, StatusCode};
use http_body::Body;

use crate::layer4::splice::MaySplice;
use crate::protocol::h2::frame::Reason;
use crate::protocol::h2::link::stream::Stream;
use crate::protocol::h2::tunnel_io::TunnelIo;
use crate::protocol::http::length::{Announced, announced, is_bodiless};
use crate::protocol::http::tunnel::{MayTunnel, Relay, Tunnel};
use crate::protocol::http::{Handler, InterimSink, Request, Setup};
use crate::timer::Alarm;

/// Resets the stream when the task ends before the response does: because of a panic, or because the response was broken off.
struct ResetOnDrop<'a>(&'a Stream);

/// The time-out for a client that takes no data, and how many bytes it had taken when the time-out was set.
#[derive(Default)]
struct SendTimeout(Option<(u64, Alarm)>);

/// Handles a request.
pub(super) async fn run<H: Handler>(stream: Rc<Stream>, handler: Rc<H>, request: Box<Request>, setup: Rc<Setup>) {
    let _reset = ResetOnDrop(&stream);
    let (method, connects) = (request.method.clone(), request.upgrade.is_some());
    let response = {
        let mut answer = pin!(handler.handle(request));
        poll_fn(|cx| match answer.as_mut().poll(cx) {
            Poll::Ready(response) => Poll::Ready(Some(response)),
            Poll::Pending => stream.poll_over(cx).map(|()| None),
        })
        .await
    };
    let Some(mut response) = response else { return };
    if connects && let Some(relay) = response.body_mut().take_tunnel() {
        return tunnel(&stream, response, relay, &setup).await;
    }
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        // HTTP/2 does not have this status (RFC 9113, section 8.6)
        *response.status_mut() = StatusCode::BAD_GATEWAY;
    }
    answer(&stream, response, &method, &setup).await;
}

/// Sends the response to a head that did not become a request; `method` is the one it asked for.
pub(super) async fn refuse<B>(stream: Rc<Stream>, response: Response<B>, method: Method, setup: Rc<Setup>)
where
    B: Body<Data = Bytes, Error = crate::error::Error> + MaySplice + Unpin,
{
    let _reset = ResetOnDrop(&stream);
    answer(&stream, response, &method, &setup).await;
}

async fn answer<B>(stream: &Rc<Stream>, response: Response<B>, method: &Method, setup: &Setup)
where
    B: Body<Data = Bytes, Error = crate::error::Error> + MaySplice + Unpin,
{
    let (parts, body) = response.into_parts();
    let length = match announced(&body, &parts.headers, method, parts.status) {
        Announced::Exact(length) => Some(length),
        Announced::Nothing | Announced::Open => None,
    };
    let ends = is_bodiless(method, parts.status) || body.is_end_stream();
    let date = setup.date.now(&setup.timers);
    stream.head(parts.status, &parts.headers, &date, length, ends);
    if !ends {
        deliver(stream, body, setup).await;
    }
}

/// Sends a body as fast as it arrives and as the client takes it. A stream whose client takes nothing for `idle_timeout` is
/// reset.
async fn deliver<B>(stream: &Rc<Stream>, mut body: B, setup: &Setup)
where
    B: Body<Data = Bytes, Error = crate::error::Error> + MaySplice + Unpin,
{
    let mut send_timeout = SendTimeout::default();
    let whole = poll_fn(|cx| {
        while stream.has_room() {
            match Pin::new(&mut body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => stream.send(data, body.is_end_stream()),
                    Err(frame) => stream.finish(frame.into_trailers().ok()),
                },
                Poll::Ready(Some(Err(_))) => return Poll::Ready(Err(Reason::Internal)),
                Poll::Ready(None) => stream.finish(None),
                Poll::Pending => return stream.poll_over(cx).map(Ok),
            }
        }
        body.poll_upload(cx);
        send_timeout.poll_taken(stream, setup, cx)
    });
    if let Err(reason) = whole.await {
        stream.reset(reason);
    }
}

/// Turns the stream into a tunnel for another protocol (RFC 8441).
async fn tunnel<B: MayTunnel>(stream: &Rc<Stream>, response: Response<B>, relay: Relay, setup: &Setup) {
    let date = setup.date.now(&setup.timers);
    stream.become_tunnel();
    stream.head(response.status(), response.headers(), &date, None, false);
    let mut io = TunnelIo::new(stream);
    let mut tunnel = Tunnel::new(response.into_body(), relay);
    poll_fn(|cx| tunnel.poll(&mut io, cx)).await;
    if !tunnel.relay().is_whole() {
        tracing::debug!(end = tunnel.end().as_str(), "a tunnel over HTTP/2 broke");
        return stream.reset(Reason::Connect);
    }
    // the last bytes may still wait for the client's flow-control window
    let mut send_timeout = SendTimeout::default();
    if let Err(reason) = poll_fn(|cx| send_timeout.poll_taken(stream, setup, cx)).await {
        stream.reset(reason);
    }
}

impl SendTimeout {
    /// Ready when the client has taken all that was sent on the stream; with an error when it has taken nothing for
    /// `idle_timeout`.
    fn poll_taken(&mut self, stream: &Stream, setup: &Setup, cx: &mut Context<'_>) -> Poll<Result<(), Reason>> {
        if stream.poll_over(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        let bytes_framed = stream.bytes_framed();
        let alarm = match &mut self.0 {
            Some((before, alarm)) if *before == bytes_framed => alarm,
            stale => &mut stale.insert((bytes_framed, Alarm::new(&setup.timers, setup.idle_timeout))).1,
        };
        alarm.poll(cx).map(|()| Err(Reason::Cancel))
    }
}

impl InterimSink for Stream {
    fn interim(&self, status: StatusCode, headers: &HeaderMap) {
        Self::interim(self, status, headers);
    }
}

impl Drop for ResetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.reset(Reason::Internal);
    }
}
