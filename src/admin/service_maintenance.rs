//! `POST`, `GET` and `DELETE /api/v1/services/S/maintenance`: what happens to a service meanwhile does not count, and its clients are shown a page
//! where that is asked for.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::extract::{self, Path, RawQuery};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Shared;
use super::answer::{self, Answer, Problem};
use super::backends::{no_service, reason};
use super::body::WholeBody;
use super::caller::Caller;
use super::{cluster, maintenance_page, query};
use crate::clock::{Stamp, parse_rfc3339};
use crate::ledger::Maintenance;
use crate::operator::Note;
use crate::operator::pages::{PageWord, Scope};
use crate::share::Said;
use crate::share::word::{Saying, Topic};
use crate::sla::maintenance;
use crate::snapshot::Service;

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
    /// Clients are shown the page meanwhile.
    #[serde(default)]
    page: bool,
    /// What happens meanwhile does not count; missing = where something is promised, and always where there is no page.
    planned: Option<bool>,
}

/// What is under way of a service's maintenance: what does not count, and what clients see. Each may be there without the other.
#[derive(Default)]
struct UnderWay {
    planned: Option<Maintenance>,
    page: Option<PageWord>,
}

/// Starts it, or sets another end for what is under way.
pub(super) async fn start(
    extract::State(shared): extract::State<Arc<Shared>>,
    Path(name): Path<String>,
    caller: Caller,
    WholeBody(body): WholeBody,
) -> Result<Answer, Problem> {
    let service = named(&shared, &name)?;
    let body: StartBody =
        serde_json::from_slice(&body).map_err(|error| Problem::bad_request(format!("the body: {error}")))?;
    let StartBody { minutes, until, reason: why, page, planned } = body;
    let is_promised = service.promised.is_some();
    let is_planned = planned.unwrap_or(is_promised || !page);
    if is_planned && !is_promised {
        return Err(nothing_promised(&name));
    }
    if !is_planned && !page {
        return Err(Problem::bad_request("neither a planned time nor the page is asked for"));
    }
    let now = Stamp::now();
    let planned_until = is_planned.then(|| end(minutes, until.as_deref(), now)).transpose();
    let planned_until = planned_until.map_err(Problem::bad_request)?;
    let shown_until = maintenance_page::end(minutes, until.as_deref(), SystemTime::now());
    let why = reason(why)?.ok_or_else(|| Problem::bad_request("a reason has to be given: it is in the report"))?;
    let mut under_way = UnderWay::default();
    let mut said = Vec::new();
    // from here on nothing is waited for until both are in force
    if page {
        let until = shown_until.map_err(Problem::bad_request)?;
        let note = Note { who: caller.to_string(), reason: Some(why.clone()), until };
        let (word, shared_word) = maintenance_page::say(&shared, &scope(&service), note)?;
        said.push(shared_word);
        under_way.page = Some(word);
    }
    if let Some(until) = planned_until {
        let started = shared.promises.maintenances.start(&service.name, now, until, why, caller.to_string());
        shared.store.news().notify_one();
        let note = Note {
            who: started.who.clone(),
            reason: Some(started.reason.clone()),
            until: Some(SystemTime::from(started.to)),
        };
        said.push(shared.sharing.say(Topic::Maintenance(Arc::clone(&service.name)), Saying::Maintenance, note));
        under_way.planned = Some(started);
    }
    finish(&shared, &service, &under_way, said).await
}

/// What is under way.
pub(super) async fn show(
    extract::State(shared): extract::State<Arc<Shared>>,
    Path(name): Path<String>,
) -> Result<Answer, Problem> {
    let service = named(&shared, &name)?;
    let running = shared.promises.maintenances.of(&service.name).filter(|running| running.to > Stamp::now());
    let under_way = UnderWay { planned: running, page: shared.operators.pages.of(&scope(&service)) };
    let shown = to_json(&service, &under_way, true);
    let is_planned = shown["planned"] == true;
    // what somebody has started by hand goes before what the configuration plans
    Ok(answer::json(&match configured(&service, Stamp::now()).filter(|_| !is_planned) {
        Some(configured) => merged(shown, configured),
        None => shown,
    }))
}

/// Ends what is under way: with `?only=page` what clients see of it, else all.
pub(super) async fn stop(
    extract::State(shared): extract::State<Arc<Shared>>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
    caller: Caller,
) -> Result<Answer, Problem> {
    let only_page = only_page(query.as_deref().unwrap_or_default()).map_err(Problem::bad_request)?;
    let (service, now) = (named(&shared, &name)?, Stamp::now());
    let page = maintenance_page::take_back(&shared, &scope(&service), &caller)?;
    let planned = if only_page { None } else { shared.promises.maintenances.end(&service.name, now) };
    if planned.is_none() && page.is_none() {
        let refused = |configured: &Value| {
            let (until, rule) = (&configured["until"], &configured["rule"]);
            Problem::not_found(format!(
                "no maintenance of the service {name:?} was started by hand; the configuration plans it until {} ({}): to end it sooner, \
                 take that window out of service.{name}.sla.maintenance and reload",
                until.as_str().unwrap_or_default(),
                rule.as_str().unwrap_or_default(),
            ))
        };
        return Err(configured(&service, now)
            .as_ref()
            .map_or_else(|| maintenance_page::nothing_to_end(&shared, &scope(&service)), refused));
    }
    let (word, said_of_page) = page.unzip();
    let mut said: Vec<_> = said_of_page.into_iter().collect();
    if planned.is_some() {
        shared.store.news().notify_one();
        let note = Note { who: caller.to_string(), reason: None, until: None };
        said.push(shared.sharing.say(Topic::Maintenance(Arc::clone(&service.name)), Saying::Over, note));
    }
    finish(&shared, &service, &UnderWay { planned, page: word }, said).await
}

/// Has all of it written, and tells what became of it.
async fn finish(
    shared: &Shared,
    service: &Service,
    under_way: &UnderWay,
    said: Vec<Option<Said>>,
) -> Result<Answer, Problem> {
    let mut kept = under_way.page.is_none() || shared.operators.keep().await;
    if let Some(planned) = &under_way.planned {
        kept &= keep(shared, planned.clone()).await;
    }
    let mut answer = to_json(service, under_way, kept);
    for said in said {
        // what is not shared of one is told, whatever became of the other
        let mut outcome = json!({});
        cluster::add_outcome(shared, said, &mut outcome).await;
        for (name, value) in outcome.as_object().into_iter().flatten() {
            if answer["shared"] != false {
                answer[name] = value.clone();
            }
        }
    }
    Ok(answer::json(&answer))
}

/// Whether only the page is meant.
fn only_page(query: &str) -> Result<bool, String> {
    let mut only_page = false;
    for (name, value) in query::parameters(query, &[])? {
        match (&*name, &*value) {
            ("only", "page") => only_page = true,
            ("only", other) => return Err(format!("only={other}: there is only page")),
            (other, _) => return Err(format!("unknown parameter {other:?}: there is only")),
        }
    }
    Ok(only_page)
}

/// The service with this name.
fn named(shared: &Shared, name: &str) -> Result<Arc<Service>, Problem> {
    shared.service(name).ok_or_else(|| no_service(name))
}

/// Without a promise there is nothing that maintenance could be left out of.
fn nothing_promised(name: &str) -> Problem {
    let detail = format!(
        "nothing is promised of the service {name:?}: it has no `sla` section, so no time is planned; `page` shows its clients a page"
    );
    Problem::new(StatusCode::CONFLICT, detail)
}

fn scope(service: &Service) -> Scope {
    Scope::Service(Arc::clone(&service.name))
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

/// The window of the configuration that is under way.
fn configured(service: &Service, now: Stamp) -> Option<Value> {
    let (rule, time) = maintenance::current(&service.promised.as_ref()?.maintenance, now)?;
    Some(json!({
        "service": &*service.name,
        "from": time.start.to_string(),
        "until": time.end.to_string(),
        "reason": null,
        "who": "configuration",
        "rule": rule.to_string(),
        "planned": true,
        "page": false,
        "counts": false,
        "kept": true,
    }))
}

/// What is shown to clients, and that the configuration plans the time.
fn merged(shown: Value, configured: Value) -> Value {
    if shown.is_null() {
        return configured;
    }
    let page = shown["page"].clone();
    let mut both = shown;
    for name in ["from", "until", "rule", "planned", "counts"] {
        both[name] = configured[name].clone();
    }
    both["page"] = page;
    both
}

/// What is under way; null where nothing is.
fn to_json(service: &Service, under_way: &UnderWay, kept: bool) -> Value {
    let UnderWay { planned, page } = under_way;
    let is_by_file = service.maintenance.enabled;
    if planned.is_none() && page.is_none() && !is_by_file {
        return Value::Null;
    }
    let mut shown = json!({
        "service": &*service.name,
        "from": null,
        "until": null,
        "reason": null,
        "who": "configuration",
        "planned": planned.is_some(),
        "page": page.is_some() || is_by_file,
        // what its clients miss is its downtime
        "counts": planned.is_none() && service.promised.is_some(),
        "kept": kept,
    });
    if let Some(word) = page {
        maintenance_page::describe(word, &mut shown);
        shown["from"] = shown["since"].take();
    }
    if let Some(running) = planned {
        shown["from"] = json!(running.from.to_string());
        shown["until"] = json!(running.to.to_string());
        shown["reason"] = json!(running.reason);
        shown["who"] = json!(running.who);
    }
    if let Some(object) = shown.as_object_mut() {
        object.remove("since");
    }
    shown
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
