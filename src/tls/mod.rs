//! TLS of both sides, by rustls with aws-lc-rs: what clients are served with, and how backends are verified.
//!
//! One [`rustls::ServerConfig`] serves all workers, so that a session ticket given by one is taken by all.

pub mod acceptor;
mod client_certificate;
pub mod connector;
pub mod describe;
mod key_log;
mod names;
pub mod pinned;
pub mod resolver;
mod tickets;

pub use acceptor::{Acceptor, ServerSettings};
pub use client_certificate::ClientCertificate;
pub use resolver::Resolver;
