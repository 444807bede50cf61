//! From a request to its route, and on to the service that does the work: what its path means, which route takes it, and what only the proxy may say
//! is taken out of it.

use std::cell::Cell;

use bytes::Bytes;
use http::Response;

use super::context::Context;
use super::exchange::Exchange;
use super::request::max_forwards;
use super::{Connection, own_answer, request, split};
use crate::clock::Moment;
use crate::endpoint::standing::WHOLE;
use crate::error::{Error, Kind, Result};
use crate::metrics::Denial;
use crate::protocol::http::Request;
use crate::route::meaning::Meaning;
use crate::route::{Lookup, without_port};
use crate::snapshot::{Action, Listener, Route, Service, Snapshot};

/// The form of a request's path that is compared.
pub(super) fn compared<'r>(request: &'r Request, meaning: Option<&'r Meaning>) -> &'r str {
    meaning.map_or(request.uri.path(), |meaning| &meaning.compared)
}

/// The service that a request asks for, or the answer to one that goes no further.
pub(super) fn asked(
    snapshot: &Snapshot,
    route: &Route,
    request: &mut Request,
    context: &Context<'_>,
) -> Result<std::result::Result<usize, Response<Bytes>>> {
    let service = match &route.action {
        Action::Service(service) => *service,
        Action::Split(split) => {
            let from = (context.connection, context.listener);
            snapshot.choose(split, split::point(split, request, from, &context.new_point))
        }
        Action::Redirect { to, status } => return own_answer::redirect(to, *status, context).map(Err),
        Action::Respond { status, body, content_type } => {
            return Ok(Err(own_answer::text(*status, body, content_type, (context, request))));
        }
        Action::File { status, file } => return Ok(Err(own_answer::file(*status, file, request))),
    };
    Ok(max_forwards::count(request).map_or(Ok(service), Err))
}

impl Connection {
    /// The route that takes the request, and what its path means, where it has other spellings.
    ///
    /// # Errors
    ///
    /// When no route takes it, or when it may ask nothing of the listener.
    pub(super) fn find_route<'s>(
        &self,
        listener: &'s Listener,
        request: &mut Request,
        exchange: &mut Exchange,
    ) -> Result<(&'s Route, Option<Meaning>)> {
        self.enter(listener, request)?;
        let meaning = self.meaning(listener, request)?;
        let route = self.route(listener, request, meaning.as_ref(), exchange)?;
        Ok((route, meaning))
    }

    /// What the path of a request means, where it has other spellings.
    fn meaning(&self, listener: &Listener, request: &mut Request) -> Result<Option<Meaning>> {
        request::path::understand(request, listener.paths).inspect_err(|_| {
            if let Some(guard) = &listener.guard {
                guard.denied.count(self.worker.index, Denial::AmbiguousPath);
            }
        })
    }

    /// The route that takes the request, and counts it.
    fn route<'s>(
        &self,
        listener: &'s Listener,
        request: &Request,
        meaning: Option<&Meaning>,
        exchange: &mut Exchange,
    ) -> Result<&'s Route> {
        let host = request.host.as_ref().and_then(|host| host.to_str().ok()).unwrap_or_default();
        if self.is_plain_on_tls {
            return Err(Error::new(Kind::PlainHttp, ""));
        }
        if let Some((sni, certificates)) = &self.sni {
            let name = without_port(host);
            if !name.is_empty() && !certificates.same_certificate(sni, name) {
                return Err(Error::new(Kind::Misdirected, ""));
            }
        }
        let lookup = Lookup {
            host,
            path: compared(request, meaning),
            query: request.uri.query(),
            method: &request.method,
            headers: &request.headers,
        };
        let route = listener.routes.find(&lookup).or(listener.default.as_ref());
        let route = route.ok_or(Error::new(Kind::NoRoute, ""))?;
        route.hits.count(self.worker.index);
        exchange.takes(route);
        Ok(route)
    }

    /// Counts a request that is turned away by our own doing for the service that its route leads to: that is what its client misses. The service is not
    /// asked, and neither is a client told on which side of a split it would have been.
    #[cold]
    pub(super) fn turned_away(
        &self,
        (snapshot, route): (&Snapshot, &Route),
        context: &Context<'_>,
        request: &Request,
        exchange: &mut Exchange,
    ) {
        match &route.action {
            Action::Service(service) => exchange.misses(*service),
            Action::Split(split) => {
                let point = split::point(split, request, (self, context.listener), &Cell::default());
                exchange.misses(snapshot.choose(split, point));
            }
            Action::Redirect { .. } | Action::Respond { .. } | Action::File { .. } => {}
        }
    }

    /// The service whose backends do the work of an exchange with the service at this place.
    ///
    /// # Errors
    ///
    /// When the path is cut off.
    pub(super) fn working<'s>(
        &self,
        snapshot: &'s Snapshot,
        asked: usize,
        path: &str,
        exchange: &mut Exchange,
    ) -> Result<&'s Service> {
        let service = snapshot.working(asked, || self.worker.random.borrow_mut().u32(..WHOLE));
        exchange.goes_to(asked, service);
        match snapshot.cut_off(asked, path, || Moment::at(exchange.began())) {
            None => Ok(&snapshot.services[service]),
            Some(left) => {
                let seconds = u32::try_from(left.as_millis().div_ceil(1000)).unwrap_or(u32::MAX);
                Err(Error::new(Kind::CutOff(seconds), ""))
            }
        }
    }
}
