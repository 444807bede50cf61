//! What operators do to one backend: drain, disable, enable, and its weight. It holds until they say otherwise or the process
//! ends; a reload does not change it.

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::State;
use crate::clock::Moment;
use crate::endpoint::Endpoint;
use crate::endpoint::load::Report;
use crate::endpoint::standing::Wanted;
use crate::load::heartbeat::Heartbeat;

/// The largest weight, as in the configuration.
const HEAVIEST: u32 = 65_535;

/// What may be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Command {
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

impl Command {
    /// By the last part of its path.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "drain" => Some(Self::Drain),
            "disable" => Some(Self::Disable),
            "enable" => Some(Self::Enable),
            _ => None,
        }
    }

    /// Does it.
    pub(super) fn run(self, state: &State, endpoint: &Endpoint) -> Value {
        let (wanted, word) = match self {
            Self::Drain => (Wanted::Drained, "draining"),
            Self::Disable => (Wanted::Disabled, "disabled"),
            Self::Enable => (Wanted::Enabled, "enabled"),
        };
        endpoint.live.standing.set_operator(wanted, "");
        state.store.refresh(Moment::now(), true);
        json!({ "service": &*endpoint.service, "backend": &*endpoint.id, "state": word })
    }
}

/// Takes a heartbeat: a sign of life, with the backend's load if it likes. An error says what is wrong with it.
pub(super) fn heartbeat(state: &State, body: &[u8]) -> Result<Value, (StatusCode, String)> {
    let beat = Heartbeat::read(body).map_err(|refused| (StatusCode::BAD_REQUEST, refused.to_string()))?;
    let snapshot = state.store.load();
    let service = snapshot.services.iter().find(|service| *service.name == *beat.service);
    let endpoint = service.and_then(|service| service.endpoints.iter().find(|endpoint| *endpoint.id == *beat.backend));
    let Some(endpoint) = endpoint else {
        let detail = format!("there is no backend {:?} in a service {:?}", beat.backend, beat.service);
        return Err((StatusCode::NOT_FOUND, detail));
    };
    if beat.report != Report::default() {
        endpoint.live.load.report(beat.report, endpoint.live.in_flight(), Moment::now());
    }
    Ok(json!({ "service": beat.service, "backend": beat.backend }))
}

/// Sets the weight that the body says; an error says what is wrong with it.
pub(super) fn set_weight(state: &State, endpoint: &Endpoint, body: &[u8]) -> Result<Value, String> {
    let Change { weight } = serde_json::from_slice(body).map_err(|error| format!("the body: {error}"))?;
    if weight > HEAVIEST {
        return Err(format!("a weight is at most {HEAVIEST}"));
    }
    endpoint.live.standing.set_weight(Some(weight));
    state.store.news().notify_one();
    tracing::info!(service = %endpoint.service, backend = %endpoint.id, weight, "weight set by an operator");
    Ok(json!({ "service": &*endpoint.service, "backend": &*endpoint.id, "weight": weight }))
}
