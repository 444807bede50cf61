//! What each client may have of connections and bandwidth.

use std::time::{Duration, Instant};

use crate::support::{Client, Conn, Origin};
use crate::tcp::tcp;

#[test]
fn a_connection_above_the_limit_is_reset_and_the_others_go_on() {
    let origin = Origin::script(Conn::echo);
    let proxy = tcp("[listener.client_limits]\nconnections = 1\n", "", &[&origin]);
    let echoed = |client: &mut Client| {
        client.send("through");
        assert_eq!(client.bytes(7), b"through");
    };
    let mut first = Client::connect_from("127.0.0.2", proxy.address());
    echoed(&mut first);
    assert!(Client::connect_from("127.0.0.2", proxy.address()).is_reset());
    echoed(&mut Client::connect_from("127.0.0.3", proxy.address()));
    echoed(&mut first);
    let series = "evenkeel_client_limited_total{listener=\"web\",limit=\"connections\",outcome=\"refused\"}";
    assert_eq!(proxy.metric(series), 1);
    assert_eq!(origin.connections(), 2);
}

#[test]
fn both_directions_are_held_to_the_bandwidth_of_the_client() {
    const BYTES: usize = (1 << 20) + (256 << 10);
    for direction in ["upload", "download"] {
        let origin = Origin::script(Conn::echo);
        let limits = format!("[listener.client_limits]\n{direction} = \"1MiB/s\"\n{direction}_burst = \"256KiB\"\n");
        // a session that is held is not silent
        let proxy = tcp(&format!("idle_timeout = \"500ms\"\n{limits}"), "", &[&origin]);
        let mut client = proxy.client();
        let began = Instant::now();
        let mut sending = client.split();
        std::thread::scope(|scope| {
            scope.spawn(move || sending.send("x".repeat(BYTES)));
            assert_eq!(client.bytes(BYTES).len(), BYTES);
        });
        assert!(began.elapsed() > Duration::from_millis(900), "{:?}", began.elapsed());
        let series =
            format!("evenkeel_client_limited_total{{listener=\"web\",limit=\"{direction}\",outcome=\"delayed\"}}");
        assert_eq!(proxy.metric(&series), 1);
    }
}
