//! Who gives way to whom while an error budget burns too fast. The control plane decides it; workers look at it where they would send a request
//! again, copy it, or send it to one side of a split.

use std::sync::atomic::{AtomicBool, Ordering};

/// The word about one service. It is kept from snapshot to snapshot.
#[derive(Debug, Default)]
pub struct Protection {
    is_protected: AtomicBool,
    gives_way: AtomicBool,
    gets_no_copies: AtomicBool,
}

impl Protection {
    /// Whether others give way to the service.
    pub fn is_protected(&self) -> bool {
        self.is_protected.load(Ordering::Relaxed)
    }

    /// Has others give way to the service, or no more.
    pub fn set_protected(&self, is_protected: bool) {
        self.is_protected.store(is_protected, Ordering::Relaxed);
    }

    /// Whether the service has to give way: it sends nothing again.
    pub fn gives_way(&self) -> bool {
        self.gives_way.load(Ordering::Relaxed)
    }

    /// Has the service give way, or no more.
    pub fn set_gives_way(&self, gives_way: bool) {
        self.gives_way.store(gives_way, Ordering::Relaxed);
    }

    /// Whether the service is sent no copies of requests to other services: its backends are to be spared.
    pub fn gets_no_copies(&self) -> bool {
        self.gets_no_copies.load(Ordering::Relaxed)
    }

    /// Keeps copies of requests from the service, or no more.
    pub fn set_gets_no_copies(&self, gets_no_copies: bool) {
        self.gets_no_copies.store(gets_no_copies, Ordering::Relaxed);
    }
}
