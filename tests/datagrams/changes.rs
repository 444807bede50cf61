//! Change without interruption: another configuration, the end, another process.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::support::{LOG, Proxy, Successor, UdpClient, UdpOrigin, wait_until};
use crate::{address, client, config, open_sessions};

#[test]
fn a_reload_keeps_the_sessions_of_backends_that_stay_and_moves_the_others() {
    let (a, b) = (UdpOrigin::saying("a"), UdpOrigin::saying("b"));
    let proxy = Proxy::start(&config("", "", &[a.address()]));
    let client = client(&proxy);
    assert_eq!(client.ask(b"?"), b"a");
    assert_eq!(proxy.reload(&config("idle_timeout = \"10s\"", "", &[b.address(), a.address()])).status, 200);
    for _ in 0..3 {
        assert_eq!(client.ask(b"?"), b"a");
    }
    assert_eq!(a.peers().len(), 1, "the same session");
    assert_eq!(proxy.reload(&config("", "", &[b.address()])).status, 200);
    assert_eq!(client.ask(b"?"), b"b");
    assert_eq!(open_sessions(&proxy), 1);
}

#[test]
fn a_listener_that_is_taken_away_begins_no_session_and_closes() {
    let origin = UdpOrigin::echo();
    let proxy = Proxy::start(&config("", "", &[origin.address()]));
    let (at, stays) = (address(&proxy, "udp"), client(&proxy));
    stays.ask(b"?");
    let other = config("", "", &[origin.address()]).replace("\"udp\"\nbind", "\"other\"\nbind");
    assert_eq!(proxy.reload(&other).status, 200);
    assert_eq!(stays.ask(b"still here?"), b"still here?");
    wait_until("nobody is there any more", || {
        let late = UdpClient::new(at);
        late.send(b"?");
        // refused: the socket is closed
        late.socket().set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        late.socket().recv(&mut [0]).is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused)
    });
    assert_eq!(UdpClient::new(address(&proxy, "other")).ask(b"?"), b"?");
}

/// A drain that is soon over.
const BRIEF: &str = "[server]\ndrain_timeout = \"100ms\"\n";

fn was_cut(proxy: &Proxy) -> bool {
    proxy.log().iter().any(|line| line.contains("\"end\":\"cut\""))
}

#[test]
fn a_session_that_is_never_silent_is_cut_off_when_its_listener_was_taken_away_for_drain_timeout() {
    let origin = UdpOrigin::echo();
    let toml = config("", "", &[origin.address()]) + BRIEF + LOG;
    let proxy = Proxy::start(&toml);
    let client = client(&proxy);
    client.ask(b"?");
    assert_eq!(proxy.reload(&toml.replace("\"udp\"\nbind", "\"other\"\nbind")).status, 200);
    wait_until("it is cut off", || {
        // refused once the socket is closed
        let _ = client.socket().send(b"still here?");
        was_cut(&proxy)
    });
    wait_until("it is told of", || proxy.stderr().contains("listener=udp connections=1"));
}

#[test]
fn a_session_that_is_never_silent_does_not_keep_the_process_from_its_end() {
    let origin = UdpOrigin::echo();
    let mut proxy = Proxy::start(&(config("", "", &[origin.address()]) + BRIEF + LOG));
    let client = client(&proxy);
    client.ask(b"?");
    client.socket().set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    proxy.signal("TERM");
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Relaxed) {
                let _ = client.socket().send(b"still here?");
                let _ = client.socket().recv(&mut [0; 16]);
            }
        });
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| proxy.wait().code()));
        over.store(true, Relaxed);
        assert_eq!(ended.ok(), Some(Some(0)));
    });
    assert!(was_cut(&proxy));
}

#[test]
fn at_the_end_sessions_go_on_until_they_are_silent() {
    let origin = UdpOrigin::echo();
    let mut proxy = Proxy::start(&config("", "", &[origin.address()]));
    let (client, late) = (client(&proxy), client(&proxy));
    client.ask(b"?");
    let began = Instant::now();
    proxy.signal("TERM");
    wait_until("it drains", || proxy.stderr().contains("draining"));
    for _ in 0..3 {
        assert_eq!(client.ask(b"still here?"), b"still here?");
    }
    late.send(b"?");
    assert_eq!(proxy.wait().code(), Some(0));
    assert!(
        began.elapsed() < Duration::from_secs(15),
        "no idle_timeout (75 s) nor drain_timeout (30 s) was waited for"
    );
    assert!(!late.has_heard());
    assert_eq!(origin.peers().len(), 1);
}

#[test]
fn an_upgrade_loses_no_datagram() {
    let origin = UdpOrigin::echo();
    let mut proxy = Proxy::start(&config("", "", &[origin.address()]));
    let at = address(&proxy, "udp");
    let clients: Vec<UdpClient> = (0..8).map(|_| UdpClient::new(at)).collect();
    clients.iter().for_each(|client| drop(client.ask(b"before")));
    proxy.signal("USR2");
    // whichever of the two receives a datagram passes it on
    while !proxy.stderr().contains("another process has taken over") {
        clients.iter().for_each(|client| assert_eq!(client.ask(b"during"), b"during"));
    }
    let _successor = Successor::of(&proxy);
    clients.iter().for_each(|client| assert_eq!(client.ask(b"after"), b"after"));
    assert_eq!(proxy.wait().code(), Some(0), "the old one leaves by itself");
    clients.iter().for_each(|client| assert_eq!(client.ask(b"alone"), b"alone"));
    assert_eq!(address(&proxy, "udp"), at);
}

#[test]
fn connections_and_datagrams_may_share_a_port() {
    let (http, udp) = (crate::support::Origin::ok(), UdpOrigin::echo());
    let toml = config("", "", &[udp.address()]).replace("127.0.0.1:0", "127.0.0.9:0");
    let proxy = Proxy::start(&toml);
    // a port that the kernel has chosen for datagrams; connections of no other test have anything of 127.0.0.9
    let port = address(&proxy, "udp");
    let web = format!("[[listener]]\nname = \"web\"\nbind = \"{port}\"\nservice = \"web\"\n");
    let backend = format!("[[service.web.backend]]\naddress = \"{}\"\n", http.address());
    assert_eq!(proxy.reload(&format!("{web}{toml}{backend}")).status, 200);
    assert_eq!(client(&proxy).ask(b"?"), b"?");
    let mut client = crate::support::Client::connect(address(&proxy, "web"));
    assert_eq!(client.get("/").text(), "ok");
}
