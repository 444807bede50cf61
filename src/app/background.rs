//! Long work of the control plane, on threads that give way to the workers.

use crate::io::be_nice;

/// Runs `work` on a thread of its own. The error says that it panicked.
pub(super) async fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
    let done = tokio::task::spawn_blocking(move || {
        be_nice();
        work()
    });
    done.await.map_err(|error| error.to_string())
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
