//! Evidence that adds up: Page's CUSUM of log-likelihood ratios.

/// The evidence at which a backend is accused: the logarithm of the odds, e^12 to 1. With 10,000 backends that are judged ten times a
/// second this would be wrong twice a second if rounds were independent and the model exact and each began anew; what makes it rare is that a
/// healthy round takes away more than it adds, so that the sum nearly always is 0. The traces in `tests` check it.
pub(in crate::detect) const ENOUGH: f64 = 12.0;
/// The most that is kept, as a multiple of [`ENOUGH`], so that a backend that is well again is believed soon.
const AT_MOST: f64 = 1.5;

/// Evidence grows so many times slower while there is evidence of the same against another backend.
const SHARED: f64 = 3.0;
/// There is evidence at this share of what is enough.
const GROWS: f64 = 0.25;
/// Two shares that differ by less are the same.
const CLEARLY: f64 = 0.05;

/// A cumulative sum of log-likelihood ratios that does not fall below zero (E. S. Page, "Continuous inspection schemes", Biometrika 41, 1954).
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::detect) struct Cusum {
    sum: f64,
    /// Evidence that is held back by the pace.
    pending: f64,
    /// What has been added at once, and has not been paid back by the pace.
    used: f64,
    /// What the sum was computed from since it was zero.
    pub(in crate::detect) seen: Seen,
}

/// What evidence is computed from.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::detect) struct Seen {
    /// Attempts.
    pub(in crate::detect) attempts: f64,
    /// What is measured of the backend, added up over these attempts.
    pub(in crate::detect) own: f64,
    /// The same of its peers, for as many attempts.
    pub(in crate::detect) peers: f64,
}

impl Pace {
    /// The pace where there is evidence of the same against another backend as well, if `company` says so: both may have one cause, which
    /// shows when all have it.
    pub(in crate::detect) fn shared(self, company: bool) -> Self {
        self.over(if company { SHARED } else { 1.0 })
    }

    /// So many times slower.
    pub(in crate::detect) fn over(self, times: f64) -> Self {
        Self { a_second: self.a_second / times, ..self }
    }
}

impl Cusum {
    /// Adds a log-likelihood ratio, and what it was computed from.
    pub(in crate::detect) fn add(&mut self, ratio: f64, seen: Seen) {
        if !ratio.is_finite() {
            return;
        }
        let sum = (self.sum + ratio).min(ENOUGH * AT_MOST);
        if sum <= 0.0 {
            *self = Self { pending: self.pending, used: self.used, ..Self::default() };
            return;
        }
        self.sum = sum;
        self.seen.attempts += seen.attempts;
        self.seen.own += seen.own;
        self.seen.peers += seen.peers;
    }

    /// Adds no more than `pace` a second over time, and than `pace.burst` at once. What goes wrong at one moment, however often, is not what goes wrong
    /// all the time.
    pub(in crate::detect) fn add_at(&mut self, pace: Pace, ratio: f64, seconds: f64, seen: Seen) {
        self.used = (self.used - pace.a_second * seconds).max(0.0);
        self.pending = (self.pending + ratio).clamp(-pace.burst, pace.burst * 2.0);
        let adds = self.pending.min((pace.burst - self.used).max(0.0));
        self.pending = (self.pending - adds).max(0.0);
        self.used += adds.max(0.0);
        self.add(adds, seen);
    }

    /// There is some evidence.
    pub(in crate::detect) fn grows(&self) -> bool {
        self.share() >= GROWS
    }

    /// The evidence as a share of what is enough, from 0 to 1.5.
    pub(in crate::detect) fn share(&self) -> f64 {
        self.sum / ENOUGH
    }
}

/// How fast evidence may add up.
#[derive(Debug, Clone, Copy)]
pub(in crate::detect) struct Pace {
    /// The most in a second.
    pub(in crate::detect) a_second: f64,
    /// The most at once.
    pub(in crate::detect) burst: f64,
}

/// What one attempt that went wrong adds, and what one that went well adds (which is negative), if the share that goes wrong is `usual` or
/// `worse` (A. Wald, "Sequential Analysis", 1947). `None` = so much goes wrong usually that nothing can be told.
pub(in crate::detect) fn ratios(usual: f64, worse: f64) -> Option<(f64, f64)> {
    let is_told = usual > 0.0 && worse < 1.0 && worse - usual >= CLEARLY;
    is_told.then(|| ((worse / usual).ln(), ((1.0 - worse) / (1.0 - usual)).ln()))
}
