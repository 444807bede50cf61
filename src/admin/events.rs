//! `GET /api/v1/events`: what happened, oldest first. Who accepts `text/event-stream` gets a stream that also tells what happens from then
//! on.

mod query;

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::{self, RawQuery};
use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use tokio::time::{Instant, sleep_until};

use self::query::{EventQuery, Wanted};
use super::Shared;
use super::answer::{self, Answer, Problem};
use super::credentials::Credentials;
use super::stream::{self, Source};
use crate::event::{Batch, Event, KEPT, Subscription};

/// The most events that are put into a stream at a time.
const AT_ONCE: usize = 512;
/// The least time between two texts of a stream. An event that comes alone is told at once; of a flood, those that come within this time share
/// one text, one wake-up and one write.
const APART: Duration = Duration::from_millis(50);

/// The field that says how many events between `since` and the first one in the answer are not kept any more.
static MISSED: HeaderName = HeaderName::from_static("evenkeel-events-missed");
static LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// `GET /api/v1/events`
pub(super) async fn events(
    extract::State(shared): extract::State<Arc<Shared>>,
    RawQuery(query): RawQuery,
    Extension(credentials): Extension<Credentials>,
    headers: HeaderMap,
) -> Result<Answer, Problem> {
    let query = EventQuery::parse(query.as_deref().unwrap_or_default()).map_err(Problem::bad_request)?;
    if stream::is_wanted(&headers) {
        let last = headers.get(&LAST_EVENT_ID).and_then(|id| id.to_str().ok()?.parse().ok());
        let subscription = shared.store.events().subscribe(last.or(query.since));
        return stream::open(
            shared,
            credentials,
            EventSource { subscription, wanted: query.wanted, next_text: Instant::now() },
        );
    }
    let Batch { events, missed } = found(&shared, &query);
    let all: Vec<Value> = events.iter().map(|event| event.to_json()).collect();
    let mut answer = answer::json(&Value::Array(all));
    if missed > 0 {
        answer.headers_mut().insert(&MISSED, HeaderValue::from(missed));
    }
    Ok(answer)
}

/// The events that are asked for: the first of those after `since`, or else the newest.
fn found(shared: &Shared, query: &EventQuery) -> Batch {
    let Batch { mut events, missed } = match query.since {
        Some(since) => shared.store.events().since(since, KEPT),
        None => shared.store.events().newest(KEPT),
    };
    events.retain(|event| query.has(event));
    match query.since {
        Some(_) => events.truncate(query.limit),
        None => _ = events.drain(..events.len().saturating_sub(query.limit)),
    }
    Batch { events, missed }
}

/// What a stream of events tells.
struct EventSource {
    subscription: Subscription,
    wanted: Wanted,
    /// When the next text may come.
    next_text: Instant,
}

impl Source for EventSource {
    fn begin(&mut self) -> Bytes {
        Bytes::from_static(b": events follow\n\n")
    }

    async fn next(&mut self) -> Option<Bytes> {
        sleep_until(self.next_text).await;
        loop {
            let Batch { mut events, missed } = self.subscription.next(AT_ONCE).await;
            events.retain(|event| self.wanted.has(event));
            if missed > 0 || !events.is_empty() {
                self.next_text = Instant::now() + APART;
                return Some(written(&events, missed));
            }
        }
    }
}

/// The text of these events in a stream.
fn written(events: &[Arc<Event>], missed: u64) -> Bytes {
    let mut text = String::new();
    if missed > 0 {
        text.push_str(&format!("event: missed\ndata: {{\"missed\":{missed}}}\n\n"));
    }
    for event in events {
        text.push_str(&format!("id: {}\nevent: {}\ndata: {}\n\n", event.id, event.kind.name(), event.to_json()));
    }
    text.into()
}
