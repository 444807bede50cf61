//! The composition root: a configuration in, a running system out, its changes, and its end.
//!
//! The calling thread becomes the control plane: it binds, starts the workers, and then obeys signals, reloads, and answers the
//! admin address until the end.

mod changes;
mod inherit;
#[cfg(test)]
mod ingress_tests;
mod listeners;
mod notify;
mod parts;
mod reload;
mod signals;
mod upgrade;

use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::admin::{self, Phase, Refused, Reload};
use crate::config::Loaded;
use crate::listener::{self, Queue, Socket};
use crate::metrics::Registry;
use crate::record::{Recorder, access};
use crate::snapshot::{self, Store};
use inherit::Inherited;
use listeners::Listeners;
use parts::AdminAddress;
use reload::System;
use signals::{Signal, Signals};
use upgrade::{Start, Successor};

/// How often a drain looks whether it is done. What waits for it is a deployment, not an exchange.
const DRAIN_LOOK: Duration = Duration::from_millis(50);

/// How often snapshots that nobody holds any more are let go.
const SWEEP: Duration = Duration::from_secs(1);

/// Where a system that is ready can be reached.
#[derive(Debug)]
pub struct Ready {
    /// The admin address, its port filled in.
    pub admin: SocketAddr,
    /// The listeners' addresses, in the order of the configuration, ports filled in.
    pub listeners: Vec<String>,
}

/// Runs until a signal ends it. `source` is the file that the configuration came from, if it came from one: it is read again at
/// a reload. `ready` is called once clients are served.
///
/// # Errors
///
/// Why it could not start; for people.
pub fn run(loaded: Loaded, source: Option<&Path>, ready: impl FnOnce(&Ready)) -> Result<(), String> {
    // before there are threads
    let inherited = Inherited::take();
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
    let runtime = runtime.map_err(|error| format!("the control plane can't start: {error}"))?;
    runtime.block_on(control(loaded, source, inherited, ready))
}

/// The control plane's life.
async fn control(
    loaded: Loaded,
    source: Option<&Path>,
    mut inherited: Inherited,
    ready: impl FnOnce(&Ready),
) -> Result<(), String> {
    let config = &loaded.config;
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        pid = std::process::id(),
        workers = config.server.workers,
        listeners = config.listeners.len(),
        services = config.services.len(),
        "evenkeel starts"
    );
    let start = Start::remember();
    let signals = Signals::new().map_err(|error| format!("signals can't be received: {error}"))?;
    let state_dir = &config.server.state_dir;
    std::fs::create_dir_all(state_dir).map_err(|error| format!("state_dir {}: {error}", state_dir.display()))?;
    // first: of two processes that start with the same configuration at the same time only one gets past it
    let admin = parts::admin(&config.admin, &mut inherited)?;
    let (log, writer) = parts::access_log(&config.log)?.unzip();
    let recorder = Recorder::new(log.clone());
    let (wishes, reloads) = mpsc::channel(1);
    let system = system(loaded, source, (log, &recorder), (wishes, &mut inherited))?;
    inherited.close_the_rest();

    let mut running = Running { serving: None, admin, system, signals, start, reloads };
    running.serve_admin()?;
    running.system.admin.enter(Phase::Ready);
    let shown = running.system.listeners.shown(&running.system.store.load());
    ready(&Ready {
        admin: running.admin.address,
        listeners: shown.into_iter().map(|listener| listener.address).collect(),
    });
    tracing::info!("ready");
    match inherited.ready.take() {
        Some(before) => upgrade::take_over(before),
        None => notify::ready(),
    }
    tokio::task::spawn_local(notify::live());

    let ended = running.serve().await;
    running.stop(ended).await;
    drop(recorder);
    // the writer ends when the last handle of its log is gone, with every line written
    if let Some(writer) = writer {
        let _ = writer.join();
    }
    tracing::info!("stopped");
    Ok(())
}

/// Everything that serves clients, serving them.
fn system(
    loaded: Loaded,
    source: Option<&Path>,
    (log, recorder): (Option<access::Log>, &Recorder),
    (wishes, inherited): (mpsc::Sender<Reload>, &mut Inherited),
) -> Result<System, String> {
    let Loaded { config, effective, .. } = loaded;
    let effective = Rc::new(effective);
    let workers = config.server.workers;
    let registry = Registry::new(workers);
    let mut listeners = Listeners::new(workers);
    let prepared = listeners.prepare(&config, None, &registry, inherited)?;
    let snapshot = snapshot::build(&config, None, &mut parts::backend_tls, &registry).map_err(|e| e.to_string())?;
    registry.set_generation(snapshot.generation);
    let store = Arc::new(Store::new(snapshot));
    let workers = listener::start(workers, &store, recorder, &registry);
    let mut workers = workers.map_err(|error| format!("the workers can't start: {error}"))?;
    listeners.commit(prepared, &store.load(), &mut workers);
    let admin = Rc::new(admin::State::new(admin::Sources {
        store: Arc::clone(&store),
        registry: Arc::clone(&registry),
        listeners: listeners.shown(&store.load()),
        effective: Rc::clone(&effective),
        token: config.admin.token.clone(),
        reload: wishes,
    }));
    Ok(System {
        source: source.map(Path::to_path_buf),
        store,
        registry,
        listeners,
        workers,
        admin,
        drain_timeout: config.server.drain_timeout,
        effective,
        token: config.admin.token,
        log,
    })
}

/// The process, once it serves.
struct Running {
    /// The task that accepts on the admin address.
    serving: Option<JoinHandle<()>>,
    admin: AdminAddress,
    system: System,
    signals: Signals,
    start: std::io::Result<Start>,
    /// Wishes for a reload, from the admin address.
    reloads: mpsc::Receiver<Reload>,
}

/// Why it no longer serves.
enum Ended {
    /// It was told to stop.
    Stopped,
    /// This process serves now.
    Replaced(Successor),
}

impl Running {
    fn serve_admin(&mut self) -> Result<(), String> {
        let failed = |error: std::io::Error| format!("admin: {error}");
        let socket = self.admin.socket.try_clone().and_then(tokio::net::TcpListener::from_std).map_err(failed)?;
        let served = admin::serve(socket, self.admin.tls.clone(), Rc::clone(&self.system.admin));
        self.serving = Some(tokio::task::spawn_local(served));
        Ok(())
    }

    /// Until a signal says stop, or another process has taken over.
    async fn serve(&mut self) -> Ended {
        // the sender is held, or there would be no end of changes
        let (_changed, mut changes) = reload::changes(self.system.source.as_deref());
        let mut sweep = tokio::time::interval(SWEEP);
        let mut successor: Option<Successor> = None;
        loop {
            tokio::select! {
                signal = self.signals.next() => match signal {
                    Signal::Hangup => {
                        if let Some(log) = &self.system.log {
                            log.reopen();
                        }
                        _ = self.reload("SIGHUP", successor.as_ref()).await;
                    }
                    Signal::Upgrade if successor.is_some() => tracing::warn!("SIGUSR2: an upgrade is under way already"),
                    Signal::Upgrade => successor = self.upgrade(),
                    Signal::Terminate | Signal::Interrupt => {
                        tracing::info!(%signal, "stopping");
                        // it was to serve in our place, and nobody is to serve any more
                        if let Some(mut successor) = successor {
                            successor.end();
                        }
                        return Ended::Stopped;
                    }
                },
                Some(wish) = self.reloads.recv() => {
                    let done = self.reload("POST /api/v1/reload", successor.as_ref()).await;
                    // who asked may have gone
                    let _ = wish.send(done);
                }
                Some(()) = changes.recv() => {
                    _ = self.reload("the file has changed", successor.as_ref()).await;
                }
                _ = sweep.tick() => self.system.store.sweep(),
                outcome = taken_over(&mut successor) => match (outcome, successor.take()) {
                    (Ok(()), Some(successor)) => return Ended::Replaced(successor),
                    (Err(why), _) => tracing::error!("SIGUSR2: this process serves on, the new one failed: {why}"),
                    (Ok(()), None) => {}
                },
            }
        }
    }

    async fn reload(&mut self, why: &str, successor: Option<&Successor>) -> Result<u64, Refused> {
        if successor.is_some() {
            let detail = "another process is about to take over, with the file as it is".to_owned();
            tracing::warn!("not reloaded ({why}): {detail}");
            return Err(Refused { detail, mistakes: serde_json::Value::Array(Vec::new()) });
        }
        self.system.reload(why).await
    }

    /// Starts the process that is to take over.
    fn upgrade(&self) -> Option<Successor> {
        let started = (|| {
            let start = self.start.as_ref().map_err(|error| format!("the binary's path is not known: {error}"))?;
            if self.system.source.is_none() {
                return Err("it was started without a file".to_owned());
            }
            let mut sockets = self.system.listeners.duplicates().map_err(|error| error.to_string())?;
            let admin = self.admin.socket.try_clone().map_err(|error| error.to_string())?;
            sockets.push((inherit::ADMIN.to_owned(), Socket::Tcp(admin)));
            start.again(sockets).map_err(|error| error.to_string())
        })();
        match started {
            Ok(successor) => {
                tracing::info!(pid = successor.pid(), "SIGUSR2: started a process that takes over when it is ready");
                Some(successor)
            }
            Err(why) => {
                tracing::error!("SIGUSR2: this process serves on, no new one can be started: {why}");
                None
            }
        }
    }

    /// Lets what is under way end, then everything.
    async fn stop(mut self, ended: Ended) {
        self.system.admin.enter(Phase::Draining);
        let queue = match ended {
            Ended::Stopped => {
                notify::stopping();
                self.system.listeners.close();
                Queue::Ours
            }
            Ended::Replaced(successor) => {
                tracing::info!(pid = successor.pid(), "another process has taken over");
                if let Some(serving) = self.serving.take() {
                    serving.abort();
                }
                self.system.listeners.leave();
                notify::replaced_by(successor.pid());
                Queue::HandedOver
            }
        };
        self.drain(queue).await;
        self.system.workers.stop();
    }

    /// Until what is under way has ended, its time is over, or another signal says stop.
    async fn drain(&mut self, queue: Queue) {
        let (began, limit, workers) = (Instant::now(), self.system.drain_timeout, &self.system.workers);
        workers.drain(queue);
        tracing::info!(connections = workers.connections(), ?limit, "draining");
        while !workers.is_drained() {
            if began.elapsed() >= limit {
                return tracing::warn!(
                    connections = workers.connections(),
                    "drain_timeout is over: what is left is cut off"
                );
            }
            tokio::select! {
                () = tokio::time::sleep(DRAIN_LOOK) => {}
                signal = self.signals.next() => {
                    if matches!(signal, Signal::Terminate | Signal::Interrupt) {
                        return tracing::warn!(%signal, connections = workers.connections(), "stopping at once");
                    }
                }
            }
        }
    }
}

/// Waits until the successor is ready, or is not going to be; for ever where there is none.
async fn taken_over(successor: &mut Option<Successor>) -> Result<(), String> {
    match successor {
        Some(successor) => successor.ready().await,
        None => std::future::pending().await,
    }
}
