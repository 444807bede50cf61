//! The spans of made-up exchanges, read back.

#[path = "../../../tests/otlp/decoded.rs"]
#[allow(clippy::expect_used, dead_code, reason = "it is the reader of the tests in tests/otlp")]
mod decoded;

use std::time::Duration;

use decoded::{Span, inner};
use http::HeaderMap;

use super::*;
use crate::endpoint::testing::endpoint;
use crate::policy::Tracing;
use crate::protobuf;
use crate::trace::Tracer;

const MS: Duration = Duration::from_millis(1);

fn tracing(sample: f64) -> Tracing {
    Tracing { sample, slow: Duration::from_secs(1), errors: true, trust_parent: true }
}

fn facts(began: Instant, target: &str) -> RequestFacts {
    RequestFacts {
        method: Method::GET,
        uri: target.parse().unwrap(),
        host: Some("api.example:8443".parse().unwrap()),
        version: Version::HTTP_2,
        client: "192.0.2.7".parse().ok(),
        is_tls: true,
        began,
        length: Some(12),
    }
}

fn end(ended: Instant) -> End<'static> {
    End {
        listener: "web",
        service: Some("api"),
        route: Some("/v1"),
        status: Some(200),
        failure: None,
        is_error: false,
        body_bytes: 5,
        attempts: 2,
        grpc: None,
        sampled_by: SampledBy::Head,
        ended,
        ended_unix: 1_800_000_000_000_000_000,
    }
}

fn spans(trace: &mut ExchangeTrace, end: &End<'_>) -> Vec<Span> {
    let (backend, mut next) = (Arc::new(endpoint()), 100);
    let made = trace.spans(end, |_| Some(&backend), &mut || {
        next += 1;
        next
    });
    let spans: Vec<Span> = inner(&made.bytes, u64::from(SPANS)).into_iter().map(Span::read).collect();
    assert_eq!(spans.len(), made.count as usize);
    spans
}

#[test]
fn an_exchange_that_waited_and_was_tried_twice_has_a_span_for_each_within_that_of_the_request() {
    let began = Instant::now();
    let tracer = Tracer::new(7, None);
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse().unwrap();
    let state = "a=1,b=2".parse().unwrap();
    let mut headers = HeaderMap::from_iter([(super::super::TRACEPARENT, parent), (super::super::TRACESTATE, state)]);
    let mut trace = tracer.begin(&tracing(0.0), facts(began, "/v1/x?a=1&sig=s"), &mut headers);
    tracer.enters(&mut trace, began);
    let entry = trace.entry_traceparent();
    trace.entered(began + MS);
    trace.waits(began + MS);
    assert!(trace.is_waiting());
    tracer.attempt_begins(&mut trace, 0, began + 3 * MS);
    let first = trace.of_attempt().traceparent();
    trace.failed(Kind::Connect);
    trace.attempt_ended(began + 4 * MS);
    tracer.attempt_begins(&mut trace, 1, began + 4 * MS);
    assert_ne!(trace.of_attempt().traceparent(), first);
    trace.answered(200);
    trace.attempt_ended(began + 9 * MS);
    let all = spans(&mut trace, &end(began + 10 * MS));

    let [request, auth, queue, refused, good] = &all[..] else { panic!("{all:#?}") };
    assert_eq!([request.kind, auth.kind, queue.kind, refused.kind, good.kind], [2, 1, 1, 3, 3]);
    let names: Vec<&str> = all.iter().map(|span| &*span.name).collect();
    assert_eq!(names, ["GET /v1", "auth", "queue", "GET", "GET"]);
    let hex = |id: &[u8]| id.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert!(all.iter().all(|span| hex(&span.trace) == "4bf92f3577b34da6a3ce929d0e0e4736"));
    assert_eq!(hex(&request.parent), "00f067aa0ba902b7");
    assert!(all[1..].iter().all(|span| span.parent == request.id));
    assert_eq!(request.flags, 0x301, "the parent is elsewhere, and it is sampled");
    assert_eq!(queue.flags, 0x101);
    assert_eq!(all.iter().map(|span| &*span.state).collect::<Vec<_>>(), ["a=1,b=2", "", "", "", ""]);
    assert!(
        std::str::from_utf8(entry.as_bytes()).unwrap().contains(&hex(&auth.id)),
        "who is asked is asked by this span"
    );
    assert!(std::str::from_utf8(trace.of_attempt().traceparent().as_bytes()).unwrap().contains(&hex(&good.id)));

    let length = |span: &Span| (span.end - span.start) / 1_000_000;
    assert_eq!(all.iter().map(length).collect::<Vec<_>>(), [10, 1, 2, 1, 5]);
    assert!(all.iter().all(|span| span.start >= request.start && span.end <= request.end));
    assert_eq!(request.end, 1_800_000_000_000_000_000);

    for (key, value) in [
        ("http.request.method", "GET"),
        ("url.scheme", "https"),
        ("url.path", "/v1/x"),
        ("url.query", "a=1&sig=REDACTED"),
        ("server.address", "api.example"),
        ("server.port", "8443"),
        ("client.address", "192.0.2.7"),
        ("network.protocol.version", "2"),
        ("http.route", "/v1"),
        ("http.request.body.size", "12"),
        ("http.response.body.size", "5"),
        ("http.response.status_code", "200"),
        ("evenkeel.listener", "web"),
        ("evenkeel.service", "api"),
        ("evenkeel.attempts", "2"),
        ("evenkeel.sampled_by", "head"),
        ("error.type", ""),
    ] {
        assert_eq!(request.get(key), value, "{key}");
    }
    assert!(refused.is_error && !good.is_error && !request.is_error);
    assert_eq!(refused.get("error.type"), "connection_to_the_backend_failed");
    assert_eq!((refused.get("http.request.resend_count"), good.get("http.request.resend_count")), ("", "1"));
    for (key, value) in [
        ("evenkeel.backend", "a"),
        ("server.address", "127.0.0.1"),
        ("server.port", "8080"),
        ("evenkeel.service", "api"),
    ] {
        assert_eq!(good.get(key), value, "{key}");
    }
    assert_eq!((refused.get("http.response.status_code"), good.get("http.response.status_code")), ("", "200"));
}

#[test]
fn what_is_under_way_at_the_end_ends_with_it() {
    let began = Instant::now();
    let tracer = Tracer::new(7, None);
    let mut waiting = tracer.begin(&tracing(1.0), facts(began, "/"), &mut HeaderMap::new());
    waiting.waits(began + 2 * MS);
    let all = spans(
        &mut waiting,
        &End { status: Some(503), failure: Some(Kind::Overload), is_error: true, ..end(began + 5 * MS) },
    );
    assert_eq!((all.len(), all[1].end, all[0].parent.len()), (2, all[0].end, 0));
    assert!(all[0].is_error);
    assert_eq!(all[0].get("error.type"), "overload");
    let mut asking = tracer.begin(&tracing(1.0), facts(began, "/"), &mut HeaderMap::new());
    tracer.attempt_begins(&mut asking, 0, began);
    let all = spans(&mut asking, &end(began + 5 * MS));
    assert_eq!((all.len(), all[1].end), (2, all[0].end));
}

#[test]
fn an_exchange_is_exported_when_it_was_drawn_or_failed_or_was_slow() {
    let begun =
        |sample| Tracer::new(7, None).begin(&tracing(sample), facts(Instant::now(), "/"), &mut HeaderMap::new());
    let (drawn, not_drawn) = (begun(1.0), begun(0.0));
    let (short, long) = (Duration::from_secs(1), Duration::from_millis(1001));
    assert_eq!(drawn.why_sampled(true, long), Some(SampledBy::Head));
    assert_eq!(not_drawn.why_sampled(true, long), Some(SampledBy::Error));
    assert_eq!(not_drawn.why_sampled(false, long), Some(SampledBy::Slow));
    assert_eq!(not_drawn.why_sampled(false, short), None);
    let mut quiet = begun(0.0);
    quiet.tracing.errors = false;
    assert_eq!(quiet.why_sampled(true, short), None);
    assert_eq!(spans(&mut quiet, &end(Instant::now()))[0].flags, 0x100, "it is not sampled, as its flags say");
}

#[test]
fn an_invented_method_is_one_of_the_others() {
    let mut trace = Tracer::new(7, None).begin(
        &tracing(1.0),
        RequestFacts { method: Method::from_bytes(b"BREW").unwrap(), ..facts(Instant::now(), "/") },
        &mut HeaderMap::new(),
    );
    let request = &spans(&mut trace, &End { route: None, ..end(Instant::now() + MS) })[0];
    assert_eq!((&*request.name, request.get("http.request.method_original")), ("_OTHER", "BREW"));
}

#[test]
fn a_request_that_is_sent_again_and_again_has_spans_for_so_many_attempts() {
    let (began, tracer) = (Instant::now(), Tracer::new(7, None));
    let mut trace = tracer.begin(&tracing(1.0), facts(began, "/"), &mut HeaderMap::new());
    for _ in 0..100 {
        tracer.attempt_begins(&mut trace, 0, began);
        trace.attempt_ended(began + MS);
    }
    assert_eq!(spans(&mut trace, &end(began + 2 * MS)).len(), 17);
}

#[test]
fn two_attempts_at_a_time_have_a_span_each_and_tell_which_was_given_up() {
    let began = Instant::now();
    let tracer = Tracer::new(7, None);
    let mut trace = tracer.begin(&tracing(1.0), facts(began, "/v1"), &mut HeaderMap::new());
    tracer.attempt_begins(&mut trace, 0, began);
    let (first, of_first) = (trace.current(), trace.of_attempt());
    of_first.connects();
    of_first.connected();
    tracer.attempt_begins(&mut trace, 1, began + 40 * MS);
    trace.is_hedge();
    let (hedge, of_hedge) = (trace.current(), trace.of_attempt());
    assert_ne!(of_first.traceparent(), of_hedge.traceparent());
    trace.speak_of(first);
    trace.cancelled();
    trace.attempt_ended(began + 50 * MS);
    trace.speak_of(hedge);
    trace.answered(200);
    trace.attempt_ended(began + 60 * MS);
    let all = spans(&mut trace, &end(began + 60 * MS));
    let [_, first, hedge] = &all[..] else { panic!("{all:#?}") };
    let told = |span: &Span| ["evenkeel.attempt.kind", "evenkeel.attempt.end"].map(|key| span.get(key).to_owned());
    assert_eq!(told(first), ["", "cancelled"]);
    assert_eq!(told(hedge), ["hedge", ""]);
    assert_eq!([first, hedge].map(|span| (span.end - span.start) / 1_000_000), [50, 20]);
    let connects = |span: &Span| span.attributes.contains_key("evenkeel.connect.duration");
    assert!(connects(first) && !connects(hedge), "the second one had a kept connection");
    assert_eq!((first.get("http.response.status_code"), hedge.get("http.response.status_code")), ("", "200"));
}
