//! The request on its way: who sent it, and what is changed in it.

pub mod changes;
pub mod max_forwards;
pub mod sender;
