//! What a session is: a client's address, a backend, and the end of silence.

use std::net::{SocketAddr, UdpSocket};

use quinn_udp::{Transmit, UdpSocketState};

use crate::support::{Proxy, UdpClient, UdpOrigin, wait_until};
use crate::{address, client, config, open_sessions};

#[test]
fn what_a_client_sends_comes_to_a_backend_and_the_answer_comes_back() {
    let origin = UdpOrigin::echo();
    let proxy = Proxy::start(&config("", "", &[origin.address()]));
    let client = client(&proxy);
    for word in ["one", "two", "three"] {
        assert_eq!(client.ask(word.as_bytes()), word.as_bytes());
    }
    assert_eq!(origin.peers().len(), 1, "one session, one socket");
}

#[test]
fn clients_are_shared_out_and_each_stays_where_it_is() {
    let origins = [UdpOrigin::saying("a"), UdpOrigin::saying("b")];
    let proxy = Proxy::start(&config("", "", &origins.each_ref().map(UdpOrigin::address)));
    let clients: Vec<UdpClient> = (0..20).map(|_| client(&proxy)).collect();
    let first: Vec<Vec<u8>> = clients.iter().map(|client| client.ask(b"?")).collect();
    assert!(first.contains(&b"a".to_vec()) && first.contains(&b"b".to_vec()), "{first:?}");
    for _ in 0..3 {
        let again: Vec<Vec<u8>> = clients.iter().map(|client| client.ask(b"?")).collect();
        assert_eq!(again, first);
    }
    assert_eq!(open_sessions(&proxy), 20);
    assert_eq!(origins[0].peers().len() + origins[1].peers().len(), 20);
}

#[test]
fn datagrams_from_a_network_that_may_not_come_in_are_dropped_and_counted() {
    let origin = UdpOrigin::echo();
    let deny = "deny = [\"127.0.0.0/8\"]\nallow = [\"127.0.0.2\"]";
    let proxy = Proxy::start(&config(deny, "", &[origin.address()]));
    let denied = UdpSocket::bind("127.0.0.1:0").unwrap();
    for count in 1..4 {
        denied.send_to(b"?", address(&proxy, "udp")).unwrap();
        let series = "evenkeel_access_denied_total{listener=\"udp\",route=\"\",reason=\"network\"}";
        wait_until("it is counted", || proxy.metric(series) == count);
    }
    let allowed = UdpSocket::bind("127.0.0.2:0").unwrap();
    allowed.set_read_timeout(Some(crate::support::PATIENCE)).unwrap();
    allowed.send_to(b"in", address(&proxy, "udp")).unwrap();
    let mut answer = [0; 8];
    let (length, _) = allowed.recv_from(&mut answer).unwrap();
    assert_eq!(&answer[..length], b"in");
    assert_eq!(origin.peers().len(), 1);
}

#[test]
fn a_client_has_so_many_sessions_at_a_time() {
    let origin = UdpOrigin::echo();
    let limits = "[listener.client_limits]\nconnections = 2\n";
    let proxy = Proxy::start(&config(limits, "", &[origin.address()]));
    let clients = [(); 3].map(|()| client(&proxy));
    clients[..2].iter().for_each(|client| assert_eq!(client.ask(b"in"), b"in"));
    for count in 1..3 {
        clients[2].send(b"?");
        let series = "evenkeel_client_limited_total{listener=\"udp\",limit=\"connections\",outcome=\"refused\"}";
        wait_until("it is counted", || proxy.metric(series) == count);
    }
    assert_eq!(clients[0].ask(b"on"), b"on");
    let other = UdpSocket::bind("127.0.0.2:0").unwrap();
    other.set_read_timeout(Some(crate::support::PATIENCE)).unwrap();
    other.send_to(b"in", address(&proxy, "udp")).unwrap();
    assert_eq!(other.recv(&mut [0; 8]).unwrap(), 2);
    assert_eq!(origin.peers().len(), 3);
}

#[test]
fn an_empty_datagram_and_the_largest_one_pass() {
    let origin = UdpOrigin::echo();
    let proxy = Proxy::start(&config("", "", &[origin.address()]));
    let client = client(&proxy);
    assert_eq!(client.ask(b""), b"");
    let largest: Vec<u8> = (0..65_507_u32).map(|at| at as u8).collect();
    assert_eq!(client.ask(&largest), largest);
    assert_eq!(client.ask(b"x"), b"x");
}

/// Sends a run of datagrams of one size, as a QUIC endpoint does.
fn send_run(socket: &UdpSocket, to: SocketAddr, bytes: &[u8], size: usize) {
    let state = UdpSocketState::new(socket.into()).unwrap();
    socket.set_nonblocking(false).unwrap();
    let run = Transmit { destination: to, ecn: None, contents: bytes, segment_size: Some(size), src_ip: None };
    state.try_send(socket.into(), &run).unwrap();
}

#[test]
fn a_run_of_datagrams_arrives_as_the_datagrams_that_it_is_made_of() {
    let origin = UdpOrigin::script(|_| Vec::new());
    let proxy = Proxy::start(&config("", "", &[origin.address()]));
    let client = client(&proxy);
    // 40 datagrams of 1,200 bytes, each of another letter, and a shorter one
    let mut run: Vec<u8> = (0..40).flat_map(|at| [b'A' + at; 1200]).collect();
    run.extend([b'z'; 7]);
    send_run(client.socket(), address(&proxy, "udp"), &run, 1200);
    wait_until("all have arrived", || origin.datagrams().len() == 41);
    let arrived: Vec<(u8, usize)> = origin.datagrams().iter().map(|(_, bytes)| (bytes[0], bytes.len())).collect();
    let mut sent: Vec<(u8, usize)> = (0..40).map(|at| (b'A' + at, 1200)).collect();
    sent.push((b'z', 7));
    assert_eq!(arrived, sent);
    assert!(origin.datagrams().iter().all(|(_, bytes)| bytes.iter().all(|byte| *byte == bytes[0])));
    // a backend can have the last one a moment before it is counted
    let counted = || proxy.metric("evenkeel_datagrams_total{listener=\"udp\",direction=\"in\"}");
    wait_until("all are counted", || counted() >= 41);
    assert_eq!(counted(), 41);
}

#[test]
fn a_run_of_answers_comes_back_as_the_datagrams_that_it_is_made_of() {
    let backend = UdpSocket::bind("127.0.0.1:0").unwrap();
    backend.set_read_timeout(Some(crate::support::PATIENCE)).unwrap();
    let proxy = Proxy::start(&config("", "", &[backend.local_addr().unwrap().to_string()]));
    let client = client(&proxy);
    // what begins as a QUIC connection is expected to bring runs
    let mut initial = vec![0xc0, 0, 0, 0, 1, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0];
    initial.resize(1200, 0);
    client.send(&initial);
    let (length, session) = backend.recv_from(&mut [0; 2000]).unwrap();
    assert_eq!(length, 1200);
    let run: Vec<u8> = (0..30).flat_map(|at| [b'A' + at; 1300]).chain([b'z'; 9]).collect();
    send_run(&backend, session, &run, 1300);
    let came: Vec<Vec<u8>> = (0..31).map(|_| client.receive()).collect();
    assert_eq!(came.concat(), run);
    assert_eq!((came[0].len(), came[30].len()), (1300, 9));
}

#[test]
fn a_silent_session_ends_and_the_client_gets_another_one() {
    let origin = UdpOrigin::echo();
    let proxy = Proxy::start(&config("idle_timeout = \"1s\"", "", &[origin.address()]));
    let client = client(&proxy);
    client.ask(b"1");
    wait_until("the session ends", || open_sessions(&proxy) == 0);
    assert_eq!(proxy.metric("evenkeel_in_flight"), 0);
    assert_eq!(client.ask(b"2"), b"2");
    let [first, second] = origin.peers()[..] else { panic!("{:?}", origin.peers()) };
    assert_ne!(first, second);
}

#[test]
fn when_there_are_as_many_as_may_be_a_silent_one_makes_room() {
    let origin = UdpOrigin::echo();
    let proxy = Proxy::start(&config("max_connections = 2", "", &[origin.address()]));
    for _ in 0..5 {
        let client = client(&proxy);
        client.socket().set_read_timeout(Some(std::time::Duration::from_millis(50))).unwrap();
        // those that were there spoke a moment ago and are spared for a while
        wait_until("there is room", || {
            client.send(b"?");
            client.socket().recv(&mut [0]).is_ok()
        });
        assert!(open_sessions(&proxy) <= 2);
    }
}

#[test]
fn an_answer_comes_from_the_address_that_was_asked() {
    let origin = UdpOrigin::echo();
    let toml = config("", "", &[origin.address()]).replace("127.0.0.1:0", "0.0.0.0:0");
    let proxy = Proxy::start(&toml);
    let port = address(&proxy, "udp").port();
    // each hears nobody but the address that it asked, which is one of many of this machine
    for host in [[127, 0, 0, 1], [127, 0, 0, 2], [127, 1, 2, 3]] {
        assert_eq!(UdpClient::new(SocketAddr::from((host, port))).ask(b"?"), b"?");
    }
    assert_eq!(open_sessions(&proxy), 3);
}

#[test]
fn both_families_come_in_by_a_socket_for_both_and_go_to_either() {
    let origins = [UdpOrigin::echo(), UdpOrigin::bound("[::1]:0", |datagram| vec![datagram.to_vec()])];
    let toml = config("", "", &origins.each_ref().map(UdpOrigin::address)).replace("127.0.0.1:0", "[::]:0");
    let proxy = Proxy::start(&toml);
    let port = address(&proxy, "udp").port();
    for _ in 0..8 {
        for host in ["127.0.0.1", "127.0.0.2", "::1"] {
            assert_eq!(UdpClient::new(SocketAddr::new(host.parse().unwrap(), port)).ask(b"?"), b"?");
        }
    }
    assert!(origins.iter().all(|origin| !origin.peers().is_empty()));
}
