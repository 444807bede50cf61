//! The running system, and how it takes on another configuration without anybody noticing.
//!
//! Everything that can fail happens first: the file is read and checked, TLS is made, new addresses are bound, the snapshot is
//! built. Then come the steps that can't: one snapshot is published, listeners that are new are accepted on, those that are gone
//! drain. So a reload happens as a whole or not at all.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;

use super::access_files::AccessFiles;
use super::accounts::Accounting;
use super::background;
use super::certificates::{self, Certificates};
use super::changes::Changes;
use super::checks::Agents;
use super::config_metrics::{self, ReloadCounters};
use super::discovery::Discoveries;
use super::fixed::keep_fixed;
use super::inherit::Inherited;
use super::integrations::{self, Integrations};
use super::listener_events;
use super::listeners::{Listeners, Prepared, Unusable};
use super::page_files::PageFiles;
use super::recovery::Recovering;
use super::refused_files::RefusedFiles;
use super::sharing::Follower;
use super::source::Source;
use super::upkeep::Upkeep;
use super::{canaries, kept_certificates, maintenance_pages, parts, service_manager};
use crate::admin::{self, Refused};
use crate::certificate::watch::Watch;
use crate::clock::Moment;
use crate::config::{Effective, Loaded, model};
use crate::event::{Events, Kind, ListenerChange, Subject};
use crate::health::dependencies::Dependencies;
use crate::health::monitor::Monitor;
use crate::listener::DataPlane;
use crate::metrics::Registry;
use crate::operator::Operators;
use crate::policy::AdminToken;
use crate::record::access;
use crate::share;
use crate::snapshot::{self, Service, Snapshot, Store};
use crate::why::Why;

/// Everything that runs, and what it was made of.
pub(super) struct System {
    /// Where the configuration comes from.
    pub source: Source,
    pub store: Arc<Store>,
    pub registry: Arc<Registry>,
    pub counters: ReloadCounters,
    pub monitor: Monitor,
    pub agents: Agents,
    pub operators: Arc<Operators>,
    /// The accounts of what is promised.
    pub accounting: Accounting,
    /// What is done about faults.
    pub recovering: Recovering,
    /// What it is connected to beside clients and backends.
    pub integrations: Integrations,
    /// What is asked by those who want to know why a backend is in its state.
    pub why: Why,
    /// The configuration that runs, with what was discovered.
    pub config: Arc<model::Config>,
    pub discoveries: Discoveries,
    pub certificates: Certificates,
    /// Watches the files of certificates.
    pub certificate_watch: Watch,
    /// The files of certificates that can't be used now.
    pub refused_files: RefusedFiles,
    /// Watches the files that say who may come in.
    pub access_files: AccessFiles,
    /// Watches the files that clients are shown.
    pub page_files: PageFiles,
    pub listeners: Listeners,
    pub workers: DataPlane,
    pub admin: Arc<admin::Shared>,
    /// How long exchanges under way may take to end when the process stops.
    pub drain_timeout: Duration,
    /// The configuration in effect, for comparison.
    pub effective: Arc<Effective>,
    /// The tokens of the admin address.
    pub tokens: Vec<AdminToken>,
    /// The access log.
    pub log: Option<access::Log>,
}

impl System {
    /// Reads the configuration again and makes it so; `why` is for the log. Gives back the generation that runs.
    ///
    /// # Errors
    ///
    /// Every mistake in it; nothing has changed then.
    pub async fn reload(&mut self, why: &str) -> Result<u64, Refused> {
        let began = Instant::now();
        service_manager::reloading();
        let done = self.try_reload().await;
        service_manager::ready();
        self.counters.count(done.is_ok());
        self.admin.reload_ended(done.as_ref().err().map(|refused| &*refused.detail));
        let (why, took) = (why.to_owned(), began.elapsed());
        let kind = match &done {
            Ok((generation, changes)) => {
                Kind::Reloaded { why, generation: *generation, changes: changes.to_string(), took }
            }
            Err(refused) => Kind::NotReloaded { why, detail: refused.detail.clone(), took },
        };
        self.store.events().tell(Subject::default(), kind);
        done.map(|(generation, _)| generation)
    }

    async fn try_reload(&mut self) -> Result<(u64, Changes), Refused> {
        let Loaded { mut config, warnings, effective } = self.read().await?;
        // the folder can't change while the process runs, and the key that signs cookies is in it
        config.server.state_dir.clone_from(&self.config.server.state_dir);
        // nor can the TLS of the admin address, but for what its files hold
        config.admin.tls.clone_from(&self.config.admin.tls);
        kept_certificates::keep(&mut config, &self.config, SystemTime::now());
        parts::complete(&mut config).map_err(Refused::because)?;
        self.integrations.stores.link(&mut config).map_err(Refused::because)?;
        let integrations = integrations::prepare(&config).map_err(Refused::because)?;
        let access_log = parts::access_destination(&self.config.log, &config.log).await.map_err(Refused::because)?;
        let before = self.store.load();
        let prepared = self.listeners.prepare(&config, Some(&before), &self.registry, &mut Inherited::default());
        let prepared = prepared.map_err(|unusable| self.refuse(unusable))?;
        let shown_before = self.listeners.shown(&before);
        drop(before);
        let fresh = self.discoveries.begin(&config).await.map_err(Refused::because)?;
        self.discoveries.fill_with(&fresh, &mut config);
        self.integrations.stores.wait().await;
        let config = Arc::new(config);
        let (before, after) = ((Arc::clone(&self.effective), Arc::clone(&self.config)), Arc::clone(&config));
        let compared = background::run(move || compare((&before.0, &before.1), effective, &after)).await;
        let (effective, changes) = compared.map_err(Refused::because)?;
        self.access_files.carry_over(&config);
        self.publish(&config, prepared).await?;

        // from here on nothing can fail
        self.discoveries.commit(&config, fresh, &self.registry);
        self.certificates.commit(&config, &self.registry, SystemTime::now());
        self.access_files.commit(&config);
        self.page_files.commit(&config);
        config_metrics::show(&config, effective.hash(), &self.registry);
        if !warnings.is_empty() {
            tracing::warn!("{warnings}");
        }
        self.drain_timeout = config.server.drain_timeout;
        if let (Some(log), Some(destination)) = (&self.log, access_log) {
            log.redirect(destination, config.log.access_lines.exchange.is_json());
        }
        self.integrations.commit(integrations, Some(&self.config), &config, &self.store, &self.registry);
        self.recovering.configure(&config.services);
        self.guard(&config.admin, &effective);
        let before =
            (std::mem::replace(&mut self.effective, Arc::new(effective)), std::mem::replace(&mut self.config, config));
        self.watch_certificates();
        let current = self.store.load();
        let shown_now = self.listeners.shown(&current);
        listener_events::tell(&shown_before, &shown_now, changes.changed_listeners(), self.store.events());
        self.admin.reloaded(shown_now, shown(&self.effective));
        background::discard(vec![before]);
        Ok((current.generation, changes))
    }

    /// Puts the backends that are discovered now in force.
    pub fn discovered(&mut self) {
        // nobody else holds it between two reloads
        let Some(config) = Arc::get_mut(&mut self.config) else { return };
        self.discoveries.fill(config);
        if let Err(reason) = self.rebuild("discovery") {
            tracing::error!("discovered backends can't be used: {reason}");
        }
    }

    /// Makes the configuration, of which something was found to be otherwise, so; `by` says by whom, for the events. The error is for people.
    pub(super) fn rebuild(&self, by: &'static str) -> Result<(), String> {
        let next = build(&self.config, &self.store.load(), &self.registry).map_err(|refused| refused.detail)?;
        config_metrics::count_generation(next.generation);
        self.put_in_force(next, by);
        Ok(())
    }

    /// Publishes a snapshot whose backends may be others than before; `by` says who has changed them, for the events.
    fn put_in_force(&self, next: Snapshot, by: &'static str) {
        tell_removed(&self.store.load(), &next, by, self.store.events());
        // operators' commands come before the publication: no worker may pick what an operator has taken out
        canaries::apply(&self.operators, &next);
        maintenance_pages::apply(&self.operators, &next);
        canaries::warn_of_others(&self.operators, &self.store.load(), &next);
        self.store.replace(next, Moment::now());
        // the backends to check and to watch are others now
        self.store.news().notify_one();
    }

    /// Takes over from the old process, which has handed its sockets over.
    pub fn take_over(&mut self) {
        self.listeners.own();
        // operators may have commanded the old process since this one has read their commands
        self.operators.reload();
        self.operators.apply(self.store.load().endpoints());
        maintenance_pages::apply(&self.operators, &self.store.load());
        self.store.refresh(Moment::now(), true);
    }

    /// Starts the tasks that keep what runs up to date, for as long as the process lives.
    pub fn look_after_itself(&mut self) {
        if let Some(feed) = self.integrations.exporter.take_feed() {
            let admin = Arc::clone(&self.admin);
            tokio::task::spawn_local(feed.run(move |to| admin.collect(to)));
        }
        tokio::task::spawn_local(self.monitor.clone().run());
        tokio::task::spawn_local(self.certificates.clone().watch());
        self.watch_certificates();
        let (store, operators) = (Arc::clone(&self.store), Arc::clone(&self.operators));
        let dependencies = Dependencies::new(fastrand::u64(..));
        tokio::task::spawn_local(dependencies.clone().run());
        let upkeep = Upkeep {
            store,
            monitor: self.monitor.clone(),
            agents: self.agents.clone(),
            operators,
            registry: Arc::clone(&self.registry),
            dependencies,
            accounting: self.accounting.clone(),
            recovering: self.recovering.clone(),
            why: self.why.clone(),
        };
        tokio::task::spawn_local(upkeep.run());
        let follower = Follower {
            store: Arc::clone(&self.store),
            operators: Arc::clone(&self.operators),
            maintenances: Arc::clone(&self.accounting.maintenances),
            faults: Arc::clone(&self.why.sources.faults),
            repairs: Cell::default(),
        };
        tokio::task::spawn_local(share::run(Arc::clone(&self.integrations.sharing), follower));
    }

    /// Reads and checks the configuration.
    async fn read(&mut self) -> Result<Loaded, Refused> {
        let loaded = self.source.load().await.map_err(Refused::because)?;
        loaded.map_err(|mistakes| {
            certificates::tell_failed(&mistakes, self.store.events());
            Refused {
                detail: format!("the configuration can't be used\n{mistakes}"),
                mistakes: serde_json::to_value(&mistakes).unwrap_or_default(),
            }
        })
    }

    /// Tells of a listener that can't be had, and makes that the reason why the reload is refused.
    fn refuse(&self, unusable: Unusable) -> Refused {
        let detail = unusable.to_string();
        let Unusable { name, address, reason } = unusable;
        let change = ListenerChange::Failed { address, reason };
        self.store.events().tell(Subject::listener(&name.into()), Kind::Listener(change));
        Refused::because(detail)
    }

    async fn publish(&mut self, config: &Arc<model::Config>, prepared: Prepared) -> Result<(), Refused> {
        // so that what can go wrong goes wrong before anything is touched
        let before = self.store.load();
        let (wanted, current, registry) = (Arc::clone(config), Arc::clone(&before), Arc::clone(&self.registry));
        let built = background::run(move || build(&wanted, &current, &registry)).await;
        let mut next = built.map_err(Refused::because)??;
        for key in self.listeners.going(&prepared) {
            self.workers.retire(key).await;
        }
        // what another task has published during this wait must not be lost; from here on there is no wait
        let now = self.store.load();
        if !Arc::ptr_eq(&before, &now) {
            next = build(config, &now, &self.registry)?;
        }
        config_metrics::count_generation(next.generation);
        self.put_in_force(next, "configuration");
        self.listeners.commit(prepared, &self.store.load(), &mut self.workers, config.server.drain_timeout);
        Ok(())
    }

    /// Takes on by which names the admin address may be asked, and by whom. Tokens may be others, more or fewer, but not none, and only
    /// where the rest of the guard is what it was: the file may have been checked with another address or another TLS.
    fn guard(&mut self, admin: &model::Admin, effective: &Effective) {
        self.admin.set_hosts(admin.hosts.clone());
        if admin.tokens == self.tokens {
            return;
        }
        let same_address = ["/admin/bind", "/admin/tls"]
            .iter()
            .all(|at| effective.values().pointer(at) == self.effective.values().pointer(at));
        if admin.tokens.is_empty() {
            tracing::warn!("the last token of [admin] can't be taken away while the process runs: the tokens stay");
        } else if !same_address {
            tracing::warn!("the tokens of [admin] stay, as admin.bind and admin.tls do, until the next start");
        } else {
            self.admin.set_tokens(admin.tokens.clone());
            self.tokens.clone_from(&admin.tokens);
        }
    }
}

/// What the admin address shows of a configuration.
pub(super) fn shown(effective: &Arc<Effective>) -> admin::Effective {
    let (hash, effective) = (effective.hash().to_owned(), Arc::clone(effective));
    admin::Effective { to_json: Box::new(move || effective.to_json()), hash }
}

/// Tells of the backends that `before` has and `after` has not.
fn tell_removed(before: &Snapshot, after: &Snapshot, by: &'static str, events: &Events) {
    let there = |service: &Service| service.endpoints.iter().map(|endpoint| Arc::clone(&endpoint.id)).collect();
    let after: HashMap<&str, HashSet<Arc<str>>> =
        after.services.iter().map(|service| (&*service.name, there(service))).collect();
    for service in &before.services {
        let there = after.get(&*service.name);
        for gone in service.endpoints.iter().filter(|old| there.is_none_or(|there| !there.contains(&old.id))) {
            events.tell(Subject::backend(&gone.service, &gone.id), Kind::BackendRemoved { by });
        }
    }
}

fn build(config: &model::Config, before: &Snapshot, registry: &Registry) -> Result<Snapshot, Refused> {
    let built = snapshot::build(config, Some(before), &mut parts::backend_tls, registry);
    built.map_err(|error| Refused::because(error.to_string()))
}

/// The configuration in effect from now on, and what it changes.
fn compare(before: (&Effective, &model::Config), mut after: Effective, config: &model::Config) -> (Effective, Changes) {
    keep_fixed(before.0.values(), after.values_mut());
    let changes = Changes::between((before.0.values(), before.1), (after.values(), config));
    (after, changes)
}

impl Refused {
    fn because(detail: String) -> Self {
        Self { detail, mistakes: Value::Array(Vec::new()) }
    }
}
