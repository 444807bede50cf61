//! The document of `GET /api/v1/live`, and events. A member that is missing has its default: a newer or older server is shown as well as it can be.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::table::Row;

/// What the proxy does at this moment.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Live {
    /// The version of the proxy.
    pub version: String,
    /// When the process started, as RFC 3339 has it.
    pub started: String,
    /// `starting`, `ready` or `draining`.
    pub phase: String,
    /// Which of several instances it is, and who leads; `None` = there is no section `[cluster]`.
    pub cluster: Option<Cluster>,
    /// Whether faults are repaired.
    pub recovery: Recovery,
    /// By name.
    pub listeners: BTreeMap<String, Listener>,
    /// By name.
    pub services: Rows<Service>,
    /// Faults that hold, by service, backend and kind.
    pub faults: BTreeMap<String, Fault>,
    /// Attempts that are under way or in force, by number.
    pub recoveries: BTreeMap<String, Attempt>,
    /// The service that was asked for, where there is one of that name.
    pub service: Option<Detail>,
}

/// Which of several instances it is, and who leads.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Cluster {
    /// The name of this instance.
    pub name: String,
    /// Whether a leader is elected.
    pub elected: bool,
    /// Whether this instance leads.
    pub leader: bool,
    /// Who leads, as far as that is known.
    pub leader_name: Option<String>,
}

/// Whether faults are repaired.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Recovery {
    /// Nothing is repaired.
    pub paused: bool,
    /// Why it was paused.
    pub reason: Option<String>,
    /// Who has paused it.
    pub by: Option<String>,
}

/// A listener.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Listener {
    /// The connections that it has now.
    pub connections: u64,
    /// Its clients are shown the page of maintenance.
    pub maintenance_page: bool,
}

/// A service, as the overview shows it.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Service {
    /// Its name: the key of the map.
    #[serde(skip)]
    pub name: String,
    /// `ok`, `impaired` or `down`.
    pub state: String,
    /// What is wrong, in words; empty when nothing is.
    pub words: String,
    /// The algorithm.
    pub balance: String,
    /// The backends that get work.
    pub healthy: u64,
    /// All its backends.
    pub total: u64,
    /// Too few are well, so that health is ignored.
    pub panic: bool,
    /// Requests (sessions) that ended in a second.
    pub rate: Option<f64>,
    /// The share of them that failed; `None` = there were none.
    pub error_rate: Option<f64>,
    /// Half of the answers took at most so many milliseconds.
    pub p50_ms: Option<f64>,
    /// 99 % of the answers took at most so many milliseconds.
    pub p99_ms: Option<f64>,
    /// Exchanges that are under way.
    pub in_flight: u64,
    /// Requests that wait for a place at a backend.
    pub waiting: u64,
    /// Retries in a second.
    pub retry_rate: Option<f64>,
    /// The share of the error budget that is left; `None` = nothing is promised.
    pub budget_left: Option<f64>,
    /// What happens now does not count.
    pub maintenance: bool,
    /// Its clients are shown the page of maintenance.
    pub maintenance_page: bool,
}

/// A fault that holds.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Fault {
    /// The service.
    pub service: String,
    /// The backend; `None` = the whole service has it.
    pub backend: Option<String>,
    /// The kind of fault.
    pub fault: String,
    /// What is seen, in words.
    pub text: String,
}

/// An attempt to repair something.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Attempt {
    /// The service.
    pub service: String,
    /// The backend; `None` = the whole service is repaired.
    pub backend: Option<String>,
    /// The kind of fault.
    pub fault: String,
    /// How it is repaired.
    pub strategy: String,
    /// How far it is.
    pub phase: String,
    /// The same in words.
    pub text: String,
    /// It is only watched what would come of it.
    pub dry_run: bool,
    /// It waits until a person approves it.
    pub waits_for_approval: bool,
}

/// A service with its backends.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Detail {
    /// The name of the service.
    pub name: String,
    /// The algorithm.
    pub balance: String,
    /// The protocol that its backends speak.
    pub protocol: String,
    /// By id.
    pub backends: Rows<Backend>,
}

/// A backend.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Backend {
    /// Its id: the key of the map.
    #[serde(skip)]
    pub id: String,
    /// Its address.
    pub address: String,
    /// Its weight in force.
    pub weight: Option<u64>,
    /// Its zone.
    pub zone: Option<String>,
    /// It gets work only when no other can.
    pub backup: bool,
    /// `up`, `starting`, `draining`, `disabled`, `down`, `ejected`, `broken` or `unknown`.
    pub state: String,
    /// Why it is in this state.
    pub reason: Option<String>,
    /// Since when, as RFC 3339 has it.
    pub since: Option<String>,
    /// Who decides its state.
    pub by: Option<String>,
    /// Requests in a second.
    pub rate: Option<f64>,
    /// Its share of the service's requests, 0 to 1.
    pub share: Option<f64>,
    /// The share of failed attempts; `None` = there were none.
    pub error_rate: Option<f64>,
    /// Half of its answers took at most so many milliseconds.
    pub p50_ms: Option<f64>,
    /// 99 % of its answers took at most so many milliseconds.
    pub p99_ms: Option<f64>,
    /// Exchanges that it has now.
    pub in_flight: u64,
    /// The most that it may have; `None` and 0 = there is no limit.
    pub max_connections: Option<u64>,
    /// `closed`, `open` or `half_open`.
    pub breaker: Option<String>,
    /// The share of its work that it gets, 0 to 1: less during slow start, or where a detector has cut it.
    pub work_share: Option<f64>,
    /// The use of its processor that it reports, 0 to 1.
    pub cpu: Option<f64>,
    /// The use of its memory that it reports, 0 to 1.
    pub memory: Option<f64>,
    /// The result of the last active check.
    pub last_check: Option<Check>,
}

/// The result of an active check.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Check {
    /// The backend passed it.
    pub ok: bool,
    /// How long it took.
    pub ms: Option<f64>,
    /// What came of it, in words.
    pub reason: Option<String>,
}

/// Something that happened.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Event {
    /// When, as RFC 3339 has it.
    pub time: String,
    /// `info`, `warn` or `error`.
    pub level: String,
    /// In words.
    pub text: String,
}

/// The rows of a table, from a map in which each has its name.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(from = "BTreeMap<String, R>", bound = "R: Row + Deserialize<'de>")]
pub struct Rows<R>(pub Vec<R>);

impl<R: Row> From<BTreeMap<String, R>> for Rows<R> {
    fn from(map: BTreeMap<String, R>) -> Self {
        let named = |(name, mut row): (String, R)| {
            row.set_name(name);
            row
        };
        Self(map.into_iter().map(named).collect())
    }
}

impl<R: Row> Rows<R> {
    /// The row with this name.
    pub fn find(&self, name: &str) -> Option<&R> {
        self.0.iter().find(|row| row.name() == name)
    }
}

impl Live {
    /// Reads an answer.
    ///
    /// # Errors
    ///
    /// A sentence for people, when it is no such document.
    pub fn read(body: Value) -> Result<Self, String> {
        if !body["services"].is_object() {
            return Err("what answers there has no live view: is it an older Evenkeel?".to_owned());
        }
        serde_json::from_value(body).map_err(|error| format!("the answer can't be understood: {error}"))
    }

    /// The attempts that wait for approval, with their numbers, the oldest first.
    pub fn waiting(&self) -> Vec<(&str, &Attempt)> {
        let waiting = self.recoveries.iter().filter(|(_, attempt)| attempt.waits_for_approval);
        let mut waiting: Vec<_> = waiting.map(|(number, attempt)| (&**number, attempt)).collect();
        waiting.sort_by_key(|(number, _)| number.parse().unwrap_or(u64::MAX));
        waiting
    }
}

/// A service, or a backend of it, as it is written: `api` or `api/a`.
pub fn target(service: &str, backend: Option<&str>) -> String {
    backend.map_or_else(|| service.to_owned(), |backend| format!("{service}/{backend}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_missing_has_a_default_and_what_is_new_is_passed_over() {
        let live = Live::read(json!({
            "version": "9.9", "colour": "blue",
            "services": { "b": { "state": "ok", "rate": null }, "a": { "p99_ms": 1.5, "mood": 7 } },
            "service": { "name": "a", "backends": { "x": { "max_connections": null, "last_check": null } } },
        }))
        .unwrap();
        let names: Vec<_> = live.services.0.iter().map(|service| &*service.name).collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!((live.services.0[0].p99_ms, live.services.0[1].rate), (Some(1.5), None));
        assert_eq!(live.service.unwrap().backends.0[0].id, "x");
    }

    #[test]
    fn an_answer_without_services_is_said_to_be_another_thing() {
        assert!(Live::read(json!({ "hello": 1 })).unwrap_err().contains("older"));
        assert!(Live::read(json!({ "services": { "a": 3 } })).unwrap_err().contains("understood"));
    }

    #[test]
    fn attempts_that_wait_are_in_the_order_of_their_numbers() {
        let waits = |waits: bool| json!({ "service": "api", "waits_for_approval": waits });
        let live = Live::read(json!({
            "services": {}, "recoveries": { "10": waits(true), "9": waits(true), "8": waits(false) },
        }))
        .unwrap();
        assert_eq!(live.waiting().iter().map(|(number, _)| *number).collect::<Vec<_>>(), ["9", "10"]);
    }
}
