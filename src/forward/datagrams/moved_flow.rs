//! Datagrams from an address that is not the one that their session began with: `connection_ids` tells which session that is.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use super::connection_ids::Path;
use super::table::Flow;
use super::{BatchContext, FlowOwner, MOST, UdpSessions};
use crate::clock::Moment;
use crate::layer4::udp::Payload;
use crate::metrics::Loss;

/// Another address of a client whose session began with a different one.
#[derive(Debug)]
pub(super) struct MovedFlow {
    /// What is needed of the session.
    pub path: Arc<Path>,
    /// When something came from this address last.
    pub last: Cell<Moment>,
}

impl UdpSessions {
    /// Takes a datagram from an address that has no session.
    pub(super) fn unknown(self: &Rc<Self>, flow: Flow, payload: &Payload<'_>, context: &BatchContext<'_>) {
        let Some(path) = self.shared.connection_ids.find(payload.bytes).filter(|path| !path.is_closed()) else {
            return self.open(flow, payload, context, None);
        };
        if self.table.borrow().len() >= MOST && !self.make_room(context.now) {
            return context.handles.metrics.lost(self.worker(), Loss::NoRoom, payload.count());
        }
        tracing::debug!(client = %flow.client, "a QUIC client has another address");
        let moved = Rc::new(MovedFlow { path, last: Cell::new(context.now) });
        self.table.borrow_mut().insert(flow, FlowOwner::Moved(Rc::clone(&moved)));
        self.pass_on_moved(&moved, flow, payload, context);
    }

    /// Sends what has come from this address to the backend of the session.
    pub(super) fn pass_on_moved(
        &self,
        moved: &MovedFlow,
        flow: Flow,
        payload: &Payload<'_>,
        context: &BatchContext<'_>,
    ) {
        moved.last.set(context.now);
        let path = &moved.path;
        if path.moved_to().is_none() {
            path.move_to(flow);
        } else {
            self.answer_here_again(path, flow, payload);
        }
        path.received(payload.count(), payload.bytes.len() as u64, context.now);
        if self.driver.send_to_peer(&path.socket, path.backend, payload).is_err() {
            context.handles.metrics.lost(self.worker(), Loss::NotSent, payload.count());
        }
    }

    /// Sends answers to this address again, where they went to another one, if the datagram's connection id says that its client is here.
    pub(super) fn answer_here_again(&self, path: &Arc<Path>, flow: Flow, payload: &Payload<'_>) {
        if path.moved_to().is_some_and(|client| client != flow)
            && self.shared.connection_ids.find(payload.bytes).is_some_and(|found| Arc::ptr_eq(&found, path))
        {
            path.move_to(flow);
        }
    }
}
