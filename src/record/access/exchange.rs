//! The access log's line of an exchange.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use http::header::HeaderValue;
use http::{Method, Uri, Version};

use super::time::clf;
use super::{AttemptLog, Ended, Names, add_promise, add_proxy_header};
use crate::clock::rfc3339;
use crate::outcome::Outcome;

/// What a line says of a request; kept while the exchange lasts.
#[derive(Debug)]
pub struct ExchangeEntry {
    /// Who sent it; `None` over a Unix socket.
    pub client: Option<IpAddr>,
    /// Its first line.
    pub line: FirstLine,
    /// The backends that were asked.
    pub attempts: AttemptLog,
    /// What a PROXY header said of the client beyond its address.
    pub proxy_header: Vec<(Box<str>, Box<str>)>,
    /// The host that was asked for.
    pub host: Option<HeaderValue>,
    /// `Referer`
    pub referer: Option<HeaderValue>,
    /// `User-Agent`
    pub user_agent: Option<HeaderValue>,
}

/// The first line of a request.
#[derive(Debug)]
pub enum FirstLine {
    /// It was read.
    Read(Method, Uri, Version),
    /// It was refused: its method, its target, and its version, as far as they are known.
    Refused([Option<Box<str>>; 3]),
}

impl FirstLine {
    /// Method, target and version.
    fn pieces(&self) -> [Option<&str>; 3] {
        match self {
            Self::Read(method, target, version) => {
                [Some(method.as_str()), target.path_and_query().map(|p| p.as_str()), Some(self::version(*version))]
            }
            Self::Refused(pieces) => [0, 1, 2].map(|at: usize| pieces[at].as_deref()),
        }
    }
}

/// One JSON object.
pub(super) fn json(entry: &ExchangeEntry, names: &Names<'_>, outcome: &Outcome, ended: Ended) -> String {
    let text = |value: &Option<HeaderValue>| value.as_ref().map(|v| String::from_utf8_lossy(v.as_bytes()).into_owned());
    let [method, target, protocol] = entry.line.pieces();
    let mut line = serde_json::json!({
        "time": rfc3339(SystemTime::now()),
        "client": entry.client,
        "listener": names.listener,
        "method": method,
        "host": text(&entry.host),
        "target": target,
        "protocol": protocol,
        "status": outcome.status.map(|s| s.as_u16()),
        "bytes": outcome.body_bytes,
        "duration_ms": (ended.elapsed.as_secs_f64() * 1e6).round() / 1e3,
        "service": names.service,
        "backend": names.backend,
        "referer": text(&entry.referer),
        "user_agent": text(&entry.user_agent),
    });
    entry.attempts.add(&mut line, outcome.attempts, outcome.failure);
    if let Some(call) = outcome.grpc {
        line["grpc_status"] = call.status().into();
    }
    add_promise(&mut line, ended.promise);
    add_proxy_header(&mut line, &entry.proxy_header);
    format!("{line}\n")
}

/// As Apache's "combined", with microseconds at the end.
pub(super) fn combined(entry: &ExchangeEntry, outcome: &Outcome, elapsed: Duration) -> String {
    let mut line = String::with_capacity(256);
    match entry.client {
        Some(client) => _ = write!(line, "{client} - - ["),
        None => line.push_str("- - - ["),
    }
    let _ = write!(line, "{}] \"", clf(SystemTime::now()));
    for (at, piece) in entry.line.pieces().into_iter().enumerate() {
        line.push_str(if at == 0 { "" } else { " " });
        escaped(&mut line, piece.unwrap_or("-").as_bytes());
    }
    let status = outcome.status.map_or(499, |s| s.as_u16());
    let _ = write!(line, "\" {status} {} ", outcome.body_bytes);
    for value in [&entry.referer, &entry.user_agent] {
        line.push('"');
        escaped(&mut line, value.as_ref().map_or(&b"-"[..], HeaderValue::as_bytes));
        line.push_str("\" ");
    }
    let _ = writeln!(line, "{}", elapsed.as_micros());
    line
}

/// Writes what stands in quotes. As in Apache's logs, what could end the quotes has a backslash, and what is not printable ASCII is `\xHH`.
fn escaped(line: &mut String, value: &[u8]) {
    for &byte in value {
        match byte {
            b'"' | b'\\' => _ = write!(line, "\\{}", char::from(byte)),
            b' '..=b'~' => line.push(char::from(byte)),
            _ => _ = write!(line, "\\x{byte:02x}"),
        }
    }
}

fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2",
        _ => "HTTP/1.1",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_cannot_be_ended_from_within() {
        let hostile = HeaderValue::from_bytes(b"a\" \\ \xff").ok();
        let entry = ExchangeEntry {
            client: None,
            line: FirstLine::Read(Method::GET, "/a\"b?\\\u{e9}".parse().unwrap(), Version::HTTP_11),
            attempts: AttemptLog::default(),
            proxy_header: Vec::new(),
            host: None,
            referer: hostile,
            user_agent: None,
        };
        let line = combined(&entry, &Outcome::begun(std::time::Instant::now()), Duration::from_micros(7));
        let (_, after_time) = line.split_once("] ").unwrap();
        let want = r#""GET /a\"b?\\\xc3\xa9 HTTP/1.1" 499 0 "a\" \\ \xff" "-" 7"#;
        assert_eq!(after_time, format!("{want}\n"));
    }
}
