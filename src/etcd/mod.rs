//! A client of etcd (v3, gRPC): keys, transactions, leases and watches, as much of them as leadership, discovery and what instances share need.
//!
//! ```text
//!   Client ──▶ Connection (one, to one of the endpoints) ──HTTP/2──▶ etcd
//!     │           ▲ it is replaced by one to the next endpoint when a call gets no answer
//!     └──▶ Watch ─┘ a stream of changes, on the same connection
//! ```
//!
//! * `message`: what is sent and what comes back (etcd's `rpc.proto` and `kv.proto`), by our own [`protobuf`](crate::protobuf)
//! * `connection`: HTTP/2 to one endpoint, and the framing and the status of gRPC
//! * `client`: the endpoints, who we are, and time-outs
//! * `watch`: changes, as they come
//!
//! A call is tried once, at one endpoint. When there is no answer, the next call goes to the next endpoint: whoever calls knows whether and when it
//! is to be tried again, and has to live with not knowing whether the call that failed was carried out. No worker comes here: a client lives on the
//! control plane or on a thread of its own, and is not `Send`.
//!
//! The `etcd-client` crate does the same with tonic, prost and tower: it needs `protoc` to be built, and brings 26 crates for the ten calls that
//! are made here.

mod client;
mod connection;
mod endpoint;
mod message;
mod watch;

pub use client::{Client, Credentials, Settings};
pub use connection::Failure;
pub use endpoint::Endpoint;
pub use message::{Change, KeyValue, Lease, Page, Replaced, Taken, prefix_end};
pub use watch::{Changes, Watch};
