//! Every kind of event: its name, its level, its line in the log, and its members in JSON.
//!
//! Names are a contract: `[[notify]]` and people's tools are written against them. docs/events.md lists them, which a test looks for.

mod access_file;
mod backup;
mod canary;
mod certificate;
mod cluster;
mod discovery;
pub mod fault;
mod hand_over;
mod ledger;
mod listener;
mod maintenance_page;
mod names;
mod otlp;
mod page_file;
mod path;
pub mod promise;
mod protection;
pub mod recovery;
mod rendering;
mod sessions;
mod share;
mod shedding;
mod store;

use std::time::{Duration, SystemTime};

pub use access_file::AccessFileChange;
pub use backup::BackupChange;
pub use canary::CanaryChange;
pub use certificate::{Certificate, CertificateChange};
pub use cluster::ClusterChange;
pub use discovery::{DiscoveryChange, Refused};
pub use fault::FaultChange;
pub use hand_over::HandOverChange;
pub use ledger::LedgerChange;
pub use listener::ListenerChange;
pub use maintenance_page::MaintenancePageChange;
pub use names::NAMES;
pub use otlp::OtlpChange;
pub use page_file::PageFileChange;
pub use path::PathChange;
pub use promise::PromiseChange;
pub use protection::{GivingWay, ProtectionEnd, SplitBack};
pub use recovery::RecoveryChange;
pub use sessions::Sessions;
pub use share::ShareChange;
pub use shedding::SheddingChange;
pub use store::{StoreChange, StoreUse};

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
    /// A file that says who may come in has changed.
    AccessFile(AccessFileChange),
    /// A file that clients are shown has changed.
    PageFile(PageFileChange),
    /// Clients are shown the page of maintenance, or no more.
    MaintenancePage(MaintenancePageChange),
    /// Something happened to the source of a service's backends.
    Discovery(DiscoveryChange),
    /// Something happened to a path to a backend that has several.
    Path(PathChange),
    /// Detection has found a fault, or one holds no more.
    Fault(FaultChange),
    /// A service begins to refuse requests, because its backends have too much to do, or does so no more.
    Shedding(SheddingChange),
    /// Something happened to what is promised of a service.
    Promise(PromiseChange),
    /// A new version of a service has another share of the requests.
    Canary(CanaryChange),
    /// Something happened in the recovery of a service, or of all.
    Recovery(RecoveryChange),
    /// Something happened while this instance gives its work to another one.
    HandOver(HandOverChange),
    /// Something happened to the ledger.
    Ledger(LedgerChange),
    /// Something happened to the copies of the ledger.
    LedgerBackup(BackupChange),
    /// Something happened to the collector of traces and metrics.
    Otlp(OtlpChange),
    /// Something happened to a store of sessions or of rate limits.
    Store(StoreChange),
    /// Something happened to the leadership among several instances.
    Cluster(ClusterChange),
    /// Something happened to what instances share.
    Share(ShareChange),
    /// A detector panicked, or takes too long, and is left out.
    DetectorLeftOut {
        /// The detector.
        detector: &'static str,
        /// Why.
        reason: String,
    },
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
        /// The instance that it was said to, where that is another one.
        instance: Option<String>,
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

impl Kind {
    /// Its name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Backend { state, .. } => NAMES[*state as usize],
            Self::BackendRemoved { .. } => "backend_removed",
            Self::Listener(change) => change.name(),
            Self::Certificate(change) => change.name(),
            Self::AccessFile(change) => change.name(),
            Self::PageFile(change) => change.name(),
            Self::MaintenancePage(change) => change.name(),
            Self::Discovery(change) => change.name(),
            Self::Path(change) => change.name(),
            Self::Fault(change) => change.name(),
            Self::Shedding(change) => change.name(),
            Self::Promise(change) => change.name(),
            Self::Canary(change) => change.name(),
            Self::Recovery(change) => change.name(),
            Self::HandOver(change) => change.name(),
            Self::Ledger(change) => change.name(),
            Self::LedgerBackup(change) => change.name(),
            Self::Otlp(change) => change.name(),
            Self::Store(change) => change.name(),
            Self::Cluster(change) => change.name(),
            Self::Share(change) => change.name(),
            Self::DetectorLeftOut { .. } => "detector_left_out",
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
            | Self::OperatorNotKept { .. }
            | Self::DetectorLeftOut { .. } => Level::Warn,
            Self::ServiceDown { .. } | Self::NotReloaded { .. } => Level::Error,
            Self::Listener(change) => change.level(),
            Self::Certificate(change) => change.level(),
            Self::AccessFile(change) => change.level(),
            Self::PageFile(change) => change.level(),
            Self::Discovery(change) => change.level(),
            Self::Path(change) => change.level(),
            Self::Fault(change) => change.level(),
            Self::Shedding(change) => change.level(),
            Self::Promise(change) => change.level(),
            Self::Canary(change) => change.level(),
            Self::Recovery(change) => change.level(),
            Self::HandOver(change) => change.level(),
            Self::Ledger(change) => change.level(),
            Self::LedgerBackup(change) => change.level(),
            Self::Otlp(change) => change.level(),
            Self::Store(change) => change.level(),
            Self::Cluster(change) => change.level(),
            Self::Share(change) => change.level(),
            _ => Level::Info,
        }
    }
}

fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e3).round() / 1e3
}
