//! Where clients come in: sockets, and the worker threads that serve what they accept.
//!
//! Each worker has a socket of its own on each TCP address (`SO_REUSEPORT`): the kernel deals connections out by the hash of
//! their addresses, and no worker wakes for another's connection. A connection stays on the worker that accepted it.

mod accept;
mod bind;
#[cfg(test)]
mod tests;
mod worker;

pub use bind::{Bound, bind};
pub use worker::{Control, Plan, start};
