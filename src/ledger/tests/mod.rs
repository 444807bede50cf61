//! Tests of the ledger through its front door.

mod claim;
mod clock;
mod damage;
mod hostile;
mod times;
pub(crate) mod measure;
mod owner;
mod recoveries;
mod thread;
mod tools;
mod touched;
mod versions;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::{Batch, Keeper, Ledger, Level, Reader, Trouble};
use crate::clock::Stamp;
use crate::sla::{Action, Cause, CauseKind, Incident, Tally};

/// 2026-11-27T00:00:00Z.
const MIDNIGHT: Stamp = Stamp::from_millis(1_795_737_600_000);

/// A folder of its own for each test, gone afterwards.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("evenkeel-ledger-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("ledger.sqlite")
    }

    /// The files whose name contains this.
    fn named(&self, part: &str) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.file_name().unwrap().to_string_lossy().contains(part)).collect()
    }
}

impl std::ops::Deref for Folder {
    type Target = Path;
    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What a ledger has told.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<Trouble>>>);

impl Told {
    fn all(&self) -> Vec<Trouble> {
        self.0.lock().unwrap().clone()
    }
}

fn start(folder: &Path) -> (Ledger, Told) {
    let told = Told::default();
    let all = told.clone();
    let ledger = Ledger::of(folder, Box::new(move |trouble| all.0.lock().unwrap().push(trouble)));
    ledger.begin();
    (ledger, told)
}

/// Enters a batch and waits until it is on the disk.
fn enter(ledger: &Ledger, batch: Batch) {
    ledger.enter(batch).unwrap();
    assert!(ledger.flush(Duration::from_secs(60)));
}

fn batch(until: Stamp) -> Batch {
    Batch { until: Some(until), steady_ms: HOUR, keeper: Keeper(1), ..Batch::default() }
}

/// `seconds` seconds of a service from `from` on, each up, with a good request.
fn up(service: &str, from: Stamp, seconds: i64) -> Batch {
    let service: Arc<str> = service.into();
    let tally = Tally { up: 1000, good: 1, ..Tally::default() };
    let tallies = (0..seconds).map(|n| (Arc::clone(&service), from.plus(1000 * n), tally)).collect();
    Batch { tallies, ..batch(from.plus(1000 * seconds)) }
}

fn of(reader: &Reader, service: &str, from: Stamp, to: Stamp) -> Tally {
    reader.tallies(from, to).unwrap().get(service).copied().unwrap_or_default()
}

fn incident(id: i64, began: Stamp, ended: Option<Stamp>) -> Incident {
    Incident {
        id,
        service: "api".into(),
        began,
        detected: began.plus(300),
        ended,
        is_cut: false,
        lasted_ms: 7000,
        down_ms: 7000,
        rto_ms: 60_000,
        cause: Cause { kind: CauseKind::Check, text: "no backend answers \"in time\"".to_owned() },
        backends: vec!["a:1".into(), "b:2".into()],
        actions: vec![Action { at: began.plus(400), text: "ejected a:1".to_owned() }],
        lost: 12,
        good: 3,
    }
}

const HOUR: i64 = Level::Hour.millis();
const DAY: i64 = Level::Day.millis();
