//! A reset that comes when the side that it comes from has ended already: nothing more can be read there that would tell of it.

use std::sync::{Mutex, mpsc};

use crate::support::{Origin, PATIENCE, Proxy, config};
use crate::tcp::TCP;

/// With a log of what became of sessions.
fn logged(origin: &Origin) -> Proxy {
    Proxy::start(&(config(TCP, "", &[origin]) + "[log]\naccess = \"{dir}/access.log\"\n"))
}

/// The session is over long before its `idle_timeout`; why.
fn failure(proxy: &Proxy) -> String {
    proxy.wait_for_metrics("evenkeel_client_connections{listener=\"web\"} 0");
    let log = proxy.path("access.log");
    crate::support::wait_until("the line is written", || {
        std::fs::read_to_string(&log).is_ok_and(|text| text.ends_with('\n'))
    });
    let line: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&log).unwrap()).unwrap();
    line["failure"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_client_that_ends_its_side_and_then_breaks_is_gone_though_its_backend_is_silent() {
    let (ended, end) = mpsc::channel();
    let (go, gone) = mpsc::channel::<()>();
    let gone = Mutex::new(gone);
    let origin = Origin::script(move |conn| {
        conn.bytes(1);
        assert!(conn.is_closed());
        let _ = ended.send(());
        let _ = gone.lock().unwrap().recv_timeout(PATIENCE);
    });
    let proxy = logged(&origin);
    let mut client = proxy.client();
    client.send("a");
    client.finish();
    end.recv_timeout(PATIENCE).unwrap();
    client.reset();
    assert_eq!(failure(&proxy), "the client went away");
    drop(go);
}

#[test]
fn a_backend_that_ends_its_side_and_then_breaks_has_broken_though_its_client_is_silent() {
    let (go, gone) = mpsc::channel::<()>();
    let gone = Mutex::new(gone);
    let origin = Origin::script(move |conn| {
        conn.send("b");
        conn.finish();
        let _ = gone.lock().unwrap().recv_timeout(PATIENCE);
        conn.reset();
    });
    let proxy = logged(&origin);
    let mut client = proxy.client();
    assert_eq!(client.rest(), b"b");
    go.send(()).unwrap();
    let failure = failure(&proxy);
    assert!(failure.contains("backend"), "{failure}");
}
