//! What a scraper gets: in the format that it wants, with what was really served, and about no more backends than were asked for.

use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::json;

use crate::support::{Origin, Proxy, Response, config, wait_until};

/// Asks for the metrics with these lines in the head.
fn scrape(proxy: &Proxy, lines: &str) -> Response {
    proxy.admin_call_with("GET", "/metrics", &format!("Host: localhost\r\n{lines}"), "").unwrap()
}

/// The value of the series, if it is there.
fn value(proxy: &Proxy, series: &str) -> Option<f64> {
    let text = proxy.metrics();
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
    line.parse().ok()
}

#[test]
fn a_scraper_gets_openmetrics_when_it_asks_for_it_and_the_text_of_prometheus_otherwise() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    proxy.client().get("/x");
    let open = "Accept: application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                text/plain;version=0.0.4;q=0.5,*/*;q=0.1\r\n";
    wait_until("it is counted", || {
        value(&proxy, "evenkeel_request_duration_seconds_count{service=\"api\"}") == Some(1.0)
    });
    let answer = scrape(&proxy, open);
    assert_eq!(answer.field("content-type"), Some("application/openmetrics-text; version=1.0.0; charset=utf-8"));
    let text = answer.text();
    assert!(text.ends_with("\n# EOF\n"), "{text}");
    for line in [
        "# TYPE evenkeel_requests counter",
        "# TYPE evenkeel_request_duration_seconds histogram",
        "# UNIT evenkeel_request_duration_seconds seconds",
        "# TYPE evenkeel_build info",
        "evenkeel_request_duration_seconds_bucket{service=\"api\",le=\"100.0\"} 1",
        "evenkeel_client_connections_total{listener=\"web\"} 1",
    ] {
        assert!(text.lines().any(|other| other == line), "{line} is not in {text}");
    }
    for lines in ["", "Accept: */*\r\n", "Accept: text/plain;version=0.0.4\r\n"] {
        let answer = scrape(&proxy, lines);
        assert_eq!(answer.field("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
        assert!(answer.text().contains("# TYPE evenkeel_requests_total counter\n"));
    }
}

#[test]
fn each_stage_of_an_exchange_is_timed_and_the_queue_only_for_those_that_waited() {
    let (origin, cue) = Origin::answering_on_cue();
    let proxy = Proxy::start(&(config("", "", &[&origin]) + "max_connections = 1\n[server]\nworkers = 1\n"));
    let mut clients = [proxy.client(), proxy.client()];
    for (waiting, client) in clients.iter_mut().enumerate() {
        client.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
        wait_until("it is at the backend, or waits", || {
            origin.requests().len() == 1 && proxy.status()["services"]["api"]["waiting"] == waiting
        });
    }
    assert!(value(&proxy, "evenkeel_queue_seconds_count{service=\"api\"}").is_none());
    clients.iter_mut().for_each(|client| {
        cue.give();
        assert_eq!(client.response().status, 200);
    });
    let count = |metric: &str| value(&proxy, &format!("evenkeel_{metric}_seconds_count{{service=\"api\"}}"));
    wait_until("both are counted", || count("request_duration") == Some(2.0));
    assert_eq!(["first_byte", "queue", "upstream_connect"].map(count), [Some(2.0), Some(1.0), Some(1.0)]);
    let of_backend =
        format!("evenkeel_backend_duration_seconds_count{{service=\"api\",backend=\"{}\"}}", origin.address());
    assert_eq!(value(&proxy, &of_backend), Some(2.0));
}

#[test]
fn a_retry_is_counted_for_the_backend_that_has_failed() {
    let (broken, origin) = (Origin::answering("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"), Origin::ok());
    let proxy = Proxy::start(&config("", "", &[&broken, &origin]));
    let mut client = proxy.client();
    (0..4).for_each(|_| assert_eq!(client.get("/x").status, 200));
    let asked = broken.requests().len();
    assert!(asked > 0);
    let retries = |origin: &Origin| {
        value(&proxy, &format!("evenkeel_backend_retries_total{{service=\"api\",backend=\"{}\"}}", origin.address()))
    };
    assert_eq!([retries(&broken), retries(&origin)], [Some(asked as f64), Some(0.0)]);
    let backends = &proxy.status()["services"]["api"]["backends"];
    assert_eq!([&backends[0]["retries"], &backends[1]["retries"]], [&json!(asked), &json!(0)]);
}

#[test]
fn errors_of_our_own_are_counted_by_reason_and_those_of_backends_are_not() {
    let origin = Origin::script(|conn| {
        let Ok(request) = conn.request() else { return };
        if request.target() == "/fails" {
            conn.send("HTTP/1.1 502 No\r\nContent-Length: 0\r\n\r\n");
        }
        // else it ends without an answer
    });
    let down = "[service.none]\nbackend = [{ address = \"127.0.0.1:9\", drain = true }]\n";
    let listener = "route = [{ path_prefix = \"/none\", service = \"none\" }, { path_prefix = \"/\", service = \"api\", methods = [\"POST\"] }]\n";
    let service = "retry.attempts = 0\noutlier = { consecutive_failures = 0, max_ejected = 0.0 }";
    let proxy = Proxy::start(&(config(listener, service, &[&origin]).replacen("service = \"api\"\n", "", 1) + down));
    let post = |target: &str| {
        let mut client = proxy.client();
        client.send(format!("POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"));
        client.response().status
    };
    let failures = |service: &str, reason: &str| {
        let series = format!("evenkeel_exchange_failures_total{{service=\"{service}\",reason=\"{reason}\"}}");
        value(&proxy, &series)
    };
    assert_eq!([post("/fails"), post("/ends"), post("/ends"), post("/none")], [502, 502, 502, 503]);
    assert_eq!(proxy.client().get("/nowhere").status, 404);
    wait_until("the last one is counted", || failures("", "no_route") == Some(1.0));
    assert_eq!(failures("api", "connection_closed"), Some(2.0), "the backend's own 502 is none of them");
    assert_eq!(failures("none", "no_backend"), Some(1.0));
    let all = proxy.metrics();
    assert_eq!(all.lines().filter(|line| line.starts_with("evenkeel_exchange_failures_total{")).count(), 3, "{all}");
}

#[test]
fn the_configuration_that_runs_is_told_by_the_hash_of_its_file() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let hash = || {
        let file = std::fs::read(proxy.path("proxy.toml")).unwrap();
        digest(&SHA256, &file).as_ref()[..6].iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    };
    let told = |hash: &str| value(&proxy, &format!("evenkeel_config_hash_info{{hash=\"{hash}\"}}"));
    let first = hash();
    assert_eq!(proxy.status()["config_hash"], json!(first));
    assert_eq!(told(&first), Some(1.0));
    assert_eq!(proxy.reload(&(config("", "", &[&origin]) + "weight = 2\n")).status, 200);
    let second = hash();
    assert_ne!(first, second);
    assert_eq!(proxy.status()["config_hash"], json!(second));
    assert_eq!([told(&first), told(&second)], [None, Some(1.0)]);
    // one that is refused does not run
    assert_eq!(proxy.reload("nonsense = 1").status, 422);
    assert_eq!(proxy.status()["config_hash"], json!(second));
}

#[test]
fn backends_beyond_the_limit_are_shown_together_and_a_reload_changes_that() {
    let origins = [Origin::ok(), Origin::ok(), Origin::ok()];
    let backends: Vec<&Origin> = origins.iter().collect();
    let toml = |metrics: &str| format!("{}\n[metrics]\n{metrics}\n", config("", "", &backends));
    let proxy = Proxy::start(&toml("max_backends = 1"));
    let mut client = proxy.client();
    (0..30).for_each(|_| assert_eq!(client.get("/x").status, 200));
    let requests = |id: &str| {
        value(
            &proxy,
            &format!("evenkeel_requests_total{{listener=\"web\",service=\"api\",backend=\"{id}\",code_class=\"2xx\"}}"),
        )
    };
    let served = |origin: &Origin| origin.requests().len() as f64;
    wait_until("the last one is counted", || {
        requests("_other").zip(requests(origins[0].address())).is_some_and(|(a, b)| a + b == 30.0)
    });
    assert_eq!(requests("_other"), Some(served(&origins[1]) + served(&origins[2])));
    assert_eq!(requests(origins[1].address()), None);
    assert_eq!(value(&proxy, "evenkeel_backends_folded"), Some(2.0));
    assert_eq!(value(&proxy, "evenkeel_backend_up{service=\"api\",backend=\"_other\"}"), None);
    // each is there in the status
    assert_eq!(proxy.status()["services"]["api"]["backends"].as_array().unwrap().len(), 3);
    assert_eq!(proxy.reload(&toml("max_backends = 0\nbackend_histograms = false")).status, 200);
    assert_eq!(requests("_other"), None);
    assert_eq!(requests(origins[1].address()), Some(served(&origins[1])));
    assert!(!proxy.metrics().contains("evenkeel_backend_duration_seconds_count"));
}

#[test]
fn a_file_of_backends_has_no_age() {
    let origin = Origin::saying("a");
    let proxy = Proxy::start(&config("", "discover = { file = \"{dir}/backends.json\" }", &[]));
    std::fs::write(proxy.path("backends.json"), format!("[{{ \"address\": \"{}\" }}]", origin.address())).unwrap();
    let mut client = proxy.client();
    wait_until("it is found", || client.get("/x").text() == "a");
    assert_eq!(value(&proxy, "evenkeel_discovery_up{service=\"api\"}"), Some(1.0));
    assert!(!proxy.metrics().contains("evenkeel_discovery_age_seconds{"));
}
