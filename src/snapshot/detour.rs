//! What recovery does to the ways of a service's exchanges: it sends them, or a part of them, elsewhere, and answers those of some paths itself.
//! The control plane sets it; what follows from it is found when a snapshot is refreshed, so that workers read plain fields of their snapshot.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::clock::Moment;
use crate::endpoint::standing;
use crate::recover::plan::Destination;

/// The detour of one service. It is kept from snapshot to snapshot.
#[derive(Debug, Default)]
pub struct Detour(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    way: Option<Way>,
    cuts: Arc<[Cut]>,
}

/// Where the work of a service goes while a failover is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// The destination. While it has no backend that can be used, the way is not in force.
    pub to: Destination,
    /// The part of the work that goes to the destination, in thousandths: 1000 = all of it. What nobody at home can do goes there as well.
    pub share: u32,
}

/// Requests whose path begins like this are answered without asking a backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// What the path begins with.
    pub path: Arc<str>,
    /// When it ends.
    pub until: Moment,
}

/// Where to, as the configuration writes it.
impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.to {
            Destination::Backups => f.write_str("backups"),
            Destination::Service(name) => write!(f, "service:{name}"),
            Destination::Zone(name) => write!(f, "zone:{name}"),
        }
    }
}

impl Detour {
    /// Sends the work that way from the next snapshot on; `None` = it stays at home.
    pub fn set(&self, way: Option<Way>) {
        let way = way.map(|way| Way { share: way.share.min(standing::WHOLE), ..way });
        let inner = &mut *self.inner();
        if inner.way != way {
            inner.way = way;
            standing::changed();
        }
    }

    /// The way that was set. Whether it is in force depends on who can be used.
    pub fn way(&self) -> Option<Way> {
        self.inner().way.clone()
    }

    /// Replaces what is cut off, from the next snapshot on.
    pub fn set_cuts(&self, cuts: Vec<Cut>) {
        let inner = &mut *self.inner();
        if *inner.cuts != *cuts {
            inner.cuts = cuts.into();
            standing::changed();
        }
    }

    /// What was cut off; some of it may be over.
    pub fn cuts(&self) -> Arc<[Cut]> {
        Arc::clone(&self.inner().cuts)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // a panic while the lock is held leaves both whole
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
