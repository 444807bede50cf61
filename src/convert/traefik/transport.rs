//! Small things that several parts need: durations of a field, files that are named or written in place.

use std::time::Duration;

use crate::convert::document::Node;
use crate::convert::text;

/// The duration in a field, as a `proxy.toml` has it; a plain number is seconds, or `unit` of them.
pub fn duration_of(node: &Node, unit: u64) -> Option<String> {
    text::go_duration(node.scalar()?, Duration::from_secs(unit)).map(text::duration)
}

/// The same, but `None` where it is 0, which has another meaning in Traefik (no limit).
pub fn positive(node: &Node) -> Option<String> {
    duration_of(node, 1).filter(|duration| duration != "0s")
}
