//! What an exchange is counted in. A short one finds it in its snapshot, at no cost; one that may last for days lets go of that,
//! and with it of ten thousand backends that a reload has replaced long ago, and keeps just what it needs.

use std::rc::Rc;
use std::sync::Arc;

use crate::endpoint::Endpoint;
use crate::endpoint::waiting::Waiting;
use crate::metrics::{Durations, GrpcCalls, Requests, UpstreamMetrics};
use crate::policy::Breaker;
use crate::snapshot::{Current, Service};

/// What an exchange is counted in.
#[derive(Debug)]
pub enum Counted {
    /// By its places in a snapshot.
    Within(Within),
    /// By handles of its own.
    Apart(Box<Apart>),
}

/// Where an exchange stands in its snapshot.
#[derive(Debug)]
pub struct Within {
    snapshot: Rc<Current>,
    listener: usize,
    service: Option<usize>,
    backend: Option<usize>,
}

/// What is left of a snapshot that an exchange has let go of.
#[derive(Debug)]
pub struct Apart {
    listener: Arc<str>,
    requests: Arc<Requests>,
    service: Option<Kept>,
    backend: Option<(usize, Arc<Endpoint>, Arc<UpstreamMetrics>)>,
}

/// What is left of its service.
#[derive(Debug)]
struct Kept {
    index: usize,
    name: Arc<str>,
    durations: Arc<Durations>,
    waiting: Arc<Waiting>,
    grpc: Arc<GrpcCalls>,
    breaker: Option<Breaker>,
    consecutive_failures: u32,
    takes_reports: bool,
}

/// The service that an exchange goes to.
#[derive(Debug, Clone, Copy)]
pub struct Served<'a> {
    /// Its place in the snapshot that the exchange began with.
    pub index: usize,
    /// Its name.
    pub name: &'a Arc<str>,
    /// How long its exchanges take.
    pub durations: &'a Durations,
    /// How its gRPC calls ended.
    pub grpc: &'a GrpcCalls,
    /// Who waits for a place at its backends.
    pub waiting: &'a Waiting,
    /// When a breaker opens.
    pub breaker: Option<&'a Breaker>,
    /// So many failures in a row eject a backend; 0 = never.
    pub consecutive_failures: u32,
    /// What backends say about their load in answers is believed.
    pub takes_reports: bool,
}

/// The backend that an exchange was sent to last.
#[derive(Debug, Clone, Copy)]
pub struct Used<'a> {
    /// Its place in the service.
    pub place: usize,
    /// The backend.
    pub endpoint: &'a Arc<Endpoint>,
    /// Its figures.
    pub upstream: &'a Arc<UpstreamMetrics>,
}

impl Counted {
    /// Of an exchange that came by this listener.
    pub fn new(snapshot: &Rc<Current>, listener: usize) -> Self {
        Self::Within(Within { snapshot: Rc::clone(snapshot), listener, service: None, backend: None })
    }

    /// It goes to this service.
    pub fn set_service(&mut self, service: usize) {
        if let Self::Within(within) = self {
            within.service = Some(service);
        }
    }

    /// It is sent to this backend of the service.
    pub fn set_backend(&mut self, backend: usize) {
        if let Self::Within(within) = self {
            within.backend = Some(backend);
        }
    }

    /// Lets go of the snapshot: nothing is to be decided any more.
    pub fn let_go(&mut self) {
        let Self::Within(within) = &*self else { return };
        let service = within.service();
        let backend = service.zip(within.backend);
        let apart = Apart {
            listener: Arc::clone(&within.snapshot.listeners[within.listener].name),
            requests: Arc::clone(within.requests()),
            service: service.map(Kept::of),
            backend: backend.map(|(s, at)| (at, Arc::clone(&s.endpoints[at]), Arc::clone(&s.upstream[at]))),
        };
        *self = Self::Apart(Box::new(apart));
    }

    /// The whole service, for as long as something is to be decided.
    pub fn deciding(&self) -> Option<&Service> {
        match self {
            Self::Within(within) => within.service(),
            Self::Apart(_) => None,
        }
    }

    /// The listener's name.
    pub fn listener(&self) -> &str {
        match self {
            Self::Within(within) => &within.snapshot.listeners[within.listener].name,
            Self::Apart(apart) => &apart.listener,
        }
    }

    /// The series of its listener, service and backend.
    pub fn requests(&self) -> &Requests {
        match self {
            Self::Within(within) => within.requests(),
            Self::Apart(apart) => &apart.requests,
        }
    }

    /// The service that it goes to.
    pub fn service(&self) -> Option<Served<'_>> {
        match self {
            Self::Within(within) => within.service().map(|service| Served {
                index: service.index,
                name: &service.name,
                durations: &service.durations,
                waiting: &service.waiting,
                grpc: &service.grpc,
                breaker: service.breaker.as_ref(),
                consecutive_failures: service.outlier.consecutive_failures,
                takes_reports: service.load_reports.orca,
            }),
            Self::Apart(apart) => apart.service.as_ref().map(|kept| Served {
                index: kept.index,
                name: &kept.name,
                durations: &kept.durations,
                waiting: &kept.waiting,
                grpc: &kept.grpc,
                breaker: kept.breaker.as_ref(),
                consecutive_failures: kept.consecutive_failures,
                takes_reports: kept.takes_reports,
            }),
        }
    }

    /// The backend that it was sent to last.
    pub fn backend(&self) -> Option<Used<'_>> {
        match self {
            Self::Within(within) => within.service().zip(within.backend).map(|(service, place)| Used {
                place,
                endpoint: &service.endpoints[place],
                upstream: &service.upstream[place],
            }),
            Self::Apart(apart) => {
                apart.backend.as_ref().map(|(place, endpoint, upstream)| Used { place: *place, endpoint, upstream })
            }
        }
    }
}

impl Kept {
    fn of(service: &Service) -> Self {
        Self {
            index: service.index,
            name: Arc::clone(&service.name),
            durations: Arc::clone(&service.durations),
            waiting: Arc::clone(&service.waiting),
            grpc: Arc::clone(&service.grpc),
            breaker: service.breaker,
            consecutive_failures: service.outlier.consecutive_failures,
            takes_reports: service.load_reports.orca,
        }
    }
}

impl Within {
    fn service(&self) -> Option<&Service> {
        self.service.map(|service| &*self.snapshot.services[service])
    }

    fn requests(&self) -> &Arc<Requests> {
        match (self.service(), self.backend) {
            (Some(service), Some(backend)) => &service.series[self.listener].backends[backend],
            (Some(service), None) => &service.series[self.listener].none,
            (None, _) => &self.snapshot.listeners[self.listener].local,
        }
    }
}
