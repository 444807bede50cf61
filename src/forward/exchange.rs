//! The record of an exchange while it lasts: dropped when the exchange is over, however that comes, and recorded then.

use std::rc::Rc;
use std::time::Instant;

use http::StatusCode;

use super::Worker;
use crate::clock::Moment;
use crate::endpoint::InFlight;
use crate::error::Kind;
use crate::outcome::Outcome;
use crate::record::{self, access};
use crate::snapshot::Current;

/// One exchange.
#[derive(Debug)]
pub struct Exchange {
    worker: Rc<Worker>,
    snapshot: Rc<Current>,
    listener: usize,
    service: Option<usize>,
    backend: Option<usize>,
    in_flight: Option<InFlight>,
    outcome: Outcome,
    /// What the access log says of the request, when there is one.
    access: Option<Box<access::Entry>>,
}

impl Exchange {
    /// Begins now.
    pub fn begin(worker: &Rc<Worker>, snapshot: &Rc<Current>, listener: usize) -> Self {
        Self {
            worker: Rc::clone(worker),
            snapshot: Rc::clone(snapshot),
            listener,
            service: None,
            backend: None,
            in_flight: None,
            outcome: Outcome::begun(Instant::now()),
            access: None,
        }
    }

    /// When it began.
    pub fn began(&self) -> Moment {
        Moment::at(self.outcome.began)
    }

    /// What the access log is to say of the request.
    pub fn log(&mut self, entry: access::Entry) {
        self.access = Some(Box::new(entry));
    }

    /// It goes to this service.
    pub fn service(&mut self, index: usize) {
        self.service = Some(index);
    }

    /// It goes to this backend of the service, and counts as in flight there until it ends or goes to another.
    pub fn backend(&mut self, index: usize) {
        self.backend = Some(index);
        self.in_flight = self.service.map(|s| self.snapshot.services[s].endpoints[index].live.enter());
    }

    /// This is what the client is answered with.
    pub fn answered(&mut self, status: StatusCode) {
        self.outcome.status = Some(status);
    }

    /// It failed, in whole or within the body.
    pub fn failed(&mut self, kind: Kind) {
        self.outcome.failure = Some(kind);
    }

    /// Bytes of the answer's body.
    pub fn sent(&mut self, bytes: u64) {
        self.outcome.body_bytes += bytes;
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let listener = &self.snapshot.listeners[self.listener];
        let service = self.service.map(|s| &*self.snapshot.services[s]);
        let series = match (service, self.backend) {
            (Some(service), Some(backend)) => &service.series[self.listener].backends[backend],
            (Some(service), None) => &service.series[self.listener].none,
            (None, _) => &listener.local,
        };
        let handles = record::Handles { requests: series, durations: service.map(|s| &*s.durations) };
        let elapsed = self.worker.recorder.exchange(self.worker.index, &handles, &self.outcome);
        if let Some(entry) = self.access.take() {
            let backend = service.zip(self.backend).map(|(s, b)| &*s.endpoints[b].id);
            let names = access::Names { listener: &listener.name, service: service.map(|s| &*s.name), backend };
            self.worker.recorder.access(&entry, &names, &self.outcome, elapsed);
        }
    }
}
