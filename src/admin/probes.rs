//! `/healthz` and `/readyz`, for an orchestrator. They need no token, and are answered by any name.

use std::sync::Arc;

use axum::extract::{self, RawQuery};
use http::StatusCode;
use serde_json::json;

use super::answer::{self, Answer, Problem};
use super::{Phase, Shared, reach};
use crate::clock::Moment;

/// The paths of the probes.
pub(super) const PATHS: [&str; 2] = ["/healthz", "/readyz"];

/// `GET /healthz`: that there is an answer says that the control plane lives.
pub(super) async fn health() -> Answer {
    answer::text("text/plain; charset=utf-8", "ok\n")
}

/// `GET /readyz`: whether clients are served, or why not. `?weight` adds how much of the fleet is reached, 0 while clients are not served.
pub(super) async fn ready(
    extract::State(shared): extract::State<Arc<Shared>>,
    RawQuery(query): RawQuery,
) -> Result<Answer, Problem> {
    let query = query.unwrap_or_default();
    let wants_weight = form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == "weight");
    let phase = *shared.phase.borrow();
    let reason = match phase {
        Phase::Ready if !shared.monitor.is_checked() => "checking: not every backend was checked for the first time",
        Phase::Ready if wants_weight => {
            let weight = reach::weight(&shared.store.load(), Moment::now());
            return Ok(answer::json(&json!({ "ready": true, "weight": weight })));
        }
        Phase::Ready => return Ok(answer::json(&json!({ "ready": true }))),
        Phase::Starting => "starting: not every listener is bound",
        Phase::HandingOver => "handing over: another instance is to get the work",
        Phase::Draining => "draining: no new connections are accepted",
    };
    let refused = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not ready").member("reasons", json!([reason]));
    Err(if wants_weight { refused.member("weight", json!(0)) } else { refused })
}
