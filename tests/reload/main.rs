//! Change without interruption: another configuration, other listeners, another process.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails should say so at once")]

#[path = "../support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the harness serves more than this binary")]
mod support;

mod certificates;
mod diff;
mod includes;
mod listeners;
mod load;
mod refusals;
mod reloading;
mod shell;
mod systemd;
mod unix_sockets;
mod upgrade;
