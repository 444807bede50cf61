//! The process while it serves: it obeys signals, requests and changes until one of them ends it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::parts::AdminAddress;
use super::reload::System;
use super::signals::{Signal, Signals};
use super::upgrade::{Invocation, Successor};
use super::{Ready, background, hand_over, inherit, service_manager};
use crate::admin::{self, HandOver, Phase, Refused, Reload};
use crate::event::{Kind, Subject};
use crate::listener::{BacklogOwner, BoundSocket};

/// How often a drain is checked for its end. Only a deployment waits for it, no exchange.
const DRAIN_LOOK: Duration = Duration::from_millis(50);

/// How often snapshots that nobody holds any more are freed.
const SWEEP: Duration = Duration::from_secs(1);

/// How long the answer to a hand-over may take to be written before the process drains.
const ANSWERED_WITHIN: Duration = Duration::from_secs(1);

/// How long an upgrade waits for the disk to have what operators said. A disk that takes longer is no place to start a new process from.
const KEPT_WITHIN: Duration = Duration::from_secs(5);

/// The process, once it serves.
pub(super) struct Running {
    /// The task that accepts on the admin address.
    pub serving: Option<JoinHandle<()>>,
    /// The admin address.
    pub admin: AdminAddress,
    /// Everything that serves clients.
    pub system: System,
    /// The signals that the process obeys.
    pub signals: Signals,
    /// How it was started.
    pub invocation: std::io::Result<Invocation>,
    /// A signal that said stop while something else was under way.
    pub told: Option<Signal>,
    /// Requests for a reload, from the admin address.
    pub reloads: mpsc::Receiver<Reload>,
    /// Requests for a hand-over, from the admin address.
    pub hand_overs: mpsc::Receiver<HandOver>,
    /// Messages that discovery has found other backends, or a name other addresses.
    pub backend_changes: mpsc::Receiver<()>,
}

/// Why it no longer serves.
pub(super) enum Ended {
    /// A signal said stop.
    Stopped,
    /// Another process has taken over: this one.
    Replaced(Successor),
}

impl Running {
    /// Begins to answer the admin address.
    pub fn serve_admin(&mut self) -> Result<(), String> {
        let failed = |error: std::io::Error| format!("admin: {error}");
        let socket = self.admin.socket.try_clone().and_then(tokio::net::TcpListener::from_std).map_err(failed)?;
        let served = admin::serve(socket, self.admin.tls.clone(), Arc::clone(&self.system.admin));
        self.serving = Some(tokio::task::spawn_local(served));
        Ok(())
    }

    /// Clients are served: tells it, and gives back where.
    pub fn is_ready(&self) -> Ready {
        self.system.admin.enter(Phase::Ready);
        self.system.store.events().tell(Subject::default(), Kind::Ready { version: env!("CARGO_PKG_VERSION") });
        let shown = self.system.listeners.shown(&self.system.store.load());
        let listeners = shown.into_iter().map(|listener| listener.address).collect();
        Ready { admin: self.admin.address, listeners, events: Arc::clone(self.system.store.events()) }
    }

    /// Serves until a signal says stop, or another process has taken over.
    pub async fn serve(&mut self) -> Ended {
        let mut changes = self.system.source.changes();
        let mut sweep = tokio::time::interval(SWEEP);
        let mut successor: Option<Successor> = None;
        loop {
            let told = self.told.take();
            tokio::select! {
                biased;
                signal = async { match told { Some(told) => told, None => self.signals.next().await } } => match signal {
                    Signal::Hangup if self.system.source.is_file() => {
                        if let Some(log) = &self.system.log {
                            log.reopen();
                        }
                        _ = self.reload("SIGHUP", successor.as_ref()).await;
                    }
                    Signal::Upgrade if successor.is_some() => tracing::warn!("SIGUSR2: an upgrade is under way already"),
                    Signal::Upgrade => successor = self.upgrade().await,
                    // without a file to read again (the demo) SIGHUP means what it does to most programs: the terminal is gone
                    Signal::Terminate | Signal::Interrupt | Signal::Hangup => {
                        let kind = Kind::Stopping { signal: signal.to_string() };
                        self.system.store.events().tell(Subject::default(), kind);
                        // the process that was to take over is ended too: nobody is to serve any more
                        if let Some(mut successor) = successor {
                            successor.end();
                        }
                        return Ended::Stopped;
                    }
                },
                Some(request) = self.reloads.recv() => {
                    let why = format!("POST /api/v1/reload by {}", request.by);
                    let done = self.reload(&why, successor.as_ref()).await;
                    // whoever asked may have gone; without an answer here it is told that the process is stopping
                    if self.told.is_none() {
                        let _ = request.done.send(done);
                    }
                }
                Some(request) = self.hand_overs.recv() => if self.hand_over(request, successor.is_some()).await {
                    return Ended::Stopped;
                },
                Some(()) = changes.recv() => self.source_was_touched(successor.as_ref()).await,
                Some(()) = self.backend_changes.recv() => self.system.discovered(),
                Some(finding) = self.system.certificate_watch.next() => self.system.renewed(finding, self.admin.tls.as_ref()),
                _ = sweep.tick() => background::discard(self.system.store.sweep()),
                outcome = taken_over(&mut successor) => match (outcome, successor.take()) {
                    (Ok(()), Some(successor)) => return Ended::Replaced(successor),
                    (Err(why), _) => {
                        self.system.operators.take_back();
                        tracing::error!("SIGUSR2: this process serves on, the new one failed: {why}");
                    }
                    (Ok(()), None) => {}
                },
            }
        }
    }

    /// Gives the work to another instance; whether it has it now, so that this process can stop.
    async fn hand_over(&mut self, request: HandOver, is_replaced: bool) -> bool {
        // it waited behind another one, or behind a reload; a process must not end because of a request that was given up
        if request.done.is_closed() {
            tracing::info!(by = request.by, "hand-over: not begun, because whoever asked has not waited for it");
            return false;
        }
        let handed_over = match is_replaced {
            true => Err("an upgrade is under way: ask again when it is over".to_owned()),
            false => tokio::select! {
                handed_over = hand_over::hand_over(&self.system, &request) => handed_over,
                signal = self.signals.stop() => {
                    self.told = Some(signal);
                    return false;
                }
            },
        };
        let is_over = handed_over.is_ok();
        if is_over {
            let kind = Kind::Stopping { signal: format!("hand-over by {}", request.by) };
            self.system.store.events().tell(Subject::default(), kind);
        }
        let _ = request.done.send(handed_over);
        if is_over {
            // without connections the process would end at once, and the answer with it
            let _ = tokio::time::timeout(ANSWERED_WITHIN, request.answered).await;
        }
        is_over
    }

    async fn reload(&mut self, why: &str, successor: Option<&Successor>) -> Result<u64, Refused> {
        if successor.is_some() {
            let detail = "another process is about to take over, with the file as it is".to_owned();
            let kind = Kind::NotReloaded { why: why.to_owned(), detail: detail.clone(), took: Duration::ZERO };
            self.system.store.events().tell(Subject::default(), kind);
            return Err(Refused { detail, mistakes: serde_json::Value::Array(Vec::new()) });
        }
        // names that are looked up, or a file far away, may keep a reload for long
        tokio::select! {
            done = self.system.reload(why) => done,
            signal = self.signals.stop() => {
                self.told = Some(signal);
                let detail = "the process is stopping".to_owned();
                Err(Refused { detail, mistakes: serde_json::Value::Array(Vec::new()) })
            }
        }
    }

    /// Reads the file again that was touched, or one that it includes, if it holds something else now and nobody is to be waited for.
    async fn source_was_touched(&mut self, successor: Option<&Successor>) {
        match self.source_has_changed().await {
            true if self.system.config.server.reload_on_change => {
                _ = self.reload("the file has changed", successor).await;
            }
            true => tracing::info!(
                "the file has changed, and is read when somebody says so: server.reload_on_change is false"
            ),
            false => tracing::debug!("the file was touched, and holds what it held: not reloaded"),
        }
    }

    /// Whether the file that was touched holds something else than when it was read.
    async fn source_has_changed(&mut self) -> bool {
        tokio::select! {
            source_has_changed = self.system.source.has_changed() => source_has_changed,
            signal = self.signals.stop() => {
                self.told = Some(signal);
                false
            }
        }
    }

    /// Starts the process that is to take over.
    async fn upgrade(&self) -> Option<Successor> {
        let started = async {
            let invocation =
                self.invocation.as_ref().map_err(|error| format!("the binary's path is not known: {error}"))?;
            if !self.system.source.is_file() {
                return Err("it was started without a file".to_owned());
            }
            let mut sockets = self.system.listeners.duplicates().map_err(|error| error.to_string())?;
            let admin = self.admin.socket.try_clone().map_err(|error| error.to_string())?;
            sockets.push((inherit::ADMIN.to_owned(), BoundSocket::Tcp(admin)));
            let handed_over = tokio::time::timeout(KEPT_WITHIN, self.system.operators.hand_over()).await;
            handed_over
                .map_err(|_| format!("what operators said is not written to state_dir within {KEPT_WITHIN:?}"))?;
            invocation
                .start_successor(sockets, self.system.discoveries.names_in_force())
                .map_err(|error| error.to_string())
        };
        match started.await {
            Ok(successor) => {
                tracing::info!(pid = successor.pid(), "SIGUSR2: started a process that takes over when it is ready");
                Some(successor)
            }
            Err(why) => {
                self.system.operators.take_back();
                tracing::error!("SIGUSR2: this process serves on, no new one can be started: {why}");
                None
            }
        }
    }

    /// Lets connections end, and then ends the process.
    pub async fn stop(mut self, ended: Ended) {
        self.system.admin.enter(Phase::Draining);
        // closed, the channel tells whoever asks for a reload that there will be none
        self.reloads.close();
        while self.reloads.try_recv().is_ok() {}
        self.hand_overs.close();
        let queue = match ended {
            Ended::Stopped => {
                service_manager::stopping();
                self.system.recovering.retire();
                self.system.accounting.retire(&self.system.store.load(), true);
                self.system.listeners.close();
                BacklogOwner::Ours
            }
            Ended::Replaced(successor) => {
                self.system.operators.retire();
                self.system.integrations.backups.retire();
                self.system.recovering.retire();
                self.system.accounting.retire(&self.system.store.load(), false);
                tracing::info!(pid = successor.pid(), "another process has taken over");
                if let Some(serving) = self.serving.take() {
                    serving.abort();
                }
                self.system.listeners.leave();
                service_manager::replaced_by(successor.pid());
                BacklogOwner::HandedOver
            }
        };
        let recovering = self.system.recovering.clone();
        let mut candidate = self.system.integrations.candidate.take();
        // others need not wait for the drain: when nothing runs any more, leadership is given back
        let give_back = async {
            recovering.finish().await;
            candidate.resign().await;
        };
        tokio::join!(self.drain(queue), give_back);
        self.system.integrations.webhooks.finish().await;
        self.system.workers.stop();
        self.system.integrations.stores.finish().await;
        self.system.integrations.limit_stores.finish().await;
        self.system.integrations.exporter.finish().await;
        // what was cut off counts as well
        self.system.accounting.finish().await;
        self.system.integrations.backups.finish().await;
    }

    /// Waits until all connections have ended, `drain_timeout` is over, or another signal says stop.
    async fn drain(&mut self, queue: BacklogOwner) {
        let (began, limit, workers) = (Instant::now(), self.system.drain_timeout, &self.system.workers);
        workers.drain(queue);
        // a process that was replaced drains without a signal: the first one changes nothing
        let mut told = queue == BacklogOwner::Ours;
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
                        if std::mem::replace(&mut told, true) {
                            return tracing::warn!(%signal, connections = workers.connections(), "stopping at once");
                        }
                        tracing::info!(%signal, "stopping: it drains already");
                    }
                }
            }
        }
    }
}

/// Waits until the successor is ready, or has failed; for ever where there is none.
async fn taken_over(successor: &mut Option<Successor>) -> Result<(), String> {
    match successor {
        Some(successor) => successor.ready().await,
        None => std::future::pending().await,
    }
}
