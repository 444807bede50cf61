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
    tasks: Vec<JoinHandle<()>>,
}

impl PageFiles {
    /// Watches the files of this configuration; what happens is told to `events`.
    pub fn watch(config: &model::Config, events: Arc<Events>, rebuild: mpsc::Sender<()>) -> Self {
        let mut files = Self { events, rebuild, tasks: Vec::new() };
        files.commit(config);
        files
    }

    /// Watches the files of this configuration, and no others any more.
    pub fn commit(&mut self, config: &model::Config) {
        self.tasks.drain(..).for_each(|task| task.abort());
        for file in &config.page_files {
            let (file, events, rebuild) = (Arc::clone(file), Arc::clone(&self.events), self.rebuild.clone());
            self.tasks.push(tokio::task::spawn_local(watch(file, events, rebuild)));
        }
    }
}

async fn watch(file: Arc<PageFile>, events: Arc<Events>, rebuild: mpsc::Sender<()>) {
    let mut watch = FileWatch::new(file.path().to_owned());
    loop {
        // the first time as well: it may have changed since the configuration was read
        let (told_before, tag) = (file.tells_of_request(), file.content().tag.clone());
        let reader = Arc::clone(&file);
        let read = background::run(move || reader.reload()).await.unwrap_or_else(Err);
        let shown = file.path().display().to_string();
        match read {
            Ok(bytes) if file.content().tag != tag => tell(&events, PageFileChange::Loaded { file: shown, bytes }),
            Ok(_) => {}
            Err(reason) => tell(&events, PageFileChange::Refused { file: shown, reason }),
        }
        if file.tells_of_request() && !told_before {
            // one that is on its way already serves as well
            let _ = rebuild.try_send(());
        }
        watch.changed().await;
    }
}

fn tell(events: &Events, change: PageFileChange) {
    events.tell(Subject::default(), Kind::PageFile(change));
}
