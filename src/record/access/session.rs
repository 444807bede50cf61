//! The access log's line of a session.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use super::time::clf;
use super::{AttemptLog, Ended, Names, add_promise, add_proxy_header};
use crate::clock::rfc3339;
use crate::outcome::{End, SessionOutcome};
use crate::policy::ListenerProtocol;

/// What a line says of a session's client; kept while the session lasts.
#[derive(Debug)]
pub struct SessionEntry {
    /// Who it is; `None` over a Unix socket.
    pub client: Option<IpAddr>,
    /// What the listener speaks.
    pub protocol: ListenerProtocol,
    /// What a PROXY header said of it beyond its address.
    pub proxy_header: Vec<(Box<str>, Box<str>)>,
    /// The name that it asked for in TLS.
    pub server_name: Option<Box<str>>,
    /// The backends that were tried.
    pub attempts: AttemptLog,
}

/// One JSON object.
pub(super) fn json(entry: &SessionEntry, names: &Names<'_>, outcome: &SessionOutcome, ended: Ended) -> String {
    let millis = |time: Duration| (time.as_secs_f64() * 1e6).round() / 1e3;
    let mut line = serde_json::json!({
        "time": rfc3339(SystemTime::now()),
        "client": entry.client,
        "listener": names.listener,
        "protocol": protocol(entry.protocol),
        "server_name": entry.server_name,
        "bytes_received": outcome.received,
        "bytes": outcome.sent,
        "duration_ms": millis(ended.elapsed),
        "connect_ms": outcome.connected.map(millis),
        "service": names.service,
        "backend": names.backend,
        "end": end(outcome),
    });
    entry.attempts.add(&mut line, outcome.attempts, outcome.failure);
    if let Some([received, sent]) = outcome.datagrams {
        line["datagrams_received"] = received.into();
        line["datagrams"] = sent.into();
    }
    add_promise(&mut line, ended.promise);
    add_proxy_header(&mut line, &entry.proxy_header);
    format!("{line}\n")
}

/// As near to Apache's "combined" as what has no request can be: the request is the protocol, the name that was asked for, and
/// where it went; the status is the word for its end.
pub(super) fn combined(entry: &SessionEntry, names: &Names<'_>, outcome: &SessionOutcome, elapsed: Duration) -> String {
    let mut line = String::with_capacity(160);
    match entry.client {
        Some(client) => _ = write!(line, "{client} - - ["),
        None => line.push_str("- - - ["),
    }
    let _ = writeln!(
        line,
        "{}] \"{} {} {}\" {} {} \"-\" \"-\" {}",
        clf(SystemTime::now()),
        protocol(entry.protocol),
        // a name that was read from a ClientHello has no other characters than a host name's
        entry.server_name.as_deref().unwrap_or("-"),
        names.backend.unwrap_or("-"),
        end(outcome),
        outcome.sent,
        elapsed.as_micros(),
    );
    line
}

fn protocol(protocol: ListenerProtocol) -> &'static str {
    match protocol {
        ListenerProtocol::Http => "HTTP",
        ListenerProtocol::Tcp => "TCP",
        ListenerProtocol::Tls => "TLS",
        ListenerProtocol::Udp => "UDP",
    }
}

fn end(outcome: &SessionOutcome) -> &'static str {
    match (outcome.failure, outcome.end) {
        (Some(_), _) => "failed",
        (None, End::Closed) => "closed",
        (None, End::Idle) => "idle",
        (None, End::Cut) => "cut",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::error::Kind;

    #[test]
    fn a_line_says_who_where_how_much_and_how_it_ended() {
        let entry = SessionEntry {
            client: "192.0.2.7".parse().ok(),
            protocol: ListenerProtocol::Tls,
            proxy_header: vec![("unique_id".into(), "7f".into())],
            server_name: Some("a.example".into()),
            attempts: AttemptLog::default(),
        };
        let names = Names { listener: "edge", service: Some("app"), backend: Some("b1") };
        let mut outcome = SessionOutcome::begun(Instant::now());
        (outcome.received, outcome.sent, outcome.connected) = (7, 9, Some(Duration::from_micros(1_500)));
        outcome.end = End::Closed;
        let line: serde_json::Value = serde_json::from_str(&json(
            &entry,
            &names,
            &outcome,
            Ended { elapsed: Duration::from_secs(2), promise: None },
        ))
        .unwrap();
        assert_eq!(line["client"], "192.0.2.7");
        assert_eq!(line["proxy"]["unique_id"], "7f");
        assert_eq!((&line["bytes_received"], &line["bytes"]), (&7.into(), &9.into()));
        assert_eq!((&line["connect_ms"], &line["duration_ms"]), (&1.5.into(), &2000.0.into()));
        assert_eq!((&line["end"], &line["failure"]), (&"closed".into(), &serde_json::Value::Null));
        for (how, word) in [(End::Idle, "idle"), (End::Cut, "cut")] {
            outcome.end = how;
            assert_eq!(end(&outcome), word);
        }
        outcome.failure = Some(Kind::UpstreamClosed);
        let line = combined(&entry, &names, &outcome, Duration::from_micros(12));
        assert!(line.starts_with("192.0.2.7 - - ["), "{line}");
        assert!(line.ends_with("] \"TLS a.example b1\" failed 9 \"-\" \"-\" 12\n"), "{line}");
    }
}
