//! Hooks, from outside: the real binary runs real commands, and what is left of them is looked for in /proc.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails should say so at once")]

#[path = "../support/scratch.rs"]
#[allow(dead_code, reason = "the harness serves more than this binary")]
mod scratch;

mod commands;
mod runner;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use evenkeel::config::model::Means;
use evenkeel::hook::{Call, Hooks};
use evenkeel::recover::attempt::ActReport;
use scratch::Scratch;
use tokio::sync::oneshot;

/// How long anything may take before the test fails. Long, because nothing that works ever waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

/// A time-out that nothing reaches which works.
const LONG: Duration = Duration::from_secs(60);

/// A time-out that is awaited.
const SHORT: Duration = Duration::from_millis(300);

/// The binary that runs commands.
fn program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_evenkeel"))
}

fn call() -> Call {
    Call {
        service: "api".to_owned(),
        backend: Some("a".to_owned()),
        address: Some("192.0.2.1:80".to_owned()),
        fault: "unresponsive".to_owned(),
        attempt: 7,
        number: 2,
        token: Some(9),
        run: 9,
        role: "act",
        strategy: "restart".to_owned(),
    }
}

/// A script of the shell that finds its files in `$DIR`.
fn script(text: &str, dir: &Path, time_out: Duration) -> Means {
    let argv = ["/bin/sh", "-c", text].map(str::to_owned).to_vec();
    let environment = vec![("DIR".to_owned(), dir.display().to_string())];
    Means::Command { argv, time_out, environment }
}

/// Runs something on the kind of runtime that the control plane has.
fn block_on<T>(run: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(PATIENCE, run).await.expect("it takes too long") })
}

/// Runs a hook to its end.
fn run(means: &Means) -> ActReport {
    let (_keep, cancel) = oneshot::channel();
    block_on(async { Hooks::new(Some(program())).run(means, &call(), None, cancel).await })
}

fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} in vain: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The process id in a file of a script.
fn pid(dir: &Path, name: &str) -> Option<u32> {
    std::fs::read_to_string(dir.join(name)).ok()?.trim().parse().ok()
}

/// Whether a process lives; one that only waits for its parent to notice its end does not.
fn lives(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, fields)| !fields.starts_with(['Z', 'X']))
}
