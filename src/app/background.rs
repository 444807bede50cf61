//! Work of the control plane that takes its time, on threads that the workers go before: on Linux a niceness is the thread's.

use rustix::process::setpriority_process;
use rustix::thread::gettid;

/// How nice these threads are, of 19.
const NICE: i32 = 10;

/// Does what may take its time on a thread of its own, and says why when that failed.
pub(super) async fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
    let done = tokio::task::spawn_blocking(move || {
        be_nice();
        work()
    });
    done.await.map_err(|error| error.to_string())
}

/// Drops these on such a thread: to free ten thousand backends takes its time as well.
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
    // where it is not allowed, or not known, they are as other threads
    let _ = setpriority_process(Some(gettid()), NICE);
}
