//! Brings messages to the collector in force, one after the other, and says what became of each.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use metrics::counter;
use tokio::sync::watch;

use super::answer::Handling;
use super::client::Client;
use super::outage::Outage;
use super::target::{Signal, Target};
use crate::config::model::OtlpProtocol;
use crate::event::Events;
use crate::metrics::names;
use crate::trace::DropReason;

/// What the control plane wants.
#[derive(Debug, Clone)]
pub struct Orders {
    /// The collector; `None` = nothing is sent.
    pub target: Option<Arc<Target>>,
    /// The process stops, and nothing is sent after this moment.
    pub stop: Option<Instant>,
}

/// What became of a message.
#[derive(Debug)]
pub enum Delivered {
    /// The collector has it.
    Taken,
    /// The collector may take it later, after this time at the earliest.
    Later(Duration),
    /// It will never be taken.
    Refused,
    /// There is no collector.
    Nobody,
}

/// Brings the messages of one signal to the collector in force.
#[derive(Debug)]
pub struct Courier {
    orders: watch::Receiver<Orders>,
    signal: Signal,
    outage: Outage,
    client: Client,
    /// The collector that the connection is to.
    known: Option<Arc<Target>>,
}

impl Courier {
    /// Obeys these orders, and tells `events` when the collector takes nothing.
    pub fn new(orders: watch::Receiver<Orders>, signal: Signal, events: Arc<Events>) -> Self {
        Self { orders, signal, outage: Outage::new(events, signal), client: Client::default(), known: None }
    }

    /// The moment after which nothing is sent; `None` while the process does not stop.
    pub fn stop(&self) -> Option<Instant> {
        self.orders.borrow().stop
    }

    /// Waits for the moment after which nothing is sent. While the process does not stop, that is for ever.
    pub fn stopped(&self) -> impl Future<Output = ()> + use<> {
        let mut orders = self.orders.clone();
        async move {
            let stop = orders.wait_for(|orders| orders.stop.is_some()).await.map(|orders| orders.stop);
            match stop.ok().flatten() {
                Some(stop) => tokio::time::sleep_until(stop.into()).await,
                None => std::future::pending().await,
            }
        }
    }

    /// Waits until there are other orders. When they can never come, that is for ever.
    pub async fn ordered(&mut self) {
        if self.orders.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Sends a message, which `message` makes for a collector that is told of this process with this `Resource`, and which has so many entries.
    pub async fn bring(&mut self, entries: u64, message: impl FnOnce(&[u8]) -> Bytes) -> Delivered {
        let signal = self.signal;
        let Some(target) = self.orders.borrow().target.clone() else { return Delivered::Nobody };
        if !self.known.as_ref().is_some_and(|known| Arc::ptr_eq(known, &target)) {
            self.client.close();
            self.known = Some(Arc::clone(&target));
        }
        let answer = self.client.send(&target, signal, message(&target.resource)).await;
        let handling = answer.map(|answer| match target.protocol {
            OtlpProtocol::Grpc => answer.of_grpc(),
            OtlpProtocol::Http => answer.of_http(SystemTime::now()),
        });
        match handling.unwrap_or_else(|reason| Handling::Later(Duration::ZERO, reason)) {
            Handling::Taken(rejected, reason) => {
                self.outage.is_over(&target.shown());
                if rejected > 0 || !reason.is_empty() {
                    self.outage.left_out(rejected, &reason);
                }
                let rejected = rejected.min(entries);
                counter!(names::OTLP_SENT.name, "signal" => signal.as_str()).increment(entries - rejected);
                count_dropped(signal, DropReason::Rejected, rejected);
                Delivered::Taken
            }
            Handling::Later(pause, reason) => {
                self.outage.failed(&target.shown(), &reason);
                Delivered::Later(pause)
            }
            Handling::Refused(reason) => {
                self.outage.failed(&target.shown(), &reason);
                Delivered::Refused
            }
        }
    }
}

/// Counts entries that the collector will never have.
pub fn count_dropped(signal: Signal, reason: DropReason, count: u64) {
    if count > 0 {
        let (signal, reason) = (signal.as_str(), reason.as_str());
        counter!(names::OTLP_DROPPED.name, "signal" => signal, "reason" => reason).increment(count);
    }
}
