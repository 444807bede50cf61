//! Where clients come in: sockets, and the worker threads that serve what they accept.
//!
//! Each worker has a socket of its own on each TCP address (`SO_REUSEPORT`): the kernel distributes connections by the
//! hash of their addresses, and no worker wakes up for another's connection. A connection stays on the worker that
//! accepted it.
//!
//! Listeners come and go while the workers run: the control plane binds sockets and sends each worker a command to
//! accept or to stop. It keeps a duplicate of every socket, so that it can hand them to the process that replaces it.

mod accept;
mod bind;
mod client_limits;
mod datagrams;
mod handshake;
mod http;
mod memory;
mod panics;
mod peer;
mod sessions;
mod settings;
mod worker;

pub use accept::BacklogOwner;
pub use bind::{BoundListener, BoundSocket, bind, bind_datagrams};
pub use settings::ListenerSettings;
pub use worker::{DataPlane, NewListener, start};
