//! Whatever the second service does: nobody feels it, and what it shows of its backends counts.

use super::{MANY, ask, in_flight, mirrored, toml, wait_for};
use crate::support::{LOG, Origin, Port, Proxy, wait_until};

#[test]
fn a_second_service_that_hangs_delays_nobody_and_gets_no_more_than_so_many_copies() {
    let (api, next) = (Origin::ok(), Origin::silent());
    let proxy = Proxy::start(&(toml("max_in_flight = 7", &api, "", next.address()) + LOG));
    // none of these is answered before the process ends
    ask(&mut proxy.client(), 30);
    assert_eq!((in_flight(&proxy), mirrored(&proxy, "too_many")), (7, 23));
    wait_until("they were sent", || next.requests().len() == 7);
    let status = proxy.status();
    assert_eq!(status["services"]["next"]["mirrored"]["in_flight"], 7, "{status}");
    assert_eq!(status["services"]["next"]["mirrored"]["too_many"], 23, "{status}");
    assert!(status["services"]["api"]["mirrored"].is_null());
    assert_eq!(status["services"]["next"]["backends"][0]["in_flight"], 7, "{status}");
    let routes = proxy.admin("/api/v1/routes").unwrap().text();
    assert!(routes.contains("api, 100% mirrored to next"), "{routes}");
    wait_until("all lines are written", || proxy.log().len() == 30);
    assert!(proxy.log().iter().all(|line| !line.contains("next")), "copies are not in the access log");
}

#[test]
fn whatever_the_second_service_does_clients_get_the_first_one_s_answers() {
    let unused = Port::reserve();
    let dead = unused.address().to_string();
    let failing = Origin::answering("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy");
    let huge = "x".repeat(5_000_000);
    let huge = Origin::answering(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{huge}", huge.len()));
    let malformed = Origin::answering_once("SSH-2.0-OpenSSH_9.9\r\n\r\n");
    let cut = Origin::answering_once("HTTP/1.1 200 OK\r\nContent-Length: 400000\r\n\r\nhalf");
    let upgrading =
        Origin::answering_once("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n");
    let cookie = Origin::answering("HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n");
    for (next, keys, outcome) in [
        (dead.as_str(), "", "failed"),
        (failing.address(), "", "error"),
        (huge.address(), "", "answered"),
        (malformed.address(), "", "failed"),
        (cut.address(), "", "failed"),
        (upgrading.address(), "", "failed"),
        (cookie.address(), "affinity = {}", "answered"),
    ] {
        // nobody is taken out, so that each request is copied
        let keys = format!("outlier = {{ max_ejected = 0.0 }}\n{keys}");
        let api = Origin::ok();
        let proxy = Proxy::start(&toml(MANY, &api, &keys, next));
        let mut client = proxy.client();
        for _ in 0..20 {
            let answer = client.get("/x");
            assert_eq!(
                (answer.status, answer.text().as_str(), answer.field("set-cookie")),
                (200, "ok", None),
                "{outcome}"
            );
        }
        wait_for(&proxy, outcome, 20);
        assert_eq!(in_flight(&proxy), 0);
        // what is asked of it has nothing to do with copies
        let metrics = proxy.metrics();
        let count = |series: &str| -> u64 {
            let lines = metrics.lines().filter(|line| line.starts_with(series));
            lines.map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap() as u64).sum()
        };
        assert_eq!(count("evenkeel_requests_total{listener=\"web\",service=\"next\""), 0, "{outcome}");
        assert_eq!(count("evenkeel_retries_total{service=\"next\""), 0, "{outcome}");
        assert_eq!(count("evenkeel_request_duration_seconds_count{service=\"next\""), 0, "{outcome}");
        // but what copies have shown of its backends is
        let failed = if outcome == "answered" { 0 } else { 20 };
        assert_eq!(count("evenkeel_backend_attempts_total{service=\"next\""), 20, "{outcome}");
        assert_eq!(count("evenkeel_backend_failures_total{service=\"next\""), failed, "{outcome}");
        assert_eq!(api.requests().len(), 20);
    }
}

#[test]
fn connections_to_the_second_service_are_kept() {
    let (api, next) = (Origin::ok(), Origin::ok());
    let proxy = Proxy::start(&toml("", &api, "", next.address()));
    let mut client = proxy.client();
    for answered in 1..=20 {
        ask(&mut client, 1);
        wait_for(&proxy, "answered", answered);
    }
    assert_eq!(next.connections(), 1);
}

#[test]
fn a_backend_that_only_gets_copies_is_taken_out_when_it_fails() {
    let (api, good) = (Origin::ok(), Origin::ok());
    let bad = Origin::answering("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n");
    let toml = toml(MANY, &api, "balance = \"round_robin\"", bad.address())
        .replace("[server]", &format!("[[service.next.backend]]\naddress = \"{}\"\n[server]", good.address()));
    let proxy = Proxy::start(&toml);
    let mut client = proxy.client();
    wait_until("it is ejected", || {
        ask(&mut client, 5);
        proxy.status()["services"]["next"]["backends"][0]["ejected"] == true
    });
    assert!(mirrored(&proxy, "error") > 0);
}

#[test]
fn where_no_backend_takes_work_there_is_no_copy_and_where_one_is_full_none_waits() {
    let (api, next) = (Origin::ok(), Origin::silent());
    let proxy = Proxy::start(&(toml("", &api, "", "127.0.0.1:9").replace("[server]", "weight = 0\n[server]")));
    ask(&mut proxy.client(), 5);
    wait_for(&proxy, "no_place", 5);
    assert_eq!(in_flight(&proxy), 0);
    let full = toml("", &api, "", next.address()).replace("[server]", "max_connections = 2\n[server]");
    let proxy = Proxy::start(&full);
    ask(&mut proxy.client(), 5);
    wait_for(&proxy, "no_place", 3);
    assert_eq!(in_flight(&proxy), 2);
    assert_eq!(proxy.status()["services"]["next"]["waiting"], 0);
}

#[test]
fn a_copy_takes_no_longer_than_it_may() {
    let (api, next) = (Origin::ok(), Origin::silent());
    let proxy = Proxy::start(&toml("timeout = \"300ms\"", &api, "", next.address()));
    ask(&mut proxy.client(), 3);
    wait_for(&proxy, "timed_out", 3);
    let failures = format!("evenkeel_backend_failures_total{{service=\"next\",backend=\"{}\"}}", next.address());
    assert_eq!(proxy.metric(&failures), 3, "it has not answered in time");
    // the time-outs of its service hold as well
    let proxy = Proxy::start(&toml("", &api, "timeout = { response = \"200ms\" }", next.address()));
    ask(&mut proxy.client(), 3);
    wait_for(&proxy, "timed_out", 3);
}

#[test]
fn copies_are_no_requests_to_a_service_of_which_something_is_promised() {
    let api = Origin::ok();
    let next = Origin::answering("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n");
    let keys = "outlier = { max_ejected = 0.0 }\nretry = { on = [\"500\"] }\n[service.next.sla]\ntarget = 0.999\n";
    let proxy = Proxy::start(&toml("", &api, keys, next.address()));
    ask(&mut proxy.client(), 20);
    wait_for(&proxy, "error", 20);
    let metrics = proxy.metrics();
    let promised = metrics.lines().filter(|line| line.starts_with("evenkeel_sla_requests_total{service=\"next\""));
    assert!(promised.clone().count() > 0, "something is promised");
    assert!(promised.clone().all(|line| line.ends_with(" 0")), "{:?}", promised.collect::<Vec<_>>());
    assert_eq!(next.requests().len(), 20, "none was sent again");
    let stats = &proxy.status()["services"]["next"]["stats_5m"];
    assert_eq!(stats["total"], 0, "{stats}");
}

#[test]
fn within_an_adaptive_limit_copies_come_last() {
    let (api, next) = (Origin::ok(), Origin::silent());
    let keys = "[service.next.concurrency]\ninitial = 10\nmin = 10\nmax = 10\n";
    let proxy = Proxy::start(&toml("", &api, keys, next.address()));
    ask(&mut proxy.client(), 20);
    wait_until("all are decided", || in_flight(&proxy) + mirrored(&proxy, "no_place") == 20);
    let limit = &proxy.status()["services"]["next"]["concurrency"];
    assert!((1..10).contains(&in_flight(&proxy)), "the rest is for others: {limit}");
    assert_eq!(limit["in_flight"], in_flight(&proxy), "{limit}");
}
