//! Another process in the place of the one that runs.

use crate::load::Load;
use crate::support::{Client, Conn, Origin, Proxy, Successor, config, wait_until};

#[test]
fn an_upgrade_under_load_refuses_and_resets_nothing() {
    let origin = Origin::ok();
    let mut proxy = Proxy::start(&config("", "", &[&origin]));
    let load = Load::on(proxy.address());
    load.goes_on(20);
    proxy.signal("USR2");
    assert_eq!(proxy.wait().code(), Some(0), "the old one leaves by itself");
    let successor = Successor::of(&proxy);
    load.goes_on(50);
    assert_eq!(proxy.admin("/readyz").unwrap().status, 200);
    load.lost_nothing();
    assert!(successor.signal("TERM"));
    wait_until("it stops as any other", || proxy.stderr().matches("stopped").count() == 2);
}

#[test]
fn a_new_process_that_fails_leaves_the_old_one_serving() {
    let origin = Origin::ok();
    let proxy = Proxy::start(&config("", "", &[&origin]));
    proxy.rewrite(&config("wrong = 1", "", &[&origin]));
    let load = Load::on(proxy.address());
    proxy.signal("USR2");
    wait_until("the old one says so", || proxy.stderr().contains("this process serves on, the new one failed"));
    load.goes_on(50);
    load.lost_nothing();
    // and nothing is left over that would keep the next try from working
    proxy.rewrite(&config("", "", &[&origin]));
    proxy.signal("USR2");
    wait_until("the next one takes over", || proxy.stderr().contains("another process has taken over"));
    let _successor = Successor::of(&proxy);
    assert_eq!(proxy.client().get("/x").text(), "ok");
}

#[test]
fn a_session_of_layer_4_goes_on_in_the_old_process_and_new_ones_begin_in_the_new_one() {
    let origin = Origin::script(Conn::echo);
    let mut proxy = Proxy::start(&config("protocol = \"tcp\"", "", &[&origin]));
    let mut session = proxy.client();
    session.send("a");
    assert_eq!(session.bytes(1), b"a");
    proxy.signal("USR2");
    wait_until("the next one takes over", || proxy.stderr().contains("another process has taken over"));
    let _successor = Successor::of(&proxy);
    let mut another = None;
    // the old one may accept for a moment yet; who answers the admin address is the new one
    wait_until("new sessions begin in the new one", || {
        let mut client = proxy.client();
        client.send("b");
        assert_eq!(client.bytes(1), b"b");
        let metrics = proxy.metrics();
        let new = metrics.contains("evenkeel_client_connections{listener=\"web\"} 1");
        another = new.then_some(client);
        new
    });
    session.send("c");
    assert_eq!(session.bytes(1), b"c");
    session.finish();
    assert!(session.is_closed());
    assert_eq!(proxy.wait().code(), Some(0), "the old one leaves with its last session");
    let mut another = another.unwrap();
    another.send("d");
    assert_eq!(another.bytes(1), b"d");
}

#[test]
fn who_was_replaced_and_is_told_to_stop_goes_on_draining_until_it_is_told_again() {
    let origin = Origin::script(|conn| {
        let mut said = conn.some();
        while !said.is_empty() && conn.send(&said) {
            said = conn.some();
        }
    });
    let mut proxy = Proxy::start(&config("protocol = \"tcp\"", "", &[&origin]));
    let mut session = proxy.client();
    session.send("a");
    assert_eq!(session.bytes(1), b"a");
    proxy.signal("USR2");
    wait_until("the next one takes over", || proxy.stderr().contains("draining"));
    let _successor = Successor::of(&proxy);
    // as systemd does to all processes of a service
    proxy.signal("TERM");
    wait_until("it has heard", || proxy.stderr().contains("it drains already"));
    session.send("b");
    assert_eq!(session.bytes(1), b"b");
    proxy.signal("TERM");
    assert!(session.is_reset());
    assert_eq!(proxy.wait().code(), Some(0));
}

#[test]
fn a_unix_socket_is_handed_over_with_its_file() {
    let origin = Origin::ok();
    let mut proxy = Proxy::start(&config("", "", &[&origin]).replace("127.0.0.1:{port}", "unix:{dir}/web.sock"));
    proxy.signal("USR2");
    assert_eq!(proxy.wait().code(), Some(0));
    let _successor = Successor::of(&proxy);
    let mut client = Client::connect_unix(&proxy.path("web.sock"));
    assert_eq!(client.get("/x").text(), "ok");
}

#[test]
fn a_term_under_load_with_another_process_on_the_same_sockets_loses_nothing() {
    let origin = Origin::ok();
    let proxy = Proxy::start(&config("", "", &[&origin]));
    let port = proxy.address().port().to_string();
    let other = Proxy::start(&config("", "", &[&origin]).replace("{port}", &port));
    let load = Load::on(proxy.address());
    load.goes_on(20);
    let mut first = proxy;
    first.signal("TERM");
    assert_eq!(first.wait().code(), Some(0));
    load.goes_on(20);
    load.lost_nothing();
    drop(other);
}
