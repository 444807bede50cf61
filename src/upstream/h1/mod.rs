//! Exchanges with a backend over HTTP/1.1, run by the task of the client's connection.

mod body;
mod call;
pub(super) mod connection;
mod sending;

pub use body::ResponseBody;
pub use call::{Reply, dial};
pub use connection::Connection;
