//! Long work of the control plane, on threads that give way to the workers.

use std::time::Duration;

use crate::io::be_nice;
use crate::ledger::Ledger;

/// How often it is looked whether another process still keeps the ledger.
const AGAIN: Duration = Duration::from_secs(1);

/// Runs `work` on a thread of its own. The error says that it panicked.
pub(super) async fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
    let done = tokio::task::spawn_blocking(move || {
        be_nice();
        work()
    });
    done.await.map_err(|error| error.to_string())
}

/// Begins the ledger, as soon as no other process keeps it; whether it had to wait for that.
pub(super) async fn begin(ledger: &Ledger) -> bool {
    let mut has_waited = false;
    loop {
        let begun = ledger.clone();
        if run(move || begun.begin()).await.unwrap_or(true) {
            return has_waited;
        }
        has_waited = true;
        tokio::time::sleep(AGAIN).await;
    }
}

/// Drops values on such a thread: to free ten thousand backends takes milliseconds.
pub(super) fn discard<T: Send + 'static>(these: Vec<T>) {
    if these.is_empty() {
        return;
    }
    tokio::task::spawn_blocking(move || {
        be_nice();
        drop(these);
    });
}
