//! Clients that take part in a trace.

use crate::collector::Collector;
use crate::support::{Origin, Proxy, wait_until};
use crate::traced;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

fn ask(proxy: &Proxy, path: &str, fields: &str) {
    let mut client = proxy.client();
    client.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n"));
    assert_eq!(client.response().status, 200);
}

/// What the backend got for this path: `traceparent` and `tracestate`.
fn passed_on(origin: &Origin, path: &str) -> (String, Option<String>) {
    let requests = origin.requests();
    let request = requests.iter().find(|request| request.target() == path).unwrap();
    let field = |name| request.field(name).map(str::to_owned);
    (field("traceparent").unwrap(), field("tracestate"))
}

#[test]
fn a_client_that_takes_part_in_a_trace_decides_whether_it_is_told() {
    let collector = Collector::http(&[]);
    let origin = Origin::ok();
    let proxy = Proxy::start(&traced(collector.endpoint(), "sample = 0.0\nprotocol = \"http\"", &[&origin]));
    let state = "tracestate: a=1, b=2\r\n";
    ask(&proxy, "/not", &format!("traceparent: 00-{TRACE}-00f067aa0ba902b7-00\r\n{state}"));
    ask(&proxy, "/is", &format!("Traceparent: 00-{TRACE}-00f067aa0ba902b7-01\r\n{state}"));
    ask(&proxy, "/later", &format!("traceparent: 0a-{TRACE}-00f067aa0ba902b8-01-more\r\n"));

    let [request, attempt] = &collector.of_path("/is")[..] else { panic!("a request and an attempt") };
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!((&*hex(&request.trace), &*hex(&request.parent)), (TRACE, "00f067aa0ba902b7"));
    assert_eq!((&*request.state, request.flags), ("a=1, b=2", 0x301));
    let sent = format!("00-{TRACE}-{}-01", hex(&attempt.id));
    assert_eq!(passed_on(&origin, "/is"), (sent, Some("a=1, b=2".to_owned())));

    let (not, state) = passed_on(&origin, "/not");
    assert!(not.starts_with(&format!("00-{TRACE}-")) && not.ends_with("-00") && !not.contains("00f067aa"));
    assert_eq!(state.as_deref(), Some("a=1, b=2"));
    assert_eq!(collector.of_path("/later").len(), 2);
    assert!(passed_on(&origin, "/later").0.starts_with(&format!("00-{TRACE}-")));
    assert!(collector.spans().iter().all(|span| span.get("url.path") != "/not"));
}

#[test]
fn what_is_no_traceparent_begins_another_trace_and_its_tracestate_is_gone() {
    let collector = Collector::http(&[]);
    let origin = Origin::ok();
    let proxy = Proxy::start(&traced(collector.endpoint(), "sample = 1.0\nprotocol = \"http\"", &[&origin]));
    let bad = [
        format!("traceparent: ff-{TRACE}-00f067aa0ba902b7-01"),
        format!("traceparent: 00-{}-00f067aa0ba902b7-01", TRACE.to_uppercase()),
        format!("traceparent: 00-{}-00f067aa0ba902b7-01", "0".repeat(32)),
        format!("traceparent: 00-{TRACE}-00f067aa0ba902b7-01-x"),
        format!("traceparent: 00-{TRACE}-00f067aa0ba902b7-01\r\ntraceparent: 00-{TRACE}-00f067aa0ba902b7-01"),
        "x: y".to_owned(),
    ];
    for (number, field) in bad.iter().enumerate() {
        let path = format!("/{number}");
        ask(&proxy, &path, &format!("{field}\r\ntracestate: a=1\r\n"));
        let (sent, state) = passed_on(&origin, &path);
        assert!(!sent.contains(TRACE) && sent.len() == 55, "{field}: {sent}");
        assert_eq!(state, None, "{field}");
        assert_eq!(collector.of_path(&path)[0].parent.len(), 0);
    }
}

#[test]
fn a_client_that_is_not_believed_takes_part_in_nothing() {
    let collector = Collector::http(&[]);
    let origin = Origin::ok();
    let keys = "sample = 0.0\ntrust_parent = false\nprotocol = \"http\"";
    let proxy = Proxy::start(&traced(collector.endpoint(), keys, &[&origin]));
    ask(&proxy, "/x", &format!("traceparent: 00-{TRACE}-00f067aa0ba902b7-01\r\ntracestate: a=1\r\n"));
    let (sent, state) = passed_on(&origin, "/x");
    assert!(!sent.contains(TRACE) && sent.ends_with("-00"), "{sent}");
    assert_eq!(state, None);
    wait_until("nothing waits", || proxy.metrics().contains("evenkeel_otlp_sent_total{signal=\"traces\"} 0"));
    assert_eq!(collector.tries(), 0);
}
