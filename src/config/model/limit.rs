//! `[[listener.rate_limit]]`

use super::RedisStore;
use crate::limit::Limit;

/// A limit of a listener or of a route.
#[derive(Debug, Clone, PartialEq)]
pub struct RateLimit {
    /// The limit.
    pub limit: Limit,
    /// What all instances enforce it together by.
    pub store: Option<LimitStore>,
}

/// What instances enforce limits together by.
#[derive(Debug, Clone, PartialEq)]
pub struct LimitStore {
    /// The store.
    pub store: RedisStore,
    /// What names in it begin with.
    pub prefix: String,
}
