//! Datagrams from an address that is not the one that their session began with: `roaming` says when that is so.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use super::roaming::Path;
use super::table::Flow;
use super::{Entry, MOST, Scene, Sessions};
use crate::clock::Moment;
use crate::layer4::udp::Payload;
use crate::metrics::Loss;

/// An address of a session that began with another address.
#[derive(Debug)]
pub(super) struct Guest {
    /// The way of its session.
    pub path: Arc<Path>,
    /// When it sent something last.
    pub last: Cell<Moment>,
}

impl Sessions {
    /// From an address that has no session.
    pub(super) fn unknown(self: &Rc<Self>, flow: Flow, payload: &Payload<'_>, scene: &Scene<'_>) {
        let Some(path) = self.shared.roaming.find(payload.bytes).filter(|path| !path.is_closed()) else {
            return self.open(flow, payload, scene, None);
        };
        if self.table.borrow().len() >= MOST && !self.make_room(scene.now) {
            return scene.terms.metrics.lost(self.worker(), Loss::NoRoom, payload.count());
        }
        tracing::debug!(client = %flow.client, "a QUIC client has another address");
        let guest = Rc::new(Guest { path, last: Cell::new(scene.now) });
        self.table.borrow_mut().insert(flow, Entry::Guest(Rc::clone(&guest)));
        self.pass_on_guest(&guest, flow, payload, scene);
    }

    /// Sends what a client that came by another address before has sent to the backend of its session.
    pub(super) fn pass_on_guest(&self, guest: &Guest, flow: Flow, payload: &Payload<'_>, scene: &Scene<'_>) {
        guest.last.set(scene.now);
        let path = &guest.path;
        if path.moved_to().is_none() {
            path.move_to(flow);
        } else {
            self.turn_back(path, flow, payload);
        }
        path.received(payload.count(), payload.bytes.len() as u64, scene.now);
        if self.driver.send_to_peer(&path.socket, path.backend, payload).is_err() {
            scene.terms.metrics.lost(self.worker(), Loss::NotSent, payload.count());
        }
    }

    /// A client whose answers go to another address is at this one again, if its datagram says so by its connection id.
    pub(super) fn turn_back(&self, path: &Arc<Path>, flow: Flow, payload: &Payload<'_>) {
        if path.moved_to().is_some_and(|client| client != flow)
            && self.shared.roaming.find(payload.bytes).is_some_and(|found| Arc::ptr_eq(&found, path))
        {
            path.move_to(flow);
        }
    }
}
