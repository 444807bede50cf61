//! `GET /api/v1/services/S/canary`, and `POST .../canary/start`, `/back`, `/promote`: how far a new version of a service has come, and what an operator says
//! of it.

use std::sync::Arc;

use axum::extract::{self, Path};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Shared;
use super::answer::{self, Answer, Problem};
use super::backends::{self, no_service};
use super::body::WholeBody;
use super::caller::Caller;
use crate::canary::{Stage, WHOLE, Word};
use crate::clock::Moment;
use crate::operator::canaries::Shown;

/// The body of `POST .../canary/start`, `/back` and `/promote`; there need not be one.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct SayBody {
    reason: Option<String>,
}

/// `GET .../canary`
pub(super) async fn show(
    extract::State(shared): extract::State<Arc<Shared>>,
    Path(name): Path<String>,
) -> Result<Answer, Problem> {
    named(&shared, &name)?;
    let shown = of(&shared, &name);
    if shown.is_null() { Err(Problem::not_found(no_canary(&name))) } else { Ok(answer::json(&shown)) }
}

/// `POST .../canary/start`, `/back`, `/promote`: the answer is the canary as it is then. It is in force when it is answered.
pub(super) async fn command(
    word: Word,
    extract::State(shared): extract::State<Arc<Shared>>,
    Path(name): Path<String>,
    caller: Caller,
    WholeBody(body): WholeBody,
) -> Result<Answer, Problem> {
    let SayBody { reason } = match body.trim_ascii() {
        [] => SayBody::default(),
        body => serde_json::from_slice(body).map_err(|error| Problem::bad_request(format!("the body: {error}")))?,
    };
    let who = match backends::reason(reason)? {
        Some(reason) => format!("{caller} ({reason})"),
        None => caller.to_string(),
    };
    say(&shared, word, &name, &who)?;
    let kept = shared.operators.canaries.keep().await;
    let mut answer = of(&shared, &name);
    answer["kept"] = json!(kept);
    Ok(answer::json(&answer))
}

/// Puts in force what was said.
fn say(shared: &Shared, word: Word, name: &str, who: &str) -> Result<(), Problem> {
    let service = named(shared, name)?;
    let conflict = |why: String| Problem::new(StatusCode::CONFLICT, why);
    if !shared.operators.is_serving() {
        return Err(conflict("another process takes over, or has: ask that one".to_owned()));
    }
    let snapshot = shared.store.load();
    let canary = snapshot.canaries.iter().find(|canary| snapshot.services[canary.service].name == service);
    let canary = canary.ok_or_else(|| conflict(no_canary(name)))?;
    let share = shared.operators.canaries.say(&service, word, who, Moment::now()).map_err(conflict)?;
    canary.set_share(share);
    Ok(())
}

/// The canary of this service, as the status has it; null where it is none.
pub(super) fn of(shared: &Shared, service: &str) -> Value {
    let shown = shared.operators.canaries.shown(service, Moment::now());
    shown.map_or(Value::Null, |shown| to_json(&shown))
}

fn to_json(shown: &Shown) -> Value {
    let share = |parts: u32| f64::from(parts) / f64::from(WHOLE);
    let Shown { stable, plan, standing, lasted, requests, held, .. } = shown;
    let on = [(plan.stops_on_errors, "errors"), (plan.stops_on_latency, "latency")];
    json!({
        "stable": &**stable,
        "stage": standing.stage.as_str(),
        "share": share(shown.share),
        "step": standing.step + 1,
        "steps": plan.steps.iter().map(|step| share(*step)).collect::<Vec<_>>(),
        "every_s": plan.every.as_secs_f64(),
        "stop_on": on.into_iter().filter(|(stops, _)| *stops).map(|(_, on)| on).collect::<Vec<_>>(),
        "min_requests": plan.min_requests,
        "for_s": lasted.as_secs(),
        "requests": requests,
        "held": held,
        "reason": (standing.stage == Stage::Back).then_some(&standing.reason),
    })
}

fn named(shared: &Shared, name: &str) -> Result<Arc<str>, Problem> {
    let snapshot = shared.store.load();
    let service = snapshot.services.iter().find(|service| *service.name == *name).ok_or_else(|| no_service(name))?;
    Ok(Arc::clone(&service.name))
}

fn no_canary(name: &str) -> String {
    format!("no route has a canary {name:?}")
}
