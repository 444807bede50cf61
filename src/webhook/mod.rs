//! Calls to webhooks: one signed POST on a new connection, what its answer means, and when it is tried again. Who is told what is up to those
//! who call: `notify` sends events, `hook` asks for repairs.

mod client;
mod schedule;
mod signature;

pub use client::{Answer, WebhookClient, instance};
pub use schedule::{Handling, Pauses, asked, handling};
pub use signature::timestamp;
