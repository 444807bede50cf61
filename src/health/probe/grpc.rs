//! A check by `grpc.health.v1.Health/Check`: <https://github.com/grpc/grpc/blob/master/doc/health-checking.md>.
//!
//! Both messages are a handful of bytes, written and read by hand.

use std::borrow::Cow;

use bytes::{BufMut, Bytes, BytesMut};
use http::header::{self, HeaderMap, HeaderValue};
use http::uri::PathAndQuery;
use http::{Method, StatusCode};
use http_body_util::BodyExt;

use super::h2::{CheckRequest, ask, broken};
use super::{CheckFailure, CheckResult, Target};
use crate::io::Stream;
use crate::protobuf::{self, Value, Writer};

/// The most that an answer may be: 2 bytes, and room for fields that we do not know.
const MAX_MESSAGE: usize = 4096;
/// The length of a message's prefix: a byte that says whether it is compressed, and the message's length.
const PREFIX: usize = 5;
/// `ServingStatus.SERVING`
const SERVING: u64 = 1;

/// Asks for the health of `service`; empty = the whole server.
pub async fn check(stream: Stream, target: &Target, service: &str) -> CheckResult {
    let mut headers = HeaderMap::with_capacity(3);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(header::TE, HeaderValue::from_static("trailers"));
    headers.insert(header::USER_AGENT, HeaderValue::from_static("evenkeel-health-check"));
    let authority = target.authority();
    let question = CheckRequest {
        method: Method::POST,
        path: PathAndQuery::from_static("/grpc.health.v1.Health/Check"),
        authority: &authority,
        headers,
        body: request(service),
    };
    let mut answer = ask(stream, question).await?;
    if answer.status() != StatusCode::OK {
        return Err(CheckFailure::new(format!("status {}, expected 200", answer.status().as_u16())));
    }
    if let Some(status) = grpc_status(answer.headers()) {
        accept(status)?;
    }
    let (mut message, mut trailers) = (BytesMut::new(), None);
    while let Some(frame) = answer.frame().await {
        match frame.map_err(broken)?.into_data() {
            Ok(data) if message.len() + data.len() > MAX_MESSAGE => {
                return Err(CheckFailure::new("its message is too long"));
            }
            Ok(data) => message.extend_from_slice(&data),
            Err(frame) => trailers = frame.into_trailers().ok(),
        }
    }
    match trailers.as_ref().and_then(grpc_status) {
        Some(status) => accept(status)?,
        None => return Err(CheckFailure::new("its answer has no grpc-status")),
    }
    match serving_status(&message) {
        Some(SERVING) => Ok(Cow::Borrowed("SERVING")),
        Some(0) => Err(CheckFailure::new("gRPC health is UNKNOWN")),
        Some(2) => Err(CheckFailure::new("gRPC health is NOT_SERVING")),
        Some(3) => Err(CheckFailure::new("gRPC health is SERVICE_UNKNOWN")),
        Some(other) => Err(CheckFailure::new(format!("gRPC health is {other}"))),
        None => Err(CheckFailure::new("its message can't be read")),
    }
}

/// `HealthCheckRequest { string service = 1; }` behind its prefix.
fn request(service: &str) -> Bytes {
    let mut message = Writer::default();
    message.bytes(1, service.as_bytes());
    let message = message.into_bytes();
    let mut framed = BytesMut::with_capacity(PREFIX + message.len());
    framed.put_u8(0);
    framed.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    framed.put_slice(&message);
    framed.freeze()
}

/// `HealthCheckResponse { ServingStatus status = 1; }` behind its prefix; fields that we do not know are passed over.
fn serving_status(framed: &[u8]) -> Option<u64> {
    let (prefix, mut message) = framed.split_at_checked(PREFIX)?;
    let length = u32::from_be_bytes(prefix[1..].try_into().ok()?);
    if prefix[0] != 0 || length as usize != message.len() {
        return None;
    }
    // proto3 leaves a field out that is 0
    let mut status = 0;
    while let Some((number, value)) = protobuf::field(&mut message).ok()? {
        if let (1, Value::Varint(value)) = (number, value) {
            status = value;
        }
    }
    Some(status)
}

fn grpc_status(fields: &HeaderMap) -> Option<&HeaderValue> {
    fields.get("grpc-status")
}

fn accept(status: &HeaderValue) -> Result<(), CheckFailure> {
    match status.as_bytes() {
        b"0" => Ok(()),
        b"5" => Err(CheckFailure::new("gRPC status 5: it does not know the service")),
        b"12" => Err(CheckFailure::new("gRPC status 12: it has no health service")),
        other => Err(CheckFailure::new(format!("gRPC status {}", String::from_utf8_lossy(other)))),
    }
}

#[cfg(test)]
mod tests;
