//! What tests of whole connections need: a handler, and what a worker gives to its connections.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body::{Body, Frame};

use super::fields::Date;
use super::partial::Partial;
use super::tunnel::{MayTunnel, Relay};
use super::{Handler, Request, RequestBody, Setup};
use crate::drain::Drain;
use crate::error::Error;
use crate::io::pipe::Pipe;
use crate::layer4::splice::MaySplice;
use crate::outcome::TunnelEnd;
use crate::policy::RequestLimits;
use crate::timer::Timers;

/// Sends every body back as it comes.
#[derive(Debug)]
pub struct Echo;

#[derive(Debug)]
pub struct EchoBody(pub RequestBody);

impl Handler for Echo {
    type Body = EchoBody;

    async fn handle(&self, request: Box<Request>) -> Response<EchoBody> {
        Response::new(EchoBody(request.body))
    }

    fn refuse(&self, _: &Error, _: &Partial<'_>) -> Response<EchoBody> {
        Response::builder().status(400).body(EchoBody(RequestBody::Empty)).unwrap()
    }

    fn transferred(&self, _: u64, _: u64) {}
}

impl Body for EchoBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        // what the client broke off is answered with an end: any reset for an error of our own is then a panic
        Pin::new(&mut self.get_mut().0).poll_frame(cx).map(|frame| frame.filter(Result::is_ok))
    }
}

impl MayTunnel for EchoBody {
    fn take_tunnel(&mut self) -> Option<Relay> {
        None
    }

    fn tunnelled(&mut self, _: u64, _: TunnelEnd) {}
}

impl MaySplice for EchoBody {
    fn spliceable(&self) -> u64 {
        0
    }

    fn poll_splice(&mut self, _: &mut Pipe, _: &mut Context<'_>) -> Poll<Result<usize, Error>> {
        Poll::Pending
    }

    fn poll_upload(&mut self, _: &mut Context<'_>) {}
}

/// A worker's, with generous limits.
pub fn setup() -> Setup {
    Setup {
        limits: RequestLimits {
            header_timeout: Duration::from_secs(10),
            max_header_bytes: 4096,
            max_headers: 100,
            max_body: 0,
            min_body_rate: 0,
            max_requests_per_connection: 0,
            max_concurrent_streams: 4,
            allow_encoded_controls: false,
        },
        idle_timeout: Duration::from_secs(10),
        timers: Timers::new(),
        drain: Drain::default(),
        date: Date::default(),
        pipes: Rc::default(),
        resting: None,
    }
}
