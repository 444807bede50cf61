//! The data plane's threads: each has a runtime of its own, and they share nothing but the snapshot and the endpoints.

use std::io;
use std::rc::{Rc, Weak};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{self, Arc};
use std::thread::JoinHandle;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::AbortHandle;

use super::accept::{self, BacklogOwner, ListeningSocket, WorkerListener};
use super::panics::count_panics;
use super::{BoundSocket, ListenerSettings, datagrams, memory};
use crate::forward::{Ingress, Worker};
use crate::metrics::{ListenerMetrics, Registry};
use crate::record::Recorder;
use crate::snapshot::Store;

/// How many tasks run between two looks of the event loop for input and output. The default of tokio, 61, lets a busy
/// worker run a long queue of tasks before it accepts or reads anything new, which worsens the p99.
const EVENT_INTERVAL: u32 = 31;

/// How often it is looked whether connections have ended that were told to. Only a hand-over waits for it.
const CLOSING_LOOK: Duration = Duration::from_millis(20);

/// One listener, ready to be served.
#[derive(Debug)]
pub struct NewListener<'a> {
    /// [`Listener::key`](crate::snapshot::Listener::key)
    pub key: u32,
    /// By worker: the sockets that it accepts on.
    pub parts: Vec<Vec<BoundSocket>>,
    /// The settings of its connections.
    pub settings: &'a Arc<ArcSwap<ListenerSettings>>,
}

/// The running data plane, as the control plane commands it.
#[derive(Debug)]
pub struct DataPlane {
    phase: watch::Sender<Phase>,
    commands: Vec<mpsc::UnboundedSender<WorkerCommand>>,
    threads: Vec<JoinHandle<()>>,
    /// The counters of every listener that has connections, also of removed ones.
    listeners: Vec<sync::Weak<ListenerMetrics>>,
    /// Each worker that still accepts holds the other end.
    accepts: sync::Weak<()>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Serving,
    /// Nothing new is accepted; connections end when nothing is under way on them any more.
    Draining(BacklogOwner),
    /// Connections that are left are dropped.
    Stopping,
}

/// A command of the control plane to one worker.
#[derive(Debug)]
enum WorkerCommand {
    /// Accept on these sockets too.
    Accept(ListenerPart),
    /// Prepare for a snapshot without this listener, and confirm it.
    Retire(u32, oneshot::Sender<()>),
    /// Accept no more on this listener, and let its connections end.
    Remove(u32, Arc<ListenerRemoval>),
    /// Let all connections end, go on to accept others and close each after its first answer; confirm it when those have ended that
    /// are open now.
    CloseConnections(oneshot::Sender<()>),
    /// Keep connections open again.
    KeepConnections,
}

/// One worker's part of a listener.
#[derive(Debug)]
struct ListenerPart {
    key: u32,
    sockets: Vec<BoundSocket>,
    settings: Arc<ArcSwap<ListenerSettings>>,
}

/// A listener that is removed, shared by all workers, so that connections that are cut off are logged once.
#[derive(Debug)]
struct ListenerRemoval {
    listener: String,
    /// How long its connections may go on.
    limit: Duration,
    cut: AtomicUsize,
}

/// Starts the workers, which accept nothing yet.
///
/// # Errors
///
/// When a thread or its runtime can't be made.
pub fn start(
    workers: usize,
    store: &Arc<Store>,
    recorder: &Recorder,
    registry: &Arc<Registry>,
) -> io::Result<DataPlane> {
    count_panics(registry);
    let (phase, _) = watch::channel(Phase::Serving);
    let accepts = Arc::new(());
    let (report, reports) = sync::mpsc::channel();
    let (mut threads, mut commands) = (Vec::with_capacity(workers), Vec::with_capacity(workers));
    for index in 0..workers {
        let (sender, receiver) = mpsc::unbounded_channel();
        let (store, recorder, phase) = (Arc::clone(store), recorder.clone(), phase.subscribe());
        let (accepts, report) = (Arc::clone(&accepts), report.clone());
        let thread = std::thread::Builder::new().name(format!("worker-{index}")).spawn(move || {
            let (runtime, made) = match runtime() {
                Ok(runtime) => (Some(runtime), Ok(())),
                Err(error) => (None, Err(error)),
            };
            // `start` waits for this report
            let _ = report.send(made);
            drop(report);
            if let Some(runtime) = runtime {
                runtime.block_on(run(index, receiver, &store, recorder, phase, accepts));
            }
        })?;
        threads.push(thread);
        commands.push(sender);
    }
    drop(report);
    // a runtime can't leave its thread, so whether it was made comes by this channel
    reports.into_iter().collect::<io::Result<()>>()?;
    Ok(DataPlane { phase, commands, threads, listeners: Vec::new(), accepts: Arc::downgrade(&accepts) })
}

fn runtime() -> io::Result<LocalRuntime> {
    Builder::new_current_thread().enable_all().event_interval(EVENT_INTERVAL).build_local(LocalOptions::default())
}

/// A listener that a worker accepts on.
struct Accepting {
    ingress: Rc<Ingress>,
    key: u32,
    /// Dropping it makes the tasks stop.
    stop: Option<watch::Sender<BacklogOwner>>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

/// Runs one worker from start to end.
async fn run(
    index: usize,
    mut commands: mpsc::UnboundedReceiver<WorkerCommand>,
    store: &Store,
    recorder: Recorder,
    mut phase: watch::Receiver<Phase>,
    accepts: Arc<()>,
) {
    let worker = Rc::new(Worker::new(index, store.reader(), recorder));
    tokio::task::spawn_local(worker.timers.clone().run());
    let looking = Rc::downgrade(&worker);
    // a worker without exchanges must not hold a snapshot that was replaced, with all the backends that it had
    let first = move || drop(looking.upgrade().map(|worker| worker.snapshot()));
    tokio::task::spawn_local(Rc::clone(&worker.pools).sweep(first));
    tokio::task::spawn_local(memory::give_back(Rc::clone(&worker)));
    let recording = Rc::clone(&worker);
    tokio::task::spawn_local(async move { recording.recorder.hand_over_lines().await });
    let mut accepting: Vec<Accepting> = Vec::new();
    loop {
        let command = tokio::select! {
            biased;
            command = commands.recv() => command,
            _ = phase.wait_for(|phase| *phase != Phase::Serving) => break,
        };
        match command {
            Some(WorkerCommand::Accept(part)) => accepting.push(Accepting::start(&worker, part)),
            Some(WorkerCommand::Retire(key, done)) => {
                accepting.iter().filter(|a| a.key == key).for_each(|a| a.ingress.retire());
                // when nobody waits for this, the control plane has ended
                let _ = done.send(());
            }
            Some(WorkerCommand::Remove(key, removal)) => {
                if let Some(at) = accepting.iter().position(|a| a.key == key) {
                    let (gone, accepts) = (accepting.swap_remove(at), Arc::clone(&accepts));
                    tokio::task::spawn_local(removal.cut_off_later(Rc::downgrade(&gone.ingress)));
                    tokio::task::spawn_local(async move {
                        gone.end().await;
                        drop(accepts);
                    });
                }
            }
            Some(WorkerCommand::CloseConnections(done)) => {
                let open = accepting.iter().flat_map(|a| a.ingress.close_connections()).collect();
                tokio::task::spawn_local(ended(open, done));
            }
            Some(WorkerCommand::KeepConnections) => accepting.iter().for_each(|a| a.ingress.keep_connections()),
            None => break,
        }
    }
    let queue = match *phase.borrow() {
        Phase::Draining(queue) => queue,
        Phase::Serving | Phase::Stopping => BacklogOwner::Ours,
    };
    tokio::select! {
        biased;
        () = drain(accepting, queue, accepts) => {}
        _ = phase.wait_for(|phase| *phase == Phase::Stopping) => {}
    }
    worker.is_over.set(true);
}

/// Waits until these tasks have ended, and confirms it; not for longer than somebody waits for that.
async fn ended(mut open: Vec<AbortHandle>, mut done: oneshot::Sender<()>) {
    loop {
        open.retain(|task| !task.is_finished());
        if open.is_empty() {
            let _ = done.send(());
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(CLOSING_LOOK) => {}
            () = done.closed() => return,
        }
    }
}

/// Accepts no more, and lets all connections end. Never done: the caller ends the wait.
async fn drain(mut accepting: Vec<Accepting>, queue: BacklogOwner, accepts: Arc<()>) {
    for stop in accepting.iter_mut().filter_map(|accepting| accepting.stop.take()) {
        stop.send_replace(queue);
    }
    // all at once, because a datagram listener ends only when its last session is silent
    let ending: Vec<_> = accepting.into_iter().map(|accepting| tokio::task::spawn_local(accepting.end())).collect();
    for ended in ending {
        let _ = ended.await;
    }
    // the control plane counts the workers that still hold this
    drop(accepts);
    std::future::pending().await
}

impl Accepting {
    fn start(worker: &Rc<Worker>, part: ListenerPart) -> Self {
        let ingress = Rc::new(Ingress::new(worker, part.key));
        let (stop, stopped) = watch::channel(BacklogOwner::Ours);
        let mut tasks = Vec::with_capacity(part.sockets.len());
        for socket in part.sockets {
            let serving = WorkerListener::new(Rc::clone(&ingress), &part.settings);
            let mut stopped = stopped.clone();
            let stop = async move {
                while stopped.changed().await.is_ok() {}
                *stopped.borrow()
            };
            let listening = match socket {
                BoundSocket::Udp(socket) => {
                    tasks.push(tokio::task::spawn_local(datagrams::run(socket, serving, stop)));
                    continue;
                }
                BoundSocket::Tcp(socket) => ListeningSocket::tcp(socket),
                BoundSocket::Unix(socket) => tokio::net::UnixListener::from_std(socket).map(ListeningSocket::Unix),
            };
            match listening {
                Ok(listening) => {
                    tasks.push(tokio::task::spawn_local(accept::run(listening, serving, stop)));
                }
                Err(error) => tracing::error!(%error, worker = worker.index, "a worker can't listen"),
            }
        }
        Self { ingress, key: part.key, stop: Some(stop), tasks }
    }

    /// Accepts no more, and then ends connections as soon as nothing is under way on them.
    async fn end(mut self) {
        drop(self.stop.take());
        for task in self.tasks {
            let _ = task.await;
        }
        self.ingress.begin_drain();
    }
}

impl ListenerRemoval {
    /// Cuts off the connections that are left on one worker when the time is over. It holds only a weak reference, so
    /// that an ended listener is not kept alive for that.
    async fn cut_off_later(self: Arc<Self>, ingress: Weak<Ingress>) {
        tokio::time::sleep(self.limit).await;
        if let Some(ingress) = ingress.upgrade() {
            self.cut.fetch_add(ingress.cut(), Relaxed);
        }
    }
}

impl Drop for ListenerRemoval {
    fn drop(&mut self) {
        let (listener, connections) = (&self.listener, *self.cut.get_mut());
        if connections > 0 {
            tracing::warn!(
                %listener,
                connections,
                "the listener was taken away and drain_timeout is over: what is left of it is cut off"
            );
        }
    }
}

impl DataPlane {
    /// Lets every worker accept on a listener that the current snapshot knows.
    pub fn accept(&mut self, plan: NewListener<'_>) {
        self.counts(&plan.settings.load().metrics);
        for (command, sockets) in self.commands.iter().zip(plan.parts) {
            // a worker that has ended has logged why
            let _ = command.send(WorkerCommand::Accept(ListenerPart {
                key: plan.key,
                sockets,
                settings: Arc::clone(plan.settings),
            }));
        }
    }

    /// Registers the counters that a listener has from now on.
    pub fn counts(&mut self, metrics: &Arc<ListenerMetrics>) {
        self.listeners.retain(|known| known.strong_count() > 0 && !std::ptr::eq(known.as_ptr(), &**metrics));
        self.listeners.push(Arc::downgrade(metrics));
    }

    /// Prepares every worker for a snapshot without this listener; returns when all are prepared. Connections that are
    /// accepted meanwhile are served as before. If that snapshot is not published after all, nothing has changed.
    pub async fn retire(&self, key: u32) {
        let prepared = self.commands.iter().map(|command| {
            let (done, prepared) = oneshot::channel();
            let _ = command.send(WorkerCommand::Retire(key, done));
            prepared
        });
        for prepared in prepared.collect::<Vec<_>>() {
            let _ = prepared.await;
        }
    }

    /// Accepts no more on a [retired](Self::retire) listener; its connections end as soon as nothing is under way on them, and after
    /// `limit` in any case. `name` is for the log.
    /// The duplicates of its sockets must be closed by now: the kernel would go on queueing connections for them.
    pub fn remove(&self, key: u32, name: String, limit: Duration) {
        let removal = Arc::new(ListenerRemoval { listener: name, limit, cut: AtomicUsize::new(0) });
        self.commands.iter().for_each(|command| _ = command.send(WorkerCommand::Remove(key, Arc::clone(&removal))));
    }

    /// Lets every connection end as soon as nothing is under way on it, and goes on accepting others, each of which is closed after
    /// its first answer. Returns when those have ended that were open. [`keep_connections`](Self::keep_connections) ends it.
    pub async fn close_connections(&self) {
        let ended = self.commands.iter().map(|command| {
            let (done, ended) = oneshot::channel();
            let _ = command.send(WorkerCommand::CloseConnections(done));
            ended
        });
        for ended in ended.collect::<Vec<_>>() {
            let _ = ended.await;
        }
    }

    /// Keeps connections open again, for clients that go on using them.
    pub fn keep_connections(&self) {
        self.commands.iter().for_each(|command| _ = command.send(WorkerCommand::KeepConnections));
    }

    /// Connections of clients that were accepted so far.
    pub fn accepted(&self) -> u64 {
        self.listeners.iter().filter_map(sync::Weak::upgrade).map(|listener| listener.accepted()).sum()
    }

    /// Stops accepting; connections end as soon as nothing is under way on them.
    pub fn drain(&self, queue: BacklogOwner) {
        self.phase.send_replace(Phase::Draining(queue));
    }

    /// Connections of clients that are open.
    pub fn connections(&self) -> u64 {
        self.listeners.iter().filter_map(sync::Weak::upgrade).map(|listener| listener.connections()).sum()
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
