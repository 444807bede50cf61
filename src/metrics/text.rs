//! The Prometheus text format, version 0.0.4.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use super::Registry;
use super::series::{BUCKETS, CLASSES};

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
}

/// One text in the making.
struct Page<'a>(&'a mut String);

impl Registry {
    /// Writes everything to `out`.
    pub fn render(&self, backends: &[Backend<'_>], out: &mut String) {
        let mut page = Page(out);
        self.exchanges(&mut page);
        self.connections(&mut page);
        page.family("evenkeel_in_flight", "gauge", "Exchanges under way with a backend.");
        for b in backends {
            page.line("evenkeel_in_flight", &[("service", b.service), ("backend", b.id)], f64::from(b.in_flight));
        }
        page.family("evenkeel_backend_up", "gauge", "1 when a backend may be picked.");
        for b in backends {
            page.line("evenkeel_backend_up", &[("service", b.service), ("backend", b.id)], f64::from(u8::from(b.up)));
        }
        page.family("evenkeel_config_generation", "gauge", "Configurations applied since the start.");
        page.line("evenkeel_config_generation", &[], self.generation.load(Ordering::Relaxed) as f64);
        page.family("evenkeel_panics_total", "counter", "Defects that ended one connection.");
        page.line("evenkeel_panics_total", &[], self.panics.load(Ordering::Relaxed) as f64);
        page.family("evenkeel_build_info", "gauge", "The version that runs.");
        page.line("evenkeel_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1.0);
        process(&mut page);
    }

    fn exchanges(&self, page: &mut Page<'_>) {
        let series = self.series();
        page.family("evenkeel_requests_total", "counter", "Ended exchanges by the class of their status.");
        for ([listener, service, backend], requests) in live(&series.requests) {
            for (class, count) in CLASSES.iter().zip(requests.read()).filter(|(_, count)| *count > 0) {
                let labels =
                    [("listener", &**listener), ("service", service), ("backend", backend), ("code_class", class)];
                page.line("evenkeel_requests_total", &labels, count as f64);
            }
        }
        let name = "evenkeel_request_duration_seconds";
        page.family(name, "histogram", "From a request's head to the last byte of its answer.");
        for ([service], durations) in live(&series.durations) {
            let read = durations.read();
            let mut below = 0;
            for (at, count) in read.buckets.iter().enumerate() {
                below += count;
                let bound = BUCKETS.get(at).map_or("+Inf".to_owned(), |us| (*us as f64 / 1e6).to_string());
                let labels = [("service", &**service), ("le", &bound)];
                page.line("evenkeel_request_duration_seconds_bucket", &labels, below as f64);
            }
            let labels = [("service", &**service)];
            page.line("evenkeel_request_duration_seconds_sum", &labels, read.sum_us as f64 / 1e6);
            page.line("evenkeel_request_duration_seconds_count", &labels, below as f64);
        }
    }

    fn connections(&self, page: &mut Page<'_>) {
        let series = self.series();
        page.family("evenkeel_client_connections", "gauge", "Open connections of clients.");
        for ([listener], metrics) in live(&series.listeners) {
            page.line("evenkeel_client_connections", &[("listener", listener)], metrics.connections() as f64);
        }
        page.family("evenkeel_bytes_total", "counter", "Bytes from (in) and to (out) clients, without TLS.");
        for ([listener], metrics) in live(&series.listeners) {
            let (received, sent) = metrics.bytes();
            page.line("evenkeel_bytes_total", &[("listener", listener), ("direction", "in")], received as f64);
            page.line("evenkeel_bytes_total", &[("listener", listener), ("direction", "out")], sent as f64);
        }
        let name = "evenkeel_upstream_connections";
        page.family(name, "gauge", "Open connections to backends.");
        for ([service, backend], metrics) in live(&series.upstreams) {
            let (active, idle) = metrics.read();
            for (state, count) in [("active", active), ("idle", idle)] {
                let labels = [("service", &**service), ("backend", backend), ("state", state)];
                page.line(name, &labels, count as f64);
            }
        }
    }
}

/// What the kernel says of this process; left out where it says nothing.
fn process(page: &mut Page<'_>) {
    if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
        page.family("process_open_fds", "gauge", "Open file descriptors.");
        page.line("process_open_fds", &[], open.count() as f64);
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let resident =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse().ok());
    if let Some(kib) = resident {
        let kib: f64 = kib;
        page.family("process_resident_memory_bytes", "gauge", "Resident memory.");
        page.line("process_resident_memory_bytes", &[], kib * 1024.0);
    }
}

fn live<L, S>(series: &BTreeMap<L, Weak<S>>) -> impl Iterator<Item = (&L, Arc<S>)> {
    series.iter().filter_map(|(labels, series)| Some((labels, series.upgrade()?)))
}

impl Page<'_> {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn line(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.0.push_str(name);
        for (at, (label, text)) in labels.iter().enumerate() {
            let _ = write!(self.0, "{}{label}=\"", if at == 0 { '{' } else { ',' });
            for c in text.chars() {
                match c {
                    '\\' => self.0.push_str("\\\\"),
                    '"' => self.0.push_str("\\\""),
                    '\n' => self.0.push_str("\\n"),
                    c => self.0.push(c),
                }
            }
            self.0.push('"');
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
        let _ = writeln!(self.0, " {value}");
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn everything_is_shown_with_its_labels_escaped() {
        let registry = Registry::new(2);
        let requests = registry.requests("web", "a\"p\\i\n", "b");
        requests.count(1, 200);
        let durations = registry.durations("api");
        durations.observe(0, Duration::from_micros(300));
        durations.observe(1, Duration::from_secs(90));
        let listener = registry.listener("web");
        listener.opened(0);
        listener.transferred(0, 3, 5);
        let mut text = String::new();
        registry.render(&[Backend { service: "api", id: "b", in_flight: 2, up: true }], &mut text);
        for line in [
            "evenkeel_requests_total{listener=\"web\",service=\"a\\\"p\\\\i\\n\",backend=\"b\",code_class=\"2xx\"} 1",
            "evenkeel_request_duration_seconds_bucket{service=\"api\",le=\"0.00025\"} 0",
            "evenkeel_request_duration_seconds_bucket{service=\"api\",le=\"0.0005\"} 1",
            "evenkeel_request_duration_seconds_bucket{service=\"api\",le=\"+Inf\"} 2",
            "evenkeel_request_duration_seconds_count{service=\"api\"} 2",
            "evenkeel_client_connections{listener=\"web\"} 1",
            "evenkeel_bytes_total{listener=\"web\",direction=\"out\"} 5",
            "evenkeel_in_flight{service=\"api\",backend=\"b\"} 2",
        ] {
            assert!(text.lines().any(|l| l == line), "{line}\n{text}");
        }
    }

    #[test]
    fn a_series_survives_as_long_as_something_holds_it() {
        let registry = Registry::new(1);
        let first = registry.requests("l", "s", "b");
        first.count(0, 200);
        assert_eq!(registry.requests("l", "s", "b").read()[2], 1);
        drop(first);
        registry.prune();
        assert_eq!(registry.requests("l", "s", "b").read()[2], 0);
    }
}
