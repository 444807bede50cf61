//! Gives the memory of closed connections back to the system, also when no new connection comes after them.
//!
//! The allocator keeps freed memory for a second, because it is mostly needed again, and looks for memory that it has
//! kept for longer only while it has much to do. After many connections have closed it has nothing to do. When a thread
//! ends the allocator looks, and starting a thread is the one way to ask for that without `unsafe`.

use std::hint::black_box;
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use crate::forward::Worker;

/// The pause between the first connection that ends and the look; it is longer than the allocator keeps anything
/// (mimalloc 3: `purge_delay`, a second).
const PAUSE: Duration = Duration::from_secs(2);

/// Asks the allocator now and then while connections end, and once after the last one. Never done.
pub(super) async fn give_back(worker: Rc<Worker>) {
    loop {
        worker.ended.notified().await;
        tokio::time::sleep(PAUSE).await;
        // the thread has to allocate something, or the allocator does not know of it
        let looked = thread::Builder::new().name("memory".to_owned()).spawn(|| drop(black_box(Box::new(0_u64))));
        if let Err(error) = looked {
            tracing::debug!(%error, "memory was not given back");
        }
    }
}
