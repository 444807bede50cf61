//! Threads that give way to the workers: on Linux each thread has a niceness of its own.

use rustix::process::setpriority_process;
use rustix::thread::gettid;

/// The niceness of these threads (setpriority(2)): 19 would be the nicest.
const NICE: i32 = 10;

/// Has this thread give way to those that serve.
pub fn be_nice() {
    // where this is not allowed, or not known, the thread is as nice as the others
    let _ = setpriority_process(Some(gettid()), NICE);
}
