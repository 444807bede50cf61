//! Long work of the control plane, on threads that give way to the workers: on Linux each thread has a niceness of its own.

use rustix::process::setpriority_process;
use rustix::thread::gettid;

/// The niceness of these threads (setpriority(2)): 19 would be the nicest.
const NICE: i32 = 10;

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

fn be_nice() {
    // where this is not allowed, or not known, the thread is as nice as the others
    let _ = setpriority_process(Some(gettid()), NICE);
}
