//! The task of one webhook: it reads events in their order, and sends each message until the receiver has taken or refused it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use metrics::counter;
use tokio::sync::watch;

use super::receiver::{Receiver, SendError};
use super::trouble::Trouble;
use crate::clock::Moment;
use crate::event::{Batch, Event, Filter, Subscription};
use crate::metrics::names;
use crate::webhook::Pauses;

/// The most events in one message: a hundred of them are some 40 KiB.
const MOST: usize = 100;

/// The pauses after failures. With what is added at random, the longest one is 5 minutes.
const PAUSES: Pauses = Pauses { first: Duration::from_secs(1), longest: Duration::from_secs(200) };

/// What the task of one webhook works with.
pub(super) struct Delivery {
    /// The events that are wanted.
    pub on: Filter,
    /// Gets messages.
    pub receiver: Receiver,
    /// Where events are read.
    pub subscription: Subscription,
    /// Gets the id of each event that was delivered, refused, or not wanted.
    pub done: Arc<watch::Sender<u64>>,
    /// Becomes `true` when the process stops.
    pub stop: watch::Receiver<bool>,
    /// Events that were lost since the last message that was delivered.
    pub missed: u64,
    /// What the log is told of failures.
    pub trouble: Trouble,
}

impl Delivery {
    /// Runs until the process stops and no event waits.
    pub async fn run(mut self) {
        loop {
            let Some(Batch { events, missed }) = self.next().await else { return };
            self.lose(missed);
            let wanted: Vec<_> = events.into_iter().filter(|event| self.on.has(event)).collect();
            if !wanted.is_empty() {
                self.deliver(&wanted).await;
            }
            self.done.send_replace(self.subscription.last());
        }
    }

    /// Waits for the next events; `None` when the process stops and there are none.
    async fn next(&mut self) -> Option<Batch> {
        tokio::select! {
            biased;
            batch = self.subscription.next(MOST) => Some(batch),
            _ = self.stop.wait_for(|stop| *stop) => None,
        }
    }

    /// Sends one message until the receiver has taken or refused it, or the process stops.
    async fn deliver(&mut self, events: &[Arc<Event>]) {
        let count = events.len() as u64;
        for failures in 1.. {
            let asked = match self.receiver.send(events, self.missed, SystemTime::now()).await {
                Ok(()) => return self.delivered(count),
                Err(SendError::Refused(reason)) => {
                    self.failed(&format!("refused events: {reason}"), count);
                    return self.lose(count);
                }
                Err(SendError::Later(asked, reason)) => {
                    self.failed(&format!("did not take events: {reason}"), count);
                    asked
                }
            };
            if *self.stop.borrow() {
                return self.lose(count);
            }
            self.pause(PAUSES.after(failures, asked, fastrand::f64())).await;
        }
    }

    /// Waits so long before the next try. When the process stops, the next try, which is the last one, is made at once.
    async fn pause(&mut self, time: Duration) {
        tokio::select! {
            () = tokio::time::sleep(time) => {}
            _ = self.stop.wait_for(|stop| *stop) => {}
        }
    }

    /// Counts a message that was taken, and tells the log if that is the end of trouble.
    fn delivered(&mut self, count: u64) {
        self.missed = 0;
        self.count("sent", count);
        if let Some(failures) = self.trouble.is_over() {
            tracing::info!(notify = self.receiver.name(), failures, "a webhook takes events again");
        }
    }

    /// Counts a try that has failed, and tells the log if it is to know.
    fn failed(&mut self, how: &str, events: u64) {
        self.count("failed", 1);
        if let Some(left_out) = self.trouble.failed(Moment::now()) {
            tracing::warn!(notify = self.receiver.name(), events, left_out, "a webhook {how}");
        }
    }

    /// Counts events that were sent or dropped, or tries that failed.
    fn count(&self, outcome: &'static str, count: u64) {
        if count > 0 {
            let name = self.receiver.name().to_owned();
            counter!(names::NOTIFICATIONS.name, "name" => name, "outcome" => outcome).increment(count);
        }
    }

    /// Counts events that this webhook will never get.
    fn lose(&mut self, count: u64) {
        self.missed += count;
        self.count("dropped", count);
    }
}
