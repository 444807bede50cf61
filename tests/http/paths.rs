//! Backends with several addresses, which are paths to one machine; and where connections to backends come from.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Client, Conn, OK, Origin, PATIENCE, Proxy, UdpClient, UdpOrigin, backend, config, wait_until};

const CHECKS: &str =
    "health = { kind = \"tcp\", interval = \"50ms\", fast_interval = \"50ms\", timeout = \"2s\", fall = 1, rise = 1 }";

fn paths(addresses: &[&str]) -> String {
    format!("[[service.api.backend]]\nid = \"a\"\naddresses = {addresses:?}\n")
}

/// The backend `a` as the status has it.
fn shown(proxy: &Proxy) -> Value {
    proxy.status()["services"]["api"]["backends"][0].clone()
}

fn states(proxy: &Proxy) -> Vec<String> {
    let paths = shown(proxy)["paths"].as_array().cloned().unwrap_or_default();
    let state = |path: &Value| {
        let chosen = if path["chosen"] == true { " chosen" } else { "" };
        format!("{}{chosen}", path["state"].as_str().unwrap())
    };
    paths.iter().map(state).collect()
}

/// An address at which nobody listens.
fn nobody() -> String {
    TcpListener::bind("127.0.0.2:0").unwrap().local_addr().unwrap().to_string()
}

fn ok(conn: &mut Conn) {
    while conn.request().is_ok() && conn.send(OK.as_bytes()) {}
}

#[test]
fn a_path_that_refuses_costs_no_request_and_is_told() {
    let origin = Origin::ok();
    let dead = nobody();
    let service = format!("{CHECKS}\nretry = {{ attempts = 0 }}");
    let proxy = Proxy::start(&(config("", &service, &[]) + &paths(&[&dead, origin.address()])));
    for _ in 0..20 {
        assert_eq!(proxy.client().get("/x").status, 200);
    }
    wait_until("the path is down", || states(&proxy) == ["down", "up chosen"]);
    let backend = shown(&proxy);
    assert_eq!((&backend["state"], &backend["address"]), (&"up".into(), &Value::from(dead.clone())));
    assert_eq!(backend["paths"][0]["last_check"]["reason"], "connection refused");
    assert!(backend["paths"][1]["rtt_ms"].as_f64().is_some());
    assert_eq!(backend["failures"], 0);
    let series = |metric: &str, address: &str| {
        proxy.metric(&format!("evenkeel_{metric}{{service=\"api\",backend=\"a\",address=\"{address}\"}}"))
    };
    assert_eq!([series("path_up", &dead), series("path_up", origin.address())], [0, 1]);
    assert_eq!([series("path_chosen", &dead), series("path_chosen", origin.address())], [0, 1]);
    let events = proxy.admin("/api/v1/events").unwrap().text();
    assert!(events.contains("\"path_down\"") && events.contains("\"path_chosen\""), "{events}");
    assert_eq!(proxy.status()["services"]["api"]["total"], 1);
}

#[test]
fn a_backend_is_down_only_when_all_its_paths_are_and_comes_back_by_any() {
    let (one, other) = (Origin::ok(), Origin::ok());
    let addresses = [one.address().to_owned(), other.address().to_owned()];
    let proxy = Proxy::start(&(config("", CHECKS, &[]) + &paths(&[&addresses[0], &addresses[1]])));
    wait_until("both are up", || states(&proxy) == ["up chosen", "up"]);
    drop(one);
    wait_until("one is down", || states(&proxy) == ["down", "up chosen"]);
    assert_eq!(proxy.client().get("/x").status, 200);
    drop(other);
    wait_until("both are down", || shown(&proxy)["state"] == "down" && states(&proxy)[1].starts_with("down"));
    let back = Origin::script_at(addresses[0].parse().unwrap(), ok);
    wait_until("the first is used", || states(&proxy)[0] == "up chosen" && shown(&proxy)["state"] == "up");
    assert_eq!(proxy.client().get("/x").status, 200);
    assert_eq!(back.requests().iter().filter(|request| request.target() == "/x").count(), 1);
}

/// A listener whose connections are neither made nor refused once it is full.
struct Stuck {
    listener: socket2::Socket,
    kept: Vec<TcpStream>,
}

impl Stuck {
    fn new() -> (Self, SocketAddr) {
        let listener = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        listener.bind(&SocketAddr::from(([127, 0, 0, 2], 0)).into()).unwrap();
        listener.listen(64).unwrap();
        let address = listener.local_addr().unwrap().as_socket().unwrap();
        (Self { listener, kept: Vec::new() }, address)
    }

    /// From now on its kernel answers nobody, as if its link were cut.
    fn fill(&mut self) {
        self.listener.listen(0).unwrap();
        let address = self.listener.local_addr().unwrap().as_socket().unwrap();
        while let Ok(tcp) = TcpStream::connect_timeout(&address, Duration::from_millis(100)) {
            self.kept.push(tcp);
        }
    }
}

#[test]
fn requests_that_wait_on_a_path_that_dies_are_sent_again_over_the_other_and_the_backend_is_not_charged() {
    let (mut stuck, dying) = Stuck::new();
    let good = Origin::ok();
    let service = "health = { kind = \"tcp\", interval = \"200ms\", fast_interval = \"200ms\", timeout = \"300ms\" }\n\
                   retry = { attempts = 0 }\ntimeout = { response = \"60s\" }\ncircuit_breaker = { failures = 1, open_for = \"1h\" }";
    let proxy = Proxy::start(&(config("", service, &[]) + &paths(&[&dying.to_string(), good.address()])));
    wait_until("both are up", || states(&proxy) == ["up chosen", "up"]);
    // the connection is made, by the kernel alone, and nobody answers on it
    let mut client = proxy.client();
    client.send("GET /waits HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_until("it waits", || shown(&proxy)["in_flight"] == 1);
    let began = Instant::now();
    stuck.fill();
    assert_eq!(client.response().status, 200);
    assert!(began.elapsed() < PATIENCE);
    assert_eq!(good.requests().iter().filter(|request| request.target() == "/waits").count(), 1);
    let backend = shown(&proxy);
    assert_eq!(
        (&backend["failures"], &backend["breaker"], &backend["state"]),
        (&0.into(), &"closed".into(), &"up".into())
    );
    // the choice is in force a moment before the status has all of it
    wait_until("the status has it", || states(&proxy) == ["down", "up chosen"]);
}

#[test]
fn kept_connections_over_a_path_that_is_down_are_not_used_again() {
    let (mut stuck, dying) = Stuck::new();
    let good = Origin::ok();
    let accepting = stuck.listener.try_clone().unwrap();
    // answers the first request, and then nothing; checks send none
    let server = std::thread::spawn(move || {
        loop {
            let mut tcp = TcpStream::from(accepting.accept().unwrap().0);
            if tcp.read(&mut [0; 4096]).is_ok_and(|read| read > 0) {
                tcp.write_all(OK.as_bytes()).unwrap();
                return tcp;
            }
        }
    });
    let service = "health = { kind = \"tcp\", interval = \"100ms\", fast_interval = \"100ms\", timeout = \"300ms\" }\n\
                   retry = { attempts = 0 }";
    let proxy = Proxy::start(&(config("", service, &[]) + &paths(&[&dying.to_string(), good.address()])));
    let mut client = proxy.client();
    assert_eq!(client.get("/first").status, 200);
    let _kept = server.join().unwrap();
    stuck.fill();
    wait_until("the path is down", || states(&proxy) == ["down", "up chosen"]);
    client.send("POST /second HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi");
    assert_eq!(client.response().status, 200, "a request that can't be repeated");
    assert_eq!(good.targets(), ["/second"]);
}

#[test]
fn a_session_of_tcp_over_a_path_that_dies_is_reset_and_the_next_one_goes_by_the_other() {
    let (mut stuck, dying) = Stuck::new();
    let good = Origin::script(Conn::echo);
    let service = "health = { kind = \"tcp\", interval = \"100ms\", fast_interval = \"100ms\", timeout = \"300ms\" }";
    let toml = config("protocol = \"tcp\"\n", service, &[]) + &paths(&[&dying.to_string(), good.address()]);
    let proxy = Proxy::start(&toml);
    wait_until("both are up", || states(&proxy) == ["up chosen", "up"]);
    let mut client = proxy.client();
    client.send("hello?");
    wait_until("it is connected", || shown(&proxy)["in_flight"] == 1);
    stuck.fill();
    assert!(client.is_reset(), "it would wait for nothing");
    let backend = shown(&proxy);
    assert_eq!((&backend["state"], &backend["failures"]), (&"up".into(), &0.into()));
    let mut next = proxy.client();
    next.send("hi");
    assert_eq!(next.bytes(2), b"hi");
}

#[test]
fn datagrams_go_by_the_path_that_works() {
    let origin = UdpOrigin::echo();
    let dead = nobody();
    let listener = "protocol = \"udp\"\n";
    let toml = config(listener, "", &[]) + &paths(&[&dead, &origin.address()]);
    let proxy = Proxy::start(&toml);
    let client = UdpClient::new(proxy.address());
    assert_eq!(client.ask(b"hi"), b"hi");
}

/// Answers each request with the address that it comes from; and where it listens.
fn telling() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for tcp in listener.incoming() {
            let mut tcp = tcp.unwrap();
            let peer = tcp.peer_addr().unwrap().ip().to_string();
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{peer}", peer.len());
            std::thread::spawn(move || {
                while tcp.read(&mut [0; 4096]).is_ok_and(|read| read > 0) && tcp.write_all(answer.as_bytes()).is_ok() {}
            });
        }
    });
    address
}

fn source(client: &mut Client) -> String {
    client.get("/x").text()
}

#[test]
fn connections_take_turns_at_the_sources_and_a_reload_changes_them() {
    let origin = telling();
    let toml =
        |source: &str| config("", &format!("source = {source}\npool = {{ max_idle = 0 }}"), &[]) + &backend(origin);
    let proxy = Proxy::start(&toml("[\"127.0.0.3-127.0.0.5\"]"));
    let mut client = proxy.client();
    let mut seen: Vec<String> = (0..6).map(|_| source(&mut client)).collect();
    seen.sort();
    seen.dedup();
    assert_eq!(seen, ["127.0.0.3", "127.0.0.4", "127.0.0.5"]);
    assert_eq!(proxy.reload(&toml("[\"127.0.0.6\"]")).status, 200);
    wait_until("the new one is used", || source(&mut proxy.client()) == "127.0.0.6");
}

#[test]
fn a_connection_that_was_kept_under_another_source_is_not_used_again() {
    let origin = telling();
    let toml = |source: &str| config("", &format!("source = [\"{source}\"]"), &[]) + &backend(origin);
    let proxy = Proxy::start(&toml("127.0.0.3"));
    let mut client = proxy.client();
    assert_eq!([source(&mut client), source(&mut client)], ["127.0.0.3"; 2]);
    assert_eq!(proxy.reload(&toml("127.0.0.4")).status, 200);
    wait_until("the new one is used", || source(&mut client) == "127.0.0.4");
    assert_eq!((0..10).map(|_| source(&mut client)).find(|source| source != "127.0.0.4"), None);
}

#[test]
fn a_source_that_is_not_here_is_this_machines_trouble_and_is_said() {
    let origin = Origin::ok();
    // TEST-NET-1 (RFC 5737) is nobody's
    let proxy = Proxy::start(&config("", "source = [\"192.0.2.1\"]", &[&origin]));
    assert_eq!(proxy.client().get("/x").status, 503);
    assert!(proxy.metric("evenkeel_shortages_total{reason=\"route\"}") > 0);
    assert!(proxy.stderr().contains("`source`"), "{}", proxy.stderr());
    assert_eq!(shown(&proxy)["failures"], 0);
}

#[test]
fn checks_come_from_the_source_as_well() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let service = "source = [\"127.0.0.7\"]\nhealth = { kind = \"tcp\", interval = \"50ms\" }";
    let _proxy = Proxy::start(&(config("", service, &[]) + &backend(server.local_addr().unwrap())));
    assert_eq!(server.accept().unwrap().1.ip().to_string(), "127.0.0.7");
}

#[test]
fn datagrams_come_from_the_source_as_well() {
    let origin = UdpOrigin::echo();
    let toml = config("protocol = \"udp\"\n", "source = [\"127.0.0.8\"]", &[]) + &backend(origin.address());
    let proxy = Proxy::start(&toml);
    assert_eq!(UdpClient::new(proxy.address()).ask(b"hi"), b"hi");
    assert_eq!(origin.peers()[0].ip().to_string(), "127.0.0.8");
}
