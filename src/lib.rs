//! Evenkeel.

pub mod admin;
pub mod app;
pub mod balance;
pub mod cli;
pub mod config;
pub mod demo;
pub mod drain;
pub mod endpoint;
pub mod error;
pub mod forward;
pub mod io;
pub mod listener;
pub mod log;
pub mod metrics;
pub mod outcome;
pub mod policy;
pub mod protocol;
pub mod record;
pub mod route;
pub mod snapshot;
pub mod timer;
pub mod tls;
pub mod upstream;
