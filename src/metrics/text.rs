//! The Prometheus text format, version 0.0.4.

use std::fmt::{Display, Write as _};
use std::sync::atomic::Ordering;
use std::time::UNIX_EPOCH;

use super::grpc::CODES;
use super::losses::Loss;
use super::names::{self, Metric};
use super::refusals::Refusal;
use super::requests::CLASSES;
use super::retries::OUTCOMES;
use super::{Registry, process};

/// The media type of what [`Registry::render`] writes.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What is known of a backend elsewhere than here, at the time of the reading.
#[derive(Debug)]
pub struct Backend<'a> {
    /// Its service.
    pub service: &'a str,
    /// Its id.
    pub id: &'a str,
    /// Exchanges in flight.
    pub in_flight: u32,
    /// It may be picked.
    pub up: bool,
    /// How it stands, as the API calls that.
    pub state: &'a str,
    /// Its circuit breaker: 0 closed, 1 open, 2 half-open; `None` = it has none.
    pub breaker: Option<u8>,
}

/// What is known elsewhere than here, at the time of the reading.
#[derive(Debug)]
pub struct Told<'a> {
    /// Of each backend.
    pub backends: &'a [Backend<'a>],
    /// By service, the requests that wait for a place at one.
    pub waiting: &'a [(&'a str, usize)],
    /// How often this machine was out of what, by its label.
    pub shortages: &'a [(&'a str, u64)],
    /// Events so far, by their kind.
    pub events: &'a [(&'a str, u64)],
}

/// One text in the making.
struct Page<'a>(&'a mut String);

impl Registry {
    /// Writes everything to `out`, in the format that [`CONTENT_TYPE`] names.
    pub fn render(&self, told: &Told<'_>, out: &mut String) {
        let mut page = Page(out);
        self.requests_to(&mut page);
        self.durations_to(&mut page);
        backends_to(told.backends, &mut page);
        page.announce(&names::REQUESTS_WAITING);
        for (service, count) in told.waiting {
            page.line(names::REQUESTS_WAITING.name, &[("service", service)], count);
        }
        self.upstreams_to(&mut page);
        self.notifications_to(&mut page);
        self.retries_to(&mut page);
        self.grpc_to(&mut page);
        self.listeners_to(&mut page);
        page.announce(&names::SHORTAGES);
        for (reason, count) in told.shortages {
            page.line(names::SHORTAGES.name, &[("reason", reason)], *count);
        }
        page.announce(&names::EVENTS);
        for (kind, count) in told.events {
            page.line(names::EVENTS.name, &[("kind", kind)], *count);
        }
        page.single(&names::PANICS, &[], self.panics.load(Ordering::Relaxed) as f64);
        page.single(&names::CONFIG_GENERATION, &[], self.generation.load(Ordering::Relaxed) as f64);
        page.announce(&names::RELOADS);
        for (outcome, count) in ["ok", "failed"].into_iter().zip(&self.reloads) {
            page.line(names::RELOADS.name, &[("outcome", outcome)], count.load(Ordering::Relaxed));
        }
        page.single(&names::BUILD_INFO, &[("version", env!("CARGO_PKG_VERSION"))], 1.0);
        let started = self.started.duration_since(UNIX_EPOCH).unwrap_or_default();
        page.single(&names::START_TIME, &[], started.as_secs_f64());
        for (metric, value) in process::read() {
            page.single(metric, &[], value);
        }
    }

    fn requests_to(&self, page: &mut Page<'_>) {
        page.announce(&names::REQUESTS);
        for ([listener, service, backend], requests) in self.requests.held() {
            for (class, count) in CLASSES.into_iter().zip(requests.read()) {
                // the two rare classes appear with their first count; the others are there from the start, so that the
                // first failure is an increase, which a series that begins with it would not show
                if count == 0 && matches!(class, "none" | "1xx") {
                    continue;
                }
                let labels =
                    [("listener", &*listener), ("service", &service), ("backend", &backend), ("code_class", class)];
                page.line(names::REQUESTS.name, &labels, count);
            }
        }
    }

    fn durations_to(&self, page: &mut Page<'_>) {
        page.announce(&names::REQUEST_DURATION);
        let [bucket, sum, count] =
            ["bucket", "sum", "count"].map(|part| format!("{}_{part}", names::REQUEST_DURATION.name));
        for ([service], durations) in self.durations.held() {
            let read = durations.read();
            for (bound, up_to) in read.cumulative() {
                page.line(&bucket, &[("service", &service), ("le", &bound.to_string())], up_to);
            }
            page.line(&bucket, &[("service", &service), ("le", "+Inf")], read.count());
            page.line(&sum, &[("service", &service)], read.sum_seconds());
            page.line(&count, &[("service", &service)], read.count());
        }
    }

    fn upstreams_to(&self, page: &mut Page<'_>) {
        let upstreams = self.upstreams.held();
        page.announce(&names::UPSTREAM_CONNECTIONS);
        for ([service, backend], metrics) in &upstreams {
            let (active, idle) = metrics.read();
            for (state, count) in [("active", active), ("idle", idle)] {
                let labels = [("service", &**service), ("backend", backend), ("state", state)];
                page.line(names::UPSTREAM_CONNECTIONS.name, &labels, count);
            }
        }
        page.announce(&names::UPSTREAM_CONNECTS);
        for ([service, backend], metrics) in &upstreams {
            let labels = [("service", &**service), ("backend", backend)];
            page.line(names::UPSTREAM_CONNECTS.name, &labels, metrics.connects());
        }
        page.announce(&names::ATTEMPTS);
        for ([service, backend], metrics) in &upstreams {
            let labels = [("service", &**service), ("backend", backend)];
            page.line(names::ATTEMPTS.name, &labels, metrics.attempts().ended);
        }
        page.announce(&names::ATTEMPTS_FAILED);
        for ([service, backend], metrics) in &upstreams {
            let labels = [("service", &**service), ("backend", backend)];
            page.line(names::ATTEMPTS_FAILED.name, &labels, metrics.attempts().failed);
        }
    }

    fn grpc_to(&self, page: &mut Page<'_>) {
        page.announce(&names::GRPC);
        for ([service], calls) in self.grpc.held() {
            for (code, count) in CODES.into_iter().zip(calls.read()).filter(|(_, count)| *count > 0) {
                page.line(names::GRPC.name, &[("service", &service), ("code", code)], count);
            }
        }
    }

    fn retries_to(&self, page: &mut Page<'_>) {
        page.announce(&names::RETRIES);
        for ([service], retries) in self.retries.held() {
            for (outcome, count) in OUTCOMES.into_iter().zip(retries.read()) {
                page.line(names::RETRIES.name, &[("service", &service), ("outcome", outcome)], count);
            }
        }
        page.announce(&names::EJECTIONS);
        // a backend that is gone leaves with its last exchange
        self.rare.keep(&names::EJECTIONS, |labels| match labels {
            [service, backend, _] => self.upstreams.is_held([service, backend]),
            _ => true,
        });
        for (labels, count) in self.rare.of(&names::EJECTIONS) {
            if let [service, backend, reason] = &labels[..] {
                let labels = [("service", &**service), ("backend", backend), ("reason", reason)];
                page.line(names::EJECTIONS.name, &labels, count);
            }
        }
    }

    fn notifications_to(&self, page: &mut Page<'_>) {
        page.announce(&names::NOTIFICATIONS);
        for (labels, count) in self.rare.of(&names::NOTIFICATIONS) {
            if let [name, outcome] = &labels[..] {
                page.line(names::NOTIFICATIONS.name, &[("name", &**name), ("outcome", outcome)], count);
            }
        }
    }

    fn listeners_to(&self, page: &mut Page<'_>) {
        let listeners = self.listeners.held();
        page.announce(&names::CLIENT_CONNECTIONS);
        for ([listener], metrics) in &listeners {
            page.line(names::CLIENT_CONNECTIONS.name, &[("listener", listener)], metrics.connections());
        }
        page.announce(&names::CLIENT_ACCEPTED);
        for ([listener], metrics) in &listeners {
            page.line(names::CLIENT_ACCEPTED.name, &[("listener", listener)], metrics.accepted());
        }
        page.announce(&names::PROXY_REFUSED);
        for ([listener], metrics) in &listeners {
            for (reason, count) in Refusal::ALL.into_iter().zip(metrics.refusals().into_iter().flatten()) {
                let labels = [("listener", &**listener), ("reason", reason.as_str())];
                page.line(names::PROXY_REFUSED.name, &labels, count);
            }
        }
        page.announce(&names::BYTES);
        for ([listener], metrics) in &listeners {
            let (received, sent) = metrics.bytes();
            for (direction, bytes) in [("in", received), ("out", sent)] {
                page.line(names::BYTES.name, &[("listener", listener), ("direction", direction)], bytes);
            }
        }
        // of listeners that get datagrams only
        let read = listeners.iter().map(|([listener], metrics)| (listener, metrics.datagrams_read()));
        let read: Vec<_> = read.filter(|(_, ([received, _], _))| *received > 0).collect();
        page.announce(&names::DATAGRAMS);
        for (listener, (both, _)) in &read {
            for (direction, count) in ["in", "out"].into_iter().zip(both) {
                page.line(names::DATAGRAMS.name, &[("listener", listener), ("direction", direction)], count);
            }
        }
        page.announce(&names::DATAGRAMS_LOST);
        for (listener, (_, lost)) in &read {
            for (reason, count) in Loss::ALL.into_iter().map(Loss::as_str).zip(lost) {
                page.line(names::DATAGRAMS_LOST.name, &[("listener", listener), ("reason", reason)], count);
            }
        }
    }
}

fn backends_to(backends: &[Backend<'_>], page: &mut Page<'_>) {
    page.announce(&names::IN_FLIGHT);
    for backend in backends {
        let labels = [("service", backend.service), ("backend", backend.id)];
        page.line(names::IN_FLIGHT.name, &labels, backend.in_flight);
    }
    page.announce(&names::BACKEND_UP);
    for backend in backends {
        let labels = [("service", backend.service), ("backend", backend.id)];
        page.line(names::BACKEND_UP.name, &labels, u8::from(backend.up));
    }
    page.announce(&names::BACKEND_STATE);
    for backend in backends {
        let labels = [("service", backend.service), ("backend", backend.id), ("state", backend.state)];
        page.line(names::BACKEND_STATE.name, &labels, 1);
    }
    page.announce(&names::BREAKER_STATE);
    for backend in backends {
        if let Some(state) = backend.breaker {
            let labels = [("service", backend.service), ("backend", backend.id)];
            page.line(names::BREAKER_STATE.name, &labels, state);
        }
    }
}

impl Page<'_> {
    /// A metric with one series.
    fn single(&mut self, metric: &Metric, labels: &[(&str, &str)], value: f64) {
        self.announce(metric);
        self.line(metric.name, labels, value);
    }

    /// The lines that come before those of a metric; all of its lines must follow in one go.
    fn announce(&mut self, Metric { name, kind, help }: &Metric) {
        // writing to a String can't fail
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {}\n", kind.as_str());
    }

    fn line(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.0.push_str(name);
        for (at, (label, text)) in labels.iter().enumerate() {
            self.0.push(if at == 0 { '{' } else { ',' });
            self.0.push_str(label);
            self.0.push_str("=\"");
            self.escaped(text);
            self.0.push('"');
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
        let _ = writeln!(self.0, " {value}");
    }

    /// Backslash, quote and line feed are escaped, and nothing else.
    fn escaped(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '\\' => self.0.push_str("\\\\"),
                '"' => self.0.push_str("\\\""),
                '\n' => self.0.push_str("\\n"),
                c => self.0.push(c),
            }
        }
    }
}

#[cfg(test)]
mod tests;
