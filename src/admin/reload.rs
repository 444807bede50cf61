//! `POST /api/v1/reload`: asks whoever holds the configuration to read it again, and waits for what comes of it.

use std::sync::Arc;

use axum::extract;
use http::StatusCode;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::Shared;
use super::answer::{self, Answer, Problem};
use super::caller::Caller;

/// A wish that the configuration is read again.
#[derive(Debug)]
pub struct Reload {
    /// Whose it is, for the log.
    pub by: String,
    /// Where what comes of it goes: the generation that runs then.
    pub done: oneshot::Sender<Result<u64, Refused>>,
}

/// Why the configuration that runs has stayed.
#[derive(Debug)]
pub struct Refused {
    /// In a sentence.
    pub detail: String,
    /// Every mistake in the file, when it is that.
    pub mistakes: Value,
}

/// The answer, once the configuration was read.
pub(super) async fn reload(
    extract::State(shared): extract::State<Arc<Shared>>,
    caller: Caller,
) -> Result<Answer, Problem> {
    let (reply, done) = oneshot::channel();
    // neither fails while the control plane lives, which serves this very request
    let done = match shared.reload.send(Reload { by: caller.to_string(), done: reply }).await {
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
