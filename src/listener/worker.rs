//! The data plane's threads: one runtime each, nothing shared but what the snapshot and the endpoints share.

use std::io;
use std::rc::Rc;
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;

use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
use tokio::sync::{Semaphore, watch};

use super::Bound;
use super::accept::{self, Listening, Serving};
use super::bind::Socketfile;
use crate::forward::{Ingress, Worker};
use crate::metrics::{ListenerMetrics, Registry};
use crate::record::Recorder;
use crate::snapshot::Store;
use crate::tls::Acceptor;

/// How often the event loop looks for input and output while tasks are ready to run. tokio's own 61 lets a busy worker run a
/// long queue of tasks before it accepts or reads anything new, which is where a p99 comes from.
const EVENT_INTERVAL: u32 = 31;

/// One listener, ready to be served.
#[derive(Debug)]
pub struct Plan {
    /// Its sockets.
    pub bound: Bound,
    /// Its TLS.
    pub tls: Option<Acceptor>,
    /// Its counters.
    pub metrics: Arc<ListenerMetrics>,
    /// Connections at a time over all workers; 0 = no limit.
    pub max_connections: usize,
}

/// The running data plane, for the control plane to end.
#[derive(Debug)]
pub struct Control {
    phase: watch::Sender<Phase>,
    threads: Vec<JoinHandle<()>>,
    listeners: Vec<Arc<ListenerMetrics>>,
    /// Held by each worker that accepts.
    accepts: Weak<()>,
    _files: Vec<Socketfile>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Serving,
    /// Nothing new is accepted; what is under way ends in its own time.
    Draining,
    /// Whatever is left is dropped.
    Stopping,
}

/// Starts the workers. The plans are in the order of the snapshot's listeners.
///
/// # Errors
///
/// When a thread or its runtime can't be made.
pub fn start(
    workers: usize,
    plans: Vec<Plan>,
    store: &Arc<Store>,
    recorder: &Recorder,
    registry: &Arc<Registry>,
) -> io::Result<Control> {
    count_panics(registry);
    let (phase, _) = watch::channel(Phase::Serving);
    let listeners = plans.iter().map(|plan| Arc::clone(&plan.metrics)).collect();
    let (shares, files) = share(workers, plans)?;
    let accepts = Arc::new(());
    let mut threads = Vec::with_capacity(workers);
    for (index, share) in shares.into_iter().enumerate() {
        // made here, so that failing to is an error of the start
        let (store, recorder, phase) = (Arc::clone(store), recorder.clone(), phase.subscribe());
        let accepts = Arc::clone(&accepts);
        let thread = std::thread::Builder::new().name(format!("worker-{index}")).spawn(move || match runtime() {
            Ok(runtime) => runtime.block_on(run(index, share, &store, recorder, phase, accepts)),
            Err(error) => tracing::error!(%error, worker = index, "a worker can't start"),
        })?;
        threads.push(thread);
    }
    Ok(Control { phase, threads, listeners, accepts: Arc::downgrade(&accepts), _files: files })
}

fn runtime() -> io::Result<LocalRuntime> {
    Builder::new_current_thread().enable_all().event_interval(EVENT_INTERVAL).build_local(LocalOptions::default())
}

/// One worker's part of a listener.
#[derive(Debug)]
struct Share {
    socket: Part,
    tls: Option<Acceptor>,
    metrics: Arc<ListenerMetrics>,
    places: Option<Arc<Semaphore>>,
}

#[derive(Debug)]
enum Part {
    Tcp(std::net::TcpListener),
    Unix(std::os::unix::net::UnixListener),
}

/// Deals the sockets of all listeners out to the workers.
fn share(workers: usize, plans: Vec<Plan>) -> io::Result<(Vec<Vec<Share>>, Vec<Socketfile>)> {
    let mut shares: Vec<Vec<Share>> = (0..workers).map(|_| Vec::new()).collect();
    let mut files = Vec::new();
    for plan in plans {
        let places = (plan.max_connections > 0)
            .then(|| Arc::new(Semaphore::new(plan.max_connections.min(Semaphore::MAX_PERMITS))));
        let parts: Vec<Part> = match plan.bound {
            Bound::Tcp(sockets) => sockets.into_iter().map(Part::Tcp).collect(),
            Bound::Unix(sockets, file) => {
                files.push(file);
                sockets.into_iter().map(Part::Unix).collect()
            }
        };
        for (share, socket) in shares.iter_mut().zip(parts) {
            share.push(Share {
                socket,
                tls: plan.tls.clone(),
                metrics: Arc::clone(&plan.metrics),
                places: places.clone(),
            });
        }
    }
    Ok((shares, files))
}

/// One worker's life.
async fn run(
    index: usize,
    shares: Vec<Share>,
    store: &Store,
    recorder: Recorder,
    mut phase: watch::Receiver<Phase>,
    accepts: Arc<()>,
) {
    let worker = Rc::new(Worker::new(index, store.reader(), recorder));
    tokio::task::spawn_local(worker.timers.clone().run());
    tokio::task::spawn_local(Rc::clone(&worker.pools).sweep());
    let mut accepting = Vec::new();
    let known = worker.snapshot();
    let mut ingresses = Vec::new();
    for (listener, share) in known.listeners.iter().zip(shares) {
        let ingress = Rc::new(Ingress::new(&worker, listener.key));
        ingresses.push(Rc::clone(&ingress));
        let listening = match share.socket {
            Part::Tcp(socket) => tokio::net::TcpListener::from_std(socket).map(Listening::Tcp),
            Part::Unix(socket) => tokio::net::UnixListener::from_std(socket).map(Listening::Unix),
        };
        let serving = Serving { ingress, tls: share.tls, metrics: share.metrics, places: share.places };
        match listening {
            Ok(listening) => {
                let mut phase = phase.clone();
                let stop = async move { _ = phase.wait_for(|phase| *phase != Phase::Serving).await };
                accepting.push(tokio::task::spawn_local(accept::run(listening, serving, stop)));
            }
            Err(error) => tracing::error!(%error, worker = index, "a worker can't listen"),
        }
    }
    drop(known);
    let _ = phase.wait_for(|phase| *phase != Phase::Serving).await;
    for task in accepting {
        let _ = task.await;
    }
    ingresses.iter().for_each(|ingress| ingress.drain.begin());
    // the control plane counts those that still accept
    drop(accepts);
    let _ = phase.wait_for(|phase| *phase == Phase::Stopping).await;
}

impl Control {
    /// Stops accepting; connections end as soon as nothing is under way on them.
    pub fn drain(&self) {
        self.phase.send_replace(Phase::Draining);
    }

    /// Connections of clients that are open.
    pub fn connections(&self) -> u64 {
        self.listeners.iter().map(|listener| listener.connections()).sum()
    }

    /// Whether, after [`drain`](Self::drain), nothing is accepted any more and every connection has ended.
    pub fn is_drained(&self) -> bool {
        self.accepts.strong_count() == 0 && self.connections() == 0
    }

    /// Drops what is left and ends the threads.
    pub fn stop(self) {
        self.phase.send_replace(Phase::Stopping);
        for thread in self.threads {
            let _ = thread.join();
        }
    }
}

/// A panic ends the task that it happens in, which is one connection or one stream: tokio contains it. It is a defect, so it is
/// counted, and said with the place where it happened.
fn count_panics(registry: &Arc<Registry>) {
    let registry = Arc::clone(registry);
    std::panic::set_hook(Box::new(move |panic| {
        registry.count_panic();
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let message = panic.payload_as_str().unwrap_or("no message");
        tracing::error!(place, message, "a defect: one connection was given up; please report this");
    }));
}
