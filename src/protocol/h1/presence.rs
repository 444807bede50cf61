//! Whether a client is still there while its request waits for a place at a backend.

use std::cell::RefCell;
use std::rc::Rc;

use super::server::Wire;

/// A client's connection, to be watched closely while its request waits.
#[derive(Debug, Clone)]
pub struct Presence(Rc<RefCell<Wire>>);

/// It is watched until this is dropped.
#[derive(Debug)]
pub struct Watched<'a>(&'a Presence);

impl Presence {
    pub(super) fn new(wire: &Rc<RefCell<Wire>>) -> Self {
        Self(Rc::clone(wire))
    }

    /// Until what this gives back is dropped, nobody asks for the request's body, and it is read ahead so that the end behind it is
    /// seen; with `abort_on_close` that end says that the client is gone.
    pub fn watch(&self, abort_on_close: bool) -> Watched<'_> {
        self.0.borrow_mut().waits = Some(abort_on_close);
        Watched(self)
    }
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        self.0.0.borrow_mut().waits = None;
    }
}
