//! `POST`, `GET` and `DELETE /api/v1/services/S/maintenance`: what happens to a service meanwhile does not count.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::extract::{self, Path};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Shared;
use super::answer::{self, Answer, Problem};
use super::backends::{no_service, reason};
use super::body::WholeBody;
use super::caller::Caller;
use super::cluster;
use crate::clock::{Stamp, parse_rfc3339};
use crate::ledger::Maintenance;
use crate::operator::Note;
use crate::share::word::{Saying, Topic};

/// The longest that can be said at once: who forgets to end it must not hide a month.
const LONGEST: Duration = Duration::from_secs(7 * 86_400);

/// The body of the POST.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct StartBody {
    minutes: Option<f64>,
    /// RFC 3339.
    until: Option<String>,
    reason: Option<String>,
}

/// Starts it, or sets another end for what is under way.
pub(super) async fn start(
    extract::State(shared): extract::State<Arc<Shared>>,
    Path(name): Path<String>,
    caller: Caller,
    WholeBody(body): WholeBody,
) -> Result<Answer, Problem> {
    let service = promised(&shared, &name)?;
    let StartBody { minutes, until, reason: why } =
        serde_json::from_slice(&body).map_err(|error| Problem::bad_request(format!("the body: {error}")))?;
    let now = Stamp::now();
    let until = end(minutes, until.as_deref(), now).map_err(Problem::bad_request)?;
    let why = reason(why)?.ok_or_else(|| Problem::bad_request("a reason has to be given: it is in the report"))?;
    let started = shared.promises.maintenances.start(&service, now, until, why, caller.to_string());
    shared.store.news().notify_one();
    let note = Note {
        who: started.who.clone(),
        reason: Some(started.reason.clone()),
        until: Some(SystemTime::from(started.to)),
    };
    let said = shared.sharing.say(Topic::Maintenance(service), Saying::Maintenance, note);
    let kept = keep(&shared, started.clone()).await;
    let mut answer = to_json(&started, kept);
    cluster::add_outcome(&shared, said, &mut answer).await;
    Ok(answer::json(&answer))
}

/// What is under way.
pub(super) async fn show(
    extract::State(shared): extract::State<Arc<Shared>>,
    Path(name): Path<String>,
) -> Result<Answer, Problem> {
    let service = promised(&shared, &name)?;
    let running = shared.promises.maintenances.of(&service).filter(|running| running.to > Stamp::now());
    Ok(answer::json(&running.map_or(Value::Null, |running| to_json(&running, true))))
}

/// Ends what is under way.
pub(super) async fn stop(
    extract::State(shared): extract::State<Arc<Shared>>,
    Path(name): Path<String>,
    caller: Caller,
) -> Result<Answer, Problem> {
    let service = promised(&shared, &name)?;
    let Some(ended) = shared.promises.maintenances.end(&service, Stamp::now()) else {
        return Err(Problem::not_found(format!("no maintenance of {name:?} was started by hand")));
    };
    shared.store.news().notify_one();
    let note = Note { who: caller.to_string(), reason: None, until: None };
    let said = shared.sharing.say(Topic::Maintenance(service), Saying::Over, note);
    let kept = keep(&shared, ended.clone()).await;
    let mut answer = to_json(&ended, kept);
    cluster::add_outcome(&shared, said, &mut answer).await;
    Ok(answer::json(&answer))
}

/// The service with this name. Without a promise there is nothing that maintenance could be left out of.
fn promised(shared: &Shared, name: &str) -> Result<Arc<str>, Problem> {
    let snapshot = shared.store.load();
    let service = snapshot.services.iter().find(|service| *service.name == *name).ok_or_else(|| no_service(name))?;
    if service.promised.is_none() {
        let detail = format!("nothing is promised of the service {name:?}: it has no `sla` section");
        return Err(Problem::new(http::StatusCode::CONFLICT, detail));
    }
    Ok(Arc::clone(&service.name))
}

/// When it is to end.
fn end(minutes: Option<f64>, until: Option<&str>, now: Stamp) -> Result<Stamp, String> {
    let until = match (minutes, until) {
        (Some(minutes), None) if minutes > 0.0 && minutes.is_finite() => now.plus((minutes * 60_000.0) as i64),
        (Some(minutes), None) => return Err(format!("minutes: {minutes} is no time")),
        (None, Some(text)) => {
            let read: Option<SystemTime> = parse_rfc3339(text);
            read.map(Stamp::from).ok_or_else(|| format!("until: {text:?} is no time as RFC 3339 has it"))?
        }
        _ => return Err("until when? say minutes, or until".to_owned()),
    };
    match until.since(now) {
        ..=0 => Err("it would be over already".to_owned()),
        length if length.unsigned_abs() > LONGEST.as_millis() as u64 => {
            Err("at most seven days at a time; longer ones belong into the configuration".to_owned())
        }
        _ => Ok(until),
    }
}

/// Writes it to the ledger, on a thread that may wait for the disk.
async fn keep(shared: &Shared, maintenance: Maintenance) -> bool {
    let maintenances = Arc::clone(&shared.promises.maintenances);
    tokio::task::spawn_blocking(move || maintenances.keep(maintenance)).await.unwrap_or(false)
}

fn to_json(running: &Maintenance, kept: bool) -> Value {
    json!({
        "service": &*running.service,
        "from": running.from.to_string(),
        "until": running.to.to_string(),
        "reason": running.reason,
        "who": running.who,
        "kept": kept,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_end_is_said_in_minutes_or_as_a_time_and_is_at_most_a_week_away() {
        let now = Stamp::from_millis(1_000_000);
        let end = |minutes, until| end(minutes, until, now).map(|until| until.since(now));
        assert_eq!(end(Some(30.0), None), Ok(1_800_000));
        assert_eq!(end(Some(0.5), None), Ok(30_000));
        assert_eq!(end(None, Some("1970-01-01T00:20:00Z")), Ok(200_000));
        for (minutes, until) in [
            (None, None),
            (Some(1.0), Some("1970-01-01T00:20:00Z")),
            (Some(0.0), None),
            (Some(-1.0), None),
            (Some(f64::NAN), None),
            (Some(1e300), None),
            (Some(10_081.0), None),
            (None, Some("tomorrow")),
            (None, Some("1970-01-01T00:16:40Z")),
        ] {
            assert!(end(minutes, until).is_err(), "{minutes:?} {until:?}");
        }
    }
}
