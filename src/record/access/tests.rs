//! What lines say, compared with what they have always said.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use http::header::HeaderValue;
use http::{Method, StatusCode, Version};
use proptest::prelude::*;

use super::*;
use crate::clock::Stamp;
use crate::error::{Error, Kind};
use crate::outcome::{End, Grpc};
use crate::policy::ListenerProtocol;
use crate::policy::access_log::{FieldName, Sampling, parse_template};

/// The line of an exchange as serde_json writes it from the values themselves.
fn by_serde(entry: &ExchangeEntry, names: &Names<'_>, outcome: &Outcome, ended: Ended, time: &str) -> String {
    let text = |value: &Option<HeaderValue>| value.as_ref().map(|v| String::from_utf8_lossy(v.as_bytes()).into_owned());
    let FirstLine::Read(method, target, version) = &entry.line else { panic!("it was read") };
    let tried: Vec<&str> = ["b1", "b\"2"].into_iter().take(outcome.attempts as usize).collect();
    let failure = outcome.failure.map(|kind| match kind {
        Kind::MalformedRequest => "malformed request: \"x\"",
        kind => kind.as_str(),
    });
    let mut line = serde_json::json!({
        "time": time,
        "client": entry.client,
        "listener": names.listener,
        "method": method.as_str(),
        "host": text(&entry.host),
        "target": target.path_and_query().map(|target| target.as_str()),
        "protocol": format!("{version:?}").replace("/2.0", "/2"),
        "status": outcome.status.map(|s| s.as_u16()),
        "bytes": outcome.body_bytes,
        "duration_ms": (ended.elapsed.as_secs_f64() * 1e6).round() / 1e3,
        "service": names.service,
        "backend": names.backend,
        "referer": text(&entry.referer),
        "user_agent": text(&entry.user_agent),
        "attempts": outcome.attempts,
        "tried": tried,
        "failure": failure,
    });
    if outcome.failure == Some(Kind::ClientGone) {
        line["aborted"] = true.into();
    }
    if let Some(call) = outcome.grpc {
        line["grpc_status"] = call.status().into();
    }
    if let Some(end) = ended.promise {
        line["sla"] = end.as_str().into();
    }
    if !entry.proxy_header.is_empty() {
        let header = entry.proxy_header.iter();
        line["proxy"] = header.map(|(what, said)| (what.to_string(), serde_json::Value::from(&**said))).collect();
    }
    if let Some(id) = text(&entry.request_id) {
        line["request_id"] = id.into();
    }
    format!("{line}\n")
}

fn entry(lines: AccessLines) -> ExchangeEntry {
    ExchangeEntry {
        lines: Rc::new(Arc::new(lines)),
        client: "192.0.2.7".parse().ok(),
        line: FirstLine::Read(Method::GET, "/a?b=c".parse().unwrap(), Version::HTTP_11),
        attempts: AttemptLog::default(),
        proxy_header: Vec::new(),
        host: Some(HeaderValue::from_static("www.example.com")),
        referer: None,
        user_agent: Some(HeaderValue::from_static(
            "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        )),
        request_id: None,
        trace_id: None,
        chosen: Chosen::default(),
    }
}

const NAMES: Names<'static> = Names { listener: "web", service: Some("app"), backend: Some("b1"), worker: 3 };

fn outcome(status: u16) -> Outcome {
    let mut outcome = Outcome::begun(Instant::now());
    (outcome.status, outcome.attempts, outcome.body_bytes) = (StatusCode::from_u16(status).ok(), 1, 188);
    outcome
}

fn ended(millis: u64) -> Ended {
    Ended { elapsed: Duration::from_millis(millis), promise: None }
}

/// What a log writes, as far as it writes anything.
fn written(write: impl FnOnce(&Log)) -> Option<String> {
    let (log, queue) = Log::queued();
    write(&log);
    drop(log);
    lines(&queue).pop()
}

/// The lines that were handed over.
fn lines(queue: &Receiver<Message>) -> Vec<String> {
    let mut lines = Vec::new();
    for message in queue.try_iter() {
        let Message::Lines(mut batch) = message else { panic!("nobody has asked for that") };
        while let Some(line) = batch.first() {
            lines.push(String::from_utf8(line.text.to_vec()).unwrap());
            batch.advance();
        }
    }
    lines
}

fn header() -> impl Strategy<Value = Option<HeaderValue>> {
    let value = prop_oneof![
        "[ -~]{0,40}".prop_map(|text| HeaderValue::from_bytes(text.as_bytes()).unwrap()),
        "[\t -~\u{80}-\u{2fff}]{0,9}".prop_map(|text| HeaderValue::from_bytes(text.as_bytes()).unwrap()),
        prop::collection::vec(0x80_u8.., 0..9).prop_map(|bytes| HeaderValue::from_bytes(&bytes).unwrap()),
    ];
    prop::option::of(value)
}

proptest! {
    #[test]
    fn a_line_is_byte_for_byte_what_serde_makes_of_it(
        headers in [header(), header(), header(), header()],
        client: Option<IpAddr>,
        (status, attempts, bytes) in (prop::option::of(100_u16..600), 0_u32..3, 0_u64..),
        micros in 0_u64..1 << 40,
        failure in prop::option::of(prop_oneof![Just(Kind::ClientGone), Just(Kind::Connect), Just(Kind::MalformedRequest)]),
        grpc in prop::option::of(prop_oneof![Just(Grpc::Unknown), (0_u16..20).prop_map(Grpc::Status)]),
        promise in prop::option::of(prop_oneof![Just(PromiseEnd::Good), Just(PromiseEnd::Excluded)]),
        proxy: bool,
        version in prop_oneof![Just(Version::HTTP_10), Just(Version::HTTP_11), Just(Version::HTTP_2)],
    ) {
        let mut entry = entry(AccessLines::default());
        [entry.host, entry.referer, entry.user_agent, entry.request_id] = headers;
        entry.client = client;
        entry.line = FirstLine::Read(Method::GET, "/a\"b?\\\u{e9}".parse().unwrap(), version);
        for backend in ["b1", "b\"2"].into_iter().take(attempts as usize) {
            entry.attempts.tried(&backend.into());
        }
        if failure == Some(Kind::MalformedRequest) {
            entry.attempts.refused(&Error::new(Kind::MalformedRequest, "\"x\""));
        }
        if proxy {
            entry.proxy_header = vec![("alpn".into(), "h2".into()), ("unique_id".into(), "7\\f".into())];
        }
        let mut outcome = outcome(200);
        outcome.status = status.and_then(|status| StatusCode::from_u16(status).ok());
        (outcome.attempts, outcome.body_bytes, outcome.failure, outcome.grpc) = (attempts, bytes, failure, grpc);
        let ended = Ended { elapsed: Duration::from_micros(micros), promise };
        let line = written(|log| log.exchange(&entry, &NAMES, &outcome, ended)).unwrap();
        let read: serde_json::Value = serde_json::from_str(&line).unwrap();
        let time = read["time"].as_str().unwrap();
        prop_assert_eq!(&line, &by_serde(&entry, &NAMES, &outcome, ended, time));
    }
}

#[test]
fn a_session_s_line_is_what_serde_makes_of_it() {
    let mut entry = SessionEntry {
        lines: Rc::default(),
        client: "192.0.2.7".parse().ok(),
        protocol: ListenerProtocol::Tls,
        proxy_header: vec![("unique_id".into(), "7f".into())],
        server_name: Some("a.example".into()),
        attempts: AttemptLog::default(),
    };
    let mut outcome = SessionOutcome::begun(Instant::now());
    (outcome.received, outcome.sent, outcome.connected) = (7, 9, Some(Duration::from_micros(1_500)));
    outcome.end = End::Closed;
    let line = |entry: &SessionEntry, outcome: &SessionOutcome| {
        written(|log| log.session(entry, &NAMES, outcome, ended(2_000))).unwrap()
    };
    let text = line(&entry, &outcome);
    let read: serde_json::Value = serde_json::from_str(&text).unwrap();
    let want = serde_json::json!({
        "time": read["time"], "client": "192.0.2.7", "listener": "web", "protocol": "TLS", "server_name": "a.example",
        "bytes_received": 7, "bytes": 9, "duration_ms": 2000.0, "connect_ms": 1.5, "service": "app", "backend": "b1",
        "end": "closed", "attempts": 0, "tried": [], "failure": null, "proxy": { "unique_id": "7f" },
    });
    assert_eq!(text, format!("{want}\n"));
    outcome.datagrams = Some([3, 4]);
    let read: serde_json::Value = serde_json::from_str(&line(&entry, &outcome)).unwrap();
    assert_eq!((&read["datagrams_received"], &read["datagrams"]), (&3.into(), &4.into()));
    for (how, word) in [(End::Idle, "idle"), (End::Cut, "cut")] {
        outcome.end = how;
        assert!(line(&entry, &outcome).contains(&format!("\"end\":\"{word}\"")));
    }
    outcome.failure = Some(Kind::UpstreamClosed);
    entry.lines = Rc::new(Arc::new(AccessLines::combined(Sampling::ALL)));
    let line = line(&entry, &outcome);
    assert!(line.starts_with("192.0.2.7 - - ["), "{line}");
    assert!(line.ends_with("] \"TLS a.example b1\" failed 9 \"-\" \"-\" 2000000\n"), "{line}");
}

#[test]
fn quotes_of_a_combined_line_cannot_be_ended_from_within() {
    let mut entry = entry(AccessLines::combined(Sampling::ALL));
    (entry.client, entry.user_agent) = (None, None);
    entry.referer = HeaderValue::from_bytes(b"a\" \\ \xff").ok();
    entry.line = FirstLine::Read(Method::GET, "/a\"b?\\\u{e9}".parse().unwrap(), Version::HTTP_11);
    let outcome = Outcome::begun(Instant::now());
    let ended = Ended { elapsed: Duration::from_micros(7), promise: None };
    let line = written(|log| log.exchange(&entry, &NAMES, &outcome, ended)).unwrap();
    let (_, after_time) = line.split_once("] ").unwrap();
    let want = r#""GET /a\"b?\\\xc3\xa9 HTTP/1.1" 499 0 "a\" \\ \xff" "-" 7"#;
    assert_eq!(after_time, format!("{want}\n"));
    assert!(line.starts_with("- - - ["), "{line}");
}

#[test]
fn chosen_fields_stand_in_the_order_in_which_they_were_chosen() {
    let names = [
        "status",
        "request_header:x-a",
        "response_header:etag",
        "request_id",
        "trace_id",
        "worker",
        "tls_version",
        "tls_sni",
        "bytes_in",
        "route",
        "queue_ms",
        "connect_ms",
        "first_byte_ms",
        "end",
    ];
    let chosen = names.map(|name| FieldName::parse(name).unwrap());
    let mut entry = entry(AccessLines::json(&chosen, Sampling::ALL));
    let line = |entry: &ExchangeEntry, outcome: &Outcome| {
        written(|log| log.exchange(entry, &NAMES, outcome, ended(1))).unwrap()
    };
    let nothing = "{\"status\":200,\"request_header:x-a\":null,\"response_header:etag\":null,\"request_id\":null,\
                   \"trace_id\":null,\"worker\":3,\"tls_version\":null,\"tls_sni\":null,\"bytes_in\":0,\"route\":null,\
                   \"queue_ms\":null,\"connect_ms\":null,\"first_byte_ms\":null,\"end\":null}\n";
    assert_eq!(line(&entry, &outcome(200)), nothing);
    entry.request_id = Some(HeaderValue::from_static("7"));
    entry.trace_id = Some(0xabc);
    entry.chosen = Chosen {
        request_headers: vec![Some(HeaderValue::from_static("1"))],
        response_headers: vec![Some(HeaderValue::from_static("\"e\""))],
        bytes_in: Some(Rc::new(5.into())),
        route: Some("path /x".into()),
        limit: None,
        user: None,
        tls_version: Some("TLSv1.3"),
        server_name: Some("a.example".into()),
    };
    let mut outcome = outcome(200);
    let millis = |millis| Some(Duration::from_millis(millis));
    (outcome.queued, outcome.connected, outcome.answered) = (millis(1), millis(2), millis(3));
    let all = "{\"status\":200,\"request_header:x-a\":\"1\",\"response_header:etag\":\"\\\"e\\\"\",\"request_id\":\"7\",\
               \"trace_id\":\"00000000000000000000000000000abc\",\"worker\":3,\"tls_version\":\"TLSv1.3\",\
               \"tls_sni\":\"a.example\",\"bytes_in\":5,\"route\":\"path /x\",\
               \"queue_ms\":1.0,\"connect_ms\":2.0,\"first_byte_ms\":3.0,\"end\":null}\n";
    assert_eq!(line(&entry, &outcome), all);
}

#[test]
fn a_template_s_line_has_a_dash_where_nothing_is_known() {
    let text = "${client} ${method} $${x} \"${request_header:x-a}\" ${tried} ${proxy} ${sample}";
    let mut entry = entry(AccessLines::template(&parse_template(text).unwrap(), Sampling::ALL));
    let line = |entry: &ExchangeEntry| written(|log| log.exchange(entry, &NAMES, &outcome(200), ended(1))).unwrap();
    assert_eq!(line(&entry), "192.0.2.7 GET ${x} \"-\" - - -\n");
    entry.chosen.request_headers = vec![HeaderValue::from_bytes(b"a\"\xff").ok()];
    entry.proxy_header = vec![("a".into(), "1".into()), ("b".into(), "2 \"".into())];
    entry.attempts.tried(&"b1".into());
    entry.attempts.tried(&"b2".into());
    assert_eq!(line(&entry), "192.0.2.7 GET ${x} \"a\\\"\\xff\" b1,b2 a=1,b=2 \\\" -\n");
}

#[test]
fn of_a_sample_only_what_is_good_is_left_out() {
    let sampling = Sampling { share: 0.0, ..Sampling::ALL };
    let entry = entry(AccessLines::json(&[], sampling));
    let line = |outcome: &Outcome, ended| written(|log| log.exchange(&entry, &NAMES, outcome, ended));
    assert_eq!(line(&outcome(399), ended(1_000)), None);
    assert_eq!(line(&Outcome { grpc: Some(Grpc::Status(0)), ..outcome(200) }, ended(1)), None);
    for remarkable in [
        outcome(400),
        Outcome { status: None, failure: Some(Kind::ClientGone), ..outcome(200) },
        Outcome { failure: Some(Kind::UpstreamReset), ..outcome(200) },
        Outcome { attempts: 2, ..outcome(200) },
        Outcome { grpc: Some(Grpc::Status(14)), ..outcome(200) },
        Outcome { grpc: Some(Grpc::Unknown), ..outcome(200) },
    ] {
        let line = line(&remarkable, ended(1)).unwrap();
        assert!(!line.contains("sample"), "{line}");
    }
    assert!(line(&outcome(200), ended(1_001)).is_some(), "slow");
    let slow = Ended { promise: Some(PromiseEnd::Slow), ..ended(1) };
    assert!(line(&outcome(200), slow).is_some(), "slower than promised");
}

#[test]
fn a_share_of_what_is_good_is_written_and_says_so() {
    let entry = entry(AccessLines::json(&[], Sampling { share: 0.25, ..Sampling::ALL }));
    let (log, queue) = Log::queued();
    (0..20_000).for_each(|_| log.exchange(&entry, &NAMES, &outcome(200), ended(1)));
    drop(log);
    let lines = lines(&queue);
    assert!(lines.iter().all(|line| line.contains("\"sample\":0.25,")));
    // so far from 5,000 is one run in a billion and more: the standard deviation is 61
    let count = lines.len();
    assert!((4_600..5_400).contains(&count), "{count}");
}

#[test]
fn the_queue_holds_so_many_bytes_however_long_its_lines_are() {
    for (lines, length) in [(120, 300), (1, 64 * 1024)] {
        let (log, queue) = Log::queued();
        for _ in 0..2 * QUEUE_BYTES / (lines * length) {
            let mut batch = Batch::default();
            (0..lines).for_each(|_| batch.add(Stamp::default(), |line| line.resize(line.len() + length, b'x')));
            log.queue(batch);
        }
        assert!(log.backlog.dropped.load(Relaxed) > 0);
        let held = log.backlog.bytes.load(Relaxed);
        assert!(held <= QUEUE_BYTES && held > QUEUE_BYTES / 2, "{held}");
        let waiting = queue.try_iter().map(|message| match message {
            Message::Lines(batch) => batch.memory(),
            Message::Change => 0,
        });
        assert_eq!(waiting.sum::<usize>(), held);
    }
}

#[tokio::test(start_paused = true)]
async fn lines_are_handed_over_a_moment_after_the_first_of_them() {
    let entry = entry(AccessLines::default());
    let (log, queue) = Log::queued();
    let write = |count| (0..count).for_each(|_| log.exchange(&entry, &NAMES, &outcome(200), ended(1)));
    tokio::select! {
        () = log.hand_over() => {}
        () = async {
            for count in [1, 5] {
                write(count);
                sleep(GATHER / 2).await;
                assert_eq!(lines(&queue).len(), 0, "more may come");
                sleep(GATHER).await;
                assert_eq!(lines(&queue).len(), count);
            }
            sleep(GATHER * 10).await;
            write(200);
            assert!(lines(&queue).len() > 50, "so many are not kept");
            sleep(GATHER * 2).await;
        } => {}
    }
    assert_eq!(log.backlog.dropped.load(Relaxed), 0);
    assert!(!lines(&queue).is_empty(), "the rest");
}

/// Compares the instructions of both ways: `valgrind --tool=callgrind --toggle-collect='*how_a_line*'`, or its time.
#[test]
#[ignore = "a measurement"]
fn what_a_line_costs() {
    let mut entry = entry(AccessLines::default());
    entry.attempts.tried(&"b1".into());
    let (outcome, ended) = (outcome(200), ended(1));
    let (log, queue) = Log::queued();
    let count = 20_000;
    let timed = |what: &str, write: &dyn Fn()| {
        let began = Instant::now();
        (0..count).for_each(|_| write());
        eprintln!("{what}: {} ns", began.elapsed().as_nanos() / count);
    };
    for _ in 0..3 {
        timed("before", &|| {
            let time = crate::clock::rfc3339(SystemTime::now());
            let text = by_serde(&entry, &NAMES, &outcome, ended, &time);
            log.own.borrow_mut().batch.add(Stamp::default(), |line| line.extend_from_slice(text.as_bytes()));
        });
        queue.try_iter().for_each(drop);
        log.backlog.bytes.store(0, Relaxed);
        timed("now", &|| log.exchange(&entry, &NAMES, &outcome, ended));
        queue.try_iter().for_each(drop);
        log.backlog.bytes.store(0, Relaxed);
    }
}
