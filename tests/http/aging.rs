//! `pool.max_age`: connections to backends that have become too old.

use std::time::Duration;

use crate::support::{Cue, Origin, Proxy, config, wait_until};

fn aging(max_age: &str, backends: &[&Origin]) -> Proxy {
    Proxy::start(&config("", &format!("[service.api.pool]\nmax_age = \"{max_age}\""), backends))
}

#[test]
fn an_old_connection_carries_no_other_request() {
    let origin = Origin::ok();
    let proxy = aging("100ms", &[&origin]);
    let mut client = proxy.client();
    wait_until("another connection is made", || {
        assert_eq!(client.get("/x").status, 200);
        origin.connections() > 1
    });
}

#[test]
fn an_old_connection_is_closed_when_it_has_nothing_to_do() {
    let origin = Origin::ok();
    let proxy = aging("300ms", &[&origin]);
    assert_eq!(proxy.client().get("/x").status, 200);
    wait_until("it is closed", || origin.open() == 0);
}

#[test]
fn an_answer_is_not_cut_however_old_its_connection_is() {
    let cue = Cue::default();
    let awaited = cue.clone();
    let origin = Origin::script(move |conn| {
        while conn.request().is_ok() {
            conn.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n");
            assert!(awaited.wait());
            conn.send("1\r\nk\r\n0\r\n\r\n");
        }
    });
    let proxy = aging("40ms", &[&origin]);
    let mut client = proxy.client();
    client.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_until("the answer has begun", || client.has_news(Duration::from_millis(10)));
    // more than its age, and than it takes to look through those that are idle
    std::thread::sleep(Duration::from_millis(1200));
    cue.give();
    assert_eq!(client.response().text(), "ok");
    wait_until("it is not kept", || origin.open() == 0);
}

#[test]
fn a_reload_tells_connections_that_are_there_already() {
    let origin = Origin::ok();
    let proxy = aging("0s", &[&origin]);
    let mut client = proxy.client();
    assert_eq!(client.get("/x").status, 200);
    let toml = config("", "[service.api.pool]\nmax_age = \"20ms\"", &[&origin]);
    assert_eq!(proxy.reload(&toml).status, 200);
    // it is heard with the next request
    wait_until("another connection is made", || {
        assert_eq!(client.get("/x").status, 200);
        origin.connections() > 1
    });
}
