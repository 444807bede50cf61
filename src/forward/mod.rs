//! What happens between a client's connection and a backend's.
//!
//! `http` tells the story of an exchange: a request comes in, a route takes it, a backend answers it or we do, and however it ends it is
//! recorded once. `session` and `datagrams` tell the same of a session of Layer 4, over a stream and over UDP. All three ask
//! `placement` for a backend that takes one more, if need be after a wait in its queue, and `retry` whether another attempt may be made
//! when one has failed. What they share is that of their `worker` (one thread) and of their `ingress` (one listener on that thread).

mod concurrency;
pub mod datagrams;
mod http;
mod ingress;
mod placement;
mod request_id;
mod retry;
pub mod session;
mod worker;

pub use http::{Body, Connection};
pub use ingress::Ingress;
pub use worker::Worker;
