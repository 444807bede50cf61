//! What operators do to one backend: they drain, disable or enable it, or set its weight. A command is in force when it is answered, and
//! holds until it is taken back or its time is over.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::extract::{self, FromRequestParts, Path, RawQuery};
use http::StatusCode;
use http::header::{CONNECTION, HeaderValue, RETRY_AFTER};
use http::request::Parts;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::answer::{self, Answer, Problem};
use super::body::WholeBody;
use super::caller::Caller;
use super::{Phase, Shared, cluster, query};
use crate::clock::{Moment, parse_duration, parse_rfc3339};
use crate::endpoint::Endpoint;
use crate::endpoint::load::Report;
use crate::event::Sessions;
use crate::load::heartbeat::Heartbeat;
use crate::operator::{Command, HEAVIEST, LONGEST_REASON, Note, Role};
use crate::share::word::{Saying, Topic};
use crate::snapshot::Service;

/// How often a request that waits for a drained backend looks whether it has finished.
const LOOK: Duration = Duration::from_millis(20);
/// The longest `timeout` of such a request.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);
/// Its `timeout` where it says none.
const WAIT: Duration = Duration::from_secs(30);

/// The body of `POST .../drain`, `/disable` and `/enable`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct CommandBody {
    reason: Option<String>,
    /// RFC 3339.
    until: Option<String>,
}

/// The body of `PUT /api/v1/services/S/backends/B`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WeightBody {
    /// `null` = as configured.
    #[serde(deserialize_with = "Option::deserialize")]
    weight: Option<u32>,
    reason: Option<String>,
    until: Option<String>,
}

/// The names in the path of a request. The backend itself is looked up when something is done with it: until the body has come, a reload
/// may have put another one in its place, or taken it away.
pub(super) struct BackendPath {
    service: String,
    backend: String,
}

impl FromRequestParts<Arc<Shared>> for BackendPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Problem> {
        let path = parts.uri.path().to_owned();
        let named = Path::<(String, String)>::from_request_parts(parts, shared).await;
        match named {
            Ok(Path((service, backend))) => Ok(Self { service, backend }),
            // what is no UTF-8 can't be the name of anything
            Err(_) => Err(Problem::not_found(format!("there is nothing at {path}"))),
        }
    }
}

impl BackendPath {
    /// The service that has this name now, and the place of the backend in it.
    fn find(&self, shared: &Shared) -> Result<(Arc<Service>, usize), Problem> {
        let Self { service: name, backend } = self;
        let snapshot = shared.store.load();
        let service = snapshot.services.iter().find(|known| *known.name == **name).ok_or_else(|| no_service(name))?;
        let at = service.endpoints.iter().position(|endpoint| *endpoint.id == **backend);
        let missing = || Problem::not_found(format!("the service {name:?} has no backend {backend:?}"));
        Ok((Arc::clone(service), at.ok_or_else(missing)?))
    }
}

/// The answer that there is no service of this name.
pub(super) fn no_service(name: &str) -> Problem {
    Problem::not_found(format!("there is no service {name:?}"))
}

/// `POST .../drain`, `/disable`, `/enable`: carries a command out, and with `?wait=drained` waits until the backend has finished.
pub(super) async fn command(
    command: Command,
    extract::State(shared): extract::State<Arc<Shared>>,
    path: BackendPath,
    caller: Caller,
    RawQuery(query): RawQuery,
    WholeBody(body): WholeBody,
) -> Result<Answer, Problem> {
    let wait = wait(query.as_deref().unwrap_or_default()).map_err(Problem::bad_request)?;
    if wait.is_some() && command == Command::Enable {
        return Err(Problem::bad_request("wait=drained is for drain and disable"));
    }
    let CommandBody { reason, until } = match body.trim_ascii() {
        [] => CommandBody::default(),
        body => serde_json::from_slice(body).map_err(|error| Problem::bad_request(format!("the body: {error}")))?,
    };
    let (endpoint, mut answer) = say(&shared, &path, command, note(&caller, reason, until)?).await?;
    // as it was announced: one that is enabled may still be down
    answer["state"] = json!(endpoint.live.standing.announced().map(|announced| announced.condition.state.as_str()));
    if let Some(limit) = wait {
        let drained = finish(&shared, &endpoint, limit).await?;
        answer["drained"] = json!(drained);
    }
    answer["in_flight"] = json!(endpoint.live.in_flight());
    Ok(answer::json(&answer))
}

/// `PUT .../B`: sets the weight that the body has.
pub(super) async fn weigh(
    extract::State(shared): extract::State<Arc<Shared>>,
    path: BackendPath,
    caller: Caller,
    WholeBody(body): WholeBody,
) -> Result<Answer, Problem> {
    let WeightBody { weight, reason, until } =
        serde_json::from_slice(&body).map_err(|error| Problem::bad_request(format!("the body: {error}")))?;
    if weight.is_some_and(|weight| weight > HEAVIEST) {
        return Err(Problem::bad_request(format!("a weight is at most {HEAVIEST}")));
    }
    let command = Command::Weight(weight);
    let (endpoint, mut answer) = say(&shared, &path, command, note(&caller, reason, until)?).await?;
    let weight = endpoint.live.standing.weight(endpoint.weight);
    answer["weight"] = json!(weight);
    answer["weight_ignored"] =
        json!(shared.service(&path.service).and_then(|service| ignored(&service, &endpoint, weight)));
    Ok(answer::json(&answer))
}

/// Why a weight changes nothing, where it is another one than configured and the algorithm of its service does not heed it. Weight 0 is heeded by all.
fn ignored(service: &Service, endpoint: &Endpoint, weight: u32) -> Option<String> {
    let heeding = service.balance.heeding().filter(|_| weight != 0 && weight != endpoint.weight)?;
    Some(format!("`{}` does not heed weights: {heeding}", service.balance.as_str()))
}

/// Puts a command in force, and then writes it to `state_dir`. Gives back the backend, and the members that every answer to a command has.
async fn say(
    shared: &Shared,
    path: &BackendPath,
    command: Command,
    note: Note,
) -> Result<(Arc<Endpoint>, Value), Problem> {
    let now = Moment::now();
    // from here to the refreshed snapshot there is no pause in which a reload could come between
    let (service, at) = path.find(shared)?;
    let (endpoint, sessions) = (Arc::clone(&service.endpoints[at]), sessions(&service, at, now));
    let holds = shared.operators.say(&endpoint, command, note.clone(), sessions).map_err(elsewhere)?;
    let said = shared.sharing.say(topic(&endpoint, command), saying(command, holds.is_some()), holds.unwrap_or(note));
    // the snapshot that workers take their next picks from
    shared.store.refresh(now, true);
    let kept = shared.operators.keep().await;
    let mut answer = json!({ "service": &*endpoint.service, "backend": &*endpoint.id, "kept": kept });
    cluster::add_outcome(shared, said, &mut answer).await;
    if command.stops_new_work() {
        sessions.add_to(&mut answer);
    }
    Ok((endpoint, answer))
}

/// What a command is about.
fn topic(endpoint: &Endpoint, command: Command) -> Topic {
    let (service, backend) = (Arc::clone(&endpoint.service), Arc::clone(&endpoint.id));
    match command {
        Command::Weight(_) => Topic::Weight(service, backend),
        _ => Topic::Backend(service, backend),
    }
}

/// What other instances are told then: what was taken back here is so everywhere.
fn saying(command: Command, holds: bool) -> Saying {
    if holds { Saying::Holds(command) } else { Saying::Over }
}

/// The sessions that the backend at this place has.
fn sessions(service: &Service, at: usize, now: Moment) -> Sessions {
    match &service.affinity {
        None => Sessions::None,
        Some(affinity) => affinity.sessions_of(at, now).map_or(Sessions::InCookies, Sessions::InTable),
    }
}

/// The answer of a process that takes no commands because of an upgrade. The connection is closed: the next one may get to the process
/// that does take them.
pub(super) fn elsewhere(role: Role) -> Problem {
    let detail = match role {
        Role::HandingOver => "an upgrade is under way, and this process takes no commands until it is over: ask again",
        _ => "another process has taken over: ask again",
    };
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
        .field(RETRY_AFTER, 1)
        .field(CONNECTION, HeaderValue::from_static("close"))
}

/// What is kept with a command: who gave it, why, and until when it holds.
fn note(caller: &Caller, reason: Option<String>, until: Option<String>) -> Result<Note, Problem> {
    let reason = self::reason(reason)?;
    let until = match until {
        None => None,
        Some(text) => match parse_rfc3339(&text) {
            Some(until) if until > SystemTime::now() => Some(until),
            Some(_) => return Err(Problem::bad_request(format!("until: {text} is over already"))),
            None => return Err(Problem::bad_request(format!("until: {text:?} is no time as RFC 3339 has it"))),
        },
    };
    Ok(Note { who: caller.to_string(), reason, until })
}

/// A reason as it is kept; `None` = there is none.
pub(super) fn reason(said: Option<String>) -> Result<Option<String>, Problem> {
    let reason = said.map(|reason| reason.trim().to_owned()).filter(|reason| !reason.is_empty());
    if reason.as_ref().is_some_and(|reason| reason.len() > LONGEST_REASON || reason.contains(char::is_control)) {
        let detail = format!("a reason is one line of at most {LONGEST_REASON} bytes");
        return Err(Problem::bad_request(detail));
    }
    Ok(reason)
}

/// How long the answer is to wait until the backend has finished what it has; `None` = it does not wait.
fn wait(query: &str) -> Result<Option<Duration>, String> {
    let (mut waits, mut limit) = (false, None);
    for (name, value) in query::parameters(query, &[])? {
        match (&*name, &*value) {
            ("wait", "drained") => waits = true,
            ("wait", other) => return Err(format!("wait={other}: there is only drained")),
            ("timeout", text) => {
                let time = parse_duration(text).filter(|time| *time <= LONGEST_WAIT);
                limit = Some(time.ok_or_else(|| format!("timeout={text}: a time such as 30s, at most 1h"))?);
            }
            (other, _) => return Err(format!("unknown parameter {other:?}: there are wait and timeout")),
        }
    }
    Ok(waits.then(|| limit.unwrap_or(WAIT)))
}

/// Waits for `limit` at most; whether the backend has finished what it has by then. A process that is stopping does not wait.
///
/// # Errors
///
/// The command was taken back meanwhile: a backend that gets new work has finished nothing, however idle it is in this moment.
async fn finish(shared: &Shared, endpoint: &Endpoint, limit: Duration) -> Result<bool, Problem> {
    let mut phase = shared.phase.subscribe();
    let finished = async {
        loop {
            if !endpoint.live.standing.is_taken_out_by_operator() {
                let detail = "somebody has taken the command back while this request waited: the backend gets new work";
                return Err(Problem::new(StatusCode::CONFLICT, detail));
            }
            if endpoint.live.in_flight() == 0 {
                return Ok(true);
            }
            sleep(LOOK).await;
        }
    };
    tokio::select! {
        finished = finished => finished,
        () = sleep(limit) => Ok(false),
        _ = phase.wait_for(|phase| *phase == Phase::Draining) => Ok(false),
    }
}

/// `POST /api/v1/heartbeat`: a backend says that it lives and, if it likes, how loaded it is.
pub(super) async fn heartbeat(
    extract::State(shared): extract::State<Arc<Shared>>,
    WholeBody(body): WholeBody,
) -> Result<Answer, Problem> {
    let beat = Heartbeat::read(&body).map_err(|refused| Problem::bad_request(refused.to_string()))?;
    let snapshot = shared.store.load();
    let service = snapshot.services.iter().find(|service| *service.name == *beat.service);
    let endpoint = service.and_then(|service| service.endpoints.iter().find(|endpoint| *endpoint.id == *beat.backend));
    let Some(endpoint) = endpoint else {
        let detail = format!("there is no backend {:?} in a service {:?}", beat.backend, beat.service);
        return Err(Problem::not_found(detail));
    };
    let now = Moment::now();
    endpoint.live.load.beat(now);
    if beat.report != Report::default() {
        endpoint.live.load.report(beat.report, endpoint.live.in_flight(), now);
    }
    Ok(answer::json(&json!({ "service": beat.service, "backend": beat.backend })))
}
