//! Certificates that change in their files while the process runs: they are in force without a reload.

use std::sync::Arc;
use std::time::SystemTime;

use metrics::counter;

use super::parts;
use super::refused_files::RefusedFiles;
use super::reload::System;
use crate::certificate::keeper::{Material, Owner, Sources, Watched};
use crate::certificate::unusable::Unusable;
use crate::certificate::watch::Finding;
use crate::clock::Stamp;
use crate::config::model;
use crate::event::{CertificateChange, Kind, Subject};
use crate::metrics::names;
use crate::tls::Acceptor;

impl System {
    /// Watches the files of the configuration that runs.
    pub fn watch_certificates(&mut self) {
        // what can't be used is found anew
        self.refused_files = RefusedFiles::default();
        self.admin.set_refused_files(Vec::new());
        if let Err(error) = self.certificate_watch.set(watched(&self.config)) {
            tracing::error!(%error, "the files of certificates can't be watched: reload when they have changed");
        }
    }

    /// Takes on what was found in files that have changed. `admin` is the TLS of the admin address.
    pub fn renewed(&mut self, finding: Finding, admin: Option<&Acceptor>) {
        let Finding { owner, renewed, unusable, refused, .. } = finding;
        for Unusable { path, message, .. } in unusable {
            self.tell_refused(&owner, path.display().to_string(), message);
        }
        if let Some(refused) = refused {
            self.refused_files.set(&owner, &refused, Stamp::now());
            self.admin.set_refused_files(self.refused_files.shown());
        }
        let Some(material) = renewed else { return };
        if Arc::get_mut(&mut self.config).is_none() {
            // nobody else holds it between two reloads; if somebody does, it is found anew in a moment
            return self.watch_certificates();
        }
        let renewed = self.renew(&owner, material, admin);
        self.refused_files.taken(&owner, renewed.as_ref().err().map(String::as_str), Stamp::now());
        self.admin.set_refused_files(self.refused_files.shown());
        match renewed {
            Ok(()) => {
                counter!(names::CERTIFICATE_RENEWALS.name, "outcome" => "applied").increment(1);
                self.certificates.commit(&self.config, &self.registry, SystemTime::now());
            }
            Err(reason) => self.tell_refused(&owner, String::new(), reason),
        }
    }

    fn renew(&mut self, owner: &Owner, material: Material, admin: Option<&Acceptor>) -> Result<(), String> {
        let config = Arc::get_mut(&mut self.config).ok_or("the configuration is in use")?;
        match owner {
            Owner::Listener(name) => {
                let listener = config.listeners.iter_mut().find(|listener| listener.name == *name);
                let Some(tls) = listener.and_then(|listener| listener.tls.as_mut()) else { return Ok(()) };
                tls.renew(material);
                self.listeners.renew(name, tls)
            }
            Owner::Admin => {
                let (Some(tls), Some(acceptor)) = (config.admin.tls.as_mut(), admin) else { return Ok(()) };
                tls.renew(material);
                acceptor.replace(&parts::client_tls(tls))
            }
            Owner::Service(name) => {
                let service = config.services.iter_mut().find(|service| service.name == *name);
                let Some(tls) = service.and_then(|service| service.tls.as_mut()) else { return Ok(()) };
                tls.renew(material);
                self.rebuild("certificates")
            }
        }
    }

    fn tell_refused(&self, owner: &Owner, path: String, reason: String) {
        counter!(names::CERTIFICATE_RENEWALS.name, "outcome" => "refused").increment(1);
        let change = CertificateChange::Refused { path, reason };
        self.store.events().tell(subject(owner), Kind::Certificate(change));
    }
}

fn subject(owner: &Owner) -> Subject {
    match owner {
        Owner::Listener(name) => Subject::listener(&name.as_str().into()),
        Owner::Service(name) => Subject::service(&name.as_str().into()),
        Owner::Admin => Subject::default(),
    }
}

/// The files whose changes are taken on while the process runs.
fn watched(config: &model::Config) -> Vec<Watched> {
    let watched = |owner, sources: &Sources, material| Watched { owner, sources: sources.clone(), material };
    let listeners = config.listeners.iter().filter_map(|listener| {
        let tls = listener.tls.as_ref()?;
        Some(watched(Owner::Listener(listener.name.clone()), &tls.sources, tls.material()))
    });
    let services = config.services.iter().filter_map(|service| {
        let tls = service.tls.as_ref().filter(|tls| tls.sources != Sources::default())?;
        Some(watched(Owner::Service(service.name.clone()), &tls.sources, tls.material()))
    });
    let admin = config.admin.tls.iter().map(|tls| watched(Owner::Admin, &tls.sources, tls.material()));
    listeners.chain(services).chain(admin).collect()
}
