//! Memory of connections that have ended goes back to the system, also when nothing comes after them.
//!
//! The allocator keeps what is freed for a second, because it is mostly needed again, and looks for what was kept for longer when it has
//! much to do: after a crowd has left it has nothing to do. A thread that ends makes it look, which is the one way to ask for that
//! without `unsafe`.

use std::hint::black_box;
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use crate::forward::Worker;

/// From the first connection that ends to the look; longer than the allocator keeps anything (mimalloc 3: `purge_delay`, a second).
const PAUSE: Duration = Duration::from_secs(2);

/// Looks now and then while connections end, and once after the last one. Never done.
pub(super) async fn give_back(worker: Rc<Worker>) {
    loop {
        worker.ended.notified().await;
        tokio::time::sleep(PAUSE).await;
        // a thread that has allocated nothing is none of the allocator's
        let looked = thread::Builder::new().name("memory".to_owned()).spawn(|| drop(black_box(Box::new(0_u64))));
        if let Err(error) = looked {
            tracing::debug!(%error, "memory was not given back");
        }
    }
}
