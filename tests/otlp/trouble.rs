//! Collectors that are gone, slow or unwilling, and configurations that change.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::collector::{Collector, TAKEN};
use crate::support::{Origin, Port, Proxy, config, wait_until};
use crate::traced;

const ALL: &str = "sample = 1.0\nprotocol = \"http\"";

fn dropped(proxy: &Proxy, reason: &str) -> u64 {
    proxy.metric(&format!("evenkeel_otlp_dropped_total{{signal=\"traces\",reason=\"{reason}\"}}"))
}

fn kinds(proxy: &Proxy) -> Vec<String> {
    let events: serde_json::Value =
        serde_json::from_str(&proxy.admin("/api/v1/events?kind=otlp_*").unwrap().text()).unwrap();
    events.as_array().unwrap().iter().map(|event| event["kind"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_collector_that_is_gone_costs_no_request_and_no_more_memory_than_the_queue_and_is_told_once() {
    let port = Port::reserve();
    let origin = Origin::ok();
    let endpoint = format!("http://{}", port.address());
    let proxy = Proxy::start(&traced(&endpoint, &format!("{ALL}\nqueue = \"64KiB\""), &[&origin]));
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (mut client, stop) = (proxy.client(), Arc::clone(&stop));
            std::thread::spawn(move || {
                let mut count = 0;
                while !stop.load(Ordering::SeqCst) {
                    assert_eq!(client.get("/load").status, 200);
                    count += 1;
                }
                count
            })
        })
        .collect();
    wait_until("the queue is full", || dropped(&proxy, "queue_full") > 500);
    wait_until("it is told", || kinds(&proxy) == ["otlp_failed"]);
    let line = "the collector takes no traces";
    assert_eq!(proxy.stderr().matches(line).count(), 1, "{}", proxy.stderr());

    let collector = Collector::http_at(port.address());
    wait_until("it takes spans", || kinds(&proxy) == ["otlp_failed", "otlp_recovered"]);
    stop.store(true, Ordering::SeqCst);
    let asked: u64 = clients.into_iter().map(|client| client.join().unwrap()).sum();
    // a request and an attempt each, and nothing is lost without being counted
    wait_until("all are accounted for", || {
        let sent = proxy.metric("evenkeel_otlp_sent_total{signal=\"traces\"}");
        sent + dropped(&proxy, "queue_full") == 2 * asked
    });
    assert!(collector.spans().len() > 50);
}

#[test]
fn what_a_collector_can_t_take_now_it_gets_later_over_http() {
    let busy = "HTTP/1.1 503 Busy\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n";
    let collector = Collector::http(&[busy, "", busy]);
    let origin = Origin::ok();
    let proxy = Proxy::start(&traced(collector.endpoint(), ALL, &[&origin]));
    assert_eq!(proxy.client().get("/x").status, 200);
    assert_eq!(collector.wait_for(2).len(), 2);
    assert!(collector.tries() >= 4, "{}", collector.tries());
    wait_until("it is over", || kinds(&proxy) == ["otlp_failed", "otlp_recovered"]);
}

#[test]
fn what_a_collector_can_t_take_now_it_gets_later_over_grpc() {
    // UNAVAILABLE, and RESOURCE_EXHAUSTED with RetryInfo of no time
    let exhausted =
        "grpc-status: 8;grpc-status-details-bin: CAgaLAoodHlwZS5nb29nbGVhcGlzLmNvbS9nb29nbGUucnBjLlJldHJ5SW5mbxIA";
    let with_delay =
        "grpc-status: 8;grpc-status-details-bin: CAgaLgoodHlwZS5nb29nbGVhcGlzLmNvbS9nb29nbGUucnBjLlJldHJ5SW5mbxICCgA";
    let collector = Collector::grpc(&["grpc-status: 14", with_delay]);
    let origin = Origin::ok();
    let proxy = Proxy::start(&traced(collector.endpoint(), "sample = 1.0", &[&origin]));
    assert_eq!(proxy.client().get("/x").status, 200);
    collector.wait_for(2);
    assert_eq!(collector.tries(), 3);

    // without a pause in it, the same status is a refusal
    let collector = Collector::grpc(&[exhausted]);
    let proxy = Proxy::start(&traced(collector.endpoint(), "sample = 1.0", &[&origin]));
    assert_eq!(proxy.client().get("/x").status, 200);
    wait_until("it is refused", || dropped(&proxy, "refused") == 2);
    assert_eq!(collector.tries(), 1);
}

#[test]
fn what_a_collector_refuses_is_counted_and_not_sent_again() {
    let refusal = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n";
    // ExportTraceServiceResponse { partial_success { rejected_spans: 1, error_message: "old" } }
    let partly = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n\x0a\x07\x08\x01\x12\x03old";
    let collector = Collector::http(&[refusal, partly]);
    let origin = Origin::ok();
    let proxy = Proxy::start(&traced(collector.endpoint(), ALL, &[&origin]));
    assert_eq!(proxy.client().get("/x").status, 200);
    wait_until("it is refused", || dropped(&proxy, "refused") == 2);
    assert_eq!((kinds(&proxy), collector.tries()), (vec!["otlp_failed".to_owned()], 1));
    assert_eq!(proxy.client().get("/y").status, 200);
    wait_until("it is taken but for one", || dropped(&proxy, "rejected") == 1);
    proxy.wait_for_metrics("evenkeel_otlp_sent_total{signal=\"traces\"} 1");
    assert!(proxy.stderr().contains("the collector has taken a message, but not all of it"), "{}", proxy.stderr());
    assert_eq!(collector.tries(), 2);
}

#[test]
fn a_collector_that_takes_traces_but_no_metrics_is_told_of_once() {
    let collector = Origin::script(|conn| {
        while let Ok(request) = conn.request() {
            let is_taken = request.target() == "/v1/traces";
            conn.send(if is_taken { TAKEN } else { "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n" });
        }
    });
    let origin = Origin::ok();
    let keys = format!("{ALL}\nmetrics_interval = \"1s\"");
    let proxy = Proxy::start(&traced(&format!("http://{}", collector.address()), &keys, &[&origin]));
    let mut client = proxy.client();
    let refused = || proxy.metric("evenkeel_otlp_dropped_total{signal=\"metrics\",reason=\"refused\"}");
    for turn in 1..=2 {
        let before = refused();
        wait_until("metrics are refused", || refused() > before);
        assert_eq!(client.get("/x").status, 200);
        wait_until("traces are taken", || proxy.metric("evenkeel_otlp_sent_total{signal=\"traces\"}") == 2 * turn);
    }
    let before = refused();
    wait_until("metrics are refused", || refused() > before);
    assert_eq!(kinds(&proxy), ["otlp_failed"]);
    assert!(proxy.stderr().contains("the collector takes no metrics"), "{}", proxy.stderr());
}

#[test]
fn a_reload_begins_changes_and_ends_it() {
    let (first, second) = (Collector::http(&[]), Collector::http(&[]));
    let origin = Origin::ok();
    let proxy = Proxy::start(&config("", "", &[&origin]));
    let mut client = proxy.client();
    assert_eq!(client.get("/off").status, 200);
    assert_eq!(proxy.reload(&traced(first.endpoint(), ALL, &[&origin])).status, 200);
    assert_eq!(client.get("/first").status, 200);
    assert_eq!(first.of_path("/first").len(), 2);
    assert_eq!(proxy.reload(&traced(second.endpoint(), ALL, &[&origin])).status, 200);
    assert_eq!(client.get("/second").status, 200);
    assert_eq!(second.of_path("/second").len(), 2);
    assert_eq!(proxy.reload(&config("", "", &[&origin])).status, 200);
    assert_eq!(client.get("/off-again").status, 200);
    assert_eq!(proxy.reload(&traced(second.endpoint(), ALL, &[&origin])).status, 200);
    assert_eq!(client.get("/third").status, 200);
    assert_eq!(second.of_path("/third").len(), 2);
    assert_eq!((first.spans().len(), second.spans().len()), (2, 4));
    let passed_on = |at: usize| origin.requests()[at].field("traceparent").is_some();
    assert_eq!([0, 1, 2, 3, 4].map(passed_on), [false, true, true, false, true]);
}

#[test]
fn what_waits_for_one_collector_goes_to_the_next_that_is_named() {
    let nobody = Port::reserve();
    let origin = Origin::ok();
    let proxy = Proxy::start(&traced(&format!("http://{}", nobody.address()), ALL, &[&origin]));
    assert_eq!(proxy.client().get("/x").status, 200);
    wait_until("it is told", || kinds(&proxy) == ["otlp_failed"]);
    let collector = Collector::http(&[]);
    assert_eq!(proxy.reload(&traced(collector.endpoint(), ALL, &[&origin])).status, 200);
    assert_eq!(collector.of_path("/x").len(), 2);
}

#[test]
fn a_process_that_stops_gives_up_a_message_that_is_not_answered_and_tells_how_much_is_lost() {
    let silent = Collector::http(&["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"]);
    let origin = Origin::ok();
    let mut proxy = Proxy::start(&traced(silent.endpoint(), ALL, &[&origin]));
    assert_eq!(proxy.client().get("/x").status, 200);
    wait_until("it is being sent", || silent.tries() == 1);
    assert_eq!(proxy.client().get("/y").status, 200);
    proxy.signal("TERM");
    assert!(proxy.wait().success());
    // what is being sent, and what waits behind it
    let told = proxy.stderr();
    let line = told.lines().find(|line| line.contains("spans that wait for their collector are not sent any more"));
    assert!(line.is_some_and(|line| line.contains("spans=4")), "{told}");
}

#[test]
fn a_process_that_stops_does_not_wait_for_a_collector_that_is_gone() {
    let nobody = Port::reserve();
    let origin = Origin::ok();
    let mut proxy = Proxy::start(&traced(&format!("http://{}", nobody.address()), ALL, &[&origin]));
    assert_eq!(proxy.client().get("/x").status, 200);
    wait_until("it is told", || kinds(&proxy) == ["otlp_failed"]);
    proxy.signal("TERM");
    assert!(proxy.wait().success());
}
