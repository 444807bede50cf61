//! What a request says of where it belongs, and how important it is.

use std::cell::Cell;
use std::time::{SystemTime, UNIX_EPOCH};

use http::header::{self, HeaderMap, HeaderValue};

use super::Connection;
use super::exchange::Exchange;
use crate::forward::placement::keys::{self, Keys};
use crate::policy::Priority;
use crate::protocol::http::Request;
use crate::snapshot::{Listener, Route, Service};

impl Connection {
    /// How important the request is: what a proxy that is trusted says of it, where the route asks for that, or what the route says.
    pub(super) fn priority(&self, route: &Route, request: &Request) -> Priority {
        let field = route.priority_header.as_ref().filter(|_| self.client.trusted);
        let told = field.and_then(|name| Priority::parse(request.headers.get(name)?.as_bytes()));
        told.unwrap_or(route.priority)
    }

    /// What ties the exchange to a backend.
    pub(super) fn keys(&self, listener: &Listener, service: &Service, request: &Request) -> Keys {
        let find = |from| keys::find(from, request, || self.sender(listener, request));
        let hash = self.hash(listener, service, request);
        let affinity = service.affinity.as_ref().map(|affinity| {
            let cookies = request.headers.get_all(header::COOKIE).into_iter().map(HeaderValue::as_bytes);
            let key = || service.sticky_by.as_ref().and_then(find);
            Cell::new(affinity.stickiness(cookies, key, unix_now()))
        });
        Keys { hash, affinity }
    }

    /// What an algorithm of the service with a hash ring goes by; 0 where it has none.
    pub(super) fn hash(&self, listener: &Listener, service: &Service, request: &Request) -> u64 {
        match &service.hash_on {
            // requests without a key must not all go to one backend
            Some(from) => {
                let found = keys::find(from, request, || self.sender(listener, request));
                found.unwrap_or_else(|| self.worker.random.borrow_mut().u64(..))
            }
            None => 0,
        }
    }

    /// Gives the client the cookie that keeps it with the backend that answered.
    pub(super) fn keep_session(&self, service: &Service, keys: &Keys, exchange: &Exchange, headers: &mut HeaderMap) {
        let (Some(affinity), Some(session)) = (&service.affinity, &keys.affinity) else { return };
        let Some(used) = exchange.backend() else { return };
        if let Some(cookie) = affinity.set_cookie(&session.get(), used, unix_now(), self.client.is_tls()) {
            headers.append(header::SET_COOKIE, cookie);
        }
    }
}

/// Seconds since 1970, which cookies count in: they outlive the process and its own clock.
fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
