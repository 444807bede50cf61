//! Backends that are not there, that go, and that are chosen.

use crate::support::{Proxy, UdpClient, UdpOrigin, wait_until};
use crate::{NOBODY, client, config, open_sessions};

#[test]
fn where_nobody_is_listening_another_backend_gets_what_was_sent() {
    let origin = UdpOrigin::echo();
    let outlier = "[service.api.outlier]\nconsecutive_failures = 0\n";
    let proxy = Proxy::start(&(config("", "", &[NOBODY.to_owned(), origin.address()]) + outlier));
    let clients: Vec<UdpClient> = (0..10).map(|_| client(&proxy)).collect();
    for client in &clients {
        assert_eq!(client.ask(b"?"), b"?", "sent once, answered once");
    }
    let failures = format!("evenkeel_backend_failures_total{{service=\"api\",backend=\"{NOBODY}\"}}");
    assert!(proxy.metric(&failures) >= 2, "with two workers, at least every second of eight or so");
    assert_eq!(origin.datagrams().len(), 10, "nothing came twice");
    assert_eq!(proxy.metric("evenkeel_retries_total{service=\"api\",outcome=\"succeeded\"}"), proxy.metric(&failures));
}

#[test]
fn a_backend_that_is_not_there_is_ejected() {
    let origin = UdpOrigin::echo();
    let outlier = "[service.api.outlier]\nconsecutive_failures = 2\n";
    let proxy = Proxy::start(&(config("", "", &[NOBODY.to_owned(), origin.address()]) + outlier));
    let ejections = format!("evenkeel_ejections_total{{service=\"api\",backend=\"{NOBODY}\"");
    wait_until("it is ejected", || {
        assert_eq!(client(&proxy).ask(b"?"), b"?");
        proxy.metric(&ejections) == 1
    });
}

#[test]
fn where_nobody_is_there_at_all_the_failure_is_counted() {
    let proxy = Proxy::start(&config("", "", &[NOBODY.to_owned()]));
    client(&proxy).send(b"?");
    let failed = format!(
        "evenkeel_requests_total{{listener=\"udp\",service=\"api\",backend=\"{NOBODY}\",code_class=\"failed\"}}"
    );
    wait_until("it is counted", || proxy.metric(&failed) == 1);
    assert_eq!(open_sessions(&proxy), 0);
}

#[test]
fn a_backend_that_goes_away_loses_its_sessions_to_another() {
    let (first, second) = (UdpOrigin::saying("first"), UdpOrigin::saying("second"));
    let backends = [first.address(), second.address()];
    let backup = format!("{}\nid = \"b\"\nbackup = true\n", config("", "", &backends).trim_end());
    let proxy = Proxy::start(&backup);
    let client = client(&proxy);
    assert_eq!(client.ask(b"?"), b"first");
    drop(first);
    client.socket().set_read_timeout(Some(std::time::Duration::from_millis(100))).unwrap();
    // a datagram that went to nobody after the backend has answered once is lost; the next one does not go there
    wait_until("the session has moved", || {
        client.send(b"?");
        client.socket().recv(&mut [0; 9]).is_ok()
    });
    client.socket().set_read_timeout(Some(crate::support::PATIENCE)).unwrap();
    while client.has_heard() {
        client.receive();
    }
    assert_eq!(client.ask(b"?"), b"second");
}

#[test]
fn an_operator_can_send_sessions_elsewhere_and_leave_them_where_they_are() {
    let origins = [UdpOrigin::saying("a"), UdpOrigin::saying("b")];
    let proxy = Proxy::start(&config("", "", &origins.each_ref().map(UdpOrigin::address)));
    let client = client(&proxy);
    let first = client.ask(b"?");
    let (used, other) = if first == b"a" { (&origins[0], "b") } else { (&origins[1], "a") };
    let tell = |what: &str| assert_eq!(proxy.command(what, &used.address()), 200);
    tell("drain");
    for _ in 0..3 {
        assert_eq!(client.ask(b"?"), first, "a drained backend keeps its sessions");
    }
    tell("disable");
    wait_until("the session has moved", || client.ask(b"?") == other.as_bytes());
    tell("enable");
    for _ in 0..3 {
        assert_eq!(client.ask(b"?"), other.as_bytes(), "and stays where it moved");
    }
}

#[test]
fn clients_of_one_address_go_to_one_backend_where_the_hash_says_so() {
    let origins = [UdpOrigin::echo(), UdpOrigin::echo(), UdpOrigin::echo()];
    let by_hash = "balance = \"consistent_hash\"\nhash = { on = \"client_ip\" }";
    let by_table = "affinity = { by = \"client_ip\" }";
    for service in [by_hash, by_table] {
        let proxy = Proxy::start(&config("", service, &origins.each_ref().map(UdpOrigin::address)));
        let before: Vec<usize> = origins.iter().map(|origin| origin.datagrams().len()).collect();
        for _ in 0..10 {
            client(&proxy).ask(b"?");
        }
        let mut got: Vec<usize> =
            origins.iter().zip(before).map(|(origin, before)| origin.datagrams().len() - before).collect();
        got.sort_unstable();
        assert_eq!(got, [0, 0, 10], "{service}");
    }
}

#[test]
fn a_backend_takes_no_more_sessions_than_it_may() {
    let origins = [UdpOrigin::saying("a"), UdpOrigin::saying("b")];
    let toml = config("", "", &origins.each_ref().map(UdpOrigin::address));
    let proxy =
        Proxy::start(&toml.replacen("[[service.api.backend]]", "[[service.api.backend]]\nmax_connections = 1", 1));
    let clients: Vec<UdpClient> = (0..6).map(|_| client(&proxy)).collect();
    let answers: Vec<Vec<u8>> = clients.iter().map(|client| client.ask(b"?")).collect();
    assert_eq!(answers.iter().filter(|answer| *answer == b"a").count(), 1, "{answers:?}");
}

#[test]
fn what_this_machine_does_not_allow_is_no_failure_of_the_backend() {
    // the kernel lets no socket send to everybody that has not asked for leave to
    const EVERYBODY: &str = "255.255.255.255:9";
    let origin = UdpOrigin::echo();
    let outlier = "[service.api.outlier]\nconsecutive_failures = 1\n";
    let proxy = Proxy::start(&(config("", "", &[EVERYBODY.to_owned(), origin.address()]) + outlier));
    for _ in 0..10 {
        assert_eq!(client(&proxy).ask(b"?"), b"?");
    }
    assert!(proxy.metric("evenkeel_shortages_total{reason=\"permission\"}") >= 2);
    assert_eq!(proxy.metric(&format!("evenkeel_backend_up{{service=\"api\",backend=\"{EVERYBODY}\"}}")), 1);
    assert_eq!(proxy.metric(&format!("evenkeel_backend_failures_total{{service=\"api\",backend=\"{EVERYBODY}\"}}")), 0);
}
