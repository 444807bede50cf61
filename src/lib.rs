//! Evenkeel.

pub mod config;
pub mod endpoint;
pub mod error;
pub mod policy;
pub mod route;
