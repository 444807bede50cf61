//! The files that clients are shown: they are read again when they change, without a reload of the configuration.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::background;
use crate::config::model;
use crate::discover::watch::FileWatch;
use crate::event::{Events, Kind, PageFileChange, Subject};
use crate::pages::PageFile;

/// Watches the files of the configuration in force.
pub(super) struct PageFiles {
    events: Arc<Events>,
    /// Has a snapshot built when more of requests is to be kept than before, for what is filled in.
    rebuild: mpsc::Sender<()>,
    task: Option<JoinHandle<()>>,
}

impl PageFiles {
    /// Watches the files of this configuration; what happens is told to `events`.
    pub fn watch(config: &model::Config, events: Arc<Events>, rebuild: mpsc::Sender<()>) -> Self {
        let mut files = Self { events, rebuild, task: None };
        files.commit(config);
        files
    }

    /// Watches the files of this configuration, and no others any more.
    pub fn commit(&mut self, config: &model::Config) {
        self.task.take().inspect(JoinHandle::abort);
        if !config.page_files.is_empty() {
            let files = config.page_files.iter().map(|file| (Arc::clone(file), None)).collect();
            self.task = Some(tokio::task::spawn_local(watch(files, Arc::clone(&self.events), self.rebuild.clone())));
        }
    }
}

/// Reads these files whenever one of them has changed, each beside the reason why it could not be read the last time.
async fn watch(mut files: Vec<(Arc<PageFile>, Option<String>)>, events: Arc<Events>, rebuild: mpsc::Sender<()>) {
    let mut watch = FileWatch::of(files.iter().map(|(file, _)| file.path().to_owned()));
    loop {
        // the first time as well: they may have changed since the configuration was read
        for (file, refused) in &mut files {
            read(file, refused, &events, &rebuild).await;
        }
        watch.changed().await;
    }
}

/// Reads one again, and tells what came of it where that is new.
async fn read(file: &Arc<PageFile>, refused: &mut Option<String>, events: &Events, rebuild: &mpsc::Sender<()>) {
    let (told_before, tag) = (file.tells_of_request(), file.content().tag.clone());
    let reader = Arc::clone(file);
    let read = background::run(move || reader.reload()).await.unwrap_or_else(Err);
    let shown = file.path().display().to_string();
    match read {
        Ok(bytes) => {
            *refused = None;
            if file.content().tag != tag {
                tell(events, PageFileChange::Loaded { file: shown, bytes });
            }
        }
        Err(reason) if refused.as_ref() != Some(&reason) => {
            *refused = Some(reason.clone());
            tell(events, PageFileChange::Refused { file: shown, reason });
        }
        Err(_) => {}
    }
    if file.tells_of_request() && !told_before {
        // one that is on its way already serves as well
        let _ = rebuild.try_send(());
    }
}

fn tell(events: &Events, change: PageFileChange) {
    events.tell(Subject::default(), Kind::PageFile(change));
}
