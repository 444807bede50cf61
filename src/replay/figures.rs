//! A row's figures as a sample, and a sample as a row's figures.

use std::time::Duration;

use super::column::Column;
use super::quantiles::Percentiles;
use crate::detect::sample::{AGE_STEP, AGES, Failures, Latencies, Sample, Waiting};

/// How many answers percentiles stand for where a recording does not say it.
const TAKEN_FOR: u64 = 100;

/// A percentile may be this share of a lower one: estimates from few answers cross.
const CROSSING: f64 = 0.8;

/// The numbers of a row, by column; what is missing is not known.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Figures([Option<f64>; Column::ALL.len()]);

impl Figures {
    /// The number in this column.
    pub fn get(&self, column: Column) -> Option<f64> {
        self.0[column as usize]
    }

    /// Sets the number in this column.
    pub fn set(&mut self, column: Column, number: Option<f64>) {
        self.0[column as usize] = number;
    }

    /// What a backend has shown, as it is recorded.
    pub fn of(sample: &Sample) -> Self {
        let (failures, latencies) = (sample.failures, &sample.latencies);
        let percentile = |share| latencies.quantile(share).map(ms);
        let mut figures = Self::default();
        for (column, number) in [
            (Column::Requests, Some(sample.attempts() as f64)),
            (Column::Failures, Some(failures.total() as f64)),
            (Column::Refused, Some(failures.refused as f64)),
            (Column::TimedOut, Some(failures.timed_out as f64)),
            (Column::Unreachable, Some(failures.unreachable as f64)),
            (Column::Reset, Some(failures.reset as f64)),
            (Column::Broken, Some(failures.broken as f64)),
            (Column::Status5xx, Some(failures.status as f64)),
            (Column::P50, percentile(0.5)),
            (Column::P95, percentile(0.95)),
            (Column::P99, percentile(0.99)),
            (Column::InFlight, Some(f64::from(sample.in_flight))),
            (Column::Oldest, Some(ms(sample.waiting.oldest))),
            (Column::Cpu, sample.cpu),
            (Column::Memory, sample.memory),
            (Column::Ejected, Some(f64::from(u8::from(sample.is_ejected)))),
            (Column::TakesPart, Some(f64::from(u8::from(sample.takes_part)))),
            (Column::Withdrawn, Some(f64::from(u8::from(sample.is_withdrawn)))),
            (Column::Begun, Some(sample.begun as f64)),
            (Column::Waiting, Some(f64::from(sample.waiting.count()))),
            (Column::Checks, Some(f64::from(sample.checks))),
            (Column::FailedChecks, Some(f64::from(sample.failed_checks))),
            (Column::Check, sample.check_latency.map(ms)),
            (Column::Heartbeat, sample.heartbeat.map(ms)),
            (Column::LogMean, latencies.mean()),
            (Column::LogDeviation, latencies.variance().map(f64::sqrt)),
        ] {
            figures.set(column, number);
        }
        figures
    }

    /// The sample that they stand for. What is not known is as in a backend that works and says nothing.
    ///
    /// # Errors
    ///
    /// Which figures contradict each other.
    pub fn sample(&self) -> Result<Sample, String> {
        let (failures, requests) = (self.failures()?, self.get(Column::Requests).map(count));
        if requests.is_some_and(|requests| failures.total() > requests) {
            return Err(format!("{} failures of {} requests", failures.total(), requests.unwrap_or_default()));
        }
        // without the number of requests no failure is a share of anything
        let failures = requests.map_or_else(Failures::default, |_| failures);
        let answers = requests.map(|requests| requests - failures.total());
        let small = |column| u32::try_from(self.get(column).map_or(0, count)).unwrap_or(u32::MAX);
        let is = |column, usually: bool| self.get(column).map_or(usually, |number| number > 0.5);
        let (waiting, in_flight) = (self.waiting(), small(Column::InFlight));
        Ok(Sample {
            takes_part: is(Column::TakesPart, true),
            is_withdrawn: is(Column::Withdrawn, false),
            is_ejected: is(Column::Ejected, false),
            begun: self.get(Column::Begun).map_or(requests.unwrap_or(0), count),
            answers: answers.unwrap_or(0),
            failures,
            latencies: self.latencies(answers.unwrap_or(TAKEN_FOR))?,
            in_flight: in_flight.max(waiting.count()),
            waiting,
            checks: small(Column::Checks),
            failed_checks: small(Column::FailedChecks),
            check_latency: self.time(Column::Check),
            cpu: self.get(Column::Cpu),
            memory: self.get(Column::Memory),
            heartbeat: self.time(Column::Heartbeat),
            ..Sample::default()
        })
    }

    /// Whether nothing but a value is known.
    pub fn only_value(&self) -> Option<f64> {
        let others = Column::ALL.iter().any(|column| *column != Column::Value && self.get(*column).is_some());
        self.get(Column::Value).filter(|_| !others)
    }

    fn time(&self, column: Column) -> Option<Duration> {
        self.get(column).map(|ms| Duration::from_secs_f64(ms / 1e3))
    }

    /// Failures whose kind is not known are taken for bad answers.
    fn failures(&self) -> Result<Failures, String> {
        let of = |column| self.get(column).map_or(0, count);
        let mut failures = Failures {
            refused: of(Column::Refused),
            unreachable: of(Column::Unreachable),
            timed_out: of(Column::TimedOut),
            reset: of(Column::Reset),
            broken: of(Column::Broken),
            status: of(Column::Status5xx),
        };
        let (kinds, all) = (failures.total(), self.get(Column::Failures).map(count));
        match all.map(|all| all.checked_sub(kinds)) {
            None => {}
            Some(Some(others)) => failures.status += others,
            Some(None) => return Err(format!("{kinds} failures of all kinds, {} failures", all.unwrap_or_default())),
        }
        Ok(failures)
    }

    fn latencies(&self, answers: u64) -> Result<Latencies, String> {
        let columns = [Column::P50, Column::P95, Column::P99];
        let mut known = columns.iter().filter_map(|column| Some((column.name(), self.get(*column)?)));
        let Some(mut before) = known.next() else { return Ok(Latencies::default()) };
        for next in known {
            if next.1 < before.1 * CROSSING {
                return Err(format!("`{}` is {}, `{}` only {}", before.0, before.1, next.0, next.1));
            }
            before = (next.0, next.1.max(before.1));
        }
        let [p50, p95, p99] = columns.map(|column| self.time(column));
        let mut latencies = Percentiles { p50, p95, p99 }.latencies(answers);
        if let Some(mean) = self.get(Column::LogMean) {
            let (count, deviation) = (latencies.count as f64, self.get(Column::LogDeviation).unwrap_or(0.0));
            latencies.logs = count * mean;
            latencies.squares = count * (mean * mean + deviation * deviation);
        }
        Ok(latencies)
    }

    /// Requests that wait at a backend which answers none have come one after the other: their ages are spread evenly up to the oldest.
    fn waiting(&self) -> Waiting {
        let oldest = self.time(Column::Oldest).unwrap_or_default();
        let known = self.get(Column::Waiting).or_else(|| self.get(Column::InFlight).filter(|_| !oldest.is_zero()));
        let least = u64::from(!oldest.is_zero());
        let all = known.map_or(0, count).max(least);
        let mut waiting = Waiting { oldest, ..Waiting::default() };
        let mut before = 0;
        for (at, by_age) in waiting.by_age.iter_mut().enumerate() {
            let upper = AGE_STEP * u32::try_from(at + 1).unwrap_or(u32::MAX);
            let younger = match at + 1 == AGES || upper > oldest {
                true => all,
                false => count(all as f64 * upper.as_secs_f64() / oldest.as_secs_f64()).min(all.saturating_sub(least)),
            };
            *by_age = u32::try_from(younger - before).unwrap_or(u32::MAX);
            before = younger;
        }
        waiting
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts are checked to be such when they are read"
)]
fn count(number: f64) -> u64 {
    number as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(these: &[(Column, f64)]) -> Figures {
        let mut figures = Figures::default();
        these.iter().for_each(|(column, number)| figures.set(*column, Some(*number)));
        figures
    }

    /// What a backend shows on a bad day.
    fn sample() -> Sample {
        let mut sample = Sample {
            takes_part: true,
            is_ejected: true,
            begun: 1200,
            answers: 1000,
            failures: Failures { refused: 1, unreachable: 2, timed_out: 3, reset: 4, broken: 5, status: 6 },
            in_flight: 40,
            checks: 2,
            failed_checks: 1,
            check_latency: Some(Duration::from_millis(7)),
            cpu: Some(0.5),
            memory: Some(0.25),
            heartbeat: Some(Duration::from_secs(3)),
            ..Sample::default()
        };
        (0..1000).for_each(|n| sample.latencies.add(Duration::from_micros(2000 + n * n / 100)));
        sample.waiting.oldest = Duration::from_millis(950);
        sample.waiting.by_age[..10].copy_from_slice(&[2; 10]);
        sample
    }

    #[test]
    fn a_sample_that_was_recorded_is_read_again() {
        let (before, mut after) = (sample(), Figures::of(&sample()).sample().unwrap());
        assert_eq!(after.waiting.count(), before.waiting.count());
        assert_eq!(after.waiting.oldest, before.waiting.oldest);
        for share in [0.5, 0.95, 0.99] {
            let times = [&before, &after].map(|sample| sample.latencies.quantile(share).unwrap().as_secs_f64());
            assert!((times[0] / times[1]).log2().abs() < 0.5, "{share}: {times:?}");
        }
        assert_eq!(after.latencies.count, before.latencies.count);
        assert!((after.latencies.logs - before.latencies.logs).abs() < 1e-3);
        assert!((after.latencies.squares - before.latencies.squares).abs() < 1e-2);
        (after.latencies, after.waiting) = (before.latencies.clone(), before.waiting);
        assert_eq!(after, before);
    }

    #[test]
    fn any_column_may_be_missing() {
        let only = |column, number| figures(&[(column, number)]).sample().unwrap();
        assert_eq!(Figures::default().sample().unwrap(), Sample { takes_part: true, ..Sample::default() });
        let requests = only(Column::Requests, 50.0);
        assert_eq!((requests.answers, requests.begun, requests.failures.total()), (50, 50, 0));
        assert_eq!(only(Column::P50, 10.0).latencies.count, TAKEN_FOR, "a median of nobody knows how many");
        assert_eq!(only(Column::Failures, 5.0).failures.total(), 0, "a share of nobody knows what");
        let kinds = figures(&[(Column::Requests, 10.0), (Column::Reset, 3.0)]).sample().unwrap();
        assert_eq!((kinds.answers, kinds.failures.reset), (7, 3));
        let some =
            figures(&[(Column::Requests, 10.0), (Column::Failures, 5.0), (Column::Reset, 3.0)]).sample().unwrap();
        assert_eq!((some.failures.reset, some.failures.status), (3, 2));
    }

    #[test]
    fn those_that_wait_are_spread_up_to_the_oldest() {
        let hung = figures(&[(Column::InFlight, 50.0), (Column::Oldest, 1000.0)]).sample().unwrap();
        assert_eq!(hung.waiting.count(), 50);
        assert_eq!(hung.waiting.at_least(Duration::from_millis(500)), 25);
        assert_eq!(hung.waiting.at_least(Duration::from_millis(1000)), 1, "the oldest");
        let alone = figures(&[(Column::Oldest, 60_000.0)]).sample().unwrap();
        assert_eq!((alone.waiting.count(), alone.in_flight), (1, 1));
        assert_eq!(alone.waiting.at_least(Duration::from_secs(3)), 1);
        assert_eq!(figures(&[(Column::InFlight, 50.0)]).sample().unwrap().waiting, Waiting::default());
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        for (these, why) in [
            (&[(Column::Requests, 10.0), (Column::Failures, 12.0)][..], "12 failures of 10 requests"),
            (
                &[(Column::Requests, 10.0), (Column::Failures, 2.0), (Column::Reset, 3.0)],
                "3 failures of all kinds, 2 failures",
            ),
            (&[(Column::P50, 10.0), (Column::P95, 7.0)], "`p50_ms` is 10, `p95_ms` only 7"),
            (&[(Column::P50, 10.0), (Column::P99, 7.5)], "`p50_ms` is 10, `p99_ms` only 7.5"),
        ] {
            assert_eq!(figures(these).sample(), Err(why.to_owned()));
        }
        let crossing = figures(&[(Column::P50, 10.0), (Column::P95, 12.0), (Column::P99, 11.9)]).sample().unwrap();
        assert!(crossing.latencies.quantile(0.99) >= crossing.latencies.quantile(0.95), "estimates cross");
    }
}
