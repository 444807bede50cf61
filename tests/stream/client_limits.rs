//! What each client may have of connections.

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
