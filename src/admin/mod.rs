//! The admin address: probes, metrics, status, the live view and the page for a browser.
//!
//! It lives on the control plane and reads the snapshot and the counters that the workers write; what operators order is set in
//! the standing of a backend, from which the next snapshot is made. Nothing here can make an exchange wait.
//!
//! **Which thread.** axum wants handlers whose futures are `Send`, and the control plane has one thread, whose tasks need not be. So the
//! handlers' data ([`Shared`]) is behind an `Arc` and locks, which nobody holds across an `await`, although only this thread ever uses it:
//! that is simpler than to hand each request over to something that is not `Send`. Connections are accepted, limited and timed here
//! ([`serve`](mod@serve)) and not by `axum::serve`, which knows neither TLS nor time-outs; each is a local task of the control plane. No worker
//! waits for a lock that is taken here: both sides share only the snapshot, atomics and counters.

mod answer;
mod backend_reading;
mod backends;
mod body;
mod caller;
mod canary;
mod certificates;
mod cluster;
mod credentials;
mod events;
mod faults;
mod guard;
mod hand_over;
mod history;
mod hosts;
mod live;
mod login;
mod logins;
mod maintenance_page;
mod metrics;
mod page;
mod past;
mod pick;
mod probes;
mod query;
mod reach;
mod recovery;
mod refused;
mod reload;
mod ring;
mod rounded;
mod route_list;
mod routes;
mod serve;
mod service_maintenance;
mod shadow;
mod sla;
mod status;
mod stream;
mod throttle;
mod token;
mod why;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, watch};

pub use hand_over::{HandOver, HandedOver};
pub use reload::{Refused, Reload};

use crate::backup;
use crate::clock::{Moment, Stamp};
use crate::discover;
use crate::health::faults::Faults;
use crate::health::monitor::Monitor;
use crate::lead::Leadership;
use crate::ledger::{Keeper, Ledger};
use crate::metrics::{ListenerMetrics, Registry};
use crate::operator::Operators;
use crate::operator::maintenance::Maintenances;
use crate::operator::recovery::Recoveries;
use crate::policy::AdminToken;
use crate::report::standings::Standings;
use crate::route::Host;
use crate::share::Sharing;
use crate::snapshot::{Service, Store};
use crate::tls::Acceptor;
use crate::why::Why;
use hosts::Hosts;
use live::Views;
use logins::Logins;
use past::Pasts;
use throttle::Throttle;
use token::Tokens;

/// The configuration that runs, without secrets.
pub struct Effective {
    /// Makes JSON of it when somebody asks: there may be ten thousand backends in it, and hardly ever a question.
    pub to_json: Box<dyn Fn() -> serde_json::Value + Send + Sync>,
    /// A hash of its file.
    pub hash: String,
}

/// What the rest of the process hands to the admin address at its start.
pub struct Sources {
    /// The snapshot.
    pub store: Arc<Store>,
    /// What is promised, and what came of it.
    pub promises: Promises,
    /// The copies of the ledger.
    pub backups: Arc<backup::Standing>,
    /// What operators have said.
    pub operators: Arc<Operators>,
    /// Checks, faults and recovery, and where it is read why a backend is in its state.
    pub why: Why,
    /// Whether this instance does what may be done by one only.
    pub leadership: Arc<Leadership>,
    /// What instances share.
    pub sharing: Arc<Sharing>,
    /// How the sources stand that backends are discovered from.
    pub discovered: Arc<discover::board::Board>,
    /// The counters.
    pub registry: Arc<Registry>,
    /// The listeners, in the order of the configuration.
    pub listeners: Vec<Listener>,
    /// The configuration that runs, without secrets.
    pub effective: Effective,
    /// The names of `admin.hosts`, by which it may be asked.
    pub hosts: Vec<Host>,
    /// The bearer tokens; empty = requests need none.
    pub tokens: Vec<AdminToken>,
    /// Where requests go that are for the control plane as a whole.
    pub requests: Requests,
}

/// Where requests go that are for the control plane as a whole.
#[derive(Debug)]
pub struct Requests {
    /// Reloads.
    pub reload: mpsc::Sender<Reload>,
    /// Hand-overs to another instance.
    pub hand_over: mpsc::Sender<HandOver>,
}

/// What is promised of services, and what came of it.
pub struct Promises {
    /// The history.
    pub ledger: Ledger,
    /// How the services stand now.
    pub standings: Arc<Standings>,
    /// Maintenance that was started by hand.
    pub maintenances: Arc<Maintenances>,
    /// This run of the process.
    pub keeper: Keeper,
}

/// A listener, as the status shows it.
#[derive(Debug)]
pub struct Listener {
    /// Its name.
    pub name: String,
    /// What it is bound to.
    pub address: String,
    /// What is spoken there, as in the configuration.
    pub protocol: &'static str,
    /// Whether TLS is terminated there.
    pub tls: bool,
    /// What terminates it, with its certificates.
    pub acceptor: Option<Acceptor>,
    /// Its counters.
    pub metrics: Arc<ListenerMetrics>,
}

/// How far the process is; `/readyz` tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Clients are not served yet.
    Starting,
    /// Clients are served.
    Ready,
    /// Clients are served, and another instance is to get the work.
    HandingOver,
    /// New clients are not served any more.
    Draining,
}

/// A reload that was refused.
#[derive(Debug)]
struct RefusedReload {
    at: Stamp,
    /// For people, in several lines.
    why: String,
}

/// A file of TLS that can't be used. What it held before stays in force.
#[derive(Debug)]
pub struct RefusedFile {
    /// The listener that shows what is in it to clients.
    pub listener: Option<String>,
    /// The service that shows it to its backends. With neither, it is the admin address.
    pub service: Option<String>,
    /// Where it is; empty = it is not a single file that can't be used.
    pub path: String,
    /// Why it can't be used, for people.
    pub reason: String,
    /// Since when that was known.
    pub since: Stamp,
}

/// What all handlers work with.
pub struct Shared {
    store: Arc<Store>,
    monitor: Monitor,
    faults: Arc<Faults>,
    promises: Promises,
    backups: Arc<backup::Standing>,
    operators: Arc<Operators>,
    recoveries: Arc<Recoveries>,
    why: Why,
    leadership: Arc<Leadership>,
    sharing: Arc<Sharing>,
    discovered: Arc<discover::board::Board>,
    registry: Arc<Registry>,
    listeners: ArcSwap<Vec<Listener>>,
    effective: ArcSwap<Effective>,
    /// The last reload, if it was refused.
    refused_reload: ArcSwapOption<RefusedReload>,
    /// The files of TLS that can't be used now.
    refused_files: ArcSwap<Vec<RefusedFile>>,
    hosts: ArcSwap<Hosts>,
    tokens: ArcSwap<Tokens>,
    /// Browsers that have logged in.
    logins: Mutex<Logins>,
    /// Wrong tokens that browsers have shown to log in.
    login_guesses: Mutex<Throttle>,
    /// Wrong tokens that requests have shown. They are counted on their own: whoever mistypes a token in a browser does not keep the
    /// tools on the same machine out.
    bearer_guesses: Mutex<Throttle>,
    /// Sent when a token may have been taken away, or a login may have ended.
    access_changed: watch::Sender<()>,
    requests: Requests,
    started: Instant,
    started_at: SystemTime,
    /// A handler that waits for something can learn here that the process is stopping.
    phase: watch::Sender<Phase>,
    /// Streams that may still be opened.
    streams: Arc<Semaphore>,
    /// What services did of late.
    pasts: Mutex<Pasts>,
    /// What is watched live.
    live: Views,
}

impl Shared {
    /// For a process that is [`Phase::Starting`].
    pub fn new(sources: Sources) -> Self {
        let Sources {
            store,
            promises,
            backups,
            operators,
            why,
            leadership,
            sharing,
            discovered,
            registry,
            listeners,
            effective,
            hosts,
            tokens,
            requests,
        } = sources;
        throttle::announce_counts();
        Self {
            store,
            monitor: why.sources.monitor.clone(),
            faults: Arc::clone(&why.sources.faults),
            promises,
            backups,
            operators,
            recoveries: Arc::clone(&why.sources.recoveries),
            why,
            leadership,
            sharing,
            discovered,
            registry,
            listeners: ArcSwap::from_pointee(listeners),
            effective: ArcSwap::from_pointee(effective),
            refused_reload: ArcSwapOption::empty(),
            refused_files: ArcSwap::default(),
            hosts: ArcSwap::from_pointee(Hosts::new(hosts)),
            tokens: ArcSwap::from_pointee(Tokens::new(tokens)),
            logins: Mutex::default(),
            login_guesses: Mutex::default(),
            bearer_guesses: Mutex::default(),
            access_changed: watch::Sender::new(()),
            requests,
            started: Instant::now(),
            started_at: SystemTime::now(),
            phase: watch::Sender::new(Phase::Starting),
            streams: Arc::new(Semaphore::new(stream::STREAMS)),
            pasts: Mutex::default(),
            live: Views::default(),
        }
    }

    /// Notes how far the process is now.
    pub fn enter(&self, phase: Phase) {
        self.phase.send_replace(phase);
    }

    /// Takes on the listeners and the configuration that run after a reload.
    pub fn reloaded(&self, listeners: Vec<Listener>, effective: Effective) {
        self.listeners.store(Arc::new(listeners));
        self.effective.store(Arc::new(effective));
    }

    /// Notes what came of a reload; `refused` = why it was, and what ran before runs on.
    pub fn reload_ended(&self, refused: Option<&str>) {
        let refused = refused.map(|why| Arc::new(RefusedReload { at: Stamp::now(), why: why.to_owned() }));
        self.refused_reload.store(refused);
    }

    /// Notes which files of TLS can't be used now.
    pub fn set_refused_files(&self, files: Vec<RefusedFile>) {
        self.refused_files.store(Arc::new(files));
    }

    /// Takes on other names by which it may be asked.
    pub fn set_hosts(&self, hosts: Vec<Host>) {
        self.hosts.store(Arc::new(Hosts::new(hosts)));
    }

    /// Takes on other tokens. Streams of events that a token has opened which is not among them end.
    pub fn set_tokens(&self, tokens: Vec<AdminToken>) {
        self.tokens.store(Arc::new(Tokens::new(tokens)));
        self.access_changed.send_replace(());
    }

    fn logins(&self) -> MutexGuard<'_, Logins> {
        self.logins.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn login_guesses(&self) -> MutexGuard<'_, Throttle> {
        self.login_guesses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bearer_guesses(&self) -> MutexGuard<'_, Throttle> {
        self.bearer_guesses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pasts(&self) -> MutexGuard<'_, Pasts> {
        self.pasts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The service with this name.
    fn service(&self, name: &str) -> Option<Arc<Service>> {
        self.store.load().services.iter().find(|service| *service.name == *name).cloned()
    }
}

/// Serves on this socket for ever. To be spawned in the control plane's runtime.
pub async fn serve(listener: TcpListener, tls: Option<Acceptor>, shared: Arc<Shared>) {
    let sampling = async {
        let mut ticks = tokio::time::interval(past::READING);
        loop {
            ticks.tick().await;
            shared.pasts().read(&shared.store.load(), Moment::now(), SystemTime::now());
        }
    };
    let routes = routes::router(&shared);
    tokio::join!(serve::serve(listener, tls, routes), sampling, live::run(Arc::clone(&shared)));
}
