//! The composition root: a configuration in, a running system out, its changes, and its end.
//!
//! The calling thread becomes the control plane: it binds, starts the workers, and then obeys signals, reloads, and answers the
//! admin address until the end.

mod access_files;
mod accounts;
mod background;
mod canaries;
mod certificates;
mod changes;
mod checks;
mod concurrency;
mod config_metrics;
#[cfg(test)]
mod detour_tests;
mod detection;
mod discovery;
mod fixed;
mod hand_over;
mod hedging;
mod inherit;
mod integrations;
mod kept_certificates;
#[cfg(test)]
mod ingress_tests;
mod key_sources;
mod listener_events;
mod rate_limits;
mod listener_tls;
mod listeners;
mod maintenance_pages;
mod names;
mod page_files;
mod parts;
mod paths;
mod recovery;
mod refused_files;
mod reload;
mod renewal;
mod running;
mod service_manager;
mod sharing;
mod signals;
mod source;
mod start;
mod upgrade;
mod upkeep;

use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;

use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::mpsc;

use crate::admin;
use crate::config::{Files, Loaded, model};
use crate::event::Events;
use crate::metrics::Registry;
use crate::otlp::Exporter;
use crate::record::Recorder;
use crate::store::sessions::Stores;
use discovery::Discoveries;
pub use fixed::needs_restart;
use inherit::Inherited;
use reload::System;
use running::Running;
use signals::Signals;
use start::Startup;
use upgrade::Invocation;

/// Where a system that is ready can be reached.
#[derive(Debug)]
pub struct Ready {
    /// The admin address, its port filled in.
    pub admin: SocketAddr,
    /// The listeners' addresses, in the order of the configuration, ports filled in.
    pub listeners: Vec<String>,
    /// What everything that happens is told to.
    pub events: Arc<Events>,
}

/// Runs until a signal ends it. `source` is the file that the configuration came from, if it came from one, with what was read of it: it is read again at
/// a reload. `ready` is called once clients are served.
///
/// # Errors
///
/// Why it could not start; for people.
pub fn run(loaded: Loaded, source: Option<(&Path, Files)>, ready: impl FnOnce(&Ready)) -> Result<(), String> {
    // this has to come before the first thread: it changes the environment
    let inherited = Inherited::take();
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
    let runtime = runtime.map_err(|error| format!("the control plane can't start: {error}"))?;
    let ended = runtime.block_on(control(loaded, source, inherited, ready));
    // a file that can't be read, or a name that is looked up, keeps its thread and must not keep us
    runtime.shutdown_background();
    ended
}

/// Logs that the process starts, with its version and the size of its configuration.
fn introduce(config: &model::Config) {
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        pid = std::process::id(),
        workers = config.server.workers,
        listeners = config.listeners.len(),
        services = config.services.len(),
        "evenkeel starts"
    );
}

/// Begins the work that one process alone does; `before` is the one that is replaced.
fn begin(system: &mut System, before: Option<UnixStream>) {
    let is_successor = before.is_some();
    match before {
        Some(before) => {
            system.take_over();
            upgrade::take_over(before);
        }
        None => service_manager::ready(),
    }
    system.accounting.allow(is_successor);
    system.recovering.allow(is_successor);
}

/// The control plane's life.
async fn control(
    mut loaded: Loaded,
    source: Option<(&Path, Files)>,
    mut inherited: Inherited,
    ready: impl FnOnce(&Ready),
) -> Result<(), String> {
    introduce(&loaded.config);
    let invocation = Invocation::of_this_process();
    let signals = Signals::new().map_err(|error| format!("signals can't be received: {error}"))?;
    let registry = Registry::new(loaded.config.server.workers);
    registry.install()?;
    let events = Arc::new(Events::default());
    // before anything else is opened: of two processes that start with the same configuration at the same time only one gets past it
    let admin = parts::admin(&loaded.config.admin, &mut inherited)?;
    parts::complete(&mut loaded.config)?;
    let mut stores = Stores::new(Arc::clone(&events));
    stores.link(&mut loaded.config)?;
    names::take_over(std::mem::take(&mut inherited.names), &mut loaded.config);
    let config = &loaded.config;
    let (log, writer) = parts::access_log(&config.log)?.unzip();
    let exporter = Exporter::new(Arc::clone(&events), registry.started());
    let recorder = Recorder::new(log.clone(), exporter.queue());
    let ((reload, reloads), (hand_over, hand_overs)) = (mpsc::channel(1), mpsc::channel(1));
    let requests = admin::Requests { reload, hand_over };
    let (mut discoveries, backend_changes) = Discoveries::new(Arc::clone(&events));
    // the first answers are waited for before anything is served and, in an upgrade, before the old process is told to leave
    let fresh = discoveries.begin(config).await?;
    discoveries.commit(config, fresh, &registry);
    stores.wait().await;
    let startup =
        Startup { loaded, source, registry, events, discoveries, log, recorder: &recorder, exporter, stores, requests };
    let system = startup.start(&mut inherited)?;
    inherited.close_the_rest();

    let told = None;
    let mut running =
        Running { serving: None, admin, system, signals, invocation, told, reloads, hand_overs, backend_changes };
    running.system.recovering.recall_pause().await;
    running.serve_admin()?;
    ready(&running.is_ready());
    begin(&mut running.system, inherited.ready.take());
    tokio::task::spawn_local(service_manager::live());
    running.system.look_after_itself();

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
