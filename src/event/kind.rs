//! Every kind of event: its name, its level, its line in the log, and its members in JSON.
//!
//! Names are a contract, as those of the metrics are: `[[notify]]` and people's tools are written against them. docs/events.md lists them,
//! which a test looks for.

mod certificate;
mod discovery;
mod listener;

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use tracing::{error, info, warn};

pub use certificate::{Certificate, CertificateChange};
pub use discovery::DiscoveryChange;
pub use listener::ListenerChange;

use super::Subject;
use crate::clock::rfc3339;
use crate::endpoint::state::{DecidedBy, State};

/// How serious an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Nothing is wrong.
    Info,
    /// Something is not as it should be.
    Warn,
    /// Somebody is not served.
    Error,
}

/// The sessions that affinity binds to a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sessions {
    /// Its service has no affinity.
    None,
    /// So many are in the service's table.
    InTable(usize),
    /// Nobody knows how many: the clients hold them, in cookies.
    InCookies,
}

/// What happened, with figures.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// A backend is in another state, or is so for another reason.
    Backend {
        /// The state that it is in now.
        state: State,
        /// Who has put it into that state.
        by: DecidedBy,
        /// Why; may be empty.
        reason: String,
        /// The state before; `None` = it is new.
        was: Option<State>,
        /// How long it was in the state before.
        after: Option<Duration>,
    },
    /// A backend is not there any more: nobody is sent to it.
    BackendRemoved {
        /// Who has taken it away: `configuration` or `discovery`.
        by: &'static str,
    },
    /// Something happened to a listener.
    Listener(ListenerChange),
    /// Something happened to a certificate.
    Certificate(CertificateChange),
    /// Something happened to the source of a service's backends.
    Discovery(DiscoveryChange),
    /// An operator has said what is to be done with a backend.
    Operator {
        /// The command: `drain`, `disable`, `enable`, or `weight`.
        command: &'static str,
        /// Who has said it: the name of a token, a client certificate's subject, or an address.
        who: String,
        /// Why, in the operator's words.
        reason: Option<String>,
        /// Until when it holds; `None` = until it is taken back.
        until: Option<SystemTime>,
        /// The weight that was set; `None` = none, or as configured.
        weight: Option<u32>,
        /// What the backend has of sessions, where the command is about new work.
        sessions: Option<Sessions>,
    },
    /// The time until which an operator's command was to hold is over.
    OperatorExpired {
        /// The command.
        command: &'static str,
        /// Who had said it.
        who: String,
    },
    /// Operators' commands can't be written to `state_dir`: they hold, but not after a restart.
    OperatorNotKept {
        /// Why not.
        reason: String,
    },
    /// Too few backends of a service are well: health is ignored.
    PanicBegan {
        /// How many backends are well.
        available: usize,
        /// How many there are.
        total: usize,
    },
    /// Enough are well again.
    PanicEnded {
        /// How many backends are well.
        available: usize,
        /// How many there are.
        total: usize,
    },
    /// A service has no backend that can be used.
    ServiceDown {
        /// How many backends it has.
        total: usize,
    },
    /// A service has a backend that can be used again.
    ServiceUp {
        /// How many backends can be used.
        available: usize,
        /// How many backends it has.
        total: usize,
    },
    /// Another configuration runs.
    Reloaded {
        /// Why it was read.
        why: String,
        /// Its generation.
        generation: u64,
        /// What has changed.
        changes: String,
        /// How long it took.
        took: Duration,
    },
    /// A configuration was refused, and the one before runs on.
    NotReloaded {
        /// Why it was read.
        why: String,
        /// Why it was refused.
        detail: String,
        /// How long it took.
        took: Duration,
    },
    /// The process serves clients.
    Ready {
        /// Its version.
        version: &'static str,
    },
    /// The process was told to stop.
    Stopping {
        /// The signal that said so.
        signal: String,
    },
}

/// The names of all kinds; those of a backend's states come first, in the order of [`State::ALL`].
pub const NAMES: [&str; 32] = [
    "backend_up",
    "backend_starting",
    "backend_draining",
    "backend_disabled",
    "backend_down",
    "backend_ejected",
    "backend_broken",
    "backend_unknown",
    "backend_removed",
    "operator",
    "operator_expired",
    "operator_not_kept",
    "panic_began",
    "panic_ended",
    "service_down",
    "service_up",
    "listener_added",
    "listener_changed",
    "listener_removed",
    "listener_failed",
    "certificate_loaded",
    "certificate_changed",
    "certificate_expiring",
    "certificate_expired",
    "certificate_failed",
    "discovery_changed",
    "discovery_failed",
    "discovery_recovered",
    "config_reloaded",
    "config_refused",
    "process_ready",
    "process_stopping",
];

impl Level {
    /// The name in the API and the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

impl Sessions {
    /// How many they are; `None` = nobody knows.
    pub fn count(self) -> Option<usize> {
        match self {
            Self::None => Some(0),
            Self::InTable(count) => Some(count),
            Self::InCookies => None,
        }
    }

    /// Adds to a JSON object how many they are, and by what they are held.
    pub fn add_to(self, object: &mut Value) {
        object["sessions"] = json!(self.count());
        object["sessions_by"] = match self {
            Self::None => Value::Null,
            Self::InTable(_) => json!("table"),
            Self::InCookies => json!("cookie"),
        };
    }
}

impl Kind {
    /// Its name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Backend { state, .. } => NAMES[*state as usize],
            Self::BackendRemoved { .. } => "backend_removed",
            Self::Listener(change) => change.name(),
            Self::Certificate(change) => change.name(),
            Self::Discovery(change) => change.name(),
            Self::Operator { .. } => "operator",
            Self::OperatorExpired { .. } => "operator_expired",
            Self::OperatorNotKept { .. } => "operator_not_kept",
            Self::PanicBegan { .. } => "panic_began",
            Self::PanicEnded { .. } => "panic_ended",
            Self::ServiceDown { .. } => "service_down",
            Self::ServiceUp { .. } => "service_up",
            Self::Reloaded { .. } => "config_reloaded",
            Self::NotReloaded { .. } => "config_refused",
            Self::Ready { .. } => "process_ready",
            Self::Stopping { .. } => "process_stopping",
        }
    }

    /// How serious an event is.
    pub fn level(&self) -> Level {
        match self {
            Self::Backend { state: State::Down | State::Ejected | State::Broken, .. }
            | Self::PanicBegan { .. }
            | Self::OperatorNotKept { .. } => Level::Warn,
            Self::ServiceDown { .. } | Self::NotReloaded { .. } => Level::Error,
            Self::Listener(change) => change.level(),
            Self::Certificate(change) => change.level(),
            Self::Discovery(change) => change.level(),
            _ => Level::Info,
        }
    }

    /// What happened, in one line for people.
    pub fn text(&self) -> String {
        match self {
            Self::Backend { state, reason, .. } => {
                let text = backend(*state);
                if reason.is_empty() { text.to_owned() } else { format!("{text}: {reason}") }
            }
            Self::BackendRemoved { by } => format!("backend is removed: the {by} does not have it any more"),
            Self::Listener(change) => change.text(),
            Self::Certificate(change) => change.text(),
            Self::Discovery(change) => change.text(),
            Self::Operator { command: "weight", who, weight: None, .. } => {
                format!("{who} gave it its configured weight back")
            }
            Self::Operator { command: "weight", who, weight: Some(weight), .. } => {
                format!("{who} set its weight to {weight}")
            }
            Self::Operator { command, who, reason, .. } => match reason {
                Some(reason) => format!("{who} said {command}: {reason}"),
                None => format!("{who} said {command}"),
            },
            Self::OperatorExpired { command, who } => format!("what {who} said is over: {command}"),
            Self::OperatorNotKept { reason } => {
                format!("what operators say can't be kept and ends with this process: {reason}")
            }
            Self::PanicBegan { .. } => "too few backends are well: health is ignored (panic_threshold)".to_owned(),
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
    pub(super) fn cause(&self) -> Value {
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
            Self::Discovery(change) => change.cause(),
            Self::Operator { command, who, reason, until, weight, sessions } => {
                let mut cause = json!({
                    "command": command,
                    "who": who,
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
    pub(super) fn log(&self, subject: &Subject) {
        let (service, backend) = (subject.service.as_deref(), subject.backend.as_deref());
        let listener = subject.listener.as_deref();
        match self {
            Self::Backend { state, by, reason, was, .. } => {
                let (by, was, text) = (by.as_str(), was.map(State::as_str), self::backend(*state));
                match self.level() {
                    Level::Info => info!(service, backend, by, reason, was, "{text}"),
                    _ => warn!(service, backend, by, reason, was, "{text}"),
                }
            }
            Self::BackendRemoved { by } => info!(service, backend, by, "backend is removed"),
            Self::Listener(change) => change.log(listener),
            Self::Certificate(change) => change.log(listener, service),
            Self::Discovery(change) => change.log(service),
            Self::Operator { command, who, reason, until, weight, sessions } => {
                let (until, sessions) = (until.map(rfc3339), sessions.and_then(Sessions::count));
                info!(service, backend, who, reason, until, weight, sessions, "an operator said: {command}");
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

fn backend(state: State) -> &'static str {
    match state {
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

fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e3).round() / 1e3
}
