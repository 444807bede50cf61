//! Every kind of event: its name, its level, its line in the log, and its members in JSON.
//!
//! Names are a contract, as those of the metrics are: `[[notify]]` and people's tools are written against them. docs/events.md lists them.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use tracing::{error, info, warn};

use super::Subject;
use crate::clock::rfc3339;
use crate::endpoint::state::{DecidedBy, State};

/// How much somebody should care.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// As it should be.
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

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// A backend stands otherwise than before.
    Backend {
        /// How it stands.
        state: State,
        /// Who says so.
        by: DecidedBy,
        /// Why; may be empty.
        reason: String,
        /// How it stood before; `None` = it has just come.
        was: Option<State>,
        /// For how long it stood so.
        after: Option<Duration>,
    },
    /// An operator has said what is to be done with a backend.
    Operator {
        /// What: `drain`, `disable`, `enable`, or `weight`.
        command: &'static str,
        /// Who: the name of a token, a client certificate's subject, or an address.
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
    /// What an operator said of a backend was to hold until now.
    OperatorExpired {
        /// What it was.
        command: &'static str,
        /// Who had said it.
        who: String,
    },
    /// What operators say can't be written to `state_dir`: it holds, but not after a restart.
    OperatorNotKept {
        /// Why.
        reason: String,
    },
    /// Too few backends of a service are well: health is ignored.
    PanicBegan {
        /// Those that are well.
        available: usize,
        /// All.
        total: usize,
    },
    /// Enough are well again.
    PanicEnded {
        /// Those that are well.
        available: usize,
        /// All.
        total: usize,
    },
    /// A service has no backend that can be used.
    ServiceDown {
        /// All that it has.
        total: usize,
    },
    /// It has one again.
    ServiceUp {
        /// Those that can be used.
        available: usize,
        /// All that it has.
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
        /// DecidedBy which signal.
        signal: String,
    },
}

/// The names of all kinds, in the order of [`Kind::place`].
pub const NAMES: [&str; 19] = [
    "backend_up",
    "backend_starting",
    "backend_draining",
    "backend_disabled",
    "backend_down",
    "backend_ejected",
    "backend_broken",
    "backend_unknown",
    "operator",
    "operator_expired",
    "operator_not_kept",
    "panic_began",
    "panic_ended",
    "service_down",
    "service_up",
    "config_reloaded",
    "config_refused",
    "process_ready",
    "process_stopping",
];

impl Level {
    /// As the API and the log call it.
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
    /// Its place in [`NAMES`].
    pub(super) fn place(&self) -> usize {
        match self {
            // the states have the first eight places, in the order of `State::ALL`
            Self::Backend { state, .. } => *state as usize,
            Self::Operator { .. } => 8,
            Self::OperatorExpired { .. } => 9,
            Self::OperatorNotKept { .. } => 10,
            Self::PanicBegan { .. } => 11,
            Self::PanicEnded { .. } => 12,
            Self::ServiceDown { .. } => 13,
            Self::ServiceUp { .. } => 14,
            Self::Reloaded { .. } => 15,
            Self::NotReloaded { .. } => 16,
            Self::Ready { .. } => 17,
            Self::Stopping { .. } => 18,
        }
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        NAMES[self.place()]
    }

    /// How much somebody should care.
    pub fn level(&self) -> Level {
        match self {
            Self::Backend { state: State::Down | State::Ejected | State::Broken, .. }
            | Self::PanicBegan { .. }
            | Self::OperatorNotKept { .. } => Level::Warn,
            Self::ServiceDown { .. } | Self::NotReloaded { .. } => Level::Error,
            _ => Level::Info,
        }
    }

    /// One line for people.
    pub fn text(&self) -> String {
        match self {
            Self::Backend { state, reason, .. } => {
                let text = backend(*state);
                if reason.is_empty() { text.to_owned() } else { format!("{text}: {reason}") }
            }
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

    /// What it comes of, and figures.
    pub(super) fn cause(&self) -> Value {
        match self {
            Self::Backend { state, by, reason, was, after } => json!({
                "state": state.as_str(),
                "by": by.as_str(),
                "reason": reason,
                "was": was.map(State::as_str),
                "after_s": after.map(seconds),
            }),
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
        match self {
            Self::Backend { state, by, reason, was, .. } => {
                let (by, was, text) = (by.as_str(), was.map(State::as_str), self::backend(*state));
                match self.level() {
                    Level::Info => info!(service, backend, by, reason, was, "{text}"),
                    _ => warn!(service, backend, by, reason, was, "{text}"),
                }
            }
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
