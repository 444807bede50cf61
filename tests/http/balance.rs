//! Which backend gets what, over real sockets, and what operators can change about it.

use std::collections::HashMap;

use crate::support::{Client, Origin, Proxy, config, wait_until};

/// A backend that says who it is.
fn named(name: &str) -> Origin {
    Origin::answering(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{name}", name.len()))
}

/// Backends a, b, ... with these additions to their sections.
fn fleet(service: &str, additions: &[&str]) -> (Vec<Origin>, Proxy) {
    let origins: Vec<Origin> = ('a'..).take(additions.len()).map(|name| named(&name.to_string())).collect();
    let sections: String = origins
        .iter()
        .zip('a'..)
        .zip(additions)
        .map(|((origin, id), addition)| {
            format!("[[service.api.backend]]\nid = \"{id}\"\naddress = \"{}\"\n{addition}\n", origin.address())
        })
        .collect();
    // one worker, so that there is one turn
    let proxy = Proxy::start(&(config("", service, &[]) + &sections + "[server]\nworkers = 1\n"));
    (origins, proxy)
}

fn shares(client: &mut Client, requests: usize) -> HashMap<String, usize> {
    let mut shares = HashMap::new();
    for _ in 0..requests {
        *shares.entry(client.get("/x").text()).or_default() += 1;
    }
    shares
}

fn share(client: &mut Client, requests: usize) -> Vec<(String, usize)> {
    let mut shares: Vec<_> = shares(client, requests).into_iter().collect();
    shares.sort();
    shares
}

fn is(shares: &[(String, usize)], expected: &[(&str, usize)]) -> bool {
    shares.iter().map(|(name, count)| (name.as_str(), *count)).eq(expected.iter().copied())
}

#[test]
fn weights_are_kept_to_exactly_and_zero_is_nothing() {
    let (_origins, proxy) = fleet("balance = \"weighted_round_robin\"", &["weight = 3", "weight = 1", "weight = 0"]);
    let shares = share(&mut proxy.client(), 40);
    assert!(is(&shares, &[("a", 30), ("b", 10)]), "{shares:?}");
}

#[test]
fn every_algorithm_answers() {
    for algorithm in [
        "round_robin",
        "weighted_round_robin",
        "least_connections",
        "weighted_least_connections",
        "resource_based",
        "response_time",
        "consistent_hash",
        "power_of_two",
    ] {
        let (_origins, proxy) = fleet(&format!("balance = \"{algorithm}\""), &["", "", ""]);
        let total: usize = shares(&mut proxy.client(), 30).values().sum();
        assert_eq!(total, 30, "{algorithm}");
        let status = proxy.admin("/api/v1/status").unwrap().text();
        assert!(status.contains(&format!("\"balance\":\"{algorithm}\"")), "{status}");
        let pick = proxy.admin("/api/v1/pick?service=api&key=k&n=3").unwrap().text();
        assert_eq!(pick.matches("\"why\":").count(), 3, "{pick}");
    }
}

#[test]
fn the_same_key_goes_to_the_same_backend_whoever_asks() {
    let service = "balance = \"consistent_hash\"\nhash.on = \"header:x-user\"";
    let (_origins, proxy) = fleet(service, &["", "", ""]);
    let ask = |user: usize| {
        let mut client = proxy.client();
        client.send(format!("GET /x HTTP/1.1\r\nHost: a\r\nX-User: {user}\r\n\r\n"));
        client.response().text()
    };
    let first: Vec<String> = (0..30).map(ask).collect();
    let second: Vec<String> = (0..30).map(ask).collect();
    assert_eq!(first, second);
    assert!(["a", "b", "c"].iter().all(|name| first.iter().any(|backend| backend == name)), "{first:?}");
}

#[test]
fn a_backup_is_used_only_when_nobody_else_can_be() {
    let (_origins, proxy) = fleet("", &["", "backup = true"]);
    assert!(is(&share(&mut proxy.client(), 10), &[("a", 10)]));
    assert_eq!(proxy.admin_call("POST", "/api/v1/services/api/backends/a/drain", "").unwrap().status, 200);
    let mut client = proxy.client();
    wait_until("the backup takes over", || client.get("/x").text() == "b");
}

#[test]
fn operators_drain_enable_and_weigh_backends() {
    let (_origins, proxy) = fleet("balance = \"weighted_round_robin\"", &["", ""]);
    let mut client = proxy.client();
    let command = |target: &str| proxy.admin_call("POST", &format!("/api/v1/services/api/backends/{target}"), "").unwrap();
    assert_eq!(command("a/drain").status, 200);
    wait_until("a gets nothing", || is(&share(&mut client, 10), &[("b", 10)]));
    assert!(proxy.admin("/api/v1/status").unwrap().text().contains("\"state\":\"draining\""));
    assert_eq!(command("a/enable").status, 200);
    wait_until("a is back", || is(&share(&mut client, 10), &[("a", 5), ("b", 5)]));
    assert_eq!(command("b/disable").status, 200);
    wait_until("b gets nothing", || is(&share(&mut client, 10), &[("a", 10)]));
    assert_eq!(command("b/enable").status, 200);
    let weighed = proxy.admin_call("PUT", "/api/v1/services/api/backends/b", "{\"weight\":4}").unwrap();
    assert_eq!(weighed.status, 200);
    wait_until("b has four times as much", || is(&share(&mut client, 10), &[("a", 2), ("b", 8)]));
    assert_eq!(command("c/drain").status, 404);
    assert_eq!(command("a/explode").status, 404);
    let bad = proxy.admin_call("PUT", "/api/v1/services/api/backends/b", "{\"wieght\":4}").unwrap();
    assert_eq!(bad.status, 400);
}

#[test]
fn a_backend_that_fails_five_times_in_a_row_is_ejected() {
    let origin = Origin::ok();
    let broken = Origin::answering("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n");
    let proxy = Proxy::start(&config("", "outlier.eject_for = \"10m\"", &[&broken, &origin]));
    let mut client = proxy.client();
    wait_until("it is ejected", || {
        client.get("/x");
        proxy.admin("/api/v1/status").unwrap().text().contains("\"ejected\":true")
    });
    for _ in 0..10 {
        assert_eq!(client.get("/x").status, 200);
    }
    let metrics = proxy.admin("/metrics").unwrap().text();
    assert!(metrics.contains("evenkeel_ejections_total{"), "{metrics}");
}
