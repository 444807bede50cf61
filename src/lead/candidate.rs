//! The thread on which an instance is elected.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use metrics::gauge;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{oneshot, watch};

use super::driver::{Driver, Election, Wish};
use super::leadership::{Leadership, Member, Standing};
use super::timing::Timing;
use crate::config::model;
use crate::etcd::Settings;
use crate::event::Events;
use crate::metrics::names;

/// How long the end of the process waits until leadership is given back. After that it runs out.
const GIVEN_BACK_WITHIN: Duration = Duration::from_secs(2);

/// Has this instance elected, as long as the configuration wants it.
#[derive(Debug)]
pub struct Candidate {
    leadership: Arc<Leadership>,
    events: Arc<Events>,
    /// The section in force.
    config: Option<model::Cluster>,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    wish: watch::Sender<Wish>,
    ended: oneshot::Receiver<()>,
    thread: JoinHandle<()>,
}

/// The section of a configuration that is about to run. Everything that can fail has been done.
#[derive(Debug)]
pub struct Prepared {
    config: Option<model::Cluster>,
    etcd: Option<Settings>,
}

impl Prepared {
    /// This section, on the machine of this name; `etcd` makes the settings of a client, whose calls may take so long.
    ///
    /// # Errors
    ///
    /// A sentence for people, when the settings of TLS can't be used.
    pub fn new(
        config: Option<&model::Cluster>,
        machine: String,
        etcd: impl FnOnce(&model::Etcd, Duration) -> Result<Settings, String>,
    ) -> Result<Self, String> {
        let elect = config.and_then(|cluster| cluster.elect.as_ref());
        let etcd = elect.map(|elect| etcd(&elect.etcd, Timing::new(elect.ttl).patience())).transpose();
        let config = config.cloned().map(|config| model::Cluster { name: config.name.or(Some(machine)), ..config });
        Ok(Self { config, etcd: etcd.map_err(|error| format!("cluster.elect: {error}"))? })
    }
}

impl Candidate {
    /// Leads without an election.
    pub fn new(events: Arc<Events>) -> Self {
        gauge!(names::LEADER.name).set(1.0);
        Self { leadership: Arc::default(), events, config: None, running: None }
    }

    /// What is known of leadership.
    pub fn leadership(&self) -> Arc<Leadership> {
        Arc::clone(&self.leadership)
    }

    /// Is elected as this section says from now on.
    pub fn commit(&mut self, prepared: Prepared) {
        if self.config == prepared.config && (self.running.is_some() || prepared.etcd.is_none()) {
            return;
        }
        if let Some(Running { wish, .. }) = self.running.take() {
            // nobody waits for it; what is under way has the margin of the lease to end
            let margin = self.config.as_ref().and_then(|config| config.elect.as_ref());
            let margin = margin.map_or(Duration::ZERO, |elect| Timing::new(elect.ttl).margin());
            wish.send_replace(Wish::Resign(margin));
        }
        self.config = prepared.config;
        let member = self
            .config
            .as_ref()
            .map(|config| Member { name: config.name.clone().unwrap_or_default(), zone: config.zone.clone() });
        let elect = self.config.as_ref().and_then(|config| config.elect.clone()).zip(prepared.etcd);
        // until etcd has answered, this instance does not lead
        let standing = Standing { member: member.clone(), is_elected: elect.is_some(), ..Standing::default() };
        let section = self.leadership.begin(standing);
        gauge!(names::LEADER.name).set(if elect.is_some() { 0.0 } else { 1.0 });
        if let (Some((elect, etcd)), Some(member)) = (elect, member) {
            let (key, timing) = (format!("{}leader", elect.prefix).into_bytes(), Timing::new(elect.ttl));
            match self.start(Election { etcd, key, timing, member, section }) {
                Ok(running) => self.running = Some(running),
                Err(error) => tracing::error!(%error, "this instance can't be elected: its thread can't be started"),
            }
        }
    }

    fn start(&self, election: Election) -> std::io::Result<Running> {
        let (wish, wishes) = watch::channel(Wish::Lead);
        let (end, ended) = oneshot::channel();
        let (leadership, events) = (self.leadership(), Arc::clone(&self.events));
        let thread = std::thread::Builder::new().name("lead".to_owned()).spawn(move || {
            match Builder::new_current_thread().enable_all().build_local(LocalOptions::default()) {
                Ok(runtime) => {
                    runtime.block_on(Driver::new(election, leadership, events).run(wishes));
                    // a name that is looked up keeps a thread, which must not keep this one
                    runtime.shutdown_background();
                }
                Err(error) => tracing::error!(%error, "this instance can't be elected: its thread can't be started"),
            }
            let _ = end.send(());
        })?;
        Ok(Running { wish, ended, thread })
    }

    /// This one, leaving one that nobody elects.
    pub fn take(&mut self) -> Self {
        let none =
            Self { leadership: self.leadership(), events: Arc::clone(&self.events), config: None, running: None };
        std::mem::replace(self, none)
    }

    /// Gives leadership back. What may be done by one only has to have ended.
    pub async fn resign(&mut self) {
        let Some(Running { wish, mut ended, thread }) = self.running.take() else { return };
        wish.send_replace(Wish::Resign(Duration::ZERO));
        if tokio::time::timeout(GIVEN_BACK_WITHIN, &mut ended).await.is_ok() {
            let _ = thread.join();
        }
    }
}
