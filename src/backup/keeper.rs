//! The thread that makes copies: when one is due, how it is made and read back, and what is told of it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use metrics::{counter, gauge};
use tokio::sync::watch;
use tokio::time::Instant;

use super::copies::{Copy, are_borne_out, outdated};
use super::folder::Scratch;
use super::place::Place;
use super::standing::{Failing, Standing};
use super::sum::{self, Summing};
use crate::clock::Stamp;
use crate::config::model::Backup;
use crate::event::{BackupChange, Events, Kind, Subject};
use crate::ledger::{self, tools};
use crate::metrics::Registry;
use crate::metrics::names::{self, Metric};
use crate::webhook::{Pauses, instance};

/// How often it is looked whether there is a ledger by now.
const LOOK: Duration = Duration::from_secs(1);

/// The first pause after a failure, and the longest one, which is `every` where that is shorter.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));

/// What is counted of copies.
static METRICS: [&Metric; 4] = [&names::BACKUPS, &names::BACKUP_LAST, &names::BACKUP_INTERVAL, &names::BACKUP_SIZE];

/// What the control plane wants.
#[derive(Debug, Clone, Default)]
pub(super) struct Orders {
    /// What is to be done; `None` = nothing.
    pub wanted: Option<Backup>,
    /// The process stops: one last copy is to be made, which may take until then.
    pub stop: Option<Instant>,
}

/// Makes copies of the ledger of a folder.
pub(super) struct Keeper {
    pub folder: PathBuf,
    pub orders: watch::Receiver<Orders>,
    pub events: Arc<Events>,
    pub standing: Arc<Standing>,
    pub registry: Arc<Registry>,
    /// Failures since the last success.
    pub failures: u32,
    /// Copies that are not wanted any more could not be deleted, which was told.
    pub prune_failed: bool,
}

impl Keeper {
    /// Obeys until the process stops.
    pub async fn run(mut self) {
        loop {
            let orders = self.orders.borrow_and_update().clone();
            let mut changed = self.orders.clone();
            match (orders.wanted, orders.stop) {
                (Some(backup), Some(stop)) => return self.last(&backup, stop).await,
                (None, Some(_)) => return,
                (None, None) => {
                    METRICS.iter().for_each(|metric| self.registry.keep(metric, |_| false));
                    if changed.changed().await.is_err() {
                        return;
                    }
                }
                (Some(backup), None) => {
                    // what is under way is given up: a copy that is not whole has no name
                    tokio::select! {
                        biased;
                        gone = changed.changed() => if gone.is_err() { return },
                        () = self.keep_copying(&backup) => {}
                    }
                }
            }
        }
    }

    /// Makes copies for ever.
    async fn keep_copying(&mut self, backup: &Backup) {
        self.failures = 0;
        gauge!(names::BACKUP_LAST.name).set(0.0);
        gauge!(names::BACKUP_INTERVAL.name).set(backup.every.as_secs_f64());
        // both are there from the start, so that the first failure is an increase
        for outcome in ["made", "failed"] {
            counter!(names::BACKUPS.name, "outcome" => outcome).increment(0);
        }
        let mut due = self.first(backup).await;
        loop {
            tokio::time::sleep_until(due).await;
            while !self.folder.join(ledger::FILE_NAME).exists() {
                tokio::time::sleep(LOOK).await;
            }
            let began = Instant::now();
            due = match self.copy(backup).await {
                true => began + backup.every,
                false => {
                    let pauses = Pauses { first: PAUSES.0, longest: PAUSES.1.min(backup.every) };
                    Instant::now() + pauses.after(self.failures, Duration::ZERO, fastrand::f64())
                }
            };
        }
    }

    /// When the first copy is due: as the newest one says that is there. What is wrong with the place shows when that is made.
    async fn first(&self, backup: &Backup) -> Instant {
        let known = match Place::open(&backup.to) {
            Ok(place) => place.list(Some(&name(backup))).await.unwrap_or_default(),
            Err(_) => Vec::new(),
        };
        let newest = known.into_iter().max_by_key(|copy| copy.made);
        let Some(newest) = newest else { return Instant::now() };
        self.show(backup, &newest);
        let age = u64::try_from(Stamp::now().since(newest.made)).map_or(backup.every, Duration::from_millis);
        Instant::now() + backup.every.saturating_sub(age)
    }

    /// Makes the last copy, if there is time.
    async fn last(&mut self, backup: &Backup, stop: Instant) {
        if !self.folder.join(ledger::FILE_NAME).exists() {
            return;
        }
        match tokio::time::timeout_at(stop, self.copy(backup)).await {
            Ok(true) => tracing::info!(to = %backup.to, "the ledger is copied for the last time"),
            // that was told
            Ok(false) => {}
            Err(_) => tracing::warn!(to = %backup.to, "the last copy of the ledger takes too long, and is given up"),
        }
    }

    /// Makes a copy, and tells how that went.
    async fn copy(&mut self, backup: &Backup) -> bool {
        let made = self.make(backup).await;
        let to = backup.to.to_string();
        match made {
            Ok(copy) => {
                counter!(names::BACKUPS.name, "outcome" => "made").increment(1);
                self.show(backup, &copy);
                self.failures = 0;
                if let Some(failing) = self.standing.recovered() {
                    let change = BackupChange::Recovered { to, after: failing.since.elapsed() };
                    self.events.tell(Subject::default(), Kind::LedgerBackup(change));
                }
                true
            }
            Err(reason) => {
                counter!(names::BACKUPS.name, "outcome" => "failed").increment(1);
                self.failures += 1;
                tracing::debug!(to = %backup.to, reason, "the ledger could not be copied");
                if self.standing.failed(&to, Failing { since: std::time::Instant::now(), reason: reason.clone() }) {
                    self.events.tell(Subject::default(), Kind::LedgerBackup(BackupChange::Failed { to, reason }));
                }
                false
            }
        }
    }

    /// Makes a copy, reads it back, and deletes those that are not kept any longer.
    async fn make(&mut self, backup: &Backup) -> Result<Copy, String> {
        let scratch = scratch(&self.folder);
        let made = Stamp::now();
        tools::backup(&self.folder, &scratch.0)?;
        let (sum, size) = sum::of_file(&scratch.0).map_err(|error| format!("{}: {error}", scratch.0.display()))?;
        let copy = Copy { instance: name(backup), made, size, sum };
        let place = Place::open(&backup.to)?;
        place.put(&copy, &scratch.0).await?;
        let mut read = Summing::new(io::sink(), copy.size);
        place.get(&copy, &mut read).await.map_err(|error| format!("the copy can't be read back: {error}"))?;
        if !read.is(&copy) {
            // where it can't be deleted, its name says what it should have been
            let _ = place.remove(&copy).await;
            return Err("what was read back is not what was written".to_owned());
        }
        self.prune(&place, &copy, backup).await;
        Ok(copy)
    }

    /// Deletes what is not kept any longer. That it can't is no failure of the copy.
    async fn prune(&mut self, place: &Place, newest: &Copy, backup: &Backup) {
        let pruned = async {
            let mut copies = place.list(Some(&newest.instance)).await?;
            // copies of a clock that was ahead, which would be the newest ones for ever
            copies.retain(|copy| copy.made <= newest.made);
            if !are_borne_out(&copies, backup.every) {
                return Ok(());
            }
            for copy in outdated(&copies, backup.keep, newest.made) {
                place.remove(copy).await?;
            }
            Ok::<_, String>(())
        };
        let pruned = pruned.await;
        if let Err(reason) = &pruned
            && !self.prune_failed
        {
            tracing::warn!(to = %backup.to, reason, "copies of the ledger that are not kept any longer can't be deleted");
        }
        self.prune_failed = pruned.is_err();
    }

    fn show(&self, backup: &Backup, copy: &Copy) {
        gauge!(names::BACKUP_LAST.name).set(copy.made.as_millis() as f64 / 1000.0);
        gauge!(names::BACKUP_SIZE.name).set(copy.size as f64);
        self.standing.made(&backup.to.to_string(), copy.made, copy.size);
    }
}

/// What copies of this instance are filed under.
pub(super) fn name(backup: &Backup) -> String {
    backup.name.clone().unwrap_or_else(|| {
        let machine = instance();
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let plain: String = machine.chars().map(|c| if is_plain(c) { c } else { '-' }).collect();
        if plain.trim_matches('.').is_empty() { "evenkeel".to_owned() } else { plain }
    })
}

/// The file that the ledger is copied to before it is sent. What a process that was killed has left is removed; while an upgrade lasts there are two
/// processes, so each has a name of its own.
fn scratch(folder: &Path) -> Scratch {
    let begin = "ledger.copy-";
    let own = folder.join(format!("{begin}{}.sqlite", std::process::id()));
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(rest) = name.to_str().and_then(|name| name.strip_prefix(begin)) else { continue };
        let process = rest.split('.').next().unwrap_or_default();
        if process == std::process::id().to_string() || !Path::new("/proc").join(process).exists() {
            let _ = std::fs::remove_file(entry.path());
        }
    }
    Scratch(own)
}
