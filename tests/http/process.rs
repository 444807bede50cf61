//! The process around the exchanges: its sockets, its end.

use crate::support::{Client, GET, OK, Origin, Proxy, Scratch, config, wait_until};

#[test]
fn unix_sockets_serve_on_both_sides() {
    let dir = Scratch::new();
    let origin =
        Origin::script_unix(&dir.path().join("backend.sock"), |conn| while conn.request().is_ok() && conn.send(OK) {});
    let toml = config("", "", &[&origin]).replace("127.0.0.1:{port}", "unix:{dir}/web.sock");
    let mut proxy = Proxy::start(&toml);
    let mut client = Client::connect_unix(&proxy.path("web.sock"));
    for _ in 0..3 {
        assert_eq!(client.get("/x").text(), "ok");
    }
    assert_eq!(origin.connections(), 1);
    assert_eq!(origin.requests()[0].field("x-forwarded-for"), Some("unknown"));
    drop(client);
    proxy.signal("TERM");
    assert_eq!(proxy.wait().code(), Some(0));
    assert!(!proxy.path("web.sock").exists(), "the socket's file is left behind");
}

#[test]
fn sigterm_lets_what_is_under_way_finish_and_exits_with_0() {
    let (origin, cue) = Origin::answering_on_cue();
    let mut proxy = Proxy::to(&origin);
    let mut idle = proxy.client();
    let mut busy = proxy.client();
    busy.send(GET);
    wait_until("the request is under way", || origin.requests().len() == 1);
    proxy.signal("TERM");
    proxy.wait_until_it_accepts_no_more();
    assert!(idle.is_closed(), "an idle connection holds nothing up");
    cue.give();
    let answer = busy.response();
    assert_eq!((answer.status, answer.text().as_str()), (200, "ok"));
    assert!(answer.head.lists("connection", "close"));
    assert!(busy.is_closed());
    assert_eq!(proxy.wait().code(), Some(0));
}

#[test]
fn sigint_stops_as_sigterm_does() {
    let origin = Origin::ok();
    let mut proxy = Proxy::to(&origin);
    assert_eq!(proxy.client().get("/x").text(), "ok");
    proxy.signal("INT");
    assert_eq!(proxy.wait().code(), Some(0));
}

#[test]
fn what_does_not_end_is_cut_off_after_drain_timeout() {
    let origin = Origin::silent();
    let mut proxy = Proxy::start(&(config("", "", &[&origin]) + "[server]\nworkers = 1\ndrain_timeout = \"200ms\"\n"));
    let mut client = proxy.client();
    client.send(GET);
    wait_until("the request is under way", || origin.requests().len() == 1);
    proxy.signal("TERM");
    assert!(client.is_closed());
    assert_eq!(proxy.wait().code(), Some(0));
}

#[test]
fn a_second_sigterm_stops_at_once() {
    let origin = Origin::silent();
    let mut proxy = Proxy::start(&(config("", "", &[&origin]) + "[server]\nworkers = 1\ndrain_timeout = \"10m\"\n"));
    let mut client = proxy.client();
    client.send(GET);
    wait_until("the request is under way", || origin.requests().len() == 1);
    proxy.signal("TERM");
    proxy.wait_until_it_accepts_no_more();
    proxy.signal("TERM");
    proxy.wait();
    assert!(client.is_closed());
}
