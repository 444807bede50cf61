//! Webhooks (`[[notify]]`): other systems are told of events.
//!
//! Each webhook has a task and a [`Subscription`](crate::event::Subscription) of its own: one that hangs delays no other, and what it
//! can't take in time is lost to it only, with a count.

mod courier;
mod message;
mod post;
mod schedule;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::config::model;
use crate::event::Events;
use crate::metrics::{Registry, names};
use courier::Courier;
use post::Post;

/// How long a process that stops goes on sending what waits.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// All webhooks of the configuration.
#[derive(Debug)]
pub struct Notifiers {
    events: Arc<Events>,
    registry: Arc<Registry>,
    running: Vec<Running>,
}

/// The webhooks of another configuration, with everything that can fail done.
#[derive(Debug)]
pub struct Prepared(Vec<(model::Notify, Post)>);

#[derive(Debug)]
struct Running {
    config: model::Notify,
    /// The id of the last event that needs no delivery any more.
    done: Arc<watch::Sender<u64>>,
    stopping: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// Makes ready what these need.
///
/// # Errors
///
/// TLS that can't be used; for people.
pub fn prepare(wanted: &[model::Notify]) -> Result<Prepared, String> {
    let post = |config: &model::Notify| {
        let failed = |error| format!("notify `{}`: {error}", config.name);
        Ok((config.clone(), Post::new(config).map_err(failed)?))
    };
    wanted.iter().map(post).collect::<Result<_, String>>().map(Prepared)
}

impl Notifiers {
    /// None yet.
    pub fn new(events: Arc<Events>, registry: Arc<Registry>) -> Self {
        Self { events, registry, running: Vec::new() }
    }

    /// Makes these the ones that run. One that has changed goes on where it was; one that has not is not touched.
    pub fn commit(&mut self, prepared: Prepared) {
        let mut before = std::mem::take(&mut self.running);
        for (config, post) in prepared.0 {
            let known = before.iter().position(|running| running.config.name == config.name);
            let running = match known.map(|at| before.swap_remove(at)) {
                Some(same) if same.config == config => same,
                Some(other) => {
                    other.task.abort();
                    self.start(config, post, Some(*other.done.borrow()))
                }
                None => self.start(config, post, None),
            };
            self.running.push(running);
        }
        before.into_iter().for_each(|gone| gone.task.abort());
        let runs = |name: &String| self.running.iter().any(|running| *running.config.name == **name);
        self.registry.keep(&names::NOTIFICATIONS, |labels| labels.first().is_some_and(runs));
    }

    /// Sends what waits, for a short time, and ends.
    pub async fn finish(&mut self) {
        let running = std::mem::take(&mut self.running);
        running.iter().for_each(|one| _ = one.stopping.send(true));
        let all = async {
            for mut one in running.into_iter().map(Ending) {
                let _ = (&mut one.0.task).await;
            }
        };
        if tokio::time::timeout(LAST_WORDS, all).await.is_err() {
            tracing::warn!("events that wait for their webhooks are not sent any more: the process stops");
        }
    }

    fn start(&self, config: model::Notify, post: Post, last: Option<u64>) -> Running {
        let subscription = self.events.subscribe(last);
        let done = Arc::new(watch::Sender::new(subscription.last()));
        let (stopping, stop) = watch::channel(false);
        let courier = Courier { on: config.on.clone(), post, subscription, done: Arc::clone(&done), stop, missed: 0 };
        Running { config, done, stopping, task: tokio::task::spawn_local(courier.run()) }
    }
}

/// Ends its task when it is dropped: the time for last words is over.
struct Ending(Running);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.task.abort();
    }
}
