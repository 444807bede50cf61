//! HTTP through the proxy, from outside: what clients send and get, what backends get and send, and what is refused.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails should say so at once")]

#[path = "../support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the harness serves more than this binary")]
mod support;

mod access;
mod access_fields;
mod admission;
mod addresses;
mod affinity;
mod aging;
mod answers;
mod bad_http2;
mod bad_input;
mod balance;
mod bodies;
mod canaries;
mod compression;
mod concurrency;
mod client_limits;
mod connections;
mod cors;
mod detection;
mod discovery;
mod discovery_etcd;
mod exchange;
mod faults;
mod h2_backends;
mod hedging;
mod forgetting;
mod h2_frames;
mod grpc;
mod headers;
mod http2;
mod http2_backends;
mod keepalive;
mod limits;
mod maintenance;
mod mirrors;
mod names;
mod pages;
mod parsers;
mod passing;
mod paths;
mod process;
mod proxy_protocol;
mod queue;
mod rate_limits;
mod shared_limits;
mod request_ids;
mod retries;
mod routes;
mod semantics;
mod shortages;
mod splits;
mod state_dir;
mod syslog;
mod tls;
mod unknown_names;
mod upgrades;
mod uploads;
mod variables;
mod zones;
