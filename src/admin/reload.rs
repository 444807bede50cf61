//! `POST /api/v1/reload`: asks whoever holds the configuration to read it again, and waits for what comes of it.

use http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::answer::{self, Answer};
use super::{State, routes};

/// Where it is asked for.
pub(super) const PATH: &str = "/api/v1/reload";

/// A wish that the configuration is read again, and where what comes of it goes: the generation that runs then.
pub type Reload = oneshot::Sender<Result<u64, Refused>>;

/// Why the configuration that runs has stayed.
#[derive(Debug)]
pub struct Refused {
    /// In a sentence.
    pub detail: String,
    /// Every mistake in the file, when it is that.
    pub mistakes: Value,
}

/// The answer, once the configuration was read.
pub(super) async fn answer(state: &State, method: &Method, headers: &HeaderMap) -> Answer {
    if let Some(refused) = routes::guard(state, headers) {
        return refused;
    }
    if method != Method::POST {
        return routes::not_allowed(PATH, method, "POST");
    }
    if let Some(refused) = routes::foreign(headers) {
        return refused;
    }
    let (reply, done) = oneshot::channel();
    // neither fails while the control plane lives, which serves this very request
    let done = match state.reload.send(reply).await {
        Ok(()) => done.await.ok(),
        Err(_) => None,
    };
    match done {
        Some(Ok(generation)) => answer::json(&json!({ "config_generation": generation })),
        Some(Err(Refused { detail, mistakes })) => {
            answer::problem(StatusCode::UNPROCESSABLE_ENTITY, &detail, &[("mistakes", mistakes)])
        }
        None => answer::problem(StatusCode::SERVICE_UNAVAILABLE, "the process is stopping", &[]),
    }
}
