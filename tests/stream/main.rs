//! Layer 4 through the proxy, from outside: TCP, and TLS that is passed on by the name that the client asks for.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails should say so at once")]

#[path = "../support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the harness serves more than this binary")]
mod support;

mod backends;
mod client_limits;
mod keepalive;
mod living_on;
mod names;
mod passthrough;
mod queue;
mod resets;
mod tcp;
