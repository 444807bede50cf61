//! What became of each request of a load, and figures about it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

/// How a request ended. Everything but [`End::Good`] is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// A backend's 2xx, whole and right.
    Good,
    /// Another status, or a 2xx that no backend made.
    Status(u16),
    /// The connection ended without an answer.
    Cut,
    /// The answer visibly broke off.
    Broken,
    /// The answer looked whole and was not what the backend said.
    Wrong,
    /// No connection.
    Refused,
    /// Nothing came for too long.
    Late,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Good => f.write_str("good"),
            Self::Status(status) => write!(f, "{status}"),
            Self::Cut => f.write_str("cut"),
            Self::Broken => f.write_str("broken off"),
            Self::Wrong => f.write_str("wrong"),
            Self::Refused => f.write_str("refused"),
            Self::Late => f.write_str("never answered"),
        }
    }
}

/// One request.
#[derive(Debug, Clone)]
pub struct Sample {
    pub id: u64,
    pub begun: Instant,
    pub took: Duration,
    /// Whose answer it was.
    pub backend: Option<usize>,
    /// Which generation of the configuration answered, where the situation has several.
    pub generation: Option<usize>,
    pub end: End,
}

impl Sample {
    /// When it ended.
    pub fn ended(&self) -> Instant {
        self.begun + self.took
    }
}

/// All requests of a load, in the order in which they began; or some of them.
#[derive(Debug, Clone)]
pub struct Tally(Vec<Sample>);

impl Tally {
    pub fn new(mut samples: Vec<Sample>) -> Self {
        samples.sort_by_key(|sample| sample.begun);
        Self(samples)
    }

    /// Those of which this is true.
    pub fn only(&self, wanted: impl Fn(&Sample) -> bool) -> Self {
        Self(self.0.iter().filter(|sample| wanted(sample)).cloned().collect())
    }

    /// Those that began from `from` on.
    pub fn since(&self, from: Instant) -> Self {
        self.only(|sample| sample.begun >= from)
    }

    /// Those that began before `to`.
    pub fn before(&self, to: Instant) -> Self {
        self.only(|sample| sample.begun < to)
    }

    pub fn lost(&self) -> Self {
        self.only(|sample| sample.end != End::Good)
    }

    /// The good answers of a backend.
    pub fn good_of(&self, backend: usize) -> Self {
        self.only(|sample| sample.end == End::Good && sample.backend == Some(backend))
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Sample> {
        self.0.iter()
    }

    /// The longest time that a request took.
    pub fn slowest(&self) -> Duration {
        self.0.iter().map(|sample| sample.took).max().unwrap_or_default()
    }

    /// The time that this share of the requests did not exceed.
    pub fn quantile(&self, share: f64) -> Duration {
        let mut took: Vec<Duration> = self.0.iter().map(|sample| sample.took).collect();
        took.sort();
        let at = (took.len() as f64 * share) as usize;
        took.get(at.min(took.len().saturating_sub(1))).copied().unwrap_or_default()
    }

    /// When the first of them ended.
    pub fn first_end(&self) -> Option<Instant> {
        self.0.iter().map(Sample::ended).min()
    }

    /// How many, and how they ended: `3 of 900: 2 x 502, 1 x cut`.
    pub fn of(&self, all: &Self) -> String {
        let mut ends: BTreeMap<End, usize> = BTreeMap::new();
        self.0.iter().for_each(|sample| *ends.entry(sample.end).or_default() += 1);
        let ends: Vec<String> = ends.iter().map(|(end, n)| format!("{n} x {end}")).collect();
        let colon = if ends.is_empty() { "" } else { ": " };
        format!("{} of {}{colon}{}", self.len(), all.len(), ends.join(", "))
    }
}
