//! Metrics to the collector (`metrics_interval`): the control plane reads them, the exporter's thread sends them.

use std::time::{Duration, SystemTime};

use tokio::sync::{mpsc, watch};

use super::courier::{Courier, Delivered, count_dropped};
use super::points::{Encoder, Points};
use super::target::Signal;
use crate::metrics::Collect;
use crate::trace::DropReason;

/// Readings that may wait. Each is a whole one, so the next makes up for one that was dropped.
const WAITING: usize = 1;

/// The side of the control plane, which reads.
#[derive(Debug)]
pub struct MetricsFeed {
    /// How often; `None` = never.
    pub(super) interval: watch::Receiver<Option<Duration>>,
    readings: mpsc::Sender<Vec<Points>>,
    /// Since when is counted.
    pub(super) started: SystemTime,
}

/// A feed, and where its readings come out.
pub(super) fn feed(
    interval: watch::Receiver<Option<Duration>>,
    started: SystemTime,
) -> (MetricsFeed, mpsc::Receiver<Vec<Points>>) {
    let (readings, receiver) = mpsc::channel(WAITING);
    (MetricsFeed { interval, readings, started }, receiver)
}

impl MetricsFeed {
    /// Reads all metrics by `collect` at each interval, for as long as the process lives.
    pub async fn run(mut self, collect: impl Fn(&mut dyn Collect)) {
        loop {
            let interval = *self.interval.borrow_and_update();
            let changed = match interval {
                Some(interval) => tokio::time::timeout(interval, self.interval.changed()).await,
                None => Ok(self.interval.changed().await),
            };
            match changed {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return,
                Err(_) => self.read(&collect),
            }
        }
    }

    fn read(&self, collect: &impl Fn(&mut dyn Collect)) {
        let mut encoder = Encoder::new(self.started, SystemTime::now());
        collect(&mut encoder);
        let reading = encoder.finish();
        let count = reading.iter().map(|points| points.count).sum();
        if self.readings.try_send(reading).is_err() {
            count_dropped(Signal::Metrics, DropReason::QueueFull, count);
        }
    }
}

/// Sends readings as they come. One that the collector does not take is not sent again, since the next one has all that it has.
pub(super) async fn send(mut readings: mpsc::Receiver<Vec<Points>>, mut courier: Courier) {
    while let Some(reading) = readings.recv().await {
        for points in reading {
            let brought = courier.bring(points.count, |resource| points.message(resource)).await;
            match brought {
                Delivered::Taken | Delivered::Nobody => {}
                Delivered::Refused => count_dropped(Signal::Metrics, DropReason::Refused, points.count),
                Delivered::Later(_) => count_dropped(Signal::Metrics, DropReason::Expired, points.count),
            }
        }
    }
}
