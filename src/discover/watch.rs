//! Watches a file for changes, however they are made.
//!
//! Editors write a new file and rename it over the old one; Kubernetes keeps the files of a ConfigMap behind a symbolic link
//! to a folder, and swaps that link. So what is watched is not the file but the folder that it is in, and the folder
//! that it is in once all links are followed. What happens there is only a hint: whether the file has changed is decided by what
//! the system says of it ([`Stamp`]), looked at when the folders have been quiet for a moment, and every few seconds besides: network
//! file systems tell nothing, and a folder may go and come back.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use tracing::debug;

use crate::stamp::{Stamp, folders, is_only_reading};

/// How long nothing may happen in a folder before the file is looked at: an editor's several steps are one change.
const QUIET: Duration = Duration::from_millis(50);
/// How many such times are waited at most: something may be written there all the time.
const MOST_QUIETS: u32 = 10;
/// How often the file is looked at when the system reports nothing.
const LOOK: Duration = Duration::from_secs(5);

/// Watches one file, which need not exist.
#[derive(Debug)]
pub struct FileWatch {
    path: PathBuf,
    seen: Option<Stamp>,
    hint: Arc<Notify>,
    /// `None` when the system has no watches left: then the file is looked at now and then.
    watcher: Option<RecommendedWatcher>,
    folders: Vec<PathBuf>,
}

impl FileWatch {
    /// Begins to watch: [`changed`](Self::changed) tells of what happens after this.
    pub fn new(path: PathBuf) -> Self {
        let hint = Arc::new(Notify::new());
        let watcher = watcher(Arc::clone(&hint));
        let mut watch = Self { path, seen: None, hint, watcher, folders: Vec::new() };
        watch.watch_folders();
        watch.seen = Stamp::of(&watch.path);
        watch
    }

    /// Waits until the file differs from what it was when this last returned, or at the start. A file that is gone has changed as well.
    /// Nothing is lost when the wait is given up.
    pub async fn changed(&mut self) {
        loop {
            // the folders first: what happens after this look is hinted at again
            self.watch_folders();
            let now = Stamp::of(&self.path);
            if now != self.seen {
                self.seen = now;
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

    /// Watches the folders in which the file is now. One that was replaced by another of the same name needs a new watch too,
    /// so all are set anew; for those that are watched already that changes nothing.
    fn watch_folders(&mut self) {
        let Some(watcher) = &mut self.watcher else { return };
        let folders = folders(&self.path);
        for gone in self.folders.iter().filter(|folder| !folders.contains(folder)) {
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
