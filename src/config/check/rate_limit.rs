//! `[[listener.rate_limit]]` and `[[listener.route.rate_limit]]`: how many requests may be sent.

use std::collections::HashSet;
use std::time::Duration;

use super::store::StoreKeys;
use super::{Checker, all, all_or_nothing};
use crate::config::model::{RateLimit, RateLimitStore};
use crate::config::raw;
use crate::config::syntax;
use crate::config::tree::KeyPath;
use crate::limit::{Rate, RateLimitRule};

/// After this time without an answer, an instance enforces its share of a limit.
const STORE_TIMEOUT: Duration = Duration::from_millis(200);
/// The keys that say something of the store.
const OF_STORE: [&str; 3] = ["store_password_file", "store_ca", "store_prefix"];

/// What is known of the claims of tokens where a limit stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claims {
    /// The route verifies tokens.
    Verified,
    /// The route verifies none.
    NoToken,
    /// The limit is that of a listener.
    WholeListener,
}

impl Checker<'_> {
    /// The limits at this path. `claims`: whether it is known what tokens say.
    pub(super) fn rate_limits(
        &mut self,
        at: &KeyPath,
        raw: &[raw::RateLimit],
        claims: Claims,
    ) -> Option<Vec<RateLimit>> {
        let limits: Vec<_> = raw.iter().enumerate().map(|(i, raw)| self.limit_of(&at.index(i), raw, claims)).collect();
        let mut names = HashSet::new();
        for (index, of) in limits.iter().enumerate() {
            if let Some(of) = of
                && !names.insert(&of.rule.name)
            {
                let name = &of.rule.name;
                let mistake = self.mistake(&at.index(index), format!("two limits here are called `{name}`"));
                self.report(mistake.help("give one of them another `name`: metrics and answers tell them apart by it"));
            }
        }
        all(limits)
    }

    fn limit_of(&mut self, at: &KeyPath, raw: &raw::RateLimit, claims: Claims) -> Option<RateLimit> {
        self.knows_claims(&at.key("by"), &raw.by, claims);
        let store = raw.store.as_ref().map(|url| {
            let keys = StoreKeys { url, password_file: raw.store_password_file.as_ref(), ca: raw.store_ca.as_ref() };
            let store = self.redis_store(at, keys, STORE_TIMEOUT, 0)?;
            Some(RateLimitStore { store, prefix: raw.store_prefix.clone() })
        });
        if raw.store.is_none() {
            for key in OF_STORE {
                if !self.present(&at.key(key)) {
                    continue;
                }
                let mistake = self.key_mistake(&at.key(key), format!("`{key}` has no effect"));
                self.report(mistake.warning().help("there is no `store`"));
            }
        }
        Some(RateLimit { rule: rule(raw)?, store: all_or_nothing(store)? })
    }

    fn knows_claims(&mut self, at: &KeyPath, by: &str, claims: Claims) {
        if !by.starts_with("claim:") {
            return;
        }
        let (message, help) = match claims {
            Claims::Verified => return,
            Claims::NoToken => (
                "this route verifies no token",
                "set auth = { jwt = { ... } } on the route, or by = \"client\"; what a token says that nobody verifies, everybody can make up",
            ),
            Claims::WholeListener => (
                "a listener verifies no token",
                "put the limit into [[listener.route.rate_limit]] of a route with auth = { jwt = { ... } }, or set by = \"client\"",
            ),
        };
        let mistake = self.mistake(at, format!("`{by}` is never known: {message}"));
        self.report(mistake.help(help));
    }
}

fn rule(raw: &raw::RateLimit) -> Option<RateLimitRule> {
    let text = raw.rate.as_deref()?;
    Some(RateLimitRule {
        name: raw.name.clone().unwrap_or_else(|| format!("{text} by {}", raw.by)),
        rate: rate(Some(text), raw.burst)?,
        by: syntax::limit_key(&raw.by).ok()?,
        delay: raw.delay.0,
        keys: raw.keys as usize,
        dry_run: raw.dry_run,
    })
}

/// A rate, where one is written. Without a burst, as many may come at once as come in a second, at least one.
pub(super) fn rate(text: Option<&str>, burst: Option<u32>) -> Option<Rate> {
    let (count, per) = syntax::rate(text?).ok()?;
    let in_a_second = u64::from(count) / per.as_secs().max(1);
    let burst = burst.unwrap_or_else(|| u32::try_from(in_a_second).unwrap_or(u32::MAX).max(1));
    Some(Rate::new(count, per, burst))
}
