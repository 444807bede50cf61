//! `POST /api/v1/hand-over`: gives this instance's work to another one, and then stops it.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract;
use http::StatusCode;
use http_body_util::BodyExt as _;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::oneshot;

use super::Shared;
use super::answer::{self, Answer, Problem};
use super::backends;
use super::body::WholeBody;
use super::caller::Caller;
use crate::clock::parse_duration;

/// How long connections may take to end, where the request does not say.
const LIMIT: Duration = Duration::from_secs(30);

/// For how long nothing new may have come, where the request does not say.
const QUIET: Duration = Duration::from_secs(2);

/// The longest time that a request may name.
const LONGEST: Duration = Duration::from_secs(3600);

/// A request that the work is handed over.
#[derive(Debug)]
pub struct HandOver {
    /// Who asks for it, for the log.
    pub by: String,
    /// Why, in the operator's words.
    pub reason: Option<String>,
    /// How long connections may take to end, and after that the work to go elsewhere.
    pub limit: Duration,
    /// Where no address moves: for how long no new connection may have come.
    pub quiet: Duration,
    /// Where the outcome goes: what came of it, or why this instance serves on.
    pub done: oneshot::Sender<Result<HandedOver, String>>,
    /// Ends when the answer was written, or whoever asked is gone: the process must not end before.
    pub answered: oneshot::Receiver<()>,
}

/// What came of a hand-over. The process drains after it.
#[derive(Debug, Clone, PartialEq)]
pub struct HandedOver {
    /// The addresses that have moved to another machine.
    pub addresses: Vec<String>,
    /// Connections that had not ended when the work went elsewhere.
    pub connections: u64,
    /// How long all of it took.
    pub took: Duration,
}

/// The body of the request.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct HandOverBody {
    reason: Option<String>,
    timeout: Option<String>,
    quiet: Option<String>,
}

/// `POST /api/v1/hand-over`: the answer comes once the work is elsewhere, and before this process drains.
pub(super) async fn hand_over(
    extract::State(shared): extract::State<Arc<Shared>>,
    caller: Caller,
    WholeBody(body): WholeBody,
) -> Result<Answer, Problem> {
    let HandOverBody { reason, timeout, quiet } = match body.trim_ascii() {
        [] => HandOverBody::default(),
        body => serde_json::from_slice(body).map_err(|error| Problem::bad_request(format!("the body: {error}")))?,
    };
    let reason = backends::reason(reason)?;
    let (limit, quiet) = (time("timeout", timeout, LIMIT)?, time("quiet", quiet, QUIET)?);
    let (reply, done) = oneshot::channel();
    let (unanswered, answered) = oneshot::channel::<()>();
    let request = HandOver { by: caller.to_string(), reason, limit, quiet, done: reply, answered };
    // while one is under way the next one waits, and is dropped with the process when that succeeds
    let done = match shared.requests.hand_over.send(request).await {
        Ok(()) => done.await.ok(),
        Err(_) => None,
    };
    match done {
        Some(Ok(HandedOver { addresses, connections, took })) => {
            let answer = answer::json(&json!({
                "handed_over": true,
                "addresses": addresses,
                "connections_left": connections,
                "took_s": (took.as_secs_f64() * 1e3).round() / 1e3,
            }));
            // the body holds it, and is dropped when it was written
            Ok(answer.map(|body| {
                Body::new(body.map_err(move |error| {
                    let _ = &unanswered;
                    error
                }))
            }))
        }
        Some(Err(why)) => Err(Problem::new(StatusCode::CONFLICT, why)),
        None => Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the process is stopping")),
    }
}

fn time(name: &str, said: Option<String>, usual: Duration) -> Result<Duration, Problem> {
    let Some(text) = said else { return Ok(usual) };
    parse_duration(&text)
        .filter(|time| *time <= LONGEST)
        .ok_or_else(|| Problem::bad_request(format!("{name}: {text:?}: a time such as 30s, at most 1h")))
}
