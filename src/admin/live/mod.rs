//! `GET /api/v1/live`: how everything is at this moment, in one document, and as a stream of its changes.

mod document;
mod parts;
mod patch;
mod read;
mod reading;
mod views;
mod words;

use std::sync::Arc;

use axum::Extension;
use axum::extract::{self, RawQuery};
use bytes::Bytes;
use http::header::HeaderMap;
use serde_json::Value;
use tokio::sync::watch;

pub(super) use views::{Views, run};

use self::parts::Document;
use self::views::Frame;
use super::answer::{self, Answer, Problem};
use super::backends::no_service;
use super::credentials::Credentials;
use super::stream::{self, Source};
use super::{Shared, query};
use crate::clock::Moment;

/// `GET /api/v1/live?service=NAME`
pub(super) async fn live(
    extract::State(shared): extract::State<Arc<Shared>>,
    RawQuery(query): RawQuery,
    Extension(credentials): Extension<Credentials>,
    headers: HeaderMap,
) -> Result<Answer, Problem> {
    let named = query::service(query.as_deref().unwrap_or_default()).map_err(Problem::bad_request)?;
    let service = match named {
        Some(name) => Some(Arc::clone(&shared.service(&name).ok_or_else(|| no_service(&name))?.name)),
        None => None,
    };
    let mut frames = shared.live.watch(&shared, service.as_ref(), Moment::now());
    let document = frames.borrow_and_update().document.clone();
    if !stream::is_wanted(&headers) {
        return Ok(answer::json(&document.to_json()));
    }
    let history = service.map(|name| shared.pasts().history(Some(&name)));
    stream::open(shared, credentials, LiveSource { frames, sent: document, history })
}

/// What a stream of a view tells.
struct LiveSource {
    frames: watch::Receiver<Frame>,
    /// The document that the client has.
    sent: Document,
    /// The last hour of the service that is looked at, until it was sent.
    history: Option<Value>,
}

impl Source for LiveSource {
    fn begin(&mut self) -> Bytes {
        let mut whole = self.sent.to_json();
        if let (Some(history), Some(service)) = (self.history.take(), whole.get_mut("service")) {
            service["history"] = history;
        }
        format!("event: whole\ndata: {whole}\n\n").into()
    }

    async fn next(&mut self) -> Option<Bytes> {
        loop {
            self.frames.changed().await.ok()?;
            let Frame { document, change } = self.frames.borrow_and_update().clone();
            let text = match change {
                Some((before, text)) if before.is_same(&self.sent) => Some(text),
                // the client was too slow for some of them, and gets in one patch what they have changed
                _ => self.sent.patch_text_to(&document),
            };
            self.sent = document;
            if text.is_some() {
                return text;
            }
        }
    }
}

#[cfg(test)]
mod tests;
