//! The threads that verify passwords: half as many as there are cores, because what they do is meant to cost time and must not take it from
//! the workers. Those who wait are bounded; beyond that a client is told to come again.
//!
//! A client has a few places among them only, and waits for one of its own: so one that tries passwords keeps others for no longer than these few take.

use std::net::IpAddr;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use ahash::RandomState;
use tokio::sync::{Semaphore, SemaphorePermit, oneshot};

use super::hash::StoredHash;
use crate::error::{Error, Kind, Result};

/// The most passwords that wait.
const MOST_WAITING: usize = 128;
/// The most threads.
const MOST_THREADS: usize = 4;

/// The most passwords of one client that wait.
const MOST_OF_CLIENT: usize = 4;
/// The lines in which clients wait for a place of their own. With 128 that wait at most, two seldom share one, and if they do, they wait for each other.
const LINES: usize = 1024;
/// The part of an IPv6 address that one client has to itself (RFC 6177).
const IPV6_PREFIX: u32 = 64;

/// A client's place among those who wait, until it is dropped.
pub(super) type Place = SemaphorePermit<'static>;

struct Task {
    hash: Arc<StoredHash>,
    password: Vec<u8>,
    answer: oneshot::Sender<bool>,
    /// Given back when a thread takes the task, or throws it away: whoever asks and goes away takes no more places than whoever waits.
    _place: Option<Place>,
}

/// Waits for a place of this client.
///
/// # Errors
///
/// There is none any more.
pub(super) async fn place(client: IpAddr) -> Result<Place> {
    static CLIENTS: [Semaphore; LINES] = [const { Semaphore::const_new(MOST_OF_CLIENT) }; LINES];
    static HASH: OnceLock<RandomState> = OnceLock::new();
    let whole = match client.to_canonical() {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits() >> (128 - IPV6_PREFIX) << (128 - IPV6_PREFIX),
    };
    // by a secret of this process, so that nobody can look for addresses that share somebody's line
    let line = HASH.get_or_init(RandomState::new).hash_one(whole) % LINES as u64;
    let line = &CLIENTS[usize::try_from(line).unwrap_or(0)];
    line.acquire().await.map_err(|_| Error::new(Kind::Internal, "nobody has a place any more"))
}

/// Whether a password is the one that was hashed.
///
/// # Errors
///
/// [`Kind::Overload`] when too many wait.
pub(super) async fn verify(hash: Arc<StoredHash>, password: Vec<u8>, place: Option<Place>) -> Result<bool> {
    let (answer, answered) = oneshot::channel();
    match queue().try_send(Task { hash, password, answer, _place: place }) {
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
        let Ok(Task { hash, password, answer, _place: place }) = next else { return };
        // whoever has gone away is not worth the time
        if !answer.is_closed() {
            let _ = answer.send(hash.is_of(&password));
        }
        drop(place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_verified_elsewhere() {
        let hash = Arc::new(StoredHash::parse(&bcrypt::hash("secret", 4).unwrap()).unwrap());
        assert!(verify(Arc::clone(&hash), b"secret".to_vec(), None).await.unwrap());
        assert!(!verify(hash, b"wrong".to_vec(), None).await.unwrap());
    }

    /// Whether a client with this address would wait for a place.
    async fn waits(client: &str) -> bool {
        let place = place(client.parse().unwrap());
        tokio::select! {
            biased;
            place = place => place.is_err(),
            () = tokio::task::yield_now() => true,
        }
    }

    #[tokio::test]
    async fn a_client_has_a_few_places_and_takes_none_from_others() {
        let mut taken = Vec::new();
        for last in 0..MOST_OF_CLIENT {
            taken.push(place(format!("2001:db8::{last}").parse().unwrap()).await.unwrap());
        }
        assert!(waits("2001:db8::ffff:1").await, "the last half of its address is its own to choose");
        // one of several may share the line by chance
        for others in [["2001:db8:1::", "2001:db8:2::", "2001:db8:3::"], ["192.0.2.1", "::ffff:192.0.2.2", "::1"]] {
            let mut waiting = 0;
            for other in others {
                waiting += usize::from(waits(other).await);
            }
            assert!(waiting < others.len());
        }
        taken.pop();
        assert!(!waits("2001:db8::1").await);
    }
}
