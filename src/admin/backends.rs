//! What operators do to one backend: drain, disable, enable, and its weight. It holds until they say otherwise or the process
//! ends; a reload does not change it.

use std::sync::Arc;

use axum::extract::{self, FromRequestParts, Path};
use http::request::Parts;
use serde::Deserialize;
use serde_json::json;

use super::State;
use super::answer::{self, Answer, Problem};
use super::body::Whole;
use super::caller::Caller;
use crate::clock::Moment;
use crate::endpoint::Endpoint;
use crate::endpoint::load::Report;
use crate::endpoint::standing::Wanted;
use crate::load::heartbeat::Heartbeat;

/// The largest weight, as in the configuration.
const HEAVIEST: u32 = 65_535;

/// What may be done.
#[derive(Debug, Clone, Copy)]
enum Command {
    /// It keeps its sessions and gets no new ones.
    Drain,
    /// It gets nothing.
    Disable,
    /// It takes part.
    Enable,
}

/// The body of `PUT /api/v1/services/S/backends/B`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    weight: u32,
}

/// The backend that the path of a request names.
pub(super) struct Named(Arc<Endpoint>);

impl FromRequestParts<Arc<State>> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<State>) -> Result<Self, Problem> {
        let path = parts.uri.path().to_owned();
        let named = Path::<(String, String)>::from_request_parts(parts, state).await;
        let Ok(Path((service, backend))) = named else {
            // what is no UTF-8 can't be the name of anything
            return Err(Problem::not_found(format!("there is nothing at {path}")));
        };
        let snapshot = state.store.load();
        let Some(found) = snapshot.services.iter().find(|s| *s.name == *service) else {
            return Err(no_service(&service));
        };
        let endpoint = found.endpoints.iter().find(|endpoint| *endpoint.id == *backend);
        let missing = || Problem::not_found(format!("the service {service:?} has no backend {backend:?}"));
        endpoint.cloned().map(Self).ok_or_else(missing)
    }
}

/// The answer that there is none of this name.
pub(super) fn no_service(name: &str) -> Problem {
    Problem::not_found(format!("there is no service {name:?}"))
}

/// `POST .../drain`
pub(super) async fn drain(state: extract::State<Arc<State>>, named: Named, caller: Caller, body: Whole) -> Answer {
    command(Command::Drain, &state, &named, &caller, &body)
}

/// `POST .../disable`
pub(super) async fn disable(state: extract::State<Arc<State>>, named: Named, caller: Caller, body: Whole) -> Answer {
    command(Command::Disable, &state, &named, &caller, &body)
}

/// `POST .../enable`
pub(super) async fn enable(state: extract::State<Arc<State>>, named: Named, caller: Caller, body: Whole) -> Answer {
    command(Command::Enable, &state, &named, &caller, &body)
}

/// Does what an operator orders. Nothing is taken from the body yet.
fn command(command: Command, state: &State, Named(endpoint): &Named, caller: &Caller, _: &Whole) -> Answer {
    let (wanted, word) = match command {
        Command::Drain => (Wanted::Drained, "draining"),
        Command::Disable => (Wanted::Disabled, "disabled"),
        Command::Enable => (Wanted::Enabled, "enabled"),
    };
    endpoint.live.standing.set_operator(wanted);
    state.store.news().notify_one();
    tracing::info!(service = %endpoint.service, backend = %endpoint.id, by = %caller, "{word} by an operator");
    answer::json(&json!({ "service": &*endpoint.service, "backend": &*endpoint.id, "state": word }))
}

/// `PUT .../B`: sets the weight that the body says.
pub(super) async fn weigh(
    extract::State(state): extract::State<Arc<State>>,
    Named(endpoint): Named,
    caller: Caller,
    Whole(body): Whole,
) -> Result<Answer, Problem> {
    let Change { weight } =
        serde_json::from_slice(&body).map_err(|error| Problem::bad_request(format!("the body: {error}")))?;
    if weight > HEAVIEST {
        return Err(Problem::bad_request(format!("a weight is at most {HEAVIEST}")));
    }
    endpoint.live.standing.set_weight(Some(weight));
    state.store.news().notify_one();
    tracing::info!(
        service = %endpoint.service, backend = %endpoint.id, weight, by = %caller, "weight set by an operator"
    );
    Ok(answer::json(&json!({ "service": &*endpoint.service, "backend": &*endpoint.id, "weight": weight })))
}

/// `POST /api/v1/heartbeat`: a sign of life, with the backend's load if it likes.
pub(super) async fn heartbeat(
    extract::State(state): extract::State<Arc<State>>,
    Whole(body): Whole,
) -> Result<Answer, Problem> {
    let beat = Heartbeat::read(&body).map_err(|refused| Problem::bad_request(refused.to_string()))?;
    let snapshot = state.store.load();
    let service = snapshot.services.iter().find(|service| *service.name == *beat.service);
    let endpoint = service.and_then(|service| service.endpoints.iter().find(|endpoint| *endpoint.id == *beat.backend));
    let Some(endpoint) = endpoint else {
        let detail = format!("there is no backend {:?} in a service {:?}", beat.backend, beat.service);
        return Err(Problem::not_found(detail));
    };
    if beat.report != Report::default() {
        endpoint.live.load.report(beat.report, endpoint.live.in_flight(), Moment::now());
    }
    Ok(answer::json(&json!({ "service": beat.service, "backend": beat.backend })))
}
