//! Datagram sockets, with as few system calls as the kernel allows.
//!
//! Reading takes up to [`batch::SLOTS`] datagrams in one call (recvmmsg), and each of these may be a run of datagrams of one size
//! from one sender that the kernel or the network card has joined (GRO). Such a run is sent on as it is, in one call that the
//! kernel cuts up again (GSO). `quinn-udp` speaks to the kernel; it is made for QUIC endpoints, so the options of our
//! sockets are set here ([`options`]): datagrams of any size must pass, also those that have to be fragmented.

pub mod batch;
pub mod options;
pub mod socket;

pub use batch::{Batch, Payload, Received};
pub use socket::{Driver, Ready, Socket};
