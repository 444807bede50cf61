//! The composition root: a configuration in, a running system out, and its end.
//!
//! The calling thread becomes the control plane: it binds, starts the workers, and then waits for signals and answers the
//! admin address until the end.

mod parts;
mod signals;
mod upkeep;

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, LocalOptions};

use crate::admin::{self, Phase};
use crate::config::Loaded;
use crate::listener::{self, Control};
use crate::metrics::Registry;
use crate::record::{Recorder, access};
use crate::snapshot::{self, Store};
use signals::{Signal, Signals};

/// How often a drain looks whether it is done. What waits for it is a deployment, not an exchange.
const DRAIN_LOOK: Duration = Duration::from_millis(50);

/// Where a system that is ready can be reached.
#[derive(Debug)]
pub struct Ready {
    /// The admin address, its port filled in.
    pub admin: SocketAddr,
    /// The listeners' addresses, in the order of the configuration, ports filled in.
    pub listeners: Vec<String>,
}

/// Runs until a signal ends it. `ready` is called once clients are served.
///
/// # Errors
///
/// Why it could not start; for people.
pub fn run(loaded: Loaded, ready: impl FnOnce(&Ready)) -> Result<(), String> {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
    let runtime = runtime.map_err(|error| format!("the control plane can't start: {error}"))?;
    runtime.block_on(control(loaded, ready))
}

/// The control plane's life.
async fn control(mut loaded: Loaded, ready: impl FnOnce(&Ready)) -> Result<(), String> {
    let config = &loaded.config;
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        workers = config.server.workers,
        listeners = config.listeners.len(),
        services = config.services.len(),
        "evenkeel starts"
    );
    let mut signals = Signals::new().map_err(|error| format!("signals can't be received: {error}"))?;
    let state_dir = &config.server.state_dir;
    std::fs::create_dir_all(state_dir).map_err(|error| format!("state_dir {}: {error}", state_dir.display()))?;
    parts::complete(&mut loaded.config)?;
    let config = &loaded.config;
    let registry = Registry::new(config.server.workers);
    let snapshot = snapshot::build(config, None, &mut parts::backend_tls, &registry).map_err(|e| e.to_string())?;
    registry.set_generation(snapshot.generation);
    let store = Arc::new(Store::new(snapshot));

    // first: of two processes that start with the same configuration at the same time only one gets past it
    let (admin_socket, admin_tls, admin_address) = parts::admin(&config.admin)?;
    let plans = parts::plans(config, &registry)?;
    let listeners = parts::shown(config, &plans);
    let addresses = listeners.iter().map(|listener| listener.address.clone()).collect();
    let admin = Rc::new(admin::State::new(admin::Sources {
        store: Arc::clone(&store),
        registry: Arc::clone(&registry),
        listeners,
        effective: loaded.effective,
        token: config.admin.token.clone(),
    }));
    tokio::task::spawn_local(upkeep::run(Arc::clone(&store)));
    tokio::task::spawn_local(admin::serve(admin_socket, admin_tls, Rc::clone(&admin)));
    let (log, writer) = parts::access_log(&config.log)?.unzip();
    let recorder = Recorder::new(log.clone());
    let workers = listener::start(config.server.workers, plans, &store, &recorder, &registry)
        .map_err(|error| format!("the workers can't start: {error}"))?;
    admin.enter(Phase::Ready);
    ready(&Ready { admin: admin_address, listeners: addresses });
    tracing::info!("ready");

    let signal = serve(&mut signals, log.as_ref()).await;
    tracing::info!(%signal, "stopping");
    admin.enter(Phase::Draining);
    drain(&workers, config.server.drain_timeout, &mut signals).await;
    workers.stop();
    // the writer ends when the last handle of its log is gone, with every line written
    drop((recorder, log));
    if let Some(writer) = writer {
        let _ = writer.join();
    }
    tracing::info!("stopped");
    Ok(())
}

/// Until a signal says stop.
async fn serve(signals: &mut Signals, log: Option<&access::Log>) -> Signal {
    loop {
        match signals.next().await {
            Signal::Hangup => {
                if let Some(log) = log {
                    log.reopen();
                }
                tracing::warn!(
                    "SIGHUP: the access log is reopened; a changed configuration needs a restart in this version"
                );
            }
            signal => return signal,
        }
    }
}

/// Lets what is under way end, until `limit` is over or another signal says stop.
async fn drain(workers: &Control, limit: Duration, signals: &mut Signals) {
    let began = Instant::now();
    workers.drain();
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
            signal = signals.next() => {
                if signal != Signal::Hangup {
                    return tracing::warn!(%signal, connections = workers.connections(), "stopping at once");
                }
            }
        }
    }
}
