//! The times of an election, all of which follow from that of the lease.

use std::time::Duration;

/// The first pause after a failure; it doubles up to a sixth of the lease.
const PAUSE: Duration = Duration::from_millis(100);

/// How long leases last, and what follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    ttl: Duration,
}

impl Timing {
    /// For leases of this time, which is counted in whole seconds.
    pub fn new(ttl: Duration) -> Self {
        Self { ttl }
    }

    /// The time of a lease.
    pub fn ttl(self) -> Duration {
        self.ttl
    }

    /// How often a lease is renewed, and others look who has the key.
    pub fn every(self) -> Duration {
        self.ttl / 3
    }

    /// How long before the lease can have run out nothing is done any more. In this time what is under way is killed; and no two clocks go so
    /// differently that it is used up by that.
    pub fn margin(self) -> Duration {
        self.ttl / 5
    }

    /// How long before our leadership ends it is renewed.
    pub fn renewed_before(self) -> Duration {
        self.ttl - self.margin() - self.every()
    }

    /// How long a question may take at first. While a lease lasts, there is time for another one at the next endpoint.
    pub fn patience(self) -> Duration {
        self.ttl / 6
    }

    /// The pause after a failure that so many others came before.
    pub fn pause_after(self, failures: u32) -> Duration {
        PAUSE.saturating_mul(1 << failures.min(8)).min(self.ttl / 6)
    }

    /// After what time without an answer etcd counts as gone: by then whoever leads has lost it.
    pub fn gone_after(self) -> Duration {
        self.ttl - self.margin()
    }
}
