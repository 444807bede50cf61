//! How a session gets its backend, and another one when that is not there.

use std::rc::Rc;
use std::sync::Arc;

use super::kept::Kept;
use super::session::{CountedClient, Link, Opening, Session};
use super::table::Flow;
use super::{Entry, Scene, Sessions, answers};
use crate::clock::Moment;
use crate::endpoint::Endpoint;
use crate::error::{Error, Kind, Result, Retry};
use crate::forward::placement::{self, Wish};
use crate::forward::retry::tries::Tries;
use crate::forward::session::{Record, keys_of, leads_to, route};
use crate::layer4::udp::{Payload, Socket, options};
use crate::metrics::Loss;
use crate::metrics::retries::Outcome;
use crate::record::access::Journey;
use crate::record::access::session::Entry as Line;
use crate::upstream::udp;

impl Sessions {
    /// Begins a session with its first datagram, with another backend than `avoided` if there is one.
    pub(super) fn open(
        self: &Rc<Self>,
        flow: Flow,
        first: &Payload<'_>,
        scene: &Scene<'_>,
        avoided: Option<&Endpoint>,
    ) {
        let metrics = &scene.terms.metrics;
        if self.closing.get() {
            return metrics.lost(self.worker(), Loss::Draining, first.count());
        }
        let Some(place) = self.place(scene) else {
            return metrics.lost(self.worker(), Loss::NoRoom, first.count());
        };
        let worker = self.ingress.worker();
        let listener = &scene.snapshot.listeners[scene.listener];
        let mut record = Record::begin(worker, listener);
        let client = flow.client.ip().to_canonical();
        if worker.recorder.logs_access() {
            let (protocol, journey) = (listener.protocol, Journey::default());
            record.log(Line { client: Some(client), protocol, told: Vec::new(), server_name: None, journey });
        }
        let opening = match self.opening(client, scene, avoided, &mut record) {
            Ok(opening) => opening,
            Err(error) => {
                record.failed_of(&error);
                return metrics.lost(self.worker(), Loss::NoBackend, first.count());
            }
        };
        let counted = CountedClient::new(metrics, self.worker(), place);
        let session = Session::new(flow, opening, record, counted, &self.shared, (first, scene.now));
        let session = Rc::new(session);
        session.received(first, scene.now);
        match self.join(&session, Some(first), scene.now) {
            Ok(()) => self.table.borrow_mut().insert(flow, Entry::Own(session)),
            Err(loss) => metrics.lost(self.worker(), loss, first.count()),
        }
    }

    fn opening(
        &self,
        client: std::net::IpAddr,
        scene: &Scene<'_>,
        avoided: Option<&Endpoint>,
        record: &mut Record,
    ) -> Result<Opening> {
        let worker = self.ingress.worker();
        let route = route(&scene.snapshot.listeners[scene.listener], None)?;
        let service = &scene.snapshot.services[leads_to(route, worker)?];
        record.service(service, scene.listener);
        worker.deposit(service, scene.now);
        let (key, affinity) = keys_of(service, Some(client), worker);
        let avoided = avoided.and_then(|avoided| service.endpoints.iter().position(|e| e.key == avoided.key));
        Ok(Opening {
            snapshot: Rc::clone(scene.snapshot),
            listener: scene.listener,
            service: service.index,
            tried: avoided.into_iter().collect(),
            turns: 0,
            key,
            affinity,
            kept: Kept::default(),
        })
    }

    /// Finds the session a backend and sends it what came first, or what was kept of that. When it has none, that is recorded.
    fn join(self: &Rc<Self>, session: &Rc<Session>, first: Option<&Payload<'_>>, now: Moment) -> Result<(), Loss> {
        let mut opening = session.opening.borrow_mut();
        let Some(opening) = opening.as_mut() else { return Err(Loss::NoBackend) };
        loop {
            let error = match self.connect(session, opening, now) {
                Ok(link) => {
                    *session.link.borrow_mut() = Some(link);
                    let send = |payload: &Payload<'_>| session.send(&self.driver, payload);
                    let sent = match first {
                        Some(first) => send(first),
                        None => opening.kept.datagrams().try_for_each(|datagram| send(&Payload::one(datagram))),
                    };
                    match sent {
                        Err(error) if udp::is_unreachable(&error) => refused(error),
                        // lost on the way, as UDP may
                        _ => return Ok(()),
                    }
                }
                Err(error) => error,
            };
            let loss = if is_for_want_of_room(&error) { Loss::NoRoom } else { Loss::NoBackend };
            if !self.again(session, opening, error) {
                return Err(loss);
            }
        }
    }

    /// A place at a backend, and a socket that leads there.
    fn connect(self: &Rc<Self>, session: &Rc<Session>, opening: &mut Opening, now: Moment) -> Result<Link> {
        let worker = self.ingress.worker();
        let service = &*opening.snapshot.services[opening.service];
        let (tried, key, affinity) = (&opening.tried, opening.key, opening.affinity.as_ref());
        let wish = Wish { tried, wanted: None, key, session: affinity, client: None, now };
        let admission = placement::at_once(worker, service, wish)?;
        let backend = admission.backend;
        session.record().attempt(service, opening.listener, admission);
        let endpoint = &service.endpoints[backend];
        let mut connected = udp::connect(endpoint);
        // no file descriptor, or no port: another session may give its own
        if connected.as_ref().is_err_and(is_for_want_of_room) && self.make_room(now) {
            connected = udp::connect(endpoint);
        }
        let (socket, address) = connected?;
        if session.is_quic {
            options::join_runs(&socket, &address);
        }
        let socket = Socket::new(Arc::new(socket)).map_err(|error| Error::new(Kind::Overload, "").because(error))?;
        let socket = Rc::new(socket);
        let reading = answers::read(Rc::downgrade(self), Rc::downgrade(session), Rc::clone(&socket));
        Ok(Link {
            socket,
            address,
            endpoint: Arc::clone(endpoint),
            reader: tokio::task::spawn_local(reading).abort_handle(),
            _counted: worker.pools.of(endpoint, service.pool, &service.upstream[backend]).opened(),
        })
    }

    /// A try failed so: whether another one is to be made. When none is, the session has failed.
    fn again(&self, session: &Session, opening: &mut Opening, error: Error) -> bool {
        let worker = self.ingress.worker();
        let service = &*opening.snapshot.services[opening.service];
        tracing::debug!(service = %service.name, client = %session.flow.client, %error, "an attempt failed");
        let mut record = session.record();
        let Some(backend) = record.backend() else {
            // it got no place at all
            record.failed_of(&error);
            return false;
        };
        if error.kind() == Kind::Connect && turns_to_another_address(session, &mut opening.turns) {
            // the backend has failed when nobody is at any of its addresses
            record.attempt_failed(Kind::Overload);
            return true;
        }
        record.attempt_failed(error.kind());
        let mut tries = Tries::resumed(worker, service, std::mem::take(&mut opening.tried));
        // nothing waits: whoever sent it sends it again before long
        let again = tries.after_failure(backend, &error, true).is_some_and(|pause| pause.is_zero());
        if !again {
            tries.settled(Outcome::Failed);
            record.failed_of(&tries.last_word(error));
        }
        opening.tried = tries.tried;
        again
    }

    /// The backend of a session is not there, as an ICMP message says. Gives back whether the session goes on with another one;
    /// if not, it is over.
    pub(super) fn broken(self: &Rc<Self>, session: &Rc<Session>, error: &std::io::Error) -> bool {
        if let Some(link) = &*session.link.borrow() {
            link.socket.forget_errors(&self.driver);
        }
        let again = match session.opening.borrow_mut().as_mut() {
            Some(opening) => self.again(session, opening, refused(error.kind().into())),
            None => {
                session.failed(Kind::Connect);
                false
            }
        };
        let goes_on = again && self.join(session, None, Moment::now()).is_ok();
        if !goes_on {
            self.end(session);
        }
        goes_on
    }
}

impl Opening {
    /// The backend has answered: whatever was tried before, this was the last try.
    pub fn settled(&self, worker: &Rc<crate::forward::Worker>) {
        let service = &*self.snapshot.services[self.service];
        Tries::resumed(worker, service, self.tried.clone()).settled(Outcome::Succeeded);
    }
}

/// Nobody is at the address that the session has tried: whether its backend has another one, which is tried next.
fn turns_to_another_address(session: &Session, turns: &mut usize) -> bool {
    let link = session.link.borrow();
    let Some(Link { endpoint, address, .. }) = &*link else { return false };
    endpoint.addresses.fails(*address);
    *turns += 1;
    *turns < endpoint.addresses.in_order().len()
}

/// What it lacks, another session may give back.
fn is_for_want_of_room(error: &Error) -> bool {
    match error.kind() {
        Kind::Overload => true,
        Kind::Lack(lack) => lack.is_passing(),
        _ => false,
    }
}

/// Nobody has got it, so that it may be sent to another.
fn refused(error: std::io::Error) -> Error {
    Error::new(Kind::Connect, "an ICMP message says so").retry(Retry::Safe).because(error)
}
