//! grpc.md

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response};

use super::Recipe;
use super::support::certs::Authority;
use super::support::h2::{self, Client, Origin, post};
use super::support::wait_until;

/// A server with the two services of the page. Calls of the first one are counted.
fn greeter(calls: &Arc<AtomicUsize>) -> Origin {
    let calls = Arc::clone(calls);
    Origin::script(move |request, mut respond| {
        let calls = Arc::clone(&calls);
        async move {
            let message: &[u8] = match request.uri().path() {
                "/grpc.health.v1.Health/Check" => b"\0\0\0\0\x02\x08\x01",
                _ => {
                    calls.fetch_add(1, Ordering::SeqCst);
                    b"\0\0\0\0\0"
                }
            };
            let _ = h2::read(&mut request.into_body()).await;
            let head = Response::builder().header("content-type", "application/grpc").body(()).unwrap();
            let mut sending = respond.send_response(head, false).unwrap();
            let _ = sending.send_data(Bytes::from_static(message), false);
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", HeaderValue::from_static("0"));
            let _ = sending.send_trailers(trailers);
        }
    })
}

/// A call, as gRPC clients make it.
async fn call(client: &Client) -> h2::Whole {
    let mut request = post("https://grpc.example.com/helloworld.Greeter/SayHello");
    request.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    request.headers_mut().insert("te", HeaderValue::from_static("trailers"));
    client.call(request, Bytes::from_static(b"\0\0\0\0\0")).await
}

#[test]
fn the_calls_of_one_connection_go_to_all_backends() {
    let calls = [Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0))];
    let backends = calls.each_ref().map(greeter);
    let mut recipe = Recipe::open("grpc");
    recipe.certificate("/etc/letsencrypt/live", "grpc.example.com", &["grpc.example.com"]);
    recipe.replace("10.0.0.11:50051", &backends[0].address());
    recipe.replace("10.0.0.12:50051", &backends[1].address());
    recipe.follow_all(&["Files", "Start it", "Try it"]);

    let made = || calls.each_ref().map(|calls| calls.load(Ordering::SeqCst));
    let before = made();
    let trusting = Authority::shared().client(&["h2"], None);
    let address = recipe.address(443);
    h2::run(async {
        let client = Client::connect_tls(address, &trusting, "grpc.example.com").await.unwrap();
        for _ in 0..40 {
            let answer = call(&client).await;
            assert_eq!((answer.status, &answer.body[..]), (200, &b"\0\0\0\0\0"[..]));
            assert_eq!(answer.trailers.unwrap()["grpc-status"], "0");
        }
    });
    let after = made();
    assert_eq!(after[0] + after[1] - before[0] - before[1], 40);
    assert!(after[0] > before[0] && after[1] > before[1], "{before:?} {after:?}");

    // when all are gone, it is told in gRPC's words
    drop(backends);
    wait_until("calls are told that nobody is there", || {
        h2::run(async {
            let client = Client::connect_tls(address, &trusting, "grpc.example.com").await.unwrap();
            let answer = call(&client).await;
            answer.status == 200 && answer.headers.get("grpc-status").is_some_and(|status| status == "14")
        })
    });
}
