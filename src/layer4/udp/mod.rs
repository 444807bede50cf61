//! UDP sockets, with as few system calls as possible.
//!
//! Up to [`batch::SLOTS`] slots are read in one call (recvmmsg). Each of them may have a run of datagrams from one sender, all of
//! one size, that the kernel or the network card has joined (GRO). Such a run is sent on in one call, and the kernel splits it
//! again (GSO). `quinn-udp` makes the system calls. It is written for QUIC endpoints, so the options of our sockets are set in
//! [`options`]: datagrams of any size must pass, also those that have to be fragmented.

pub mod batch;
pub mod options;
pub mod socket;

pub use batch::{Batch, Payload, Received};
pub use socket::{Driver, Ready, Socket};
