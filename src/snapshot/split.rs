//! Traffic divided among services by weight.

use std::sync::Arc;

use super::Service;

/// Services that share the requests of a route by weight.
#[derive(Debug)]
pub struct Split {
    /// Each service but the last with the sum of the weights up to and including its own.
    shares: Vec<(u64, Arc<Service>)>,
    last: Arc<Service>,
    total: u64,
}

impl Split {
    /// Divides by these weights; `None` when there is no weight to divide by.
    pub fn new(weights: impl IntoIterator<Item = (Arc<Service>, u32)>) -> Option<Self> {
        let mut total = 0;
        let mut shares: Vec<(u64, Arc<Service>)> = weights
            .into_iter()
            .filter(|(_, weight)| *weight > 0)
            .map(|(service, weight)| {
                total += u64::from(weight);
                (total, service)
            })
            .collect();
        let (_, last) = shares.pop()?;
        Some(Self { shares, last, total })
    }

    /// The service for a request. `random` is uniform over all of `u32`.
    pub fn choose(&self, random: u32) -> &Arc<Service> {
        // Scaled rather than `%`, which would favour the first ones; 128 bits because the total may need more than 32.
        let point = ((u128::from(random) * u128::from(self.total)) >> 32) as u64;
        self.shares.iter().find(|(upto, _)| point < *upto).map_or(&self.last, |(_, service)| service)
    }

    /// The services among which it divides.
    pub fn services(&self) -> impl Iterator<Item = &Arc<Service>> {
        self.shares.iter().map(|(_, service)| service).chain([&self.last])
    }
}
