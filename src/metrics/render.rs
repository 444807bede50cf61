//! One reading of everything: the registry's own counters, what rooms have counted through the facade, and what is known elsewhere.

mod failures;
mod recoded;
mod stores;

use std::sync::atomic::Ordering;
use std::time::UNIX_EPOCH;

use super::Denial;
use super::ZONES;
use super::age;
use super::collect::{Collect, Number};
use super::fold::Sink;
use super::grpc::CODES;
use super::hedges;
use super::losses::Loss;
use super::mirrored;
use super::names::{self, Metric};
use super::readings::{BackendReading, PathSeries, Readings};
use super::refusals::Refusal;
use super::requests::CLASSES;
use super::retries::OUTCOMES;
use super::{Durations, Registry, StageDurations, process, promised};

/// One of the stages that are measured.
type Stage = fn(&StageDurations) -> &Durations;

/// What a metric says of a path.
type PathValue = fn(&PathSeries) -> Option<Number>;

/// The metrics of stages.
static STAGES: [(&Metric, Stage); 3] = [
    (&names::FIRST_BYTE, |stages| &stages.first_byte),
    (&names::QUEUE, |stages| &stages.queue),
    (&names::CONNECT, |stages| &stages.connect),
];

/// The metrics of recovery.
static RECOVERY: [&Metric; 17] = [
    &names::RECOVERIES,
    &names::RECOVERY_DURATION,
    &names::RECOVERIES_RUNNING,
    &names::RECOVERIES_WAITING,
    &names::RECOVERY_IN_FORCE,
    &names::RECOVERY_EFFECTIVENESS,
    &names::RECOVERY_BRAKED,
    &names::RECOVERY_PAUSED,
    &names::LEADER,
    &names::LEADERSHIP_CHANGES,
    &names::FENCING_TOKEN,
    &names::RENEWALS_FAILED,
    &names::SHARED_WORDS,
    &names::SHARED_WAITING,
    &names::WORDS_FOLLOWED,
    &names::SHARED_WRITES_FAILED,
    &names::SHARED_LAG,
];

/// The metrics of the copies of the ledger.
static BACKUPS: [&Metric; 4] = [&names::BACKUPS, &names::BACKUP_LAST, &names::BACKUP_INTERVAL, &names::BACKUP_SIZE];

/// The metrics of what is promised and what came of it, and of maintenance.
static PROMISES: [&Metric; 10] = [
    &names::SLA_TARGET,
    &names::AVAILABILITY,
    &names::SUCCESS,
    &names::BUDGET_LEFT,
    &names::BURN_RATE,
    &names::BUDGET_ALERTS,
    &names::SERVICE_DOWN,
    &names::INCIDENTS,
    &names::MAINTENANCE_PAGE,
    &names::LEDGER_OK,
];

fn waiting_to(readings: &Readings<'_>, out: &mut Sink<'_>) {
    out.announce(&names::REQUESTS_WAITING);
    for (service, count) in readings.waiting {
        out.series(&names::REQUESTS_WAITING, &[service], *count);
    }
}

impl Registry {
    /// Reads everything, and hands it over to `to`, metric by metric in the order of the list.
    pub fn collect(&self, readings: &Readings<'_>, to: &mut dyn Collect) {
        self.sweep_recorded();
        let fold = self.folding.begin(readings.backends, |service, id| self.upstreams.is_held([service, id]));
        let mut out = Sink::new(to, fold);
        self.requests_to(&mut out);
        self.failures_to(&mut out);
        self.durations_to(&mut out);
        self.stages_to(&mut out);
        backends_to(readings.backends, &mut out);
        waiting_to(readings, &mut out);
        self.upstreams_to(&mut out);
        self.recorded_to(&names::NOTIFICATIONS, &mut out);
        self.recorded_to(&names::OTLP_SENT, &mut out);
        self.recorded_to(&names::OTLP_DROPPED, &mut out);
        BACKUPS.iter().for_each(|metric| self.recorded_to(metric, &mut out));
        self.recorded_to(&names::ADMIN_REFUSED, &mut out);
        self.recorded_to(&names::ACCESS_LOG_DROPPED, &mut out);
        self.retries_to(&mut out);
        self.hedges_to(readings, &mut out);
        self.concurrency_to(readings, &mut out);
        self.recorded_to(&names::CANARY_SHARE, &mut out);
        self.mirrored_to(&mut out);
        self.recoded_to(&mut out);
        self.limits_to(&mut out);
        self.client_limits_to(&mut out);
        self.limit_stores_to(&mut out);
        self.zones_to(&mut out);
        self.shadow_to(&mut out);
        self.sessions_to(&mut out);
        self.recorded_to(&names::EJECTIONS, &mut out);
        self.recorded_to(&names::FAULTS, &mut out);
        RECOVERY.iter().for_each(|metric| self.recorded_to(metric, &mut out));
        self.recorded_to(&names::DISCOVERY_UP, &mut out);
        self.recorded_to(&names::DISCOVERY_ANSWERS, &mut out);
        self.recorded_to(&names::DISCOVERY_AGE, &mut out);
        self.recorded_to(&names::DISCOVERY_REFUSED, &mut out);
        self.grpc_to(&mut out);
        self.promised_to(&mut out);
        PROMISES.iter().for_each(|metric| self.recorded_to(metric, &mut out));
        self.listeners_to(&mut out);
        out.announce(&names::SHORTAGES);
        for (reason, count) in readings.shortages {
            out.series(&names::SHORTAGES, &[reason], *count);
        }
        self.recorded_to(&names::EVENTS, &mut out);
        self.recorded_to(&names::CERTIFICATE_EXPIRY, &mut out);
        self.recorded_to(&names::CERTIFICATE_RENEWALS, &mut out);
        out.single(&names::PANICS, &[], self.panics.load(Ordering::Relaxed));
        self.recorded_to(&names::CONFIG_GENERATION, &mut out);
        self.recorded_to(&names::CONFIG_HASH, &mut out);
        self.recorded_to(&names::RELOADS, &mut out);
        self.recorded_to(&names::RELOAD_OK, &mut out);
        out.single(&names::BUILD_INFO, &[env!("CARGO_PKG_VERSION")], true);
        let started = self.started.duration_since(UNIX_EPOCH).unwrap_or_default();
        out.single(&names::START_TIME, &[], started.as_secs_f64());
        for (metric, value) in process::read() {
            out.single(metric, &[], value);
        }
        out.finish();
    }

    /// Writes what was counted through the facade for one metric.
    fn recorded_to(&self, metric: &'static Metric, out: &mut Sink<'_>) {
        out.announce(metric);
        for (labels, value) in self.recorded.read(metric) {
            let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
            match value.into() {
                Number::Real(moment) if *metric == names::DISCOVERY_AGE => {
                    out.series(metric, &labels, age::of(moment));
                }
                number => out.series(metric, &labels, number),
            }
        }
    }

    fn requests_to(&self, out: &mut Sink<'_>) {
        out.announce(&names::REQUESTS);
        for ([listener, service, backend], requests) in self.requests.held() {
            for (class, count) in CLASSES.into_iter().zip(requests.read()) {
                // the two rare classes appear with their first count; the others are there from the start, so that the
                // first failure is an increase, which a series that begins with it would not show
                if count > 0 || !matches!(class, "none" | "1xx") {
                    out.series(&names::REQUESTS, &[&listener, &service, &backend, class], count);
                }
            }
        }
    }

    fn durations_to(&self, out: &mut Sink<'_>) {
        out.announce(&names::REQUEST_DURATION);
        for ([service], durations) in self.durations.held() {
            out.histogram(&names::REQUEST_DURATION, &[&service], &durations.show().histogram());
        }
    }

    /// A series appears with the first duration in it.
    fn stages_to(&self, out: &mut Sink<'_>) {
        let attempts = self.attempts.held();
        for (metric, of) in STAGES {
            out.announce(metric);
            for ([service], attempts) in &attempts {
                let shown = of(&attempts.stages).show();
                if shown.count > 0 {
                    out.histogram(metric, &[service], &shown.histogram());
                }
            }
        }
    }

    fn upstreams_to(&self, out: &mut Sink<'_>) {
        let upstreams = self.upstreams.held();
        out.announce(&names::UPSTREAM_CONNECTIONS);
        for ([service, backend], metrics) in &upstreams {
            let (active, idle) = metrics.read();
            for (state, count) in [("active", active), ("idle", idle)] {
                out.series(&names::UPSTREAM_CONNECTIONS, &[service, backend, state], count);
            }
        }
        out.announce(&names::UPSTREAM_CONNECTS);
        for ([service, backend], metrics) in &upstreams {
            out.series(&names::UPSTREAM_CONNECTS, &[service, backend], metrics.connects());
        }
        out.announce(&names::ATTEMPTS);
        for ([service, backend], metrics) in &upstreams {
            out.series(&names::ATTEMPTS, &[service, backend], metrics.attempts().ended);
        }
        out.announce(&names::ATTEMPTS_FAILED);
        for ([service, backend], metrics) in &upstreams {
            out.series(&names::ATTEMPTS_FAILED, &[service, backend], metrics.attempts().failed);
        }
        out.announce(&names::BACKEND_RETRIES);
        for ([service, backend], metrics) in &upstreams {
            out.series(&names::BACKEND_RETRIES, &[service, backend], metrics.retries());
        }
        out.announce(&names::BACKEND_DURATION);
        let shown = if out.has_histograms() { &upstreams[..] } else { &[] };
        for ([service, backend], metrics) in shown {
            let shown = metrics.show_durations();
            if shown.count > 0 {
                out.histogram(&names::BACKEND_DURATION, &[service, backend], &shown.histogram());
            }
        }
        let folded = out.folded();
        out.single(&names::BACKENDS_FOLDED, &[], folded);
    }

    fn grpc_to(&self, out: &mut Sink<'_>) {
        out.announce(&names::GRPC);
        for ([service], calls) in self.grpc.held() {
            for (code, count) in CODES.into_iter().zip(calls.read()).filter(|(_, count)| *count > 0) {
                out.series(&names::GRPC, &[&service, code], count);
            }
        }
    }

    fn promised_to(&self, out: &mut Sink<'_>) {
        out.announce(&names::SLA_REQUESTS);
        for ([service], requests) in self.promised.held() {
            // all are there from the start, so that the first failure is an increase
            for (outcome, count) in promised::ENDS.into_iter().zip(requests.read()) {
                out.series(&names::SLA_REQUESTS, &[&service, outcome], count);
            }
        }
    }

    fn retries_to(&self, out: &mut Sink<'_>) {
        out.announce(&names::RETRIES);
        for ([service], retries) in self.retries.held() {
            for (outcome, count) in OUTCOMES.into_iter().zip(retries.read()) {
                out.series(&names::RETRIES, &[&service, outcome], count);
            }
        }
    }

    fn hedges_to(&self, readings: &Readings<'_>, out: &mut Sink<'_>) {
        out.announce(&names::HEDGES);
        for ([service], hedges) in &self.hedges.held() {
            for (outcome, count) in hedges::OUTCOMES.into_iter().zip(hedges.read()) {
                out.series(&names::HEDGES, &[service, outcome], count);
            }
        }
        out.announce(&names::HEDGE_AFTER);
        for (service, after) in readings.hedge_after {
            out.series(&names::HEDGE_AFTER, &[service], *after);
        }
    }

    fn mirrored_to(&self, out: &mut Sink<'_>) {
        let held = self.mirrored.held();
        out.announce(&names::MIRRORED);
        for ([listener, service], mirrored) in &held {
            for (outcome, count) in mirrored::OUTCOMES.into_iter().zip(mirrored.read()) {
                out.series(&names::MIRRORED, &[listener, service, outcome], count);
            }
        }
        out.announce(&names::MIRRORED_IN_FLIGHT);
        for ([listener, service], mirrored) in &held {
            out.series(&names::MIRRORED_IN_FLIGHT, &[listener, service], mirrored.in_flight());
        }
    }

    fn zones_to(&self, out: &mut Sink<'_>) {
        out.announce(&names::ZONE_PICKS);
        for ([service], picks) in self.zone_picks.held() {
            for (zone, count) in ZONES.into_iter().zip(picks.read()) {
                out.series(&names::ZONE_PICKS, &[&service, zone], count);
            }
        }
    }

    fn shadow_to(&self, out: &mut Sink<'_>) {
        out.announce(&names::SHADOW_PICKS);
        for ([service, algorithm, backend], picks) in self.shadow_picks.held() {
            out.series(&names::SHADOW_PICKS, &[&service, &algorithm, &backend], picks.read());
        }
        out.announce(&names::SHADOW_AGREED);
        for ([service, algorithm], picks) in self.shadow_agreed.held() {
            out.series(&names::SHADOW_AGREED, &[&service, &algorithm], picks.read());
        }
    }

    fn listeners_to(&self, out: &mut Sink<'_>) {
        let listeners = self.listeners.held();
        out.announce(&names::CLIENT_CONNECTIONS);
        for ([listener], metrics) in &listeners {
            out.series(&names::CLIENT_CONNECTIONS, &[listener], metrics.connections());
        }
        out.announce(&names::CLIENT_ACCEPTED);
        for ([listener], metrics) in &listeners {
            out.series(&names::CLIENT_ACCEPTED, &[listener], metrics.accepted());
        }
        out.announce(&names::PROXY_REFUSED);
        for ([listener], metrics) in &listeners {
            for (reason, count) in Refusal::ALL.into_iter().zip(metrics.refusals().into_iter().flatten()) {
                out.series(&names::PROXY_REFUSED, &[listener, reason.as_str()], count);
            }
        }
        out.announce(&names::ACCESS_DENIED);
        for ([listener, route], denials) in self.denials.held() {
            for (reason, count) in Denial::ALL.into_iter().zip(denials.read()) {
                out.series(&names::ACCESS_DENIED, &[&listener, &route, reason.as_str()], count);
            }
        }
        out.announce(&names::BYTES);
        for ([listener], metrics) in &listeners {
            let (received, sent) = metrics.bytes();
            for (direction, bytes) in [("in", received), ("out", sent)] {
                out.series(&names::BYTES, &[listener, direction], bytes);
            }
        }
        // only listeners that have received datagrams have these series
        let read = listeners.iter().map(|([listener], metrics)| (listener, metrics.datagrams_read()));
        let read: Vec<_> = read.filter(|(_, ([received, _], _))| *received > 0).collect();
        out.announce(&names::DATAGRAMS);
        for (listener, (both, _)) in &read {
            for (direction, count) in ["in", "out"].into_iter().zip(both) {
                out.series(&names::DATAGRAMS, &[listener, direction], *count);
            }
        }
        out.announce(&names::DATAGRAMS_LOST);
        for (listener, (_, lost)) in &read {
            for (reason, count) in Loss::ALL.into_iter().map(Loss::as_str).zip(lost) {
                out.series(&names::DATAGRAMS_LOST, &[listener, reason], *count);
            }
        }
    }
}

fn backends_to(backends: &[BackendReading<'_>], out: &mut Sink<'_>) {
    out.announce(&names::IN_FLIGHT);
    for backend in backends {
        out.series(&names::IN_FLIGHT, &[backend.service, backend.id], backend.in_flight);
    }
    out.announce(&names::BACKEND_UP);
    for backend in backends {
        out.series(&names::BACKEND_UP, &[backend.service, backend.id], backend.up);
    }
    out.announce(&names::BACKEND_STATE);
    for backend in backends {
        out.series(&names::BACKEND_STATE, &[backend.service, backend.id, backend.state], true);
    }
    out.announce(&names::BACKEND_WORK_SHARE);
    for backend in backends {
        out.series(&names::BACKEND_WORK_SHARE, &[backend.service, backend.id], backend.work_share);
    }
    out.announce(&names::BREAKER_STATE);
    for backend in backends {
        if let Some(state) = backend.breaker {
            out.series(&names::BREAKER_STATE, &[backend.service, backend.id], u32::from(state));
        }
    }
    paths_to(backends, out);
}

fn paths_to(backends: &[BackendReading<'_>], out: &mut Sink<'_>) {
    let value: [(&'static Metric, PathValue); 4] = [
        (&names::PATH_UP, |path| Some(Number::from(path.up))),
        (&names::PATH_CHOSEN, |path| Some(Number::from(path.chosen))),
        (&names::PATH_RTT, |path| path.rtt.map(Number::from)),
        (&names::PATH_LOSS, |path| Some(Number::from(path.loss))),
    ];
    for (metric, value) in value {
        out.announce(metric);
        for backend in backends {
            for path in &backend.paths {
                if let Some(value) = value(path) {
                    out.series(metric, &[backend.service, backend.id, &path.address], value);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
