//! What recovery has started outside of this process.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use ahash::AHashMap;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use super::done::{Done, DoneWhat};
use crate::config::model::Means;
use crate::hook::{Call, Hooks};
use crate::lead::Fence;
use crate::recover::attempt::ActReport;
use crate::recover::order::Run;
use crate::snapshot::Store;

/// How long the end of the process waits for what it has run. It has been told to end; a command gets two seconds to do so before it is killed.
const ENDED_WITHIN: Duration = Duration::from_secs(4);

/// What was started outside of this process, and has not ended.
pub(super) struct Tasks {
    hooks: Rc<Hooks>,
    tell: mpsc::UnboundedSender<Done>,
    store: Arc<Store>,
    /// By the id of the run, the attempt that it is for, and what ends it when it is dropped.
    cancels: AHashMap<u64, (i64, oneshot::Sender<()>)>,
    running: JoinSet<()>,
}

impl Tasks {
    /// Nothing runs yet.
    pub fn new(hooks: Rc<Hooks>, tell: mpsc::UnboundedSender<Done>, store: Arc<Store>) -> Self {
        Self { hooks, tell, store, cancels: AHashMap::default(), running: JoinSet::new() }
    }

    /// These, leaving none.
    pub fn take(&mut self) -> Self {
        let none = Self::new(Rc::clone(&self.hooks), self.tell.clone(), Arc::clone(&self.store));
        std::mem::replace(self, none)
    }

    /// One has ended.
    pub fn ended(&mut self, run: u64) {
        self.cancels.remove(&run);
        while self.running.try_join_next().is_some() {}
    }

    /// Ends all, and waits for them, but not for long.
    pub async fn finish(mut self) {
        self.cancels.clear();
        let all = async { while self.running.join_next().await.is_some() {} };
        if tokio::time::timeout(ENDED_WITHIN, all).await.is_err() {
            tracing::warn!("a command of recovery has not ended within {ENDED_WITHIN:?}; its runner kills it");
        }
    }

    /// Starts something. Its end is told to the driver.
    pub fn run(&mut self, service: &Arc<str>, means: Means, (call, fence): (Call, Option<Fence>), run: Run) {
        let (cancel, cancelled) = oneshot::channel();
        let hooks = Rc::clone(&self.hooks);
        self.cancels.insert(run.id, (run.attempt, cancel));
        let tell = self.teller(service);
        self.running.spawn_local(async move {
            // spawned, so that a panic costs this report only: an attempt whose act never ends would wait for ever
            let ran = tokio::task::spawn_local(async move { hooks.run(&means, &call, fence, cancelled).await }).await;
            let broke_off = |error| ActReport { error: format!("it broke off: {error}"), ..ActReport::default() };
            tell(DoneWhat::Ran(run, ran.unwrap_or_else(broke_off)));
        });
    }

    /// Ends what runs for this attempt.
    pub fn kill(&mut self, attempt: i64) {
        self.cancels.retain(|_, (of, _)| *of != attempt);
    }

    /// Tells the driver that something has come, and wakes it.
    pub fn teller(&self, service: &Arc<str>) -> impl FnOnce(DoneWhat) + use<> {
        let (tell, store, service) = (self.tell.clone(), Arc::clone(&self.store), Arc::clone(service));
        move |what| {
            // the driver is gone when the process ends
            let _ = tell.send(Done { service, what });
            store.news().notify_one();
        }
    }
}
