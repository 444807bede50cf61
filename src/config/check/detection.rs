//! `[service.NAME.detect]`

use std::collections::HashMap;
use std::time::Duration;

use super::{Checker, all};
use crate::config::model::Detect;
use crate::config::raw;
use crate::config::syntax::dependency_endpoint;
use crate::config::tree::KeyPath;
use crate::config::units::{LatencyFactor, TimeSpan};
use crate::detect::service::{Anomaly, Heartbeat, Performance, Settings};
use crate::policy::{Dependency, LatencyRule};

/// The control plane looks this often at the most.
const SHORTEST: Duration = Duration::from_millis(100);

impl Checker<'_> {
    pub(super) fn detect(&mut self, at: &KeyPath, raw: &raw::Detect) -> Option<Detect> {
        self.not_too_often(&at.key("interval"), raw.interval);
        self.above_zero(at, "vote", raw.vote);
        self.not_too_often(&at.key("heartbeat").key("interval"), raw.heartbeat.interval);
        let performance = at.key("performance");
        self.above_zero(&performance, "error_rate", raw.performance.error_rate);
        self.above_zero(&performance, "cpu", raw.performance.cpu);
        self.above_zero(&performance, "memory", raw.performance.memory);
        self.above_zero(&at.key("anomaly"), "threshold", raw.anomaly.threshold);
        let dependencies = self.dependencies(&at.key("dependency"), &raw.dependency);
        Some(Detect {
            settings: settings(raw),
            dependencies: dependencies?,
            record: raw.record.as_ref().map(|file| self.file(file)),
        })
    }

    /// A threshold of 0 would accuse everybody of everything.
    fn above_zero(&mut self, table: &KeyPath, key: &str, value: f64) {
        if value <= 0.0 {
            let mistake = self.mistake(&table.key(key), format!("`{key}` can't be 0"));
            self.report(
                mistake.expected("a number above 0").help("what is above it is a fault; 0 would accuse everybody"),
            );
        }
    }

    fn not_too_often(&mut self, at: &KeyPath, interval: TimeSpan) {
        if interval.0 < SHORTEST {
            let mistake = self.mistake(at, "`interval` is too short");
            self.report(mistake.expected("a time of at least 100ms"));
        }
    }

    fn dependencies(&mut self, at: &KeyPath, raw: &[raw::Dependency]) -> Option<Vec<Dependency>> {
        let mut names = HashMap::new();
        for (index, dependency) in raw.iter().enumerate() {
            self.not_too_often(&at.index(index).key("interval"), dependency.interval);
            let Some(name) = &dependency.name else { continue };
            let place = at.index(index).key("name");
            if let Some(first) = names.insert(name, place.clone()) {
                let mistake = self.mistake(&place, format!("another dependency of the service is named `{name}`"));
                self.report(mistake.help(self.first_in(&first)));
            }
        }
        all(raw.iter().map(dependency).collect())
    }
}

/// `None` = something is missing or can't be read, and has been reported.
fn dependency(raw: &raw::Dependency) -> Option<Dependency> {
    Some(Dependency {
        name: raw.name.as_deref()?.into(),
        endpoint: dependency_endpoint(raw.endpoint.as_deref()?).ok()?,
        timeout: raw.timeout.0,
        interval: raw.interval.0,
    })
}

fn settings(raw: &raw::Detect) -> Settings {
    Settings {
        interval: raw.interval.0,
        vote: raw.vote,
        heartbeat: Heartbeat { interval: raw.heartbeat.interval.0, missed: raw.heartbeat.missed },
        performance: Performance {
            latency: raw.performance.latency.0,
            error_rate: raw.performance.error_rate,
            cpu: raw.performance.cpu,
            memory: raw.performance.memory,
        },
        anomaly: Anomaly { threshold: raw.anomaly.threshold, window: raw.anomaly.window as usize },
        ..Settings::default()
    }
}

pub(super) fn latency_rule(raw: LatencyFactor) -> LatencyRule {
    match raw {
        LatencyFactor::Auto => LatencyRule::Auto,
        LatencyFactor::Times(factor) if factor > 0.0 => LatencyRule::Factor(factor),
        LatencyFactor::Times(_) => LatencyRule::Off,
    }
}
