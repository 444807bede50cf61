//! Limits on how many requests may be sent, and be in flight: what is above them is held back, or refused with 429.

use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use tokio::time::{Sleep, sleep};

use super::context::Context;
use super::exchange::{ClientShare, Exchange};
use super::{Connection, explained};
use crate::auth::jwt::{Claim, Object};
use crate::balance::hash_key;
use crate::clock;
use crate::error::{Error, Kind};
use crate::forward::placement::keys;
use crate::limit::{By, Look, Taken};
use crate::metrics::rate_limited::LimitResult;
use crate::protocol::http::{Request, grpc};
use crate::snapshot::{Listener, RateLimit};

/// The fields of draft-ietf-httpapi-ratelimit-headers-10.
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const STATE: HeaderName = HeaderName::from_static("ratelimit");

/// The key of a limit that counts nothing apart.
const ALL: u64 = 1;

/// A request is above a rate limit.
#[derive(Debug)]
pub struct AboveRateLimit {
    /// In so many seconds the client may send again; above 0.
    seconds: u32,
    policy: HeaderValue,
}

impl AboveRateLimit {
    /// The answer.
    fn answer(self, request: &Request, context: &Context<'_>, exchange: &mut Exchange) -> Response<Bytes> {
        let error = Error::new(Kind::RateLimited(self.seconds), "");
        exchange.failed(&error);
        let mut answer =
            explained(error.kind(), grpc::call(&request.headers).cloned(), (context, &request.headers), exchange);
        self.tell(answer.headers_mut());
        answer
    }

    /// Says which limit it was, that nothing is left, and for how long.
    fn tell(self, headers: &mut HeaderMap) {
        // the policy begins with the limit's name, which tells the state's which limit it is of
        let name = self.policy.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
        let state = [name, format!(";r=0;t={}", self.seconds).as_bytes()].concat();
        if let Ok(state) = HeaderValue::from_bytes(&state) {
            headers.insert(STATE, state);
        }
        headers.insert(POLICY, self.policy);
    }
}

/// What has to be waited for, if anything; or that a limit refuses the request, which is boxed because almost none is.
pub type Looked = Result<Option<Pin<Box<Sleep>>>, Box<AboveRateLimit>>;

/// Waits for as long as a request is held back; nothing is done for a client that leaves meanwhile. Gives back the answer to one that is above a limit.
pub async fn settle(
    looked: Looked,
    request: &Request,
    context: &Context<'_>,
    exchange: &mut Exchange,
) -> Option<Response<Bytes>> {
    match looked {
        Ok(None) => None,
        Ok(Some(held_back)) => {
            let _watched = request.presence.as_ref().map(|client| client.watch(true));
            held_back.await;
            exchange.held_back();
            None
        }
        Err(limited) => Some(limited.answer(request, context, exchange)),
    }
}

/// What a request is counted by.
#[derive(Clone, Copy)]
pub struct CountedBy<'r> {
    /// The request.
    pub request: &'r Request,
    /// The form of its path that is compared.
    pub path: &'r str,
    /// What its token says, once that was verified.
    pub claims: Option<&'r Object>,
}

impl Connection {
    /// Counts the request as one of those that its client has in flight.
    ///
    /// # Errors
    ///
    /// The client has as many as it may have.
    #[inline]
    pub(super) fn in_flight(&self, listener: &Listener, request: &Request) -> Result<Option<ClientShare>, Error> {
        let Some(limits) = &listener.client_limits else { return Ok(None) };
        // the connection of a proxy that is trusted has no place: its requests are of many clients
        let worker = self.worker.index;
        let place = limits.requests(self.place.as_ref(), || self.sender(listener, request), worker);
        let place = place.map_err(|_| Error::new(Kind::ClientLimit, ""))?;
        Ok(place.map(|place| ClientShare { paces: limits.paces(&place, &self.worker.timers, worker), place }))
    }

    /// Takes the request from all limits of its listener and its route: what has to be waited for, or that it is refused. What a limit has allowed
    /// counts, whatever the next one says. Limits by claims are looked at when the claims are known, and the others before that.
    #[inline]
    pub(super) fn limit(
        &self,
        listener: &Listener,
        of_route: &[RateLimit],
        by: CountedBy<'_>,
        exchange: &mut Exchange,
    ) -> Looked {
        if listener.rate_limits.is_empty() && of_route.is_empty() {
            return Ok(None);
        }
        let is_now = |limit: &&RateLimit| limit.rule.by.is_claim() == by.claims.is_some();
        let mut delay = Duration::ZERO;
        for limit in listener.rate_limits.iter().chain(of_route).filter(is_now) {
            delay = delay.max(self.take(limit, listener, by, exchange)?);
        }
        // boxed, so that requests that are not held back have no room for a timer
        Ok((delay > Duration::ZERO).then(|| Box::pin(sleep(delay))))
    }

    fn take(
        &self,
        limit: &RateLimit,
        listener: &Listener,
        by: CountedBy<'_>,
        exchange: &mut Exchange,
    ) -> Result<Duration, Box<AboveRateLimit>> {
        let RateLimit { rule: settings, table, counts, policy, .. } = limit;
        let key = self.limit_key(limit, listener, by);
        let now = clock::monotonic(exchange.began());
        let Look { taken, has_displaced } = table.take(key, settings.rate, now, settings.delay);
        let worker = self.worker.index;
        if has_displaced {
            counts.displaced(worker);
        }
        match (taken, settings.dry_run) {
            (Taken::Allowed { .. }, _) => Ok(Duration::ZERO),
            (Taken::Delayed(_), true) => {
                counts.count(worker, LimitResult::WouldDelay);
                Ok(Duration::ZERO)
            }
            (Taken::Delayed(delay), false) => {
                counts.count(worker, LimitResult::Delayed);
                Ok(delay)
            }
            (Taken::Refused(_), true) => {
                counts.count(worker, LimitResult::WouldRefuse);
                exchange.above_limit(&settings.name);
                Ok(Duration::ZERO)
            }
            (Taken::Refused(wait), false) => {
                counts.count(worker, LimitResult::Refused);
                exchange.above_limit(&settings.name);
                let seconds = wait.as_millis().div_ceil(1000).max(1);
                let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
                Err(Box::new(AboveRateLimit { seconds, policy: policy.clone() }))
            }
        }
    }

    /// The hash of what the limit counts apart.
    fn limit_key(&self, RateLimit { rule, apart, .. }: &RateLimit, listener: &Listener, counted: CountedBy<'_>) -> u64 {
        let CountedBy { request, path, claims } = counted;
        let by = &rule.by;
        let sender = || self.sender(listener, request);
        // over a Unix socket nobody has an address: they are all one client
        let client = || keys::of_address(by.prefix(sender().unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))));
        match by {
            By::All => ALL,
            By::Client | By::Network => client(),
            // so nobody can find a value that has the key of an address, and use up what a client has that does not send such a value
            By::Key(from) => keys::find_at(path, from, request, sender).map_or_else(client, |hash| hash ^ apart),
            By::Claim(name) => {
                let said = claims.and_then(|claims| Claim::value_of(name, claims));
                said.map_or_else(client, |said| hash_key(said.as_bytes()) ^ apart)
            }
        }
    }
}
