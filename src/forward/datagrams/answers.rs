//! What backends send. Each session has a task that waits for it.

use std::rc::{Rc, Weak};

use super::UdpSessions;
use super::session::UdpSession;
use crate::clock::Moment;
use crate::layer4::quic;
use crate::layer4::udp::{Payload, Ready, Socket};
use crate::metrics::Loss;
use crate::upstream::udp::is_unreachable;

/// Datagrams, or runs of them, that are read for one session in one call. Most sessions have one at a time.
const SLOTS: usize = 8;

/// Calls after which other tasks have their turn.
const ROUNDS: usize = 4;

/// What a task does next.
enum Next {
    /// Waits.
    Wait,
    /// Lets other tasks have their turn.
    Yield,
    /// Ends: the session is over, or another task reads for it.
    End,
}

/// Reads what the session's backend sends, and passes it on, for as long as the session lasts.
pub(super) async fn read(sessions: Weak<UdpSessions>, session: Weak<UdpSession>, socket: Rc<Socket>) {
    while let Ok(mut ready) = socket.ready().await {
        let next = match (sessions.upgrade(), session.upgrade()) {
            (Some(sessions), Some(session)) => sessions.read(&session, &socket, &mut ready),
            _ => Next::End,
        };
        match next {
            Next::Wait => {}
            Next::Yield => tokio::task::yield_now().await,
            Next::End => return,
        }
    }
}

impl UdpSessions {
    fn read(self: &Rc<Self>, session: &Rc<UdpSession>, socket: &Socket, ready: &mut Ready<'_>) -> Next {
        let now = Moment::now();
        let mut room = self.room.borrow_mut();
        for _ in 0..ROUNDS {
            match ready.receive::<SLOTS>(&self.driver, &mut room) {
                Ok(more) => {
                    for received in room.received() {
                        self.answer(session, &received.payload, now);
                    }
                    if !more {
                        return Next::Wait;
                    }
                }
                Err(error) if is_unreachable(&error) => {
                    drop(room);
                    self.broken(session, &error);
                    // another backend has another socket, and another task
                    return Next::End;
                }
                // about one datagram that was too large for the path
                Err(_) => socket.forget_errors(&self.driver),
            }
        }
        Next::Yield
    }

    /// Passes on what the backend has sent.
    fn answer(&self, session: &UdpSession, payload: &Payload<'_>, now: Moment) {
        session.answered(payload, now, self.ingress.worker());
        if session.is_quic {
            payload.datagrams().filter_map(quic::chosen).for_each(|id| session.learn(id));
        }
        let moved = session.path.borrow().as_ref().and_then(|path| path.moved_to());
        let flow = moved.unwrap_or(session.flow);
        let metrics = &session.counted.metrics;
        match self.driver.send(&self.listening, flow.client, flow.local, payload) {
            Ok(()) => {
                metrics.transferred(self.worker(), 0, payload.bytes.len() as u64);
                metrics.datagrams(self.worker(), 0, payload.count());
            }
            Err(_) => metrics.lost(self.worker(), Loss::NotSent, payload.count()),
        }
    }
}
