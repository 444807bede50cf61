//! What a collector's answer means for the message that it answers (OTLP, sections "OTLP/gRPC Response" and "OTLP/HTTP Response").

use std::time::{Duration, SystemTime};

use data_encoding::BASE64_NOPAD;
use http::{HeaderMap, StatusCode};
use percent_encoding::percent_decode;

use crate::protobuf::{self, Value};
use crate::webhook::asked;

/// The longest text of a collector's that is passed on to people, in characters.
const MOST_TEXT: usize = 200;

/// The longest pause that a collector may ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// A collector's answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    /// The status of HTTP.
    pub status: StatusCode,
    /// The fields.
    pub headers: HeaderMap,
    /// The begin of the body.
    pub body: Vec<u8>,
    /// The trailers.
    pub trailers: HeaderMap,
}

/// What it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Handling {
    /// The collector has the message, but so many of its entries, for this reason; a reason alone is a warning.
    Taken(u64, String),
    /// The collector may take it later, after this time at the earliest; why it does not now.
    Later(Duration, String),
    /// The collector refuses it, and would refuse it again; why.
    Refused(String),
}

impl Answer {
    /// What it means over HTTP.
    pub fn of_http(&self, now: SystemTime) -> Handling {
        match self.status {
            status if status.is_success() => taken(&self.body),
            StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => {
                Handling::Later(asked(&self.headers, now).min(LONGEST_PAUSE), self.http_reason())
            }
            _ => Handling::Refused(self.http_reason()),
        }
    }

    /// What it means over gRPC. Its status is in the trailers, or in the head where nothing else was sent.
    pub fn of_grpc(&self) -> Handling {
        let status = self.trailers.get("grpc-status").or_else(|| self.headers.get("grpc-status"));
        let Some(code) = status.and_then(|status| status.to_str().ok()?.parse::<u32>().ok()) else {
            return self.without_grpc_status();
        };
        if code == 0 {
            // a byte that says whether it is compressed, and four with its length
            return taken(self.body.get(5..).unwrap_or_default());
        }
        let field = |name| self.trailers.get(name).or_else(|| self.headers.get(name));
        let text = field("grpc-message").map(|text| percent_decode(text.as_bytes()).decode_utf8_lossy().into_owned());
        let reason = told(&format!("gRPC status {code}"), &text.unwrap_or_default());
        let pause = field("grpc-status-details-bin").and_then(|details| retry_delay(details.as_bytes()));
        match (code, pause) {
            // CANCELLED, DEADLINE_EXCEEDED, ABORTED, OUT_OF_RANGE, UNAVAILABLE, DATA_LOSS
            (1 | 4 | 10 | 11 | 14 | 15, pause) => Handling::Later(pause.unwrap_or_default(), reason),
            // RESOURCE_EXHAUSTED of a collector that says when it can take more
            (8, Some(pause)) => Handling::Later(pause, reason),
            _ => Handling::Refused(reason),
        }
    }

    /// Somebody between has answered who does not know gRPC (grpc's `http-grpc-status-mapping.md`).
    fn without_grpc_status(&self) -> Handling {
        let reason = format!("status {} without a gRPC status", self.status.as_u16());
        match self.status.as_u16() {
            429 | 502 | 503 | 504 => Handling::Later(Duration::ZERO, reason),
            _ => Handling::Refused(reason),
        }
    }

    /// A failure over HTTP has a `google.rpc.Status` as its body.
    fn http_reason(&self) -> String {
        let is_ours = self.headers.get(http::header::CONTENT_TYPE).is_some_and(|kind| kind == "application/x-protobuf");
        let text = if is_ours { text_at(&self.body, 2) } else { String::new() };
        told(&format!("status {}", self.status.as_u16()), &text)
    }
}

/// A message was taken: all of it, or the rest of it (`partial_success`).
fn taken(mut response: &[u8]) -> Handling {
    let (mut rejected, mut why) = (0, String::new());
    while let Ok(Some((number, value))) = protobuf::field(&mut response) {
        let (1, Value::Bytes(mut partial)) = (number, value) else { continue };
        why = text_at(partial, 2);
        while let Ok(Some((number, value))) = protobuf::field(&mut partial) {
            if let (1, Value::Varint(count)) = (number, value) {
                rejected = count;
            }
        }
    }
    Handling::Taken(rejected, why)
}

/// The text in this field of a message; empty = there is none.
fn text_at(mut message: &[u8], field: u64) -> String {
    let mut text = String::new();
    while let Ok(Some((number, value))) = protobuf::field(&mut message) {
        if let Value::Bytes(bytes) = value
            && number == field
        {
            text = String::from_utf8_lossy(bytes).chars().take(MOST_TEXT).collect();
        }
    }
    text
}

/// The pause that `RetryInfo` asks for in the details of a status (`google.rpc.Status` in base64).
fn retry_delay(details: &[u8]) -> Option<Duration> {
    let padding = details.iter().rev().take_while(|byte| **byte == b'=').count();
    let status = BASE64_NOPAD.decode(&details[..details.len() - padding]).ok()?;
    let any = inner(&status, 3, |any| text_at(any, 1).ends_with("/google.rpc.RetryInfo"))?;
    let delay = inner(inner(any, 2, |_| true)?, 1, |_| true)?;
    let (mut delay, mut pause) = (delay, Duration::ZERO);
    while let Some((number, value)) = protobuf::field(&mut delay).ok()? {
        match (number, value) {
            (1, Value::Varint(seconds)) => pause += Duration::from_secs(seconds.min(LONGEST_PAUSE.as_secs())),
            (2, Value::Varint(nanos)) => pause += Duration::from_nanos(nanos.min(999_999_999)),
            _ => {}
        }
    }
    Some(pause.min(LONGEST_PAUSE))
}

/// The first message in this field that is wanted.
fn inner(mut message: &[u8], field: u64, wanted: impl Fn(&[u8]) -> bool) -> Option<&[u8]> {
    while let Some((number, value)) = protobuf::field(&mut message).ok()? {
        if let Value::Bytes(found) = value
            && number == field
            && wanted(found)
        {
            return Some(found);
        }
    }
    None
}

fn told(what: &str, text: &str) -> String {
    let text: String = text.chars().take(MOST_TEXT).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.is_empty() { what.to_owned() } else { format!("{what}: {text}") }
}

#[cfg(test)]
mod tests;
