//! What a document of the live view is made of: plain values, read at one moment.

use std::sync::Arc;
use std::time::SystemTime;

use serde_json::Value;

use crate::admin::Phase;
use crate::admin::backend_reading::BackendReading;
use crate::admin::past::Sample;
use crate::detect::sample::Latencies;
use crate::endpoint::state::Announced;
use crate::health::faults::Fault;
use crate::lead;
use crate::operator::recovery::Pause;
use crate::recover::Attempt;

/// What is read of the process.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) started: SystemTime,
    pub(super) generation: u64,
    pub(super) phase: Phase,
    /// Why the last reload was refused; null where it was not.
    pub(super) reload_refused: Value,
    /// The files of TLS that can't be used.
    pub(super) certificates_refused: Vec<Value>,
    /// The pause of recovery; `None` = it is not paused.
    pub(super) pause: Option<Pause>,
    /// Which of several instances this is, and who leads.
    pub(super) leadership: lead::Standing,
    pub(super) listeners: Vec<ListenerReading>,
    pub(super) services: Vec<ServiceReading>,
    /// Those that hold.
    pub(super) faults: Vec<Fault>,
    /// Those that are under way or in force.
    pub(super) recoveries: Vec<Arc<Attempt>>,
}

/// What is read of a listener.
#[derive(Debug)]
pub(super) struct ListenerReading {
    pub(super) name: String,
    pub(super) address: String,
    pub(super) protocol: &'static str,
    pub(super) tls: bool,
    pub(super) connections: u64,
    /// Its clients are shown the page of maintenance.
    pub(super) maintenance_page: bool,
}

/// What is read of a service.
#[derive(Debug, Default)]
pub(super) struct ServiceReading {
    pub(super) name: Arc<str>,
    pub(super) balance: &'static str,
    /// How many backends it has.
    pub(super) total: usize,
    /// Those that new work may not go to; all others are healthy.
    pub(super) unusable: Vec<Unusable>,
    /// So few are healthy that health is ignored.
    pub(super) panic: bool,
    /// Where a part of its work goes, and which part, above 0 and at most 1.
    pub(super) detour: Option<(String, f64)>,
    /// The paths that recovery has cut off.
    pub(super) cuts: Vec<Arc<str>>,
    pub(super) traffic: Traffic,
    pub(super) in_flight: u64,
    /// Requests that wait for a place at a backend.
    pub(super) waiting: usize,
    /// How many may be in flight by its adaptive limit; `None` = it has none.
    pub(super) limit: Option<u32>,
    /// Why it was sent back; `None` = it was not, or is no canary.
    pub(super) sent_back: Option<String>,
    /// The share of its error budget that is left; `None` = nothing is promised of it, or that is not known.
    pub(super) budget_left: Option<f64>,
    pub(super) maintenance: bool,
    /// Its clients are shown the page of maintenance.
    pub(super) maintenance_page: bool,
}

/// A backend that new work may not go to.
#[derive(Debug)]
pub(super) struct Unusable {
    pub(super) id: Arc<str>,
    pub(super) told: Announced,
}

/// What a service did in the last seconds.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    pub(super) counted: Sample,
    /// In so many seconds; 0 = nothing was read before, so nothing was counted.
    pub(super) seconds: f64,
}

/// What is read of the service that somebody looks at.
#[derive(Debug)]
pub(super) struct Details {
    pub(super) name: Arc<str>,
    pub(super) balance: &'static str,
    pub(super) protocol: &'static str,
    /// What algorithms in its shadow have picked; null = there are none.
    pub(super) shadow: Value,
    pub(super) backends: Vec<BackendDetails>,
}

/// What is read of one of its backends.
#[derive(Debug)]
pub(super) struct BackendDetails {
    pub(super) reading: BackendReading,
    /// What it did in the last seconds; `None` = nothing was read before.
    pub(super) traffic: Option<BackendTraffic>,
}

/// What a backend did in the last seconds.
#[derive(Debug, Clone, Default)]
pub(super) struct BackendTraffic {
    /// In so many seconds.
    pub(super) seconds: f64,
    /// Exchanges that ended, but for those whose client went away.
    pub(super) ended: u64,
    /// Those of them that failed.
    pub(super) failed: u64,
    /// How long its answers took.
    pub(super) latencies: Latencies,
}

impl Traffic {
    /// How many a second these are.
    pub(super) fn rate(&self, count: u64) -> f64 {
        if self.seconds > 0.0 { count as f64 / self.seconds } else { 0.0 }
    }
}
