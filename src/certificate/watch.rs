//! The thread that watches the files of certificates.
//!
//! A thread of its own, because a file system far away may keep whoever asks it waiting: neither a worker nor the control plane does. What the system tells of the folders is only a hint;
//! what decides is what the files hold, which is looked at as soon as the folders have been quiet for a moment, and every second besides: network file systems tell nothing.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant, SystemTime};

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;
use tracing::debug;

use super::keeper::{Keeper, Looked, Material, Owner, Watched};
use super::unusable::Unusable;
use crate::io::be_nice;
use crate::stamp::{folders, is_only_reading};

/// How long nothing may happen in the folders before the files are looked at: several steps are one change.
const QUIET: Duration = Duration::from_millis(20);
/// How many such times are waited at most.
const MOST_QUIETS: u32 = 10;
/// How often files are looked at when the system tells nothing.
const LOOK: Duration = Duration::from_secs(1);
/// With very many files, the pause before a look that nothing hints at is so many times as long as the last one took.
const REST: u32 = 20;
/// The same of a look that is hinted at: something may be written in these folders all the time.
const SHORT_REST: u32 = 4;
/// Findings that may wait for the control plane.
const WAITING: usize = 64;

/// What was found.
#[derive(Debug)]
pub struct Finding {
    /// Which call of [`Watch::set`] it answers.
    round: u64,
    /// Whose files they are.
    pub owner: Owner,
    /// What is to be in force.
    pub renewed: Option<Material>,
    /// What can't be used, and was not told before.
    pub unusable: Vec<Unusable>,
    /// All that can't be used now, where that has changed.
    pub refused: Option<Vec<Unusable>>,
}

/// Watches files until it is dropped.
#[derive(Debug)]
pub struct Watch {
    /// To the thread, once there is one.
    orders: Option<Sender<Order>>,
    findings: mpsc::Sender<Finding>,
    found: mpsc::Receiver<Finding>,
    round: u64,
}

enum Order {
    /// Something may have changed.
    Look,
    /// These are to be watched from now on.
    Watch(u64, Vec<Watched>),
    /// Nobody wants to know any more.
    End,
}

impl Default for Watch {
    /// Watches nothing yet.
    fn default() -> Self {
        let (findings, found) = mpsc::channel(WAITING);
        Self { orders: None, findings, found, round: 0 }
    }
}

impl Watch {
    /// Watches these files from now on, and no others. The thread begins when there is something to watch for the first time.
    ///
    /// # Errors
    ///
    /// The thread can't be started: changes are seen at reloads only.
    pub fn set(&mut self, watched: Vec<Watched>) -> std::io::Result<()> {
        self.round += 1;
        if self.orders.is_none() {
            if watched.is_empty() {
                return Ok(());
            }
            let (orders, received) = channel();
            let (hints, findings) = (orders.clone(), self.findings.clone());
            let thread = std::thread::Builder::new().name("certificates".to_owned());
            thread.spawn(move || {
                be_nice();
                Thread::new(hints, findings).run(&received);
            })?;
            self.orders = Some(orders);
        }
        if let Some(orders) = &self.orders {
            // the thread ends with us only
            let _ = orders.send(Order::Watch(self.round, watched));
        }
        Ok(())
    }

    /// Waits for the next finding. Nothing is lost when the wait is given up.
    pub async fn next(&mut self) -> Option<Finding> {
        loop {
            let finding = self.found.recv().await?;
            // what was found before other files were set, which have been read since, is of no use
            if finding.round == self.round {
                return Some(finding);
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(orders) = &self.orders {
            let _ = orders.send(Order::End);
        }
    }
}

struct Thread {
    findings: mpsc::Sender<Finding>,
    /// `None` when the system has no watches left.
    watcher: Option<RecommendedWatcher>,
    folders: HashSet<PathBuf>,
    keepers: Vec<Keeper>,
    round: u64,
    /// When the last look is long enough ago.
    rested: Instant,
}

impl Thread {
    fn new(hints: Sender<Order>, findings: mpsc::Sender<Finding>) -> Self {
        let hear = move |event: notify::Result<notify::Event>| match event {
            // we read the files ourselves
            Ok(event) if is_only_reading(event.kind) => {}
            // an error (such as a queue that was full) is a hint as well
            _ => _ = hints.send(Order::Look),
        };
        let watcher = notify::recommended_watcher(hear);
        let watcher = watcher.inspect_err(|error| debug!("certificates are looked at every second: {error}")).ok();
        Self { findings, watcher, folders: HashSet::new(), keepers: Vec::new(), round: 0, rested: Instant::now() }
    }

    fn run(mut self, orders: &Receiver<Order>) {
        let mut pause = LOOK;
        loop {
            match orders.recv_timeout(pause) {
                Ok(Order::End) | Err(RecvTimeoutError::Disconnected) => return,
                Ok(Order::Watch(round, watched)) => self.set(round, watched),
                Ok(Order::Look) => {
                    if self.quiet(orders) {
                        return;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            let began = Instant::now();
            if !self.look() {
                return;
            }
            let took = began.elapsed();
            pause = LOOK.max(took * REST);
            self.rested = Instant::now() + took * SHORT_REST;
        }
    }

    fn set(&mut self, round: u64, watched: Vec<Watched>) {
        self.round = round;
        self.keepers = watched.into_iter().map(Keeper::new).collect();
    }

    /// Waits until the folders have been quiet for a moment, and the last look is long enough ago; whether it is over.
    fn quiet(&mut self, orders: &Receiver<Order>) -> bool {
        let latest = self.rested.max(Instant::now() + QUIET * MOST_QUIETS);
        loop {
            let received = orders.recv_timeout(QUIET);
            let now = Instant::now();
            match received {
                Ok(Order::Watch(round, watched)) => self.set(round, watched),
                Ok(Order::End) | Err(RecvTimeoutError::Disconnected) => return true,
                Ok(Order::Look) if now >= latest => return false,
                Err(RecvTimeoutError::Timeout) if now >= self.rested => return false,
                Ok(Order::Look) | Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// Looks at all files; whether somebody wants to know.
    fn look(&mut self) -> bool {
        // the folders first: what happens after this look is hinted at again
        self.watch_folders();
        let (now, wall) = (Instant::now(), SystemTime::now());
        for keeper in &mut self.keepers {
            let Looked { renewed, unusable, refused } = keeper.look(now, wall);
            if renewed.is_none() && unusable.is_empty() && refused.is_none() {
                continue;
            }
            let finding = Finding { round: self.round, owner: keeper.owner.clone(), renewed, unusable, refused };
            if self.findings.blocking_send(finding).is_err() {
                return false;
            }
        }
        true
    }

    /// Watches the folders in which the files are now. One that was replaced by another of the same name needs a new watch too, so all are set anew; for
    /// those that are watched already that changes nothing.
    fn watch_folders(&mut self) {
        let Some(watcher) = &mut self.watcher else { return };
        let mut wanted: HashSet<PathBuf> =
            self.keepers.iter().flat_map(Keeper::files).flat_map(|file| folders(file)).collect();
        for folder in self.keepers.iter().flat_map(Keeper::folders) {
            wanted.insert(folder.clone());
            wanted.extend(below(folder));
        }
        for gone in self.folders.difference(&wanted) {
            // the folder may be gone, and the watch with it
            let _ = watcher.unwatch(gone);
        }
        for folder in &wanted {
            if let Err(error) = watcher.watch(folder, RecursiveMode::NonRecursive) {
                debug!(folder = %folder.display(), "can't be watched, is looked at every second: {error}");
            }
        }
        self.folders = wanted;
    }
}

/// The folders that are directly in this one.
fn below(folder: &PathBuf) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.filter(|path| path.is_dir()).collect()
}
