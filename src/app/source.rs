//! The file that the configuration comes from, with all that it includes: what was read of it last, and who looks whether it holds something else now.

use std::path::{Path, PathBuf};

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, watch};

use super::background;
use crate::config::{self, Diagnostics, Files, Loaded};
use crate::discover::watch::FileWatch;
use crate::stamp::Seen;

/// Where the configuration comes from.
#[derive(Debug)]
pub(super) struct Source {
    /// `None` = it was started without a file.
    path: Option<PathBuf>,
    /// A hash of what was read last.
    hash: Option<u64>,
    /// What was looked at last, whoever had asked for that: a change is a difference from this.
    seen: watch::Sender<Seen>,
}

impl Source {
    /// `read` is what the configuration in force was made of.
    pub fn new(read: Option<(&Path, Files)>) -> Self {
        let (path, files) = read.unzip();
        let Files { seen, hash } = files.unwrap_or_default();
        Self { path: path.map(Path::to_path_buf), hash, seen: watch::Sender::new(seen) }
    }

    /// Whether there is a file at all.
    pub fn is_file(&self) -> bool {
        self.path.is_some()
    }

    /// Reads and checks it, elsewhere: names are looked up, which may take its time.
    ///
    /// # Errors
    ///
    /// Why it can't be read; for people.
    pub async fn load(&mut self) -> Result<Result<Loaded, Diagnostics>, String> {
        let path = self.path.clone().ok_or("it was started without a file")?;
        let (files, loaded) = background::run(move || config::read(&path)).await?;
        self.hash = files.hash;
        self.seen.send_replace(files.seen);
        Ok(loaded)
    }

    /// Whether it holds something else than when it was last read. [`changes`](Self::changes) tells of every touch, also of one that was followed by a
    /// signal and has been read since.
    pub async fn has_changed(&self) -> bool {
        let Some(path) = self.path.clone() else { return false };
        let Ok(files) = background::run(move || config::files(&path)).await else { return false };
        self.seen.send_replace(files.seen);
        files.hash != self.hash
    }

    /// Sends a message when a file has changed since it was last looked at. Without a file, never.
    ///
    /// What the files are compared with is what the last reading has seen, and not what this task itself has seen: a reading that a signal has asked for may
    /// see a file of which this task knows only that it was missing before and is missing again.
    pub fn changes(&self) -> mpsc::Receiver<()> {
        let (tell, told) = mpsc::channel(1);
        let (is_file, mut last) = (self.is_file(), self.seen.subscribe());
        tokio::task::spawn_local(async move {
            if !is_file {
                return tell.closed().await;
            }
            let mut watch = FileWatch::of([]);
            watch.watch_instead(last.borrow_and_update().clone());
            loop {
                tokio::select! {
                    () = watch.changed() => if let Err(TrySendError::Closed(())) = tell.try_send(()) {
                        return;
                    },
                    looked = last.changed() => match looked {
                        Ok(()) => watch.watch_instead(last.borrow_and_update().clone()),
                        Err(_) => return,
                    },
                }
            }
        });
        told
    }
}
