//! From the raw types to the model: the checks that need more than one value.
//!
//! By now every value is well-formed, or it has been reported and taken out. So a required value that is missing here
//! is passed over in silence, and each check goes as far as it can: a missing part of one thing never hides the
//! mistakes of another. The model is complete exactly when nothing was reported.

mod admin;
mod affinity;
mod auth;
mod balancing;
mod canary;
mod certificate;
mod client_limits;
mod cluster;
mod compression;
mod cors;
mod detection;
mod discover;
mod failover;
mod files;
mod headers;
mod layer4;
mod rate_limit;
mod listener;
mod log;
mod means;
mod mirror;
mod network;
mod notify;
mod otlp;
mod pages;
mod priority;
mod recovery;
mod resilience;
mod route;
mod service;
mod sla;
mod store;
mod state;
mod tls_choices;
mod variables;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::code::Code;
use super::diagnostics::Sources;
use super::mistake::{Findings, Mistake};
use super::model::{Config, Etcd, KeySource, Metrics, Server, ServiceId, SystemAuthorities};
use super::raw;
use super::syntax::{self, nearest};
use super::tree::{KeyPath, Node};
use crate::auth::jwt::KeySet;
use crate::io::{HostPort, Resolved};
use crate::pages::PageFile;

/// Checks a file for sense. `None` = something is wrong, and has been reported.
pub(super) fn check(
    raw: &raw::File,
    root: &Node<'_>,
    folder: &Path,
    sources: &Sources,
    findings: &mut Findings,
) -> Option<Config> {
    let mut check = Checker::new(raw, root, (folder, sources), findings);
    let server = check.server(&raw.server);
    let admin = check.admin(&raw.admin);
    let log = check.log(&raw.log);
    let metrics =
        Metrics { max_backends: raw.metrics.max_backends as usize, backend_histograms: raw.metrics.backend_histograms };
    let listeners = check.listeners(&raw.listener, admin.as_ref().map(|admin| admin.bind));
    let cluster = check.cluster(raw.cluster.as_ref());
    let elect = cluster.as_ref().and_then(|cluster| cluster.as_ref()?.elect.as_ref());
    check.etcd = elect.map(|elect| elect.etcd.clone());
    let services = check.services(&raw.service);
    let notify = check.notify(&raw.notify);
    let otlp = check.otlp(raw.otlp.as_ref());
    let state_dir = check.state_dir(&raw.server);
    let backup = check.backup(&raw.state, &state_dir);
    check.layer4_services(&raw.listener, &raw.service);
    check.canaries_have_one_plan(&raw.listener);
    check.priorities_have_effect(&raw.listener, &raw.service);
    check.unused_services();
    check.nothing_to_back_up(raw);
    if let (Some(listeners), Some(services)) = (&listeners, &services) {
        check.questions_have_an_end(listeners, services);
    }
    let (server, admin, listeners, services, notify) = (server?, admin?, listeners?, services?, notify?);
    let (otlp, cluster, backup) = (otlp?, cluster?, backup?);
    let (key_sources, page_files) = (check.key_sources, check.page_files);
    Some(Config {
        server,
        admin,
        log,
        metrics,
        listeners,
        services,
        notify,
        otlp,
        cluster,
        backup,
        key_sources,
        page_files,
    })
}

/// More names than this are not listed in a message.
const MANY: usize = 12;

struct Checker<'a> {
    root: &'a Node<'a>,
    /// The folder of the configuration file; relative paths start there.
    folder: &'a Path,
    sources: &'a Sources,
    findings: &'a mut Findings,
    services: BTreeMap<String, ServiceId>,
    /// Services that a listener or a route names.
    used: BTreeSet<String>,
    /// The addresses of the names of backends.
    looked_up: HashMap<HostPort, Resolved>,
    /// The zone of this instance.
    zone: Option<Arc<str>>,
    /// The etcd by which one of several instances is elected.
    etcd: Option<Etcd>,
    /// The system's authorities, once something needs them.
    system: Option<Arc<SystemAuthorities>>,
    /// The URLs of keys, and the files, that routes have named so far.
    key_sources: Vec<KeySource>,
    key_files: Vec<Arc<KeySet>>,
    /// The files that clients are shown, of those that sections have named so far.
    page_files: Vec<Arc<PageFile>>,
}

impl<'a> Checker<'a> {
    /// Nothing is checked yet of this file, in this folder.
    fn new(
        raw: &raw::File,
        root: &'a Node<'a>,
        (folder, sources): (&'a Path, &'a Sources),
        findings: &'a mut Findings,
    ) -> Self {
        let services = raw.service.keys().enumerate().map(|(index, name)| (name.clone(), ServiceId(index))).collect();
        let zone =
            raw.cluster.as_ref().and_then(|cluster| cluster.zone.as_deref()).filter(|zone| !zone.trim().is_empty());
        Self {
            root,
            folder,
            sources,
            findings,
            services,
            used: BTreeSet::new(),
            looked_up: service::look_up(raw.service.values()),
            zone: zone.map(Arc::from),
            etcd: None,
            system: None,
            key_sources: Vec::new(),
            key_files: Vec::new(),
            page_files: Vec::new(),
        }
    }
}

impl Checker<'_> {
    /// A mistake in the value at this path.
    fn mistake(&self, path: &KeyPath, message: impl Into<String>) -> Mistake {
        Mistake::new(self.root.span_of(path), path, message)
    }

    /// A mistake that consists in the presence of a key.
    fn key_mistake(&self, path: &KeyPath, message: impl Into<String>) -> Mistake {
        let span = self.findings.removed(path).cloned().unwrap_or_else(|| self.root.key_span_of(path));
        Mistake::new(span, path, message)
    }

    fn report(&mut self, mistake: Mistake) {
        self.findings.add(mistake);
    }

    /// Whether the file has this key, even with a value that can't be used.
    fn present(&self, path: &KeyPath) -> bool {
        self.root.has(path) || self.findings.removed(path).is_some()
    }

    /// "The first one is in line N", with the name of the file where there are several.
    fn first_in(&self, path: &KeyPath) -> String {
        format!("the first one is in {}", self.sources.place(self.root.span_of(path).start))
    }

    /// A file that the configuration names.
    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The service that something is to be sent to.
    fn service_named(&mut self, path: &KeyPath, name: &str) -> Option<ServiceId> {
        self.used.insert(name.to_owned());
        let found = self.services.get(name).copied();
        let defined = KeyPath::default().key("service");
        // A service that is there, but too broken to be used, has been reported.
        if found.is_none() && !self.present(&defined.key(name)) && self.findings.removed(&defined).is_none() {
            let near = nearest(name, self.services.keys().map(String::as_str)).map(str::to_owned);
            let mistake = self.mistake(path, format!("there is no service `{name}`"));
            let known: Vec<&str> = self.services.keys().map(String::as_str).collect();
            let expected = match &known[..] {
                [] => format!("a section [service.{name}]"),
                [only] => format!("the name of a service: {only}"),
                few if few.len() <= MANY => format!("the name of a service: one of {}", few.join(", ")),
                many => format!("the name of one of the {} services", many.len()),
            };
            let mut mistake = mistake.code(Code::UnknownService).expected(expected).near(near);
            if name.contains([':', '/']) && syntax::backend(name.trim_start_matches("http://")).is_ok() {
                mistake = mistake.help(format!(
                    "an address belongs to a backend of a service: address = {name:?} in [[service.NAME.backend]]"
                ));
            }
            self.report(mistake);
        }
        found
    }

    /// Warns of services that nothing names. Only when all else is well, because what names a service may have been
    /// taken out.
    fn unused_services(&mut self) {
        if self.findings.has_errors() {
            return;
        }
        let at = KeyPath::default().key("service");
        let unused: Vec<String> = self.services.keys().filter(|name| !self.used.contains(*name)).cloned().collect();
        for name in unused {
            let mistake = self.mistake(&at.key(&name), format!("nothing is ever sent to the service `{name}`"));
            self.report(mistake.warning().help("no listener and no route names it"));
        }
    }

    /// Where state is kept.
    fn state_dir(&self, raw: &raw::Server) -> PathBuf {
        // what is missing has been filled in
        self.file(raw.state_dir.as_deref().unwrap_or_default())
    }

    fn server(&mut self, raw: &raw::Server) -> Option<Server> {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let workers = match raw.workers {
            0 => cores(),
            workers => workers as usize,
        };
        let error_pages = self.error_pages(&KeyPath::default().key("server"), &raw.error_pages)?;
        Some(Server {
            workers,
            drain_timeout: raw.drain_timeout.0,
            state_dir: self.state_dir(raw),
            reload_on_change: raw.reload_on_change,
            error_pages,
        })
    }

    /// What is in a file that the configuration names, a secret for instance. That it can't be read is reported.
    fn content(&mut self, at: &KeyPath, file: &str) -> Option<(PathBuf, Vec<u8>)> {
        let file = self.file(file);
        match std::fs::read(&file) {
            Ok(bytes) => Some((file, bytes)),
            Err(error) => {
                self.unreadable(at, &file, &error.to_string());
                None
            }
        }
    }

    /// As [`content`](Self::content), of a text.
    fn text(&mut self, at: &KeyPath, file: &str) -> Option<(PathBuf, String)> {
        let (file, bytes) = self.content(at, file)?;
        match String::from_utf8(bytes) {
            Ok(text) => Some((file, text)),
            Err(_) => {
                self.unreadable(at, &file, "it is not UTF-8");
                None
            }
        }
    }
}

/// Turns "present and bad" into `None`: `Some(None)` = there was nothing to read.
fn all_or_nothing<T>(checked: Option<Option<T>>) -> Option<Option<T>> {
    match checked {
        None => Some(None),
        Some(None) => None,
        Some(good) => Some(good),
    }
}

/// All of them, or `None` when one was bad.
fn all<T>(checked: Vec<Option<T>>) -> Option<Vec<T>> {
    checked.into_iter().collect()
}
