//! `[[listener.rate_limit]]`

use super::RedisStore;
use crate::limit::RateLimitRule;

/// A rate limit of a listener or of a route.
#[derive(Debug, Clone, PartialEq)]
pub struct RateLimit {
    /// What is limited, and how.
    pub rule: RateLimitRule,
    /// What all instances enforce it together by.
    pub store: Option<RateLimitStore>,
}

/// What instances enforce rate limits together by.
#[derive(Debug, Clone, PartialEq)]
pub struct RateLimitStore {
    /// The store.
    pub store: RedisStore,
    /// What names in it begin with.
    pub prefix: String,
}
