//! Builds the rate limits of listeners and routes. What their keys have used outlives a reload.

use std::sync::{Arc, LazyLock};
use std::time::Instant;

use ahash::RandomState;
use aws_lc_rs::digest::{SHA256, digest};
use http::HeaderValue;

use super::super::{RateLimit, Snapshot};
use crate::balance::hash_key;
use crate::clock;
use crate::config::model::{self, RateLimitStore};
use crate::limit::{RateLimitRule, Table};
use crate::metrics::{Registry, RouteHits};
use crate::route::Conditions;

/// Whose limits are built.
#[derive(Debug, Clone, Copy)]
pub(super) enum Of<'a> {
    /// A whole listener.
    Listener,
    /// A route, which is the same one as in the snapshot before while it goes on counting in this; and its conditions.
    Route(&'a Arc<RouteHits>, &'a Conditions),
}

/// Builds the limits of a listener or of one of its routes.
pub(super) fn build(
    of: Of<'_>,
    listener: &str,
    limits: &[model::RateLimit],
    previous: Option<&Snapshot>,
    registry: &Registry,
) -> Box<[RateLimit]> {
    let route = if let Of::Route(_, when) = of { Some(when) } else { None };
    let shown = route.map(ToString::to_string).unwrap_or_default();
    let before = previous.and_then(|snapshot| before(snapshot, listener, of)).unwrap_or_default();
    let build = |model::RateLimit { rule, store }: &model::RateLimit| {
        let is_same = |known: &&RateLimit| is_same(&known.rule, rule) && known.table.is_shared() == store.is_some();
        let known = before.iter().find(is_same);
        let known =
            known.map(|known| known.table.at_rate(rule.rate, known.rule.rate, clock::monotonic(Instant::now())));
        let new = || Arc::new(if store.is_some() { Table::shared(rule.keys) } else { Table::new(rule.keys) });
        RateLimit {
            table: known.unwrap_or_else(new),
            apart: apart(store.as_ref()),
            scope: scope(listener, route, &rule.name),
            policy: policy(rule),
            counts: registry.rate_limited(listener, &shown, &rule.name),
            rule: rule.clone(),
        }
    };
    limits.iter().map(build).collect()
}

/// What sets a limit of a listener, or of the route with these conditions, apart from others: the same on all instances. Routes that differ by the value of a
/// header or a parameter are not the same one, though they are called alike wherever they are shown, because values may be secrets.
pub fn scope(listener: &str, route: Option<&Conditions>, limit: &str) -> u64 {
    let route = route.map(|when| format!("{when:?}")).unwrap_or_default();
    hash_key(format!("{listener}\0{route}\0{limit}").as_bytes())
}

/// The secret of a limit: of this process, or one that all instances have that log in at its store. Without a password there is none, and whoever knows the
/// prefix knows it.
fn apart(store: Option<&RateLimitStore>) -> u64 {
    static OWN: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(0));
    let Some(RateLimitStore { store, prefix }) = store else { return *OWN };
    let password = store.password.as_ref().map_or(&[][..], |password| password.bytes());
    let digest = digest(&SHA256, &[prefix.as_bytes(), b"\0", password].concat());
    digest.as_ref().iter().take(8).fold(0, |number, byte| (number << 8) | u64::from(*byte))
}

/// The limits that they were in a snapshot.
fn before<'a>(snapshot: &'a Snapshot, listener: &str, of: Of<'_>) -> Option<&'a [RateLimit]> {
    let listener = snapshot.listeners.iter().find(|known| *known.name == *listener)?;
    match of {
        Of::Listener => Some(&listener.rate_limits),
        Of::Route(hits, _) => {
            let known = listener.limited.iter().find(|known| Arc::ptr_eq(&known.hits, hits))?;
            Some(&known.rate_limits)
        }
    }
}

/// Whether what keys have used of one limit counts for the other one: the rate may have changed ([`Table::at_rate`]), but not what is counted apart.
fn is_same(one: &RateLimitRule, other: &RateLimitRule) -> bool {
    (&one.name, &one.by, one.keys) == (&other.name, &other.by, other.keys)
}

/// `"name";q=quota;w=window` (draft-ietf-httpapi-ratelimit-headers-10, section 3). The name is a string of RFC 9651, which has visible ASCII only.
fn policy(rule: &RateLimitRule) -> HeaderValue {
    let plain = |c: char| (c == ' ' || c.is_ascii_graphic()) && !matches!(c, '"' | '\\');
    let name: String = rule.name.chars().map(|c| if plain(c) { c } else { '_' }).collect();
    let (quota, window) = rule.rate.quota();
    let value = HeaderValue::try_from(format!("\"{name}\";q={quota};w={window}"));
    value.unwrap_or_else(|_| HeaderValue::from_static("\"limit\""))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::header::HeaderName;

    use super::*;
    use crate::config::model::{NotifySecret, RedisStore, StoreAddress};

    #[test]
    fn routes_that_differ_by_a_value_have_limits_of_their_own() {
        let plan = |value: &str| Conditions {
            headers: vec![(HeaderName::from_static("x-plan"), value.to_owned())],
            ..Conditions::default()
        };
        let scope = |when: Option<&Conditions>| scope("web", when, "a");
        assert_eq!(plan("free").to_string(), plan("pro").to_string());
        assert_ne!(scope(Some(&plan("free"))), scope(Some(&plan("pro"))));
        assert_eq!(scope(Some(&plan("free"))), scope(Some(&plan("free"))));
        assert_ne!(scope(None), scope(Some(&Conditions::default())));
    }

    #[test]
    fn instances_have_a_secret_in_common_when_they_have_a_password_in_common() {
        let store = |password: Option<&str>| {
            let password = password.map(|password| NotifySecret::new(password.as_bytes()));
            let address = StoreAddress::Tcp("redis".to_owned(), 6379);
            let (time_limit, queue) = (Duration::ZERO, 0);
            let store = RedisStore { address, tls: None, user: None, password, db: 0, time_limit, queue };
            apart(Some(&RateLimitStore { store, prefix: "evenkeel".to_owned() }))
        };
        assert_eq!(store(Some("a")), store(Some("a")));
        assert_ne!(store(Some("a")), store(Some("b")));
        assert_ne!(store(Some("a")), store(None));
        assert_eq!(apart(None), apart(None), "a table outlives a reload");
        assert_ne!(apart(None), store(None));
    }
}
