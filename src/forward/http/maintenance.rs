//! Who gets through while a listener, or a service, is under maintenance.

use super::Connection;
use super::context::Context;
use super::exchange::Exchange;
use super::request::sender::{self, Trust};
use crate::error::{Error, Kind, Result};
use crate::protocol::http::Request;
use crate::snapshot::{Maintenance, Route, Service, Snapshot};

/// Where authorities ask for the proof that a name is ours, to which a token is added (RFC 8555, section 8.3).
const ACME: &str = "/.well-known/acme-challenge/";

impl Connection {
    /// Whether the request gets through.
    ///
    /// # Errors
    ///
    /// [`Kind::Maintenance`] when it is shown the page.
    #[inline]
    pub(super) fn gets_through<'s>(
        &self,
        maintenance: &'s Maintenance,
        context: &Context<'s>,
        request: &Request,
    ) -> Result<()> {
        if maintenance.is_on() { self.is_let_through(maintenance, context, request) } else { Ok(()) }
    }

    /// The same for a request that this route has taken, and the maintenance of its listener. One that is shown the page counts for the service that it misses.
    #[inline]
    pub(super) fn gets_through_listener<'s>(
        &self,
        (snapshot, route): (&Snapshot, &Route),
        context: &Context<'s>,
        request: &Request,
        exchange: &mut Exchange,
    ) -> Result<()> {
        let passed = self.gets_through(&context.listener.maintenance, context, request);
        passed.inspect_err(|_| self.turned_away((snapshot, route), context, request, exchange))
    }

    #[cold]
    fn is_let_through<'s>(&self, maintenance: &'s Maintenance, context: &Context<'s>, request: &Request) -> Result<()> {
        let address = || sender::certain(&self.client, &request.headers, Trust::of(context.listener));
        // a certificate that runs out meanwhile would make the maintenance longer
        if is_challenge(request.uri.path()) || maintenance.admits(address) {
            return Ok(());
        }
        context.maintenance.set(Some(maintenance));
        Err(Error::new(Kind::Maintenance, ""))
    }

    /// Whether a request to the first service gets through, whose work the second one does, where one can be found.
    ///
    /// # Errors
    ///
    /// [`Kind::Maintenance`] when it is shown the page of one of them.
    pub(super) fn is_served<'s>(
        &self,
        (asked, working): (&'s Service, Option<&'s Service>),
        context: &Context<'s>,
        request: &Request,
    ) -> Result<()> {
        self.gets_through(&asked.maintenance, context, request)?;
        // where recovery sends it may be under maintenance as well
        match working.filter(|working| working.index != asked.index) {
            Some(working) => self.gets_through(&working.maintenance, context, request),
            None => Ok(()),
        }
    }

    /// What a request is answered with that no route takes: under maintenance of its listener, as all others are.
    pub(super) fn or_maintenance<'s>(&self, error: Error, context: &Context<'s>, request: &Request) -> Error {
        match error.kind() {
            Kind::NoRoute => self.gets_through(&context.listener.maintenance, context, request).err().unwrap_or(error),
            _ => error,
        }
    }
}

/// Whether a path is that of an ACME challenge. A token has letters of base64url only, so that the path means the same to everybody.
fn is_challenge(path: &str) -> bool {
    let is_of_token = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    path.strip_prefix(ACME).is_some_and(|token| !token.is_empty() && token.bytes().all(is_of_token))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_path_of_a_challenge_is_one() {
        assert!(is_challenge("/.well-known/acme-challenge/LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0"));
        for path in [
            "/.well-known/acme-challenge/",
            "/.well-known/acme-challenge",
            "/.well-known/acme-challenge/../../admin",
            "/.well-known/acme-challenge/..%2f..%2fadmin",
            "/.well-known/acme-challenge/a/b",
            "/x/.well-known/acme-challenge/a",
        ] {
            assert!(!is_challenge(path), "{path}");
        }
    }
}
