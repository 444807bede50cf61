//! The check of a backend that has several paths: a check of each. The backend is well when one of them is good.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{self, UnboundedSender};

use super::super::checks::DueCheck;
use super::super::probe::{self, CheckFailure, CheckResult, PathResult};
use super::Monitor;
use crate::clock::Moment;

/// What the checks of the paths have come to so far.
#[derive(Debug, Default)]
struct Round {
    /// The first good result, and how long it took.
    good: Option<(CheckResult, Duration)>,
    failure: Option<CheckFailure>,
}

/// The check of one path. That it is over is recorded even when it panics or is dropped.
struct PathUnderWay {
    monitor: Monitor,
    key: u64,
    place: usize,
    began: Moment,
    shown: Option<PathResult>,
    told: UnboundedSender<(PathResult, Duration)>,
}

impl Monitor {
    /// Checks all paths at once; gives back the result of the backend, and how long the check took that decided it. Paths that are down are not
    /// waited for when another one is good: each of them would hold the backend's checks up for the whole time-out.
    pub(super) async fn check_paths(&self, job: &DueCheck, began: Moment) -> (CheckResult, Option<Duration>) {
        let (told, mut results) = mpsc::unbounded_channel();
        let places = self.checks().begin_paths(job.key);
        for (place, patience) in places {
            let (monitor, job, told) = (self.clone(), job.clone(), told.clone());
            tokio::task::spawn_local(async move {
                let key = job.key;
                let mut under_way = PathUnderWay { monitor, key, place, began: Moment::now(), shown: None, told };
                let agent = Arc::clone(&under_way.monitor.0.agent);
                under_way.shown = Some(probe::check_path(&job.target, place, patience, &*agent).await);
            });
        }
        drop(told);
        let mut round = Round::default();
        while let Some((shown, took)) = results.recv().await {
            round.add(shown.result, took);
            if round.good.is_some() && !self.checks().are_up_paths_checked(job.key) {
                break;
            }
        }
        round.end(Moment::now().since(began))
    }
}

impl Round {
    fn add(&mut self, result: CheckResult, took: Duration) {
        match result {
            Ok(_) if self.good.is_some() => {}
            Ok(_) => self.good = Some((result, took)),
            // one that says something about the backend says more than one that could not be made
            Err(failure) if self.failure.as_ref().is_none_or(|before| before.is_ours) => self.failure = Some(failure),
            Err(_) => {}
        }
    }

    fn end(self, took: Duration) -> (CheckResult, Option<Duration>) {
        match (self.good, self.failure) {
            (Some((result, took)), _) => (result, Some(took)),
            (None, Some(failure)) => (Err(failure), Some(took)),
            (None, None) => (Err(CheckFailure { reason: "the check broke off".into(), is_ours: true }), None),
        }
    }
}

impl Drop for PathUnderWay {
    fn drop(&mut self) {
        let now = Moment::now();
        self.monitor.path_checked(self.key, self.place, self.shown.as_ref(), self.began, now);
        if let Some(shown) = self.shown.take() {
            // nobody listens where the backend's result is known already
            _ = self.told.send((shown, now.since(self.began)));
        }
    }
}
