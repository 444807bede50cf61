//! Watches files for changes, however they are made.
//!
//! Editors write a new file and rename it over the old one; Kubernetes keeps the files of a ConfigMap behind a symbolic link
//! to a folder, and swaps that link. So what is watched is not the file but the folder that it is in, and the folder
//! that it is in once all links are followed. What happens there is only a hint: whether the file has changed is decided by what
//! the system says of it ([`Stamp`]), looked at when the folders have been quiet for a moment, and every few seconds besides: network
//! file systems tell nothing, and a folder may go and come back.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use tracing::debug;

use crate::stamp::{Seen, Stamp, folders, is_only_reading};

/// How long nothing may happen in a folder before the file is looked at: an editor's several steps are one change.
const QUIET: Duration = Duration::from_millis(50);
/// How many such times are waited at most: something may be written there all the time.
const MOST_QUIETS: u32 = 10;
/// How often the file is looked at when the system reports nothing.
const LOOK: Duration = Duration::from_secs(5);

/// Watches files, which need not exist. A folder among them has changed when something has come into it or has gone.
#[derive(Debug)]
pub struct FileWatch {
    seen: Seen,
    hint: Arc<Notify>,
    /// `None` when the system has no watches left: then the file is looked at now and then.
    watcher: Option<RecommendedWatcher>,
    folders: BTreeSet<PathBuf>,
}

impl FileWatch {
    /// Begins to watch one file: [`changed`](Self::changed) tells of what happens after this.
    pub fn new(path: PathBuf) -> Self {
        Self::of([path])
    }

    /// Begins to watch these files, with one instance of the system's watcher (each of those is a thread, and a user may have 128 of inotify's).
    pub fn of(paths: impl IntoIterator<Item = PathBuf>) -> Self {
        let hint = Arc::new(Notify::new());
        let watcher = watcher(Arc::clone(&hint));
        let seen = paths.into_iter().map(|path| (path, None)).collect();
        let mut watch = Self { seen, hint, watcher, folders: BTreeSet::new() };
        watch.watch_folders();
        for (path, seen) in &mut watch.seen {
            *seen = Stamp::of(path);
        }
        watch
    }

    /// Watches these instead: [`changed`](Self::changed) tells of what has happened since they were seen.
    pub fn watch_instead(&mut self, seen: Seen) {
        self.seen = seen;
    }

    /// Waits until a file differs from what it was when this last returned, or at the start. A file that is gone has changed as well.
    /// Nothing is lost when the wait is given up.
    pub async fn changed(&mut self) {
        loop {
            // the folders first: what happens after this look is hinted at again
            self.watch_folders();
            let mut has_changed = false;
            for (path, seen) in &mut self.seen {
                let now = Stamp::of(path);
                has_changed |= now != *seen;
                *seen = now;
            }
            if has_changed {
                return;
            }
            if timeout(LOOK, self.hint.notified()).await.is_ok() {
                self.quiet().await;
            }
        }
    }

    async fn quiet(&self) {
        for _ in 0..MOST_QUIETS {
            sleep(QUIET).await;
            // a hint that came in the meantime is there at once
            if timeout(Duration::ZERO, self.hint.notified()).await.is_err() {
                return;
            }
        }
    }

    /// Watches the folders in which the files are now. One that was replaced by another of the same name needs a new watch too,
    /// so all are set anew; for those that are watched already that changes nothing.
    fn watch_folders(&mut self) {
        let Some(watcher) = &mut self.watcher else { return };
        let folders = all_folders(&self.seen);
        for gone in self.folders.iter().filter(|folder| !folders.contains(*folder)) {
            // the folder may be gone, and the watch with it
            let _ = watcher.unwatch(gone);
        }
        for folder in &folders {
            if let Err(error) = watcher.watch(folder, RecursiveMode::NonRecursive) {
                debug!(folder = %folder.display(), "can't be watched, is looked at every few seconds: {error}");
            }
        }
        self.folders = folders;
    }
}

/// The folders in which the files are, and those that are watched themselves.
fn all_folders(files: &Seen) -> BTreeSet<PathBuf> {
    let itself = |path: &PathBuf| path.is_dir().then(|| path.clone());
    files.iter().flat_map(|(path, _)| folders(path).into_iter().chain(itself(path))).collect()
}

fn watcher(hint: Arc<Notify>) -> Option<RecommendedWatcher> {
    let hear = move |event: notify::Result<notify::Event>| match event {
        // we read the file ourselves
        Ok(event) if is_only_reading(event.kind) => {}
        // an error (such as a queue that was full) is a hint as well: the file is looked at
        _ => hint.notify_one(),
    };
    let made = notify::recommended_watcher(hear);
    made.inspect_err(|error| debug!("files are looked at every few seconds: {error}")).ok()
}
