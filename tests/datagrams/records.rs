//! What is told of sessions: figures, status, access log.

use crate::support::{LOG, Proxy, UdpOrigin, wait_until};
use crate::{client, config, open_sessions};

#[test]
fn a_session_is_counted_while_it_lasts_and_recorded_when_it_is_over() {
    let origin = UdpOrigin::saying("four");
    let toml = config("idle_timeout = \"1s\"", "", &[origin.address()]);
    let proxy = Proxy::start(&(toml + LOG));
    let client = client(&proxy);
    for _ in 0..3 {
        client.ask(b"ab");
    }
    wait_until("the session ends", || open_sessions(&proxy) == 0);
    let of = |rest: &str| format!("evenkeel_{rest}");
    let ended = format!(
        "requests_total{{listener=\"udp\",service=\"api\",backend=\"{}\",code_class=\"ok\"}}",
        origin.address()
    );
    wait_until("it is counted", || proxy.metric(&of(&ended)) == 1);
    assert_eq!(proxy.metric(&of("request_duration_seconds_count{service=\"api\"}")), 1);
    assert_eq!(proxy.metric(&of("client_connections_total{listener=\"udp\"}")), 1);
    for (direction, bytes) in [("in", 6), ("out", 12)] {
        let labels = format!("{{listener=\"udp\",direction=\"{direction}\"}}");
        assert_eq!(proxy.metric(&of(&format!("bytes_total{labels}"))), bytes);
        assert_eq!(proxy.metric(&of(&format!("datagrams_total{labels}"))), 3);
    }
    let line = proxy.logged();
    assert_eq!((&line["client"], &line["protocol"]), (&"127.0.0.1".into(), &"UDP".into()));
    assert_eq!((&line["bytes_received"], &line["bytes"]), (&6.into(), &12.into()));
    assert_eq!((&line["datagrams_received"], &line["datagrams"]), (&3.into(), &3.into()));
    assert_eq!((&line["end"], &line["backend"]), (&"idle".into(), &origin.address().into()));
}

#[test]
fn the_status_shows_sessions_as_what_is_in_flight_at_a_backend() {
    let origin = UdpOrigin::echo();
    let proxy = Proxy::start(&config("", "", &[origin.address()]));
    let clients = [client(&proxy), client(&proxy), client(&proxy)];
    clients.iter().for_each(|client| drop(client.ask(b"?")));
    assert_eq!(proxy.status()["services"]["api"]["backends"][0]["in_flight"], 3);
}
