//! Discovered backends in the configuration: one look-out for each service that has a `discover` section, and what they have
//! found put where the file's own backends stand.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::config::model::{self, Address};
use crate::discover::dns::{Dns, Query};
use crate::discover::{Backend, Discovery, Found, Source};
use crate::endpoint::Target;

/// The look-outs of all services. They belong to the control plane's thread.
pub(super) struct Lookouts {
    running: HashMap<String, Lookout>,
    /// Told, with the service's name, when one has found another set.
    news: mpsc::Sender<()>,
}

struct Lookout {
    what: model::Discover,
    found: tokio::sync::watch::Receiver<Found>,
    tasks: [JoinHandle<()>; 2],
}

impl Lookouts {
    /// None yet; each change of what they find is told through the receiver.
    pub fn new() -> (Self, mpsc::Receiver<()>) {
        let (news, told) = mpsc::channel(1);
        (Self { running: HashMap::new(), news }, told)
    }

    /// Starts those that a configuration asks for and ends those that it does not; those that look for the same go on.
    pub fn update(&mut self, config: &model::Config) {
        let mut before = std::mem::take(&mut self.running);
        for service in &config.services {
            let Some(what) = &service.discover else { continue };
            let known = before.remove(&service.name).filter(|lookout| lookout.what == *what);
            let lookout = known.unwrap_or_else(|| self.start(&service.name, what));
            self.running.insert(service.name.clone(), lookout);
        }
    }

    fn start(&self, service: &str, what: &model::Discover) -> Lookout {
        let refresh = what.refresh;
        let source = match &what.from {
            model::Source::Dns { name, port } => {
                Source::Dns { query: Query::Host { name: name.clone(), port: *port }, refresh }
            }
            model::Source::Srv(name) => Source::Dns { query: Query::Srv(name.clone()), refresh },
            model::Source::File(path) => Source::File(path.clone()),
        };
        let (discovery, found) = Discovery::new(service.to_owned(), source, Dns::system());
        let (mut told, news) = (found.clone(), self.news.clone());
        let looking = tokio::task::spawn_local(discovery.run());
        let telling = tokio::task::spawn_local(async move {
            while told.changed().await.is_ok() {
                // one that is not taken yet stands for this one too
                let _ = news.try_send(());
            }
        });
        Lookout { what: what.clone(), found, tasks: [looking, telling] }
    }

    /// Puts what was found behind each service's own backends, in the place of what was found before. An id that the file has
    /// as well is the file's.
    pub fn fill(&self, config: &mut model::Config) {
        for service in &mut config.services {
            service.backends.truncate(service.written);
            let Some(found) = self.running.get(&service.name).and_then(|lookout| lookout.found.borrow().clone()) else {
                continue;
            };
            let own: Vec<Arc<str>> = service.backends.iter().map(|backend| backend.id.as_str().into()).collect();
            let others = found.iter().filter(|backend| !own.iter().any(|id| **id == *backend.id));
            service.backends.extend(others.map(backend));
        }
    }
}

fn backend(found: &Backend) -> model::Backend {
    model::Backend {
        id: found.id.clone(),
        name: found.name.clone(),
        address: match &found.target {
            Target::Tcp(address) => Address::Tcp(*address),
            Target::Unix(path) => Address::Unix(path.clone()),
        },
        host: found.host.clone(),
        weight: found.weight,
        max_connections: found.max_connections,
        backup: found.backup,
        zone: found.zone.clone(),
        drain: found.drain,
    }
}

impl Drop for Lookout {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}
