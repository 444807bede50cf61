//! How the backend of a request is chosen: the algorithm, affinity, reports of load.

use std::sync::Arc;
use std::time::Duration;

use http::header::HeaderName;

/// `balance = "..."`
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Balance {
    /// Next available backend in turn.
    RoundRobin,
    /// In turn, by weight, evenly mixed.
    WeightedRoundRobin,
    /// Fewest exchanges in flight.
    LeastConnections,
    /// Fewest exchanges in flight for its weight.
    WeightedLeastConnections,
    /// Lowest load, as reported.
    ResourceBased,
    /// Lowest expected response time.
    ResponseTime,
    /// By the hash of something in the request.
    ConsistentHash(Ring),
    /// The less loaded of two.
    PowerOfTwo,
}

impl Balance {
    /// All algorithms, that of the ring with this shape.
    pub const fn all(ring: Ring) -> [Self; 8] {
        [
            Self::RoundRobin,
            Self::WeightedRoundRobin,
            Self::LeastConnections,
            Self::WeightedLeastConnections,
            Self::ResourceBased,
            Self::ResponseTime,
            Self::ConsistentHash(ring),
            Self::PowerOfTwo,
        ]
    }

    /// As written in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RoundRobin => "round_robin",
            Self::WeightedRoundRobin => "weighted_round_robin",
            Self::LeastConnections => "least_connections",
            Self::WeightedLeastConnections => "weighted_least_connections",
            Self::ResourceBased => "resource_based",
            Self::ResponseTime => "response_time",
            Self::ConsistentHash(_) => "consistent_hash",
            Self::PowerOfTwo => "power_of_two",
        }
    }

    /// In words, which algorithm heeds weights and is most like this one; `None` = this one does. A weight of 0 is a backend without new work
    /// with all algorithms.
    pub fn heeding(self) -> Option<&'static str> {
        match self {
            Self::WeightedRoundRobin | Self::WeightedLeastConnections | Self::ConsistentHash(_) => None,
            Self::RoundRobin => Some("`weighted_round_robin` does"),
            Self::LeastConnections | Self::PowerOfTwo => Some("`weighted_least_connections` does"),
            Self::ResourceBased | Self::ResponseTime => {
                Some("`weighted_round_robin`, `weighted_least_connections` and `consistent_hash` do")
            }
        }
    }
}

/// Whether some backends, each given as its weight and whether it is in reserve, are to get more work than others. Those in reserve are compared
/// among themselves; one of weight 0 gets no work with any algorithm.
pub fn weights_differ(backends: impl Iterator<Item = (u32, bool)> + Clone) -> bool {
    [false, true].into_iter().any(|reserve| {
        let mut weights =
            backends.clone().filter(|(weight, backup)| *backup == reserve && *weight != 0).map(|(weight, _)| weight);
        weights.next().is_some_and(|first| weights.any(|other| other != first))
    })
}

/// The settings of the ring in `[service.NAME.hash]`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ring {
    /// Points on the ring for each unit of weight.
    pub virtual_nodes: u32,
    /// The most exchanges that a backend may have in flight, as a multiple of the mean; 0 = off, otherwise above 1.
    pub bounded_load: f64,
}

/// Where a key is taken from: `hash.on`, `affinity.by`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyFrom {
    /// The client's address.
    ClientIp,
    /// The path, without the query.
    Path,
    /// The path with the query.
    Uri,
    /// The value of a field.
    Header(HeaderName),
    /// The value of a cookie.
    Cookie(String),
    /// The value of a query parameter.
    Query(String),
}

/// `split_by`: what keeps a client on its side of a split.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SplitBy {
    /// The cookie that Evenkeel sets.
    Cookie,
    /// Something that the request has.
    Key(KeyFrom),
}

/// `[service.NAME.affinity]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Affinity {
    /// What sticky sessions are told apart by; `None` = the cookie that Evenkeel sets.
    pub by: Option<KeyFrom>,
    /// The name of the cookie that Evenkeel sets.
    pub cookie: String,
    /// A sticky session that is not used for this long is forgotten.
    pub ttl: Duration,
    /// The most sticky sessions that are remembered; the cookie needs no memory.
    pub max_entries: usize,
}

/// `[service.NAME.load_reports]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadReports {
    /// Whether `endpoint-load-metrics` is read from responses.
    pub orca: bool,
    /// Names of the metrics whose highest is the utilization of a backend that does not say it by itself.
    pub utilization: Arc<[Box<str>]>,
    /// An agent beside each backend: its port, and how often it is asked.
    pub agent: Option<(u16, Duration)>,
    /// A report is forgotten after this time.
    pub expire: Duration,
}

impl LoadReports {
    /// The named metrics that count in what answers say; `None` = answers are not believed.
    pub fn believed(&self) -> Option<&Arc<[Box<str>]>> {
        self.orca.then_some(&self.utilization)
    }
}
