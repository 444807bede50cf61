//! Backends, services and listeners that were taken away are forgotten once nothing with them is under way.

use crate::support::{Origin, Proxy, backend, config, wait_until};

fn wait_until_forgotten(proxy: &Proxy, name: &str) {
    wait_until("nothing is told of it any more", || !proxy.metrics().contains(name));
}

#[test]
fn a_backend_that_was_taken_away_leaves_the_metrics_and_its_connections_are_closed() {
    let (gone, stays) = (Origin::ok(), Origin::ok());
    let proxy = Proxy::start(&config("", "", &[&gone, &stays]));
    let mut clients: Vec<_> = (0..4).map(|_| proxy.client()).collect();
    for client in &mut clients {
        (0..4).for_each(|_| assert_eq!(client.get("/x").status, 200));
    }
    assert!(gone.open() > 0 && proxy.metrics().contains(gone.address()));
    assert_eq!(proxy.reload(&config("", "", &[&stays])).status, 200);
    // nobody asks for anything: long before their idle_timeout (50 s), and on workers that have nothing to do
    wait_until("its connections are closed", || gone.open() == 0);
    wait_until_forgotten(&proxy, gone.address());
    assert!(proxy.metrics().contains(stays.address()));
}

#[test]
fn what_is_under_way_with_it_ends_first() {
    let (gone, cue) = Origin::answering_on_cue();
    let stays = Origin::ok();
    let proxy = Proxy::start(&config("", "", &[&gone]));
    let mut client = proxy.client();
    client.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_until("it is under way", || !gone.requests().is_empty());
    assert_eq!(proxy.reload(&config("", "", &[&stays])).status, 200);
    let active =
        format!("evenkeel_upstream_connections{{service=\"api\",backend=\"{}\",state=\"active\"}}", gone.address());
    assert_eq!(proxy.metric(&active), 1, "its connection is counted as long as it is used");
    cue.give();
    assert_eq!(client.response().status, 200);
    wait_until_forgotten(&proxy, gone.address());
    wait_until("its connection is closed", || gone.open() == 0);
}

#[test]
fn a_backend_that_comes_back_begins_anew() {
    let (a, b) = (Origin::ok(), Origin::ok());
    let proxy = Proxy::start(&config("", "", &[&a, &b]));
    let requests =
        || proxy.metric(&format!("evenkeel_upstream_connects_total{{service=\"api\",backend=\"{}\"}}", a.address()));
    (0..4).for_each(|_| assert_eq!(proxy.client().get("/x").status, 200));
    assert!(requests() > 0);
    assert_eq!(proxy.reload(&config("", "", &[&b])).status, 200);
    wait_until_forgotten(&proxy, a.address());
    assert_eq!(proxy.reload(&config("", "", &[&a, &b])).status, 200);
    assert_eq!(requests(), 0);
    (0..4).for_each(|_| assert_eq!(proxy.client().get("/x").status, 200));
    assert!(requests() > 0);
}

#[test]
fn ejections_of_a_backend_that_was_taken_away_are_forgotten() {
    let (bad, good) = (Origin::answering("HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n"), Origin::ok());
    let outlier = "outlier = { consecutive_failures = 1 }";
    let proxy = Proxy::start(&config("", outlier, &[&bad, &good]));
    let mut client = proxy.client();
    let ejections = format!("evenkeel_ejections_total{{service=\"api\",backend=\"{}\"", bad.address());
    wait_until("it is ejected", || {
        client.get("/x");
        proxy.metric(&ejections) > 0
    });
    assert_eq!(proxy.reload(&config("", outlier, &[&good])).status, 200);
    wait_until_forgotten(&proxy, bad.address());
}

#[test]
fn a_service_and_a_listener_that_were_taken_away_are_forgotten() {
    let (a, b) = (Origin::ok(), Origin::ok());
    let stays = config("", "", &[&a]);
    let more = format!(
        "[[listener]]\nname = \"second\"\nbind = \"127.0.0.1:{{port2}}\"\nservice = \"departing\"\n\
         [service.departing]\nbackend = [{{ address = \"{}\" }}]\n",
        b.address()
    );
    let proxy = Proxy::start(&(stays.clone() + &more));
    assert_eq!(crate::support::Client::connect(proxy.second_address()).get("/x").status, 200);
    assert!(proxy.metrics().contains("second") && proxy.metrics().contains("departing"));
    assert_eq!(proxy.reload(&stays).status, 200);
    wait_until_forgotten(&proxy, "departing");
    wait_until_forgotten(&proxy, "\"second\"");
    wait_until("its backend's connection is closed", || b.open() == 0);
}

#[test]
fn backends_that_come_and_go_leave_nothing_behind() {
    let origin = Origin::ok();
    let proxy = Proxy::start(&config("", "", &[&origin]));
    // how long something takes has a series from the first time on
    assert_eq!(proxy.client().get("/x").status, 200);
    // a kind of event that there was has a count for ever
    let lines = || proxy.metrics().lines().filter(|line| !line.starts_with("evenkeel_events_total")).count();
    let before = lines();
    let port = origin.address().rsplit_once(':').unwrap().1;
    for round in 1..=20 {
        // an address of the loopback network that nobody has: refused, and asked all the same
        let toml = config("", "", &[&origin]) + &backend(format!("127.66.0.{round}:{port}"));
        assert_eq!(proxy.reload(&toml).status, 200);
        let mut client = proxy.client();
        (0..4).for_each(|_| assert_eq!(client.get("/x").status, 200));
    }
    assert_eq!(proxy.reload(&config("", "", &[&origin])).status, 200);
    wait_until_forgotten(&proxy, "127.66.0.");
    assert_eq!(lines(), before);
}
