//! Evenkeel.

pub mod balance;
pub mod config;
pub mod drain;
pub mod endpoint;
pub mod error;
pub mod io;
pub mod metrics;
pub mod policy;
pub mod protocol;
pub mod route;
pub mod snapshot;
pub mod timer;
pub mod tls;
pub mod upstream;
