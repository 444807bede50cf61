//! HTTP with the admin address of a running Evenkeel, for the commands that ask it.

mod client;
mod wire;

use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde_json::Value;

pub(super) use client::{AdminClient, AdminOptions};

use super::{BAD_CONFIGURATION, fail, note};

/// How long an answer may take. A reload may wait for names to be looked up.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a command is sent again while an upgrade is under way. The new process has 30 s to start.
const UPGRADE: Duration = Duration::from_secs(40);

/// An answer of the admin address.
#[derive(Debug)]
pub(super) struct Answer {
    /// The status of HTTP.
    pub status: u16,
    /// The pause that it asks for before the next try (`Retry-After`).
    retry_after: Option<Duration>,
    /// The body, where it is JSON; else null.
    pub body: Value,
    /// The body, where it is text.
    text: String,
}

/// A request to the admin address.
struct AdminRequest<'a> {
    method: &'a str,
    target: &'a str,
    body: &'a str,
    /// Whoever waits is told when the answer takes its time.
    is_told: bool,
}

impl AdminOptions {
    /// Sends a request without a body.
    ///
    /// # Errors
    ///
    /// A sentence for people, when there is no answer.
    pub fn ask(&self, method: &str, target: &str) -> Result<Answer, String> {
        self.ask_with(method, target, None, Duration::ZERO)
    }

    /// Sends a request with this body, whose answer may take `patience` longer than others. While an upgrade is under way it is sent again
    /// until the new process answers it.
    ///
    /// # Errors
    ///
    /// A sentence for people, when there is no answer.
    pub fn ask_with(
        &self,
        method: &str,
        target: &str,
        body: Option<&Value>,
        patience: Duration,
    ) -> Result<Answer, String> {
        let client = self.client()?;
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = AdminRequest { method, target, body: &body, is_told: true };
        let give_up = Instant::now() + UPGRADE;
        let mut has_told = false;
        loop {
            let answer = client.ask(&request, PATIENCE + patience)?;
            let Some(pause) = answer.pause().filter(|pause| Instant::now() + *pause < give_up) else {
                return Ok(answer);
            };
            if !std::mem::replace(&mut has_told, true) {
                note(&format!("{} (asking again)", answer.detail()));
            }
            std::thread::sleep(pause);
        }
    }
}

impl AdminClient {
    /// Sends a request once, with a body as a POST. Nothing is said on standard error, and each step may take `patience`.
    ///
    /// # Errors
    ///
    /// A sentence for people, when there is no answer.
    pub fn ask_once(&self, target: &str, body: Option<&Value>, patience: Duration) -> Result<Answer, String> {
        let method = if body.is_some() { "POST" } else { "GET" };
        let body = body.map(Value::to_string).unwrap_or_default();
        self.ask(&AdminRequest { method, target, body: &body, is_told: false }, patience)
    }
}

/// Reads an answer that ends with its connection.
fn parse(bytes: &[u8]) -> Option<Answer> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    let mut fields = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    let retry_after = fields.find(|(name, _)| name.eq_ignore_ascii_case("retry-after"));
    let retry_after = retry_after.and_then(|(_, value)| value.trim().parse().ok()).map(Duration::from_secs);
    let body = &bytes[end + 4..];
    let text = String::from_utf8_lossy(body).into_owned();
    Some(Answer { status, retry_after, body: serde_json::from_slice(body).unwrap_or_default(), text })
}

impl Answer {
    /// The body of an answer with status 200. For any other status, its message is shown.
    ///
    /// # Errors
    ///
    /// The exit code for another status.
    pub fn success(self) -> Result<Value, ExitCode> {
        if self.status == 200 {
            return Ok(self.body);
        }
        let failed = fail(&format!("{} ({})", self.detail(), self.status));
        Err(if self.status == 422 { ExitCode::from(BAD_CONFIGURATION) } else { failed })
    }

    /// The same, as text.
    ///
    /// # Errors
    ///
    /// The exit code for another status.
    pub fn success_text(self) -> Result<String, ExitCode> {
        let text = self.text.clone();
        self.success().map(|_| text)
    }

    /// The message of a problem.
    fn detail(&self) -> &str {
        self.body.get("detail").and_then(Value::as_str).unwrap_or("the answer says no more").trim_end()
    }

    /// How long to wait before the request is sent again; `None` = the answer is final.
    fn pause(&self) -> Option<Duration> {
        self.retry_after.filter(|_| self.status == 503)
    }
}

/// Encodes a name as one segment of a path (RFC 3986, section 3.3).
pub(super) fn segment(name: &str) -> String {
    let mut encoded = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' => {
                encoded.push(char::from(byte))
            }
            _ => _ = write!(encoded, "%{byte:02X}"),
        }
    }
    encoded
}

/// The query of a target, from names and values.
pub(super) fn query<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_to_its_end() {
        let answer =
            parse(b"HTTP/1.1 422 Unprocessable Entity\r\nContent-Length: 14\r\n\r\n{\"detail\": \"x\"}").unwrap();
        assert_eq!((answer.status, answer.body["detail"].as_str()), (422, Some("x")));
        let busy = parse(b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\n\r\n").unwrap();
        assert_eq!((busy.pause(), busy.detail()), (Some(Duration::from_secs(1)), "the answer says no more"));
        assert_eq!(parse(b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\n\r\n").unwrap().pause(), None);
        assert!(parse(b"SSH-2.0-x\r\n\r\n").is_none());
        assert!(parse(b"HTTP/1.1 200 OK\r\n").is_none());
    }

    #[test]
    fn names_become_one_segment_whatever_is_in_them() {
        assert_eq!(segment("10.0.0.1:80"), "10.0.0.1:80");
        assert_eq!(segment("unix:/a b?"), "unix:%2Fa%20b%3F");
    }
}
