//! The text as a scraper reads it, and as it stands.

use std::any::Any;
use std::time::Duration;

use metrics::{counter, gauge, with_local_recorder};

use super::super::client_limits::ClientLimit;
use super::super::hedges::HedgeResult;
use super::super::mirrored::MirrorResult;
use super::super::rate_limited::LimitResult;
use super::super::recoded::{Skip, Undecoded, Way};
use super::super::session_lookups::LookupResult;
use super::super::{ConcurrencyReading, FailureReason, Format, PromiseEnd};
use super::*;

/// What a scraper reads: the value of each series, by its name and its labels' values.
struct Scrape(Vec<(String, Vec<String>, f64)>);

impl Scrape {
    /// Reads a text back; panics where it breaks the format.
    fn of(registry: &Registry, backends: &[BackendReading<'_>]) -> Self {
        let mut text = String::new();
        let readings = Readings { backends, waiting: &[("app", 3)], shortages: &[("ports", 3)], ..Readings::default() };
        registry.render(&readings, Format::Prometheus, &mut text);
        let mut announced: Vec<&str> = Vec::new();
        let mut series: Vec<(String, Vec<String>, f64)> = Vec::new();
        for line in text.strip_suffix('\n').unwrap().split('\n') {
            if let Some(comment) = line.strip_prefix("# ") {
                let name = comment.split(' ').nth(1).unwrap();
                match comment.starts_with("HELP") {
                    true => assert!(!announced.contains(&name), "{name} is announced twice"),
                    false => assert_eq!(announced.last(), Some(&name)),
                }
                announced.push(name);
                continue;
            }
            let (name, labels, value) = Self::series(line);
            let part = name.strip_prefix(announced.last().unwrap());
            assert!(matches!(part, Some("" | "_bucket" | "_sum" | "_count")), "{line} is not announced");
            assert!(!series.iter().any(|s| s.0 == name && s.1 == labels), "{line} is there twice");
            series.push((name, labels, value));
        }
        Self(series)
    }

    fn series(line: &str) -> (String, Vec<String>, f64) {
        let (left, value) = line.rsplit_once(' ').unwrap();
        let (name, labels) = left.split_once('{').unwrap_or((left, "}"));
        let mut rest = labels.strip_suffix('}').unwrap();
        let mut values = Vec::new();
        while let Some((_, after)) = rest.split_once("=\"") {
            let mut value = String::new();
            let mut chars = after.char_indices();
            let end = loop {
                match chars.next().unwrap() {
                    (at, '"') => break at,
                    (_, '\\') => value.push(match chars.next().unwrap().1 {
                        'n' => '\n',
                        c @ ('\\' | '"') => c,
                        c => panic!("\\{c} is no escape"),
                    }),
                    (_, c) => value.push(c),
                }
            };
            values.push(value);
            rest = &after[end + 1..];
        }
        assert_eq!(rest, "");
        (name.to_owned(), values, value.parse().unwrap())
    }

    fn get(&self, name: &str, labels: &[&str]) -> Option<f64> {
        self.0.iter().find(|series| series.0 == name && series.1 == labels).map(|series| series.2)
    }
}

#[test]
fn a_scraper_reads_back_what_was_counted() {
    let registry = Registry::new(2);
    let requests = registry.requests("web", "api", "a");
    requests.count(0, 200);
    requests.count(1, 204);
    requests.count(1, 502);
    let durations = registry.durations("api");
    durations.observe(0, Duration::from_millis(1), None);
    durations.observe(1, Duration::from_secs(1_000), None);
    let listener = registry.listener("web");
    listener.opened(1);
    listener.transferred(1, 5, 7);
    let upstream = registry.upstream("api", "a");
    upstream.connected(0);
    registry.count_panic();
    with_local_recorder(&*registry, || {
        gauge!(names::CONFIG_GENERATION.name).set(3.0);
        for (outcome, count) in [("ok", 0), ("failed", 1)] {
            counter!(names::RELOADS.name, "outcome" => outcome).increment(count);
        }
        counter!(names::EVENTS.name, "kind" => "service_up").increment(4);
        counter!(names::EVENTS.name, "kind" => "config_refused").increment(0);
    });

    let scrape = Scrape::of(
        &registry,
        &[BackendReading {
            service: "api",
            id: "a",
            in_flight: 2,
            up: true,
            state: "up",
            work_share: 1.0,
            breaker: Some(2),
            paths: Vec::new(),
        }],
    );
    for (name, labels, value) in [
        ("evenkeel_requests_total", &["web", "api", "a", "2xx"][..], 2.0),
        ("evenkeel_requests_total", &["web", "api", "a", "4xx"], 0.0),
        ("evenkeel_requests_total", &["web", "api", "a", "5xx"], 1.0),
        ("evenkeel_request_duration_seconds_bucket", &["api", "0.0005"], 0.0),
        ("evenkeel_request_duration_seconds_bucket", &["api", "0.001"], 1.0),
        ("evenkeel_request_duration_seconds_bucket", &["api", "100"], 1.0),
        ("evenkeel_request_duration_seconds_bucket", &["api", "+Inf"], 2.0),
        ("evenkeel_request_duration_seconds_count", &["api"], 2.0),
        ("evenkeel_request_duration_seconds_sum", &["api"], 1_000.001),
        ("evenkeel_in_flight", &["api", "a"], 2.0),
        ("evenkeel_backend_up", &["api", "a"], 1.0),
        ("evenkeel_backend_state", &["api", "a", "up"], 1.0),
        ("evenkeel_events_total", &["service_up"], 4.0),
        ("evenkeel_upstream_connections", &["api", "a", "active"], 1.0),
        ("evenkeel_upstream_connections", &["api", "a", "idle"], 0.0),
        ("evenkeel_upstream_connects_total", &["api", "a"], 1.0),
        ("evenkeel_client_connections", &["web"], 1.0),
        ("evenkeel_client_connections_total", &["web"], 1.0),
        ("evenkeel_bytes_total", &["web", "in"], 5.0),
        ("evenkeel_bytes_total", &["web", "out"], 7.0),
        ("evenkeel_panics_total", &[], 1.0),
        ("evenkeel_config_generation", &[], 3.0),
        ("evenkeel_reloads_total", &["ok"], 0.0),
        ("evenkeel_reloads_total", &["failed"], 1.0),
        ("evenkeel_build_info", &[env!("CARGO_PKG_VERSION")], 1.0),
    ] {
        assert_eq!(scrape.get(name, labels), Some(value), "{name}{labels:?}");
    }
    assert_eq!(scrape.get("evenkeel_requests_total", &["web", "api", "a", "none"]), None);
    assert!(scrape.get("process_start_time_seconds", &[]) > Some(1.6e9));
}

#[test]
fn labels_survive_the_escaping() {
    let registry = Registry::new(1);
    let odd = "unix:/tmp/ü\\n\"},{=\n";
    let held = registry.upstream("api", odd);
    held.connected(0);
    assert_eq!(Scrape::of(&registry, &[]).get("evenkeel_upstream_connects_total", &["api", odd]), Some(1.0));
}

#[test]
fn a_series_survives_a_reload_and_leaves_with_its_last_holder() {
    let registry = Registry::new(1);
    let shown = || Scrape::of(&registry, &[]).get("evenkeel_requests_total", &["web", "api", "a", "2xx"]);
    let old = registry.requests("web", "api", "a");
    old.count(0, 200);
    let new = registry.requests("web", "api", "a");
    drop(old);
    assert_eq!(shown(), Some(1.0));
    drop(new);
    assert_eq!(shown(), None);
}

/// Handles of what was counted: a series is there while one is.
type Kept = Vec<Box<dyn Any>>;

/// What listeners and clients' requests are counted by.
fn of_listeners(registry: &Registry) -> Kept {
    let requests = registry.requests("web", "api", "a");
    [0, 101, 200, 301, 404, 502].into_iter().for_each(|status| requests.count(0, status));
    let totals = [registry.totals("api"), registry.totals("")];
    let failed = [(0, FailureReason::NoBackend), (1, FailureReason::NoBackend), (1, FailureReason::ConnectFailed)];
    failed.into_iter().for_each(|(worker, why)| totals[0].failures.count(worker, why));
    totals[1].failures.count(0, FailureReason::NoRoute);
    let durations = registry.durations("api");
    durations.observe(0, Duration::from_millis(1), None);
    let denials = registry.denials("web", "path /admin");
    denials.count(0, Denial::Credentials);
    let listener = registry.listener("web");
    listener.opened(1);
    listener.wants_header(1);
    listener.refused(1, Refusal::Missing);
    listener.datagrams(0, 3, 4);
    listener.lost(0, Loss::NoRoom, 5);
    listener.transferred(1, 5, 7);
    let limited = registry.rate_limited("web", "", "100/s by client");
    limited.count(1, LimitResult::Refused);
    limited.displaced(0);
    let client_limited = registry.client_limited("web");
    client_limited.count(0, ClientLimit::Connections, false);
    client_limited.count(1, ClientLimit::Requests, true);
    client_limited.count(1, ClientLimit::Download, false);
    vec![Box::new((requests, totals, durations, denials)), Box::new((listener, limited, client_limited))]
}

/// What attempts at backends are counted by.
fn of_backends(registry: &Registry) -> Kept {
    let upstream = registry.upstream("api", "a");
    upstream.connected(0);
    upstream.attempted(0, Err(super::super::Failure::Reset), Duration::from_millis(1));
    let other = registry.upstream("api", "b");
    other.connected(1);
    other.attempted(0, Ok(()), Duration::from_micros(1_500));
    upstream.retried(1);
    other.connect_took(1, Duration::from_micros(250));
    let attempts = registry.attempts("api");
    attempts.stages.first_byte.observe(0, Duration::from_millis(4), None);
    let zone_picks = registry.zone_picks("api");
    [true, true, true, false].into_iter().for_each(|is_same| zone_picks.count(0, is_same));
    let retries = registry.retries("api");
    let hedges = registry.hedges("api");
    hedges.count(0, HedgeResult::Won);
    let mirrored = registry.mirrored("web", "next");
    mirrored.count(1, MirrorResult::TooLarge);
    let copy = mirrored.begin(0, 1);
    let concurrency = registry.concurrency("api");
    concurrency.shed(1, 2);
    let calls = registry.grpc("api");
    calls.count(0, Some(14));
    calls.count(0, None);
    vec![
        Box::new((upstream, other, attempts, zone_picks)),
        Box::new((retries, hedges, mirrored, copy)),
        Box::new((concurrency, calls)),
    ]
}

/// What is counted of content, promises and sessions.
fn of_services(registry: &Registry) -> Kept {
    let recoded = registry.recoded("web");
    recoded.begun(0, Way::Compress, 3);
    recoded.moved(0, (Way::Compress, 3), 4096, 1000);
    recoded.skipped(1, Skip::Small);
    recoded.begun(1, Way::Decompress, 0);
    recoded.moved(1, (Way::Decompress, 0), 1000, 4096);
    recoded.undecoded(1, Undecoded::Malformed);
    let promised = registry.promised("api");
    promised.count(0, PromiseEnd::Good);
    promised.count(1, PromiseEnd::Slow);
    let lookups = registry.session_lookups("api");
    lookups.count(0, LookupResult::Hit);
    lookups.count(1, LookupResult::Shared);
    lookups.took(1, Duration::from_micros(250));
    vec![Box::new((recoded, promised, lookups))]
}

/// What the control plane counts of backends and of what it is connected to.
fn of_integrations() {
    for (backend, reason) in [("b", "rate"), ("a", "latency"), ("a", "consecutive"), ("gone", "rate"), ("a", "latency")]
    {
        counter!(names::EJECTIONS.name, "service" => "api", "backend" => backend, "reason" => reason).increment(1);
    }
    for (name, outcome, count) in
        [("oncall", "sent", 2), ("chat", "failed", 1), ("oncall", "dropped", 9), ("old", "dropped", 9)]
    {
        counter!(names::NOTIFICATIONS.name, "name" => name, "outcome" => outcome).increment(count);
    }
    gauge!(names::CANARY_SHARE.name, "canary" => "api-canary", "service" => "api").set(0.95);
    gauge!(names::LIMIT_STORE_UP.name, "store" => "redis://b").set(1.0);
    gauge!(names::LIMIT_STORE_INSTANCES.name, "store" => "redis://b").set(3.0);
    gauge!(names::LIMIT_STORE_LAG.name, "store" => "redis://b").set(0.125);
    gauge!(names::SESSION_STORE_UP.name, "store" => "redis://a").set(1.0);
    gauge!(names::SESSION_STORE_QUEUE.name, "store" => "redis://a").set(0.0);
    counter!(names::SESSION_STORE_WRITES.name, "store" => "redis://a", "outcome" => "written").increment(3);
    counter!(names::OTLP_SENT.name, "signal" => "traces").increment(7);
    for reason in ["refused", "queue_full"] {
        counter!(names::OTLP_DROPPED.name, "signal" => "traces", "reason" => reason).increment(2);
    }
}

/// What it counts of the process and of promises.
fn of_process() {
    counter!(names::ACCESS_LOG_DROPPED.name).increment(5);
    counter!(names::BACKUPS.name, "outcome" => "made").increment(3);
    gauge!(names::BACKUP_LAST.name).set(1.5);
    gauge!(names::BACKUP_INTERVAL.name).set(300.0);
    gauge!(names::BACKUP_SIZE.name).set(4096.0);
    gauge!(names::CONFIG_GENERATION.name).set(3.0);
    gauge!(names::CONFIG_HASH.name, "hash" => "0123456789ab").set(1.0);
    // an age of 0, however long this takes
    gauge!(names::DISCOVERY_AGE.name, "service" => "api").set(f64::MAX);
    for (outcome, count) in [("ok", 0), ("failed", 1)] {
        counter!(names::RELOADS.name, "outcome" => outcome).increment(count);
    }
    counter!(names::FAULTS.name, "service" => "api", "fault" => "high_latency").increment(2);
    gauge!(names::AVAILABILITY.name, "service" => "api").set(f64::NAN);
    gauge!(names::BUDGET_LEFT.name, "service" => "api").set(-0.5);
    for window in ["5m", "1h"] {
        gauge!(names::BURN_RATE.name, "service" => "api", "window" => window).set(14.4);
    }
    counter!(names::INCIDENTS.name, "service" => "api", "cause" => "check").increment(1);
    counter!(names::EVENTS.name, "kind" => "service_up").increment(4);
    counter!(names::EVENTS.name, "kind" => "config_refused").increment(0);
}

/// What is read of a backend when the text is made.
fn reading(id: &str, breaker: Option<u8>) -> BackendReading<'_> {
    BackendReading {
        service: "api",
        id,
        in_flight: 2,
        up: true,
        state: "up",
        work_share: 0.5,
        breaker,
        paths: vec![PathSeries {
            address: "10.0.1.5:80".to_owned(),
            up: true,
            chosen: false,
            rtt: (id == "a").then_some(0.004),
            loss: 0.25,
        }],
    }
}

/// A registry in which every series of every metric has been counted, and what it writes but for what the kernel tells.
fn everything() -> String {
    let registry = Registry::new(2);
    let kept = (of_listeners(&registry), of_backends(&registry), of_services(&registry));
    with_local_recorder(&*registry, of_integrations);
    registry.keep(&names::NOTIFICATIONS, |labels| labels[0] != "old");
    registry.count_panic();
    with_local_recorder(&*registry, of_process);
    let readings = Readings {
        backends: &[reading("a", Some(2)), reading("b", None)],
        waiting: &[("api", 3)],
        hedge_after: &[("api", 0.08)],
        concurrency: &[ConcurrencyReading { service: "api", limit: 24, in_flight: 0, unloaded: 0.004 }],
        shortages: &[("ports", 3)],
    };
    let mut text = String::new();
    registry.render(&readings, Format::Prometheus, &mut text);
    drop(kept);
    let text = text.split_inclusive('\n').filter(|line| !line.starts_with("process_")).collect::<String>();
    text.replace(env!("CARGO_PKG_VERSION"), "VERSION")
}

#[test]
fn the_text_has_every_metric_of_the_list_in_its_order() {
    let text = everything();
    let announced = text.lines().filter_map(|line| line.strip_prefix("# HELP ")?.split(' ').next());
    assert!(announced.eq(names::ALL.iter().map(|metric| metric.name)));
}

#[test]
fn the_text_stays_byte_for_byte_as_dashboards_and_scripts_know_it() {
    assert_eq!(everything(), include_str!("everything.txt"));
}
