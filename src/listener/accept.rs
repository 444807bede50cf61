//! How one worker accepts connections on one listener.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, Cache};
use rustix::net::{SocketFlags, acceptfrom_with};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::OwnedSemaphorePermit;

use super::settings::{Accepted, ListenerSettings};
use super::{http, sessions};
use crate::clock::{Moment, Throttle};
use crate::eviction::IdleList;
use crate::forward::{Ingress, Worker};
use crate::io::{FailureTiming, Socket};
use crate::metrics::{Denial, ListenerMetrics};
use crate::policy::ListenerProtocol;
use crate::protocol::http::Setup;
use crate::shortage;
use crate::snapshot::Listener;

/// The pause when the kernel has no more file descriptors or memory for us: something that is open has to end first.
const EXHAUSTED: Duration = Duration::from_millis(50);
/// The pause between two evictions by the same waiting connection: the evicted one may have got something to do in that
/// moment.
const CALL_AGAIN: Duration = Duration::from_millis(20);
/// How often it is logged, while it lasts, that nothing can be accepted.
const COMPLAINTS: Duration = Duration::from_secs(10);

/// A listening socket in a worker's runtime.
#[derive(Debug)]
pub(super) enum ListeningSocket {
    Tcp(AsyncFd<TcpListener>),
    Unix(UnixListener),
}

/// The set-up of a connection, and its protocol.
type SetUp = (Rc<Setup>, ListenerProtocol);

/// What one worker needs to serve one listener.
#[derive(Debug)]
pub(super) struct WorkerListener {
    ingress: Rc<Ingress>,
    settings: Cache<Arc<ArcSwap<ListenerSettings>>, Arc<ListenerSettings>>,
    resting: IdleList,
    /// The set-up of the last connection; nearly always it fits the next one too.
    setup: Option<Rc<Setup>>,
}

impl WorkerListener {
    /// `settings` may be replaced at any time; each connection gets those that are current when it is accepted.
    pub fn new(ingress: Rc<Ingress>, settings: &Arc<ArcSwap<ListenerSettings>>) -> Self {
        let resting = IdleList::new(&settings.load().eviction);
        Self { ingress, settings: Cache::new(Arc::clone(settings)), resting, setup: None }
    }

    /// The settings for a connection that is accepted now.
    pub(super) fn next(&mut self) -> Accepted {
        Accepted { ingress: Rc::clone(&self.ingress), settings: Arc::clone(self.settings.load()), place: None }
    }

    /// What a connection from this address is served with; `None` = it may not come in, and is to be closed before anything is read of it.
    fn admit(&mut self, socket: &Socket, source: Option<SocketAddr>) -> Option<(Accepted, SetUp)> {
        let accepted = self.next();
        let (snapshot, listener) = self.ingress.current()?;
        let (listener, worker) = (&snapshot.listeners[listener], self.ingress.worker().index);
        let address = source.map(|source| source.ip());
        if let Some(guard) = listener.guard.as_ref().filter(|_| listener.refuses(address)) {
            guard.denied.count(worker, Denial::Network);
            tracing::debug!(listener = %listener.name, ?source, "a connection was refused for its address");
            return None;
        }
        let setup = self.set_up(&accepted, listener);
        // a PROXY header is to tell who the client is
        if listener.client_limits.is_none() || listener.proxy_protocol {
            return Some((accepted, setup));
        }
        match listener.connects(address, worker) {
            Ok(place) => Some((Accepted { place, ..accepted }, setup)),
            Err(_) => {
                socket.reset_on_close();
                None
            }
        }
    }

    /// The set-up of a connection that has waited for its place: what holds now may be something else than before.
    fn set_up_anew(&mut self, accepted: &Accepted) -> Option<SetUp> {
        let (snapshot, listener) = self.ingress.current()?;
        Some(self.set_up(accepted, &snapshot.listeners[listener]))
    }

    fn set_up(&mut self, accepted: &Accepted, listener: &Listener) -> SetUp {
        let is_limited = accepted.settings.places.is_some();
        let is_handing_over = accepted.ingress.is_handing_over();
        let last = self.setup.as_ref().filter(|last| {
            (last.idle_timeout, last.resting.is_some()) == (listener.idle_timeout, is_limited)
                && last.limits == listener.limits
                // a drain that has begun is that of connections before a hand-over that was given up
                && !is_handing_over
                && !last.drain.has_begun()
        });
        if let Some(last) = last {
            return (Rc::clone(last), listener.protocol);
        }
        let worker = accepted.ingress.worker();
        let mut limits = listener.limits.clone();
        if is_handing_over {
            limits.max_requests_per_connection = 1;
        }
        let setup = Rc::new(Setup {
            limits,
            idle_timeout: listener.idle_timeout,
            timers: worker.timers.clone(),
            drain: accepted.ingress.drain(),
            date: worker.date.clone(),
            pipes: Rc::clone(&worker.pipes),
            resting: is_limited.then(|| self.resting.clone()),
        });
        self.setup = Some(Rc::clone(&setup));
        (setup, listener.protocol)
    }
}

/// Counts an open connection while it exists.
struct OpenConnection {
    metrics: Arc<ListenerMetrics>,
    worker: Rc<Worker>,
}

/// Who accepts the connections that wait in the kernel's queue when nobody here accepts any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BacklogOwner {
    /// This process does: closing the socket would reset them, and their clients may have sent their requests.
    Ours,
    /// Another process does.
    HandedOver,
}

/// Accepts until `stop` is ready; then takes what the kernel has already accepted for this process, unless another
/// process accepts it.
pub(super) async fn run(
    listening: ListeningSocket,
    mut serving: WorkerListener,
    stop: impl Future<Output = BacklogOwner>,
) {
    let mut stop = pin!(stop);
    let mut complaint = Throttle::new(COMPLAINTS);
    let evicting = tokio::task::spawn_local(serving.resting.clone().carry_out());
    let queue = loop {
        let accepted = tokio::select! {
            biased;
            queue = &mut stop => break queue,
            accepted = listening.accept() => accepted,
        };
        let (socket, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) if is_exhausted(&error) => {
                if complaint.is_due(Moment::now()) {
                    tracing::error!(%error, "no connection can be accepted");
                }
                tokio::time::sleep(EXHAUSTED).await;
                continue;
            }
            // the connection was gone before it was accepted
            Err(_) => continue,
        };
        let Some((accepted, setup)) = serving.admit(&socket, address) else { continue };
        let place = match accepted.settings.places.as_ref().map(|places| Arc::clone(places).try_acquire_owned()) {
            None => None,
            Some(Ok(place)) => Some(place),
            // above the limit, this connection waits here, and those behind it wait in the kernel's queue
            Some(Err(_)) => {
                let (place, queue) = tokio::select! {
                    place = place_that_comes_free(&accepted) => (place, None),
                    // the listener is going: this last connection is served above the limit
                    queue = &mut stop => (None, Some(queue)),
                };
                if let Some(setup) = serving.set_up_anew(&accepted) {
                    serving.spawn(socket, address, accepted, setup, place);
                }
                match queue {
                    Some(queue) => break queue,
                    None => continue,
                }
            }
        };
        serving.spawn(socket, address, accepted, setup, place);
    };
    evicting.abort();
    if queue != BacklogOwner::HandedOver {
        take_queued(listening, &mut serving);
    }
}

/// Takes what the kernel has already accepted for this process, as far as there are places.
fn take_queued(listening: ListeningSocket, serving: &mut WorkerListener) {
    for (socket, address) in listening.queued() {
        let Some((accepted, setup)) = serving.admit(&socket, address) else { continue };
        let place = match &accepted.settings.places {
            Some(places) => match Arc::clone(places).try_acquire_owned() {
                Ok(place) => Some(place),
                Err(_) => break,
            },
            None => None,
        };
        serving.spawn(socket, address, accepted, setup, place);
    }
}

/// Waits for a place for a connection. While there is none, the connection that has been idle for longest is closed,
/// and clients that are answered meanwhile are told to close theirs.
async fn place_that_comes_free(accepted: &Accepted) -> Option<OwnedSemaphorePermit> {
    let places = accepted.settings.places.as_ref()?;
    let ListenerSettings { eviction, max_connections, .. } = &*accepted.settings;
    let _waits = eviction.wait();
    accepted.warn_that_full(*max_connections);
    let mut place = pin!(Arc::clone(places).acquire_owned());
    loop {
        eviction.evict();
        tokio::select! {
            place = &mut place => return place.ok(),
            () = tokio::time::sleep(CALL_AGAIN) => {}
        }
    }
}

impl WorkerListener {
    fn spawn(
        &mut self,
        socket: Socket,
        address: Option<SocketAddr>,
        accepted: Accepted,
        (setup, protocol): SetUp,
        place: Option<OwnedSemaphorePermit>,
    ) {
        // counted before the task starts, so that a drain that begins before its first turn knows of it
        let open = OpenConnection::new(&accepted);
        let connections = accepted.ingress.connections.clone();
        // a kind of task for each protocol, because a task is as large as the largest thing that it waits for, and a
        // session needs less than HTTP
        match protocol {
            ListenerProtocol::Http => connections.spawn(move |among| {
                let serving = http::serve(socket, address, accepted, setup);
                async move {
                    serving.await;
                    drop((place, open, among));
                }
            }),
            ListenerProtocol::Tcp | ListenerProtocol::Tls | ListenerProtocol::Udp => {
                connections.spawn(async move |among| {
                    sessions::serve(socket, address, protocol, accepted, setup).await;
                    drop((place, open, among));
                })
            }
        }
    }
}

/// Whether there are no descriptors or no memory: trying again at once would only use up the processor.
fn is_exhausted(error: &io::Error) -> bool {
    // accept(2) also returns errors that the connection has had since it was made
    shortage::of_error(error, shortage::SocketKind::Ip, FailureTiming::Later).is_some()
}

impl ListeningSocket {
    /// A TCP socket that does not block.
    #[expect(deprecated, reason = "what follows it is unsafe, for types that change their descriptor; std's keeps it")]
    pub(super) fn tcp(listener: TcpListener) -> io::Result<Self> {
        AsyncFd::with_interest(listener, Interest::READABLE).map(Self::Tcp)
    }

    async fn accept(&self) -> io::Result<(Socket, Option<SocketAddr>)> {
        match self {
            Self::Tcp(listener) => listener.async_io(Interest::READABLE, accept).await,
            Self::Unix(listener) => Ok((Socket::Unix(listener.accept().await?.0), None)),
        }
    }

    /// The connections that wait in the kernel's queue now.
    fn queued(self) -> Vec<(Socket, Option<SocketAddr>)> {
        // asked of the kernel directly: tokio learns what has come only at its next look at the kernel's events
        match self {
            Self::Tcp(listener) => {
                let listener = listener.into_inner();
                std::iter::from_fn(|| accept(&listener).ok()).collect()
            }
            Self::Unix(listener) => match listener.into_std() {
                Ok(listener) => std::iter::from_fn(|| {
                    let socket = listener.accept().ok()?.0;
                    socket.set_nonblocking(true).ok()?;
                    Some((Socket::Unix(UnixStream::from_std(socket).ok()?), None))
                })
                .collect(),
                Err(_) => Vec::new(),
            },
        }
    }
}

/// Accepts the next connection by the kernel's own call: the one of std would need a second call to make the socket
/// non-blocking, and the one of tokio registers it with the event loop at once.
fn accept(listener: &TcpListener) -> io::Result<(Socket, Option<SocketAddr>)> {
    let (socket, address) = acceptfrom_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC)?;
    Ok((Socket::accepted(socket.into()), address.and_then(|address| address.try_into().ok())))
}

impl OpenConnection {
    fn new(serving: &Accepted) -> Self {
        let worker = Rc::clone(serving.ingress.worker());
        serving.settings.metrics.opened(worker.index);
        Self { metrics: Arc::clone(&serving.settings.metrics), worker }
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.metrics.closed(self.worker.index);
        self.worker.ended.notify_one();
    }
}
