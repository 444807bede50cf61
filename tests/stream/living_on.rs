//! Sessions through reloads, drains and stops.

use std::sync::mpsc;

use crate::support::{Client, Conn, LOG, Origin, PATIENCE, Proxy, config, wait_until};
use crate::tcp::{TCP, tcp};

#[test]
fn a_stop_waits_for_its_sessions() {
    let origin = Origin::script(Conn::echo);
    let mut proxy = tcp("", "", &[&origin]);
    let mut client = proxy.client();
    client.send("a");
    assert_eq!(client.bytes(1), b"a");
    proxy.signal("TERM");
    proxy.wait_until_it_accepts_no_more();
    client.send("b");
    assert_eq!(client.bytes(1), b"b");
    client.finish();
    assert!(client.is_closed());
    assert_eq!(proxy.wait().code(), Some(0));
}

/// A drain that is soon over.
const BRIEF: &str = "\n[server]\ndrain_timeout = \"100ms\"\n";

#[test]
fn a_session_that_does_not_end_is_cut_off_after_drain_timeout() {
    let (over, ended) = mpsc::channel();
    let origin = Origin::script(move |conn| {
        conn.send("a");
        let _ = over.send(conn.is_reset());
    });
    let mut proxy = Proxy::start(&(config(TCP, "", &[&origin]) + BRIEF + LOG));
    let mut client = proxy.client();
    client.bytes(1);
    proxy.signal("TERM");
    assert!(client.is_reset(), "its backend has not ended");
    assert!(ended.recv_timeout(PATIENCE).unwrap(), "its client has not ended");
    assert_eq!(proxy.wait().code(), Some(0));
    let line = proxy.logged();
    assert_eq!((&line["end"], &line["failure"], &line["bytes"]), (&"cut".into(), &serde_json::Value::Null, &1.into()));
}

#[test]
fn sessions_of_a_listener_that_is_taken_away_are_cut_off_after_drain_timeout_and_no_others() {
    let origin = Origin::script(Conn::echo);
    let stays = config(TCP, "", &[&origin]).replace("{port}", "{port2}").replace("\"web\"", "\"stays\"") + BRIEF + LOG;
    let goes = "[[listener]]\nname = \"goes\"\nbind = \"127.0.0.1:{port}\"\nprotocol = \"tcp\"\nservice = \"api\"\n";
    let proxy = Proxy::start(&(goes.to_owned() + &stays));
    let (mut first, mut second) = (proxy.client(), proxy.client());
    let mut other = Client::connect(proxy.second_address());
    for client in [&mut first, &mut second, &mut other] {
        client.send("a");
        assert_eq!(client.bytes(1), b"a");
    }
    first.finish();
    assert!(first.is_closed());
    assert_eq!(proxy.reload(&stays).status, 200);
    assert!(second.is_reset(), "its backend has not ended");
    wait_until("it is told of", || proxy.stderr().contains("listener=goes connections=1"));
    other.send("b");
    assert_eq!(other.bytes(1), b"b");
    let cut = |line: &String| line.contains("\"end\":\"cut\"") && line.contains("\"listener\":\"goes\"");
    wait_until("it is recorded", || proxy.log().iter().any(cut));
}

#[test]
fn a_session_outlives_its_listener_and_its_backend_s_place_in_the_configuration() {
    let (a, b) = (Origin::script(Conn::echo), Origin::ok());
    let proxy = tcp("", "", &[&a]);
    let mut client = proxy.client();
    client.send("a");
    assert_eq!(client.bytes(1), b"a");
    // the listener goes, and with it all that leads to the backend
    let elsewhere = config("", "", &[&b]).replace("{port}", "{port2}").replace("\"web\"", "\"other\"");
    assert_eq!(proxy.reload(&elsewhere).status, 200);
    proxy.wait_until_it_accepts_no_more();
    client.send("b");
    assert_eq!(client.bytes(1), b"b");
    client.finish();
    assert!(client.is_closed());
}

#[test]
fn an_address_that_speaks_another_protocol_from_now_on_does_so_for_new_connections() {
    let (a, b) = (Origin::script(Conn::echo), Origin::ok());
    let proxy = tcp("", "", &[&a]);
    let mut session = proxy.client();
    session.send("a");
    assert_eq!(session.bytes(1), b"a");
    assert_eq!(proxy.reload(&config("", "", &[&b])).status, 200);
    assert_eq!(proxy.client().get("/x").text(), "ok");
    session.send("b");
    assert_eq!(session.bytes(1), b"b");
}
