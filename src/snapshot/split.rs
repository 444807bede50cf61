//! Traffic divided among services by weight.

/// Services, by their places in the snapshot, that share the requests of a route by weight.
#[derive(Debug)]
pub struct Split {
    /// Each service but the last with the sum of the weights up to and including its own.
    shares: Vec<(u64, usize)>,
    last: usize,
    total: u64,
    /// The service with the largest share; of several, the first.
    largest: usize,
}

impl Split {
    /// Divides by these weights; `None` when there is no weight to divide by.
    pub fn new(weights: impl IntoIterator<Item = (usize, u32)>) -> Option<Self> {
        let (mut total, mut largest) = (0, (0, 0));
        let mut shares: Vec<(u64, usize)> = weights
            .into_iter()
            .filter(|(_, weight)| *weight > 0)
            .map(|(service, weight)| {
                total += u64::from(weight);
                if weight > largest.0 {
                    largest = (weight, service);
                }
                (total, service)
            })
            .collect();
        let (_, last) = shares.pop()?;
        Some(Self { shares, last, total, largest: largest.1 })
    }

    /// The services that it divides among.
    pub fn services(&self) -> impl Iterator<Item = usize> {
        self.shares.iter().map(|(_, service)| *service).chain([self.last])
    }

    /// The service with the largest share.
    pub fn largest(&self) -> usize {
        self.largest
    }

    /// The service for a request. `random` is uniform over all of `u32`.
    pub fn choose(&self, random: u32) -> usize {
        // scaled rather than `%`, which would favour the first services; 128 bits because the product may need more
        // than 64
        let point = ((u128::from(random) * u128::from(self.total)) >> 32) as u64;
        self.shares.iter().find(|(upto, _)| point < *upto).map_or(self.last, |(_, service)| *service)
    }
}
