//! Whether a request comes in: by where it comes from, how much its client does already, and what it shows.

use bytes::Bytes;
use http::Response;

use super::Connection;
use super::authorize::{Entrance, Entry};
use super::limited::{self, CountedBy};
use super::request::changes::Message;
use super::routing::compared;
use crate::error::Result;
use crate::protocol::http::Request;
use crate::route::meaning::Meaning;
use crate::snapshot::{Listener, Route};

/// Whether listener or route ask for anything, before they let a request in.
pub(super) fn is_asked_for(listener: &Listener, route: &Route) -> bool {
    route.guard.is_some()
        || listener.client_limits.is_some()
        || !listener.rate_limits.is_empty()
        || !route.rate_limits.is_empty()
}

impl Connection {
    /// Lets a request in that a route has taken. What is given back is its answer, where it may not come in and that is not an error.
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
        if let Some(share) = self.in_flight(listener, request)? {
            exchange.counts_for_client(share);
        }
        let by = CountedBy { request, path: compared(request, meaning), claims: None };
        let looked = self.limit(listener, &route.rate_limits, by, exchange);
        if let Some(answer) = limited::settle(looked, request, context, exchange).await {
            return Ok(Some(answer));
        }
        // browsers ask without credentials whether they may send some (Fetch, section 3.3.5)
        if is_preflight {
            return Ok(None);
        }
        let entrance = Entrance { snapshot, route, context, exchange: &mut *exchange, told };
        match self.authenticate(request, entrance).await? {
            Entry::Admitted(None) => Ok(None),
            Entry::Admitted(Some(claims)) => {
                let by = CountedBy { request, path: compared(request, meaning), claims: Some(&claims) };
                let looked = self.limit(listener, &route.rate_limits, by, exchange);
                Ok(limited::settle(looked, request, context, exchange).await)
            }
            Entry::Answered(mut response) => {
                context.answering(None).complete(&mut response, Message::Error);
                Ok(Some(*response))
            }
        }
    }
}
