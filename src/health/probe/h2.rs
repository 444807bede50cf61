//! Checks over HTTP/2, by hyper's client: one request on a connection of its own.

use bytes::Bytes;
use http::header::HeaderMap;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Method, Request, Response, Uri, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};

use super::executor::LocalExecutor;
use super::http::{fields, host, judge_status, not_found};
use super::search::Search;
use super::{CheckFailure, CheckResult, MAX_ANSWER, Target};
use crate::io::Stream;
use crate::policy::HttpCheck;

/// The most bytes that a head may have.
const MAX_HEAD: u32 = MAX_ANSWER as u32;

/// Makes the check of `http` over HTTP/2.
pub async fn check(stream: Stream, target: &Target, check: &HttpCheck) -> CheckResult {
    let authority = host(target, check);
    let question = CheckRequest {
        method: check.method.clone(),
        path: check.path.clone(),
        authority: authority.to_str().unwrap_or_default(),
        headers: fields(check),
        body: Bytes::new(),
    };
    let mut answer = ask(stream, question).await?;
    let good = judge_status(check, answer.status())?;
    let Some(wanted) = &check.expect_body else { return Ok(good) };
    let mut search = Search::new(wanted.as_bytes());
    while let Some(frame) = answer.frame().await {
        let frame = frame.map_err(broken)?;
        if let Some(data) = frame.data_ref() {
            if search.finds(data) {
                return Ok(good);
            }
            if search.is_full() {
                break;
            }
        }
    }
    Err(not_found(&search))
}

/// The request of a check.
#[derive(Debug)]
pub struct CheckRequest<'a> {
    pub method: Method,
    pub path: PathAndQuery,
    pub authority: &'a str,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// Sends a request and waits for the head of its answer. The connection ends with the answer's body.
pub async fn ask(stream: Stream, question: CheckRequest<'_>) -> Result<Response<Incoming>, CheckFailure> {
    let scheme = if matches!(stream, Stream::Plain(_)) { Scheme::HTTP } else { Scheme::HTTPS };
    let authority = Authority::try_from(question.authority)
        .map_err(|_| CheckFailure::new("its host can't be asked for over HTTP/2"))?;
    let mut uri = http::uri::Parts::default();
    (uri.scheme, uri.authority, uri.path_and_query) = (Some(scheme), Some(authority), Some(question.path));
    let uri = Uri::from_parts(uri).map_err(|_| CheckFailure::new("its path can't be asked for over HTTP/2"))?;

    let mut request = Request::new(Full::new(question.body));
    *request.method_mut() = question.method;
    *request.uri_mut() = uri;
    *request.version_mut() = Version::HTTP_2;
    *request.headers_mut() = question.headers;

    let (mut sender, connection) = http2::Builder::new(LocalExecutor)
        .timer(TokioTimer::new())
        .max_header_list_size(MAX_HEAD)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    // the task ends by itself once the sender and the answer's body are gone
    tokio::task::spawn_local(async move { drop(connection.await) });
    sender.send_request(request).await.map_err(broken)
}

/// An error of hyper's, with the cause that its own text leaves out.
pub fn broken(error: hyper::Error) -> CheckFailure {
    let cause = std::error::Error::source(&error).map(ToString::to_string);
    CheckFailure::new(format!("HTTP/2: {}", cause.unwrap_or_else(|| error.to_string())))
}
