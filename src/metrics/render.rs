//! One reading of everything: the registry's own counters, what rooms have counted through the facade, and what is known elsewhere.

use std::sync::atomic::Ordering;
use std::time::UNIX_EPOCH;

use super::grpc::CODES;
use super::losses::Loss;
use super::names::{self, Metric};
use super::recorder::Value;
use super::refusals::Refusal;
use super::requests::CLASSES;
use super::retries::OUTCOMES;
use super::text::Text;
use super::{Registry, process, promised};

/// What is known of a backend elsewhere than here, at the time of the reading.
#[derive(Debug)]
pub struct BackendReading<'a> {
    /// Its service.
    pub service: &'a str,
    /// Its id.
    pub id: &'a str,
    /// Exchanges in flight.
    pub in_flight: u32,
    /// Whether it may be picked.
    pub up: bool,
    /// Its state, as the API calls it.
    pub state: &'a str,
    /// The share of its work that it gets, 0 to 1.
    pub work_share: f64,
    /// Its circuit breaker: 0 closed, 1 open, 2 half-open; `None` = it has none.
    pub breaker: Option<u8>,
}

/// What is known elsewhere than here, at the time of the reading.
#[derive(Debug)]
pub struct Readings<'a> {
    /// Each backend of each service.
    pub backends: &'a [BackendReading<'a>],
    /// By service, the requests that wait for a place at a backend.
    pub waiting: &'a [(&'a str, usize)],
    /// How often this machine was out of something, by the name of what it was out of.
    pub shortages: &'a [(&'a str, u64)],
}

/// The metrics of recovery.
static RECOVERY: [&Metric; 8] = [
    &names::RECOVERIES,
    &names::RECOVERY_DURATION,
    &names::RECOVERIES_RUNNING,
    &names::RECOVERIES_WAITING,
    &names::RECOVERY_IN_FORCE,
    &names::RECOVERY_EFFECTIVENESS,
    &names::RECOVERY_BRAKED,
    &names::RECOVERY_PAUSED,
];

impl Registry {
    /// Writes everything to `out`, in the format that [`CONTENT_TYPE`](super::CONTENT_TYPE) names.
    pub fn render(&self, readings: &Readings<'_>, out: &mut String) {
        self.sweep_recorded();
        let mut text = Text::new(out);
        self.requests_to(&mut text);
        self.durations_to(&mut text);
        backends_to(readings.backends, &mut text);
        text.announce(&names::REQUESTS_WAITING);
        for (service, count) in readings.waiting {
            text.series(&names::REQUESTS_WAITING, &[service], count);
        }
        self.upstreams_to(&mut text);
        self.recorded_to(&names::NOTIFICATIONS, &mut text);
        self.recorded_to(&names::OTLP_SENT, &mut text);
        self.recorded_to(&names::OTLP_DROPPED, &mut text);
        self.recorded_to(&names::ADMIN_REFUSED, &mut text);
        self.retries_to(&mut text);
        self.recorded_to(&names::EJECTIONS, &mut text);
        self.recorded_to(&names::FAULTS, &mut text);
        RECOVERY.iter().for_each(|metric| self.recorded_to(metric, &mut text));
        self.recorded_to(&names::DISCOVERY_UP, &mut text);
        self.recorded_to(&names::DISCOVERY_ANSWERS, &mut text);
        self.grpc_to(&mut text);
        self.promised_to(&mut text);
        for metric in [
            &names::SLA_TARGET,
            &names::AVAILABILITY,
            &names::SUCCESS,
            &names::BUDGET_LEFT,
            &names::BURN_RATE,
            &names::BUDGET_ALERTS,
            &names::SERVICE_DOWN,
            &names::INCIDENTS,
            &names::LEDGER_OK,
        ] {
            self.recorded_to(metric, &mut text);
        }
        self.listeners_to(&mut text);
        text.announce(&names::SHORTAGES);
        for (reason, count) in readings.shortages {
            text.series(&names::SHORTAGES, &[reason], count);
        }
        self.recorded_to(&names::EVENTS, &mut text);
        self.recorded_to(&names::CERTIFICATE_EXPIRY, &mut text);
        text.single(&names::PANICS, &[], self.panics.load(Ordering::Relaxed));
        self.recorded_to(&names::CONFIG_GENERATION, &mut text);
        self.recorded_to(&names::RELOADS, &mut text);
        self.recorded_to(&names::RELOAD_OK, &mut text);
        text.single(&names::BUILD_INFO, &[env!("CARGO_PKG_VERSION")], 1);
        let started = self.started.duration_since(UNIX_EPOCH).unwrap_or_default();
        text.single(&names::START_TIME, &[], started.as_secs_f64());
        for (metric, value) in process::read() {
            text.single(metric, &[], value);
        }
    }

    /// Writes what was counted through the facade for one metric.
    fn recorded_to(&self, metric: &Metric, text: &mut Text<'_>) {
        text.announce(metric);
        for (labels, value) in self.recorded.read(metric) {
            let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
            match value {
                Value::Counter(count) => text.series(metric, &labels, count),
                Value::Gauge(value) => text.series(metric, &labels, value),
            }
        }
    }

    fn requests_to(&self, text: &mut Text<'_>) {
        text.announce(&names::REQUESTS);
        for ([listener, service, backend], requests) in self.requests.held() {
            for (class, count) in CLASSES.into_iter().zip(requests.read()) {
                // the two rare classes appear with their first count; the others are there from the start, so that the
                // first failure is an increase, which a series that begins with it would not show
                if count > 0 || !matches!(class, "none" | "1xx") {
                    text.series(&names::REQUESTS, &[&listener, &service, &backend, class], count);
                }
            }
        }
    }

    fn durations_to(&self, text: &mut Text<'_>) {
        let metric = &names::REQUEST_DURATION;
        text.announce(metric);
        let [bucket, sum, count] = ["bucket", "sum", "count"].map(|part| format!("{}_{part}", metric.name));
        for ([service], durations) in self.durations.held() {
            let read = durations.read();
            let of_service = [("service", &*service)];
            let mut up_to = |bound: &str, count| {
                text.line(&bucket, of_service.into_iter().chain([("le", bound)]), count);
            };
            read.cumulative().for_each(|(bound, count)| up_to(&bound.to_string(), count));
            up_to("+Inf", read.count());
            text.line(&sum, of_service.into_iter(), read.sum_seconds());
            text.line(&count, of_service.into_iter(), read.count());
        }
    }

    fn upstreams_to(&self, text: &mut Text<'_>) {
        let upstreams = self.upstreams.held();
        text.announce(&names::UPSTREAM_CONNECTIONS);
        for ([service, backend], metrics) in &upstreams {
            let (active, idle) = metrics.read();
            for (state, count) in [("active", active), ("idle", idle)] {
                text.series(&names::UPSTREAM_CONNECTIONS, &[service, backend, state], count);
            }
        }
        text.announce(&names::UPSTREAM_CONNECTS);
        for ([service, backend], metrics) in &upstreams {
            text.series(&names::UPSTREAM_CONNECTS, &[service, backend], metrics.connects());
        }
        text.announce(&names::ATTEMPTS);
        for ([service, backend], metrics) in &upstreams {
            text.series(&names::ATTEMPTS, &[service, backend], metrics.attempts().ended);
        }
        text.announce(&names::ATTEMPTS_FAILED);
        for ([service, backend], metrics) in &upstreams {
            text.series(&names::ATTEMPTS_FAILED, &[service, backend], metrics.attempts().failed);
        }
    }

    fn grpc_to(&self, text: &mut Text<'_>) {
        text.announce(&names::GRPC);
        for ([service], calls) in self.grpc.held() {
            for (code, count) in CODES.into_iter().zip(calls.read()).filter(|(_, count)| *count > 0) {
                text.series(&names::GRPC, &[&service, code], count);
            }
        }
    }

    fn promised_to(&self, text: &mut Text<'_>) {
        text.announce(&names::SLA_REQUESTS);
        for ([service], requests) in self.promised.held() {
            // all are there from the start, so that the first failure is an increase
            for (outcome, count) in promised::ENDS.into_iter().zip(requests.read()) {
                text.series(&names::SLA_REQUESTS, &[&service, outcome], count);
            }
        }
    }

    fn retries_to(&self, text: &mut Text<'_>) {
        text.announce(&names::RETRIES);
        for ([service], retries) in self.retries.held() {
            for (outcome, count) in OUTCOMES.into_iter().zip(retries.read()) {
                text.series(&names::RETRIES, &[&service, outcome], count);
            }
        }
    }

    fn listeners_to(&self, text: &mut Text<'_>) {
        let listeners = self.listeners.held();
        text.announce(&names::CLIENT_CONNECTIONS);
        for ([listener], metrics) in &listeners {
            text.series(&names::CLIENT_CONNECTIONS, &[listener], metrics.connections());
        }
        text.announce(&names::CLIENT_ACCEPTED);
        for ([listener], metrics) in &listeners {
            text.series(&names::CLIENT_ACCEPTED, &[listener], metrics.accepted());
        }
        text.announce(&names::PROXY_REFUSED);
        for ([listener], metrics) in &listeners {
            for (reason, count) in Refusal::ALL.into_iter().zip(metrics.refusals().into_iter().flatten()) {
                text.series(&names::PROXY_REFUSED, &[listener, reason.as_str()], count);
            }
        }
        text.announce(&names::BYTES);
        for ([listener], metrics) in &listeners {
            let (received, sent) = metrics.bytes();
            for (direction, bytes) in [("in", received), ("out", sent)] {
                text.series(&names::BYTES, &[listener, direction], bytes);
            }
        }
        // only listeners that have received datagrams have these series
        let read = listeners.iter().map(|([listener], metrics)| (listener, metrics.datagrams_read()));
        let read: Vec<_> = read.filter(|(_, ([received, _], _))| *received > 0).collect();
        text.announce(&names::DATAGRAMS);
        for (listener, (both, _)) in &read {
            for (direction, count) in ["in", "out"].into_iter().zip(both) {
                text.series(&names::DATAGRAMS, &[listener, direction], count);
            }
        }
        text.announce(&names::DATAGRAMS_LOST);
        for (listener, (_, lost)) in &read {
            for (reason, count) in Loss::ALL.into_iter().map(Loss::as_str).zip(lost) {
                text.series(&names::DATAGRAMS_LOST, &[listener, reason], count);
            }
        }
    }
}

fn backends_to(backends: &[BackendReading<'_>], text: &mut Text<'_>) {
    text.announce(&names::IN_FLIGHT);
    for backend in backends {
        text.series(&names::IN_FLIGHT, &[backend.service, backend.id], backend.in_flight);
    }
    text.announce(&names::BACKEND_UP);
    for backend in backends {
        text.series(&names::BACKEND_UP, &[backend.service, backend.id], u8::from(backend.up));
    }
    text.announce(&names::BACKEND_STATE);
    for backend in backends {
        text.series(&names::BACKEND_STATE, &[backend.service, backend.id, backend.state], 1);
    }
    text.announce(&names::BACKEND_WORK_SHARE);
    for backend in backends {
        text.series(&names::BACKEND_WORK_SHARE, &[backend.service, backend.id], backend.work_share);
    }
    text.announce(&names::BREAKER_STATE);
    for backend in backends {
        if let Some(state) = backend.breaker {
            text.series(&names::BREAKER_STATE, &[backend.service, backend.id], state);
        }
    }
}

#[cfg(test)]
mod tests;
