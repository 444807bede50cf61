//! The new versions of services to which requests move by plan: where each is, and what operators say of it.
//!
//! It is the meeting point of the admin address and of whatever looks at the services. Where a canary is, is kept in `state_dir`, so that a reload and a
//! restart go on with it; one whose plan has changed begins anew. It is kept by each instance for itself, by what it sees.

mod file;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use metrics::gauge;

use crate::canary::{Change, Look, Plan, Shift, Standing, WHOLE, Word};
use crate::clock::Moment;
use crate::event::{CanaryChange, Events, Kind, Subject};
use crate::metrics::names;

/// A canary, as it is configured.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The new version.
    pub service: &'a Arc<str>,
    /// The version in use.
    pub stable: &'a Arc<str>,
    /// The plan.
    pub plan: &'a Plan,
}

/// All canaries that are configured.
#[derive(Debug)]
pub struct Canaries {
    all: Mutex<BTreeMap<Arc<str>, Entry>>,
    /// What the file has of those that were not seen so far.
    recalled: Mutex<BTreeMap<String, Kept>>,
    /// `None` = they are not kept.
    file: Option<PathBuf>,
    /// Held while the file is written. Whether that failed the last time: the log tells of the first failure only.
    writing: tokio::sync::Mutex<bool>,
    /// What is in the file is not what it should have.
    is_outdated: AtomicBool,
    events: Arc<Events>,
}

#[derive(Debug)]
struct Entry {
    stable: Arc<str>,
    shift: Shift,
}

/// Where a canary is, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Kept {
    stable: String,
    /// Its plan, as [`Plan::text`] has it.
    plan: String,
    standing: Standing,
}

/// A canary, as it is shown.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    /// The version in use.
    pub stable: Arc<str>,
    /// The plan.
    pub plan: Plan,
    /// Where it is.
    pub standing: Standing,
    /// The share that it gets, in parts of [`WHOLE`].
    pub share: u32,
    /// How long it has been in its step or stage.
    pub lasted: Duration,
    /// The requests that it has had meanwhile.
    pub requests: u64,
    /// Why it stays in its step though the time is over; `None` = it does not.
    pub held: Option<String>,
}

impl Canaries {
    /// Reads where they were before, from the file in this folder.
    pub fn load(folder: Option<&Path>, events: Arc<Events>) -> Self {
        let file = folder.map(|folder| folder.join(file::NAME));
        let recalled = file.as_deref().map(file::read).unwrap_or_default();
        Self {
            all: Mutex::default(),
            recalled: Mutex::new(recalled),
            file,
            writing: tokio::sync::Mutex::default(),
            is_outdated: AtomicBool::new(false),
            events,
        }
    }

    /// Takes on what is configured now. Returns the share of each, in their order.
    pub fn update<'a>(&self, wanted: impl Iterator<Item = Wanted<'a>>, now: Moment) -> Vec<u32> {
        let mut all = self.all();
        let mut before = std::mem::take(&mut *all);
        let mut shares = Vec::new();
        for Wanted { service, stable, plan } in wanted {
            let known = before.remove(service);
            if let Some(other) = known.as_ref().filter(|known| known.stable != *stable) {
                hide(service, &other.stable);
            }
            let known = known.filter(|known| known.stable == *stable && known.shift.plan() == plan);
            let entry = known.unwrap_or_else(|| {
                self.is_outdated.store(true, Ordering::Relaxed);
                let shift = self.begin(service, stable, plan, now);
                Entry { stable: Arc::clone(stable), shift }
            });
            shares.push(entry.shift.share());
            show(service, stable, entry.shift.share());
            all.insert(Arc::clone(service), entry);
        }
        for (service, gone) in before {
            self.is_outdated.store(true, Ordering::Relaxed);
            if !all.contains_key(&service) {
                hide(&service, &gone.stable);
            }
        }
        shares
    }

    /// Goes on where it was before, if that was with the same plan, and else begins.
    fn begin(&self, service: &Arc<str>, stable: &Arc<str>, plan: &Plan, now: Moment) -> Shift {
        let recalled = self.recalled.lock().unwrap_or_else(PoisonError::into_inner).remove(&**service);
        let is_same = |kept: &Kept| *kept.stable == **stable && kept.plan == plan.text();
        if let Some(kept) = recalled.filter(is_same) {
            return Shift::new(plan.clone(), kept.standing, now);
        }
        let shift = Shift::new(plan.clone(), Standing::first(), now);
        self.tell(service, stable, Change::Stepped { from: 0, to: shift.share(), requests: 0 });
        shift
    }

    /// Whether there is one of this service that is on its way.
    pub fn is_watched(&self, service: &str) -> bool {
        self.all().get(service).is_some_and(|entry| entry.shift.is_watched())
    }

    /// Takes in what both services have shown; gives back the share of the canary, if that is another one now.
    pub fn look(&self, service: &Arc<str>, look: Look<'_>) -> Option<u32> {
        let mut all = self.all();
        let entry = all.get_mut(service)?;
        let change = entry.shift.look(look)?;
        Some(self.changed(service, entry, change))
    }

    /// An operator has said this of the canary. Gives back its share, which is to be put in force.
    ///
    /// # Errors
    ///
    /// When this service is no canary.
    pub fn say(&self, service: &Arc<str>, word: Word, who: &str, now: Moment) -> Result<u32, String> {
        let mut all = self.all();
        let no_canary = || format!("no route has a canary {service:?}");
        let entry = all.get_mut(service).ok_or_else(no_canary)?;
        tracing::info!(service = &**service, who, "an operator said of the canary: {}", word.as_str());
        match entry.shift.say(word, who, now) {
            Some(change) => Ok(self.changed(service, entry, change)),
            None => Ok(entry.shift.share()),
        }
    }

    /// The canary of this service, as it is at `now`; `None` = it is none.
    pub fn shown(&self, service: &str, now: Moment) -> Option<Shown> {
        let all = self.all();
        let Entry { stable, shift } = all.get(service)?;
        Some(Shown {
            stable: Arc::clone(stable),
            plan: shift.plan().clone(),
            standing: shift.standing().clone(),
            share: shift.share(),
            lasted: shift.lasted(now),
            requests: shift.requests(),
            held: shift.held().map(str::to_owned),
        })
    }

    /// Whether the file has to be written, as of the last time that this was asked.
    pub fn is_outdated(&self) -> bool {
        self.file.is_some() && self.is_outdated.swap(false, Ordering::Relaxed)
    }

    /// Writes to the file where they are; `false` = that was not possible. Of several failures in a row, the log tells of the first.
    pub async fn keep(&self) -> bool {
        let Some(path) = self.file.clone() else { return false };
        let mut has_failed = self.writing.lock().await;
        let text = file::text(&self.kept());
        let written = tokio::task::spawn_blocking(move || super::file::write(&path, &text?)).await;
        let written = written.map_err(std::io::Error::other).and_then(|written| written);
        let had_failed = std::mem::replace(&mut *has_failed, written.is_err());
        match written {
            Ok(()) => true,
            Err(error) => {
                // it is tried again at the next look
                self.is_outdated.store(true, Ordering::Relaxed);
                if !had_failed {
                    tracing::warn!(%error, "where canaries are can't be kept, and begins anew with the next start");
                }
                false
            }
        }
    }

    /// Waits until what is being written is.
    pub(super) async fn is_kept(&self) {
        drop(self.writing.lock().await);
    }

    /// What is to be kept, by service.
    fn kept(&self) -> BTreeMap<String, Kept> {
        let kept = |(service, entry): (&Arc<str>, &Entry)| {
            let (stable, plan) = (entry.stable.to_string(), entry.shift.plan().text());
            (service.to_string(), Kept { stable, plan, standing: entry.shift.standing().clone() })
        };
        self.all().iter().map(kept).collect()
    }

    fn changed(&self, service: &Arc<str>, entry: &Entry, change: Change) -> u32 {
        let share = entry.shift.share();
        self.is_outdated.store(true, Ordering::Relaxed);
        show(service, &entry.stable, share);
        self.tell(service, &entry.stable, change);
        share
    }

    fn tell(&self, service: &Arc<str>, stable: &str, change: Change) {
        let change = CanaryChange { stable: stable.to_owned(), change };
        self.events.tell(Subject::service(service), Kind::Canary(change));
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Entry>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The share of both, in the metrics.
fn show(canary: &str, stable: &str, share: u32) {
    for (service, share) in [(canary, share), (stable, WHOLE - share.min(WHOLE))] {
        let labels = [("canary", canary.to_owned()), ("service", service.to_owned())];
        gauge!(names::CANARY_SHARE.name, &labels).set(f64::from(share) / f64::from(WHOLE));
    }
}

/// There is no such plan any more.
fn hide(canary: &str, stable: &str) {
    for service in [canary, stable] {
        let labels = [("canary", canary.to_owned()), ("service", service.to_owned())];
        gauge!(names::CANARY_SHARE.name, &labels).set(0.0);
    }
}
