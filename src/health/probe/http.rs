//! A check by HTTP: one request, judged by the status and, where that is asked for, by the start of the body.

use std::borrow::Cow;
use std::fmt::Write;

use bytes::BytesMut;
use http::StatusCode;
use http::header::{HeaderMap, HeaderValue};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::search::Search;
use super::{CheckFailure, CheckResult, MAX_ANSWER, Target};
use crate::error::{Error, Kind};
use crate::io::Stream;
use crate::policy::HttpCheck;
use crate::protocol::h1::decode::{Decoded, Decoder};
use crate::protocol::h1::encode;
use crate::protocol::h1::framing;
use crate::protocol::h1::head::{self, ResponseHead, Scan};
use crate::protocol::http::length::Length;
use crate::protocol::http::{HeadLimits, Leniency};

/// Interim responses before the answer.
const MAX_INTERIM: u32 = 16;

/// Makes the check over HTTP/1.1.
pub async fn check(stream: &mut Stream, target: &Target, check: &HttpCheck) -> CheckResult {
    stream.write_all(&request(target, check)).await?;
    stream.flush().await?;
    let mut buf = BytesMut::with_capacity(2048);
    let head = answer_head(stream, &mut buf, check).await?;
    let good = judge_status(check, head.status)?;
    let Some(wanted) = &check.expect_body else { return Ok(good) };
    let length = framing::response(&head.fields, &check.method, head.status, head.version)?;
    find_in_body(stream, buf, length, wanted.as_bytes()).await?;
    Ok(good)
}

/// The fields that both versions of HTTP send, beside the target and the host.
pub(super) fn fields(check: &HttpCheck) -> HeaderMap {
    let mut fields = HeaderMap::with_capacity(check.headers.len() + 1);
    fields.insert(http::header::USER_AGENT, HeaderValue::from_static("evenkeel-health-check"));
    for (name, value) in &check.headers {
        fields.insert(name, value.clone());
    }
    fields
}

/// The host that the backend is asked for.
pub(super) fn host(target: &Target, check: &HttpCheck) -> HeaderValue {
    let named = check.host.clone().or_else(|| HeaderValue::try_from(target.authority()).ok());
    named.unwrap_or(HeaderValue::from_static("localhost"))
}

/// Whether the status is one of the expected ones.
pub(super) fn judge_status(check: &HttpCheck, status: StatusCode) -> CheckResult {
    let code = status.as_u16();
    if check.expect_status.iter().any(|range| range.contains(&code)) {
        return Ok(Cow::Owned(format!("status {code}")));
    }
    let mut reason = format!("status {code}, expected");
    for (at, range) in check.expect_status.iter().enumerate() {
        let comma = if at == 0 { "" } else { "," };
        // writing to a `String` can't fail
        let _ = match range.start() == range.end() {
            true => write!(reason, "{comma} {}", range.start()),
            false => write!(reason, "{comma} {}-{}", range.start(), range.end()),
        };
    }
    Err(CheckFailure::new(reason))
}

/// The failure of a check whose text was not found in the body.
pub(super) fn not_found(search: &Search<'_>) -> CheckFailure {
    CheckFailure::new(match search.is_full() {
        true => "the expected text is not in the first 64 KiB of the body",
        false => "the expected text is not in the body",
    })
}

fn request(target: &Target, check: &HttpCheck) -> BytesMut {
    let mut out = BytesMut::with_capacity(256);
    for part in [check.method.as_str(), " ", check.path.as_str(), " HTTP/1.1\r\nhost: "] {
        out.extend_from_slice(part.as_bytes());
    }
    out.extend_from_slice(host(target, check).as_bytes());
    out.extend_from_slice(b"\r\n");
    encode::fields(&mut out, &fields(check));
    out.extend_from_slice(b"connection: close\r\n\r\n");
    out
}

async fn answer_head(stream: &mut Stream, buf: &mut BytesMut, check: &HttpCheck) -> Result<ResponseHead, CheckFailure> {
    let leniency = Leniency { bare_lf: check.allow_bare_lf, ..Leniency::default() };
    let limits = HeadLimits { bytes: MAX_ANSWER, fields: 100, leniency };
    let mut scan = Scan::default();
    let mut interim = 0;
    loop {
        if !buf.is_empty()
            && let Some(head) = head::response(buf, &mut scan, limits)?
        {
            if !head.status.is_informational() || head.status == StatusCode::SWITCHING_PROTOCOLS {
                return Ok(head);
            }
            interim += 1;
            if interim > MAX_INTERIM {
                return Err(CheckFailure::new("too many interim responses"));
            }
            continue;
        }
        if stream.read_buf(buf).await? == 0 {
            return Err(CheckFailure::new("closed before an answer"));
        }
    }
}

async fn find_in_body(
    stream: &mut Stream,
    mut buf: BytesMut,
    length: Length,
    wanted: &[u8],
) -> Result<(), CheckFailure> {
    let mut decoder = Decoder::new(length, Kind::UpstreamMalformed);
    let mut search = Search::new(wanted);
    loop {
        match decoder.decode(&mut buf)? {
            Decoded::Data(data) if search.finds(&data) => return Ok(()),
            Decoded::Data(_) if search.is_full() => return Err(not_found(&search)),
            Decoded::Data(_) => {}
            Decoded::Trailers(_) | Decoded::End => return Err(not_found(&search)),
            Decoded::Starved if stream.read_buf(&mut buf).await? > 0 => {}
            Decoded::Starved if decoder.end_of_stream() => return Err(not_found(&search)),
            Decoded::Starved => return Err(CheckFailure::new("closed within its answer")),
        }
    }
}

impl From<Error> for CheckFailure {
    fn from(error: Error) -> Self {
        Self::new(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::check;
    use super::super::testing::{Server, http, reason, target};
    use super::*;
    use crate::policy::{Check, ProxyHeader};

    /// What a check with `change` made to it comes to when the backend answers with these bytes and closes.
    async fn answered(answer: &'static [u8], change: impl FnOnce(&mut HttpCheck)) -> String {
        let server = Server::answer("\r\n\r\n", answer).await;
        let mut check = http();
        change(&mut check);
        reason(&target(server.address, Check::Http(check))).await
    }

    fn wants(text: &str) -> impl FnOnce(&mut HttpCheck) {
        let text = text.to_owned();
        move |check| check.expect_body = Some(text)
    }

    #[tokio::test]
    async fn the_status_decides() {
        assert_eq!(answered(b"HTTP/1.1 204 No Content\r\n\r\n", |_| {}).await, "good: status 204");
        assert_eq!(answered(b"HTTP/1.1 302 Found\r\nlocation: /x\r\n\r\n", |_| {}).await, "good: status 302");
        let down = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(answered(down, |_| {}).await, "status 503, expected 200-399");
        let only = |check: &mut HttpCheck| check.expect_status = vec![200..=200, 220..=229];
        assert_eq!(answered(b"HTTP/1.1 204 No Content\r\n\r\n", only).await, "status 204, expected 200, 220-229");
    }

    #[tokio::test]
    async fn interim_responses_are_passed_over() {
        let answer = b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\nHTTP/1.1 200 OK\r\n\r\n";
        assert_eq!(answered(answer, |_| {}).await, "good: status 200");
    }

    #[tokio::test]
    async fn the_body_decides_where_that_is_asked_for_however_it_is_framed() {
        let fixed = b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nall okay";
        let chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nall o\r\n3\r\nkay\r\n0\r\n\r\n";
        let until_close = b"HTTP/1.0 200 OK\r\n\r\nall okay";
        for answer in [&fixed[..], chunked, until_close] {
            assert_eq!(answered(answer, wants("okay")).await, "good: status 200");
            assert_eq!(answered(answer, wants("fine")).await, "the expected text is not in the body");
        }
        let short = b"HTTP/1.1 200 OK\r\ncontent-length: 80\r\n\r\nall okay";
        assert_eq!(answered(short, wants("fine")).await, "closed within its answer");
    }

    #[tokio::test]
    async fn garbage_and_silence_are_failures() {
        assert_eq!(answered(b"", |_| {}).await, "closed before an answer");
        let garbage = answered(b"SSH-2.0-OpenSSH_9.6\r\n", |_| {}).await;
        assert!(garbage.ends_with("its answer does not start with HTTP/1."), "{garbage}");
    }

    #[tokio::test]
    async fn endless_heads_and_bodies_are_cut_short() {
        let server = Server::endless(b"HTTP/1.1 200 OK\r\n", b"x-more: and more\r\n").await;
        let reason_ = reason(&target(server.address, Check::Http(http()))).await;
        assert!(reason_.ends_with("its head does not end within the limit"), "{reason_}");
        let server = Server::endless(b"HTTP/1.1 200 OK\r\n\r\n", b"not this ").await;
        let check = HttpCheck { expect_body: Some("okay".into()), ..http() };
        let reason_ = reason(&target(server.address, Check::Http(check))).await;
        assert_eq!(reason_, "the expected text is not in the first 64 KiB of the body");
    }

    #[tokio::test]
    async fn it_asks_what_it_was_told_to_ask() {
        let mut server = Server::answer("\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n").await;
        let mut target = target(server.address, Check::Http(http()));
        target.proxy_header = Some(ProxyHeader::V1);
        assert_eq!(reason(&target).await, "good: status 200");
        let asked = format!(
            "PROXY UNKNOWN\r\nGET /health?deep=1 HTTP/1.1\r\nhost: backend.test:{}\r\n\
             user-agent: evenkeel-health-check\r\nconnection: close\r\n\r\n",
            server.address.port()
        );
        assert_eq!(server.heard().await, asked);

        let mut server = Server::answer("\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n").await;
        let header = (http::header::AUTHORIZATION, HeaderValue::from_static("Basic x"));
        let head = HttpCheck {
            method: http::Method::HEAD,
            host: Some(HeaderValue::from_static("api.test")),
            headers: vec![header],
            ..http()
        };
        target.policy = Arc::new(crate::policy::Health { kind: Check::Http(head), ..(*target.policy).clone() });
        // asked at another port than requests are sent to
        Arc::make_mut(&mut target.policy).port = Some(server.address.port());
        target.proxy_header = Some(ProxyHeader::V2);
        assert!(check(&target, &|_, _| Ok(())).await.is_ok());
        let heard = server.heard().await;
        assert!(heard.starts_with("\r\n\r\n\0\r\nQUIT\n\x20\0\0\0HEAD /health?deep=1 HTTP/1.1\r\nhost: api.test\r\n"));
        assert!(heard.contains("\r\nauthorization: Basic x\r\n"), "{heard:?}");
    }
}
