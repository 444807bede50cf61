//! Listeners that come, go and change while clients are connected.

use std::net::TcpStream;

use crate::load::Load;
use crate::support::certs::Authority;
use crate::support::{Client, GET, Origin, Proxy, Scratch, Successor, config, wait_until};

fn second(name: &str) -> String {
    format!("\n[[listener]]\nname = \"{name}\"\nbind = \"127.0.0.1:{{port2}}\"\nservice = \"api\"\n")
}

#[test]
fn a_listener_is_added_and_removed_while_another_carries_load() {
    let origin = Origin::ok();
    let one = config("", "", &[&origin]);
    let two = one.clone() + &second("extra");
    let proxy = Proxy::start(&one);
    let load = Load::on(proxy.address());
    for _ in 0..3 {
        assert!(TcpStream::connect(proxy.second_address()).is_err());
        assert_eq!(proxy.reload(&two).status, 200);
        let mut client = Client::connect(proxy.second_address());
        assert_eq!(client.get("/x").text(), "ok");
        load.goes_on(10);
        assert_eq!(proxy.reload(&one).status, 200);
        assert!(client.is_closed(), "a connection with nothing under way ends");
        wait_until("nobody listens", || TcpStream::connect(proxy.second_address()).is_err());
    }
    load.lost_nothing();
}

#[test]
fn what_is_under_way_on_a_listener_that_goes_is_finished_and_counted() {
    let (origin, cue) = Origin::answering_on_cue();
    let one = config("", "", &[&origin]);
    // it stands first, so that the other takes its place when it goes
    let proxy = Proxy::start(&(second("extra") + &one));
    let mut client = Client::connect(proxy.second_address());
    client.send(GET);
    wait_until("it is under way", || origin.requests().len() == 1);
    assert_eq!(proxy.reload(&one).status, 200);
    cue.give();
    let answer = client.response();
    assert_eq!((answer.status, answer.text().as_str()), (200, "ok"));
    assert!(client.is_closed(), "its listener is gone");
}

#[test]
fn what_does_not_finish_on_a_listener_that_goes_is_cut_off_after_drain_timeout() {
    let origin = Origin::script(|conn| {
        let Ok(request) = conn.request() else { return };
        if request.target() == "/tunnel" {
            conn.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n");
        }
        conn.is_closed();
    });
    let one = config("", "", &[&origin]) + "[server]\nworkers = 1\ndrain_timeout = \"100ms\"\n";
    let proxy = Proxy::start(&(one.clone() + &second("extra")));
    let mut tunnel = Client::connect(proxy.second_address());
    tunnel.send("GET /tunnel HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n");
    assert_eq!(tunnel.response_head().status, 101);
    let mut slow = Client::connect(proxy.second_address());
    slow.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_until("it is under way", || origin.requests().len() == 2);
    assert_eq!(proxy.reload(&one).status, 200);
    assert!(tunnel.is_closed());
    assert!(slow.is_closed());
    wait_until("it is told of", || proxy.stderr().contains("listener=extra connections=2"));
}

#[test]
fn a_listener_that_is_renamed_keeps_its_connections_and_its_sockets() {
    let origin = Origin::ok();
    let toml = config("", "", &[&origin]);
    let proxy = Proxy::start(&toml);
    let mut client = proxy.client();
    let load = Load::on(proxy.address());
    assert_eq!(client.get("/x").text(), "ok");
    assert_eq!(proxy.reload(&toml.replace("\"web\"", "\"site\"")).status, 200);
    load.goes_on(10);
    assert_eq!(client.get("/x").text(), "ok");
    load.lost_nothing();
    proxy.wait_for_metrics("evenkeel_requests_total{listener=\"site\",service=\"api\"");
}

#[test]
fn listeners_that_change_places_keep_their_connections_apart() {
    let (a, b) = (Origin::saying("a"), Origin::ok());
    let services =
        |backend: &str, address: &str| format!("[service.{backend}]\nbackend = [{{ address = \"{address}\" }}]\n");
    let listener = |port: &str, service: &str| {
        format!("[[listener]]\nname = \"{port}\"\nbind = \"127.0.0.1:{{{port}}}\"\nservice = \"{service}\"\n")
    };
    let services = services("a", a.address()) + &services("b", b.address());
    let (first, second) = (listener("port", "a"), listener("port2", "b"));
    let proxy = Proxy::start(&format!("{first}{second}{services}"));
    let (mut on_a, mut on_b) = (proxy.client(), Client::connect(proxy.second_address()));
    for order in [[&second, &first], [&first, &second]] {
        assert_eq!(proxy.reload(&format!("{}{}{services}", order[0], order[1])).status, 200);
        assert_eq!((on_a.get("/x").text().as_str(), on_b.get("/x").text().as_str()), ("a", "ok"));
    }
}

#[test]
fn another_certificate_is_shown_to_new_connections_without_binding_again() {
    let origin = Origin::ok();
    let (old, new) = (Authority::new(), Authority::new());
    let dir = Scratch::new();
    let identity = old.sign(&dir, &["a.test"]);
    let toml = config(&format!("[listener.tls]\ncertificates = [{}]", identity.toml()), "", &[&origin]);
    let proxy = Proxy::start(&toml);
    let connect = |authority: &Authority| Client::connect_tls(proxy.address(), &authority.client(&[], None), "a.test");
    let get = |client: &mut Client| {
        client.send("GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n");
        client.response().status
    };
    let mut before = connect(&old).unwrap();
    assert_eq!(get(&mut before), 200);
    // into the same files
    new.sign(&dir, &["a.test"]);
    assert_eq!(proxy.reload(&toml).status, 200);
    let mut after = connect(&new).unwrap();
    assert_ne!(before.certificate(), after.certificate());
    assert_eq!((get(&mut before), get(&mut after)), (200, 200));
}

#[test]
fn an_address_that_is_taken_is_said_and_nothing_changes() {
    let origin = Origin::ok();
    let one = config("", "", &[&origin]);
    let proxy = Proxy::start(&one);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let other = second("extra").replace("127.0.0.1:{port2}", &taken.local_addr().unwrap().to_string());
    let answer = proxy.reload(&(one + &other));
    assert_eq!(answer.status, 422);
    assert!(answer.text().contains("address already in use"), "{}", answer.text());
    assert_eq!(proxy.client().get("/x").text(), "ok");
}

#[test]
fn an_address_that_comes_later_is_listened_on_where_that_is_allowed_and_the_key_is_named_where_it_is_not() {
    let origin = Origin::ok();
    let one = config("", "", &[&origin]);
    let absent = |free_bind: &str, address: &str, protocol: &str| {
        format!(
            "{one}\n[[listener]]\nname = \"moving\"\nbind = \"{address}:{{port2}}\"\nservice = \"api\"\nprotocol = \"{protocol}\"\n\
             {free_bind}\n"
        )
    };
    let mut proxy = Proxy::start(&one);
    let refused = proxy.reload(&absent("", "203.0.113.7", "tcp"));
    assert_eq!(refused.status, 422);
    assert!(refused.text().contains("set free_bind = true"), "{}", refused.text());
    let port = proxy.second_address().port();
    let has_v6 = std::net::UdpSocket::bind("[::1]:0").is_ok();
    for (address, protocol) in [("203.0.113.7", "udp"), ("[2001:db8::7]", "tcp"), ("203.0.113.7", "tcp")] {
        if address.starts_with('[') && !has_v6 {
            continue;
        }
        assert_eq!(proxy.reload(&absent("free_bind = true", address, protocol)).status, 200, "{address} {protocol}");
        assert_eq!(proxy.status()["listeners"][1]["address"], format!("{address}:{port}"));
    }
    assert!(!proxy.stderr().contains("another process listens there too"), "{}", proxy.stderr());
    // a process that takes over has the sockets handed over, and binds further ones of the same kind
    proxy.signal("USR2");
    assert_eq!(proxy.wait().code(), Some(0));
    let _successor = Successor::of(&proxy);
    assert_eq!(proxy.status()["listeners"][1]["address"], format!("203.0.113.7:{port}"));
    assert_eq!(proxy.client().get("/x").text(), "ok");
}
