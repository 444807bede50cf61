//! What is done about faults: `GET /api/v1/recoveries`, `/recoveries/N`, `/recoveries/effectiveness` and `/recovery`, and an operator's part in it:
//! pause, resume, approve, refuse, undo, stop.

mod query;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{self, Path, RawQuery};
use http::StatusCode;
use http::header::{HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::timeout;

use self::query::{Format, RecoveryQuery};
use super::Shared;
use super::answer::{self, Answer, Problem};
use super::backends;
use super::body::WholeBody;
use super::caller::Caller;
use crate::clock::Stamp;
use crate::ledger::Reader;
use crate::operator::recovery::{Command, Mode};
use crate::recover::{Attempt, Word};
use crate::report::{json as shown, markdown};

/// How long a command may take to be carried out. An act that is taken back goes on after the answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The field that says why attempts of which only the ledger knows are missing in an answer.
static TROUBLE: HeaderName = HeaderName::from_static("evenkeel-ledger-trouble");

/// What the status says of an attempt.
const IN_SHORT: [&str; 9] =
    ["id", "service", "backend", "fault", "strategy", "dry_run", "phase", "outcome", "in_force"];

/// The body of what an operator says.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct SaidBody {
    reason: Option<String>,
}

/// `GET /api/v1/recoveries`: the attempts that are asked for, the newest first.
pub(super) async fn list(
    extract::State(shared): extract::State<Arc<Shared>>,
    RawQuery(query): RawQuery,
) -> Result<Answer, Problem> {
    let asked = RecoveryQuery::parse(query.as_deref().unwrap_or_default()).map_err(Problem::bad_request)?;
    let (format, service) = (asked.format, asked.service.clone());
    let (attempts, trouble) = found(&shared, asked).await?;
    if attempts.is_empty() {
        is_known(&shared, service.as_deref())?;
    }
    let mut answer = match format {
        Format::Json => answer::json(&attempts.iter().map(shown::attempt).collect()),
        Format::Markdown => answer::text(MARKDOWN, markdown::recoveries::write(&attempts, Stamp::now())),
    };
    if let Some(why) = trouble.and_then(|why| HeaderValue::from_str(&why).ok()) {
        answer.headers_mut().insert(&TROUBLE, why);
    }
    Ok(answer)
}

/// A misspelt name must not read as the good news that nothing was done.
fn is_known(shared: &Shared, service: Option<&str>) -> Result<(), Problem> {
    let Some(name) = service else { return Ok(()) };
    let is_there = shared.store.load().services.iter().any(|known| *known.name == *name);
    if is_there { Ok(()) } else { Err(backends::no_service(name)) }
}

const MARKDOWN: &str = "text/markdown; charset=utf-8";

/// The attempts that are asked for, and why some may be missing. What is in memory is newer than what the ledger has.
async fn found(shared: &Shared, asked: RecoveryQuery) -> Result<(Vec<Attempt>, Option<String>), Problem> {
    let mut all: BTreeMap<i64, Attempt> = BTreeMap::new();
    let most = asked.limit;
    let recent = recent(shared).filter(|attempt| asked.wants(attempt)).map(|attempt| (*attempt).clone());
    let recent: Vec<_> = recent.collect();
    let kept = read(shared, move |reader| {
        let service = asked.service.as_deref();
        reader.recoveries(service, asked.after, asked.from, Stamp::from_millis(i64::MAX), asked.limit)
    });
    let (kept, trouble) = match kept.await? {
        Ok(kept) => (kept, None),
        Err(why) => (Vec::new(), shared.promises.ledger.is_kept().then_some(why)),
    };
    all.extend(kept.into_iter().chain(recent).map(|attempt| (attempt.id, attempt)));
    Ok((all.into_values().rev().take(most).collect(), trouble))
}

/// What is in memory: those that ended of late, and then those under way or in force.
fn recent(shared: &Shared) -> impl Iterator<Item = Arc<Attempt>> {
    shared.recoveries.lately().into_iter().chain(shared.recoveries.current())
}

/// The attempt with this number.
async fn one(shared: &Shared, number: &str) -> Result<Attempt, Problem> {
    let nothing = || Problem::not_found(format!("there is no attempt {}", number.escape_debug()));
    let id: i64 = number.parse().map_err(|_| nothing())?;
    if let Some(attempt) = recent(shared).filter(|attempt| attempt.id == id).last() {
        return Ok((*attempt).clone());
    }
    let kept = read(shared, move |reader| reader.recovery(id)).await?;
    // a ledger that can't be read has told so in an event
    kept.ok().flatten().ok_or_else(nothing)
}

/// Reads the ledger on a thread of its own; an error says why it can't be read, or that there is none.
pub(super) async fn read<T: Send + 'static>(
    shared: &Shared,
    work: impl FnOnce(&Reader) -> Result<T, String> + Send + 'static,
) -> Result<Result<T, String>, Problem> {
    let ledger = shared.promises.ledger.clone();
    let done = tokio::task::spawn_blocking(move || work(&ledger.read()?)).await;
    done.map_err(|broken| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, broken.to_string()))
}

/// `GET /api/v1/recoveries/N`
pub(super) async fn show(
    extract::State(shared): extract::State<Arc<Shared>>,
    Path(number): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Answer, Problem> {
    let format = query::format(query.as_deref().unwrap_or_default()).map_err(Problem::bad_request)?;
    let attempt = one(&shared, &number).await?;
    Ok(match format {
        Format::Json => answer::json(&shown::attempt(&attempt)),
        Format::Markdown => answer::text(MARKDOWN, markdown::recoveries::write(&[attempt], Stamp::now())),
    })
}

/// `GET /api/v1/recoveries/effectiveness`: what was learned.
pub(super) async fn effectiveness(
    extract::State(shared): extract::State<Arc<Shared>>,
    RawQuery(query): RawQuery,
) -> Result<Answer, Problem> {
    let only = super::query::service(query.as_deref().unwrap_or_default()).map_err(Problem::bad_request)?;
    let mut all = json!({});
    let rows = shared.recoveries.effectiveness().into_iter();
    for row in rows.filter(|row| only.as_deref().is_none_or(|only| *row.service == *only)) {
        all[&*row.service][&row.fault][&*row.strategy] = json!({
            "effectiveness": (row.effectiveness * 1e4).round() / 1e4,
            "attempts": row.attempts,
            "successes": row.successes,
            "credited": row.credited,
        });
    }
    if all.as_object().is_some_and(|all| all.is_empty()) {
        is_known(&shared, only.as_deref())?;
    }
    Ok(answer::json(&all))
}

/// `GET /api/v1/recovery`: whether it is paused, and how each service is repaired.
pub(super) async fn state(extract::State(shared): extract::State<Arc<Shared>>) -> Answer {
    let current = shared.recoveries.current();
    let mut state = paused(&shared);
    state["attempts"] = current.iter().map(|attempt| shown::attempt(attempt)).collect();
    state["services"] = json!({});
    for (name, service) in services(&shared, &current) {
        state["services"][&*name] = service;
    }
    answer::json(&state)
}

/// How each service is repaired, with the numbers of these attempts that are its.
fn services(shared: &Shared, current: &[Arc<Attempt>]) -> Vec<(Arc<str>, Value)> {
    let braked = shared.recoveries.braked();
    let service = |(name, mode): (Arc<str>, Mode)| {
        let ids = |wanted: fn(&Attempt) -> bool| -> Vec<i64> {
            let of_service = current.iter().filter(|attempt| *attempt.service == *name);
            of_service.filter(|attempt| wanted(attempt)).map(|attempt| attempt.id).collect()
        };
        let service = json!({
            "dry_run": mode.dry_run,
            "approve": if mode.asks { "ask" } else { "auto" },
            "braked": braked.get(&name),
            "running": ids(|attempt| attempt.end.is_none()),
            "in_force": ids(|attempt| attempt.in_force),
        });
        (name, service)
    };
    shared.recoveries.services().into_iter().map(service).collect()
}

/// The recovery of the services that are repaired, as the status has it: what is under way or in force in a few words, and whether it is paused.
pub(super) fn in_short(shared: &Shared) -> BTreeMap<Arc<str>, Value> {
    let current = shared.recoveries.current();
    let short = |attempt: &Arc<Attempt>| {
        let mut all = shown::attempt(attempt);
        IN_SHORT.iter().map(|name| ((*name).to_owned(), all[name].take())).collect::<Value>()
    };
    let service = |(name, mut service): (Arc<str>, Value)| {
        service["paused"] = json!(shared.recoveries.is_paused());
        let of_service = current.iter().filter(|attempt| *attempt.service == *name);
        service["attempts"] = of_service.map(short).collect();
        (name, service)
    };
    services(shared, &current).into_iter().map(service).collect()
}

fn paused(shared: &Shared) -> Value {
    let pause = shared.recoveries.pause_of();
    json!({
        "paused": pause.is_some(),
        "who": pause.as_ref().map(|pause| &pause.who),
        "since": pause.as_ref().map(|pause| Stamp::from_millis(pause.since).to_string()),
        "reason": pause.as_ref().and_then(|pause| pause.reason.as_ref()),
    })
}

/// `POST /api/v1/recovery/pause`
pub(super) async fn pause(
    extract::State(shared): extract::State<Arc<Shared>>,
    caller: Caller,
    WholeBody(body): WholeBody,
) -> Result<Answer, Problem> {
    let reason = reason(&body)?;
    shared.recoveries.pause(&caller.to_string(), reason, Stamp::now());
    Ok(kept(&shared).await)
}

/// `POST /api/v1/recovery/resume`
pub(super) async fn resume(
    extract::State(shared): extract::State<Arc<Shared>>,
    caller: Caller,
    WholeBody(body): WholeBody,
) -> Result<Answer, Problem> {
    reason(&body)?;
    shared.recoveries.resume(&caller.to_string());
    Ok(kept(&shared).await)
}

/// Writes whether recovery is paused to the ledger, on a thread that may wait for the disk.
async fn kept(shared: &Shared) -> Answer {
    let recoveries = Arc::clone(&shared.recoveries);
    let kept = tokio::task::spawn_blocking(move || recoveries.keep()).await.unwrap_or(false);
    let mut state = paused(shared);
    state["kept"] = json!(kept);
    answer::json(&state)
}

/// `POST /api/v1/recoveries/N/approve`, `/refuse`, `/undo`, `/stop`: the answer is the attempt as it is then.
pub(super) async fn command(
    word: Word,
    extract::State(shared): extract::State<Arc<Shared>>,
    Path(number): Path<String>,
    caller: Caller,
    WholeBody(body): WholeBody,
) -> Result<Answer, Problem> {
    let reason = reason(&body)?;
    let before = one(&shared, &number).await?;
    let command = Command { word, attempt: before.id, who: caller.to_string(), reason };
    let unavailable = |why: &str| Problem::new(StatusCode::SERVICE_UNAVAILABLE, why);
    let answer = shared.recoveries.ask(command).map_err(|why| unavailable(&why))?;
    match timeout(PATIENCE, answer).await {
        Ok(Ok(Ok(attempt))) => Ok(answer::json(&shown::attempt(&attempt))),
        Ok(Ok(Err(why))) => Err(Problem::new(StatusCode::CONFLICT, over(word, &before).unwrap_or(why))),
        Ok(Err(_)) => Err(unavailable("recovery has ended in this process before it answered")),
        Err(_) => Err(unavailable("recovery does not answer; whether it was carried out is shown by the attempt")),
    }
}

/// Why nothing can be said of an attempt that is over. Whoever drives recovery has forgotten it by then.
fn over(word: Word, attempt: &Attempt) -> Option<String> {
    let Attempt { id, strategy, .. } = attempt;
    let outcome = attempt.outcome?.as_str().replace('_', " ");
    match word {
        Word::Approve | Word::Refuse => {
            Some(format!("attempt {id} does not wait to be approved: it has ended as {outcome}"))
        }
        Word::Stop if attempt.in_force => Some(format!(
            "attempt {id} has ended as {outcome}; what it did is in force, and can be taken back (`undo`)"
        )),
        Word::Stop => Some(format!("attempt {id} is not under way: it has ended as {outcome}")),
        Word::Undo if attempt.in_force => None,
        Word::Undo if attempt.dry_run => Some(format!("attempt {id} was a dry run: nothing was done")),
        Word::Undo => Some(format!(
            "attempt {id} has ended as {outcome}, and nothing of it is in force; what {strategy} does can be taken back only where it is a failover, further \
             backends or an open circuit, or where its configuration has `undo`"
        )),
    }
}

/// The reason in a body that may be empty.
fn reason(body: &[u8]) -> Result<Option<String>, Problem> {
    let SaidBody { reason } = match body.trim_ascii() {
        [] => SaidBody::default(),
        body => serde_json::from_slice(body).map_err(|error| Problem::bad_request(format!("the body: {error}")))?,
    };
    backends::reason(reason)
}

#[cfg(test)]
mod tests;
