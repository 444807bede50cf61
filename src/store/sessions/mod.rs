//! Stores that instances share sessions through (`affinity.store`): Redis, and what speaks as it does.
//!
//! Each store has a thread of its own, its keeper: workers have no locks and don't wait for a connection, and the control plane may be busy. Workers
//! hand their questions over through a [`Link`] (`affinity::shared` says what they ask, and what follows from the answers); the keeper puts
//! what has come together into one pipeline, and sends the next one without waiting for the answers of those before.
//!
//! A store that does not answer in time is not asked any more (a circuit breaker, as for a backend): what is decided meanwhile waits in a
//! [`Backlog`](backlog::Backlog) that is bounded in bytes and in which the newest decision for a session counts. The keeper goes on trying, and only
//! when the store has taken all that has waited, and answers in time again, workers are told to ask it.
//!
//! HAProxy's peers push every change to every other instance, where an entry that was lost on the way stays unknown (haproxy#3161). Here the
//! store is asked when a session is needed, so what was lost on the way there costs a question, not a session.

mod backlog;
mod keeper;
mod pipeline;
mod refusals;

use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{oneshot, watch};

use super::connect::Target;
use super::outage::Outage;
use crate::affinity::shared::Link;
use crate::config::model::{self, RedisStore};
use crate::event::{Events, StoreUse};
use crate::metrics::{Registry, names};
use keeper::Keeper;

/// How long a configuration waits for the stores that it names.
const FIRST_ANSWERS: Duration = Duration::from_millis(500);
/// How often it looks meanwhile.
const LOOK: Duration = Duration::from_millis(2);
/// How long a process that stops goes on writing what waits.
const LAST_WRITES: Duration = Duration::from_millis(500);

/// The stores that are in use.
#[derive(Debug)]
pub struct Stores {
    events: Arc<Events>,
    running: Vec<Running>,
}

/// A store with its keeper.
#[derive(Debug)]
struct Running {
    store: RedisStore,
    /// The keeper ends when nobody holds this any more.
    link: Weak<Link>,
    stop: watch::Sender<bool>,
    ended: oneshot::Receiver<()>,
    thread: JoinHandle<()>,
}

impl Stores {
    /// None is in use.
    pub fn new(events: Arc<Events>) -> Self {
        Self { events, running: Vec::new() }
    }

    /// Gives every service that shares its sessions the link to its store: the one that is there where a store is in use already, so that a reload
    /// changes nothing for it.
    ///
    /// # Errors
    ///
    /// A sentence for people, when the settings of TLS can't be used, or no thread can be had.
    pub fn link(&mut self, config: &mut model::Config) -> Result<(), String> {
        let shared = config.services.iter_mut().filter_map(|service| service.affinity.as_mut()?.store.as_mut());
        for shared in shared {
            shared.link = Some(self.link_to(&shared.store)?);
        }
        self.running.retain(|running| running.link.strong_count() > 0);
        Ok(())
    }

    /// Shows the stores of the configuration that is in force now, and no others. Those end when nobody holds their links any more.
    pub fn commit(&self, config: &model::Config, registry: &Registry) {
        let shared = config.services.iter().filter_map(|service| service.affinity.as_ref()?.store.as_ref());
        let shown: Vec<String> = shared.map(|shared| shared.store.shown()).collect();
        for metric in [&names::SESSION_STORE_UP, &names::SESSION_STORE_QUEUE, &names::SESSION_STORE_WRITES] {
            registry.keep(metric, |labels| labels.first().is_some_and(|store| shown.contains(store)));
        }
        // one that was out of use has lost its series, while exchanges of a configuration before kept its keeper
        let links = self.running.iter().filter_map(|running| running.link.upgrade());
        links
            .filter(|link| shown.iter().any(|name| name == link.state().name()))
            .for_each(|link| link.state().is_named_anew());
    }

    fn link_to(&mut self, store: &RedisStore) -> Result<Arc<Link>, String> {
        let known = self.running.iter().find(|running| running.store == *store);
        if let Some(link) = known.and_then(|running| running.link.upgrade()) {
            return Ok(link);
        }
        let failed = |error: String| format!("the store of sessions {}: {error}", store.shown());
        let target = Target::new(store).map_err(failed)?;
        let (link, messages) = Link::new(store.shown(), store.time_limit);
        let (stop, stopped) = watch::channel(false);
        let (end, ended) = oneshot::channel();
        let outage = Outage::new(Arc::clone(&self.events), store.shown(), StoreUse::Sessions);
        let state = Arc::clone(link.state());
        let keeper = Keeper::new(target, store.queue, state, (messages, stopped), outage);
        let name = store.shown();
        let thread = std::thread::Builder::new().name("session-store".to_owned()).spawn(move || {
            match Builder::new_current_thread().enable_all().build_local(LocalOptions::default()) {
                Ok(runtime) => {
                    runtime.block_on(keeper.run());
                    // a name that is looked up keeps a thread, which must not keep this one
                    runtime.shutdown_background();
                }
                Err(error) => {
                    tracing::error!(%error, store = name, "sessions can't be shared: their thread can't be started")
                }
            }
            let _ = end.send(());
        });
        let thread = thread.map_err(|error| failed(error.to_string()))?;
        self.running.push(Running { store: store.clone(), link: Arc::downgrade(&link), stop, ended, thread });
        Ok(link)
    }

    /// Waits until the stores can be asked, or it is known that they can't, for [`FIRST_ANSWERS`] at most: a session that a store knows is not to be
    /// decided anew because the process has just begun to use it.
    pub async fn wait(&self) {
        let links: Vec<Arc<Link>> = self.running.iter().filter_map(|running| running.link.upgrade()).collect();
        let is_settled = |link: &Arc<Link>| link.state().is_up() || link.state().trouble().is_some();
        let all_settled = async {
            while !links.iter().all(is_settled) {
                tokio::time::sleep(LOOK).await;
            }
        };
        // those that are still silent are told of by their keepers
        let _ = tokio::time::timeout(FIRST_ANSWERS, all_settled).await;
    }

    /// Writes what waits, for [`LAST_WRITES`] at most, and ends. To be called when the workers have ended.
    pub async fn finish(&mut self) {
        let running = std::mem::take(&mut self.running);
        running.iter().for_each(|running| _ = running.stop.send(true));
        for Running { mut ended, thread, .. } in running {
            if tokio::time::timeout(LAST_WRITES * 2, &mut ended).await.is_ok() {
                let _ = thread.join();
            }
        }
    }
}
