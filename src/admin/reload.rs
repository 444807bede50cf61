//! `POST /api/v1/reload`: asks whoever holds the configuration to read it again, and waits for what comes of it.

use std::sync::Arc;

use axum::extract;
use http::StatusCode;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::Shared;
use super::answer::{self, Answer, Problem};
use super::caller::Caller;

/// A request that the configuration is read again.
#[derive(Debug)]
pub struct Reload {
    /// Who asks for it, for the log.
    pub by: String,
    /// Where the outcome goes: the generation that runs from then on, or why nothing has changed.
    pub done: oneshot::Sender<Result<u64, Refused>>,
}

/// Why a reload has changed nothing.
#[derive(Debug)]
pub struct Refused {
    /// The reason in a sentence.
    pub detail: String,
    /// Every mistake in the file, where it can't be used.
    pub mistakes: Value,
}

/// `POST /api/v1/reload`: the answer comes once the configuration was read.
pub(super) async fn reload(
    extract::State(shared): extract::State<Arc<Shared>>,
    caller: Caller,
) -> Result<Answer, Problem> {
    let (reply, done) = oneshot::channel();
    // neither fails while the control plane lives, which serves this very request
    let done = match shared.requests.reload.send(Reload { by: caller.to_string(), done: reply }).await {
        Ok(()) => done.await.ok(),
        Err(_) => None,
    };
    match done {
        Some(Ok(generation)) => Ok(answer::json(&json!({ "config_generation": generation }))),
        Some(Err(Refused { detail, mistakes })) => {
            Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail).member("mistakes", mistakes))
        }
        None => Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the process is stopping")),
    }
}
