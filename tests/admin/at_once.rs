//! What is said holds for the next pick of every worker: counted over many requests on connections that are kept, and after whatever the
//! process goes through.

use std::thread;

use serde_json::{Value, json};

use crate::operators::{say, stands, toml_weighted};
use crate::support::{Client, Origin, Proxy, Successor, wait_until};

/// Connections, on two workers.
const CONNECTIONS: usize = 4;

/// Requests after each answer; `EVENKEEL_REQUESTS` has another number.
fn requests() -> usize {
    std::env::var("EVENKEEL_REQUESTS").map_or(4_000, |number| number.parse().unwrap())
}

/// Backends `a` and `b` that say who they are, and remember no request: there are too many of them.
fn pair() -> ([Origin; 2], Proxy) {
    let origins = ["a", "b"].map(|name| {
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{name}");
        Origin::script(move |conn| while conn.request_head().is_ok() && conn.send(&answer) {})
    });
    let proxy = Proxy::start(&toml_weighted(&origins));
    (origins, proxy)
}

/// Sends so many requests on these connections; the share of them that `a` answers.
fn share_of_a(clients: &mut [Client], requests: usize) -> f64 {
    let each = requests / clients.len();
    let count = |client: &mut Client| (0..each).filter(|_| client.get("/x").text() == "a").count();
    let answered: usize = thread::scope(|scope| {
        let counting: Vec<_> = clients.iter_mut().map(|client| scope.spawn(move || count(client))).collect();
        counting.into_iter().map(|one| one.join().unwrap()).sum()
    });
    answered as f64 / (each * clients.len()) as f64
}

fn connections(proxy: &Proxy) -> Vec<Client> {
    let mut clients: Vec<Client> = (0..CONNECTIONS).map(|_| proxy.client()).collect();
    // each is with its worker, which has its connections to both backends
    share_of_a(&mut clients, 20 * CONNECTIONS);
    clients
}

fn is_about(share: f64, expected: f64) {
    assert!((share - expected).abs() < 0.05, "{share}, and not {expected}");
}

#[test]
fn what_is_said_counts_for_the_next_request_on_every_connection() {
    let (_origins, proxy) = pair();
    let mut clients = connections(&proxy);
    for (rest, body, expected) in [
        ("/drain", Value::Null, 0.0),
        ("/enable", Value::Null, 0.5),
        ("", json!({ "weight": 3 }), 0.75),
        ("/disable", Value::Null, 0.0),
        ("/enable", Value::Null, 0.75),
        ("", json!({ "weight": 0 }), 0.0),
        ("", json!({ "weight": null }), 0.5),
    ] {
        assert_eq!(say(&proxy, rest, &body).0, 200);
        let share = share_of_a(&mut clients, requests());
        if expected == 0.0 { assert_eq!(share, 0.0, "{rest} {body}") } else { is_about(share, expected) }
    }
}

#[test]
fn a_drained_backend_gets_nothing_after_a_crash_nor_after_an_upgrade() {
    let (_origins, mut proxy) = pair();
    assert_eq!(say(&proxy, "/drain", &Value::Null).0, 200);
    proxy.kill_and_start();
    assert_eq!(share_of_a(&mut connections(&proxy), requests()), 0.0);
    proxy.signal("USR2");
    wait_until("another process takes over", || proxy.stderr().contains("another process has taken over"));
    let successor = Successor::of(&proxy);
    wait_until("the old one ends", || proxy.stderr().contains(" stopped"));
    assert_eq!(share_of_a(&mut connections(&proxy), requests()), 0.0);
    assert_eq!(stands(&proxy).0, "draining");
    assert_eq!(say(&proxy, "/enable", &Value::Null).0, 200);
    is_about(share_of_a(&mut connections(&proxy), requests()), 0.5);
    drop(successor);
}
