//! Why a backend is in its state: what every rule has to go by, what it would do, what holds it back, and what follows from that, in words.
//!
//! ```text
//!   snapshot, ejector, checks, faults, recovery ──▶ Facts ──▶ rules, brakes ──▶ sentences
//!                                        (read)       │            (pure)
//!                                                     ▼
//!                                                  History: the facts at each change
//! ```
//!
//! [`Facts`] are plain values, read at one moment on the control plane; no worker is asked. Everything that is said follows from them, so that a
//! moment of the past is explained by the same code as the present: [`history`] keeps the facts of each change, within bounds.

pub mod brakes;
pub mod facts;
mod figures;
pub mod history;
pub mod read;
pub mod recorder;
pub mod rules;
pub mod sentences;
pub mod service;
pub mod zones;
#[cfg(test)]
mod testing;

pub use brakes::Brake;
pub use facts::Facts;
pub use history::History;
pub use read::Sources;
pub use recorder::{Recorder, Why};
pub use rules::Rule;
