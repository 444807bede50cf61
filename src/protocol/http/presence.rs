//! Whether a client is still there while its request waits for a place at a backend.

use std::fmt::Debug;
use std::rc::Rc;

/// A client's connection whose request may have to wait.
pub trait Waiting: Debug {
    /// From now on nobody asks for the request's body, and it is read ahead so that the end behind it is seen; `Some(true)`: that end says
    /// that the client is gone. `None`: the request does not wait any more.
    fn wait(&self, abort_on_close: Option<bool>);
}

/// A client's connection, to be watched closely while its request waits.
#[derive(Debug, Clone)]
pub struct Presence(Rc<dyn Waiting>);

/// It is watched until this is dropped.
#[derive(Debug)]
pub struct Watched<'a>(&'a Presence);

impl Presence {
    /// The presence of the client on this connection.
    pub fn new(connection: Rc<dyn Waiting>) -> Self {
        Self(connection)
    }

    /// Until what this gives back is dropped, nobody asks for the request's body, and it is read ahead so that the end behind it is
    /// seen; with `abort_on_close` that end says that the client is gone.
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
