//! Who may come in: what listener and route ask for, before anything is done for a request.

mod consent;
mod names;
mod token;

use std::net::IpAddr;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::Response;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::Connection;
use super::context::Context;
use super::exchange::Exchange;
use super::request::sender::{self, Trust};
use crate::auth::basic::{self, Known};
use crate::auth::jwt::Object;
use crate::auth::{Auth, Basic, CertificateRule};
use crate::clock::Moment;
use crate::error::{Error, Kind, Result};
use crate::metrics::Denial;
use crate::protocol::http::Request;
use crate::protocol::http::fields::{self, CLIENT_CERTIFICATE};
use crate::snapshot::{Current, Guard, Listener, Route};

/// Fields by which frameworks let a request have another method than it says.
const METHOD_OVERRIDES: [HeaderName; 3] = [
    HeaderName::from_static("x-http-method-override"),
    HeaderName::from_static("x-http-method"),
    HeaderName::from_static("x-method-override"),
];

/// How long a request waits at most until its password is verified.
const LONGEST_VERIFICATION: Duration = Duration::from_secs(10);

/// What is known of an exchange whose client has to show something.
pub(super) struct Entrance<'e, 's> {
    /// What decides.
    pub snapshot: &'s Rc<Current>,
    /// The route that has taken it.
    pub route: &'s Route,
    /// What is known of its request.
    pub context: &'e Context<'s>,
    /// The exchange.
    pub exchange: &'e mut Exchange,
    /// What its client is told, whatever it is answered.
    pub told: &'e mut Told,
}

/// What became of a client that has to show something.
pub(super) enum Entry {
    /// It may come in. What its token says, where it has shown one and a limit of the route goes by that.
    Admitted(Option<Rc<Object>>),
    /// It may not, and this is its answer.
    Answered(Box<Response<Bytes>>),
}

/// What a client is told, in the fields of its answer, of how it comes in. Most are told nothing.
#[derive(Debug, Default)]
pub(super) struct Told(Option<Box<HeaderMap>>);

impl Told {
    fn new(fields: Option<HeaderMap>) -> Self {
        Self(fields.map(Box::new))
    }

    /// The client is asked to show something.
    fn challenge(&mut self, challenge: HeaderValue) {
        self.0.get_or_insert_default().insert(header::WWW_AUTHENTICATE, challenge);
    }

    /// Puts it into the fields of an answer. Cookies stand beside those that are there; whatever else has one value.
    pub(super) fn put(&self, headers: &mut HeaderMap) {
        let Some(told) = &self.0 else { return };
        for name in told.keys().filter(|name| **name != header::SET_COOKIE) {
            headers.remove(name);
        }
        told.iter().for_each(|(name, value)| _ = headers.append(name, value.clone()));
    }
}

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
    pub(super) async fn authenticate(&self, request: &mut Request, entrance: Entrance<'_, '_>) -> Result<Entry> {
        let Some(guard) = &entrance.route.guard else { return Ok(Entry::Admitted(None)) };
        let Some(auth) = guard.auth.as_deref() else { return Ok(Entry::Admitted(None)) };
        // boxed, because most routes have none
        Box::pin(self.authorize(auth, guard, request, entrance)).await
    }

    /// Whether the client has shown what this asks for.
    ///
    /// # Errors
    ///
    /// [`Kind::Denied`], [`Kind::Unauthenticated`] when it may not; [`Kind::Overload`], [`Kind::Undecided`] when that can't be found out now.
    async fn authorize(
        &self,
        auth: &Auth,
        guard: &Guard,
        request: &mut Request,
        mut entrance: Entrance<'_, '_>,
    ) -> Result<Entry> {
        let now = Moment::at(entrance.exchange.began());
        let since = entrance.exchange.enters();
        let mut admitted = |user: &str| {
            entrance.exchange.came_in_as(user);
            Entry::Admitted(None)
        };
        let result = match auth {
            Auth::ClientCertificate(rule) => self.has_certificate(rule).map(admitted),
            Auth::Basic(basic) => {
                let client = self.sender(entrance.context.listener, request);
                self.has_password(basic, client, request, now, entrance.told).await.map(|user| admitted(&user))
            }
            Auth::Jwt(jwt) => {
                let claims = self.has_token(jwt, request, now, entrance.told).await;
                let subject = claims.as_ref().ok().and_then(|claims| claims.get("sub")?.as_str());
                if let Some(subject) = subject {
                    entrance.exchange.came_in_as(subject);
                }
                let is_wanted = || entrance.route.rate_limits.iter().any(|limit| limit.rule.by.is_claim());
                claims.map(|claims| Entry::Admitted(is_wanted().then_some(claims)))
            }
            // boxed, because it asks a backend, and the others would carry the room for that
            Auth::Forward(forward) => Box::pin(self.has_consent(forward, request, &mut entrance)).await,
        };
        entrance.exchange.entered(since);
        let why = match (&result, auth) {
            (Err(error), _) if error.kind() == Kind::Undecided => Some(Denial::Undecided),
            (Err(error), _) if !matches!(error.kind(), Kind::Denied | Kind::Unauthenticated) => None,
            (Err(_), Auth::ClientCertificate(_)) => Some(Denial::Certificate),
            (Err(_) | Ok(Entry::Answered(_)), _) => Some(Denial::Credentials),
            (Ok(Entry::Admitted(_)), _) => None,
        };
        if let Some(why) = why {
            guard.denied.count(self.worker.index, why);
        }
        result
    }

    /// Whether the address of the client may come in.
    pub(super) fn comes_in(&self, guard: &Guard, listener: &Listener, headers: &HeaderMap) -> Result<()> {
        let address = || -> Option<IpAddr> { sender::certain(&self.client, headers, Trust::of(listener)) };
        match guard.admits(self.worker.index, address) {
            true => Ok(()),
            false => Err(Error::new(Kind::Denied, "the address of the client may not come in")),
        }
    }

    /// The name in the client's certificate by which it comes in.
    fn has_certificate(&self, rule: &CertificateRule) -> Result<&str> {
        let Some(certificate) = &self.certificate else {
            return Err(Error::new(Kind::Denied, "the client has shown no certificate"));
        };
        let admitted = rule.admits(&certificate.names, SystemTime::now());
        admitted.ok_or(Error::new(Kind::Denied, "the client's certificate may not come in"))
    }

    /// The user that comes in with a password.
    async fn has_password(
        &self,
        basic: &Basic,
        client: Option<IpAddr>,
        request: &mut Request,
        now: Moment,
        told: &mut Told,
    ) -> Result<String> {
        let (remembered, seconds) = (&self.worker.remembered, now.as_millis() / 1000);
        let claimed = match one_of(&request.headers, &header::AUTHORIZATION).and_then(basic::claimed) {
            Some(claimed) => claimed,
            None => {
                told.challenge(basic.challenge.clone());
                return Err(Error::new(Kind::Unauthenticated, "no user and password"));
            }
        };
        let user = claimed.user.clone();
        if let Known::Ask(question) = basic.look_up(&claimed, remembered, seconds) {
            let verified = basic.verify(question, claimed, client, (remembered, seconds));
            let verified = self.worker.timers.within(LONGEST_VERIFICATION, verified).await;
            let verified =
                verified.unwrap_or(Err(Error::new(Kind::Overload, "passwords take too long to be verified")));
            if verified.as_ref().is_err_and(|error| error.kind() == Kind::Unauthenticated) {
                told.challenge(basic.challenge.clone());
            }
            verified?;
        }
        if let Some(name) = &basic.user_header
            && let Ok(user) = HeaderValue::from_bytes(user.as_bytes())
        {
            request.headers.insert(name.clone(), user);
        }
        if !basic.passes_on {
            request.headers.remove(header::AUTHORIZATION);
        }
        Ok(user)
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
