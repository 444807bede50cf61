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
use super::{AdminRefusal, Registry, process};

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
        self.admin_refusals_to(&mut page);
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

    fn admin_refusals_to(&self, page: &mut Page<'_>) {
        page.announce(&names::ADMIN_REFUSED);
        let counts = self.rare.of(&names::ADMIN_REFUSED);
        // also those that there were none of: the first one is to be seen as an increase
        for reason in AdminRefusal::ALL.map(AdminRefusal::as_str) {
            let count = counts.iter().find(|(labels, _)| labels == &[reason]).map_or(0, |(_, count)| *count);
            page.line(names::ADMIN_REFUSED.name, &[("reason", reason)], count);
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
mod tests {
    use std::time::Duration;

    use super::*;

    /// What a scraper reads: the value of each series, by its name and its labels' values.
    struct Scrape(Vec<(String, Vec<String>, f64)>);

    impl Scrape {
        /// Reads a text back; panics where it breaks the format.
        fn of(registry: &Registry, backends: &[Backend<'_>]) -> Self {
            let mut text = String::new();
            let told =
                Told { backends, waiting: &[("app", 3)], shortages: &[("ports", 3)], events: &[("service_up", 4)] };
            registry.render(&told, &mut text);
            let mut announced: Vec<&str> = Vec::new();
            let mut series: Vec<(String, Vec<String>, f64)> = Vec::new();
            for line in text.strip_suffix('\n').unwrap().split('\n') {
                if let Some(comment) = line.strip_prefix("# ") {
                    let name = comment.split(' ').nth(1).unwrap();
                    match comment.starts_with("HELP") {
                        true => assert!(!announced.contains(&name), "{name} is announced twice"),
                        false => assert_eq!(announced.last(), Some(&name)),
                    }
                    announced.push(name);
                    continue;
                }
                let (name, labels, value) = Self::series(line);
                let part = name.strip_prefix(announced.last().unwrap());
                assert!(matches!(part, Some("" | "_bucket" | "_sum" | "_count")), "{line} is not announced");
                assert!(!series.iter().any(|s| s.0 == name && s.1 == labels), "{line} is there twice");
                series.push((name, labels, value));
            }
            Self(series)
        }

        fn series(line: &str) -> (String, Vec<String>, f64) {
            let (left, value) = line.rsplit_once(' ').unwrap();
            let (name, labels) = left.split_once('{').unwrap_or((left, "}"));
            let mut rest = labels.strip_suffix('}').unwrap();
            let mut values = Vec::new();
            while let Some((_, after)) = rest.split_once("=\"") {
                let mut value = String::new();
                let mut chars = after.char_indices();
                let end = loop {
                    match chars.next().unwrap() {
                        (at, '"') => break at,
                        (_, '\\') => value.push(match chars.next().unwrap().1 {
                            'n' => '\n',
                            c @ ('\\' | '"') => c,
                            c => panic!("\\{c} is no escape"),
                        }),
                        (_, c) => value.push(c),
                    }
                };
                values.push(value);
                rest = &after[end + 1..];
            }
            assert_eq!(rest, "");
            (name.to_owned(), values, value.parse().unwrap())
        }

        fn get(&self, name: &str, labels: &[&str]) -> Option<f64> {
            self.0.iter().find(|series| series.0 == name && series.1 == labels).map(|series| series.2)
        }
    }

    #[test]
    fn a_scraper_reads_back_what_was_counted() {
        let registry = Registry::new(2);
        let requests = registry.requests("web", "api", "a");
        requests.count(0, 200);
        requests.count(1, 204);
        requests.count(1, 502);
        let durations = registry.durations("api");
        durations.observe(0, Duration::from_millis(1));
        durations.observe(1, Duration::from_secs(1_000));
        let listener = registry.listener("web");
        listener.opened(1);
        listener.transferred(1, 5, 7);
        let upstream = registry.upstream("api", "a");
        upstream.connected(0);
        registry.count_panic();
        registry.set_generation(3);
        registry.count_reload(false);

        let scrape = Scrape::of(
            &registry,
            &[Backend { service: "api", id: "a", in_flight: 2, up: true, state: "up", breaker: Some(2) }],
        );
        for (name, labels, value) in [
            ("evenkeel_requests_total", &["web", "api", "a", "2xx"][..], 2.0),
            ("evenkeel_requests_total", &["web", "api", "a", "4xx"], 0.0),
            ("evenkeel_requests_total", &["web", "api", "a", "5xx"], 1.0),
            ("evenkeel_request_duration_seconds_bucket", &["api", "0.0005"], 0.0),
            ("evenkeel_request_duration_seconds_bucket", &["api", "0.001"], 1.0),
            ("evenkeel_request_duration_seconds_bucket", &["api", "100"], 1.0),
            ("evenkeel_request_duration_seconds_bucket", &["api", "+Inf"], 2.0),
            ("evenkeel_request_duration_seconds_count", &["api"], 2.0),
            ("evenkeel_request_duration_seconds_sum", &["api"], 1_000.001),
            ("evenkeel_in_flight", &["api", "a"], 2.0),
            ("evenkeel_backend_up", &["api", "a"], 1.0),
            ("evenkeel_backend_state", &["api", "a", "up"], 1.0),
            ("evenkeel_events_total", &["service_up"], 4.0),
            ("evenkeel_upstream_connections", &["api", "a", "active"], 1.0),
            ("evenkeel_upstream_connections", &["api", "a", "idle"], 0.0),
            ("evenkeel_upstream_connects_total", &["api", "a"], 1.0),
            ("evenkeel_client_connections", &["web"], 1.0),
            ("evenkeel_client_connections_total", &["web"], 1.0),
            ("evenkeel_bytes_total", &["web", "in"], 5.0),
            ("evenkeel_bytes_total", &["web", "out"], 7.0),
            ("evenkeel_panics_total", &[], 1.0),
            ("evenkeel_config_generation", &[], 3.0),
            ("evenkeel_reloads_total", &["ok"], 0.0),
            ("evenkeel_reloads_total", &["failed"], 1.0),
            ("evenkeel_build_info", &[env!("CARGO_PKG_VERSION")], 1.0),
        ] {
            assert_eq!(scrape.get(name, labels), Some(value), "{name}{labels:?}");
        }
        assert_eq!(scrape.get("evenkeel_requests_total", &["web", "api", "a", "none"]), None);
        assert!(scrape.get("process_start_time_seconds", &[]) > Some(1.6e9));
    }

    #[test]
    fn labels_survive_the_escaping() {
        let registry = Registry::new(1);
        let odd = "unix:/tmp/ü\\n\"},{=\n";
        let held = registry.upstream("api", odd);
        held.connected(0);
        assert_eq!(Scrape::of(&registry, &[]).get("evenkeel_upstream_connects_total", &["api", odd]), Some(1.0));
    }

    #[test]
    fn a_series_survives_a_reload_and_leaves_with_its_last_holder() {
        let registry = Registry::new(1);
        let shown = || Scrape::of(&registry, &[]).get("evenkeel_requests_total", &["web", "api", "a", "2xx"]);
        let old = registry.requests("web", "api", "a");
        old.count(0, 200);
        let new = registry.requests("web", "api", "a");
        drop(old);
        assert_eq!(shown(), Some(1.0));
        drop(new);
        assert_eq!(shown(), None);
    }
}
