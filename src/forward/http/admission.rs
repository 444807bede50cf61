//! Whether a request comes in: by where it comes from, how much its client does already, and what it shows.

use bytes::Bytes;
use http::Response;

use super::Connection;
use super::authorize::{Entrance, Entry};
use super::context::Context;
use super::exchange::Exchange;
use super::rate_limits::{self, CountedBy};
use super::request::changes::Message;
use super::routing::compared;
use crate::error::{Result, Side};
use crate::protocol::http::Request;
use crate::route::meaning::Meaning;
use crate::snapshot::{Listener, Route};

/// Whether anything is counted of the requests that a route takes, or of those that none takes.
pub(super) fn is_counted(listener: &Listener, route: Option<&Route>) -> bool {
    listener.client_limits.is_some()
        || !listener.rate_limits.is_empty()
        || route.is_some_and(|route| !route.rate_limits.is_empty())
}

impl Connection {
    /// Counts a request for its client, and takes it from all limits of its listener and of the route that takes it, but for those by what tokens say. One that
    /// no route takes counts as others do, so that who looks for what is not there is limited too. What is given back is the answer to one that is above a limit.
    ///
    /// # Errors
    ///
    /// Its client has as many in flight as it may have.
    pub(super) async fn count(
        &self,
        found: Option<&(&Route, Option<Meaning>)>,
        request: &Request,
        context: &Context<'_>,
        exchange: &mut Exchange,
    ) -> Result<Option<Response<Bytes>>> {
        let listener = context.listener;
        if let Some(share) = self.in_flight(listener, request)? {
            exchange.counts_for_client(share);
        }
        let (of_route, meaning) =
            found.map_or((&[][..], None), |(route, meaning)| (&*route.rate_limits, meaning.as_ref()));
        let by = CountedBy { request, path: compared(request, meaning), claims: None };
        match self.limit(listener, of_route, by, exchange) {
            Ok(None) => Ok(None),
            looked => Ok(rate_limits::settle(looked, request, context, exchange).await),
        }
    }

    /// Lets a request in that a route has taken and that was counted. What is given back is its answer, where it may not come in and that is not an error.
    ///
    /// # Errors
    ///
    /// Why it may not come in.
    pub(super) async fn admit(
        &self,
        request: &mut Request,
        meaning: Option<&Meaning>,
        is_preflight: bool,
        entrance: Entrance<'_, '_>,
    ) -> Result<Option<Response<Bytes>>> {
        let Entrance { snapshot, route, context, exchange, told } = entrance;
        let listener = context.listener;
        if let Some(guard) = &route.guard {
            self.comes_in(guard, listener, &request.headers)?;
        }
        // browsers ask without credentials whether they may send some (Fetch, section 3.3.5)
        if is_preflight {
            return Ok(None);
        }
        let entrance = Entrance { snapshot, route, context, exchange: &mut *exchange, told };
        let entry = self.authenticate(request, entrance).await;
        if entry.as_ref().is_err_and(|error| error.kind().side() != Side::Client) {
            self.turned_away((snapshot, route), context, request, exchange);
        }
        match entry? {
            Entry::Admitted(None) => Ok(None),
            Entry::Admitted(Some(claims)) => {
                let by = CountedBy { request, path: compared(request, meaning), claims: Some(&claims) };
                match self.limit(listener, &route.rate_limits, by, exchange) {
                    Ok(None) => Ok(None),
                    looked => Ok(rate_limits::settle(looked, request, context, exchange).await),
                }
            }
            Entry::Answered(mut response) => {
                context.answering(None).complete(&mut response, Message::Error);
                Ok(Some(*response))
            }
        }
    }
}
