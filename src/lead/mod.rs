//! Leadership: of several instances, one does what may be done by one only (`[cluster] elect`).
//!
//! ```text
//!   etcd ◀── asks, answers ──▶ driver ──▶ elector (pure)             a thread of its own
//!                                 │
//!                                 ▼
//!                             Leadership ──▶ Fence: recovery, hooks, webhooks ask it right before they act
//! ```
//!
//! * [`elector`]: the state machine
//! * `timing`: its times
//! * `driver`: asks etcd, watches the key, and publishes what came of it
//! * [`Leadership`]: what is known, for all who ask; [`Fence`]: the permission to act, which has to be looked at again before each act
//! * [`Candidate`]: starts and ends the thread
//!
//! Whoever makes the key `PREFIX/leader` leads for as long as its lease lasts. The fencing token is the revision at which the key was made, which only
//! grows: who has seen a higher one can refuse a lower one (Martin Kleppmann, "How to do distributed locking", 2016). Leadership ends by our own clock
//! before the lease can have run out at etcd: the time counts from the moment at which the last renewal that succeeded was sent, on a clock that goes on
//! while the process is stopped, and it is compared at the moment of acting. So a process that was paused does nothing when it wakes, whatever it
//! believed before (etcd-io/etcd#15247 and #11456: a lease is no lock, and clients have learned late that theirs was gone).

mod candidate;
mod driver;
pub mod elector;
mod leadership;
#[cfg(test)]
mod tests;
mod timing;

pub use candidate::{Candidate, Prepared};
pub use leadership::{Fence, Leadership, Member, Standing};
