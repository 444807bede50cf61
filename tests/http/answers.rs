//! What of an answer is changed on its way, and what it may be at most.

use crate::support::h2::{self, get};
use crate::support::{OK, Origin, Proxy, config};

#[test]
fn a_field_of_an_answer_with_space_before_its_colon_is_mended() {
    let origin = Origin::answering("HTTP/1.1 200 OK\r\nX-Old : a\r\nX-Tab\t: b\r\nContent-Length \t : 2\r\n\r\nok");
    let proxy = Proxy::to(&origin);
    let mut client = proxy.client();
    for _ in 0..2 {
        let answer = client.get("/x");
        assert_eq!((answer.status, answer.text().as_str()), (200, "ok"));
        assert_eq!((answer.field("x-old"), answer.field("x-tab")), (Some("a"), Some("b")));
    }
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding : chunked\r\n\r\n2\r\nok\r\n0\r\nX-Trailer : t\r\n\r\n";
    let answer = Proxy::to(&Origin::answering(chunked)).client().get("/x");
    assert_eq!((answer.status, answer.text().as_str()), (200, "ok"));
    assert_eq!(answer.trailers.len(), 1, "{answer:?}");
}

#[test]
fn a_field_of_a_request_with_space_before_its_colon_is_refused() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let mut client = proxy.client();
    client.send("GET /x HTTP/1.1\r\nHost: a\r\nX-Old : a\r\n\r\n");
    assert_eq!(client.response().status, 400);
    assert_eq!(origin.requests().len(), 0);
}

#[test]
fn a_backend_does_not_send_clients_elsewhere() {
    let origin = Origin::answering("HTTP/1.1 200 OK\r\nAlt-Svc: h3=\":443\"\r\nX: y\r\nContent-Length: 2\r\n\r\nok");
    let answer = Proxy::to(&origin).client().get("/x");
    assert_eq!((answer.field("alt-svc"), answer.field("x")), (None, Some("y")));
    let listener = "route = [{ service = \"api\", response_headers = { set = { \"alt-svc\" = \"clear\" } } }]";
    let answer = Proxy::start(&config(listener, "", &[&origin])).client().get("/x");
    assert_eq!(answer.head.all("alt-svc"), ["clear"], "what a route sets is ours");
}

#[test]
fn a_service_may_leave_via_out() {
    let origin = Origin::ok();
    let proxy = Proxy::start(&config("", "via = \"off\"", &[&origin]));
    let mut client = proxy.client();
    assert_eq!(client.get("/x").status, 200);
    client.send("GET /y HTTP/1.1\r\nHost: a\r\nVia: 1.0 before\r\n\r\n");
    assert_eq!(client.response().status, 200);
    let requests = origin.requests();
    assert_eq!((requests[0].field("via"), requests[1].field("via")), (None, Some("1.0 before")));
    assert!(requests.iter().all(|request| request.field("x-forwarded-for").is_some()));
    let origin = Origin::ok();
    assert_eq!(Proxy::to(&origin).client().get("/x").status, 200);
    assert_eq!(origin.request().field("via"), Some("1.1 evenkeel"));
}

/// An answer with fields of so many bytes, and so many of them.
fn large(bytes: usize, fields: usize) -> String {
    let fields: String = (0..fields).map(|n| format!("X-{n}: y\r\n")).collect();
    OK.replace("Content-Length", &format!("{fields}X: {}\r\nContent-Length", "x".repeat(bytes)))
}

#[test]
fn the_limits_of_answers_can_be_set() {
    let status = |limits: &str, answer: &str| {
        let service = format!("[service.api.limits]\n{limits}\n");
        Proxy::start(&config("", &service, &[&Origin::answering(answer)])).client().get("/x").status
    };
    assert_eq!(status("", &large(60_000, 90)), 200);
    assert_eq!(status("", &large(70_000, 1)), 502);
    assert_eq!(status("", &large(1, 110)), 502);
    assert_eq!(status("max_header_bytes = \"256KiB\"", &large(200_000, 1)), 200);
    assert_eq!(status("max_header_bytes = \"2KiB\"", &large(2_000, 1)), 502);
    assert_eq!(status("max_headers = 300", &large(1, 290)), 200);
    assert_eq!(status("max_headers = 3", &large(1, 3)), 502);
}

#[test]
fn the_limits_of_answers_are_the_same_over_http_2() {
    let status = |limits: &'static str, bytes: usize, fields: usize| {
        h2::run(async move {
            let backend = h2::Origin::script(move |_, mut respond| async move {
                let mut answer = http::Response::builder();
                for n in 0..fields {
                    answer = answer.header(format!("x-{n}"), "y");
                }
                let answer = answer.header("x", "x".repeat(bytes)).body(()).unwrap();
                let _ = respond.send_response(answer, true);
            });
            let toml = format!(
                "[[listener]]\nname = \"web\"\nbind = \"127.0.0.1:{{port}}\"\nservice = \"api\"\n[service.api]\nprotocol = \"h2\"\n\
                 [service.api.limits]\n{limits}\n[[service.api.backend]]\naddress = \"{}\"\n",
                backend.address()
            );
            let proxy = tokio::task::spawn_blocking(move || Proxy::start(&toml)).await.unwrap();
            let client = h2::Client::connect(proxy.address()).await;
            client.call(get("http://a/x"), "").await.status
        })
    };
    assert_eq!(status("", 10_000, 50), 200);
    assert_eq!(status("", 1, 110), 502);
    assert_eq!(status("max_headers = 200", 1, 110), 200);
    assert_eq!(status("max_header_bytes = \"2KiB\"", 2_000, 1), 502);
    assert_eq!(status("max_header_bytes = \"256KiB\"", 100_000, 1), 200);
}
