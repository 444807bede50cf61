//! What each client may have: connections, TLS handshakes, requests in flight and bandwidth.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::HeaderValue;
use rustls::ClientConfig;

use crate::support::certs::Authority;
use crate::support::{Client, GET, Origin, Proxy, Scratch, config, h2, wait_until};

fn limits(keys: &str) -> String {
    format!("[listener.client_limits]\n{keys}\n")
}

/// How often a limit was found to be reached.
fn limited(proxy: &Proxy, limit: &str, outcome: &str) -> u64 {
    let labels = format!("listener=\"web\",limit=\"{limit}\",outcome=\"{outcome}\"");
    proxy.metric(&format!("evenkeel_client_limited_total{{{labels}}}"))
}

/// Whether a client at this address is served on a new connection, which is closed again.
fn is_served(proxy: &Proxy, source: &str) -> bool {
    let mut client = Client::connect_from(source, proxy.address());
    client.try_send(GET).is_ok() && client.try_bytes(15).is_some_and(|line| line == b"HTTP/1.1 200 OK")
}

/// Connections of a client at this address that are open and served.
fn open(proxy: &Proxy, source: &str, count: usize) -> Vec<Client> {
    let connect = |_| {
        let mut client = Client::connect_from(source, proxy.address());
        assert_eq!(client.get("/x").status, 200);
        client
    };
    (0..count).map(connect).collect()
}

#[test]
fn a_connection_above_the_limit_is_reset_and_the_others_go_on() {
    let origin = Origin::ok();
    let proxy = Proxy::start(&config(&limits("connections = 2"), "", &[&origin]));
    let mut held = open(&proxy, "127.0.0.2", 2);
    for _ in 0..3 {
        assert!(Client::connect_from("127.0.0.2", proxy.address()).is_reset());
    }
    assert_eq!(limited(&proxy, "connections", "refused"), 3);
    assert_eq!(proxy.stderr().matches("more than client_limits gives it").count(), 1, "it is said once a minute");
    drop(open(&proxy, "127.0.0.3", 2));
    held.iter_mut().for_each(|client| assert_eq!(client.get("/x").status, 200));
    held.pop();
    wait_until("the place that came free is taken", || is_served(&proxy, "127.0.0.2"));
    assert_eq!(proxy.status()["listeners"][0]["clients"], 1, "those that have nothing are forgotten");
}

#[test]
fn a_flood_of_connections_is_held_to_a_rate() {
    let origin = Origin::ok();
    let proxy = Proxy::start(&config(&limits("new_connections = \"1/h\"\nnew_connections_burst = 3"), "", &[&origin]));
    let served = (0..5).map(|_| is_served(&proxy, "127.0.0.2")).collect::<Vec<_>>();
    assert_eq!(served, [true, true, true, false, false]);
    assert_eq!(limited(&proxy, "new_connections", "refused"), 2);
    assert!(is_served(&proxy, "127.0.0.3"));
}

#[test]
fn a_dry_run_refuses_nothing_and_counts_what_it_would_have() {
    let origin = Origin::ok();
    let keys = "connections = 1\nnew_connections = \"1/h\"\ndry_run = true";
    let proxy = Proxy::start(&config(&limits(keys), "", &[&origin]));
    let held = open(&proxy, "127.0.0.2", 3);
    assert_eq!(limited(&proxy, "connections", "would_refuse"), 2);
    assert_eq!(limited(&proxy, "new_connections", "would_refuse"), 2);
    assert_eq!(limited(&proxy, "connections", "refused"), 0);
    drop(held);
}

#[test]
fn a_reload_keeps_count_and_may_change_the_limits() {
    let origin = Origin::ok();
    let before = config(&limits("connections = 2\nrequests = 5"), "", &[&origin]);
    let proxy = Proxy::start(&before);
    let mut held = open(&proxy, "127.0.0.2", 2);
    assert_eq!(proxy.reload(&before.replace("connections = 2", "connections = 3")).status, 200);
    held.extend(open(&proxy, "127.0.0.2", 1));
    assert!(!is_served(&proxy, "127.0.0.2"), "three, not two more");
    assert_eq!(proxy.reload(&before.replace("connections = 2", "connections = 1")).status, 200);
    held.iter_mut().for_each(|client| assert_eq!(client.get("/x").status, 200, "what is open stays"));
    held.truncate(1);
    assert!(!is_served(&proxy, "127.0.0.2"));
    assert_eq!(
        proxy.reload(&before.replace("[listener.client_limits]\nconnections = 2\nrequests = 5\n", "")).status,
        200
    );
    assert_eq!(open(&proxy, "127.0.0.2", 5).len(), 5);
}

#[test]
fn proxies_that_are_trusted_have_no_limit_of_their_own() {
    let origin = Origin::ok();
    let keys = "connections = 1\nnew_connections = \"1/h\"";
    let trusted = "trusted_proxies = [\"127.0.0.2\"]\n".to_owned();
    let proxy = Proxy::start(&config(&(trusted + &limits(keys)), "", &[&origin]));
    assert_eq!(open(&proxy, "127.0.0.2", 4).len(), 4);
    let held = open(&proxy, "127.0.0.3", 1);
    assert!(!is_served(&proxy, "127.0.0.3"));
    drop(held);
}

#[test]
fn a_client_has_so_many_requests_in_flight_over_all_its_streams_and_connections() {
    let (origin, cue) = Origin::answering_on_cue();
    let proxy = Proxy::start(&config(&limits("requests = 3"), "", &[&origin]));
    h2::run(async {
        let clients = [h2::Client::connect(proxy.address()).await, h2::Client::connect(proxy.address()).await];
        let under_way: Vec<_> = [0, 0, 1]
            .into_iter()
            .map(|at: usize| {
                let client = clients[at].clone();
                tokio::spawn(async move { client.call(h2::get("http://a.example/x"), "").await.status })
            })
            .collect();
        h2::wait_until("three are in flight", || origin.requests().len() == 3).await;
        for client in &clients {
            let refused = client.call(h2::get("http://a.example/x"), "").await;
            assert_eq!((refused.status, refused.headers["retry-after"].to_str().unwrap()), (429, "1"));
            let details = "evenkeel; error=http_request_denied; details=\"client limit\"";
            assert_eq!(refused.headers["proxy-status"], details);
        }
        let mut call = h2::post("http://a.example/pkg.Service/Method");
        call.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
        let refused = clients[0].call(call, Bytes::from_static(b"\0\0\0\0\0")).await;
        assert_eq!((refused.status, &refused.headers["grpc-status"]), (200, &HeaderValue::from_static("8")));
        assert_eq!(limited(&proxy, "requests", "refused"), 3);
        (0..4).for_each(|_| cue.give());
        for answered in under_way {
            assert_eq!(answered.await.unwrap(), 200);
        }
        h2::wait_until("one of three can be taken again", || proxy.status()["listeners"][0]["clients"] == 1).await;
        assert_eq!(clients[1].call(h2::get("http://a.example/x"), "").await.status, 200);
    });
    assert_eq!(origin.requests().len(), 4, "no backend has seen what was refused");
    let failures = "evenkeel_upstream_failures_total{service=\"api\"";
    assert!(!proxy.metrics().lines().any(|line| line.starts_with(failures) && !line.ends_with(" 0")));
}

#[test]
fn requests_are_counted_by_whom_a_trusted_proxy_names() {
    let (origin, cue) = Origin::answering_on_cue();
    let trusted = "trusted_proxies = [\"127.0.0.0/8\"]\n".to_owned();
    let proxy = Proxy::start(&config(&(trusted + &limits("requests = 1")), "", &[&origin]));
    let ask = |address: &str| {
        let mut client = proxy.client();
        client.send(format!("GET /x HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: {address}\r\n\r\n"));
        client
    };
    let mut first = ask("192.0.2.1");
    wait_until("it is in flight", || origin.requests().len() == 1);
    assert_eq!(ask("192.0.2.1").response().status, 429);
    let mut other = ask("192.0.2.2");
    wait_until("it is in flight", || origin.requests().len() == 2);
    (0..3).for_each(|_| cue.give());
    assert_eq!((first.response().status, other.response().status), (200, 200));
    wait_until("it may ask again", || ask("192.0.2.1").response().status == 200);
}

#[test]
fn a_request_whose_client_goes_away_is_in_flight_no_more() {
    let origin = Origin::silent();
    let proxy = Proxy::start(&config(&limits("requests = 1"), "", &[&origin]));
    for turn in 1..=3 {
        let mut client = proxy.client();
        client.send(GET);
        wait_until("it is in flight", || origin.requests().len() == turn);
        client.reset();
        wait_until("it is over", || proxy.status()["listeners"][0]["clients"] == 0);
    }
}

#[test]
fn full_handshakes_are_held_to_a_rate_and_resumed_ones_are_free() {
    let (dir, ca, origin) = (Scratch::new(), Authority::shared(), Origin::ok());
    let site = ca.sign(&dir, &["site.example"]);
    let tls = format!("[listener.tls]\ncertificates = [{}]\n", site.toml());
    let keys = "handshakes = \"1/h\"\nhandshakes_burst = 2";
    let proxy = Proxy::start(&config(&(limits(keys) + &tls), "", &[&origin]));
    let known = ca.client(&[], None);
    let connect = |config: &Arc<ClientConfig>| {
        let mut client = Client::connect_tls(proxy.address(), config, "site.example").ok()?;
        client.try_send(GET).ok()?;
        client.try_bytes(15)?;
        Some(client.is_resumed())
    };
    assert_eq!([(); 4].map(|()| connect(&known)), [Some(false), Some(true), Some(true), Some(true)]);
    assert_eq!(connect(&ca.client(&[], None)), Some(false));
    assert_eq!(connect(&ca.client(&[], None)), None);
    assert_eq!(connect(&known), None, "nobody knows before the ClientHello is read that a session is resumed");
    assert_eq!(limited(&proxy, "handshakes", "refused"), 2);
    let mut plain = proxy.client();
    assert_eq!(plain.get("/x").status, 400, "no handshake");
}

#[test]
fn a_tunnel_is_a_request_in_flight() {
    let origin = Origin::script(|conn| {
        if conn.request_head().is_ok() {
            conn.send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n");
            conn.echo();
        }
    });
    let proxy = Proxy::start(&config(&limits("requests = 1"), "", &[&origin]));
    let mut tunnel = proxy.client();
    tunnel.send("GET /x HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n");
    assert_eq!(tunnel.response_head().status, 101);
    tunnel.send("through");
    assert_eq!(tunnel.bytes(7), b"through");
    assert_eq!(proxy.client().get("/x").status, 429);
    assert!(!tunnel.has_news(Duration::from_millis(1)));
}

/// A second at the rate of these tests, above their burst.
const BYTES: usize = (1 << 20) + (256 << 10);

/// A megabyte in a second, and a quarter of it at once.
fn bandwidth(direction: &str) -> String {
    limits(&format!("{direction} = \"1MiB/s\"\n{direction}_burst = \"256KiB\""))
}

/// Fails where this takes less than most of the second that the bandwidth gives it: each stream or connection moves a piece or two, of a sixteenth of a second each, before it
/// is charged. Without a limit it takes some milliseconds.
fn takes_a_second<T>(what: impl FnOnce() -> T) -> T {
    let began = Instant::now();
    let result = what();
    assert!(began.elapsed() > Duration::from_millis(600), "{:?}", began.elapsed());
    result
}

/// A backend whose answers have this many bytes, with their length or in chunks.
fn long(length: usize, chunked: bool) -> Origin {
    let body = "x".repeat(length);
    Origin::answering(match chunked {
        false => format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}"),
        true => format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{length:x}\r\n{body}\r\n0\r\n\r\n"),
    })
}

#[test]
fn answers_are_held_to_the_bandwidth_of_their_client() {
    for chunked in [false, true] {
        let origin = long(BYTES, chunked);
        let proxy = Proxy::start(&config(&bandwidth("download"), "", &[&origin]));
        let answer = takes_a_second(|| proxy.client().get("/x"));
        assert_eq!((answer.status, answer.body.len()), (200, BYTES));
        assert_eq!(limited(&proxy, "download", "delayed"), 1);
        let failures = "evenkeel_upstream_failures_total{service=\"api\"";
        assert!(!proxy.metrics().lines().any(|line| line.starts_with(failures) && !line.ends_with(" 0")));
    }
}

/// The pieces of a very small bandwidth take two seconds each: longer than any time-out here.
#[test]
fn who_is_held_for_longer_than_a_time_out_is_not_taken_for_idle() {
    const BYTES: usize = 12 * 1024;
    let origin = Origin::echoing();
    let limits = "download = \"2KiB/s\"\ndownload_burst = \"4KiB\"\nupload = \"2KiB/s\"\nupload_burst = \"4KiB\"";
    let proxy = Proxy::start(&config(
        &format!("idle_timeout = \"1500ms\"\n[listener.client_limits]\n{limits}\n"),
        "timeout = { idle = \"1500ms\", response = \"1500ms\" }",
        &[&origin],
    ));
    let mut client = proxy.client();
    client.send(format!("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: {BYTES}\r\n\r\n{}", "z".repeat(BYTES)));
    let answer = client.response();
    assert_eq!((answer.status, answer.body.len()), (200, BYTES));
    let failures = "evenkeel_upstream_failures_total{service=\"api\"";
    assert!(!proxy.metrics().lines().any(|line| line.starts_with(failures) && !line.ends_with(" 0")));
}

#[test]
fn connections_of_a_client_share_its_bandwidth_and_others_have_their_own() {
    let origin = long(BYTES / 5, false);
    let proxy = Proxy::start(&config(&bandwidth("download"), "", &[&origin]));
    let read = |source: &str| {
        let answer = Client::connect_from(source, proxy.address()).get("/x");
        assert_eq!(answer.body.len(), BYTES / 5);
    };
    // one after the other: a new connection is no new burst
    takes_a_second(|| (0..5).for_each(|_| read("127.0.0.2")));
    takes_a_second(|| {
        std::thread::scope(|scope| (0..5).for_each(|_| _ = scope.spawn(|| read("127.0.0.3"))));
    });
    let began = limited(&proxy, "download", "delayed");
    read("127.0.0.4");
    assert_eq!(limited(&proxy, "download", "delayed"), began, "its burst is whole");
}

#[test]
fn streams_of_http_2_are_held_to_it_too() {
    let origin = long(BYTES / 5, false);
    let proxy = Proxy::start(&config(&bandwidth("download"), "", &[&origin]));
    takes_a_second(|| {
        h2::run(async {
            let client = h2::Client::connect(proxy.address()).await;
            let read =
                |client: h2::Client| async move { client.call(h2::get("http://a.example/x"), "").await.body.len() };
            let all: Vec<_> = (0..5).map(|_| tokio::spawn(read(client.clone()))).collect();
            for one in all {
                assert_eq!(one.await.unwrap(), BYTES / 5);
            }
        });
    });
}

#[test]
fn what_clients_send_is_held_to_their_bandwidth() {
    let origin = Origin::echoing();
    // nor is a client that is slowed down too slow
    let listener = format!("{}[listener.limits]\nmin_body_rate = \"2MiB\"\n", bandwidth("upload"));
    let proxy = Proxy::start(&config(&listener, "", &[&origin]));
    let body = "x".repeat(BYTES);
    let answer = takes_a_second(|| {
        let mut client = proxy.client();
        client.send(format!("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: {BYTES}\r\n\r\n{body}"));
        client.response()
    });
    assert_eq!((answer.status, answer.body.len()), (200, BYTES));
    takes_a_second(|| {
        h2::run(async {
            let client = h2::Client::connect(proxy.address()).await;
            let answer = client.call(h2::post("http://a.example/x"), body).await;
            assert_eq!((answer.status, answer.body.len()), (200, BYTES));
        });
    });
    assert_eq!(limited(&proxy, "upload", "delayed"), 2);
    assert_eq!(limited(&proxy, "download", "delayed"), 0);
}

#[test]
fn a_tunnel_is_held_to_both() {
    let origin = Origin::script(|conn| {
        if conn.request_head().is_ok() {
            conn.send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n");
            conn.echo();
        }
    });
    for direction in ["upload", "download"] {
        let proxy = Proxy::start(&config(&bandwidth(direction), "", &[&origin]));
        let mut tunnel = proxy.client();
        tunnel.send("GET /x HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n");
        assert_eq!(tunnel.response_head().status, 101);
        takes_a_second(|| {
            let mut sending = tunnel.split();
            std::thread::scope(|scope| {
                scope.spawn(move || sending.send("x".repeat(BYTES)));
                assert_eq!(tunnel.bytes(BYTES).len(), BYTES);
            });
        });
        assert_eq!(limited(&proxy, direction, "delayed"), 1);
    }
}

#[test]
fn a_dry_run_slows_nobody_down() {
    let origin = long(BYTES, false);
    let limits = bandwidth("download").replace("1MiB/s", "1KiB/s") + "dry_run = true\n";
    let proxy = Proxy::start(&config(&limits, "", &[&origin]));
    // it would take twenty minutes
    assert_eq!(proxy.client().get("/x").body.len(), BYTES);
    assert_eq!(limited(&proxy, "download", "would_delay"), 1);
    assert_eq!(limited(&proxy, "download", "delayed"), 0);
}
