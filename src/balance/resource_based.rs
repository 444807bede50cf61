//! The less loaded of two backends drawn at random, by the load that they report themselves.
//!
//! A report is out of date as soon as it has been read: were the backend with the lowest one to get everything, it would be
//! overrun until its next report (Dahlin, "Interpreting Stale Load Information", 1999). Three things keep that away: two are
//! drawn, so that nobody can get more than two of n; exchanges beyond those that were in flight when the report came are
//! added; and a report that is too old counts for nothing. A backend of which nothing is known is taken to be as loaded as
//! the others are on average: taken to be idle, it would get everything because its agent has died.

use std::time::Duration;

use super::draw::draw_two;
use super::{Balancer, Candidate, Memory, Pick};
use crate::clock::Moment;
use crate::endpoint::load::Report;

/// Lowest reported load.
#[derive(Debug)]
pub struct ResourceBased {
    candidates: Vec<Candidate>,
    expire: Duration,
}

/// A report older than this is not believed, unless the configuration says otherwise.
pub const EXPIRE: Duration = Duration::from_secs(10);

/// The weights of the two in the load: memory that is in use slows nothing down until it runs out.
const CPU: f64 = 0.7;
const MEMORY: f64 = 0.3;

/// The least that each exchange beyond those of the report adds to the load. Otherwise a backend that reported no load
/// at all would have none, however much it gets.
const EXCHANGE: f64 = 0.01;

/// The weight of the newest load in the average that a worker keeps.
const NEWEST: f64 = 1.0 / 16.0;

impl ResourceBased {
    /// Draws among these candidates; reports older than `expire` are not believed.
    pub fn new(candidates: Vec<Candidate>, expire: Duration) -> Self {
        Self { candidates, expire }
    }

    /// The load of this candidate now, estimated from its last report.
    fn load(&self, candidate: &Candidate, now: Moment) -> Option<f64> {
        let load = &candidate.live.load;
        let (report, at) = load.last()?;
        let reported = reported(&report).filter(|_| now.since(at) <= self.expire)?;
        let then = load.in_flight_then();
        let more = f64::from(candidate.burden(now).saturating_sub(then));
        // each exchange counts as much as those of the report did; with none then, the reported load had other causes
        let each = if then == 0 { EXCHANGE } else { (reported / f64::from(then)).max(EXCHANGE) };
        Some(reported + more * each)
    }
}

impl Balancer for ResourceBased {
    fn pick(&self, pick: Pick<'_>) -> Option<usize> {
        let Pick { cursor, tried, random, now, .. } = pick;
        let count = self.candidates.len();
        let is_tried = |place: usize| tried.contains(self.candidates[place].index);
        let (first, second) =
            draw_two(count, tried.len(), random, is_tried).or_else(|| draw_two(count, 0, random, |_| false))?;
        let first = &self.candidates[first];
        let Some(second) = second.map(|second| &self.candidates[second]) else { return Some(first.index) };

        let loads = [self.load(first, now), self.load(second, now)];
        let mut average = match cursor.memory {
            Memory::AverageLoad(average) => Some(average),
            _ => None,
        };
        for load in loads.into_iter().flatten() {
            average = Some(average.map_or(load, |average| average + (load - average) * NEWEST));
        }
        if let Some(average) = average {
            cursor.memory = Memory::AverageLoad(average);
        }
        // when nothing is known of either they are equal, and the exchanges in flight decide
        let [a, b] = loads.map(|load| load.or(average).unwrap_or(0.0));
        let fewer = second.burden(now) < first.burden(now);
        let take_second = if a == b { fewer } else { b < a };
        Some(if take_second { second.index } else { first.index })
    }
}

/// The load by a report: 0.7 cpu + 0.3 memory, or whichever of the two is there; otherwise the backend's own estimate.
pub fn reported(report: &Report) -> Option<f64> {
    match (report.cpu.map(f64::from), report.memory.map(f64::from)) {
        (Some(cpu), Some(memory)) => Some(CPU * cpu + MEMORY * memory),
        (Some(one), None) | (None, Some(one)) => Some(one),
        (None, None) => report.utilization.map(f64::from),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Fleet, count};
    use super::*;

    fn report(fleet: &Fleet, backend: usize, cpu: f32, memory: f32, in_flight: u32, at: Moment) {
        let report = Report { cpu: Some(cpu), memory: Some(memory), utilization: None };
        fleet.live(backend).load.report(report, in_flight, at);
    }

    fn balancer(fleet: &Fleet) -> ResourceBased {
        ResourceBased::new(fleet.candidates(), EXPIRE)
    }

    #[test]
    fn cpu_weighs_more_than_memory_and_one_alone_counts_whole() {
        let load = |cpu, memory, utilization| reported(&Report { cpu, memory, utilization });
        assert!((load(Some(0.5), Some(1.0), Some(9.0)).unwrap() - 0.65).abs() < 1e-6);
        assert_eq!(load(Some(0.5), None, None), Some(0.5));
        assert_eq!(load(None, Some(0.25), Some(0.75)), Some(0.25));
        assert_eq!(load(None, None, Some(0.75)), Some(0.75));
        assert_eq!(load(None, None, None), None);
    }

    #[test]
    fn the_less_loaded_of_two() {
        let fleet = Fleet::new(&[1, 1]);
        report(&fleet, 0, 0.6, 0.1, 0, Fleet::NOW); // 0.45 against 0.47: more cpu, but the sum decides
        report(&fleet, 1, 0.5, 0.4, 0, Fleet::NOW);
        assert_eq!(count(&balancer(&fleet), 2, 100), [100, 0]);
    }

    #[test]
    fn what_came_since_the_report_is_added() {
        let fleet = Fleet::new(&[1, 1]).with_in_flight(&[10, 10]);
        report(&fleet, 0, 0.4, 0.4, 5, Fleet::NOW); // twice as many as then: 0.8
        report(&fleet, 1, 0.6, 0.6, 10, Fleet::NOW);
        assert_eq!(count(&balancer(&fleet), 2, 100), [0, 100]);
    }

    #[test]
    fn one_that_reports_no_load_does_not_get_everything() {
        let fleet = Fleet::new(&[1, 1]);
        report(&fleet, 0, 0.0, 0.0, 0, Fleet::NOW);
        report(&fleet, 1, 0.2, 0.2, 0, Fleet::NOW);
        let held = fleet.hold(&balancer(&fleet), 60);
        assert!(held[0] > held[1] && held[1] > 10, "{held:?}");
    }

    #[test]
    fn without_a_report_it_counts_as_average() {
        let fleet = Fleet::new(&[1; 5]);
        for (backend, cpu) in [(0, 0.1), (1, 0.2), (3, 0.8), (4, 0.9)] {
            report(&fleet, backend, cpu, cpu, 0, Fleet::NOW);
        }
        let counts = count(&balancer(&fleet), 5, 100_000);
        // it loses against two and wins against two, so it gets its fifth
        assert!((17_000..23_000).contains(&counts[2]), "{counts:?}");
        assert!(counts[0] > counts[1] && counts[1] > counts[2] && counts[2] > counts[3], "{counts:?}");
    }

    #[test]
    fn an_old_report_is_not_believed() {
        let fleet = Fleet::new(&[1; 3]);
        report(&fleet, 0, 0.5, 0.5, 0, Fleet::NOW);
        report(&fleet, 2, 0.5, 0.5, 0, Fleet::NOW);
        report(&fleet, 1, 0.0, 0.0, 0, Moment::from_millis(Fleet::NOW.as_millis() - 10_001));
        let counts = count(&balancer(&fleet), 3, 30_000);
        assert!(counts.iter().all(|got| got.abs_diff(10_000) < 500), "as loaded as the others: {counts:?}");
        report(&fleet, 1, 0.0, 0.0, 0, Moment::from_millis(Fleet::NOW.as_millis() - 10_000));
        assert!(count(&balancer(&fleet), 3, 30_000)[1] > 19_000, "two of three");
    }

    #[test]
    fn without_any_report_the_exchanges_in_flight_decide() {
        let fleet = Fleet::new(&[1, 1]).with_in_flight(&[2, 1]);
        assert_eq!(count(&balancer(&fleet), 2, 100), [0, 100]);
    }
}
