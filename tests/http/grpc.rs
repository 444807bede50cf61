//! gRPC through the proxy: what fails here is said in its own words, and how calls ended is known.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response};

use crate::support::h2::{self, Client, post};
use crate::support::{Port, Proxy, backend, config};

/// A call with this content type, as gRPC clients make it.
async fn call(proxy: &Proxy, kind: &'static str) -> h2::Whole {
    let client = Client::connect(proxy.address()).await;
    let mut request = post("http://a.example/pkg.Service/Method");
    request.headers_mut().insert("content-type", HeaderValue::from_static(kind));
    request.headers_mut().insert("te", HeaderValue::from_static("trailers"));
    client.call(request, Bytes::from_static(b"\0\0\0\0\0")).await
}

/// What gRPC's own tools read of an answer: status, content type, `grpc-status`.
fn said(answer: &h2::Whole) -> (u16, &str, &str) {
    let field = |name: &str| answer.headers.get(name).map_or("", |value| value.to_str().unwrap());
    (answer.status, field("content-type"), field("grpc-status"))
}

#[test]
fn a_call_that_finds_no_backend_is_unavailable_in_the_form_that_it_asks_for() {
    let nobody = Port::reserve();
    let proxy = Proxy::start(&(config("", "protocol = \"h2\"", &[]) + &backend(nobody.address())));
    h2::run(async {
        for kind in
            ["application/grpc", "application/grpc+proto", "application/grpc-web+proto", "application/grpc-web-text"]
        {
            let answer = call(&proxy, kind).await;
            assert_eq!(said(&answer), (200, kind, "14"));
            assert_eq!(answer.headers["grpc-message"], "no backend available");
            assert_eq!(answer.headers["proxy-status"], "evenkeel; error=destination_unavailable");
            assert_eq!(answer.body, "");
        }
    });
    assert_eq!(proxy.metric("evenkeel_grpc_calls_total{service=\"api\",code=\"UNAVAILABLE\"}"), 4);
}

#[test]
fn what_is_no_call_gets_an_answer_of_http() {
    let nobody = Port::reserve();
    let proxy = Proxy::start(&(config("", "protocol = \"h2\"", &[]) + &backend(nobody.address())));
    h2::run(async {
        let answer = call(&proxy, "application/json").await;
        assert_eq!((answer.status, answer.headers.contains_key("grpc-status")), (503, false));
    });
}

#[test]
fn a_call_that_takes_too_long_has_exceeded_its_deadline() {
    let origin = h2::Origin::script(|_, respond| async move {
        let _unanswered = respond;
        std::future::pending::<()>().await;
    });
    let service = "protocol = \"h2\"\n[service.api.timeout]\nresponse = \"200ms\"";
    let proxy = Proxy::start(&(config("", service, &[]) + &backend(origin.address())));
    h2::run(async {
        assert_eq!(said(&call(&proxy, "application/grpc").await), (200, "application/grpc", "4"));
    });
}

#[test]
fn how_calls_ended_is_counted_from_trailers_and_from_heads() {
    let origin = h2::Origin::script(|request, mut respond| async move {
        let _ = h2::read(&mut request.into_body()).await;
        let answer = Response::builder().header("content-type", "application/grpc");
        let mut sending = respond.send_response(answer.body(()).unwrap(), false).unwrap();
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static("5"));
        let _ = sending.send_trailers(trailers);
    });
    let only = h2::Origin::script(|request, mut respond| async move {
        let _ = h2::read(&mut request.into_body()).await;
        let answer = Response::builder().header("content-type", "application/grpc").header("grpc-status", "16");
        let _ = respond.send_response(answer.body(()).unwrap(), true);
    });
    for (origin, code) in [(origin, "NOT_FOUND"), (only, "UNAUTHENTICATED")] {
        let proxy = Proxy::start(&(config("", "protocol = \"h2\"", &[]) + &backend(origin.address())));
        h2::run(async {
            call(&proxy, "application/grpc").await;
        });
        let name = format!("evenkeel_grpc_calls_total{{service=\"api\",code=\"{code}\"}}");
        crate::support::wait_until("it is counted", || proxy.metric(&name) == 1);
    }
}
