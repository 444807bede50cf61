//! Limits on how many requests may be sent: what is above them is held back, or refused with 429.

use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Response;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use tokio::time::{Sleep, sleep};

use super::context::Context;
use super::exchange::Exchange;
use super::{Connection, explained};
use crate::clock;
use crate::error::{Error, Kind};
use crate::forward::placement::keys;
use crate::limit::{By, Look, Taken};
use crate::metrics::rate_limited::LimitResult;
use crate::protocol::http::{Request, grpc};
use crate::snapshot::{Listener, RateLimit, Route};

/// The fields of draft-ietf-httpapi-ratelimit-headers-10.
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const STATE: HeaderName = HeaderName::from_static("ratelimit");

/// The key of a limit that counts nothing apart.
const ALL: u64 = 1;

/// A request is above a limit.
#[derive(Debug)]
pub struct Limited {
    /// In so many seconds the client may send again; above 0.
    seconds: u32,
    policy: HeaderValue,
}

impl Limited {
    /// The answer.
    pub fn answer(self, request: &Request, context: &Context<'_>, exchange: &mut Exchange) -> Response<Bytes> {
        let error = Error::new(Kind::RateLimited(self.seconds), "");
        exchange.failed(&error);
        let mut answer = explained(error.kind(), grpc::call(&request.headers).cloned(), context, exchange);
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

impl Connection {
    /// Takes the request from all limits of its listener and its route: what has to be waited for, or that it is refused. What a limit has allowed
    /// counts, whatever the next one says.
    #[inline]
    pub(super) fn limit(
        &self,
        listener: &Listener,
        route: &Route,
        request: &Request,
        now: Instant,
    ) -> Result<Option<Pin<Box<Sleep>>>, Limited> {
        if listener.rate_limits.is_empty() && route.rate_limits.is_empty() {
            return Ok(None);
        }
        let mut delay = Duration::ZERO;
        for limit in listener.rate_limits.iter().chain(&route.rate_limits) {
            delay = delay.max(self.take(limit, listener, request, now)?);
        }
        // boxed, so that requests that are not held back have no room for a timer
        Ok((delay > Duration::ZERO).then(|| Box::pin(sleep(delay))))
    }

    fn take(
        &self,
        limit: &RateLimit,
        listener: &Listener,
        request: &Request,
        now: Instant,
    ) -> Result<Duration, Limited> {
        let RateLimit { limit: settings, table, counts, policy, .. } = limit;
        let key = self.limit_key(limit, listener, request);
        let Look { taken, has_displaced } = table.take(key, settings.rate, clock::monotonic(now), settings.delay);
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
                Ok(Duration::ZERO)
            }
            (Taken::Refused(wait), false) => {
                counts.count(worker, LimitResult::Refused);
                let seconds = wait.as_millis().div_ceil(1000).max(1);
                Err(Limited { seconds: u32::try_from(seconds).unwrap_or(u32::MAX), policy: policy.clone() })
            }
        }
    }

    /// The hash of what the limit counts apart.
    fn limit_key(&self, RateLimit { limit, apart, .. }: &RateLimit, listener: &Listener, request: &Request) -> u64 {
        let by = &limit.by;
        let sender = || self.sender(listener, request);
        // over a Unix socket nobody has an address: they are all one client
        let client = || keys::of_address(by.prefix(sender().unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))));
        match by {
            By::All => ALL,
            By::Client | By::Network => client(),
            // so nobody can find a value that has the key of an address, and use up what a client has that does not send such a value
            By::Key(from) => keys::find(from, request, sender).map_or_else(client, |hash| hash ^ apart),
        }
    }
}
