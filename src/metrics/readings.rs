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
}

/// What is known elsewhere than here, at the time of the reading.
#[derive(Debug)]
pub struct Readings<'a> {
    /// Each backend of each service.
    pub backends: &'a [BackendReading<'a>],
    /// By service, the requests that wait for a place at a backend.
    pub waiting: &'a [(&'a str, usize)],
    /// How often this machine was out of something, by the name of what it was out of.
    pub shortages: &'a [(&'a str, u64)],
}
