//! What is told of sessions: figures, status, access log.

use crate::support::{Proxy, UdpOrigin, wait_until};
use crate::{client, config, metric, open_sessions};

#[test]
fn a_session_is_counted_while_it_lasts_and_recorded_when_it_is_over() {
    let origin = UdpOrigin::saying("four");
    let toml = config("idle_timeout = \"300ms\"", "", &[origin.address()]);
    let proxy = Proxy::start(&format!("{toml}[log]\naccess = \"{{dir}}/access.log\"\n"));
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
    assert_eq!(metric(&proxy, &of(&ended)), 1);
    assert_eq!(metric(&proxy, &of("request_duration_seconds_count{service=\"api\"}")), 1);
    assert_eq!(metric(&proxy, &of("client_connections_total{listener=\"udp\"}")), 1);
    for (direction, bytes) in [("in", 6), ("out", 12)] {
        let labels = format!("{{listener=\"udp\",direction=\"{direction}\"}}");
        assert_eq!(metric(&proxy, &of(&format!("bytes_total{labels}"))), bytes);
        assert_eq!(metric(&proxy, &of(&format!("datagrams_total{labels}"))), 3);
    }
    let log = proxy.path("access.log");
    wait_until("the line is written", || std::fs::read_to_string(&log).is_ok_and(|text| text.ends_with('\n')));
    let line: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&log).unwrap()).unwrap();
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
    let status: serde_json::Value = serde_json::from_str(&proxy.admin("/api/v1/status").unwrap().text()).unwrap();
    assert_eq!(status["services"]["api"]["backends"][0]["in_flight"], 3);
}
