//! `[[service.NAME.recover]]` and `[service.NAME.recovery]`: how a service is repaired, and by which commands and calls.

use std::sync::Arc;

use super::Means;
use crate::recover::Plan;

/// How a service is repaired.
#[derive(Debug, Clone, PartialEq)]
pub struct Recovery {
    /// The strategies and the brakes.
    pub plan: Plan,
    /// By what each strategy acts, in the order of the plan's strategies.
    pub means: Vec<StrategyMeans>,
}

/// By what a strategy acts. Failover and circuit break need nothing: what they do is done in here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StrategyMeans {
    /// The name of the strategy.
    pub strategy: Arc<str>,
    /// Does it.
    pub act: Option<Means>,
    /// Takes it back when it has made things worse.
    pub undo: Option<Means>,
    /// Takes an instance away that was started, when it is not needed any more.
    pub down: Option<Means>,
}

/// The names that may stand between `${` and `}` in commands, units and URLs, and are filled in when these are used.
pub const PLACEHOLDERS: [&str; 8] =
    ["address", "attempt", "backend", "fault", "number", "service", "strategy", "token"];
