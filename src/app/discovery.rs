//! Discovered backends in the configuration: one look-out for each service that has a `discover` section, and what they have
//! found put where the file's own backends stand.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::names::BackendNames;
use super::parts;
use crate::config::model::{self, Address};
use crate::discover::board::{Board, Shown};
use crate::discover::dns::{Dns, Query};
use crate::discover::{Backend, Discovery, ETCD_PATIENCE, LastAnswer, Source};
use crate::endpoint::Target;
use crate::event::{DiscoveryChange, Events, Kind, Subject};
use crate::io::HostPort;
use crate::metrics::{Registry, names};

/// How long a configuration waits for the first answers of its sources. A file takes milliseconds; a name server that has not answered
/// by then may be silent for long, and the rest is to be served.
const FIRST_ANSWERS: Duration = Duration::from_secs(5);

/// The look-outs of all services. They belong to the control plane's thread.
pub(super) struct Discoveries {
    running: HashMap<String, ServiceDiscovery>,
    /// The names of the file's own backends.
    names: BackendNames,
    /// Told when one has found another set.
    news: mpsc::Sender<()>,
    events: Arc<Events>,
    /// How the sources stand.
    board: Arc<Board>,
    /// Services of which it was told that their algorithm does not heed the weights that were found.
    ignoring: RefCell<HashSet<String>>,
}

/// Look-outs that a configuration needs and that are not running yet. They look already.
pub(super) struct NewDiscoveries(HashMap<String, ServiceDiscovery>);

struct ServiceDiscovery {
    what: model::Discover,
    found: watch::Receiver<LastAnswer>,
    asked_once: watch::Receiver<bool>,
    shown: watch::Receiver<Shown>,
    /// What the same source had answered to the discovery that this one replaces.
    before: LastAnswer,
    tasks: [JoinHandle<()>; 2],
}

impl Discoveries {
    /// No discovery runs yet. Each change of what they find is told through the receiver, and to `events`.
    pub fn new(events: Arc<Events>) -> (Self, mpsc::Receiver<()>) {
        let (news, told) = mpsc::channel(1);
        let names = BackendNames::default();
        tokio::task::spawn_local(names.clone().resolve_forever(crate::io::resolve, news.clone()));
        let ignoring = RefCell::default();
        (Self { running: HashMap::new(), names, news, events, board: Arc::default(), ignoring }, told)
    }

    /// Has a snapshot built with what is known then: for what else changes without another configuration.
    pub fn news(&self) -> mpsc::Sender<()> {
        self.news.clone()
    }

    /// How the sources stand.
    pub fn board(&self) -> Arc<Board> {
        Arc::clone(&self.board)
    }

    /// Starts those that a configuration asks for beyond what runs, and waits until each has asked once: a service must not be
    /// without backends only because nobody has looked yet.
    ///
    /// # Errors
    ///
    /// Which source can't be asked as the configuration has it, and why; for people.
    pub async fn begin(&self, config: &model::Config) -> Result<NewDiscoveries, String> {
        let mut fresh = NewDiscoveries(HashMap::new());
        for service in &config.services {
            let Some(what) = &service.discover else { continue };
            let known = self.running.get(&service.name);
            if known.is_some_and(|discovery| discovery.what == *what) {
                continue;
            }
            let before = known.filter(|discovery| discovery.what.from == what.from).and_then(ServiceDiscovery::found);
            fresh.0.insert(service.name.clone(), self.start(&service.name, what, before)?);
        }
        let all = async {
            for discovery in fresh.0.values_mut() {
                // the sender is gone only when the discovery has ended
                let _ = discovery.asked_once.wait_for(|asked| *asked).await;
            }
        };
        if tokio::time::timeout(FIRST_ANSWERS, all).await.is_err() {
            tracing::warn!("not every source of backends has answered within {FIRST_ANSWERS:?}: goes on without");
        }
        Ok(fresh)
    }

    /// A configuration is in force: those that were started for it are, and those that it does not ask for end.
    pub fn commit(&mut self, config: &model::Config, fresh: NewDiscoveries, registry: &Registry) {
        self.names.commit(config);
        self.running.extend(fresh.0);
        let asked_for = |name: &String| config.services.iter().any(|s| s.name == *name && s.discover.is_some());
        self.running.retain(|name, _| asked_for(name));
        for metric in
            [&names::DISCOVERY_UP, &names::DISCOVERY_ANSWERS, &names::DISCOVERY_AGE, &names::DISCOVERY_REFUSED]
        {
            registry.keep(metric, |labels| labels.first().is_some_and(asked_for));
        }
        let shown = self.running.iter().map(|(service, discovery)| (service.clone(), discovery.shown.clone()));
        self.board.set(shown.collect::<BTreeMap<_, _>>());
        self.tell_of_ignored_weights(config);
    }

    fn start(&self, service: &str, what: &model::Discover, before: LastAnswer) -> Result<ServiceDiscovery, String> {
        let refresh = what.refresh;
        let source = match &what.from {
            model::Source::Dns { name, port } => {
                Source::Dns { query: Query::Host { name: name.clone(), port: *port }, refresh }
            }
            model::Source::Srv(name) => Source::Dns { query: Query::Srv(name.clone()), refresh },
            model::Source::File(path) => Source::File(path.clone()),
            model::Source::Etcd { etcd, prefix } => {
                let settings = parts::etcd(etcd, ETCD_PATIENCE);
                let settings = settings.map_err(|error| format!("service.{service}.discover: {error}"))?;
                Source::Etcd { settings, prefix: prefix.clone() }
            }
        };
        let (discovery, found) = Discovery::new(service, source, Dns::system(), Arc::clone(&self.events));
        let (asked_once, shown) = (discovery.asked_once(), discovery.shown());
        let (mut told, news) = (found.clone(), self.news.clone());
        let looking = tokio::task::spawn_local(discovery.run());
        let telling = tokio::task::spawn_local(async move {
            while told.changed().await.is_ok() {
                // where the channel is full, the message in it stands for this one too
                let _ = news.try_send(());
            }
        });
        Ok(ServiceDiscovery { what: what.clone(), found, asked_once, shown, before, tasks: [looking, telling] })
    }

    /// The addresses of names that are in force, for the process that takes over.
    pub fn names_in_force(&self) -> Vec<(HostPort, Vec<SocketAddr>)> {
        self.names.in_force()
    }

    /// Puts what was found behind each service's own backends, in the place of what was found before. An id that the file has
    /// as well is the file's.
    pub fn fill(&self, config: &mut model::Config) {
        self.names.fill(config);
        self.fill_with(&NewDiscoveries(HashMap::new()), config);
        self.tell_of_ignored_weights(config);
    }

    /// Tells, once until that is over, of each service for which weights were found that its algorithm does not heed.
    fn tell_of_ignored_weights(&self, config: &model::Config) {
        let ignoring = config.services.iter().filter(|service| service.ignores_found_weights());
        let ignoring: HashMap<&str, &model::Service> = ignoring.map(|service| (&*service.name, service)).collect();
        let mut told = self.ignoring.borrow_mut();
        told.retain(|name| ignoring.contains_key(&**name));
        for (name, service) in ignoring {
            if told.insert(name.to_owned()) {
                let (balance, heeding) = (service.balance.as_str(), service.balance.heeding().unwrap_or_default());
                let change = DiscoveryChange::WeightsIgnored { balance, heeding };
                self.events.tell(Subject::service(&name.into()), Kind::Discovery(change));
            }
        }
    }

    /// The same before [`commit`](Self::commit): names that could be looked up when the configuration was read stay as they are in it.
    pub fn fill_with(&self, fresh: &NewDiscoveries, config: &mut model::Config) {
        self.names.fill_gaps(config);
        for service in &mut config.services {
            service.backends.truncate(service.written);
            let discovery = fresh.0.get(&service.name).or_else(|| self.running.get(&service.name));
            // a discovery that is about to end, because its service has no such section any more, finds nothing
            let discovery = discovery.filter(|_| service.discover.is_some());
            let Some(found) = discovery.and_then(ServiceDiscovery::found) else { continue };
            let own: Vec<Arc<str>> = service.backends.iter().map(|backend| backend.id.as_str().into()).collect();
            let others = found.iter().filter(|backend| !own.iter().any(|id| **id == *backend.id));
            service.backends.extend(others.map(backend));
        }
    }
}

impl ServiceDiscovery {
    fn found(&self) -> LastAnswer {
        self.found.borrow().clone().or_else(|| self.before.clone())
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
        further: found.further.clone(),
        are_paths: found.are_paths,
        unresolved: found.unresolved.clone(),
        host: found.host.clone(),
        weight: found.weight,
        max_connections: found.max_connections,
        backup: found.backup,
        zone: found.zone.clone(),
        drain: found.drain,
    }
}

impl Drop for ServiceDiscovery {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}
