//! The admin address: probes, metrics, status and the page for a browser.
//!
//! It lives on the control plane and reads the snapshot and the counters that the workers write; what operators order is set in
//! the standing of a backend, from which the next snapshot is made. Nothing here can make an exchange wait.

mod answer;
mod backends;
mod pick;
mod reload;
mod routes;
mod serve;
mod status;
mod token;
mod window;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use tokio::net::TcpListener;
use tokio::sync::mpsc;

pub use reload::{Refused, Reload};

use crate::health::monitor::Monitor;
use crate::metrics::{ListenerMetrics, Registry};
use crate::operator::Operators;
use crate::snapshot::Store;
use crate::tls::Acceptor;
use token::Token;
use window::Window;

/// Makes JSON of the configuration that runs. There may be ten thousand backends in it, and seldom somebody who asks.
pub type Effective = Rc<dyn Fn() -> serde_json::Value>;

/// Where the answers come from.
pub struct Sources {
    /// The snapshot.
    pub store: Arc<Store>,
    /// The checks.
    pub monitor: Monitor,
    /// What operators have said.
    pub operators: Arc<Operators>,
    /// The counters.
    pub registry: Arc<Registry>,
    /// In the order of the configuration.
    pub listeners: Vec<Listener>,
    /// The configuration that runs, without secrets.
    pub effective: Effective,
    /// The bearer token, when one is asked for.
    pub token: Option<String>,
    /// Who reads the configuration again.
    pub reload: mpsc::Sender<Reload>,
}

/// A listener, as it is shown.
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
    /// What it counts.
    pub metrics: Arc<ListenerMetrics>,
}

/// How far the process is, which `/readyz` tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Clients are not served yet.
    Starting,
    /// They are.
    Ready,
    /// New ones no more.
    Draining,
}

/// What the answers are made from. It stays on the control plane's thread.
pub struct State {
    store: Arc<Store>,
    monitor: Monitor,
    operators: Arc<Operators>,
    registry: Arc<Registry>,
    listeners: RefCell<Vec<Listener>>,
    effective: RefCell<Effective>,
    token: RefCell<Option<Token>>,
    reload: mpsc::Sender<Reload>,
    started: Instant,
    phase: Cell<Phase>,
    /// By service.
    windows: RefCell<HashMap<String, Window>>,
}

impl State {
    /// Starting.
    pub fn new(sources: Sources) -> Self {
        let Sources { store, monitor, operators, registry, listeners, effective, token, reload } = sources;
        Self {
            store,
            monitor,
            operators,
            registry,
            listeners: RefCell::new(listeners),
            effective: RefCell::new(effective),
            token: RefCell::new(token.map(Token::new)),
            reload,
            started: Instant::now(),
            phase: Cell::new(Phase::Starting),
            windows: RefCell::default(),
        }
    }

    /// The process has come this far.
    pub fn enter(&self, phase: Phase) {
        self.phase.set(phase);
    }

    /// Another configuration runs now.
    pub fn reloaded(&self, listeners: Vec<Listener>, effective: Effective) {
        self.listeners.replace(listeners);
        self.effective.replace(effective);
    }

    /// Another token is asked for from now on.
    pub fn guard(&self, token: String) {
        self.token.replace(Some(Token::new(token)));
    }

    /// Samples the counters of every service.
    fn sample(&self) {
        let snapshot = self.store.load();
        let mut windows = self.windows.borrow_mut();
        windows.retain(|name, _| snapshot.services.iter().any(|service| *service.name == **name));
        for service in &snapshot.services {
            windows.entry(service.name.to_string()).or_default().push(status::sample(service));
        }
    }
}

/// Serves on this socket for ever; to be spawned in the control plane's runtime.
pub async fn serve(listener: TcpListener, tls: Option<Acceptor>, state: Rc<State>) {
    let sampling = async {
        let mut ticks = tokio::time::interval(window::SAMPLE);
        loop {
            ticks.tick().await;
            state.sample();
        }
    };
    tokio::join!(serve::serve(listener, tls, Rc::clone(&state)), sampling);
}
