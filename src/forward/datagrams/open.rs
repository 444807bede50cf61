//! How a session gets its backend, and another one when the first is not there.

use std::rc::Rc;
use std::sync::Arc;

use super::first_datagrams::FirstDatagrams;
use super::session::{BackendSocket, CountedClient, Opening, UdpSession};
use super::table::Flow;
use super::{BatchContext, FlowOwner, UdpSessions, answers};
use crate::clock::Moment;
use crate::endpoint::Endpoint;
use crate::error::{Error, Kind, Result, Retry};
use crate::forward::placement::{self, Criteria};
use crate::forward::retry::state::RetryState;
use crate::forward::session::{Record, comes_in, keys, route, services_of};
use crate::layer4::udp::{Payload, Socket, options};
use crate::metrics::Loss;
use crate::metrics::retries::RetryResult;
use crate::record::access::AttemptLog;
use crate::record::access::session::SessionEntry;
use crate::upstream::udp;

impl UdpSessions {
    /// Begins a session with its first datagram. It goes to another backend than `avoided`, if there is another one.
    pub(super) fn open(
        self: &Rc<Self>,
        flow: Flow,
        first: &Payload<'_>,
        context: &BatchContext<'_>,
        avoided: Option<&Endpoint>,
    ) {
        let metrics = &context.handles.metrics;
        if self.closing.get() {
            return metrics.lost(self.worker(), Loss::Draining, first.count());
        }
        let (listener, client) = (&context.snapshot.listeners[context.listener], flow.client.ip().to_canonical());
        // there may be any number of these datagrams: they are counted, and nothing is written of each
        if route(listener, None)
            .is_ok_and(|route| comes_in(listener, route, Some(client), self.ingress.worker()).is_err())
        {
            return;
        }
        let Ok(place) = listener.connects(Some(client), self.worker()) else { return };
        let Some(permit) = self.permit(context, place) else {
            return metrics.lost(self.worker(), Loss::NoRoom, first.count());
        };
        let worker = self.ingress.worker();
        let mut record = Record::begin(worker, listener);
        if worker.recorder.logs_access() {
            let (protocol, attempts) = (listener.protocol, AttemptLog::default());
            let proxy_header = Vec::new();
            record.log_access(SessionEntry {
                lines: context.snapshot.access_lines(),
                client: Some(client),
                protocol,
                proxy_header,
                server_name: None,
                attempts,
            });
        }
        let opening = match self.opening(client, context, avoided, &mut record) {
            Ok(opening) => opening,
            Err(error) => {
                record.failed_with(&error);
                return metrics.lost(self.worker(), Loss::NoBackend, first.count());
            }
        };
        let counted = CountedClient::new(metrics, self.worker(), permit);
        let session = UdpSession::new(flow, opening, record, counted, &self.shared, first, context.now);
        let session = Rc::new(session);
        session.received(first, context.now);
        match self.join(&session, Some(first), context.now) {
            Ok(()) => self.table.borrow_mut().insert(flow, FlowOwner::Session(session)),
            Err(loss) => metrics.lost(self.worker(), loss, first.count()),
        }
    }

    fn opening(
        &self,
        client: std::net::IpAddr,
        context: &BatchContext<'_>,
        avoided: Option<&Endpoint>,
        record: &mut Record,
    ) -> Result<Opening> {
        let worker = self.ingress.worker();
        let route = route(&context.snapshot.listeners[context.listener], None)?;
        let (asked, service) = services_of(route, context.snapshot, Some(client), worker)?;
        record.goes_to(asked, service, context.listener);
        worker.deposit(service, context.now);
        let avoided = avoided.and_then(|avoided| service.endpoints.iter().position(|e| e.key == avoided.key));
        Ok(Opening {
            snapshot: Rc::clone(context.snapshot),
            listener: context.listener,
            service: service.index,
            tried: avoided.into_iter().collect(),
            failed_addresses: 0,
            keys: keys(service, Some(client), worker),
            first: FirstDatagrams::default(),
        })
    }

    /// Finds a backend for the session and sends it the `first` datagrams, or, if those are not at hand, what was kept of them. Where there is no
    /// backend left, that is recorded.
    fn join(self: &Rc<Self>, session: &Rc<UdpSession>, first: Option<&Payload<'_>>, now: Moment) -> Result<(), Loss> {
        let mut opening = session.opening.borrow_mut();
        let Some(opening) = opening.as_mut() else { return Err(Loss::NoBackend) };
        loop {
            let error = match self.connect(session, opening, now) {
                Ok(to_backend) => {
                    *session.to_backend.borrow_mut() = Some(to_backend);
                    let send = |payload: &Payload<'_>| session.send(&self.driver, payload);
                    let sent = match first {
                        Some(first) => send(first),
                        None => opening.first.datagrams().try_for_each(|datagram| send(&Payload::one(datagram))),
                    };
                    match sent {
                        Err(error) if udp::is_unreachable(&error) => refused(error),
                        // sent, or lost, as UDP allows
                        _ => return Ok(()),
                    }
                }
                Err(error) => error,
            };
            let loss = if is_lack_of_room(&error) { Loss::NoRoom } else { Loss::NoBackend };
            if !self.again(session, opening, error) {
                return Err(loss);
            }
        }
    }

    /// Admits the session to a backend, and connects a socket to it.
    fn connect(self: &Rc<Self>, session: &Rc<UdpSession>, opening: &mut Opening, now: Moment) -> Result<BackendSocket> {
        let worker = self.ingress.worker();
        let service = &*opening.snapshot.services[opening.service];
        let criteria = Criteria { keys: &opening.keys, tried: &opening.tried, preferred: None, client: None, now };
        let admission = placement::admit_at_once(worker, service, criteria)?;
        let backend = admission.backend();
        session.record().attempt_begins(service, opening.listener, admission);
        let endpoint = &service.endpoints[backend];
        let mut connected = udp::connect(endpoint);
        // where there is no file descriptor, or no port, another session may end for this one
        if connected.as_ref().is_err_and(is_lack_of_room) && self.make_room(now) {
            connected = udp::connect(endpoint);
        }
        let (socket, address) = connected?;
        if session.is_quic {
            options::join_runs(&socket, &address);
        }
        let socket = Socket::new(Arc::new(socket)).map_err(|error| Error::new(Kind::Overload, "").because(error))?;
        let socket = Rc::new(socket);
        let reading = answers::read(Rc::downgrade(self), Rc::downgrade(session), Rc::clone(&socket));
        Ok(BackendSocket {
            socket,
            address,
            via: endpoint.addresses.via(address),
            endpoint: Arc::clone(endpoint),
            reader: tokio::task::spawn_local(reading).abort_handle(),
            _counted: worker.pools.of(endpoint, service.pool, &service.upstream[backend]).opened(None, None),
        })
    }

    /// An attempt has failed with this error: whether another one is to be made. When none is, the session has failed.
    fn again(&self, session: &UdpSession, opening: &mut Opening, error: Error) -> bool {
        let worker = self.ingress.worker();
        let service = &*opening.snapshot.services[opening.service];
        tracing::debug!(service = %service.name, client = %session.flow.client, %error, "an attempt failed");
        let mut record = session.record();
        let Some(backend) = record.backend() else {
            // no backend has admitted it
            record.failed_with(&error);
            return false;
        };
        if matches!(error.kind(), Kind::Connect | Kind::Unreachable)
            && has_another_address(session, &mut opening.failed_addresses)
        {
            // that is no failure of the backend before all of its addresses were tried
            record.attempt_failed(Kind::Overload);
            return true;
        }
        record.attempt_failed(error.kind());
        let mut retry = RetryState::resumed(worker, service, std::mem::take(&mut opening.tried));
        // a session does not pause: its client sends again before long
        let again = retry.pause_after_failure(backend, &error, true).is_some_and(|pause| pause.is_zero());
        if !again {
            retry.count(RetryResult::Failed);
            record.failed_with(&retry.final_error(error));
        }
        opening.tried = retry.tried;
        again
    }

    /// An ICMP message says that the backend of a session is not there. Returns whether the session goes on with another one; if not, it is
    /// over.
    pub(super) fn broken(self: &Rc<Self>, session: &Rc<UdpSession>, error: &std::io::Error) -> bool {
        if let Some(to_backend) = &*session.to_backend.borrow() {
            to_backend.socket.forget_errors(&self.driver);
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
    /// The backend has answered, so that this was the last attempt: it is counted if it was a retry.
    pub fn count_success(&self, worker: &Rc<crate::forward::Worker>) {
        let service = &*self.snapshot.services[self.service];
        RetryState::resumed(worker, service, self.tried.clone()).count(RetryResult::Succeeded);
    }
}

/// Nobody is at the address that the session has tried: whether its backend has another one, which is tried next.
fn has_another_address(session: &UdpSession, failed: &mut usize) -> bool {
    let to_backend = session.to_backend.borrow();
    let Some(BackendSocket { endpoint, address, .. }) = &*to_backend else { return false };
    endpoint.addresses.fails(*address);
    *failed += 1;
    *failed < endpoint.addresses.in_order().len()
}

/// Whether what is missing can be given back by another session that ends.
fn is_lack_of_room(error: &Error) -> bool {
    match error.kind() {
        Kind::Overload => true,
        Kind::Shortage(lack) => lack.is_passing(),
        _ => false,
    }
}

/// Nobody has received the datagram, so that it may be sent to another backend.
fn refused(error: std::io::Error) -> Error {
    Error::new(Kind::Connect, "an ICMP message says so").retry(Retry::Safe).because(error)
}
