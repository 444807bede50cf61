//! A new version of a service, to which requests move by plan: where its share stands.

use std::sync::Arc;

use super::Split;
use crate::canary::{Plan, WHOLE};

/// A canary, with the splits of all routes that lead to it.
#[derive(Debug, Clone)]
pub struct Canary {
    /// The new version, by its place in [`Snapshot::services`](super::Snapshot::services).
    pub service: usize,
    /// The version in use.
    pub stable: usize,
    /// The plan.
    pub plan: Plan,
    pub(super) splits: Vec<Arc<Split>>,
}

impl Canary {
    /// The share of the requests that the new version gets, in parts of [`WHOLE`].
    pub fn share(&self) -> u32 {
        let weights = self.splits.iter().flat_map(|split| split.weights());
        weights.filter(|(service, _)| *service == self.service).map(|(_, weight)| weight).max().unwrap_or_default()
    }

    /// Gives the new version this share of the requests, in parts of [`WHOLE`]. Workers see it with their next request.
    pub fn set_share(&self, share: u32) {
        let share = share.min(WHOLE);
        for split in &self.splits {
            // whatever a worker sees of it lies between the shares before and now, so that clients move in one direction only
            split.set_weight(self.stable, WHOLE - share);
            split.set_weight(self.service, share);
        }
    }
}
