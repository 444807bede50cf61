//! What is told of an exchange.

use std::time::Duration;

use bytes::Bytes;
use http::Response;

use crate::collector::{Collector, resource};
use crate::decoded::Span;
use crate::support::certs::Authority;
use crate::support::{GET, OK, Origin, Port, Proxy, Scratch, backend, config, h2, wait_until};
use crate::{otlp, traced};

const ALL: &str = "sample = 1.0";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The `traceparent` of an attempt.
fn traceparent(attempt: &Span) -> String {
    format!("00-{}-{}-{:02x}", hex(&attempt.trace), hex(&attempt.id), attempt.flags as u8)
}

#[test]
fn an_exchange_is_told_over_http_and_over_grpc_and_its_backend_gets_the_span_of_the_attempt() {
    for (collector, protocol, path) in [
        (Collector::http(&[]), "http", "/v1/traces"),
        (Collector::grpc(&[]), "grpc", "/opentelemetry.proto.collector.trace.v1.TraceService/Export"),
    ] {
        let origin = Origin::ok();
        let keys = format!("{ALL}\nprotocol = \"{protocol}\"\nresource = {{ \"deployment.environment\" = \"prod\" }}");
        let proxy = Proxy::start(&traced(collector.endpoint(), &keys, &[&origin]));
        let mut client = proxy.client();
        assert_eq!(client.get("/x?a=1").status, 200);
        assert_eq!(client.get("/again").status, 200);
        collector.wait_for(4);

        let [request, attempt] = &collector.of_path("/x")[..] else { panic!("a request and an attempt") };
        assert_eq!((request.kind, attempt.kind, request.parent.len()), (2, 3, 0));
        assert_eq!(origin.requests()[0].field("traceparent"), Some(&*traceparent(attempt)));
        assert_eq!(origin.requests()[0].field("tracestate"), None);
        for (key, value) in [
            ("http.request.method", "GET"),
            ("url.path", "/x"),
            ("url.query", "a=1"),
            ("url.scheme", "http"),
            ("http.response.status_code", "200"),
            ("http.response.body.size", "2"),
            ("network.protocol.version", "1.1"),
            ("client.address", "127.0.0.1"),
            ("evenkeel.listener", "web"),
            ("evenkeel.service", "api"),
            ("evenkeel.sampled_by", "head"),
        ] {
            assert_eq!(request.get(key), value, "{key}");
        }
        assert_eq!(attempt.get("evenkeel.backend"), origin.address());
        assert_eq!(attempt.get("http.response.status_code"), "200");
        assert!(attempt.attributes.contains_key("evenkeel.connect.duration"), "the connection was a new one");
        let [_, again] = &collector.of_path("/again")[..] else { panic!("a request and an attempt") };
        assert_ne!(again.trace, attempt.trace);

        let messages = collector.messages();
        assert!(messages.iter().all(|message| message.path == path && message.authorization == "Bearer abc"));
        let resource = resource(&messages[0].bytes);
        for (key, value) in [("service.name", "evenkeel"), ("deployment.environment", "prod")] {
            assert!(resource.contains(&(key.to_owned(), value.to_owned())), "{resource:?}");
        }
        drop(messages);
        proxy.wait_for_metrics("evenkeel_otlp_sent_total{signal=\"traces\"} 4");
    }
}

#[test]
fn each_attempt_has_a_span_and_a_kept_connection_no_time_to_connect() {
    let collector = Collector::http(&[]);
    let refused = Port::reserve();
    let origin = Origin::ok();
    let toml = config("", "balance = \"round_robin\"", &[])
        + &backend(refused.address())
        + &backend(origin.address())
        + "[server]\nworkers = 1\n"
        + &otlp(collector.endpoint(), &format!("{ALL}\nprotocol = \"http\""));
    let proxy = Proxy::start(&toml);
    let mut client = proxy.client();
    for number in 0..4 {
        assert_eq!(client.get(&format!("/{number}")).status, 200);
    }
    let all: Vec<Vec<Span>> = (0..4).map(|number| collector.of_path(&format!("/{number}"))).collect();
    let retried = all.iter().find(|spans| spans.len() == 3).expect("one of them was sent to both");
    let [request, failed, good] = &retried[..] else { panic!("{retried:#?}") };
    assert!(failed.is_error && !good.is_error && !request.is_error);
    assert_eq!(failed.get("error.type"), "connection_to_the_backend_failed");
    assert_eq!(failed.get("evenkeel.backend"), refused.address().to_string());
    assert_eq!((failed.get("http.request.resend_count"), good.get("http.request.resend_count")), ("", "1"));
    assert_eq!(request.get("evenkeel.attempts"), "2");
    assert!(good.start >= failed.end);
    let kept = all.iter().flatten().filter(|span| span.kind == 3 && !span.is_error);
    assert!(kept.filter(|span| !span.attributes.contains_key("evenkeel.connect.duration")).count() >= 2);
}

#[test]
fn a_wait_for_a_place_has_a_span_between_the_begin_and_the_attempt() {
    let collector = Collector::http(&[]);
    let (origin, cue) = Origin::answering_on_cue();
    let toml = config("", "timeout = { queue = \"60s\" }", &[&origin])
        + "max_connections = 1\n[server]\nworkers = 1\n"
        + &otlp(collector.endpoint(), &format!("{ALL}\nprotocol = \"http\""));
    let proxy = Proxy::start(&toml);
    let mut holder = proxy.client();
    holder.send("GET /holder HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_until("it is under way", || origin.requests().len() == 1);
    let mut waiting = proxy.client();
    waiting.send("GET /waiting HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_until("it waits", || proxy.status()["services"]["api"]["waiting"] == 1);
    cue.give();
    cue.give();
    assert_eq!((holder.response().status, waiting.response().status), (200, 200));
    let [_, queue, attempt] = &collector.of_path("/waiting")[..] else { panic!("a request, a wait and an attempt") };
    assert_eq!((&*queue.name, queue.kind, queue.end), ("queue", 1, attempt.start));
    assert_eq!(collector.of_path("/holder").len(), 2);
}

#[test]
fn failures_and_what_is_slow_are_told_although_they_were_not_drawn_and_their_flags_say_so() {
    let collector = Collector::http(&[]);
    let origin = Origin::script(|conn| {
        while let Ok(request) = conn.request() {
            if request.target() == "/slow" {
                std::thread::sleep(Duration::from_millis(120));
            }
            conn.send(if request.target() == "/bad" { "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n" } else { OK });
        }
    });
    let route = "[[listener.route]]\npath = \"/none\"\nservice = \"none\"\n";
    let toml = config(route, "", &[&origin])
        + &format!("[[service.none.backend]]\naddress = \"{}\"\n", Port::reserve().address())
        + &otlp(collector.endpoint(), "sample = 0.0\nslow = \"100ms\"\nprotocol = \"http\"");
    let proxy = Proxy::start(&toml);
    let mut client = proxy.client();
    for (path, status) in [("/good", 200), ("/slow", 200), ("/bad", 500), ("/none", 503), ("/good", 200)] {
        assert_eq!(client.get(path).status, status, "{path}");
    }
    for (path, why) in [("/slow", "slow"), ("/bad", "error"), ("/none", "error")] {
        let spans = collector.of_path(path);
        assert_eq!(spans[0].get("evenkeel.sampled_by"), why, "{path}");
        assert!(spans.iter().all(|span| span.flags & 1 == 0));
        assert_eq!(spans[0].is_error, why == "error");
    }
    assert_eq!(collector.of_path("/none")[0].get("http.route"), "/none");
    assert!(collector.spans().iter().all(|span| span.get("url.path") != "/good"));
    assert!(origin.requests().iter().all(|request| request.field("traceparent").unwrap().ends_with("-00")));
}

#[test]
fn an_answer_that_lasts_is_told_whole_when_it_ends() {
    let collector = Collector::http(&[]);
    let (origin, cue) = {
        let cue = crate::support::Cue::default();
        let awaited = cue.clone();
        let origin = Origin::script(move |conn| {
            if conn.request().is_ok() {
                conn.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
                awaited.wait();
                conn.send("0\r\n\r\n");
            }
        });
        (origin, cue)
    };
    let route = "[[listener.route]]\npath_prefix = \"/feed\"\nservice = \"api\"\n";
    let keys = format!("{ALL}\nprotocol = \"http\"");
    let proxy = Proxy::start(&(config(route, "", &[&origin]) + &otlp(collector.endpoint(), &keys)));
    let mut client = proxy.client();
    client.send("GET /feed/1 HTTP/1.1\r\nHost: a\r\n\r\n");
    let head = client.response_head();
    assert_eq!(head.status, 200);
    // meanwhile another configuration runs, which does not know the backend any more
    let other = Origin::ok();
    assert_eq!(proxy.reload(&(config("", "", &[&other]) + &otlp(collector.endpoint(), &keys))).status, 200);
    cue.give();
    let _ = client.bytes("3\r\nabc\r\n0\r\n\r\n".len());
    let [request, attempt] = &collector.of_path("/feed/1")[..] else { panic!("a request and an attempt") };
    assert_eq!((request.get("http.route"), request.get("http.response.body.size")), ("/feed", "3"));
    assert_eq!(attempt.get("evenkeel.backend"), origin.address());
}

#[test]
fn an_answer_that_lasts_is_not_slow_because_of_that() {
    let collector = Collector::http(&[]);
    let origin = Origin::script(|conn| {
        while let Ok(request) = conn.request() {
            let is_late = request.target() == "/late";
            let pause = |wanted: bool| wanted.then(|| std::thread::sleep(Duration::from_millis(200)));
            pause(is_late);
            conn.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n");
            pause(!is_late);
            conn.send("0\r\n\r\n");
        }
    });
    let keys = "sample = 0.0\nslow = \"150ms\"\nprotocol = \"http\"";
    let proxy = Proxy::start(&traced(collector.endpoint(), keys, &[&origin]));
    let mut client = proxy.client();
    ["/lasts", "/late"].into_iter().for_each(|path| assert_eq!(client.get(path).status, 200));
    assert_eq!(collector.of_path("/late")[0].get("evenkeel.sampled_by"), "slow");
    assert!(collector.spans().iter().all(|span| span.get("url.path") != "/lasts"));
}

#[test]
fn http2_on_both_sides_is_traced_as_http1_is() {
    let collector = Collector::grpc(&[]);
    let origin = h2::Origin::script(|_, mut respond| async move {
        let response = Response::builder().header("content-length", "2").body(()).unwrap();
        if let Ok(mut sending) = respond.send_response(response, false) {
            let _ = sending.send_data(Bytes::from_static(b"ok"), true);
        }
    });
    let toml = config("", "protocol = \"h2\"", &[]) + &backend(origin.address()) + &otlp(collector.endpoint(), ALL);
    let proxy = Proxy::start(&toml);
    h2::run(async {
        let client = h2::Client::connect(proxy.address()).await;
        assert_eq!(client.call(h2::get("http://site.example:81/two"), "").await.status, 200);
    });
    let [request, attempt] = &collector.of_path("/two")[..] else { panic!("a request and an attempt") };
    assert_eq!((request.get("network.protocol.version"), request.get("server.address")), ("2", "site.example"));
    assert_eq!(request.get("server.port"), "81");
    assert_eq!(origin.heads()[0].headers["traceparent"], *traceparent(attempt));
}

#[test]
fn a_collector_behind_tls_is_believed_only_with_its_certificate() {
    let dir = Scratch::new();
    let authority = Authority::shared();
    let identity = authority.sign(&dir, &["localhost"]);
    let collector = Collector::https(&identity.server(&["http/1.1"]));
    let origin = Origin::ok();
    let ca = authority.file(&dir);
    let keys = format!("{ALL}\nprotocol = \"http\"\nca = {ca:?}");
    let proxy = Proxy::start(&traced(collector.endpoint(), &keys, &[&origin]));
    let mut client = proxy.client();
    assert_eq!(client.get("/x").status, 200);
    assert_eq!(collector.of_path("/x").len(), 2);

    let stranger = Scratch::new();
    let other = Authority::new().file(&stranger);
    let keys = format!("{ALL}\nprotocol = \"http\"\nca = {other:?}");
    let proxy = Proxy::start(&traced(collector.endpoint(), &keys, &[&origin]));
    assert_eq!(proxy.client().get("/y").status, 200);
    wait_until("it is told", || proxy.stderr().contains("the collector takes no traces: TLS with localhost"));
    assert!(collector.spans().iter().all(|span| span.get("url.path") != "/y"));
}

#[test]
fn what_the_process_has_not_sent_is_sent_when_it_stops() {
    let collector = Collector::http(&[]);
    let origin = Origin::ok();
    let keys = format!("{ALL}\nprotocol = \"http\"");
    let mut proxy = Proxy::start(&traced(collector.endpoint(), &keys, &[&origin]));
    let mut client = proxy.client();
    client.send(GET);
    assert_eq!(client.response().status, 200);
    drop(client);
    proxy.signal("TERM");
    assert!(proxy.wait().success());
    assert_eq!(collector.spans().len(), 2);
}
