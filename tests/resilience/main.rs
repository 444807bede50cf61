//! The fault suite: backends die, hang, lie and come back under load, and the clients must not notice.
//!
//! Each situation is a sentence in `situations/`, played by four actors. A [`fleet`] of backends, each a process of its own
//! (this executable, started again as [`origin`]), so that they can be killed and stopped for real. The [`proxy`], the built
//! binary with a configuration of its own; or a peer configured to do the same, which shows that the suite asks for nothing
//! impossible. A paced [`load`] over many connections that judges every single answer. And the [`runner`], which runs
//! shortened situations as tests, asserting counts only, or all of them at full length as a table with timings
//! (`scripts/resilience.sh`).

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails should say so at once")]
#![allow(clippy::print_stdout, reason = "this is the runner of its tests")]

mod evenkeel;
mod fleet;
mod haproxy;
mod load;
mod origin;
mod processes;
mod proxy;
mod report;
mod runner;
mod situations;
mod tally;
mod wire;

#[path = "../support/ports.rs"]
#[allow(dead_code, unused_imports, reason = "the harness serves more than this binary")]
mod ports;
#[path = "../support/scratch.rs"]
#[allow(dead_code, unused_imports, reason = "the harness serves more than this binary")]
mod scratch;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.split_first() {
        Some((first, rest)) if first == origin::ARGUMENT => origin::run(rest),
        _ => runner::run(&arguments),
    }
}
