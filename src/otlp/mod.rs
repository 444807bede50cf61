//! Telemetry to an OpenTelemetry collector (`[otlp]`), by OTLP over gRPC or HTTP (opentelemetry.io/docs/specs/otlp).
//!
//! Workers put the spans of exchanges, already encoded, into a queue that is bounded in bytes ([`trace::Queue`]). A thread of its own, which gives
//! way to the workers, takes them out in batches and sends them. A collector that is gone or slow costs what the queue holds, and then the newest
//! spans, which are counted; nobody waits for it.

mod answer;
mod batch;
mod client;
mod courier;
mod metrics;
mod outage;
mod points;
mod target;
mod traces;

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{mpsc, oneshot, watch};

use crate::config::model;
use crate::event::Events;
use crate::io::be_nice;
use crate::trace::{Queue, Spans};
use courier::{Courier, Orders};
pub use metrics::MetricsFeed;
use points::Points;
use target::{Signal, Target};
use traces::Traces;

/// How long a process that stops goes on sending what waits.
const LAST_SPANS: Duration = Duration::from_secs(2);

/// Sends telemetry while there is a section `[otlp]`.
#[derive(Debug)]
pub struct Exporter {
    events: Arc<Events>,
    queue: Queue,
    /// The other side of the queue, until the thread has it.
    spans: Option<mpsc::UnboundedReceiver<Spans>>,
    /// How often metrics are read.
    interval: watch::Sender<Option<Duration>>,
    /// Where they are read, and the other side of that, until somebody has it.
    feed: (Option<MetricsFeed>, Option<mpsc::Receiver<Vec<Points>>>),
    /// The section in force.
    config: Option<model::Otlp>,
    running: Option<Running>,
}

/// The thread that sends.
#[derive(Debug)]
struct Running {
    orders: watch::Sender<Orders>,
    ended: oneshot::Receiver<()>,
    thread: JoinHandle<()>,
}

/// The section of a configuration that is about to run. Everything that can fail has been done.
#[derive(Debug)]
pub struct Prepared(Option<(model::Otlp, Target)>);

/// Prepares this section; [`Exporter::commit`] puts it in force.
///
/// # Errors
///
/// A sentence for people, when the settings of TLS can't be used.
pub fn prepare(wanted: Option<&model::Otlp>) -> Result<Prepared, String> {
    let prepared = wanted.map(|config| Ok::<_, String>((config.clone(), Target::new(config)?)));
    prepared.transpose().map(Prepared).map_err(|error| format!("otlp: {error}"))
}

impl Exporter {
    /// Starts with nothing to send to; metrics count since `started`.
    pub fn new(events: Arc<Events>, started: SystemTime) -> Self {
        let (queue, spans) = Queue::new();
        let (interval, wanted) = watch::channel(None);
        let (feed, readings) = metrics::feed(wanted, started);
        let feed = (Some(feed), Some(readings));
        Self { events, queue, spans: Some(spans), interval, feed, config: None, running: None }
    }

    /// What reads the metrics; only the first call gives it.
    pub fn take_feed(&mut self) -> Option<MetricsFeed> {
        self.feed.0.take()
    }

    /// Where workers put spans.
    pub fn queue(&self) -> Queue {
        self.queue.clone()
    }

    /// Sends as this section says from now on. What waits is sent on, to another collector where the section names one.
    pub fn commit(&mut self, prepared: Prepared) {
        let (config, target) = prepared.0.unzip();
        if config == self.config {
            return;
        }
        self.queue.set_limit(config.as_ref().map_or(0, |config| config.queue));
        self.interval.send_replace(config.as_ref().and_then(|config| config.metrics_interval));
        self.config = config;
        let target = target.map(Arc::new);
        if !self.order(target) {
            self.queue.set_limit(0);
            self.interval.send_replace(None);
        }
    }

    /// Orders the thread to send to this collector, and starts it where it was not; whether there is a thread. One that could not be started has
    /// lost the other side of the queue, so no later section can be in force.
    fn order(&mut self, target: Option<Arc<Target>>) -> bool {
        if let Some(running) = &self.running {
            running.orders.send_modify(|orders| orders.target = target);
            return !running.orders.is_closed();
        }
        let Some(spans) = self.spans.take() else { return false };
        match self.start(spans, target) {
            Ok(running) => self.running = Some(running),
            Err(error) => tracing::error!(%error, "telemetry can't be sent: its thread can't be started"),
        }
        self.running.is_some()
    }

    /// Sends what waits, for [`LAST_SPANS`] at most, and ends. To be called when the workers have ended.
    pub async fn finish(&mut self) {
        let Some(Running { orders, mut ended, thread }) = self.running.take() else { return };
        orders.send_modify(|orders| orders.stop = Some(Instant::now() + LAST_SPANS));
        // it ends by itself in time; a moment more than that is for a machine that is busy
        if tokio::time::timeout(LAST_SPANS * 2, &mut ended).await.is_ok() {
            let _ = thread.join();
        }
        if self.queue.waiting() > 0 {
            tracing::warn!(
                bytes = self.queue.waiting(),
                "spans that wait for their collector are not sent any more: the process stops"
            );
        }
    }

    fn start(
        &mut self,
        spans: mpsc::UnboundedReceiver<Spans>,
        target: Option<Arc<Target>>,
    ) -> std::io::Result<Running> {
        let (orders, received) = watch::channel(Orders { target, stop: None });
        let (end, ended) = oneshot::channel();
        let (events, queue, readings) = (Arc::clone(&self.events), self.queue.clone(), self.feed.1.take());
        let thread = std::thread::Builder::new().name("otlp".to_owned()).spawn(move || {
            be_nice();
            match Builder::new_current_thread().enable_all().build_local(LocalOptions::default()) {
                Ok(runtime) => {
                    let courier = |signal| Courier::new(received.clone(), signal, Arc::clone(&events));
                    if let Some(readings) = readings {
                        runtime.spawn_local(metrics::send(readings, courier(Signal::Metrics)));
                    }
                    runtime.block_on(Traces::new(spans, queue, courier(Signal::Traces)).run());
                    // a name that is looked up keeps a thread, which must not keep this one
                    runtime.shutdown_background();
                }
                Err(error) => {
                    queue.set_limit(0);
                    tracing::error!(%error, "telemetry can't be sent: its thread can't be started");
                }
            }
            let _ = end.send(());
        })?;
        Ok(Running { orders, ended, thread })
    }
}
