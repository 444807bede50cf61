//! What a backend of the demo answers.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;

use super::condition::{Condition, FAILING_PATH};

type Answer = Response<UnsyncBoxBody<Bytes, hyper::Error>>;

/// The longest that `/slow` takes.
const MAX_MS: u64 = 60_000;

/// The most that `/bytes` sends.
const MAX_BYTES: u64 = 1 << 30;

/// What `/bytes` sends, again and again.
const FILL: &[u8; 65_536] = &[b'.'; 65_536];

/// The fields that the proxy adds for backends.
const FORWARDED: [&str; 5] = ["forwarded", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "via"];

/// Answers as the backend called `name`, in this condition.
pub(super) async fn answer(
    name: &'static str,
    condition: &Condition,
    request: Request<Incoming>,
) -> Result<Answer, Infallible> {
    let uri = request.uri();
    let latency = condition.latency();
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    if condition.is_failing() && uri.path() == FAILING_PATH {
        return Ok(text(StatusCode::SERVICE_UNAVAILABLE, format!("Backend {name} can't do that.\n")));
    }
    let path = uri.path().trim_start_matches('/');
    let (first, rest) = path.split_once('/').unwrap_or((path, ""));
    let answer = match (first, rest) {
        ("slow", "") => match within(uri.query().and_then(|query| query.strip_prefix("ms=")), 0, MAX_MS) {
            Some(ms) => {
                tokio::time::sleep(Duration::from_millis(ms)).await;
                text(StatusCode::OK, greeting(name, &request))
            }
            None => refused("/slow?ms=N takes N from 0 to 60000 (milliseconds)"),
        },
        ("status", number) => {
            let status = within(Some(number), 200, 599).and_then(|n| StatusCode::from_u16(n as u16).ok());
            match status {
                Some(status) => text(status, greeting(name, &request)),
                None => refused("/status/N takes N from 200 to 599"),
            }
        }
        ("bytes", number) => match within(Some(number), 0, MAX_BYTES) {
            Some(left) => Response::new(Filler { left }.boxed_unsync()),
            None => refused("/bytes/N takes N from 0 to 1073741824"),
        },
        ("echo", "") if *request.method() == Method::POST => Response::new(request.into_body().boxed_unsync()),
        ("echo", "") => refused("/echo gives back what is sent to it with POST"),
        _ => text(StatusCode::OK, greeting(name, &request)),
    };
    Ok(answer)
}

/// The number, when it is one from `low` to `high`.
fn within(number: Option<&str>, low: u64, high: u64) -> Option<u64> {
    number?.parse().ok().filter(|number| (low..=high).contains(number))
}

/// Who answers, and what it got to see.
fn greeting<B>(name: &str, request: &Request<B>) -> String {
    let mut text = format!("This is backend {name}.\n\n{} {}\n", request.method(), request.uri());
    for field in FORWARDED {
        for value in request.headers().get_all(field) {
            let _ = writeln!(text, "{field}: {}", String::from_utf8_lossy(value.as_bytes()));
        }
    }
    text
}

fn refused(why: &str) -> Answer {
    text(StatusCode::BAD_REQUEST, format!("{why}\n"))
}

fn text(status: StatusCode, body: String) -> Answer {
    let mut answer = Response::new(Full::from(body).map_err(|never| match never {}).boxed_unsync());
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    answer
}

/// A body of dots.
struct Filler {
    left: u64,
}

impl Body for Filler {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let now = self.left.min(FILL.len() as u64);
        self.left -= now;
        Poll::Ready((now > 0).then(|| Ok(Frame::data(Bytes::from_static(FILL).slice(..now as usize)))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_taken_within_their_bounds_only() {
        assert_eq!(within(Some("200"), 200, 599), Some(200));
        assert_eq!(within(Some("599"), 200, 599), Some(599));
        for wrong in [None, Some(""), Some("199"), Some("600"), Some("-1"), Some("2e2")] {
            assert_eq!(within(wrong, 200, 599), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_backend_says_who_it_is_and_what_it_saw() {
        let request = Request::get("/a?b").header("x-forwarded-for", "192.0.2.7").header("cookie", "c").body(());
        let text = greeting("b", &request.unwrap());
        assert_eq!(text, "This is backend b.\n\nGET /a?b\nx-forwarded-for: 192.0.2.7\n");
    }
}
