//! Sessions through reloads, drains and stops.

use crate::support::{Origin, Proxy, config};
use crate::tcp::{TCP, echo, tcp};

#[test]
fn a_stop_waits_for_its_sessions() {
    let origin = Origin::script(echo);
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

#[test]
fn a_session_that_does_not_end_is_cut_off_after_drain_timeout() {
    let origin = Origin::script(echo);
    let mut proxy = Proxy::start(&(config(TCP, "", &[&origin]) + "\n[server]\ndrain_timeout = \"100ms\"\n"));
    let mut client = proxy.client();
    client.send("a");
    client.bytes(1);
    proxy.signal("TERM");
    assert!(client.is_closed());
    assert_eq!(proxy.wait().code(), Some(0));
}

#[test]
fn a_session_outlives_its_listener_and_its_backend_s_place_in_the_configuration() {
    let (a, b) = (Origin::script(echo), Origin::ok());
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
    let (a, b) = (Origin::script(echo), Origin::ok());
    let proxy = tcp("", "", &[&a]);
    let mut session = proxy.client();
    session.send("a");
    assert_eq!(session.bytes(1), b"a");
    assert_eq!(proxy.reload(&config("", "", &[&b])).status, 200);
    assert_eq!(proxy.client().get("/x").text(), "ok");
    session.send("b");
    assert_eq!(session.bytes(1), b"b");
}
