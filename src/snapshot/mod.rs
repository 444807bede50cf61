//! The data plane's view of the configuration: one immutable [`Snapshot`], published in one atomic swap.
//!
//! `view` and `service` are what workers see; `build` makes it from the configuration and the snapshot before;
//! `refresh` updates which backends may be picked; `store` holds the current snapshot. A worker uses exactly one
//! snapshot for a whole exchange, so it never sees half of a change. What was learned about a backend lives in its
//! [`Endpoint`](crate::endpoint::Endpoint), which moves from snapshot to snapshot.

mod build;
mod canary;
mod client_limits;
mod concurrency_limit;
mod connecting;
mod course;
mod detour;
mod hedges;
mod maintenance;
mod mirror;
mod protection;
mod redirect;
mod refresh;
mod service;
mod shadow;
mod split;
mod store;
mod view;
mod zones;

#[cfg(test)]
pub use build::testing;
pub use build::{BuildError, MakeTls, build, rate_limit_scope};
pub use canary::Canary;
pub use client_limits::{AboveLimit, ClientLimits};
pub use concurrency_limit::ConcurrencyLimit;
pub use course::Course;
pub use detour::{Cut, Detour, Way};
pub use hedges::Hedges;
pub use maintenance::Maintenance;
pub use mirror::Mirror;
pub use protection::Protection;
pub use redirect::RedirectTemplate;
pub use service::{Available, Diverted, ExchangeCounters, Promised, Service, ServiceSettings};
pub use shadow::{SAMPLED, Shadow, ShadowCounters, is_sampled};
pub use split::{Point, Split};
pub use store::{Current, Reader, Store};
pub use view::{Action, Guard, Listener, RateLimit, Recoding, Route, Snapshot};
pub use zones::{ZonePreference, Zones};
