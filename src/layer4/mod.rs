//! What Layer 4 needs: protocols before, below and beside HTTP.
//!
//! * [`proxy_protocol`]: the address of a connection's client, as told by the proxy before us
//! * [`client_hello`]: the name that a client asks for, read from its TLS handshake without decrypting anything
//! * [`duplex`] and [`splice`]: moving bytes between two sockets, through a shared buffer or inside the kernel
//! * [`udp`]: UDP sockets with batched system calls; [`quic`]: the parts of QUIC that are the same in all versions

pub mod client_hello;
pub mod duplex;
pub mod proxy_protocol;
pub mod quic;
pub mod splice;
pub mod udp;
