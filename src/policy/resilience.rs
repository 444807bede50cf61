//! What happens when backends fail: ejection, circuit breaking, retries, the fallback.

use std::ops::RangeInclusive;
use std::time::Duration;

use http::StatusCode;
use http::header::HeaderValue;

/// `[service.NAME.circuit_breaker]`
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Breaker {
    /// Failures in a row that open it.
    pub failures: u32,
    /// Share of failures over the last 10 s, with at least 20 exchanges, that opens it; 0 = off.
    pub error_rate: f64,
    /// How long it stays open.
    pub open_for: Duration,
    /// Trials at a time once that time is over.
    pub half_open: u32,
}

/// `[service.NAME.outlier]`
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outlier {
    /// Failures in a row that eject; 0 = off.
    pub consecutive_failures: u32,
    /// Share of failures over `window` that ejects; 0 = off.
    pub error_rate: f64,
    /// Ejected when slower than this many times the peers' median; 0 = off.
    pub latency_factor: f64,
    /// Over what time.
    pub window: Duration,
    /// With fewer exchanges in `window` no rate and no latency is judged.
    pub min_requests: u32,
    /// For how long, times the number of ejections so far.
    pub eject_for: Duration,
    /// For how long at most.
    pub max_eject_for: Duration,
    /// Share of the backends that may be out.
    pub max_ejected: f64,
}

/// `[service.NAME.retry]`
#[derive(Debug, Clone, PartialEq)]
pub struct Retry {
    /// Attempts beyond the first.
    pub attempts: u32,
    /// Share of the exchanges of late that attempts beyond the first may be.
    pub budget: f64,
    /// No connection could be made.
    pub on_connect: bool,
    /// A connection ended before a whole answer.
    pub on_reset: bool,
    /// Answers with these statuses.
    pub on_status: Vec<StatusCode>,
    /// Before the second retry; it doubles, and is drawn at random from zero upwards.
    pub back_off: Duration,
    /// An answer whose length is known and at most this is passed on only when it is whole.
    pub hold: usize,
}

/// `fallback = { ... }`: the answer when no backend can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fallback {
    /// Its status.
    pub status: StatusCode,
    /// Its body.
    pub body: bytes::Bytes,
    /// The type of the body.
    pub content_type: HeaderValue,
    /// `Retry-After`, in whole seconds.
    pub retry_after: Option<u64>,
}

/// Statuses, as ranges of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statuses(pub Vec<RangeInclusive<u16>>);

impl Statuses {
    /// Whether this is one of them.
    pub fn contain(&self, status: StatusCode) -> bool {
        self.0.iter().any(|range| range.contains(&status.as_u16()))
    }
}
