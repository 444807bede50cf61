//! The task of one webhook: what comes next is sent until it is delivered or refused, in order.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use metrics::counter;
use tokio::sync::watch;

use super::post::{Failed, Post};
use super::schedule;
use crate::event::{Batch, Event, Filter, Subscription};
use crate::metrics::names;

/// Events in one message at most: a hundred of them are some 40 KiB.
const MOST: usize = 100;

pub(super) struct Courier {
    pub on: Filter,
    pub post: Post,
    pub subscription: Subscription,
    /// Told the id of the last event that needs no delivery any more.
    pub done: Arc<watch::Sender<u64>>,
    /// Becomes `true` when the process stops.
    pub stop: watch::Receiver<bool>,
    /// Events that were lost since the last message that was delivered.
    pub missed: u64,
}

impl Courier {
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
            let asked = match self.post.send(events, self.missed, SystemTime::now()).await {
                Ok(()) => {
                    self.missed = 0;
                    return self.count("sent", count);
                }
                Err(Failed::Refused(reason)) => {
                    tracing::warn!(notify = self.post.name(), events = count, "a webhook refused events: {reason}");
                    self.count("failed", 1);
                    return self.lose(count);
                }
                Err(Failed::Later(asked, reason)) => {
                    // pauses grow to minutes, so that these lines get seldom on their own
                    tracing::warn!(notify = self.post.name(), failures, "a webhook did not take events: {reason}");
                    asked
                }
            };
            self.count("failed", 1);
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

    /// Counts events that were sent or dropped, or tries that failed.
    fn count(&self, outcome: &'static str, count: u64) {
        if count > 0 {
            let name = self.post.name().to_owned();
            counter!(names::NOTIFICATIONS.name, "name" => name, "outcome" => outcome).increment(count);
        }
    }

    fn lose(&mut self, count: u64) {
        self.missed += count;
        self.count("dropped", count);
    }
}
