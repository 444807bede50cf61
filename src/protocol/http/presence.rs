//! Whether a client is still connected while its request waits for a connection slot at a backend.

use std::fmt::Debug;
use std::rc::Rc;

/// A client's connection whose current request may have to wait in a queue.
pub trait Waiting: Debug {
    /// `Some(_)` when the request begins to wait. From then on nobody reads the request's body, so the connection reads it ahead
    /// to see the end of the stream behind it; with `Some(true)` that end means that the client is gone. `None` when the wait is
    /// over.
    fn wait(&self, abort_on_close: Option<bool>);
}

/// Lets a client's connection be watched for its end while its request waits.
#[derive(Debug, Clone)]
pub struct Presence(Rc<dyn Waiting>);

/// A watch over a client's connection, which ends when this is dropped.
#[derive(Debug)]
pub struct Watched<'a>(&'a Presence);

impl Presence {
    /// A handle for the client on this connection.
    pub fn new(connection: Rc<dyn Waiting>) -> Self {
        Self(connection)
    }

    /// Watches the connection until the returned value is dropped. Meanwhile nobody else reads the request's body: it is read
    /// ahead so that the end of the stream behind it is seen. With `abort_on_close` that end means that the client is gone.
    pub fn watch(&self, abort_on_close: bool) -> Watched<'_> {
        self.0.wait(Some(abort_on_close));
        Watched(self)
    }
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        self.0.0.wait(None);
    }
}
