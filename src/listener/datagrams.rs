//! How one worker receives on one socket for datagrams.

use std::net::UdpSocket;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::accept::{BacklogOwner, WorkerListener};
use super::settings::Accepted;
use crate::forward::datagrams::{ListenerHandles, UdpSessions};
use crate::layer4::udp::batch::SLOTS;
use crate::layer4::udp::{Batch, Ready, Socket};

/// Silent sessions are looked for four times in an `idle_timeout`, so that it is exceeded by a quarter at most.
const SHARE: u32 = 4;
const OFTEN: Duration = Duration::from_millis(50);
const SELDOM: Duration = Duration::from_secs(1);

/// The pause between two looks during a drain.
const DRAINING: Duration = Duration::from_millis(100);

/// Receives until `stop` is ready. Then no session begins any more, and the task ends with the last session; datagrams
/// for open sessions are still received, unless another process receives them.
pub(super) async fn run(socket: UdpSocket, mut serving: WorkerListener, stop: impl Future<Output = BacklogOwner>) {
    let socket = Arc::new(socket);
    let Accepted { ingress, settings, .. } = serving.next();
    let made = UdpSessions::new(&ingress, Arc::clone(&socket), Arc::clone(&settings.datagrams));
    let made = made.and_then(|sessions| Ok((sessions, Socket::new(socket)?)));
    let (sessions, socket) = match made {
        Ok(made) => made,
        Err(error) => {
            return tracing::error!(%error, worker = ingress.worker().index, "a worker can't receive datagrams");
        }
    };
    drop((ingress, settings));
    let (mut stop, mut stopped) = (pin!(stop), None);
    let mut batch = Batch::default();
    let mut look = pin!(tokio::time::sleep(OFTEN));
    loop {
        tokio::select! {
            biased;
            queue = &mut stop, if stopped.is_none() => {
                stopped = Some(queue);
                sessions.close();
                look.as_mut().reset(tokio::time::Instant::now());
            }
            () = &mut look, if stopped.is_some() || !sessions.is_empty() => {
                let left = sessions.sweep();
                if stopped.is_some() && left == 0 {
                    return;
                }
                let pause = match stopped {
                    Some(_) => DRAINING,
                    None => (sessions.idle_timeout() / SHARE).clamp(OFTEN, SELDOM),
                };
                look.as_mut().reset(tokio::time::Instant::now() + pause);
            }
            ready = socket.ready(), if stopped != Some(BacklogOwner::HandedOver) => {
                let full = match ready {
                    Ok(mut ready) => receive(&mut ready, &mut batch, &sessions, &mut serving),
                    Err(error) => return tracing::error!(%error, "no datagram can be received any more"),
                };
                if full {
                    // a second batch at once would keep the answers waiting
                    tokio::task::yield_now().await;
                }
            }
        }
    }
}

/// Passes on one batch; returns whether there may be more.
fn receive(ready: &mut Ready<'_>, batch: &mut Batch, sessions: &Rc<UdpSessions>, serving: &mut WorkerListener) -> bool {
    match ready.receive::<SLOTS>(sessions.driver(), batch) {
        Ok(full) => {
            let Accepted { settings, .. } = serving.next();
            let handles = ListenerHandles { metrics: Arc::clone(&settings.metrics), permits: settings.places.clone() };
            sessions.take(batch, &handles);
            full
        }
        Err(error) => {
            tracing::debug!(%error, "a datagram can't be received");
            true
        }
    }
}
