//! The files that say who may come in, and who speaks for others: networks, users and keys. They are read again when they change, without a reload of the configuration.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::task::JoinHandle;

use super::background;
use super::key_sources::KeySources;
use crate::auth::{FileProblem, Watched};
use crate::config::model;
use crate::discover::watch::FileWatch;
use crate::event::{AccessFileChange, Events, Kind, Subject};

/// What is read from a file.
type Reader = Arc<dyn Watched + Send + Sync>;

/// Watches the files of the configuration in force.
pub(super) struct AccessFiles {
    events: Arc<Events>,
    tasks: Vec<JoinHandle<()>>,
    /// The keys that are not in files.
    keys: KeySources,
}

impl AccessFiles {
    /// Watches nothing yet; what happens is told to `events`.
    pub fn new(events: Arc<Events>) -> Self {
        Self { keys: KeySources::new(Arc::clone(&events)), events, tasks: Vec::new() }
    }

    /// Gives what is known and in no file to the next configuration, before that is in force.
    pub fn carry_over(&self, next: &model::Config) {
        self.keys.carry_over(next);
    }

    /// Watches the files of this configuration, and no others any more.
    pub fn commit(&mut self, config: &model::Config) {
        self.keys.commit(config);
        self.tasks.drain(..).for_each(|task| task.abort());
        for (file, readers) in readers(config) {
            self.tasks.push(tokio::task::spawn_local(watch(file, readers, Arc::clone(&self.events))));
        }
    }
}

/// What is read from each file.
fn readers(config: &model::Config) -> BTreeMap<PathBuf, Vec<Reader>> {
    let of_route = |route: &model::Route| {
        let access = route.access.clone().map(|list| list as Reader);
        access.into_iter().chain(route.auth.clone().map(|auth| auth as Reader))
    };
    let of_listener = |listener: &model::Listener| -> Vec<Reader> {
        let lists = listener.access.clone().into_iter().chain(listener.maintenance.allow.clone());
        let proxies = std::iter::once(Arc::clone(&listener.trusted_proxies) as Reader);
        let lists = lists.map(|list| list as Reader).chain(proxies);
        lists.chain(listener.routes.iter().flat_map(of_route)).collect()
    };
    let through = config.services.iter().filter_map(|service| service.maintenance.allow.clone());
    let of_services = through.map(|list| list as Reader);
    let mut by_file: BTreeMap<PathBuf, Vec<Reader>> = BTreeMap::new();
    for reader in config.listeners.iter().flat_map(of_listener).chain(of_services) {
        for file in reader.files() {
            by_file.entry(file.to_owned()).or_default().push(Arc::clone(&reader));
        }
    }
    by_file
}

async fn watch(file: PathBuf, readers: Vec<Reader>, events: Arc<Events>) {
    let mut watch = FileWatch::new(file.clone());
    // it may have changed since the configuration was read
    if let Err(problem) = reload(&readers).await {
        tell(&events, refused(problem));
    }
    loop {
        watch.changed().await;
        tell(
            &events,
            match reload(&readers).await {
                Ok(entries) => AccessFileChange::Loaded { file: shown(&file), entries },
                Err(problem) => refused(problem),
            },
        );
    }
}

fn tell(events: &Events, change: AccessFileChange) {
    events.tell(Subject::default(), Kind::AccessFile(change));
}

fn refused(problem: FileProblem) -> AccessFileChange {
    let FileProblem { file, line, reason } = problem;
    AccessFileChange::Refused { file: shown(&file), line, reason }
}

fn shown(file: &Path) -> String {
    file.display().to_string()
}

/// Reads everything that a file is a part of. Returns how many entries that has, where the file belongs to several the most of one.
async fn reload(readers: &[Reader]) -> Result<usize, FileProblem> {
    let all = readers.to_vec();
    let read = background::run(move || {
        all.iter().try_fold(0, |most: usize, reader| reader.reload().map(|entries| most.max(entries)))
    });
    read.await.unwrap_or_else(|reason| Err(FileProblem { file: PathBuf::new(), line: None, reason }))
}
