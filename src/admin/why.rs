//! `GET /api/v1/why`: why a backend is in its state, or was at a time of the past, and why a service as a whole is as it is.

mod algorithms;
mod past;
mod query;
mod shown;

use std::sync::Arc;
use std::time::SystemTime;

use axum::extract::{self, RawQuery};
use http::StatusCode;
use serde_json::{Value, json};

use self::query::WhyQuery;
use super::Shared;
use super::answer::{self, Answer, Problem};
use super::backend_reading::told_state;
use super::backends::no_service;
use crate::clock::{Moment, rfc3339};
use crate::event::{Event, KEPT};
use crate::snapshot::Service;
use crate::spelling::nearest;

/// The most events in the timeline of an answer; about a time of the past, as many before and after it.
const TIMELINE: usize = 200;

/// The most backends of a service that are explained in one answer, those that can't be used first: what is found of one of them looks at all of
/// its peers.
const BACKENDS: usize = 200;

/// `GET /api/v1/why`
pub(super) async fn why(
    extract::State(shared): extract::State<Arc<Shared>>,
    RawQuery(query): RawQuery,
) -> Result<Answer, Problem> {
    let now = SystemTime::now();
    let asked = WhyQuery::parse(query.as_deref().unwrap_or_default(), now).map_err(Problem::bad_request)?;
    let answer = match (&asked.backend, asked.at) {
        (Some(backend), None) => of_backend(&shared, &asked.service, backend).await?,
        (Some(backend), Some(at)) => past::of_backend(&shared, &asked.service, backend, at).await?,
        (None, None) => of_service(&shared, &asked.service)?,
        (None, Some(at)) => past::of_service(&shared, &asked.service, at)?,
    };
    Ok(answer::json(&answer))
}

/// The service of this name; where there is none, the problem names the one that was probably meant.
fn service(shared: &Shared, name: &str) -> Result<Arc<Service>, Problem> {
    shared.service(name).ok_or_else(|| {
        let snapshot = shared.store.load();
        let meant = nearest(name, snapshot.services.iter().map(|service| &*service.name));
        let missing = no_service(name);
        match meant {
            Some(meant) => {
                Problem::not_found(format!("{}; is {meant:?} meant?", missing.detail())).member("nearest", json!(meant))
            }
            None => missing,
        }
    })
}

/// The place of a backend in its service.
fn place(service: &Service, backend: &str) -> Result<usize, Problem> {
    let ids = || service.endpoints.iter().map(|endpoint| &*endpoint.id);
    ids().position(|id| id == backend).ok_or_else(|| {
        let detail = format!("the service {:?} has no backend {backend:?}", &*service.name);
        match nearest(backend, ids()) {
            Some(meant) => Problem::not_found(format!("{detail}; is {meant:?} meant?")).member("nearest", json!(meant)),
            None => Problem::not_found(detail),
        }
    })
}

async fn of_backend(shared: &Shared, service: &str, backend: &str) -> Result<Value, Problem> {
    let service = self::service(shared, service)?;
    let place = place(&service, backend)?;
    let (now, at, snapshot) = (Moment::now(), SystemTime::now(), shared.store.load());
    let sources = &shared.why.sources;
    let facts = sources.facts(&service, &sources.common(&snapshot, &service, None), place, now, at);
    let change = shared.why.history().change(&service.name, backend);
    let mut answer = shown::backend(&facts, None, change.as_deref());
    answer["timeline"] = shown::events(&timeline(shared, &service.name, Some(backend)));
    // the ring of a large service takes a while, for which nobody on this thread may wait
    let algorithms = tokio::task::spawn_blocking(move || algorithms::shares(&service, place, now)).await;
    let algorithms =
        algorithms.map_err(|broken| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, broken.to_string()))?;
    answer["algorithms"] = algorithms.into_iter().map(algorithms::Share::into_json).collect();
    Ok(answer)
}

fn of_service(shared: &Shared, service: &str) -> Result<Value, Problem> {
    let service = self::service(shared, service)?;
    let (now, at, snapshot) = (Moment::now(), SystemTime::now(), shared.store.load());
    let sources = &shared.why.sources;
    let common = sources.common(&snapshot, &service, None);
    let mut places: Vec<usize> = (0..service.endpoints.len()).collect();
    places.sort_by_key(|&place| told_state(&service, place, now).is_usable());
    let more = places.len().saturating_sub(BACKENDS);
    places.truncate(BACKENDS);
    let shown = places.into_iter().map(|place| sources.facts(&service, &common, place, now, at));
    let mut answer = shown::service(&service.name, &common, service.panic_threshold, shown);
    answer["more"] = json!(more);
    answer["at"] = json!(rfc3339(at));
    answer["timeline"] = shown::events(&timeline(shared, &service.name, None));
    Ok(answer)
}

/// The newest events about a backend, or about a service and its backends, the newest first.
fn timeline(shared: &Shared, service: &str, backend: Option<&str>) -> Vec<Arc<Event>> {
    let mut events = about(shared, service, backend);
    events.drain(..events.len().saturating_sub(TIMELINE));
    events.reverse();
    events
}

/// All events about a backend, or about a service and its backends, that are kept, the oldest first.
fn about(shared: &Shared, service: &str, backend: Option<&str>) -> Vec<Arc<Event>> {
    let mut events = shared.store.events().newest(KEPT).events;
    events.retain(|event| {
        let subject = &event.subject;
        subject.service.as_deref() == Some(service) && (backend.is_none() || subject.backend.as_deref() == backend)
    });
    events
}
