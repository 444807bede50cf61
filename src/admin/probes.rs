//! `/healthz` and `/readyz`, for an orchestrator. They need no token, and are answered by any name.

use std::sync::Arc;

use axum::extract;
use http::StatusCode;
use serde_json::json;

use super::answer::{self, Answer, Problem};
use super::{Phase, Shared};

/// The paths of the probes.
pub(super) const PATHS: [&str; 2] = ["/healthz", "/readyz"];

/// `GET /healthz`: that there is an answer says that the control plane lives.
pub(super) async fn health() -> Answer {
    answer::text("text/plain; charset=utf-8", "ok\n")
}

/// `GET /readyz`: whether clients are served, or why not.
pub(super) async fn ready(extract::State(shared): extract::State<Arc<Shared>>) -> Result<Answer, Problem> {
    let phase = *shared.phase.borrow();
    let reason = match phase {
        Phase::Ready if !shared.monitor.is_checked() => "checking: not every backend was checked for the first time",
        Phase::Ready => return Ok(answer::json(&json!({ "ready": true }))),
        Phase::Starting => "starting: not every listener is bound",
        Phase::Draining => "draining: no new connections are accepted",
    };
    Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not ready").member("reasons", json!([reason])))
}
