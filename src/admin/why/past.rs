//! Answers about a time of the past, from what was recorded at each change; where that begins later, from the events of the ledger.

use std::sync::Arc;
use std::time::SystemTime;

use serde_json::{Value, json};

use super::{TIMELINE, about, place, shown};
use crate::admin::Shared;
use crate::admin::answer::Problem;
use crate::admin::recovery::read;
use crate::clock::{Stamp, rfc3339};
use crate::endpoint::state::{DecidedBy, State};
use crate::event::{Event, Kind};
use crate::ledger::EventRow;
use crate::why::history::{Record, Then};

/// What is known without figures.
struct Known {
    state: Option<State>,
    reason: String,
    by: Option<&'static str>,
    since: SystemTime,
    text: Vec<String>,
}

/// Why a backend was as it was at this time.
pub(super) async fn of_backend(
    shared: &Shared,
    service: &str,
    backend: &str,
    at: SystemTime,
) -> Result<Value, Problem> {
    let then = shared.why.history().at(service, backend, at);
    if matches!(then, Then::Nothing) {
        // a backend that is gone may have left records, and only one without any has to be there
        place(&*super::service(shared, service)?, backend)?;
    }
    let mut answer = match recorded(shared, (service, backend), at, &then) {
        Some(answer) => answer,
        None => known(service, backend, at, in_ledger(shared, service, backend, at, &then).await?),
    };
    answer["timeline"] = shown::events(&around(shared, service, Some(backend), at));
    Ok(answer)
}

/// Why the backends of a service were as they were at this time: a sentence for each.
pub(super) fn of_service(shared: &Shared, name: &str, at: SystemTime) -> Result<Value, Problem> {
    let service = super::service(shared, name)?;
    let backend = |id: &Arc<str>| {
        let then = shared.why.history().at(name, id, at);
        let whole = recorded(shared, (name, id), at, &then);
        let nothing = || format!("what {name}/{id} was like then is not known");
        json!({
            "backend": &**id,
            "state": whole.as_ref().map(|whole| &whole["state"]),
            "by": whole.as_ref().map(|whole| &whole["by"]),
            "reason": whole.as_ref().map(|whole| &whole["reason"]),
            "since": whole.as_ref().map(|whole| &whole["since"]),
            "text": whole.as_ref().map_or_else(|| json!(nothing()), |whole| whole["text"][0].clone()),
        })
    };
    let backends: Vec<Value> = service.endpoints.iter().map(|endpoint| backend(&endpoint.id)).collect();
    if !backends.is_empty() && backends.iter().all(|shown| shown["state"].is_null()) {
        let detail = format!("what the backends of {name} were like at {} is not known", rfc3339(at));
        return Err(Problem::not_found(detail).member("begins", json!(rfc3339(shared.started_at))));
    }
    let usable = |shown: &&Value| matches!(shown["state"].as_str(), Some("up" | "starting" | "unknown"));
    let (usable, total) = (backends.iter().filter(usable).count(), backends.len());
    Ok(json!({
        "service": name,
        "at": rfc3339(at),
        "state": null,
        "text": [format!("At {} {usable} of the {total} backends that {name} has now could be used.", rfc3339(at))],
        "healthy": usable,
        "total": total,
        "panic": null,
        "backends": backends,
        "timeline": shown::events(&around(shared, name, None, at)),
    }))
}

/// The events right before a time and after it, the newest first.
fn around(shared: &Shared, service: &str, backend: Option<&str>, at: SystemTime) -> Vec<Arc<Event>> {
    let mut events = about(shared, service, backend);
    let before = events.partition_point(|event| Stamp::from(event.time) <= Stamp::from(at));
    events.truncate(before + TIMELINE / 2);
    events.drain(..before.saturating_sub(TIMELINE / 2));
    events.reverse();
    events
}

/// What the records of this process say; `None` = they begin later.
fn recorded(shared: &Shared, (service, backend): (&str, &str), at: SystemTime, then: &Then) -> Option<Value> {
    match then {
        Then::Record(Record { facts: Some(facts), .. }) => Some(shown::backend(facts, Some(at), None)),
        Then::Record(Record { event, facts: None }) => {
            Some(known(service, backend, at, of_event(event, service, backend, at)))
        }
        Then::Before(Record { event, .. }) => {
            let Kind::Backend { was: Some(state), after: Some(after), .. } = &event.kind else { return None };
            let since = event.time.checked_sub(*after).filter(|since| Stamp::from(*since) <= Stamp::from(at))?;
            let text = format!("At {} {service}/{backend} was {}.", rfc3339(at), state.as_str());
            let end = format!(
                "It was so since {} at the latest, until {}: {}. No figures are kept of a time before the first change.",
                rfc3339(since),
                rfc3339(event.time),
                event.kind.text()
            );
            let known = Known { state: Some(*state), reason: String::new(), by: None, since, text: vec![text, end] };
            Some(self::known(service, backend, at, known))
        }
        Then::Nothing => unchanged(shared, service, backend, at),
    }
}

/// A change of which only the event is kept.
fn of_event(event: &Event, service: &str, backend: &str, at: SystemTime) -> Known {
    let (state, by, reason) = match &event.kind {
        Kind::Backend { state, by, reason, .. } => (Some(*state), Some(by.as_str()), reason.clone()),
        _ => (None, None, event.kind.text()),
    };
    let state_then = state.map_or("gone", State::as_str);
    let text = vec![
        format!("At {} {service}/{backend} was {state_then}, since {}: {}.", rfc3339(at), rfc3339(event.time), event.kind.text()),
        "The figures of that moment are not recorded: too many backends changed in that second, or it was gone already.".to_owned(),
    ];
    Known { state, reason, by, since: event.time, text }
}

/// A backend of which nothing has changed since that time.
fn unchanged(shared: &Shared, service: &str, backend: &str, at: SystemTime) -> Option<Value> {
    let found = shared.service(service)?;
    let told = found.endpoints.iter().find(|endpoint| *endpoint.id == *backend)?.live.standing.announced()?;
    if Stamp::from(told.at) > Stamp::from(at) {
        return None;
    }
    let (state, by): (State, DecidedBy) = (told.condition.state, told.condition.by);
    let text = vec![
        format!("At {} {service}/{backend} was {}, and it is so since {}.", rfc3339(at), state.as_str(), rfc3339(told.at)),
        "Nothing about it has changed since, and figures are recorded only when something changes: ask without a time for those of now."
            .to_owned(),
    ];
    let known = Known { state: Some(state), reason: told.reason, by: Some(by.as_str()), since: told.at, text };
    Some(self::known(service, backend, at, known))
}

/// What the ledger says of a time before the records begin.
async fn in_ledger(
    shared: &Shared,
    service: &str,
    backend: &str,
    at: SystemTime,
    then: &Then,
) -> Result<Known, Problem> {
    let (of, id) = (service.to_owned(), backend.to_owned());
    let until = Stamp::from(at).plus(1);
    let rows = read(shared, move |reader| reader.history(Some(&of), Some(&id), Stamp::from_millis(0), until, TIMELINE));
    // a process that promises nothing has no ledger
    let rows = rows.await?.unwrap_or_default();
    let state = |row: &EventRow| {
        let word = row.kind.strip_prefix("backend_")?.to_owned();
        State::ALL.into_iter().find(|state| state.as_str() == word)
    };
    let last = rows.iter().rev().find_map(|row| Some((state(row)?, row)));
    let Some((state, row)) = last else {
        let begin = match then {
            Then::Record(record) | Then::Before(record) => record.event.time,
            Then::Nothing => shared.started_at,
        };
        let detail = format!(
            "what {service}/{backend} was like at {} is not known: what is recorded of it begins at {}, and the ledger has no event of it before",
            rfc3339(at),
            rfc3339(begin)
        );
        return Err(Problem::not_found(detail).member("begins", json!(rfc3339(begin))));
    };
    let told: Value = serde_json::from_str(&row.json).unwrap_or_default();
    let reason = told["text"].as_str().unwrap_or_default().to_owned();
    let since = SystemTime::from(row.time);
    let text = vec![
        format!("At {} {service}/{backend} was {}, since {}: {reason}.", rfc3339(at), state.as_str(), rfc3339(since)),
        "That is what the ledger says; the figures of that time are not kept.".to_owned(),
    ];
    Ok(Known { state: Some(state), reason, by: None, since, text })
}

fn known(service: &str, backend: &str, at: SystemTime, known: Known) -> Value {
    let Known { state, reason, by, since, text } = known;
    json!({
        "service": service,
        "backend": backend,
        "at": rfc3339(at),
        "state": state.map_or("unknown", State::as_str),
        "reason": reason,
        "by": by.unwrap_or_default(),
        "since": rfc3339(since),
        "text": text,
        "rules": [],
        "votes": [],
        "brakes": [],
        "algorithms": [],
        "timeline": [],
    })
}
