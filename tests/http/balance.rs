//! Which backend gets what, over real sockets, and what operators can change about it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{Client, OK, Origin, Proxy, backend, config, wait_until};

/// Backends a, b, ... with these additions to their sections.
pub fn fleet(service: &str, additions: &[&str]) -> (Vec<Origin>, Proxy) {
    let origins: Vec<Origin> = ('a'..).take(additions.len()).map(|name| Origin::saying(&name.to_string())).collect();
    let sections: String = origins
        .iter()
        .zip('a'..)
        .zip(additions)
        .map(|((origin, id), addition)| backend(origin.address()) + &format!("id = \"{id}\"\n{addition}\n"))
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
fn round_robin_takes_each_backend_in_turn() {
    let origins = ["a", "b", "c"].map(Origin::saying);
    let backends: Vec<&Origin> = origins.iter().collect();
    let proxy = Proxy::start(&config("", "balance = \"round_robin\"", &backends));
    let mut client = proxy.client();
    let turns: Vec<String> = (0..9).map(|_| client.get("/x").text()).collect();
    for turn in turns.chunks(3) {
        let mut turn = turn.to_vec();
        turn.sort();
        assert_eq!(turn, ["a", "b", "c"], "{turns:?}");
    }
    assert_eq!(turns[..3], turns[3..6]);
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
fn the_ring_says_who_owns_how_much_of_it_and_where_a_key_goes() {
    let service = "balance = \"consistent_hash\"\nhash.on = \"header:x-user\"";
    let (_origins, proxy) = fleet(service, &["", "", "weight = 2"]);
    let ring = |query: &str| proxy.admin(&format!("/api/v1/ring?service=api{query}")).unwrap();
    let text = ring("").text();
    assert!(text.contains("\"hash_on\":\"header:x-user\"") && text.contains("\"points\":600"), "{text}");
    assert!(text.contains("\"fair_share\":0.25") && text.contains("\"fair_share\":0.5"), "{text}");
    for user in 0..20 {
        let mut client = proxy.client();
        client.send(format!("GET /x HTTP/1.1\r\nHost: a\r\nX-User: {user}\r\n\r\n"));
        let backend = client.response().text();
        let text = ring(&format!("&key={user}")).text();
        assert!(text.contains(&format!("\"owners\":[\"{backend}\",")), "{user} went to {backend}: {text}");
    }
    // who is gone owns nothing
    assert_eq!(proxy.command("drain", "a"), 200);
    assert!(!ring("").text().contains("\"backend\":\"a\""));
    let (_origins, proxy) = fleet("", &["", ""]);
    let refused = proxy.admin("/api/v1/ring?service=api").unwrap();
    assert!(refused.status == 409 && refused.text().contains("round_robin"), "{}", refused.text());
    assert_eq!(proxy.admin("/api/v1/ring?service=nobody").unwrap().status, 404);
}

#[test]
fn a_backup_is_used_only_when_nobody_else_can_be() {
    let (_origins, proxy) = fleet("", &["", "backup = true"]);
    assert!(is(&share(&mut proxy.client(), 10), &[("a", 10)]));
    assert_eq!(proxy.command("drain", "a"), 200);
    let mut client = proxy.client();
    wait_until("the backup takes over", || client.get("/x").text() == "b");
}

#[test]
fn operators_drain_enable_and_weigh_backends() {
    let (_origins, proxy) = fleet("balance = \"weighted_round_robin\"", &["", ""]);
    let mut client = proxy.client();
    assert_eq!(proxy.command("drain", "a"), 200);
    wait_until("a gets nothing", || is(&share(&mut client, 10), &[("b", 10)]));
    assert!(proxy.admin("/api/v1/status").unwrap().text().contains("\"state\":\"draining\""));
    assert_eq!(proxy.command("enable", "a"), 200);
    wait_until("a is back", || is(&share(&mut client, 10), &[("a", 5), ("b", 5)]));
    assert_eq!(proxy.command("disable", "b"), 200);
    wait_until("b gets nothing", || is(&share(&mut client, 10), &[("a", 10)]));
    assert_eq!(proxy.command("enable", "b"), 200);
    let weighed = proxy.admin_call("PUT", "/api/v1/services/api/backends/b", "{\"weight\":4}").unwrap();
    assert_eq!(weighed.status, 200);
    wait_until("b has four times as much", || is(&share(&mut client, 10), &[("a", 2), ("b", 8)]));
    assert_eq!(proxy.command("drain", "c"), 404);
    assert_eq!(proxy.command("explode", "a"), 404);
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
    let metrics = proxy.metrics();
    assert!(metrics.contains("evenkeel_ejections_total{"), "{metrics}");
}

#[test]
fn load_reports_are_heard_and_never_passed_on() {
    let busy = Origin::answering(
        "HTTP/1.1 200 OK\r\nEndpoint-Load-Metrics: TEXT cpu_utilization=0.9, mem_utilization=0.8\r\nContent-Length: 1\r\n\r\na",
    );
    let free = Origin::answering(
        "HTTP/1.1 200 OK\r\nEndpoint-Load-Metrics: JSON {\"cpu_utilization\":0.1,\"mem_utilization\":0.1}\r\n\
         Transfer-Encoding: chunked\r\n\r\n1\r\nb\r\n0\r\nEndpoint-Load-Metrics: TEXT cpu_utilization=0.1\r\n\r\n",
    );
    let proxy = Proxy::start(&config("", "balance = \"resource_based\"", &[&busy, &free]));
    let mut client = proxy.client();
    wait_until("both have said something", || {
        client.send("GET /x HTTP/1.1\r\nHost: a\r\nTE: trailers\r\n\r\n");
        let answer = client.response();
        assert!(answer.field("endpoint-load-metrics").is_none(), "{answer:?}");
        assert!(answer.trailers.is_empty(), "{answer:?}");
        let status = proxy.admin("/api/v1/status").unwrap().text();
        status.contains("\"cpu\":0.9") && status.contains("\"cpu\":0.1")
    });
    let shares = share(&mut client, 20);
    assert!(is(&shares, &[("b", 20)]), "{shares:?}");
    let beat = |body: &str| proxy.admin_call("POST", "/api/v1/heartbeat", body).unwrap().status;
    let address = free.address();
    assert_eq!(beat(&format!("{{\"service\":\"api\",\"backend\":\"{address}\",\"cpu\":0.5}}")), 200);
    assert!(proxy.admin("/api/v1/status").unwrap().text().contains("\"cpu\":0.5"));
    assert_eq!(beat("{\"service\":\"api\",\"backend\":\"x\",\"cpu\":0.5}"), 404);
    assert_eq!(beat(&format!("{{\"service\":\"api\",\"backend\":\"{address}\",\"cpu\":-1}}")), 400);
}

/// A run of requests by clients that share them, over two fast backends and one that is slow: its answer to a request comes
/// after [`LAG`](Self::LAG) answers of the others. So it is as many times slower as it should be on any machine.
#[derive(Default)]
struct Race {
    begun: AtomicUsize,
    fast: AtomicUsize,
    slow: AtomicUsize,
}

impl Race {
    const REQUESTS: usize = 400;
    const CLIENTS: usize = 8;
    const LAG: usize = 10 * Self::CLIENTS;
    /// When all clients wait for the slow one, it has to go on by itself.
    const STUCK: Duration = Duration::from_secs(2);

    fn fast(self: &Arc<Self>) -> Origin {
        let race = Arc::clone(self);
        Origin::script(move |conn| {
            while conn.request().is_ok() {
                race.fast.fetch_add(1, SeqCst);
                conn.send(OK);
            }
        })
    }

    fn slow(self: &Arc<Self>) -> Origin {
        let race = Arc::clone(self);
        Origin::script(move |conn| {
            while conn.request().is_ok() {
                race.slow.fetch_add(1, SeqCst);
                let (began, until) = (Instant::now(), race.fast.load(SeqCst) + Self::LAG);
                while race.fast.load(SeqCst) < until && !race.is_over() && began.elapsed() < Self::STUCK {
                    thread::sleep(Duration::from_millis(1));
                }
                conn.send(OK);
            }
        })
    }

    fn is_over(&self) -> bool {
        self.begun.load(SeqCst) >= Self::REQUESTS
    }

    fn run(&self, proxy: &Proxy) {
        thread::scope(|scope| {
            for _ in 0..Self::CLIENTS {
                scope.spawn(|| {
                    let mut client = proxy.client();
                    while self.begun.fetch_add(1, SeqCst) < Self::REQUESTS {
                        assert_eq!(client.get("/x").status, 200);
                    }
                });
            }
        });
    }
}

#[test]
fn a_slow_backend_gets_less_of_those_that_look_at_it() {
    for algorithm in ["least_connections", "power_of_two", "response_time"] {
        let race = Arc::new(Race::default());
        let (slow, fast, other) = (race.slow(), race.fast(), race.fast());
        let proxy = Proxy::start(&config("", &format!("balance = \"{algorithm}\""), &[&slow, &fast, &other]));
        race.run(&proxy);
        let slow_ones = race.slow.load(SeqCst);
        assert!(slow_ones < 100, "{algorithm}: {slow_ones} of {}, where a third would be 133", Race::REQUESTS);
        assert_eq!(slow_ones + race.fast.load(SeqCst), Race::REQUESTS, "{algorithm}");
    }
}
