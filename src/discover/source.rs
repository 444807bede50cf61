//! A source with what is needed to ask it: a stream of answers. When the next one comes is the source's own affair: DNS is asked again
//! when an answer is over, a file tells that it has changed, etcd sends what changes. (What Consul answers to a long question, and what the API
//! of Kubernetes lists and then watches, have this shape too.)

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::dns::{Dns, Query};
use super::etcd::EtcdPrefix;
use super::pace::Pace;
use super::watch::FileWatch;
use super::{Answer, Backend, Source, file};

/// When a file is read again, though it is the same, because a name in it has no address.
const UNKNOWN_AGAIN: Duration = Duration::from_secs(5);

/// A stream of answers.
#[derive(Debug)]
pub(super) enum Answers {
    Dns { dns: Box<Dns>, query: Query, pace: Pace },
    File { path: PathBuf, watch: FileWatch, pace: Pace },
    Etcd(Box<EtcdPrefix>),
}

impl Answers {
    /// `dns` is what DNS sources ask.
    pub(super) fn of(source: Source, dns: Dns) -> Self {
        match source {
            Source::Dns { query, refresh } => Self::Dns { dns: Box::new(dns), query, pace: Pace::new(Some(refresh)) },
            Source::File(path) => Self::File { watch: FileWatch::new(path.clone()), path, pace: Pace::new(None) },
            Source::Etcd { settings, prefix } => Self::Etcd(Box::new(EtcdPrefix::new(settings, &prefix))),
        }
    }

    /// Waits for the next answer, or for news that there is none, and why. `last` is the last good one. `None` = the source was asked, and
    /// stands by what it has answered last.
    pub(super) async fn next(&mut self, last: Option<&Arc<[Backend]>>) -> Result<Option<Answer>, String> {
        let (answer, pace) = match self {
            Self::Dns { dns, query, pace } => {
                pace.wait().await;
                (dns.ask(query, last.map_or(&[], |last| last)).await, pace)
            }
            Self::File { path, watch, pace } => {
                tokio::select! {
                    () = pace.wait() => {}
                    () = watch.changed() => {}
                }
                (read(path, last).await, pace)
            }
            Self::Etcd(prefix) => return prefix.next().await,
        };
        match &answer {
            Ok(answer) => pace.answered(answer.ttl),
            Err(_) => pace.failed(),
        }
        answer.map(Some)
    }

    /// Whether an answer says how things stand now. A file is read when it changes: how long ago that was says nothing.
    pub(super) fn are_fresh(&self) -> bool {
        !matches!(self, Self::File { .. })
    }
}

async fn read(path: &Path, last: Option<&Arc<[Backend]>>) -> Result<Answer, String> {
    let (path, last) = (path.to_owned(), last.cloned().unwrap_or_default());
    // names in it are looked up as well: the control plane does not wait for that
    let read = tokio::task::spawn_blocking(move || file::read(&path, &last)).await;
    let backends = read.unwrap_or_else(|_| Err("reading it panicked".to_owned()))?;
    let ttl = backends.iter().any(|backend| backend.unresolved.is_some()).then_some(UNKNOWN_AGAIN);
    Ok(Answer { backends, ttl, ..Answer::default() })
}
