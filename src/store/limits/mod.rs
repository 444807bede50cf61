//! Stores by which instances enforce rate limits together (`store` of a rate limit): Redis, and what speaks as it does.
//!
//! No request waits for a store. Workers decide by the table of their instance; each store has a thread of its own, its keeper, which ten times a second
//! reports what the keys have used here, and learns what they have used elsewhere (`limit::Reporter` says what follows). A store that does not answer in time is
//! told of, and until it does each instance enforces its share: the rate, divided by the number of instances that were last seen ([`instances`]). While it is
//! another instance that does not reach the store, those that do have what is left beside its share.

mod instances;
mod keeper;
mod script;

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{oneshot, watch};

use super::connect::Target;
use super::outage::Outage;
use crate::config::model::RateLimitStore;
use crate::event::{Events, StoreUse};
use crate::limit::{Rate, Table};
use crate::metrics::{Registry, names};
use keeper::Keeper;

/// How long a process that stops takes to tell a store so.
const FAREWELL: Duration = Duration::from_millis(300);

/// A limit that instances enforce together.
#[derive(Debug, Clone)]
pub struct SharedRateLimit {
    /// By what.
    pub by: RateLimitStore,
    /// What sets it apart from other limits there: the same on all instances.
    pub scope: u64,
    /// What its keys have used.
    pub table: Arc<Table>,
    /// How fast they may be.
    pub rate: Rate,
}

/// The stores that are in use.
#[derive(Debug)]
pub struct RateLimitStores {
    events: Arc<Events>,
    running: Vec<Running>,
}

/// A store with its keeper, which ends when this is dropped.
#[derive(Debug)]
struct Running {
    by: RateLimitStore,
    limits: watch::Sender<Vec<SharedRateLimit>>,
    ended: oneshot::Receiver<()>,
    thread: JoinHandle<()>,
}

impl RateLimitStores {
    /// None is in use.
    pub fn new(events: Arc<Events>) -> Self {
        Self { events, running: Vec::new() }
    }

    /// Has these limits enforced together, and no others. A store that is in use already goes on. Where one can't be used, that is logged, and each instance
    /// enforces its limits alone.
    pub fn commit(&mut self, limits: Vec<SharedRateLimit>, registry: &Registry) {
        self.running.retain(|running| limits.iter().any(|limit| limit.by == running.by));
        let mut new: Vec<RateLimitStore> = Vec::new();
        for limit in &limits {
            let is_known = self.running.iter().any(|running| running.by == limit.by) || new.contains(&limit.by);
            if !is_known {
                new.push(limit.by.clone());
            }
        }
        for by in new {
            let shown = by.store.shown();
            match self.begin(by) {
                Ok(running) => self.running.push(running),
                Err(error) => tracing::error!(store = shown, "limits can't be shared: {error}"),
            }
        }
        for running in &self.running {
            running.limits.send_replace(limits.iter().filter(|limit| limit.by == running.by).cloned().collect());
        }
        let shown: Vec<String> = self.running.iter().map(|running| running.by.store.shown()).collect();
        for metric in [&names::LIMIT_STORE_UP, &names::LIMIT_STORE_INSTANCES, &names::LIMIT_STORE_LAG] {
            registry.keep(metric, |labels| labels.first().is_some_and(|store| shown.contains(store)));
        }
    }

    fn begin(&self, by: RateLimitStore) -> Result<Running, String> {
        let target = Target::new(&by.store)?;
        let (limits, received) = watch::channel(Vec::new());
        let (end, ended) = oneshot::channel();
        let outage = Outage::new(Arc::clone(&self.events), by.store.shown(), StoreUse::Limits);
        let keeper = Keeper::new(target, &by, received, outage);
        let name = by.store.shown();
        let thread = std::thread::Builder::new().name("limit-store".to_owned()).spawn(move || {
            match Builder::new_current_thread().enable_all().build_local(LocalOptions::default()) {
                Ok(runtime) => {
                    runtime.block_on(keeper.run());
                    // a name that is looked up keeps a thread, which must not keep this one
                    runtime.shutdown_background();
                }
                Err(error) => {
                    tracing::error!(%error, store = name, "limits can't be shared: their thread can't be started")
                }
            }
            let _ = end.send(());
        });
        Ok(Running { by, limits, ended, thread: thread.map_err(|error| error.to_string())? })
    }

    /// Tells the stores that this instance is gone, for [`FAREWELL`] at most, and ends.
    pub async fn finish(&mut self) {
        for Running { limits, ended, thread, .. } in std::mem::take(&mut self.running) {
            drop(limits);
            if tokio::time::timeout(FAREWELL * 2, ended).await.is_ok() {
                let _ = thread.join();
            }
        }
    }
}
