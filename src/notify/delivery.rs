//! The task of one webhook: what comes next is sent until it is delivered or refused, in order.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::watch;

use super::client::{SendError, WebhookClient};
use super::schedule;
use super::trouble::Trouble;
use crate::clock::Moment;
use crate::event::{Batch, Event, Subscription, Wanted};
use crate::metrics::{Notification, Registry};

/// Events in one message at most: a hundred of them are some 40 KiB.
const MOST: usize = 100;

pub(super) struct Delivery {
    pub on: Wanted,
    pub client: WebhookClient,
    pub subscription: Subscription,
    /// Told the id of the last event that needs no delivery any more.
    pub done: Arc<watch::Sender<u64>>,
    /// Becomes `true` when the process stops.
    pub stop: watch::Receiver<bool>,
    pub registry: Arc<Registry>,
    /// Events that were lost since the last message that was delivered.
    pub missed: u64,
    pub trouble: Trouble,
}

impl Delivery {
    /// Until the process stops and nothing waits.
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

    async fn next(&mut self) -> Option<Batch> {
        tokio::select! {
            biased;
            batch = self.subscription.next(MOST) => Some(batch),
            _ = self.stop.wait_for(|stop| *stop) => None,
        }
    }

    async fn deliver(&mut self, events: &[Arc<Event>]) {
        let count = events.len() as u64;
        for failures in 1.. {
            let asked = match self.client.send(events, self.missed, SystemTime::now()).await {
                Ok(()) => {
                    self.missed = 0;
                    if let Some(failures) = self.trouble.is_over() {
                        tracing::info!(notify = self.client.name(), failures, "a webhook takes events again");
                    }
                    return self.registry.count_notifications(self.client.name(), Notification::Sent, count);
                }
                Err(SendError::Refused(reason)) => {
                    if let Some(left_out) = self.trouble.failed(Moment::now()) {
                        let notify = self.client.name();
                        tracing::warn!(notify, events = count, left_out, "a webhook refused events: {reason}");
                    }
                    self.registry.count_notifications(self.client.name(), Notification::Failed, 1);
                    return self.lose(count);
                }
                Err(SendError::Later(asked, reason)) => {
                    if let Some(left_out) = self.trouble.failed(Moment::now()) {
                        let notify = self.client.name();
                        tracing::warn!(notify, failures, left_out, "a webhook did not take events: {reason}");
                    }
                    asked
                }
            };
            self.registry.count_notifications(self.client.name(), Notification::Failed, 1);
            if *self.stop.borrow() {
                return self.lose(count);
            }
            self.pause(schedule::pause(failures, asked, fastrand::f64())).await;
        }
    }

    /// A process that stops tries once more at once.
    async fn pause(&mut self, time: Duration) {
        tokio::select! {
            () = tokio::time::sleep(time) => {}
            _ = self.stop.wait_for(|stop| *stop) => {}
        }
    }

    fn lose(&mut self, count: u64) {
        self.missed += count;
        self.registry.count_notifications(self.client.name(), Notification::Dropped, count);
    }
}
