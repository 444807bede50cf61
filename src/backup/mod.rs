//! Copies of the ledger in a folder or a bucket (`state.backup`), and how they get back.
//!
//! A thread of its own, which gives way to the workers, copies the ledger by SQLite's online backup (sqlite.org/backup.html), looks for damage in the
//! copy, sends it, reads the whole of it back, compares the sums, and deletes copies that are not kept any longer. What can't be copied is tried
//! again. Nobody waits for it but the end of the process, for a few seconds, so that the last copy has everything.
//!
//! * [`copies`]: names, and which copies are kept or taken: pure
//! * `place`: `folder`, or `bucket` (S3, over `client`; `refusal` has what it says in words)
//! * `keeper`: the thread; `standing`: what is shown of it
//! * `restore`: what the command line does
//!
//! Whole copies, as `litestream` made its snapshots, and no log of changes beside them: a ledger is small, one file that can be checked by itself is
//! what a restoration in a hurry needs, and `every` is what may be lost.

mod bucket;
mod client;
pub mod copies;
mod folder;
mod keeper;
mod place;
mod refusal;
mod restore;
mod standing;
mod sum;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use crate::config::model::Backup;
use crate::event::Events;
use crate::io::be_nice;
use crate::metrics::Registry;
use keeper::{Keeper, Orders};
pub use restore::{Restored, list, restore};
pub use standing::{Shown, Standing};

/// How long a process that stops may take for its last copy.
const LAST_COPY: Duration = Duration::from_secs(10);

/// Makes copies while they are wanted.
pub struct Backups {
    /// The folder that the ledger is in.
    folder: PathBuf,
    events: Arc<Events>,
    registry: Arc<Registry>,
    standing: Arc<Standing>,
    /// What is in force.
    wanted: Option<Backup>,
    running: Option<Running>,
}

/// The thread that makes them.
struct Running {
    orders: watch::Sender<Orders>,
    ended: oneshot::Receiver<()>,
    thread: JoinHandle<()>,
}

impl Backups {
    /// Makes none so far.
    pub fn new(folder: &Path, events: Arc<Events>, registry: Arc<Registry>) -> Self {
        Self { folder: folder.to_owned(), events, registry, standing: Arc::default(), wanted: None, running: None }
    }

    /// How they stand.
    pub fn standing(&self) -> Arc<Standing> {
        Arc::clone(&self.standing)
    }

    /// Makes them as this says from now on.
    pub fn commit(&mut self, wanted: Option<&Backup>) {
        if wanted == self.wanted.as_ref() {
            return;
        }
        self.wanted = wanted.cloned();
        let to = wanted.map(|backup| backup.to.to_string());
        self.standing.begin(to, wanted.map(keeper::name).unwrap_or_default());
        self.order(wanted.cloned());
    }

    /// Another process has taken over, and makes the copies from now on.
    pub fn retire(&mut self) {
        self.order(None);
    }

    /// Makes a last copy, which may take [`LAST_COPY`], and ends. To be called when everything is in the ledger.
    pub async fn finish(&mut self) {
        let Some(Running { orders, mut ended, thread }) = self.running.take() else { return };
        orders.send_modify(|orders| orders.stop = Some(Instant::now() + LAST_COPY));
        // it ends by itself in time; more than that takes a disk that hangs
        if tokio::time::timeout(LAST_COPY + Duration::from_secs(1), &mut ended).await.is_ok() {
            let _ = thread.join();
        } else {
            tracing::warn!("the last copy of the ledger hangs, and is given up");
        }
    }

    fn order(&mut self, wanted: Option<Backup>) {
        if let Some(running) = &self.running {
            running.orders.send_modify(|orders| orders.wanted = wanted);
        } else if wanted.is_some() {
            match self.start(wanted) {
                Ok(running) => self.running = Some(running),
                Err(error) => tracing::error!(%error, "the ledger is not copied: there is no thread for it"),
            }
        }
    }

    fn start(&self, wanted: Option<Backup>) -> std::io::Result<Running> {
        let (orders, received) = watch::channel(Orders { wanted, stop: None });
        let (end, ended) = oneshot::channel();
        let keeper = Keeper {
            folder: self.folder.clone(),
            orders: received,
            events: Arc::clone(&self.events),
            standing: Arc::clone(&self.standing),
            registry: Arc::clone(&self.registry),
            failures: 0,
            prune_failed: false,
        };
        let thread = std::thread::Builder::new().name("backup".to_owned()).spawn(move || {
            be_nice();
            match Builder::new_current_thread().enable_all().build_local(LocalOptions::default()) {
                Ok(runtime) => {
                    runtime.block_on(keeper.run());
                    // a name that is looked up keeps a thread, which must not keep this one
                    runtime.shutdown_background();
                }
                Err(error) => tracing::error!(%error, "the ledger is not copied: there is no runtime for it"),
            }
            let _ = end.send(());
        })?;
        Ok(Running { orders, ended, thread })
    }
}
