//! `auth = { jwt = { ... } }`: a token that the client has to show.

use std::rc::Rc;
use std::time::{Duration, SystemTime};

use http::header;

use super::super::Connection;
use super::{Told, names, one_of};
use crate::affinity::cookie;
use crate::auth::Jwt;
use crate::auth::jwt::{Object, Refusal};
use crate::clock::Moment;
use crate::error::Result;
use crate::policy::KeyFrom;
use crate::protocol::http::Request;

/// How long a request waits for the keys to be fetched.
const LONGEST_WAIT: Duration = Duration::from_secs(3);

impl Connection {
    /// Whether the client has a token that comes in, and what that says. It is put into the request where backends are to be told.
    pub(super) async fn has_token(
        &self,
        jwt: &Jwt,
        request: &mut Request,
        now: Moment,
        told: &mut Told,
    ) -> Result<Rc<Object>> {
        match self.claims(jwt, request, now).await {
            Ok(claims) => {
                request.headers.extend(jwt.fields(&claims));
                Ok(claims)
            }
            Err(refusal) => {
                if let Some(challenge) = refusal.challenge() {
                    told.challenge(challenge);
                }
                Err(refusal.error())
            }
        }
    }

    async fn claims(&self, jwt: &Jwt, request: &Request, now: Moment) -> std::result::Result<Rc<Object>, Refusal> {
        let token = find(&jwt.from, request).ok_or(Refusal::Missing)?;
        let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let judge = || jwt.judge(token, unix, &self.worker.remembered, now.as_millis() / 1000);
        let (refusal, is_worth_it) = match judge() {
            Err(Refusal::NoKeys) => {
                (Refusal::NoKeys, self.worker.timers.within(LONGEST_WAIT, jwt.keys.first_fetched()).await)
            }
            // the issuer may have other keys by now
            Err(Refusal::UnknownKey) => {
                (Refusal::UnknownKey, self.worker.timers.within(LONGEST_WAIT, jwt.keys.fetched(now)).await)
            }
            judged => return judged,
        };
        match is_worth_it {
            Some(true) => judge(),
            Some(false) | None => Err(refusal),
        }
    }
}

/// The token of a request. Of two, nobody knows which one a backend reads: then there is none. Two are also those of which one has the name in another spelling,
/// which a backend may take for the same. Other spellings of a header never get to backends (`snapshot/build/listener.rs`).
fn find<'r>(from: &KeyFrom, request: &'r Request) -> Option<&'r [u8]> {
    match from {
        KeyFrom::Header(name) => {
            let value = one_of(&request.headers, name)?.as_bytes();
            if *name == header::AUTHORIZATION { bearer(value) } else { Some(value) }
        }
        KeyFrom::Cookie(name) => {
            let fields = || request.headers.get_all(header::COOKIE).into_iter().map(|field| field.as_bytes());
            only(fields().flat_map(names::of_cookies).filter(|sent| names::reads_like(sent, name)))?;
            only(fields().flat_map(|field| cookie::values(field, name)))
        }
        KeyFrom::Query(name) => {
            let query = request.uri.query()?;
            only(names::of_parameters(query.as_bytes()).filter(|sent| names::reads_like(sent, name)))?;
            let value = |parameter: &'r str| parameter.strip_prefix(&**name)?.strip_prefix('=');
            only(query.split('&').filter_map(value)).map(str::as_bytes)
        }
        KeyFrom::ClientIp | KeyFrom::Path | KeyFrom::Uri => None,
    }
}

fn only<T>(mut all: impl Iterator<Item = T>) -> Option<T> {
    let first = all.next()?;
    all.next().is_none().then_some(first)
}

/// RFC 6750, section 2.1. A scheme is compared without its case (RFC 9110, section 11.1).
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(b"Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then_some(token)
}
