//! `GET /api/v1/events`: what happened, oldest first. Who accepts `text/event-stream` gets a stream that also tells what happens from then
//! on (server-sent events: HTML Living Standard, section 9.2).

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::{self, RawQuery};
use bytes::Bytes;
use http::StatusCode;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http_body::Frame;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::answer::{self, Answer, Problem};
use super::credentials::Credentials;
use super::{Phase, Shared};
use crate::event::{Batch, KEPT};

/// The most events in one answer, unless `limit` asks for another number.
const SOME: usize = 1000;
/// How often a stream sends a comment when nothing happens, so that a client, and a proxy in between, see that it is alive.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);
/// The most events that are put into a stream at a time.
const AT_ONCE: usize = 64;

/// The most streams at a time: they must not take up all connections of the admin address.
pub(super) const STREAMS: usize = 64;

/// The field that says how many events between `since` and the first one in the answer are not kept any more.
static MISSED: HeaderName = HeaderName::from_static("evenkeel-events-missed");
static LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// What the query of a request asks for.
#[derive(Debug, PartialEq, Eq)]
struct EventQuery {
    since: Option<u64>,
    limit: usize,
}

impl EventQuery {
    fn parse(text: &str) -> Result<Self, String> {
        let mut query = Self { since: None, limit: SOME };
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            match &*name {
                "since" => query.since = Some(value.parse().map_err(|_| "since must be the id of an event")?),
                "limit" => match value.parse() {
                    Ok(limit) if (1..=KEPT).contains(&limit) => query.limit = limit,
                    _ => return Err(format!("limit must be a number from 1 to {KEPT}")),
                },
                other => return Err(format!("unknown parameter {other:?}: there are since and limit")),
            }
        }
        Ok(query)
    }
}

/// `GET /api/v1/events`
pub(super) async fn events(
    extract::State(shared): extract::State<Arc<Shared>>,
    RawQuery(query): RawQuery,
    Extension(credentials): Extension<Credentials>,
    headers: HeaderMap,
) -> Result<Answer, Problem> {
    let query = EventQuery::parse(query.as_deref().unwrap_or_default()).map_err(Problem::bad_request)?;
    let streams = headers.get(ACCEPT).is_some_and(|accept| is_event_stream(accept.as_bytes()));
    if streams {
        let last = headers.get(&LAST_EVENT_ID).and_then(|id| id.to_str().ok()?.parse().ok());
        return stream(shared, credentials, last.or(query.since));
    }
    let Batch { events, missed } = match query.since {
        Some(since) => shared.store.events().since(since, query.limit),
        None => shared.store.events().newest(query.limit),
    };
    let all: Vec<Value> = events.iter().map(|event| event.to_json()).collect();
    let mut answer = answer::json(&Value::Array(all));
    if missed > 0 {
        answer.headers_mut().insert(&MISSED, HeaderValue::from(missed));
    }
    Ok(answer)
}

fn is_event_stream(accept: &[u8]) -> bool {
    memchr::memmem::find(&accept.to_ascii_lowercase(), b"text/event-stream").is_some()
}

/// The stream of what comes after the event with the id `last`; without an id, of what comes from now on. It ends when `credentials` let
/// nobody in any more.
fn stream(shared: Arc<Shared>, credentials: Credentials, last: Option<u64>) -> Result<Answer, Problem> {
    let Ok(place) = Arc::clone(&shared.streams).try_acquire_owned() else {
        let detail = format!("{STREAMS} streams of events are open already");
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail));
    };
    let (tell, told) = mpsc::channel(1);
    let mut subscription = shared.store.events().subscribe(last);
    let mut phase = shared.phase.subscribe();
    tokio::spawn(async move {
        let stopping = async move { _ = phase.wait_for(|phase| *phase == Phase::Draining).await };
        let telling = async {
            // a comment at once, so that a client knows that it is connected
            let mut next = Some(Bytes::from_static(b": events follow\n\n"));
            loop {
                if let Some(text) = next.take()
                    && !matches!(timeout(2 * SIGN_OF_LIFE, tell.send(text)).await, Ok(Ok(())))
                {
                    // the client has gone, or reads nothing
                    return;
                }
                next = Some(match timeout(SIGN_OF_LIFE, subscription.next(AT_ONCE)).await {
                    Ok(batch) => written(&batch),
                    Err(_) => Bytes::from_static(b":\n\n"),
                });
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

/// The text of these events in a stream.
fn written(Batch { events, missed }: &Batch) -> Bytes {
    let mut text = String::new();
    if *missed > 0 {
        text.push_str(&format!("event: missed\ndata: {{\"missed\":{missed}}}\n\n"));
    }
    for event in events {
        text.push_str(&format!("id: {}\nevent: {}\ndata: {}\n\n", event.id, event.kind.name(), event.to_json()));
    }
    text.into()
}

/// The body of a stream: a task sends its pieces.
struct StreamBody(mpsc::Receiver<Bytes>);

impl http_body::Body for StreamBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.0.poll_recv(cx).map(|told| told.map(|text| Ok(Frame::data(text))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_says_since_when_and_how_many() {
        assert_eq!(EventQuery::parse(""), Ok(EventQuery { since: None, limit: SOME }));
        assert_eq!(EventQuery::parse("since=7&limit=3"), Ok(EventQuery { since: Some(7), limit: 3 }));
        for wrong in ["since=x", "since=-1", "limit=0", "limit=10001", "from=3"] {
            assert!(EventQuery::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn who_accepts_a_stream_gets_one() {
        assert!(is_event_stream(b"text/event-stream"));
        assert!(is_event_stream(b"application/json, Text/Event-Stream;q=0.5"));
        assert!(!is_event_stream(b"*/*"));
    }
}
