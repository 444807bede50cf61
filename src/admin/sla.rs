//! What was promised and what came of it: `GET /api/v1/sla`, the report, and notes about incidents. The ledger is read on a thread of its own
//! for each request: a disk may take its time.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{self, Path, RawQuery};
use http::StatusCode;
use http::header::{CONTENT_DISPOSITION, HeaderValue};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Shared;
use super::answer::{self, Answer, Problem};
use super::backends::no_service;
use super::body::WholeBody;
use super::caller::Caller;
use super::query;
use crate::clock::Stamp;
use crate::event::kind::promise;
use crate::event::{Kind, PromiseChange};
use crate::io::be_nice;
use crate::ledger::{Batch, Note, Reader};
use crate::report::gather::{self, Asked, History};
use crate::report::period::{AskedPeriod, LAST, Period};
use crate::report::standings::Standing;
use crate::report::{Format, json as shown};
use crate::sla::burn::{Lookback, Rate};
use crate::sla::maintenance::{self, Planned};
use crate::sla::{Tier, Window};

/// The longest note, in bytes.
const LONGEST_NOTE: usize = 8 * 1024;
/// How many notes an incident may have.
const MOST_NOTES: usize = 100;
/// How many of them `GET /api/v1/sla` shows, the newest: it is asked often, and reports have all of them.
const SHOWN_NOTES: usize = 10;
/// How long an answer waits for the disk.
const PATIENCE: Duration = Duration::from_secs(5);

/// `GET /api/v1/sla`: how each service of which something is promised stands in the window of its promise.
pub(super) async fn sla(extract::State(shared): extract::State<Arc<Shared>>) -> Result<Answer, Problem> {
    let standings = shared.promises.standings.all();
    let trouble = shared.promises.standings.trouble();
    let ledger = shared.promises.ledger.clone();
    let (windows, now) = (windows(&shared), Stamp::now());
    // whoever does not keep the ledger has no accounts to show
    let unkept = match (&trouble, standings.is_empty()) {
        (Some(why), true) => without_accounts(&shared, why),
        _ => Map::new(),
    };
    let services = elsewhere(move || {
        let reader = ledger.read();
        // what the ledger holds of a window is read once for all services that have it
        let mut histories = HashMap::new();
        let each = standings.iter().map(|(name, standing)| {
            let kept = reader.as_ref().map_err(String::clone).and_then(|reader| {
                let (from, to) = standing.promise.window.bounds(now);
                let period = || Period { time: from..to, label: String::new() };
                let history = histories.entry((from, to)).or_insert_with(|| History::read(reader, &period()));
                kept(history.as_ref().map_err(String::clone)?, name, standing, now)
            });
            let mut service = kept.unwrap_or_else(|why| json!({ "ledger_trouble": why }));
            if let Some(why) = &trouble {
                service["ledger_trouble"] = json!(why);
            }
            add_live(&mut service, standing, now);
            let windows = windows.get(&**name).map(Vec::as_slice).unwrap_or_default();
            service["next_maintenance"] = next_window(windows, now);
            (name.to_string(), service)
        });
        Ok(unkept.into_iter().chain(each).collect::<Map<String, Value>>())
    });
    Ok(answer::json(&Value::Object(services.await?)))
}

/// What the ledger has of a service in the window of its promise, and how long the budget lasts at the burn rate of the last hour.
fn kept(history: &History<'_>, name: &str, standing: &Standing, now: Stamp) -> Result<Value, String> {
    let (from, to) = standing.promise.window.bounds(now);
    let of = history.service(name, standing.promise.clone())?;
    let mut shown = shown::service(&of);
    let rate = standing.rates.iter().find(|(window, _)| *window == Lookback::Hour).map(|(_, rate)| *rate);
    let (by_time, by_requests) = rate.map_or((None, None), |rate| (rate.by_time, rate.by_requests));
    // a window of the calendar begins anew when it is over, and one that rolls has moved on by its length
    let most_ms = match standing.promise.window {
        Window::Calendar(_) => to.since(now),
        Window::Rolling(_) => to.since(from),
    };
    let lasts = of.summary.budget.exhausted_in_ms(by_time, by_requests, to.since(from), most_ms);
    shown["budget"]["exhausted_in_s"] = json!(lasts.map(|lasts_ms| lasts_ms as f64 / 1e3));
    shown["incidents"].as_array_mut().into_iter().flatten().for_each(leave_newest_notes);
    Ok(shown)
}

/// The windows of maintenance that the configuration has, by service.
fn windows(shared: &Shared) -> BTreeMap<String, Vec<Planned>> {
    let snapshot = shared.store.load();
    let promised = snapshot.services.iter().filter_map(|service| Some((service, service.promised.as_ref()?)));
    promised.map(|(service, promised)| (service.name.to_string(), promised.maintenance.clone())).collect()
}

/// The next window of maintenance that the configuration has; null = there is none.
pub(super) fn next_window(windows: &[Planned], now: Stamp) -> Value {
    maintenance::next(windows, now).map_or(
        Value::Null,
        |(rule, time)| json!({ "from": time.start.to_string(), "to": time.end.to_string(), "rule": rule.to_string() }),
    )
}

/// The services of which something is promised, with why nothing is known of them.
fn without_accounts(shared: &Shared, why: &str) -> Map<String, Value> {
    let services = shared.store.load();
    let promised = services.services.iter().filter(|service| service.promised.is_some());
    promised.map(|service| (service.name.to_string(), json!({ "ledger_trouble": why }))).collect()
}

/// Leaves only the newest notes of an incident, and says how many are not there.
fn leave_newest_notes(incident: &mut Value) {
    let Some(notes) = incident["notes"].as_array_mut() else { return };
    let surplus = notes.len().saturating_sub(SHOWN_NOTES);
    notes.drain(..surplus);
    if surplus > 0 {
        incident["notes_left_out"] = json!(surplus);
    }
}

/// Adds what is so at this moment, whatever becomes of the ledger.
fn add_live(shown: &mut Value, standing: &Standing, now: Stamp) {
    let (from, to) = standing.promise.window.bounds(now);
    shown["from"] = json!(from.to_string());
    shown["to"] = json!(to.to_string());
    let rates = standing.rates.iter().map(|(window, rate)| (window.as_str().to_owned(), json!(rate.worst())));
    shown["burn_rate"] = rates.collect();
    shown["target"] = json!(standing.promise.target);
    shown["tier"] = json!(standing.promise.tier.map(Tier::as_str));
    shown["burn_rate_by"] =
        standing.rates.iter().map(|(window, rate)| (window.as_str().to_owned(), by(rate))).collect();
    shown["state"] = json!(match (standing.maintenance, standing.is_down) {
        (Some(_), _) => "maintenance",
        (None, true) => "down",
        (None, false) => "up",
    });
    shown["maintenance_until"] = json!(standing.maintenance.map(|until| until.to_string()));
    shown["incident"] = json!(standing.incident.as_ref().map(|incident| incident.id));
    shown["alerts"] = standing.alerts.iter().map(promise::alert).collect();
    shown["protected"] = json!(standing.is_protected);
}

fn by(rate: &Rate) -> Value {
    json!({ "requests": rate.by_requests, "time": rate.by_time })
}

/// `GET /api/v1/sla/report?format=markdown|json|csv|html&last=30d|month=2026-11|last_month=true|from=2026-10-15&to=2026-11-14&service=S&service=T`
pub(super) async fn report(
    extract::State(shared): extract::State<Arc<Shared>>,
    RawQuery(query): RawQuery,
) -> Result<Answer, Problem> {
    let asked = ReportQuery::parse(query.as_deref().unwrap_or_default()).map_err(Problem::bad_request)?;
    let promises: BTreeMap<_, _> = shared
        .promises
        .standings
        .all()
        .into_iter()
        .map(|(name, standing)| (name.to_string(), standing.promise))
        .collect();
    let unknown = asked.services.iter().filter(|name| !promises.contains_key(*name));
    let unknown: Vec<String> = unknown.cloned().collect();
    let is_configured = |name: &String| shared.store.load().services.iter().any(|service| *service.name == **name);
    if let Some(name) = unknown.iter().find(|name| is_configured(name)) {
        let detail = format!("nothing is promised of the service {name:?}: it has no `sla` section");
        return Err(Problem::not_found(detail));
    }
    let (ReportQuery { format, period, services }, windows) = (asked, windows(&shared));
    let text = read(&shared, move |reader| {
        for name in unknown {
            if !gather::knows(reader, &name)? {
                return Ok(Err(name));
            }
        }
        let asked = Asked { period: &period, now: Stamp::now(), services: &services, promises, windows };
        gather::report(reader, asked).map(|report| Ok(format.write(&report)))
    });
    let text = text.await?.map_err(|name| no_service(&name))?;
    let mut answer = answer::text(format.content_type(), text);
    if format == Format::Csv {
        let name = HeaderValue::from_static("attachment; filename=\"evenkeel-availability.csv\"");
        answer.headers_mut().insert(CONTENT_DISPOSITION, name);
    }
    Ok(answer)
}

/// What a report is asked for.
#[derive(Debug)]
struct ReportQuery {
    format: Format,
    period: Period,
    /// None = all.
    services: Vec<String>,
}

impl ReportQuery {
    fn parse(query: &str) -> Result<Self, String> {
        let (mut format, mut services) = (Format::Json, Vec::new());
        let parameters = query::parameters(query, &["service"])?;
        let mut asked = AskedPeriod::default();
        for (name, value) in &parameters {
            match &**name {
                "format" => {
                    let known = || Format::ALL.map(Format::as_str).join(", ");
                    format = Format::named(value).ok_or_else(|| format!("format={value}: there are {}", known()))?;
                }
                "last" => asked.last = Some(value),
                "month" => asked.month = Some(value),
                "last_month" => asked.last_month = is_true(value)?,
                "from" => asked.from = Some(value),
                "to" => asked.to = Some(value),
                "service" => services.push(value.to_string()),
                other => return Err(format!("unknown parameter {other:?}: there are {PARAMETERS}")),
            }
        }
        let now = Stamp::now();
        let period = Period::asked(&asked, now)?.map_or_else(|| Period::last(LAST, now), Ok)?;
        Ok(Self { format, period, services })
    }
}

/// What the query of a report may have.
const PARAMETERS: &str = "format, last, month, last_month, from, to and service";

fn is_true(value: &str) -> Result<bool, String> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        other => Err(format!("last_month={other}: there are true and false")),
    }
}

/// The body of a note.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object such as {\"text\": \"the switch was replaced\"}")]
struct NoteBody {
    text: String,
}

/// `POST /api/v1/sla/incidents/N/note`
pub(super) async fn note(
    extract::State(shared): extract::State<Arc<Shared>>,
    Path(number): Path<String>,
    caller: Caller,
    WholeBody(body): WholeBody,
) -> Result<Answer, Problem> {
    let no_incident = || Problem::not_found(format!("there is no incident {number}"));
    let incident: i64 = number.parse().map_err(|_| no_incident())?;
    let NoteBody { text } =
        serde_json::from_slice(&body).map_err(|error| Problem::bad_request(format!("the body: {error}")))?;
    let text = text.trim().to_owned();
    if text.is_empty() || text.len() > LONGEST_NOTE || text.contains(|c: char| c.is_control() && c != '\n') {
        return Err(Problem::bad_request(format!(
            "a note is a text of at most {LONGEST_NOTE} bytes, without control characters"
        )));
    }
    match read(&shared, move |reader| reader.incident(incident)).await? {
        Some(stored) if stored.notes.len() >= MOST_NOTES => {
            let detail = format!("the incident {number} has {MOST_NOTES} notes, and can have no more");
            return Err(Problem::new(StatusCode::CONFLICT, detail));
        }
        // what waits for the disk was told all the same
        None if !was_told(&shared, incident) => return Err(no_incident()),
        _ => {}
    }
    let note = Note { incident, at: Stamp::now(), who: caller.to_string(), text };
    let shown = json!({ "incident": incident, "at": note.at.to_string(), "who": note.who, "text": note.text });
    let (ledger, keeper) = (shared.promises.ledger.clone(), shared.promises.keeper);
    let kept = elsewhere(move || {
        ledger.begin();
        let batch = Batch { notes: vec![note], keeper, ..Batch::default() };
        Ok(ledger.keep(batch, PATIENCE))
    });
    if !kept.await? {
        return Err(unreadable("the note is kept in memory, and is not on the disk so far".to_owned()));
    }
    Ok(answer::json(&shown))
}

/// Whether an event of late was about this incident.
fn was_told(shared: &Shared, incident: i64) -> bool {
    let told = shared.store.events().newest(usize::MAX).events;
    told.iter().any(|event| match &event.kind {
        Kind::Promise(PromiseChange::IncidentBegan(told) | PromiseChange::IncidentEnded(told)) => told.id == incident,
        _ => false,
    })
}

/// Reads the ledger on a thread of its own.
async fn read<T: Send + 'static>(
    shared: &Shared,
    work: impl FnOnce(&Reader) -> Result<T, String> + Send + 'static,
) -> Result<T, Problem> {
    let ledger = shared.promises.ledger.clone();
    elsewhere(move || work(&ledger.read()?)).await
}

async fn elsewhere<T: Send + 'static>(work: impl FnOnce() -> Result<T, String> + Send + 'static) -> Result<T, Problem> {
    let done = tokio::task::spawn_blocking(move || {
        be_nice();
        work()
    });
    match done.await {
        Ok(done) => done.map_err(unreadable),
        Err(broken) => Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, broken.to_string())),
    }
}

/// The ledger can't be used at the moment.
fn unreadable(why: String) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, format!("the ledger: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_asked_for_by_period_format_and_service() {
        let parsed =
            |query| ReportQuery::parse(query).map(|asked| (asked.format.as_str(), asked.period.label, asked.services));
        assert_eq!(parsed(""), Ok(("json", "last 30 days".to_owned(), vec![])));
        assert_eq!(
            parsed("format=html&month=2026-11&service=a%20b"),
            Ok(("html", "November 2026".to_owned(), vec!["a b".to_owned()]))
        );
        assert_eq!(
            parsed("from=2026-10-01&to=2026-10-31&service=a&service=b"),
            Ok(("json", "2026-10-01 to 2026-10-31".to_owned(), vec!["a".to_owned(), "b".to_owned()]))
        );
        assert!(parsed("last_month=true").is_ok() && parsed("month=2026-Q3").is_ok());
        for wrong in [
            "format=pdf",
            "last=x",
            "month=13",
            "last=1d&month=2026-11",
            "from=1",
            "to=2026-10-01",
            "last_month=yes",
            "last_month=true&last=1d",
            "last=1d&last=2d",
        ] {
            assert!(parsed(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn of_many_notes_the_newest_are_shown() {
        let of = |count: usize| json!({ "notes": (0..count).map(|n| json!({ "text": n })).collect::<Vec<_>>() });
        let mut few = of(10);
        leave_newest_notes(&mut few);
        assert_eq!(few, of(10));
        let mut many = of(100);
        leave_newest_notes(&mut many);
        assert_eq!((&many["notes"][0]["text"], &many["notes_left_out"]), (&json!(90), &json!(90)));
    }

    #[test]
    fn a_body_that_is_no_note_is_told_what_one_is() {
        let told = serde_json::from_slice::<NoteBody>(b"[]").unwrap_err().to_string();
        assert!(told.contains("expected an object such as {\"text\": \"the switch was replaced\"}"), "{told}");
    }
}
