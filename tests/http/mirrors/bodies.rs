//! Bodies of copies: shared with the original, bounded, and never waited for.

use super::{in_flight, mirrored, toml, wait_for};
use crate::support::{Cue, Origin, Proxy, wait_until};

#[test]
fn a_body_that_is_too_long_is_not_copied_and_passes_whole() {
    let (api, next) = (Origin::echoing(), Origin::ok());
    let proxy = Proxy::start(&toml("max_body = \"10KiB\"", &api, "", next.address()));
    let mut client = proxy.client();
    let body = |length: usize| (0..length).map(|at| (at % 251) as u8).collect::<Vec<u8>>();
    let mut put = |length: usize| {
        client.send(format!("PUT /{length} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n"));
        client.send(body(length));
        assert!(client.response().body == body(length));
    };
    put(10 * 1024 + 1);
    assert_eq!((mirrored(&proxy, "too_large"), next.connections()), (1, 0), "it is not even begun");
    put(10 * 1024);
    wait_for(&proxy, "answered", 1);
    assert!(next.request().body == body(10 * 1024));
    // what has no length is known to be too long when it is
    client.send("PUT /chunks HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    for _ in 0..3 {
        client.send("1000\r\n".to_owned() + &"y".repeat(0x1000) + "\r\n");
    }
    client.send("0\r\n\r\n");
    assert_eq!(client.response().body, vec![b'y'; 3 * 0x1000]);
    wait_for(&proxy, "too_large", 2);
    wait_until("its connection is closed", || next.open() <= 1);
    assert_eq!(next.requests().len(), 1, "nothing is passed off as a whole body");
    let proxy = Proxy::start(&toml("max_body = 0", &api, "", next.address()));
    let mut client = proxy.client();
    client.send("PUT /none HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n");
    assert_eq!(client.response().text(), "x");
    assert_eq!(mirrored(&proxy, "too_large"), 1);
    client.get("/get");
    wait_for(&proxy, "answered", 1);
}

#[test]
fn a_second_service_that_takes_bodies_slowly_slows_nobody_down() {
    let api = Origin::echoing();
    // it reads heads and no bodies
    let cue = Cue::default();
    let awaited = cue.clone();
    let next = Origin::script(move |conn| {
        let _ = conn.request_head();
        awaited.wait();
    });
    let proxy = Proxy::start(&toml("max_body = \"16MiB\"", &api, "", next.address()));
    let mut client = proxy.client();
    let body = vec![b'z'; 15 << 20];
    for _ in 0..4 {
        client.send(format!("PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len()));
        client.send(&body);
        assert!(client.response().body == body);
    }
    // 16 MiB may wait on a worker; how much of each the kernel holds besides is up to that
    let given_up = mirrored(&proxy, "too_slow");
    assert!(given_up > 0);
    assert_eq!(given_up + in_flight(&proxy), 4);
    cue.give();
}

#[test]
fn a_request_that_is_broken_off_is_broken_off_in_copy() {
    let api = Origin::echoing();
    let next = Origin::script(|conn| {
        let Ok(mut head) = conn.request_head() else { return };
        assert!(conn.finish_request(&mut head).is_err(), "it is never whole");
    });
    let proxy = Proxy::start(&toml("", &api, "", next.address()));
    let mut client = proxy.client();
    client.send("PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf");
    wait_until("the copy is on its way", || next.tape().contains("half"));
    client.reset();
    wait_for(&proxy, "cancelled", 1);
    wait_until("its connection is closed", || next.open() == 0);
    let failures = format!("evenkeel_backend_failures_total{{service=\"next\",backend=\"{}\"}}", next.address());
    assert_eq!(proxy.metric(&failures), 0, "that is not its doing");
}

#[test]
fn a_client_that_waits_for_100_gets_it_from_the_first_service_alone() {
    let (api, next) = (Origin::echoing(), Origin::ok());
    let proxy = Proxy::start(&toml("", &api, "", next.address()));
    let mut client = proxy.client();
    client.send("PUT /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    wait_until("the first service is asked", || api.tape().contains("100-continue"));
    assert_eq!(next.connections(), 0);
    assert_eq!(client.bytes(25), b"HTTP/1.1 100 Continue\r\n\r\n");
    client.send("hello");
    assert_eq!(client.response().text(), "hello");
    wait_for(&proxy, "answered", 1);
    assert_eq!((next.request().field("expect"), next.request().body), (None, b"hello".to_vec()));
    // and one that is refused leaves nothing behind
    let refusing = Origin::script(|conn| {
        let _ = conn.request_head();
        conn.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    });
    let next = Origin::ok();
    let proxy = Proxy::start(&toml("", &refusing, "", next.address()));
    let mut client = proxy.client();
    client.send("PUT /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    assert_eq!(client.response_head().status, 413);
    drop(client);
    wait_for(&proxy, "cancelled", 1);
    assert_eq!(next.connections(), 0);
}

#[test]
fn an_upgrade_is_not_copied() {
    let api = Origin::script(|conn| {
        let _ = conn.request();
        conn.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
        conn.echo();
    });
    let next = Origin::ok();
    let proxy = Proxy::start(&toml("", &api, "", next.address()));
    let mut client = proxy.client();
    client.send("GET /x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
    assert_eq!(client.response_head().status, 101);
    client.send("hello");
    assert_eq!(client.bytes(5), b"hello");
    assert_eq!((in_flight(&proxy), next.connections()), (0, 0));
}
