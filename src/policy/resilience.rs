//! What happens when backends fail: ejection, circuit breaking, retries, the fallback.

use std::ops::RangeInclusive;
use std::time::Duration;

use http::StatusCode;
use http::header::HeaderValue;

use super::template::AnswerBody;

/// `[service.NAME.circuit_breaker]`
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Breaker {
    /// Failures in a row that open it.
    pub failures: u32,
    /// Share of failures over the last 10 s, with at least 20 exchanges, that opens it; 0 = off.
    pub error_rate: f64,
    /// How long it stays open.
    pub open_for: Duration,
    /// How many trials may be under way once that time is over.
    pub half_open: u32,
}

/// `[service.NAME.outlier]`
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outlier {
    /// Failures in a row that eject; 0 = off.
    pub consecutive_failures: u32,
    /// Share of failures over `window` that ejects; 0 = off.
    pub error_rate: f64,
    /// When a backend is ejected for being slower than its peers (`latency_factor`).
    pub latency: LatencyRule,
    /// The time over which the shares and the latency are measured.
    pub window: Duration,
    /// With fewer exchanges in `window`, neither the share of failures nor the latency ejects.
    pub min_requests: u32,
    /// How long an ejection takes; multiplied by the number of ejections so far.
    pub eject_for: Duration,
    /// The longest that an ejection takes.
    pub max_eject_for: Duration,
    /// The share of the backends that may be ejected at a time.
    pub max_ejected: f64,
}

/// `outlier.latency_factor`: when a backend is slower than its peers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum LatencyRule {
    /// Never: 0.
    Off,
    /// When the detector `peers` has gathered enough evidence: "auto".
    Auto,
    /// When its mean is more than this many times the peers' median.
    Factor(f64),
}

/// `[service.NAME.retry]`
#[derive(Debug, Clone, PartialEq)]
pub struct Retry {
    /// Attempts beyond the first.
    pub attempts: u32,
    /// The most retries, as a share of recent exchanges.
    pub budget: f64,
    /// Whether a connection that could not be made is retried.
    pub on_connect: bool,
    /// Whether an exchange is retried whose connection ended before the answer was whole.
    pub on_reset: bool,
    /// The statuses of answers that are retried.
    pub on_status: Vec<StatusCode>,
    /// The pause before the second retry. It doubles with each further retry, and the real pause is drawn at random
    /// between zero and it.
    pub back_off: Duration,
    /// An answer of known length, up to this many bytes, is passed on only when it has come whole, so that it can be
    /// retried until then.
    pub hold: usize,
    /// When a second attempt is made beside one that has no answer; `None` = never.
    pub hedge: Option<Hedge>,
}

/// `retry.hedge`: how long an attempt is waited for before a second one is made beside it ("hedged requests": J. Dean, L. A. Barroso, The Tail at
/// Scale, CACM 2013).
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Hedge {
    /// So long.
    After(Duration),
    /// For longer than this share of the attempts of late took.
    Quantile(f64),
}

/// `fallback = { ... }`: the answer when no backend can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fallback {
    /// Its status.
    pub status: StatusCode,
    /// Its body.
    pub body: AnswerBody,
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

/// How important a request is, for a service that can't answer all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Priority {
    /// The last to be refused.
    High,
    /// In between.
    #[default]
    Normal,
    /// The first to be refused.
    Low,
}

impl Priority {
    /// All of them, the most important first.
    pub const ALL: [Self; 3] = [Self::High, Self::Normal, Self::Low];

    /// As the configuration writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Normal => "normal",
            Self::Low => "low",
        }
    }

    /// What a header says; `None` = none of the three words.
    pub fn parse(text: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|priority| text.trim_ascii().eq_ignore_ascii_case(priority.as_str().as_bytes()))
    }
}

/// `[service.NAME.concurrency]`: an adaptive limit of the exchanges that are in flight.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Concurrency {
    /// The limit is never below.
    pub min: u32,
    /// Nor is it above.
    pub max: u32,
    /// What it begins with.
    pub initial: u32,
    /// So many times the latency without load is taken for no sign of a queue; above 1.
    pub tolerance: f64,
    /// How often that latency is measured again while the limit is reached.
    pub probe: Duration,
    /// The part of the limit, in thousandths, that requests of normal priority may use.
    pub normal: u32,
    /// The part of the limit, in thousandths, that requests of low priority may use.
    pub low: u32,
}

impl Concurrency {
    /// The part of the limit, in thousandths, that requests of this priority may use.
    pub fn part(&self, priority: Priority) -> u32 {
        match priority {
            Priority::High => 1000,
            Priority::Normal => self.normal,
            Priority::Low => self.low,
        }
    }
}
