//! What is shown of backends beyond the limit.

use std::sync::Arc;
use std::time::Duration;

use super::super::{Format, Readings, Registry, Requests, UpstreamMetrics};
use super::*;

/// Backends `0`, `1`, ... of a service, each with a request and an attempt for each of its number and one more.
struct Fleet {
    registry: Arc<Registry>,
    backends: Vec<(String, Arc<Requests>, Arc<UpstreamMetrics>)>,
}

impl Fleet {
    fn new(ids: std::ops::Range<usize>, most: usize) -> Self {
        let registry = Registry::new(1);
        registry.show_backends(most, true);
        let mut fleet = Self { registry, backends: Vec::new() };
        ids.for_each(|id| fleet.join(id));
        fleet
    }

    fn join(&mut self, id: usize) {
        let name = id.to_string();
        let requests = self.registry.requests("web", "api", &name);
        let upstream = self.registry.upstream("api", &name);
        self.backends.push((name, requests, upstream));
        self.work(id);
    }

    fn work(&self, id: usize) {
        let (_, requests, upstream) = self.backends.iter().find(|(name, ..)| *name == id.to_string()).unwrap();
        (0..=id).for_each(|_| {
            requests.count(0, 200);
            upstream.attempted(0, Ok(()), Duration::from_millis(3));
        });
    }

    fn leave(&mut self, id: usize) {
        self.backends.retain(|(name, ..)| *name != id.to_string());
    }

    fn scrape(&self) -> String {
        let readings: Vec<_> = self.backends.iter().map(|(id, ..)| reading(id)).collect();
        let mut text = String::new();
        let readings = Readings { backends: &readings, ..Readings::default() };
        self.registry.render(&readings, Format::Prometheus, &mut text);
        text
    }

    /// The value of the series that begins with this.
    fn get(&self, series: &str) -> Option<f64> {
        let text = self.scrape();
        let line = text.lines().find_map(|line| line.strip_prefix(series))?;
        line.rsplit(' ').next()?.parse().ok()
    }

    fn requests(&self, backend: &str) -> Option<f64> {
        self.get(&format!(
            "evenkeel_requests_total{{listener=\"web\",service=\"api\",backend=\"{backend}\",code_class=\"2xx\"}}"
        ))
    }
}

fn reading(id: &str) -> BackendReading<'_> {
    BackendReading {
        service: "api",
        id,
        in_flight: 2,
        up: true,
        state: "up",
        work_share: 1.0,
        breaker: None,
        paths: Vec::new(),
    }
}

#[test]
fn with_no_limit_or_a_wide_one_each_backend_has_its_series() {
    for most in [0, 5, 6] {
        let fleet = Fleet::new(0..5, most);
        let text = fleet.scrape();
        assert!(!text.contains("\"_other\""), "{text}");
        assert_eq!(fleet.get("evenkeel_backends_folded"), Some(0.0));
        assert_eq!(fleet.requests("4"), Some(5.0));
    }
}

#[test]
fn backends_beyond_the_limit_are_added_up_where_that_makes_sense() {
    let fleet = Fleet::new(0..5, 2);
    assert_eq!(["0", "1", "2", "_other"].map(|id| fleet.requests(id)), [Some(1.0), Some(2.0), None, Some(12.0)]);
    assert_eq!(fleet.get("evenkeel_backends_folded"), Some(3.0));
    assert_eq!(fleet.get("evenkeel_in_flight{service=\"api\",backend=\"_other\"}"), Some(6.0));
    assert_eq!(fleet.get("evenkeel_backend_up{service=\"api\",backend=\"_other\"}"), None);
    let histogram = |part: &str| {
        fleet.get(&format!("evenkeel_backend_duration_seconds_{part}{{service=\"api\",backend=\"_other\""))
    };
    assert_eq!(histogram("count"), Some(12.0));
    assert!((histogram("sum").unwrap() - 0.036).abs() < 1e-9);
    let bucket = "bucket{service=\"api\",backend=\"_other\",le=";
    assert_eq!(fleet.get(&format!("evenkeel_backend_duration_seconds_{bucket}\"0.002048\"}}")), Some(0.0));
    assert_eq!(fleet.get(&format!("evenkeel_backend_duration_seconds_{bucket}\"0.004096\"}}")), Some(12.0));
    assert_eq!(fleet.get(&format!("evenkeel_backend_duration_seconds_{bucket}\"+Inf\"}}")), Some(12.0));
    fleet.registry.show_backends(2, false);
    assert!(!fleet.scrape().contains("evenkeel_backend_duration_seconds_count"));
}

#[test]
fn whoever_has_series_keeps_them_and_the_others_never_count_down() {
    let mut fleet = Fleet::new(3..8, 2);
    assert_eq!(fleet.requests("_other"), Some(21.0));
    // one that comes first now takes nobody's series away
    fleet.join(0);
    fleet.backends.rotate_right(1);
    assert_eq!(["0", "3", "4"].map(|id| fleet.requests(id)), [None, Some(4.0), Some(5.0)]);
    assert_eq!(fleet.requests("_other"), Some(22.0));
    // one of the others leaves
    fleet.leave(7);
    assert_eq!(fleet.requests("_other"), Some(22.0));
    fleet.work(6);
    assert_eq!(fleet.requests("_other"), Some(29.0));
    // one with series leaves, and the first of the others gets them
    fleet.leave(3);
    assert_eq!([fleet.requests("0"), fleet.requests("3")], [Some(1.0), None]);
    assert_eq!(fleet.requests("_other"), Some(29.0));
}

#[test]
fn a_backend_that_is_named_as_the_others_are_is_one_of_them() {
    let mut fleet = Fleet::new(0..2, 2);
    let requests = fleet.registry.requests("web", "api", OTHER);
    let upstream = fleet.registry.upstream("api", OTHER);
    requests.count(0, 200);
    fleet.backends.insert(0, (OTHER.to_owned(), requests, upstream));
    assert_eq!(fleet.requests(OTHER), Some(1.0));
    assert_eq!(fleet.scrape().matches("backend=\"_other\",code_class=\"2xx\"").count(), 1);
}
