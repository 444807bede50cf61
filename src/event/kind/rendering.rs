//! How events are shown: as a line for people, as the member `cause` in JSON, and in the log.

use serde_json::{Value, json};
use tracing::{error, info, warn};

use super::{Kind, Level, Sessions, seconds};
use crate::clock::rfc3339;
use crate::endpoint::state::{DecidedBy, State};
use crate::event::Subject;

impl Kind {
    /// What happened, in one line for people.
    pub fn text(&self) -> String {
        match self {
            Self::Backend { state, by, reason, .. } => {
                let text = backend(*state, *by);
                if reason.is_empty() { text.to_owned() } else { format!("{text}: {reason}") }
            }
            Self::BackendRemoved { by } => format!("backend is removed: the {by} does not have it any more"),
            Self::Listener(change) => change.text(),
            Self::Certificate(change) => change.text(),
            Self::AccessFile(change) => change.text(),
            Self::PageFile(change) => change.text(),
            Self::MaintenancePage(change) => change.text(),
            Self::Discovery(change) => change.text(),
            Self::Path(change) => change.text(),
            Self::Fault(change) => change.text(),
            Self::Shedding(change) => change.text(),
            Self::Promise(change) => change.text(),
            Self::Canary(change) => change.text(),
            Self::Recovery(change) => change.text(),
            Self::HandOver(change) => change.text(),
            Self::Ledger(change) => change.text(),
            Self::LedgerBackup(change) => change.text(),
            Self::Otlp(change) => change.text(),
            Self::Store(change) => change.text(),
            Self::Cluster(change) => change.text(),
            Self::Share(change) => change.text(),
            Self::DetectorLeftOut { detector, reason } => {
                format!("the detector {detector} is left out until the next reload: {reason}")
            }
            Self::Operator { command, who, reason, weight, instance, .. } => {
                operator(command, *weight, reason.as_deref(), &said_by(who, instance.as_deref()))
            }
            Self::OperatorExpired { command, who } => format!("what {who} said is over: {command}"),
            Self::OperatorNotKept { reason } => {
                format!("what operators say can't be kept and ends with this process: {reason}")
            }
            Self::PanicBegan { available: 0, .. } => {
                "no backend can be used: requests are sent to them all the same, in case that is wrong (panic_threshold)".to_owned()
            }
            Self::PanicBegan { .. } => {
                "too few backends are well: requests are sent to the others as well (panic_threshold)".to_owned()
            }
            Self::PanicEnded { .. } => "enough backends are well again".to_owned(),
            Self::ServiceDown { .. } => "no backend can be used".to_owned(),
            Self::ServiceUp { .. } => "a backend can be used again".to_owned(),
            Self::Reloaded { why, .. } => format!("reloaded ({why})"),
            Self::NotReloaded { why, detail, .. } => format!("not reloaded ({why}), what runs stays: {detail}"),
            Self::Ready { .. } => "ready".to_owned(),
            Self::Stopping { .. } => "stopping".to_owned(),
        }
    }

    /// The member `cause` in JSON: why it happened, and figures.
    pub(in crate::event) fn cause(&self) -> Value {
        match self {
            Self::Backend { state, by, reason, was, after } => json!({
                "state": state.as_str(),
                "by": by.as_str(),
                "reason": reason,
                "was": was.map(State::as_str),
                "after_s": after.map(seconds),
            }),
            Self::BackendRemoved { by } => json!({ "by": by }),
            Self::Listener(change) => change.cause(),
            Self::Certificate(change) => change.cause(),
            Self::AccessFile(change) => change.cause(),
            Self::PageFile(change) => change.cause(),
            Self::MaintenancePage(change) => change.cause(),
            Self::Discovery(change) => change.cause(),
            Self::Path(change) => change.cause(),
            Self::Fault(change) => change.cause(),
            Self::Shedding(change) => change.cause(),
            Self::Promise(change) => change.cause(),
            Self::Canary(change) => change.cause(),
            Self::Recovery(change) => change.cause(),
            Self::HandOver(change) => change.cause(),
            Self::Ledger(change) => change.cause(),
            Self::LedgerBackup(change) => change.cause(),
            Self::Otlp(change) => change.cause(),
            Self::Store(change) => change.cause(),
            Self::Cluster(change) => change.cause(),
            Self::Share(change) => change.cause(),
            Self::DetectorLeftOut { detector, reason } => json!({ "detector": detector, "reason": reason }),
            Self::Operator { command, who, reason, until, weight, sessions, instance } => {
                let mut cause = json!({
                    "command": command,
                    "who": who,
                    "instance": instance,
                    "reason": reason,
                    "until": until.map(rfc3339),
                    "weight": weight,
                });
                if let Some(sessions) = sessions {
                    sessions.add_to(&mut cause);
                }
                cause
            }
            Self::OperatorExpired { command, who } => json!({ "command": command, "who": who }),
            Self::OperatorNotKept { reason } => json!({ "reason": reason }),
            Self::PanicBegan { available, total }
            | Self::PanicEnded { available, total }
            | Self::ServiceUp { available, total } => json!({ "available": available, "total": total }),
            Self::ServiceDown { total } => json!({ "available": 0, "total": total }),
            Self::Reloaded { why, generation, changes, took } => {
                json!({ "why": why, "generation": generation, "changes": changes, "took_s": seconds(*took) })
            }
            Self::NotReloaded { why, detail, took } => {
                json!({ "why": why, "detail": detail, "took_s": seconds(*took) })
            }
            Self::Ready { version } => json!({ "version": version, "pid": std::process::id() }),
            Self::Stopping { signal } => json!({ "signal": signal }),
        }
    }

    /// Writes its line in the log.
    pub(in crate::event) fn log(&self, subject: &Subject) {
        let (service, backend) = (subject.service.as_deref(), subject.backend.as_deref());
        let listener = subject.listener.as_deref();
        match self {
            Self::Backend { state, by, reason, was, .. } => {
                let (by, was, text) = (by.as_str(), was.map(State::as_str), self::backend(*state, *by));
                match self.level() {
                    Level::Info => info!(service, backend, by, reason, was, "{text}"),
                    _ => warn!(service, backend, by, reason, was, "{text}"),
                }
            }
            Self::BackendRemoved { by } => info!(service, backend, by, "backend is removed"),
            Self::Listener(change) => change.log(listener),
            Self::Certificate(change) => change.log(listener, service),
            Self::AccessFile(change) => change.log(),
            Self::PageFile(change) => change.log(),
            Self::MaintenancePage(change) => change.log(listener, service),
            Self::Discovery(change) => change.log(service),
            Self::Path(change) => change.log(service, subject.backend.as_deref()),
            Self::Fault(change) => change.log(subject),
            Self::Shedding(change) => change.log(service),
            Self::Promise(change) => change.log(service),
            Self::Canary(change) => change.log(service),
            Self::Recovery(change) => change.log(subject),
            Self::HandOver(change) => change.log(),
            Self::Ledger(change) => change.log(),
            Self::LedgerBackup(change) => change.log(),
            Self::Otlp(change) => change.log(),
            Self::Store(change) => change.log(),
            Self::Cluster(change) => change.log(),
            Self::Share(change) => change.log(subject),
            Self::DetectorLeftOut { .. } => warn!(service, "{}", self.text()),
            Self::Operator { command, who, reason, until, weight, sessions, instance } => {
                let (until, sessions) = (until.map(rfc3339), sessions.and_then(Sessions::count));
                info!(service, backend, who, reason, until, weight, sessions, instance, "an operator said: {command}");
            }
            Self::OperatorExpired { who, .. } => info!(service, backend, who, "{}", self.text()),
            Self::OperatorNotKept { reason } => {
                warn!(reason, "what operators say can't be kept and ends with this process");
            }
            Self::PanicBegan { available, total } => warn!(service, available, total, "{}", self.text()),
            Self::PanicEnded { available, total } | Self::ServiceUp { available, total } => {
                info!(service, available, total, "{}", self.text());
            }
            Self::ServiceDown { total } => error!(service, total, "{}", self.text()),
            Self::Reloaded { why, generation, changes, took } => {
                info!(generation, changes, ?took, "reloaded ({why})");
            }
            Self::NotReloaded { why, detail, took } => {
                error!(?took, "not reloaded ({why}), what runs stays: {detail}");
            }
            Self::Ready { .. } => info!("ready"),
            Self::Stopping { signal } => info!(%signal, "stopping"),
        }
    }
}

/// Who has said something, and where.
fn said_by(who: &str, instance: Option<&str>) -> String {
    instance.map_or_else(|| who.to_owned(), |instance| format!("{who} at {instance}"))
}

fn operator(command: &str, weight: Option<u32>, reason: Option<&str>, who: &str) -> String {
    match (command, weight, reason) {
        ("weight", None, _) => format!("{who} gave it its configured weight back"),
        ("weight", Some(weight), _) => format!("{who} set its weight to {weight}"),
        (_, _, Some(reason)) => format!("{who} said {command}: {reason}"),
        (_, _, None) => format!("{who} said {command}"),
    }
}

fn backend(state: State, by: DecidedBy) -> &'static str {
    match state {
        State::Draining if by == DecidedBy::Recovery => {
            "backend is draining: it is repaired and gets no work meanwhile"
        }
        State::Broken if by == DecidedBy::Recovery => "backend is broken: recovery holds its circuit open",
        State::Up => "backend is up",
        State::Starting => "backend is starting: its share of the work grows",
        State::Draining => "backend is draining: it keeps its sessions and gets no new ones",
        State::Disabled => "backend is disabled",
        State::Down => "backend is down",
        State::Ejected => "backend is ejected",
        State::Broken => "backend is broken: its circuit breaker is open",
        State::Unknown => "backend is unknown: it has to be checked first",
    }
}
