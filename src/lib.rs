//! Evenkeel: a Layer-4/Layer-7 reverse proxy load balancer.
//!
//! ```text
//!   proxy.toml ─▶ config ─▶ snapshot ◀── admin, signals          control plane: one thread, may be slow
//!                              │
//!                              ▼  one atomic load per exchange
//!   client ─▶ listener ─▶ protocol ─▶ forward ─▶ upstream ─▶ backend     data plane: a thread per core,
//!                │                       │                                nothing shared but atomics
//!               tls               route, balance, record
//! ```
//!
//! `ARCHITECTURE.md` tells what the rooms are for and who may import whom. Below they stand in the order in which an exchange
//! meets them.

// how it is put together
pub mod app;
pub mod cli;
pub mod convert;
pub mod demo;
pub mod log;
pub mod top;

// the way of an exchange
pub mod listener;
pub mod tls;
pub mod certificate;
pub mod layer4;
pub mod protocol;
pub mod forward;
pub mod auth;
pub mod why;
pub mod snapshot;
pub mod route;
pub mod balance;
pub mod affinity;
pub mod limit;
pub mod bandwidth;
pub mod compress;
pub mod concurrency;
pub mod load;
pub mod upstream;
pub mod discover;
pub mod record;
pub mod outcome;
pub mod trace;

// what it is told and what it tells
pub mod detect;
pub mod replay;
pub mod health;
pub mod hook;
pub mod recover;
pub mod lead;
pub mod admin;
pub mod config;
pub mod metrics;
pub mod notify;
pub mod otlp;
pub mod backup;
pub mod store;
pub mod share;
pub mod webhook;
pub mod operator;

// what was promised, and what came of it
pub mod sla;
pub mod ledger;
pub mod report;
pub mod openslo;

// what all of them stand on
pub mod clock;
pub mod drain;
pub mod endpoint;
pub mod error;
pub mod event;
pub mod eviction;
pub mod io;
pub mod pages;
pub mod policy;
pub mod protobuf;
pub mod etcd;
pub mod canary;
pub mod shortage;
pub mod spelling;
pub mod stamp;
pub mod timer;
