//! Whole connections.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::pin::Pin;
use std::time::Duration;

use bytes::BytesMut;
use http::Response;
use http_body::Body as _;

use super::server;
use crate::error::Error;
use crate::io::{Socket, Stream};
use crate::protocol::http::partial::Partial;
use crate::protocol::http::testing::{EchoBody, setup};
use crate::protocol::http::{Handler, Request, RequestBody};

/// Reads each request's body, and does not let go of it.
#[derive(Default)]
struct Hoarder(RefCell<Vec<RequestBody>>);

impl Handler for Hoarder {
    type Body = EchoBody;

    async fn handle(&self, mut request: Box<Request>) -> Response<EchoBody> {
        let mut body = std::mem::take(&mut request.body);
        while poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await.is_some() {}
        self.0.borrow_mut().push(body);
        Response::new(EchoBody(RequestBody::Empty))
    }

    fn refuse(&self, _: &Error, _: &Partial<'_>) -> Response<EchoBody> {
        Response::new(EchoBody(RequestBody::Empty))
    }

    fn transferred(&self, _: u64, _: u64) {}
}

#[tokio::test(flavor = "local")]
async fn a_connection_ends_although_somebody_still_holds_a_body_that_was_read() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let client = std::thread::spawn(move || {
        let mut client = std::net::TcpStream::connect(address).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        client.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbody").unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).map(|_| answer)
    });
    let accepted = listener.accept().unwrap().0;
    accepted.set_nonblocking(true).unwrap();
    let (handler, setup) = (Hoarder::default(), setup());
    tokio::task::spawn_local(setup.timers.clone().run());
    let stream = Stream::Plain(Socket::accepted(accepted));
    server::serve(stream, BytesMut::new(), &handler, &setup).await;
    let answer = tokio::task::spawn_blocking(|| client.join().unwrap()).await.unwrap();
    assert!(answer.unwrap().starts_with("HTTP/1.1 200"));
    assert_eq!(handler.0.borrow().len(), 1);
}

#[tokio::test(flavor = "local")]
async fn what_waits_for_a_request_has_no_room_for_an_exchange() {
    let (handler, setup) = (Hoarder::default(), setup());
    let serving = server::serve(Stream::Plain(Socket::gone()), BytesMut::new(), &handler, &setup);
    assert!(size_of_val(&serving) <= 400, "{}", size_of_val(&serving));
}
