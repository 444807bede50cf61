//! The page that clients are shown during maintenance: `POST`, `GET` and `DELETE /api/v1/listeners/L/maintenance`, and the part of a service's
//! maintenance that its clients see.

use std::sync::Arc;
use std::time::SystemTime;

use axum::extract::{self, Path};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Shared;
use super::answer::{self, Answer, Problem};
use super::backends::{elsewhere, reason};
use super::body::WholeBody;
use super::caller::Caller;
use super::cluster;
use crate::clock::{parse_rfc3339, rfc3339};
use crate::operator::Note;
use crate::operator::pages::{PageWord, Scope};
use crate::policy::ListenerProtocol;
use crate::share::Said;
use crate::share::word::{Saying, Topic};
use crate::snapshot::{Maintenance, Snapshot};

/// The longest that can be said in minutes: what is longer is a mistake, or has no end.
const LONGEST_MINUTES: f64 = 525_600.0;

/// The body of the POST.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ShowBody {
    minutes: Option<f64>,
    /// RFC 3339.
    until: Option<String>,
    reason: Option<String>,
}

/// `POST /api/v1/listeners/L/maintenance`: its clients are shown the page, whatever its routes say.
pub(super) async fn show(
    extract::State(shared): extract::State<Arc<Shared>>,
    Path(name): Path<String>,
    caller: Caller,
    WholeBody(body): WholeBody,
) -> Result<Answer, Problem> {
    let scope = listener(&shared, &name)?;
    let ShowBody { minutes, until, reason: why } =
        serde_json::from_slice(&body).map_err(|error| Problem::bad_request(format!("the body: {error}")))?;
    let until = end(minutes, until.as_deref(), SystemTime::now()).map_err(Problem::bad_request)?;
    let why = reason(why)?.ok_or_else(|| Problem::bad_request("a reason has to be given: it is in the events"))?;
    let note = Note { who: caller.to_string(), reason: Some(why), until };
    let (word, said) = say(&shared, &scope, note)?;
    let kept = shared.operators.keep().await;
    let mut answer = json!({ "listener": name, "kept": kept });
    describe(&word, &mut answer);
    cluster::add_outcome(&shared, said, &mut answer).await;
    Ok(answer::json(&answer))
}

/// `GET /api/v1/listeners/L/maintenance`; null while it is not shown.
pub(super) async fn shown(
    extract::State(shared): extract::State<Arc<Shared>>,
    Path(name): Path<String>,
) -> Result<Answer, Problem> {
    let scope = listener(&shared, &name)?;
    let mut answer = of(&shared, &shared.store.load(), &scope);
    if answer.is_object() {
        answer["listener"] = json!(name);
    }
    Ok(answer::json(&answer))
}

/// `DELETE /api/v1/listeners/L/maintenance`
pub(super) async fn end_shown(
    extract::State(shared): extract::State<Arc<Shared>>,
    Path(name): Path<String>,
    caller: Caller,
) -> Result<Answer, Problem> {
    let scope = listener(&shared, &name)?;
    let Some((word, said)) = take_back(&shared, &scope, &caller)? else { return Err(nothing_to_end(&shared, &scope)) };
    let kept = shared.operators.keep().await;
    let mut answer = json!({ "listener": name, "kept": kept });
    describe(&word, &mut answer);
    cluster::add_outcome(&shared, said, &mut answer).await;
    Ok(answer::json(&answer))
}

/// Has the page shown: it is when this returns. The caller has to have it written without a pause in between.
pub(super) fn say(shared: &Shared, scope: &Scope, note: Note) -> Result<(PageWord, Option<Said>), Problem> {
    let word = shared.operators.show_page(scope, note.clone()).map_err(elsewhere)?;
    put_in_force(shared, scope, Some(&word));
    Ok((word, shared.sharing.say(Topic::Page(scope.clone()), Saying::Maintenance, note)))
}

/// Takes that back; `None` = no operator has said so.
pub(super) fn take_back(
    shared: &Shared,
    scope: &Scope,
    caller: &Caller,
) -> Result<Option<(PageWord, Option<Said>)>, Problem> {
    let Some(word) = shared.operators.end_page(scope, caller.to_string()).map_err(elsewhere)? else { return Ok(None) };
    put_in_force(shared, scope, None);
    let note = Note { who: caller.to_string(), reason: None, until: None };
    Ok(Some((word, shared.sharing.say(Topic::Page(scope.clone()), Saying::Over, note))))
}

/// Why there is nothing to end.
pub(super) fn nothing_to_end(shared: &Shared, scope: &Scope) -> Problem {
    let (kind, name) = (scope.kind(), scope.name());
    match maintenance_of(&shared.store.load(), scope).is_some_and(|maintenance| maintenance.enabled) {
        true => {
            let detail = format!(
                "the configuration has the {kind} {name:?} in maintenance: set maintenance.enabled = false and reload"
            );
            Problem::new(StatusCode::CONFLICT, detail)
        }
        false => Problem::not_found(format!("no maintenance of the {kind} {name:?} was started by hand")),
    }
}

/// The page that clients are shown; null while they are shown none.
pub(super) fn of(shared: &Shared, snapshot: &Snapshot, scope: &Scope) -> Value {
    let Some(maintenance) = maintenance_of(snapshot, scope).filter(|maintenance| maintenance.is_on()) else {
        return Value::Null;
    };
    let mut shown = json!({ "who": "configuration", "reason": null, "since": null, "until": null });
    if let Some(word) = shared.operators.pages.of(scope).filter(|_| !maintenance.enabled) {
        describe(&word, &mut shown);
    }
    shown
}

/// The members that say who has had it shown, why, since when, and until when.
pub(super) fn describe(word: &PageWord, answer: &mut Value) {
    answer["who"] = json!(word.note.who);
    answer["reason"] = json!(word.note.reason);
    answer["since"] = json!(rfc3339(word.since));
    answer["until"] = json!(word.note.until.map(rfc3339));
}

/// Until when it is shown; `None` = until it is ended.
pub(super) fn end(minutes: Option<f64>, until: Option<&str>, now: SystemTime) -> Result<Option<SystemTime>, String> {
    match (minutes, until) {
        (None, None) => Ok(None),
        (Some(minutes), None) if minutes > 0.0 && minutes <= LONGEST_MINUTES => {
            Ok(Some(now + std::time::Duration::from_secs_f64(minutes * 60.0)))
        }
        (Some(minutes), None) => Err(format!("minutes: {minutes} is no time of at most a year")),
        (None, Some(text)) => match parse_rfc3339(text) {
            Some(until) if until > now => Ok(Some(until)),
            Some(_) => Err(format!("until: {text} is over already")),
            None => Err(format!("until: {text:?} is no time as RFC 3339 has it")),
        },
        (Some(_), Some(_)) => Err("until when? say minutes, or until".to_owned()),
    }
}

/// Puts into the snapshot in force what was said.
fn put_in_force(shared: &Shared, scope: &Scope, word: Option<&PageWord>) {
    if let Some(maintenance) = maintenance_of(&shared.store.load(), scope) {
        maintenance.set(word.map(|word| word.note.until));
    }
    // whoever tells of it is to look
    shared.store.news().notify_one();
}

fn maintenance_of<'s>(snapshot: &'s Snapshot, scope: &Scope) -> Option<&'s Maintenance> {
    match scope {
        Scope::Listener(name) => {
            snapshot.listeners.iter().find(|known| known.name == *name).map(|known| &known.maintenance)
        }
        Scope::Service(name) => {
            snapshot.services.iter().find(|known| known.name == *name).map(|known| &known.maintenance)
        }
    }
}

/// The listener of this name, which has to have requests.
fn listener(shared: &Shared, name: &str) -> Result<Scope, Problem> {
    let snapshot = shared.store.load();
    let known = snapshot.listeners.iter().find(|known| *known.name == *name);
    let known = known.ok_or_else(|| Problem::not_found(format!("there is no listener {name:?}")))?;
    if known.protocol != ListenerProtocol::Http {
        let protocol = known.protocol.as_str();
        let detail = format!(
            "the listener {name:?} is a `{protocol}` one: it sees no requests that it could answer with a page"
        );
        return Err(Problem::new(StatusCode::CONFLICT, detail));
    }
    Ok(Scope::Listener(Arc::clone(&known.name)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn it_is_shown_until_a_time_or_until_it_is_ended() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
        let end = |minutes, until| end(minutes, until, now);
        assert_eq!(end(None, None), Ok(None));
        assert_eq!(end(Some(1.5), None), Ok(Some(now + Duration::from_secs(90))));
        assert_eq!(end(None, Some("1970-01-01T00:20:00Z")), Ok(Some(now + Duration::from_secs(200))));
        for (minutes, until) in [
            (Some(0.0), None),
            (Some(-1.0), None),
            (Some(f64::NAN), None),
            (Some(1e300), None),
            (Some(1.0), Some("1970-01-01T00:20:00Z")),
            (None, Some("1970-01-01T00:10:00Z")),
            (None, Some("soon")),
        ] {
            assert!(end(minutes, until).is_err(), "{minutes:?} {until:?}");
        }
    }
}
