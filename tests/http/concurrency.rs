//! The adaptive limit of a service: how many exchanges are let in, who is refused first, and how the limit follows what the backends can do.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::{Client, Cue, OK, Origin, Proxy, Response, config, wait_until};

/// A limit that stays: 5 for what is important, 4 for most, 3 for the rest. Nobody waits for long.
const FIVE: &str =
    "concurrency = { min = 5, max = 5, initial = 5, normal = 0.8, low = 0.6 }\ntimeout = { queue = \"1ms\" }\n";

/// Routes for each priority, by path.
const ROUTES: &str = "route = [{ path_prefix = \"/high\", service = \"api\", priority = \"high\" }, \
                      { path_prefix = \"/low\", service = \"api\", priority = \"low\" }]\n";

/// A backend that answers on cue, behind one worker.
fn on_cue(listener: &str, service: &str) -> (Origin, Cue, Proxy) {
    let (origin, cue) = Origin::answering_on_cue();
    let proxy = Proxy::start(&(config(listener, service, &[&origin]) + "[server]\nworkers = 1\n"));
    (origin, cue, proxy)
}

fn ask(proxy: &Proxy, target: &str, line: &str) -> Client {
    let mut client = proxy.client();
    client.send(format!("GET {target} HTTP/1.1\r\nHost: a\r\n{line}\r\n"));
    client
}

/// Clients whose requests are all under way.
fn under_way(origin: &Origin, proxy: &Proxy, targets: &[&str], line: &str) -> Vec<Client> {
    let before = origin.requests().len();
    let clients: Vec<Client> = targets.iter().map(|target| ask(proxy, target, line)).collect();
    wait_until("they are under way", || origin.requests().len() == before + targets.len());
    clients
}

/// The answer to a request that is refused.
fn refused(proxy: &Proxy, target: &str, line: &str) -> Response {
    let answer = ask(proxy, target, line).response();
    assert_eq!(answer.status, 503, "{target}");
    assert_eq!(answer.field("retry-after"), Some("1"));
    assert!(answer.field("proxy-status").unwrap().contains("details=\"overload\""));
    answer
}

fn in_flight(proxy: &Proxy) -> u64 {
    proxy.status()["services"]["api"]["concurrency"]["in_flight"].as_u64().unwrap()
}

fn shed(proxy: &Proxy, priority: &str) -> u64 {
    proxy.metric(&format!("evenkeel_shed_total{{service=\"api\",priority=\"{priority}\"}}"))
}

#[test]
fn each_priority_has_its_part_of_the_limit_and_what_is_above_costs_no_backend_anything() {
    let (origin, cue, proxy) = on_cue(ROUTES, FIVE);
    let mut clients = under_way(&origin, &proxy, &["/low/1", "/low/2", "/low/3"], "");
    refused(&proxy, "/low/4", "");
    clients.extend(under_way(&origin, &proxy, &["/normal"], ""));
    refused(&proxy, "/normal", "");
    refused(&proxy, "/low/5", "");
    clients.extend(under_way(&origin, &proxy, &["/high"], ""));
    refused(&proxy, "/high", "");
    assert_eq!(["high", "normal", "low"].map(|priority| shed(&proxy, priority)), [1, 1, 2]);
    let status = proxy.status();
    let concurrency = &status["services"]["api"]["concurrency"];
    assert_eq!((&concurrency["limit"], &concurrency["in_flight"]), (&5.into(), &5.into()), "{concurrency}");
    assert_eq!(concurrency["shed"]["low"], 2);
    assert_eq!(status["services"]["api"]["backends"][0]["failures"], 0, "{status}");
    clients.iter().for_each(|_| cue.give());
    assert!(clients.iter_mut().all(|client| client.response().status == 200));
    assert_eq!(origin.requests().len(), 5, "nothing else has reached it");
    wait_until("all have left", || in_flight(&proxy) == 0);
    wait_until("it is told", || proxy.admin("/api/v1/events").unwrap().text().contains("\"shedding_began\""));
}

#[test]
fn a_grpc_call_that_is_refused_is_told_so_in_its_own_form_and_a_fallback_is_given() {
    let (origin, cue, proxy) = on_cue(ROUTES, &format!("{FIVE}fallback = {{ status = 503, body = \"busy\" }}\n"));
    let mut clients = under_way(&origin, &proxy, &["/low/1", "/low/2", "/low/3"], "");
    let mut client = proxy.client();
    client.send("POST /low/call HTTP/1.1\r\nHost: a\r\nContent-Type: application/grpc\r\nContent-Length: 0\r\n\r\n");
    let answer = client.response();
    assert_eq!((answer.status, answer.field("grpc-status")), (200, Some("14")));
    let answer = ask(&proxy, "/low/4", "").response();
    assert_eq!((answer.status, answer.text()), (503, "busy".to_owned()));
    clients.iter().for_each(|_| cue.give());
    assert!(clients.iter_mut().all(|client| client.response().status == 200));
}

#[test]
fn what_a_header_says_of_the_priority_is_believed_of_trusted_proxies_only() {
    let route = "route = [{ path_prefix = \"/\", service = \"api\", priority_header = \"x-priority\" }]\n";
    let (origin, _cue, proxy) = on_cue(&format!("trusted_proxies = [\"127.0.0.1/32\"]\n{route}"), FIVE);
    let _low = under_way(&origin, &proxy, &["/1", "/2", "/3"], "X-Priority: low\r\n");
    refused(&proxy, "/4", "X-Priority: Low\r\n");
    let _normal = under_way(&origin, &proxy, &["/5"], "X-Priority: whatever\r\n");
    refused(&proxy, "/6", "");
    let _high = under_way(&origin, &proxy, &["/7"], "X-Priority: high\r\n");
    assert_eq!(["high", "normal", "low"].map(|priority| shed(&proxy, priority)), [0, 1, 1]);

    let (origin, _cue, proxy) = on_cue(route, FIVE);
    let _all = under_way(&origin, &proxy, &["/1", "/2", "/3", "/4"], "X-Priority: low\r\n");
    refused(&proxy, "/5", "X-Priority: high\r\n");
    assert_eq!(["high", "normal", "low"].map(|priority| shed(&proxy, priority)), [0, 1, 0]);
}

#[test]
fn a_client_that_leaves_and_a_backend_that_fails_give_their_places_back() {
    let (origin, _cue, proxy) = on_cue(ROUTES, FIVE);
    for client in under_way(&origin, &proxy, &["/high/1", "/high/2"], "") {
        client.reset();
    }
    wait_until("both have left", || in_flight(&proxy) == 0);
    let broken = Origin::script(|conn| drop(conn.request()));
    let proxy = Proxy::start(&config("", FIVE, &[&broken]));
    for _ in 0..20 {
        assert!(matches!(proxy.client().get("/x").status, 502 | 503));
    }
    wait_until("all have left", || in_flight(&proxy) == 0);
    assert_eq!(shed(&proxy, "normal"), 0);
}

#[test]
fn clients_that_send_slowly_hold_no_place_until_all_is_there() {
    let (origin, cue, proxy) = on_cue(ROUTES, FIVE);
    let mut slow = Vec::new();
    for number in 1..=8 {
        let mut client = proxy.client();
        client.send("POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello");
        wait_until("its beginning has been passed on", || origin.connections() == number && in_flight(&proxy) == 0);
        slow.push(client);
    }
    let mut others = under_way(&origin, &proxy, &["/1", "/2", "/3", "/4"], "");
    refused(&proxy, "/5", "");
    slow[0].send("world");
    wait_until("the backend has something to do for it", || in_flight(&proxy) == 5);
    slow[1..].iter_mut().for_each(|client| client.send("world"));
    wait_until("it was let in before", || in_flight(&proxy) == 12);
    (0..12).for_each(|_| cue.give());
    assert!(others.iter_mut().chain(&mut slow).all(|client| client.response().status == 200));
    wait_until("all have left", || in_flight(&proxy) == 0);
}

#[test]
fn an_open_tunnel_is_not_in_flight() {
    let origin = Origin::script(|conn| {
        if conn.request().is_ok() {
            conn.send(
                "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                 Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
            );
            conn.echo();
        }
    });
    let proxy = Proxy::start(&config("", FIVE, &[&origin]));
    let open = |_| {
        let mut client = proxy.client();
        client.send(
            "GET /x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        );
        assert_eq!(client.response_head().status, 101);
        client
    };
    let _tunnels: Vec<Client> = (0..8).map(open).collect();
    assert_eq!(in_flight(&proxy), 0);
}

#[test]
fn a_reload_changes_the_bounds_and_loses_nobody_and_may_take_the_limit_away() {
    let (origin, cue, proxy) = on_cue("", FIVE);
    let toml = |service: &str| config("", service, &[&origin]) + "[server]\nworkers = 1\n";
    let mut clients = under_way(&origin, &proxy, &["/1", "/2", "/3", "/4"], "");
    assert_eq!(proxy.reload(&toml(&FIVE.replace('5', "2"))).status, 200);
    wait_until("it holds", || proxy.status()["services"]["api"]["concurrency"]["limit"] == 2);
    assert_eq!(in_flight(&proxy), 4);
    refused(&proxy, "/5", "");
    assert_eq!(proxy.reload(&toml("")).status, 200);
    assert!(proxy.status()["services"]["api"]["concurrency"].is_null());
    clients.extend(under_way(&origin, &proxy, &["/6", "/7"], ""));
    clients.iter().for_each(|_| cue.give());
    assert!(clients.iter_mut().all(|client| client.response().status == 200));
}

/// A service that works on two requests at a time, whatever it is sent.
fn two_at_a_time() -> Origin {
    let servers: Arc<[Mutex<()>; 2]> = Arc::default();
    let next = Arc::new(AtomicU64::new(0));
    Origin::script(move |conn| {
        while conn.request().is_ok() {
            let at = next.fetch_add(1, Ordering::Relaxed) % 2;
            let working = servers[at as usize].lock().unwrap();
            std::thread::sleep(Duration::from_millis(4));
            drop(working);
            conn.send(OK);
        }
    })
}

#[test]
fn the_limit_comes_down_to_what_the_backends_can_do_and_the_rest_is_refused() {
    let origin = two_at_a_time();
    let service = "concurrency = { initial = 48, max = 64 }\n";
    let proxy = Proxy::start(&config(ROUTES, service, &[&origin]));
    let (is_over, good, bad) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..64 {
            scope.spawn(|| {
                let mut client = proxy.client();
                while !is_over.load(Ordering::Relaxed) {
                    match client.get("/x").status {
                        200 => good.fetch_add(1, Ordering::Relaxed),
                        503 => {
                            std::thread::sleep(Duration::from_millis(20));
                            bad.fetch_add(1, Ordering::Relaxed)
                        }
                        status => panic!("{status}"),
                    };
                }
            });
        }
        let limit = || proxy.status()["services"]["api"]["concurrency"]["limit"].as_u64().unwrap();
        wait_until("the limit fits", || limit() <= 12);
        let served = good.load(Ordering::Relaxed);
        wait_until("requests are served and refused", || {
            good.load(Ordering::Relaxed) > served + 100 && bad.load(Ordering::Relaxed) > 100
        });
        is_over.store(true, Ordering::Relaxed);
    });
    assert!(shed(&proxy, "normal") >= bad.load(Ordering::Relaxed));
    assert_eq!(proxy.status()["services"]["api"]["backends"][0]["failures"], 0);
    wait_until("all have left", || in_flight(&proxy) == 0);
}
