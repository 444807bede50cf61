//! Who may come in: what listener and route ask for, before anything is done for a request.

mod token;

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::Connection;
use super::request::sender;
use crate::auth::basic::{self, Known};
use crate::auth::{Auth, Basic, CertificateRule};
use crate::clock::Moment;
use crate::error::{Error, Kind, Result};
use crate::metrics::Denial;
use crate::protocol::http::Request;
use crate::protocol::http::fields::{self, CLIENT_CERTIFICATE};
use crate::snapshot::{Guard, Listener, Route};

/// Fields by which frameworks let a request have another method than it says.
const METHOD_OVERRIDES: [HeaderName; 3] = [
    HeaderName::from_static("x-http-method-override"),
    HeaderName::from_static("x-http-method"),
    HeaderName::from_static("x-method-override"),
];

/// How long a request waits at most until its password is verified.
const LONGEST_VERIFICATION: Duration = Duration::from_secs(10);

impl Connection {
    /// Whether the client may ask anything of the listener. What only the proxy may say is taken out of the request.
    ///
    /// # Errors
    ///
    /// [`Kind::Denied`] when it may not.
    pub(super) fn enter(&self, listener: &Listener, request: &mut Request) -> Result<()> {
        if let Some(guard) = &listener.guard {
            self.comes_in(guard, listener, &request.headers)?;
        }
        for name in &listener.own_fields {
            drop_field(&mut request.headers, name);
        }
        if listener.guards_methods {
            METHOD_OVERRIDES.iter().for_each(|name| drop_field(&mut request.headers, name));
        }
        if !listener.own_fields.is_empty()
            && let Some(certificate) = &self.certificate
        {
            for (name, value) in CLIENT_CERTIFICATE.iter().zip(&certificate.fields) {
                if let Some(value) = value {
                    request.headers.insert(name.clone(), value.clone());
                }
            }
        }
        Ok(())
    }

    /// Whether the client has shown what the route asks for, if it asks for something.
    ///
    /// # Errors
    ///
    /// [`Kind::Denied`], [`Kind::Unauthenticated`] when it has not; [`Kind::Overload`] when that can't be found out now.
    pub(super) async fn authenticate(
        &self,
        (listener, route): (&Listener, &Route),
        request: &mut Request,
        now: Moment,
        challenge: &mut Option<Box<HeaderValue>>,
    ) -> Result<()> {
        let Some(guard) = &route.guard else { return Ok(()) };
        let Some(auth) = guard.auth.as_deref() else { return Ok(()) };
        // boxed, because most routes have none
        Box::pin(self.authorize(auth, (listener, guard), request, now, challenge)).await
    }

    /// Whether the client has shown what this asks for. `challenge` is what it is told when it has to say who it is.
    ///
    /// # Errors
    ///
    /// [`Kind::Denied`], [`Kind::Unauthenticated`] when it may not; [`Kind::Overload`] when that can't be found out now.
    async fn authorize(
        &self,
        auth: &Auth,
        (listener, guard): (&Listener, &Guard),
        request: &mut Request,
        now: Moment,
        challenge: &mut Option<Box<HeaderValue>>,
    ) -> Result<()> {
        let (result, why) = match auth {
            Auth::ClientCertificate(rule) => (self.has_certificate(rule), Denial::Certificate),
            Auth::Basic(basic) => {
                let client = self.sender(listener, request);
                (self.has_password(basic, client, request, now, challenge).await, Denial::Credentials)
            }
            Auth::Jwt(jwt) => (self.has_token(jwt, request, now, challenge).await, Denial::Credentials),
        };
        if let Err(error) = &result
            && matches!(error.kind(), Kind::Denied | Kind::Unauthenticated)
        {
            guard.denied.count(self.worker.index, why);
        }
        result
    }

    /// Whether the address of the client may come in.
    pub(super) fn comes_in(&self, guard: &Guard, listener: &Listener, headers: &HeaderMap) -> Result<()> {
        let address = || -> Option<IpAddr> { sender::certain(&self.client, headers, &listener.trusted_proxies) };
        match guard.admits(self.worker.index, address) {
            true => Ok(()),
            false => Err(Error::new(Kind::Denied, "the address of the client may not come in")),
        }
    }

    fn has_certificate(&self, rule: &CertificateRule) -> Result<()> {
        let Some(certificate) = &self.certificate else {
            return Err(Error::new(Kind::Denied, "the client has shown no certificate"));
        };
        match rule.admits(&certificate.names, SystemTime::now()) {
            true => Ok(()),
            false => Err(Error::new(Kind::Denied, "the client's certificate may not come in")),
        }
    }

    async fn has_password(
        &self,
        basic: &Basic,
        client: Option<IpAddr>,
        request: &mut Request,
        now: Moment,
        challenge: &mut Option<Box<HeaderValue>>,
    ) -> Result<()> {
        let (remembered, seconds) = (&self.worker.remembered, now.as_millis() / 1000);
        let claimed = match one_of(&request.headers, &header::AUTHORIZATION).and_then(basic::claimed) {
            Some(claimed) => claimed,
            None => {
                *challenge = Some(Box::new(basic.challenge.clone()));
                return Err(Error::new(Kind::Unauthenticated, "no user and password"));
            }
        };
        let user =
            basic.user_header.as_ref().map(|name| (name.clone(), HeaderValue::from_bytes(claimed.user.as_bytes())));
        if let Known::Ask(question) = basic.look_up(&claimed, remembered, seconds) {
            let verified = basic.verify(question, claimed, client, (remembered, seconds));
            let verified = self.worker.timers.within(LONGEST_VERIFICATION, verified).await;
            let verified =
                verified.unwrap_or(Err(Error::new(Kind::Overload, "passwords take too long to be verified")));
            if verified.as_ref().is_err_and(|error| error.kind() == Kind::Unauthenticated) {
                *challenge = Some(Box::new(basic.challenge.clone()));
            }
            verified?;
        }
        if let Some((name, Ok(user))) = user {
            request.headers.insert(name, user);
        }
        if !basic.passes_on {
            request.headers.remove(header::AUTHORIZATION);
        }
        Ok(())
    }
}

/// A field that is there once. Of two, nobody knows which one a backend reads.
fn one_of<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h HeaderValue> {
    let mut all = headers.get_all(name).into_iter();
    all.next().filter(|_| all.next().is_none())
}

/// Drops a field, and those that programs may take for it.
fn drop_field(headers: &mut HeaderMap, name: &HeaderName) {
    headers.remove(name);
    fields::remove_alike(headers, name);
}
