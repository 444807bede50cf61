//! What an exchange is counted in. A short exchange finds that in its snapshot, at no cost. One that may last for days must not keep a snapshot
//! alive, with ten thousand backends that a reload has replaced long ago: it keeps handles to just what it needs.
//!
//! While recovery sends work elsewhere, the service that is asked is not the one whose backends do the work. How requests end, how long they
//! take and what is promised is counted for the one that is asked, because that is what its clients see; what says something about
//! backends is counted where they belong.

use std::rc::Rc;
use std::sync::Arc;

use crate::endpoint::Endpoint;
use crate::endpoint::waiters::Waiters;
use crate::metrics::{Durations, Failures, GrpcCalls, HedgeCounts, Requests, Totals, UpstreamMetrics};
use crate::policy::Breaker;
use crate::record;
use crate::snapshot::{Current, Promised, Service};

/// What an exchange is counted in.
#[derive(Debug)]
pub enum Counted {
    /// It is found in the snapshot that the exchange began with.
    InSnapshot(InSnapshot),
    /// The exchange has handles of its own.
    Detached(Box<Detached>),
}

/// The places in a snapshot of all that an exchange is counted in.
#[derive(Debug)]
pub struct InSnapshot {
    snapshot: Rc<Current>,
    listener: usize,
    asked: Option<usize>,
    service: Option<usize>,
    backend: Option<usize>,
}

/// What is kept of a snapshot that an exchange has let go of.
#[derive(Debug)]
pub struct Detached {
    listener: Arc<str>,
    requests: Arc<Requests>,
    asked: Option<AskedHandles>,
    service: Option<ServiceHandles>,
    backend: Option<(Arc<Endpoint>, Arc<UpstreamMetrics>)>,
}

/// What is kept of the service that is asked.
#[derive(Debug)]
struct AskedHandles {
    name: Arc<str>,
    totals: Arc<Totals>,
    durations: Arc<Durations>,
    grpc: Arc<GrpcCalls>,
    promised: Option<Arc<Promised>>,
}

/// What is kept of the service whose backends do the work.
#[derive(Debug)]
struct ServiceHandles {
    index: usize,
    name: Arc<str>,
    waiting: Arc<Waiters>,
    breaker: Option<Breaker>,
    consecutive_failures: u32,
    reports: Option<Arc<[Box<str>]>>,
    hedges: Option<Arc<HedgeCounts>>,
}

/// The service that an exchange asks for.
#[derive(Debug, Clone, Copy)]
pub struct AskedView<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its exchanges, all together.
    pub totals: &'a Totals,
    /// How long they take.
    pub durations: &'a Durations,
    /// How its gRPC calls ended.
    pub grpc: &'a GrpcCalls,
    /// What its requests are counted in where something is promised of it.
    pub promised: Option<record::Promised<'a>>,
}

/// The service whose backends do the work.
#[derive(Debug, Clone, Copy)]
pub struct ServiceView<'a> {
    /// Its place in the snapshot that the exchange began with.
    pub index: usize,
    /// Its name.
    pub name: &'a Arc<str>,
    /// Who waits for a slot at its backends.
    pub waiting: &'a Waiters,
    /// When a breaker opens.
    pub breaker: Option<&'a Breaker>,
    /// So many failures in a row eject a backend; 0 = never.
    pub consecutive_failures: u32,
    /// The named metrics that count in what backends say about their load in answers; `None` = it is not believed.
    pub reports: Option<&'a [Box<str>]>,
    /// Its hedges, if it hedges.
    pub hedges: Option<&'a Arc<HedgeCounts>>,
}

/// The backend that an exchange was sent to last.
#[derive(Debug, Clone, Copy)]
pub struct BackendView<'a> {
    /// The backend.
    pub endpoint: &'a Arc<Endpoint>,
    /// Its figures.
    pub upstream: &'a Arc<UpstreamMetrics>,
}

impl Counted {
    /// Of an exchange that came by this listener.
    pub fn new(snapshot: &Rc<Current>, listener: usize) -> Self {
        Self::InSnapshot(InSnapshot {
            snapshot: Rc::clone(snapshot),
            listener,
            asked: None,
            service: None,
            backend: None,
        })
    }

    /// It asks for the first of these services, and the backends of the second do the work.
    pub fn set_service(&mut self, asked: usize, service: usize) {
        if let Self::InSnapshot(places) = self {
            (places.asked, places.service) = (Some(asked), Some(service));
        }
    }

    /// It is sent to this backend of the service.
    pub fn set_backend(&mut self, backend: usize) {
        if let Self::InSnapshot(places) = self {
            places.backend = Some(backend);
        }
    }

    /// It would have asked this service. It asks none, and no backend does anything for it.
    pub fn set_missed(&mut self, asked: usize) {
        if let Self::InSnapshot(places) = self {
            places.asked = Some(asked);
        }
    }

    /// The place in the service of the backend that it was sent to last; `None` = it was sent to none, or the snapshot was let go of.
    pub fn backend_place(&self) -> Option<usize> {
        match self {
            Self::InSnapshot(places) => places.backend,
            Self::Detached(_) => None,
        }
    }

    /// Lets go of the snapshot, once nothing is to be decided any more.
    pub fn let_go(&mut self) {
        let Self::InSnapshot(places) = &*self else { return };
        let service = places.service();
        let backend = service.zip(places.backend);
        let detached = Detached {
            listener: Arc::clone(&places.snapshot.listeners[places.listener].name),
            requests: Arc::clone(places.requests()),
            asked: places.asked().map(AskedHandles::of),
            service: service.map(ServiceHandles::of),
            backend: backend.map(|(s, at)| (Arc::clone(&s.endpoints[at]), Arc::clone(&s.upstream[at]))),
        };
        *self = Self::Detached(Box::new(detached));
    }

    /// The service that is asked, with all its settings; `None` once the snapshot was let go of.
    pub fn whole_asked(&self) -> Option<&Service> {
        match self {
            Self::InSnapshot(places) => places.asked(),
            Self::Detached(_) => None,
        }
    }

    /// The service whose backends do the work, with all its settings; `None` once the snapshot was let go of.
    pub fn whole_service(&self) -> Option<&Service> {
        match self {
            Self::InSnapshot(places) => places.service(),
            Self::Detached(_) => None,
        }
    }

    /// The path of the route at this place of the listener, as its condition has it; `None` once the snapshot was let go of.
    pub fn route_path(&self, place: usize) -> Option<&Arc<str>> {
        match self {
            Self::InSnapshot(places) => places.snapshot.listeners[places.listener].route_paths.get(place),
            Self::Detached(_) => None,
        }
    }

    /// The listener's name.
    pub fn listener(&self) -> &str {
        match self {
            Self::InSnapshot(places) => &places.snapshot.listeners[places.listener].name,
            Self::Detached(detached) => &detached.listener,
        }
    }

    /// The series of its listener, of the service that is asked, and of its backend where that is one of this service's.
    pub fn requests(&self) -> &Requests {
        match self {
            Self::InSnapshot(places) => places.requests(),
            Self::Detached(detached) => &detached.requests,
        }
    }

    /// What failures are counted in: those of the service that is asked, or of no service.
    pub fn failures(&self) -> Option<&Failures> {
        match self {
            Self::InSnapshot(places) => {
                let unrouted = || &places.snapshot.listeners[places.listener].unrouted;
                Some(&places.asked().map_or_else(unrouted, |service| &service.totals).failures)
            }
            Self::Detached(detached) => detached.asked.as_ref().map(|handles| &handles.totals.failures),
        }
    }

    /// The service that it asks for.
    pub fn asked(&self) -> Option<AskedView<'_>> {
        match self {
            Self::InSnapshot(places) => places.asked().map(|service| AskedView {
                name: &service.name,
                totals: &service.totals,
                durations: &service.durations,
                grpc: &service.grpc,
                promised: service.promised.as_ref().map(|promised| promised.counted()),
            }),
            Self::Detached(detached) => detached.asked.as_ref().map(|handles| AskedView {
                name: &handles.name,
                totals: &handles.totals,
                durations: &handles.durations,
                grpc: &handles.grpc,
                promised: handles.promised.as_ref().map(|promised| promised.counted()),
            }),
        }
    }

    /// The service whose backends do the work.
    pub fn service(&self) -> Option<ServiceView<'_>> {
        match self {
            Self::InSnapshot(places) => places.service().map(|service| ServiceView {
                index: service.index,
                name: &service.name,
                waiting: &service.waiting,
                breaker: service.breaker.as_ref(),
                consecutive_failures: service.outlier.consecutive_failures,
                reports: service.load_reports.believed().map(|names| &**names),
                hedges: service.hedges.as_ref().map(|hedges| &hedges.counts),
            }),
            Self::Detached(detached) => detached.service.as_ref().map(|handles| ServiceView {
                index: handles.index,
                name: &handles.name,
                waiting: &handles.waiting,
                breaker: handles.breaker.as_ref(),
                consecutive_failures: handles.consecutive_failures,
                reports: handles.reports.as_deref(),
                hedges: handles.hedges.as_ref(),
            }),
        }
    }

    /// The backend that it was sent to last.
    pub fn backend(&self) -> Option<BackendView<'_>> {
        match self {
            Self::InSnapshot(places) => places.service().zip(places.backend).map(|(service, place)| BackendView {
                endpoint: &service.endpoints[place],
                upstream: &service.upstream[place],
            }),
            Self::Detached(detached) => {
                detached.backend.as_ref().map(|(endpoint, upstream)| BackendView { endpoint, upstream })
            }
        }
    }
}

impl AskedHandles {
    fn of(service: &Service) -> Self {
        Self {
            name: Arc::clone(&service.name),
            totals: Arc::clone(&service.totals),
            durations: Arc::clone(&service.durations),
            grpc: Arc::clone(&service.grpc),
            promised: service.promised.clone(),
        }
    }
}

impl ServiceHandles {
    fn of(service: &Service) -> Self {
        Self {
            index: service.index,
            name: Arc::clone(&service.name),
            waiting: Arc::clone(&service.waiting),
            breaker: service.breaker,
            consecutive_failures: service.outlier.consecutive_failures,
            reports: service.load_reports.believed().cloned(),
            hedges: service.hedges.as_ref().map(|hedges| Arc::clone(&hedges.counts)),
        }
    }
}

impl InSnapshot {
    fn service(&self) -> Option<&Service> {
        self.service.map(|service| &*self.snapshot.services[service])
    }

    fn asked(&self) -> Option<&Service> {
        self.asked.map(|service| &*self.snapshot.services[service])
    }

    fn requests(&self) -> &Arc<Requests> {
        let is_at_home = self.asked == self.service;
        match (self.asked(), self.backend.filter(|_| is_at_home)) {
            (Some(service), Some(backend)) => &service.series[self.listener].backends[backend],
            (Some(service), None) => &service.series[self.listener].none,
            (None, _) => &self.snapshot.listeners[self.listener].local,
        }
    }
}
