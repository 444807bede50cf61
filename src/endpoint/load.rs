//! The load that a backend has reported last.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::clock::Moment;

/// A report that has been checked: every share is at least 0, and none is NaN or infinite.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Report {
    /// Share of its processors in use; may exceed 1.
    pub cpu: Option<f32>,
    /// Share of its memory in use, 0 to 1.
    pub memory: Option<f32>,
    /// The backend's own estimate of how much of its capacity is in use; may exceed 1.
    pub utilization: Option<f32>,
}

/// The last report of one backend, shared by all workers without a lock.
///
/// Each number is an atomic of its own. A reader that comes while a report is written may get some numbers of it and
/// some of the report before. That does no harm: each of them is a load that the backend had a moment ago.
#[derive(Debug)]
pub struct Load {
    /// The bits of an `f32`; those of NaN when the report did not have the number, as no report holds a NaN.
    cpu: AtomicU32,
    memory: AtomicU32,
    utilization: AtomicU32,
    in_flight: AtomicU32,
    /// [`Moment::NEVER`] before the first report. Written last and read first, so that a first report is never half read.
    at: AtomicU64,
    /// When the last heartbeat came, with or without a report; [`Moment::NEVER`] before the first.
    heartbeat: AtomicU64,
}

impl Default for Load {
    fn default() -> Self {
        let untold = || AtomicU32::new(f32::NAN.to_bits());
        Self {
            cpu: untold(),
            memory: untold(),
            utilization: untold(),
            in_flight: AtomicU32::new(0),
            at: AtomicU64::new(Moment::NEVER.as_millis()),
            heartbeat: AtomicU64::new(Moment::NEVER.as_millis()),
        }
    }
}

impl Load {
    /// Takes a report that came at `now`, with `in_flight` exchanges under way.
    pub fn report(&self, report: Report, in_flight: u32, now: Moment) {
        let store =
            |to: &AtomicU32, share: Option<f32>| to.store(share.unwrap_or(f32::NAN).to_bits(), Ordering::Relaxed);
        store(&self.cpu, report.cpu);
        store(&self.memory, report.memory);
        store(&self.utilization, report.utilization);
        self.in_flight.store(in_flight, Ordering::Relaxed);
        self.at.store(now.as_millis(), Ordering::Release);
    }

    /// Forgets the last report, because it was another process's. Heartbeats go on being expected.
    pub fn forget(&self) {
        self.at.store(Moment::NEVER.as_millis(), Ordering::Release);
    }

    /// A heartbeat came at `now`.
    pub fn beat(&self, now: Moment) {
        self.heartbeat.store(now.as_millis(), Ordering::Relaxed);
    }

    /// When the last heartbeat came; `None` = none has come yet.
    pub fn last_heartbeat(&self) -> Option<Moment> {
        Some(Moment::from_millis(self.heartbeat.load(Ordering::Relaxed))).filter(|at| *at != Moment::NEVER)
    }

    /// The last report and when it came.
    pub fn last(&self) -> Option<(Report, Moment)> {
        let at = Moment::from_millis(self.at.load(Ordering::Acquire));
        if at == Moment::NEVER {
            return None;
        }
        let load =
            |from: &AtomicU32| Some(f32::from_bits(from.load(Ordering::Relaxed))).filter(|share| !share.is_nan());
        let report = Report { cpu: load(&self.cpu), memory: load(&self.memory), utilization: load(&self.utilization) };
        Some((report, at))
    }

    /// The exchanges that were under way when the last report came.
    pub fn in_flight_then(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_report_is_told_with_its_moment() {
        let load = Load::default();
        assert_eq!(load.last(), None);
        let full = Report { cpu: Some(0.75), memory: Some(0.0), utilization: Some(1.5) };
        load.report(full, 7, Moment::from_millis(100));
        assert_eq!((load.last(), load.in_flight_then()), (Some((full, Moment::from_millis(100))), 7));
        let part = Report { memory: Some(0.5), ..Report::default() };
        load.report(part, 0, Moment::from_millis(200));
        assert_eq!((load.last(), load.in_flight_then()), (Some((part, Moment::from_millis(200))), 0));
    }

    #[test]
    fn a_read_while_reports_come_in_gives_numbers_that_were_reported() {
        let load = Load::default();
        let report = |share: f32| Report { cpu: Some(share), memory: None, utilization: Some(share) };
        std::thread::scope(|scope| {
            scope
                .spawn(|| (0..10_000).for_each(|i| load.report(report((i % 2) as f32), 1, Moment::from_millis(1 + i))));
            for (report, at) in (0..10_000).filter_map(|_| load.last()) {
                assert!(matches!(report.cpu, Some(0.0 | 1.0)) && matches!(report.utilization, Some(0.0 | 1.0)));
                assert!(report.memory.is_none() && at > Moment::NEVER);
            }
        });
    }
}
