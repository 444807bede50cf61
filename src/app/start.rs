//! The start of everything that serves clients.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use super::access_files::AccessFiles;
use super::accounts::Accounting;
use super::certificates::Certificates;
use super::checks::Agents;
use super::config_metrics::{self, ReloadCounters};
use super::discovery::Discoveries;
use super::inherit::Inherited;
use super::integrations::{self, Integrations};
use super::listeners::Listeners;
use super::page_files::PageFiles;
use super::recovery::{self, Recovering};
use super::refused_files::RefusedFiles;
use super::reload::{self, System};
use super::source::Source;
use super::{canaries, listener_events, maintenance_pages, parts};
use crate::admin;
use crate::certificate::watch::Watch;
use crate::clock::Moment;
use crate::config::{Effective, Files, Loaded, model};
use crate::event::Events;
use crate::health::faults::Faults;
use crate::health::monitor::Monitor;
use crate::listener;
use crate::metrics::Registry;
use crate::operator::Operators;
use crate::otlp::Exporter;
use crate::record::{Recorder, access};
use crate::snapshot::{self, BuildError, Snapshot, Store};
use crate::store::sessions::Stores;
use crate::why::{self, Why};

/// What the system is started with.
pub(super) struct Startup<'a> {
    /// The configuration.
    pub loaded: Loaded,
    /// The file that it came from, if it came from one, with what was read of it.
    pub source: Option<(&'a Path, Files)>,
    /// What everything is counted in.
    pub registry: Arc<Registry>,
    /// What everything that happens is told to.
    pub events: Arc<Events>,
    /// Where backends are discovered.
    pub discoveries: Discoveries,
    /// The access log.
    pub log: Option<access::Log>,
    /// What workers write the records of exchanges with.
    pub recorder: &'a Recorder,
    /// What sends traces and metrics to a collector.
    pub exporter: Exporter,
    /// The stores that sessions are shared through.
    pub stores: Stores,
    /// Where the admin address asks for what is for the control plane as a whole.
    pub requests: admin::Requests,
}

impl Startup<'_> {
    /// Starts to serve clients.
    ///
    /// # Errors
    ///
    /// Why that is not possible; for people.
    pub fn start(self, inherited: &mut Inherited) -> Result<System, String> {
        let (registry, config, effective) = (self.registry, self.loaded.config, Arc::new(self.loaded.effective));
        let prepared = integrations::prepare(&config)?;
        let DataPlane { config, store, operators, listeners, workers } =
            data_plane(config, &effective, &self.discoveries, &registry, self.events, self.recorder, inherited)?;
        let (shown, agents, faults) = (told(&listeners, &store), Agents::default(), Arc::<Faults>::default());
        let monitor = monitor(&agents, &store);
        let integrations = Integrations::begin((self.exporter, self.stores), prepared, &config, &store, &registry);
        let accounting = accounting(&config, &registry, &store, &faults, &operators);
        let recovering = recover(&config, &accounting, &store, &monitor, (&faults, &integrations));
        let why = why(&monitor, &faults, &recovering);
        let admin = Arc::new(admin::Shared::new(admin::Sources {
            promises: accounting.shared(),
            backups: integrations.backups.standing(),
            operators: Arc::clone(&operators),
            why: why.clone(),
            leadership: integrations.candidate.leadership(),
            sharing: Arc::clone(&integrations.sharing),
            discovered: self.discoveries.board(),
            store: Arc::clone(&store),
            registry: Arc::clone(&registry),
            listeners: shown,
            effective: reload::shown(&effective),
            hosts: config.admin.hosts.clone(),
            tokens: config.admin.tokens.clone(),
            requests: self.requests,
        }));
        Ok(System {
            source: Source::new(self.source),
            certificates: certificates(&config, &store, &registry),
            certificate_watch: Watch::default(),
            refused_files: RefusedFiles::default(),
            access_files: access_files(&config, &store),
            page_files: PageFiles::watch(&config, Arc::clone(store.events()), self.discoveries.news()),
            store,
            registry,
            counters: ReloadCounters::new(),
            monitor,
            agents,
            operators,
            accounting,
            recovering,
            integrations,
            why,
            listeners,
            workers,
            admin,
            drain_timeout: config.server.drain_timeout,
            effective,
            tokens: config.admin.tokens.clone(),
            log: self.log,
            config: Arc::new(config),
            discoveries: self.discoveries,
        })
    }
}

/// What serves clients.
struct DataPlane {
    config: model::Config,
    store: Arc<Store>,
    operators: Arc<Operators>,
    listeners: Listeners,
    workers: listener::DataPlane,
}

/// Opens the listeners, and has workers serve by the first snapshot.
fn data_plane(
    config: model::Config,
    effective: &Effective,
    discoveries: &Discoveries,
    registry: &Arc<Registry>,
    events: Arc<Events>,
    recorder: &Recorder,
    inherited: &mut Inherited,
) -> Result<DataPlane, String> {
    let mut listeners = Listeners::new(config.server.workers);
    let prepared = listeners.prepare(&config, None, registry, inherited)?;
    let (config, snapshot) = first(config, effective.hash(), discoveries, registry)?;
    let (store, operators) = publish(snapshot, &config, events);
    // they accept nothing before the listeners are theirs
    let started = listener::start(config.server.workers, &store, recorder, registry);
    let mut workers = started.map_err(|error| format!("the workers can't start: {error}"))?;
    listeners.commit(prepared, &store.load(), &mut workers, config.server.drain_timeout);
    Ok(DataPlane { config, store, operators, listeners, workers })
}

/// The listeners as they are shown, once events have told of them.
fn told(listeners: &Listeners, store: &Store) -> Vec<admin::Listener> {
    let shown = listeners.shown(&store.load());
    listener_events::tell(&[], &shown, &[], store.events());
    shown
}

/// Puts the first snapshot in force, with what operators said before the process started.
fn publish(snapshot: Snapshot, config: &model::Config, events: Arc<Events>) -> (Arc<Store>, Arc<Operators>) {
    config_metrics::count_generation(snapshot.generation);
    let operators = Arc::new(Operators::load(Some(&config.server.state_dir), Arc::clone(&events)));
    canaries::apply(&operators, &snapshot);
    maintenance_pages::apply(&operators, &snapshot);
    let store = Arc::new(Store::new(snapshot, events));
    // what operators said before the restart holds for the first request
    store.begin(Moment::now());
    (store, operators)
}

/// The certificates in force, looked at for the first time.
fn certificates(config: &model::Config, store: &Store, registry: &Registry) -> Certificates {
    let certificates = Certificates::new(Arc::clone(store.events()));
    certificates.commit(config, registry, SystemTime::now());
    certificates
}

/// The files that say who may come in, watched.
fn access_files(config: &model::Config, store: &Store) -> AccessFiles {
    let mut files = AccessFiles::new(Arc::clone(store.events()));
    files.commit(config);
    files
}

/// The accounts, whose ledger has a copy of what operators said.
fn accounting(
    config: &model::Config,
    registry: &Arc<Registry>,
    store: &Store,
    faults: &Arc<Faults>,
    operators: &Operators,
) -> Accounting {
    let accounting = Accounting::new(&config.server.state_dir, registry, store.events(), faults);
    operators.copy_to(&accounting.ledger);
    accounting
}

/// What is done about faults, with what it looks at and is seen by.
fn recover(
    config: &model::Config,
    accounting: &Accounting,
    store: &Arc<Store>,
    monitor: &Monitor,
    (faults, integrations): (&Arc<Faults>, &Integrations),
) -> Recovering {
    let recovering = Recovering::new(recovery::Sources {
        store: Arc::clone(store),
        ledger: accounting.ledger.clone(),
        events: Arc::clone(store.events()),
        faults: Arc::clone(faults),
        monitor: monitor.clone(),
        maintenances: Arc::clone(&accounting.maintenances),
        recoveries: accounting.recoveries(store.events()),
        leadership: integrations.candidate.leadership(),
        sharing: Arc::clone(&integrations.sharing),
        standings: Arc::clone(&accounting.standings),
    });
    recovering.configure(&config.services);
    recovering
}

/// What is asked by those who want to know why a backend is in its state.
fn why(monitor: &Monitor, faults: &Arc<Faults>, recovering: &Recovering) -> Why {
    let (monitor, faults) = (monitor.clone(), Arc::clone(faults));
    Why::new(why::Sources { ejector: Arc::default(), monitor, faults, recoveries: recovering.shared() })
}

/// The active checks; what agents answer goes to `agents`.
fn monitor(agents: &Agents, store: &Store) -> Monitor {
    let heard = agents.clone();
    let hear = Arc::new(move |target: &_, line: &_| heard.hear(target, line, Moment::now()));
    Monitor::telling(fastrand::u64(..), Arc::clone(store.news()), hear, Some(Arc::clone(store.events())))
}

/// The first snapshot, with what was discovered, and the configuration that it is made of.
fn first(
    mut config: model::Config,
    hash: &str,
    discoveries: &Discoveries,
    registry: &Registry,
) -> Result<(model::Config, Snapshot), String> {
    let build = |config: &_| snapshot::build(config, None, &mut parts::backend_tls, registry);
    discoveries.fill(&mut config);
    let built = build(&config).or_else(|refused| {
        // as later, too: discovered backends that can't be used do not keep the rest from being served
        config.services.iter_mut().for_each(|service| service.backends.truncate(service.written));
        let without = build(&config)?;
        tracing::error!("discovered backends can't be used: {refused}");
        Ok(without)
    });
    let snapshot = built.map_err(|refused: BuildError| refused.to_string())?;
    config_metrics::show(&config, hash, registry);
    Ok((config, snapshot))
}
