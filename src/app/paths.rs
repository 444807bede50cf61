//! Has the paths to backends checked at once where something speaks against the one in use: dials that have met trouble on it, and
//! requests that wait while nobody is answered. Left alone, checks would find out a second or two later.

use std::sync::Arc;
use std::time::Duration;

use ahash::AHashMap;

use crate::clock::Moment;
use crate::endpoint::Endpoint;
use crate::health::monitor::Monitor;
use crate::metrics::UpstreamMetrics;
use crate::snapshot::{Service, Snapshot};

/// Nobody was answered for so long while requests were waiting. An answer may take longer, and costs a check then.
const SILENCE: Duration = Duration::from_millis(200);
/// For how long the paths are checked often then.
const DOUBT: Duration = Duration::from_secs(2);

/// What was seen of backends with several paths.
#[derive(Debug, Default)]
pub(super) struct PathSuspicions {
    /// By [`Endpoint::key`].
    seen: AHashMap<u32, Answered>,
}

/// How many attempts with a backend had ended, and since when that is so, or nobody waits.
#[derive(Debug, Clone, Copy)]
struct Answered {
    ended: u64,
    since: Moment,
}

impl PathSuspicions {
    /// Looks at all backends that have several paths.
    pub fn look(&mut self, snapshot: &Snapshot, monitor: &Monitor, now: Moment) {
        for service in snapshot.services.iter().filter(|service| service.health.is_some()) {
            for (endpoint, upstream) in service.endpoints.iter().zip(&service.upstream) {
                if endpoint.addresses.paths().is_some()
                    && (self.is_silent(endpoint, upstream, now) || monitor.have_paths_lost(&service.name, &endpoint.id))
                {
                    hurry(service, endpoint, monitor, now);
                }
            }
        }
    }

    /// Forgets backends that are gone.
    pub fn update(&mut self, snapshot: &Snapshot) {
        let keys: std::collections::HashSet<u32> = snapshot.endpoints().map(|endpoint| endpoint.key).collect();
        self.seen.retain(|key, _| keys.contains(key));
    }

    /// Whether requests wait for the backend, and none was answered for a while.
    fn is_silent(&mut self, endpoint: &Endpoint, upstream: &UpstreamMetrics, now: Moment) -> bool {
        let ended = upstream.attempts().ended;
        let nobody_waits = upstream.waiting().iter().all(|count| *count == 0);
        let seen = self.seen.entry(endpoint.key).or_insert(Answered { ended, since: now });
        if seen.ended != ended || nobody_waits {
            *seen = Answered { ended, since: now };
        }
        now.since(seen.since) >= SILENCE
    }
}

fn hurry(service: &Service, endpoint: &Arc<Endpoint>, monitor: &Monitor, now: Moment) {
    if let Some(health) = &service.health {
        monitor.hurry(&service.name, &endpoint.id, health.fast_interval.min(health.interval), now.plus(DOUBT));
    }
}
