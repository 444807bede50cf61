//! What this machine is out of when it can't connect is nobody's failure but its own.

use std::net::SocketAddr;
use std::sync::mpsc;

use socket2::{Domain, Socket, Type};

use crate::support::{Client, Origin, PATIENCE, Proxy, backend, config, namespace, wait_until};

/// TCP can't go to a multicast address: connect(2) says at once that the network is unreachable, on every machine.
const NO_WAY: &str = "224.0.0.1:80";

/// The first failure would open the breaker, and eject.
const TOUCHY: &str = "circuit_breaker = { failures = 1, open_for = \"1h\" }\noutlier = { consecutive_failures = 1 }";

fn of_backend(metric: &str, backend: &str) -> String {
    format!("evenkeel_{metric}{{service=\"api\",backend=\"{backend}\"}}")
}

fn shortages(proxy: &Proxy, reason: &str) -> u64 {
    proxy.metric(&format!("evenkeel_shortages_total{{reason=\"{reason}\"}}"))
}

#[test]
fn a_machine_without_a_way_to_the_backend_answers_503_and_charges_nobody() {
    let proxy = Proxy::start(&(config("", TOUCHY, &[]) + &backend(NO_WAY)));
    let mut client = proxy.client();
    for _ in 0..5 {
        let answer = client.get("/x");
        assert_eq!(answer.status, 503);
        let why = answer.head.field("proxy-status").unwrap();
        assert!(why.contains("error=destination_ip_unroutable") && why.contains("no route"), "{why}");
    }
    assert_eq!(shortages(&proxy, "route"), 5);
    assert_eq!(proxy.metric(&of_backend("breaker_state", NO_WAY)), 0);
    assert_eq!(proxy.metric(&of_backend("backend_up", NO_WAY)), 1);
    assert_eq!(proxy.metric(&of_backend("backend_failures_total", NO_WAY)), 0);
    let said: Vec<_> = proxy.stderr().lines().filter(|line| line.contains("no route")).map(str::to_owned).collect();
    assert_eq!(said.len(), 1, "once in ten seconds: {said:?}");
    assert!(said[0].contains(NO_WAY) && said[0].contains("ip route get"), "{said:?}");
}

#[test]
fn another_backend_takes_the_request_without_cost_to_the_retry_budget() {
    let origin = Origin::ok();
    let service = format!("{TOUCHY}\nretry = {{ budget = 0.0 }}");
    let proxy = Proxy::start(&(config("", &service, &[&origin]) + &backend(NO_WAY)));
    let mut client = proxy.client();
    for _ in 0..300 {
        client.send("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi");
        assert_eq!(client.response().status, 200, "nothing was sent, so that a POST may go elsewhere too");
    }
    assert!(shortages(&proxy, "route") > 50, "more than the budget has in reserve");
    assert_eq!(proxy.metric(&of_backend("backend_up", NO_WAY)), 1);
}

#[test]
fn a_check_that_could_not_be_made_says_nothing() {
    let service =
        "health = { kind = \"tcp\", interval = \"20ms\", fast_interval = \"20ms\", timeout = \"10ms\", fall = 1 }";
    let proxy = Proxy::start(&(config("", service, &[]) + &backend(NO_WAY)));
    wait_until("it was asked more than once", || shortages(&proxy, "route") > 5);
    assert_eq!(proxy.metric(&of_backend("backend_up", NO_WAY)), 1);
}

#[test]
fn the_fallback_is_answered_where_there_is_one() {
    let fallback = "fallback = { status = 503, body = \"later\" }";
    let proxy = Proxy::start(&(config("", fallback, &[]) + &backend(NO_WAY)));
    assert_eq!(proxy.client().get("/x").text(), "later");
}

#[test]
fn a_network_without_free_ports() {
    namespace::run_in_own_network("shortages::with_eight_local_ports");
}

#[test]
#[ignore = "changes the ports of the whole network: run in one of its own by the test above"]
fn with_eight_local_ports() {
    let (origin, cue) = Origin::answering_on_cue();
    // with more workers, the last client's might be one that has no connection
    let proxy = Proxy::start(&(config("", TOUCHY, &[&origin]) + "[server]\nworkers = 1\n"));
    std::fs::write("/proc/sys/net/ipv4/ip_local_port_range", "61000 61007").unwrap();
    let (tell, told) = mpsc::channel();
    for port in 20_000..20_030 {
        let (mut client, tell) = (client_from(port, proxy.address()), tell.clone());
        std::thread::spawn(move || tell.send(client.get("/x")).unwrap());
    }
    let next = || told.recv_timeout(PATIENCE).unwrap();
    for _ in 0..22 {
        let answer = next();
        assert_eq!(answer.status, 503);
        let why = answer.head.field("proxy-status").unwrap();
        assert!(why.contains("connection_limit_reached") && why.contains("no local port is free"), "{why}");
    }
    assert!(shortages(&proxy, "ports") >= 22);
    assert!(proxy.stderr().contains("net.ipv4.ip_local_port_range"));
    (0..8).for_each(|_| cue.give());
    assert!((0..8).all(|_| next().status == 200));
    // an answer may be with its client a moment before its connection can be used again
    let idle =
        "evenkeel_upstream_connections{service=\"api\",backend=\"{}\",state=\"idle\"}".replace("{}", origin.address());
    wait_until("a connection can be used again", || proxy.metric(&idle) > 0);
    cue.give();
    assert_eq!(client_from(20_030, proxy.address()).get("/x").status, 200);
    assert_eq!(proxy.metric(&of_backend("breaker_state", origin.address())), 0);
    assert_eq!(proxy.metric(&of_backend("backend_failures_total", origin.address())), 0);
}

/// A client with a port that the kernel would not have chosen.
fn client_from(port: u16, to: SocketAddr) -> Client {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 2], port)).into()).unwrap();
    socket.connect(&to.into()).unwrap();
    Client::from_tcp(socket.into())
}
