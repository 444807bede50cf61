//! Processes from outside: signals, and which processes belong to a directory.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Sends a signal by its name; `false` when there is no such process any more.
pub fn signal(pid: u32, name: &str) -> bool {
    let kill = Command::new("kill").args(["-s", name, &pid.to_string()]).output();
    kill.is_ok_and(|output| output.status.success())
}

/// The processes that were started with something in this directory as an argument. So a successor that a proxy started by
/// itself is found too; the directory is ours alone.
pub fn of(directory: &Path) -> Vec<u32> {
    let needle = format!("{}/", directory.display());
    let pids = std::fs::read_dir("/proc").unwrap().flatten().filter_map(|e| e.file_name().to_str()?.parse().ok());
    pids.filter(|pid| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        *pid != std::process::id() && memchr::memmem::find(&line, needle.as_bytes()).is_some()
    })
    .collect()
}

/// Waits until `done` says so; `false` when `limit` has passed.
pub fn wait_until(limit: Duration, mut done: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    while !done() {
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    true
}
