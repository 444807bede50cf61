//! The requests of a service as workers have counted them, read from look to look, and what is left where its promise was taken back.

use std::sync::Arc;

use super::STILL_UNDER_WAY;
use crate::clock::{Moment, Stamp};
use crate::metrics::PromisedRequests;
use crate::sla::account::{Account, Left};
use crate::sla::{Incident, Tally};

/// What is left of the account of a service of which nothing is promised any more: requests that began before still end, and were promised to.
pub(super) struct EndedAccount {
    pub requests: Arc<PromisedRequests>,
    pub seen: [u64; 4],
    /// The incident that was under way when it ended.
    pub cut: Option<Incident>,
}

impl EndedAccount {
    /// The incident that may still be under way at `at`, and the time up to which that is known.
    pub fn under_way(&self, at: Stamp) -> Option<(Incident, Stamp)> {
        let incident = self.cut.clone().filter(|incident| incident.is_cut)?;
        let until = incident.ended.filter(|until| at.since(*until) <= STILL_UNDER_WAY)?;
        Some((Incident { ended: None, ..incident }, until))
    }

    /// Has an account go on with the incident that was under way: who takes a promise back and makes it again ends no outage by that. `Some` = the
    /// number of an incident that was told to have broken its RTO.
    pub fn resume(&self, account: &mut Account, now: Moment, at: Stamp) -> Option<i64> {
        let (incident, until) = self.under_way(at)?;
        let told = Some(incident.id).filter(|_| !incident.is_within_rto());
        let away = at.since(until).max(0);
        account.resume(incident, Left { until, up_since: None, away, was_watched: false }, now);
        told
    }

    /// The requests that were accounted of these counters, where they are the same.
    pub fn seen_of(&self, requests: &Arc<PromisedRequests>) -> Option<[u64; 4]> {
        Arc::ptr_eq(&self.requests, requests).then_some(self.seen)
    }

    /// The requests that have ended since they were read last, and whether more may end.
    pub fn read(&mut self) -> (Tally, bool) {
        // nobody else holds the counters: whoever did has counted before it let go
        let may_go_on = Arc::strong_count(&self.requests) > 1;
        (since_before(&self.requests, &mut self.seen), may_go_on)
    }
}

/// The requests that were counted since `seen` was read.
pub(super) fn since_before(requests: &PromisedRequests, seen: &mut [u64; 4]) -> Tally {
    let read = requests.read();
    let before = std::mem::replace(seen, read);
    let since = |at: usize| i64::try_from(read[at].saturating_sub(before[at])).unwrap_or(i64::MAX);
    Tally { good: since(0), failed: since(1), slow: since(2), excluded: since(3), ..Tally::default() }
}
