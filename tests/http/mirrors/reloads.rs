//! Copies over a reload, and at the end of the process.

use std::time::{Duration, Instant};

use super::{ask, toml, wait_for};
use crate::support::{Origin, Proxy, wait_until};

#[test]
fn a_reload_begins_ends_and_moves_the_copies() {
    let (api, next, other) = (Origin::ok(), Origin::ok(), Origin::ok());
    let with = toml("", &api, "", next.address());
    let without = with.replace("mirror = { service = \"next\" }", "");
    let moved = with.replace(next.address(), other.address());
    let proxy = Proxy::start(&without);
    let mut client = proxy.client();
    ask(&mut client, 3);
    assert_eq!(proxy.reload(&with).status, 200);
    ask(&mut client, 3);
    wait_for(&proxy, "answered", 3);
    assert_eq!(proxy.reload(&moved).status, 200);
    ask(&mut client, 2);
    // the counts go on
    wait_for(&proxy, "answered", 5);
    assert_eq!(proxy.reload(&without).status, 200);
    ask(&mut client, 4);
    assert_eq!((api.requests().len(), next.requests().len(), other.requests().len()), (12, 3, 2));
}

#[test]
fn a_copy_that_is_under_way_outlives_a_reload() {
    let (api, (next, cue)) = (Origin::ok(), Origin::answering_on_cue());
    let with = toml("", &api, "", next.address());
    let proxy = Proxy::start(&with);
    let mut client = proxy.client();
    ask(&mut client, 1);
    wait_until("it is there", || next.requests().len() == 1);
    assert_eq!(proxy.reload(&with.replace("service = \"next\"", "service = \"next\", share = \"50%\"")).status, 200);
    cue.give();
    wait_for(&proxy, "answered", 1);
}

#[test]
fn no_end_of_the_process_waits_for_copies() {
    let (api, next) = (Origin::ok(), Origin::silent());
    let mut proxy = Proxy::start(&toml("", &api, "timeout = { response = \"5m\" }", next.address()));
    ask(&mut proxy.client(), 5);
    wait_until("they were sent", || next.requests().len() == 5);
    let began = Instant::now();
    proxy.signal("TERM");
    assert!(proxy.wait().success());
    // `drain_timeout` is 30 s, and a copy may take as long
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    wait_until("their connections are closed", || next.open() == 0);
}
