//! What Layer 4 speaks: what is read and written before, below and beside HTTP.
//!
//! * [`proxy_protocol`]: who the client of a connection is, said by the proxy before us
//! * [`client_hello`]: the name that a client asks for, read from TLS without decrypting anything
//! * [`duplex`] and [`splice`]: bytes between two sockets, through a shared buffer or inside the kernel
//! * [`udp`]: sockets for datagrams, with batched system calls; [`quic`]: the little of QUIC that is the same in all versions

pub mod client_hello;
pub mod duplex;
pub mod proxy_protocol;
pub mod quic;
pub mod splice;
pub mod udp;
