//! What is known elsewhere, and shown beside what is counted here.

/// What is known of a backend elsewhere than here, at the time of the reading.
#[derive(Debug)]
pub struct BackendReading<'a> {
    /// Its service.
    pub service: &'a str,
    /// Its id.
    pub id: &'a str,
    /// Exchanges in flight.
    pub in_flight: u32,
    /// Whether it may be picked.
    pub up: bool,
    /// Its state, as the API calls it.
    pub state: &'a str,
    /// The share of its work that it gets, 0 to 1.
    pub work_share: f64,
    /// Its circuit breaker: 0 closed, 1 open, 2 half-open; `None` = it has none.
    pub breaker: Option<u8>,
    /// The paths to it that are checked, where it has several.
    pub paths: Vec<PathSeries>,
}

/// What is known of a path to a backend.
#[derive(Debug, Clone)]
pub struct PathSeries {
    /// Its address.
    pub address: String,
    /// Whether it works.
    pub up: bool,
    /// Whether it is the one in use.
    pub chosen: bool,
    /// The average time to connect, in seconds.
    pub rtt: Option<f64>,
    /// The share of what was tried over it that failed, of late.
    pub loss: f64,
}

/// What is known of the adaptive limit of a service.
#[derive(Debug)]
pub struct ConcurrencyReading<'a> {
    /// The service.
    pub service: &'a str,
    /// The limit; 0 = not known yet.
    pub limit: u32,
    /// Exchanges in flight within it.
    pub in_flight: u32,
    /// The latency without load, in seconds; 0 = not known yet.
    pub unloaded: f64,
}

/// What is known elsewhere than here, at the time of the reading.
#[derive(Debug, Default)]
pub struct Readings<'a> {
    /// Each backend of each service.
    pub backends: &'a [BackendReading<'a>],
    /// By service, the requests that wait for a place at a backend.
    pub waiting: &'a [(&'a str, usize)],
    /// By service that hedges, the seconds after which it does; 0 = not known yet.
    pub hedge_after: &'a [(&'a str, f64)],
    /// Of each service that has an adaptive limit.
    pub concurrency: &'a [ConcurrencyReading<'a>],
    /// How often this machine was out of something, by the name of what it was out of.
    pub shortages: &'a [(&'a str, u64)],
}
