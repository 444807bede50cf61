//! The composition root: a configuration in, a running system out, its changes, and its end.
//!
//! The calling thread becomes the control plane: it binds, starts the workers, and then obeys signals, reloads, and answers the
//! admin address until the end.

mod changes;
mod checks;
mod discovery;
mod inherit;
#[cfg(test)]
mod ingress_tests;
mod listeners;
mod names;
mod nicely;
mod notify;
mod parts;
mod reload;
mod running;
mod signals;
mod upgrade;
mod upkeep;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::mpsc;

use crate::admin::{self, Phase, Reload};
use crate::clock::Moment;
use crate::config::{Loaded, model};
use crate::event::{Events, Kind, Subject};
use crate::health::monitor::Monitor;
use crate::listener;
use crate::metrics::Registry;
use crate::notify::Notifiers;
use crate::operator::Operators;
use crate::record::{Recorder, access};
use crate::snapshot::{self, BuildError, Snapshot, Store};
use checks::Agents;
use discovery::Lookouts;
use inherit::Inherited;
use listeners::Listeners;
use reload::{ReloadCounters, System};
use running::Running;
use signals::Signals;
use upgrade::Start;

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
    let ended = runtime.block_on(control(loaded, source, inherited, ready));
    // a file that can't be read, or a name that is looked up, keeps its thread and must not keep us
    runtime.shutdown_background();
    ended
}

/// Says who starts, and with how much to do.
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

/// The control plane's life.
async fn control(
    mut loaded: Loaded,
    source: Option<&Path>,
    mut inherited: Inherited,
    ready: impl FnOnce(&Ready),
) -> Result<(), String> {
    let config = &loaded.config;
    introduce(config);
    let start = Start::remember();
    let signals = Signals::new().map_err(|error| format!("signals can't be received: {error}"))?;
    // first: of two processes that start with the same configuration at the same time only one gets past it
    let admin = parts::admin(&config.admin, &mut inherited)?;
    parts::complete(&mut loaded.config)?;
    names::take_over(std::mem::take(&mut inherited.names), &mut loaded.config);
    let config = &loaded.config;
    let (log, writer) = parts::access_log(&config.log)?.unzip();
    let recorder = Recorder::new(log.clone());
    let (wishes, reloads) = mpsc::channel(1);
    let (mut lookouts, discoveries) = Lookouts::new();
    // before anything is served, and, at an upgrade, before the process before is told to leave
    let fresh = lookouts.begin(config).await;
    lookouts.commit(config, fresh);
    let system = system(loaded, source, lookouts, (log, &recorder), (wishes, &mut inherited))?;
    inherited.close_the_rest();

    let told = None;
    let mut running = Running { serving: None, admin, system, signals, start, told, reloads, discoveries };
    running.serve_admin()?;
    running.system.admin.enter(Phase::Ready);
    let shown = running.system.listeners.shown(&running.system.store.load());
    ready(&Ready {
        admin: running.admin.address,
        listeners: shown.into_iter().map(|listener| listener.address).collect(),
    });
    running.system.store.events().tell(Subject::default(), Kind::Ready { version: env!("CARGO_PKG_VERSION") });
    match inherited.ready.take() {
        Some(before) => {
            running.system.listeners.own();
            // operators may have told the process before more, since this one has read what they said
            running.system.operators.reload();
            running.system.say_again();
            upgrade::take_over(before);
        }
        None => notify::ready(),
    }
    tokio::task::spawn_local(notify::live());
    let store = Arc::clone(&running.system.store);
    let (monitor, agents) = (running.system.monitor.clone(), running.system.agents.clone());
    tokio::task::spawn_local(monitor.clone().run());
    let operators = Arc::clone(&running.system.operators);
    tokio::task::spawn_local(upkeep::run(store, monitor, agents, operators));

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
    lookouts: Lookouts,
    (log, recorder): (Option<access::Log>, &Recorder),
    (wishes, inherited): (mpsc::Sender<Reload>, &mut Inherited),
) -> Result<System, String> {
    let Loaded { config, effective, .. } = loaded;
    let effective = Arc::new(effective);
    let workers = config.server.workers;
    let registry = Registry::new(workers);
    registry.install()?;
    let mut listeners = Listeners::new(workers);
    let webhooks = crate::notify::prepare(&config.notify)?;
    let prepared = listeners.prepare(&config, None, &registry, inherited)?;
    let (config, snapshot) = first(config, &lookouts, &registry)?;
    reload::count_generation(snapshot.generation);
    let events = Arc::new(Events::default());
    let operators = Arc::new(Operators::load(Some(&config.server.state_dir), Arc::clone(&events)));
    operators.apply(snapshot.endpoints());
    let store = Arc::new(Store::new(snapshot, events));
    // an operator's word of before the restart holds for the first request
    store.begin(Moment::now());
    let workers = listener::start(workers, &store, recorder, &registry);
    let mut workers = workers.map_err(|error| format!("the workers can't start: {error}"))?;
    listeners.commit(prepared, &store.load(), &mut workers, config.server.drain_timeout);
    let mut notifiers = Notifiers::new(Arc::clone(store.events()), Arc::clone(&registry));
    notifiers.commit(webhooks);
    let agents = Agents::default();
    let heard = agents.clone();
    let hear = Arc::new(move |target: &_, line: &_| heard.hear(target, line, Moment::now()));
    let monitor = Monitor::new(fastrand::u64(..), Arc::clone(store.news()), hear);
    let admin = Arc::new(admin::State::new(admin::Sources {
        monitor: monitor.clone(),
        operators: Arc::clone(&operators),
        store: Arc::clone(&store),
        registry: Arc::clone(&registry),
        listeners: listeners.shown(&store.load()),
        effective: reload::shown(&effective),
        hosts: config.admin.hosts.clone(),
        tokens: config.admin.tokens.clone(),
        reload: wishes,
    }));
    Ok(System {
        source: source.map(Path::to_path_buf),
        seen: source.and_then(reload::hash),
        store,
        registry,
        counters: ReloadCounters::new(),
        monitor,
        agents,
        operators,
        notifiers,
        listeners,
        workers,
        admin,
        drain_timeout: config.server.drain_timeout,
        effective,
        tokens: config.admin.tokens.clone(),
        log,
        config: Arc::new(config),
        lookouts,
    })
}

/// The first snapshot, with what was discovered, and the configuration that it is made of.
fn first(
    mut config: model::Config,
    lookouts: &Lookouts,
    registry: &Registry,
) -> Result<(model::Config, Snapshot), String> {
    let build = |config: &_| snapshot::build(config, None, &mut parts::backend_tls, registry);
    lookouts.fill(&mut config);
    let built = build(&config).or_else(|refused| {
        // as at any later time: what is found may be of no use, but can't keep the rest from being served
        config.services.iter_mut().for_each(|service| service.backends.truncate(service.written));
        let without = build(&config)?;
        tracing::error!("discovered backends can't be used: {refused}");
        Ok(without)
    });
    let snapshot = built.map_err(|refused: BuildError| refused.to_string())?;
    Ok((config, snapshot))
}
