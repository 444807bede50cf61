//! Webhooks (`[[notify]]`): other systems are told of events.
//!
//! Each webhook has a task and a [`Subscription`](crate::event::Subscription) of its own. So a receiver that hangs delays no other one;
//! events that it does not take before the list of events has forgotten them are lost to this receiver only, and counted.

mod delivery;
mod message;
mod receiver;
mod trouble;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::config::model;
use crate::event::Events;
use crate::metrics::{Registry, names};
use delivery::Delivery;
use receiver::Receiver;
use trouble::Trouble;

/// How long a process that stops goes on sending the events that wait.
const LAST_EVENTS: Duration = Duration::from_secs(2);

/// All webhooks of the configuration.
#[derive(Debug)]
pub struct Webhooks {
    events: Arc<Events>,
    registry: Arc<Registry>,
    running: Vec<Webhook>,
}

/// The webhooks of a configuration that is about to run. Everything that can fail has been done.
#[derive(Debug)]
pub struct PreparedWebhooks(Vec<(model::Notify, Receiver)>);

/// One webhook that runs.
#[derive(Debug)]
struct Webhook {
    config: model::Notify,
    /// The id of the last event that was delivered, refused, or not wanted.
    done: Arc<watch::Sender<u64>>,
    stopping: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// Prepares these webhooks; [`Webhooks::commit`] starts them.
///
/// # Errors
///
/// A sentence for people, when the settings of TLS can't be used.
pub fn prepare(wanted: &[model::Notify]) -> Result<PreparedWebhooks, String> {
    let receiver = |config: &model::Notify| {
        let failed = |error| format!("notify `{}`: {error}", config.name);
        Ok((config.clone(), Receiver::new(config).map_err(failed)?))
    };
    wanted.iter().map(receiver).collect::<Result<_, String>>().map(PreparedWebhooks)
}

impl Webhooks {
    /// Starts with no webhook.
    pub fn new(events: Arc<Events>, registry: Arc<Registry>) -> Self {
        Self { events, registry, running: Vec::new() }
    }

    /// Runs these webhooks and no others. One that has changed goes on after the last event that it is done with; one that has not changed is
    /// left alone.
    pub fn commit(&mut self, prepared: PreparedWebhooks) {
        let mut before = std::mem::take(&mut self.running);
        for (config, receiver) in prepared.0 {
            let known = before.iter().position(|running| running.config.name == config.name);
            let running = match known.map(|at| before.swap_remove(at)) {
                Some(same) if same.config == config => same,
                Some(other) => {
                    other.task.abort();
                    self.start(config, receiver, Some(*other.done.borrow()))
                }
                None => self.start(config, receiver, None),
            };
            self.running.push(running);
        }
        before.into_iter().for_each(|gone| gone.task.abort());
        let runs = |name: &String| self.running.iter().any(|running| *running.config.name == **name);
        self.registry.keep(&names::NOTIFICATIONS, |labels| labels.first().is_some_and(runs));
    }

    /// Sends the events that wait, for [`LAST_EVENTS`] at most, and ends all webhooks.
    pub async fn finish(&mut self) {
        let running = std::mem::take(&mut self.running);
        running.iter().for_each(|one| _ = one.stopping.send(true));
        let all = async {
            for mut one in running.into_iter().map(EndOnDrop) {
                let _ = (&mut one.0.task).await;
            }
        };
        if tokio::time::timeout(LAST_EVENTS, all).await.is_err() {
            tracing::warn!("events that wait for their webhooks are not sent any more: the process stops");
        }
    }

    fn start(&self, config: model::Notify, receiver: Receiver, last: Option<u64>) -> Webhook {
        let subscription = self.events.subscribe(last);
        let done = Arc::new(watch::Sender::new(subscription.last()));
        let (stopping, stop) = watch::channel(false);
        let delivery = Delivery {
            on: config.on.clone(),
            receiver,
            subscription,
            done: Arc::clone(&done),
            stop,
            missed: 0,
            trouble: Trouble::default(),
        };
        Webhook { config, done, stopping, task: tokio::task::spawn_local(delivery.run()) }
    }
}

/// A webhook whose task is ended when this is dropped, as it is when [`LAST_EVENTS`] have passed.
struct EndOnDrop(Webhook);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.task.abort();
    }
}
