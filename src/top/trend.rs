//! How the rate and the latency of each service have been since the view was opened: what the small curves show.

use std::collections::{BTreeMap, VecDeque};

use super::document::Service;

/// How many points are kept of each service: the widest terminal shows a few hundred.
const KEPT: usize = 400;

/// The curves of all services.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Trends(BTreeMap<String, Trend>);

/// The curves of one service, the oldest point first. `None` = nothing was measured.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Trend {
    /// Requests in a second.
    pub rate: VecDeque<Option<f64>>,
    /// The 99th percentile of latency, in milliseconds.
    pub p99_ms: VecDeque<Option<f64>>,
}

impl Trends {
    /// Adds a point to each service. A service that is gone is forgotten.
    pub fn add(&mut self, services: &[Service]) {
        self.0.retain(|name, _| services.iter().any(|service| service.name == *name));
        for service in services {
            let trend = self.0.entry(service.name.clone()).or_default();
            keep(&mut trend.rate, service.rate);
            keep(&mut trend.p99_ms, service.p99_ms);
        }
    }

    /// Adds a gap to each service: there was no answer.
    pub fn gap(&mut self) {
        for trend in self.0.values_mut() {
            keep(&mut trend.rate, None);
            keep(&mut trend.p99_ms, None);
        }
    }

    /// The curves of a service.
    pub fn of(&self, service: &str) -> Option<&Trend> {
        self.0.get(service)
    }
}

fn keep(points: &mut VecDeque<Option<f64>>, point: Option<f64>) {
    if points.len() == KEPT {
        points.pop_front();
    }
    points.push_back(point);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(name: &str, rate: f64) -> Service {
        Service { name: name.to_owned(), rate: Some(rate), ..Service::default() }
    }

    #[test]
    fn a_curve_has_a_point_for_each_answer_and_a_gap_where_there_was_none() {
        let mut trends = Trends::default();
        trends.add(&[service("api", 1.0)]);
        trends.gap();
        trends.add(&[service("api", 3.0)]);
        assert_eq!(trends.of("api").unwrap().rate, [Some(1.0), None, Some(3.0)]);
        assert_eq!(trends.of("api").unwrap().p99_ms, [None, None, None]);
    }

    #[test]
    fn the_oldest_points_and_services_that_are_gone_are_forgotten() {
        let mut trends = Trends::default();
        for second in 0..=KEPT {
            trends.add(&[service("api", second as f64), service("web", 0.0)]);
        }
        assert_eq!((trends.of("api").unwrap().rate.len(), trends.of("api").unwrap().rate[0]), (KEPT, Some(1.0)));
        trends.add(&[service("api", 0.0)]);
        assert_eq!(trends.of("web"), None);
    }
}
