//! The threads that verify passwords: half as many as there are cores, because what they do is meant to cost time and must not take it from
//! the workers. Those who wait are bounded; beyond that a client is told to come again.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio::sync::oneshot;

use super::hash::StoredHash;
use crate::error::{Error, Kind, Result};

/// The most passwords that wait.
const MOST_WAITING: usize = 128;
/// The most threads.
const MOST_THREADS: usize = 4;

struct Task {
    hash: Arc<StoredHash>,
    password: Vec<u8>,
    answer: oneshot::Sender<bool>,
}

/// Whether a password is the one that was hashed.
///
/// # Errors
///
/// [`Kind::Overload`] when too many wait.
pub(super) async fn verify(hash: Arc<StoredHash>, password: Vec<u8>) -> Result<bool> {
    let (answer, answered) = oneshot::channel();
    match queue().try_send(Task { hash, password, answer }) {
        Ok(()) => answered.await.map_err(|_| Error::new(Kind::Internal, "a thread that verifies passwords ended")),
        Err(TrySendError::Full(_)) => Err(Error::new(Kind::Overload, "too many passwords wait to be verified")),
        Err(TrySendError::Disconnected(_)) => Err(Error::new(Kind::Internal, "no thread verifies passwords")),
    }
}

/// The queue. Its threads begin with the first password, and live as long as the process.
fn queue() -> &'static SyncSender<Task> {
    static QUEUE: OnceLock<SyncSender<Task>> = OnceLock::new();
    QUEUE.get_or_init(|| {
        let (queue, tasks) = sync_channel(MOST_WAITING);
        let tasks = Arc::new(Mutex::new(tasks));
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        for number in 0..(cores / 2).clamp(1, MOST_THREADS) {
            let tasks = Arc::clone(&tasks);
            let thread = std::thread::Builder::new().name(format!("verifier-{number}"));
            if let Err(error) = thread.spawn(move || work(&tasks)) {
                tracing::error!(%error, "a thread that verifies passwords can't start");
            }
        }
        queue
    })
}

fn work(tasks: &Mutex<Receiver<Task>>) {
    loop {
        let next = tasks.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Task { hash, password, answer }) = next else { return };
        // whoever has gone away is not worth the time
        if !answer.is_closed() {
            let _ = answer.send(hash.is_of(&password));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_verified_elsewhere() {
        let hash = Arc::new(StoredHash::parse(&bcrypt::hash("secret", 4).unwrap()).unwrap());
        assert!(verify(Arc::clone(&hash), b"secret".to_vec()).await.unwrap());
        assert!(!verify(hash, b"wrong".to_vec()).await.unwrap());
    }
}
