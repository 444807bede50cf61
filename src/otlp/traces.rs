//! The task that sends spans.

use std::time::{Duration, Instant};

use metrics::counter;
use tokio::sync::mpsc;

use super::batch::Batch;
use super::courier::{Courier, Delivered, count_dropped};
use super::target::Signal;
use crate::metrics::names;
use crate::trace::{DropReason, Queue, Spans};
use crate::webhook::Pauses;

/// How long spans wait for others that are sent with them.
const LINGER: Duration = Duration::from_secs(1);

/// How often the queue is looked at meanwhile. A look costs less than to be woken by each exchange.
const LOOK: Duration = Duration::from_millis(50);

/// The pauses after failures. With what is added at random, the longest one is 30 s.
const PAUSES: Pauses = Pauses { first: Duration::from_secs(1), longest: Duration::from_secs(20) };

/// A batch that could not be sent for so long is given up: what comes next tells more about now.
const PATIENCE: Duration = Duration::from_secs(300);

/// How often spans that did not get into the queue are counted.
const COUNT: Duration = Duration::from_millis(500);

/// Sends spans.
#[derive(Debug)]
pub struct Traces {
    spans: mpsc::UnboundedReceiver<Spans>,
    queue: Queue,
    courier: Courier,
    /// Spans that were not sent any more because the process stops.
    left: u64,
}

impl Traces {
    /// Sends what comes out of the queue.
    pub fn new(spans: mpsc::UnboundedReceiver<Spans>, queue: Queue, courier: Courier) -> Self {
        Self { spans, queue, courier, left: 0 }
    }

    /// Runs until the process stops.
    pub async fn run(mut self) {
        // the series are there from the start, so that the first one is an increase
        counter!(names::OTLP_SENT.name, "signal" => Signal::Traces.as_str()).increment(0);
        let counting = tokio::task::spawn_local(count(self.queue.clone()));
        while let Some(batch) = self.collect().await {
            self.deliver(batch).await;
        }
        counting.abort();
        count_dropped(Signal::Traces, DropReason::QueueFull, self.queue.take_dropped());
        if self.left > 0 {
            tracing::warn!(
                spans = self.left,
                "spans that wait for their collector are not sent any more: the process stops"
            );
        }
    }

    /// Waits for spans, and gathers those that are sent together; `None` when the process stops and none are left.
    async fn collect(&mut self) -> Option<Batch> {
        let mut batch = Batch::default();
        let mut due = None;
        loop {
            let room = self.queue.limit();
            while !batch.is_full(room)
                && let Ok(spans) = self.spans.try_recv()
            {
                batch.add(&spans);
            }
            if self.courier.stop().is_some() {
                return (!batch.is_empty()).then_some(batch);
            }
            if batch.is_full(room) || due.is_some_and(|due| Instant::now() >= due) {
                return Some(batch);
            }
            if !batch.is_empty() {
                due.get_or_insert_with(|| Instant::now() + LINGER);
            }
            tokio::select! {
                biased;
                () = self.courier.ordered() => {}
                () = tokio::time::sleep(LOOK), if !batch.is_empty() => {}
                spans = self.spans.recv(), if batch.is_empty() => batch.add(&spans?),
            }
        }
    }

    /// Sends a batch until the collector has taken or refused it, it has waited for too long, or the process stops.
    async fn deliver(&mut self, batch: Batch) {
        let began = Instant::now();
        let count = u64::from(batch.count);
        let lost = self.deliver_until(began + PATIENCE, count, &batch).await;
        self.queue.release(batch.cost);
        if let Some(reason) = lost {
            count_dropped(Signal::Traces, reason, count);
            self.left += if reason == DropReason::Stopped { count } else { 0 };
        }
    }

    /// Why it is lost, if it is and that counts.
    async fn deliver_until(&mut self, deadline: Instant, count: u64, batch: &Batch) -> Option<DropReason> {
        for failures in 1.. {
            let is_last = self.courier.stop().is_some();
            // only the process's end cuts a message off: else it has a time-out of its own
            let stopped = self.courier.stopped();
            let delivered = tokio::select! {
                biased;
                () = stopped => return Some(DropReason::Stopped),
                delivered = self.courier.bring(count, |resource| batch.message(resource)) => delivered,
            };
            let asked = match delivered {
                // without a collector, nobody misses them
                Delivered::Taken | Delivered::Nobody => return None,
                Delivered::Refused => return Some(DropReason::Refused),
                Delivered::Later(asked) => asked,
            };
            // the process stops and this was the last try
            if is_last {
                return Some(DropReason::Stopped);
            }
            if Instant::now() >= deadline {
                return Some(DropReason::Expired);
            }
            let next = Instant::now() + PAUSES.after(failures, asked, fastrand::f64());
            tokio::select! {
                biased;
                // another collector may take it at once, and there is no time where the process stops
                () = self.courier.ordered() => {}
                // a pause that the collector asks for may be longer than there is time
                () = tokio::time::sleep_until(next.min(deadline).into()) => {}
            }
        }
        None
    }
}

/// Counts spans that did not get into the queue.
async fn count(queue: Queue) {
    let mut looks = tokio::time::interval(COUNT);
    loop {
        looks.tick().await;
        count_dropped(Signal::Traces, DropReason::QueueFull, queue.take_dropped());
    }
}
