//! Streams of server-sent events (HTML Living Standard, section 9.2): they begin with what their source says first, and then tell what it has to
//! tell. A stream ends when whoever opened it would not be let in again, when the process drains, and when its client is gone or reads nothing.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::StatusCode;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use http_body::Frame;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::answer::{self, Answer, Problem};
use super::credentials::Credentials;
use super::{Phase, Shared};

/// The most streams at a time: they must not take up all connections of the admin address.
pub(super) const STREAMS: usize = 64;

/// How often a stream sends a comment when nothing happens, so that a client, and a proxy in between, see that it is alive.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);

/// What a stream tells.
pub(super) trait Source: Send + 'static {
    /// The text that comes at once, so that a client knows that it is connected.
    fn begin(&mut self) -> Bytes;

    /// Waits for the next text; `None` = there will be no more. Whoever waits may give up and ask again: nothing gets lost by that.
    fn next(&mut self) -> impl Future<Output = Option<Bytes>> + Send;
}

/// Whether the client accepts a stream.
pub(super) fn is_wanted(headers: &HeaderMap) -> bool {
    let is_event_stream = |accept: &HeaderValue| {
        memchr::memmem::find(&accept.as_bytes().to_ascii_lowercase(), b"text/event-stream").is_some()
    };
    headers.get(ACCEPT).is_some_and(is_event_stream)
}

/// The answer that is a stream of what this source tells. It ends when `credentials` let nobody in any more.
///
/// # Errors
///
/// When too many streams are open.
pub(super) fn open(shared: Arc<Shared>, credentials: Credentials, mut source: impl Source) -> Result<Answer, Problem> {
    let Ok(place) = Arc::clone(&shared.streams).try_acquire_owned() else {
        let detail = format!("{STREAMS} streams are open already");
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail));
    };
    let (tell, told) = mpsc::channel(1);
    let mut phase = shared.phase.subscribe();
    tokio::spawn(async move {
        let stopping = async move { _ = phase.wait_for(|phase| *phase == Phase::Draining).await };
        let telling = async {
            let mut next = Some(source.begin());
            while let Some(text) = next {
                if !matches!(timeout(2 * SIGN_OF_LIFE, tell.send(text)).await, Ok(Ok(()))) {
                    // the client has gone, or reads nothing
                    return;
                }
                next = match timeout(SIGN_OF_LIFE, source.next()).await {
                    Ok(text) => text,
                    Err(_) => Some(Bytes::from_static(b":\n\n")),
                };
            }
        };
        tokio::select! {
            () = telling => {}
            () = tell.closed() => {}
            () = stopping => {}
            () = credentials.end(shared) => {}
        }
        drop(place);
    });
    let mut answer = answer::text("text/event-stream", Bytes::new());
    *answer.body_mut() = Body::new(StreamBody(told));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    Ok(answer)
}

/// The body of a stream: a task sends its pieces.
struct StreamBody(mpsc::Receiver<Bytes>);

impl http_body::Body for StreamBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.0.poll_recv(cx).map(|told| told.map(|text| Ok(Frame::data(text))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_accepts_a_stream_gets_one() {
        let wants =
            |accept: &'static str| is_wanted(&HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))]));
        assert!(wants("text/event-stream"));
        assert!(wants("application/json, Text/Event-Stream;q=0.5"));
        assert!(!wants("*/*"));
        assert!(!is_wanted(&HeaderMap::new()));
    }
}
