//! Snapshots for the tests of other rooms.

use std::path::Path;

use super::build;
use crate::config;
use crate::metrics::Registry;
use crate::snapshot::Snapshot;

/// The snapshot of this configuration that follows `previous`.
///
/// # Panics
///
/// When the configuration is wrong, or has TLS towards backends.
pub fn of_toml(text: &str, previous: Option<&Snapshot>, registry: &Registry) -> Snapshot {
    let config = config::parse(text, Path::new("proxy.toml")).unwrap().config;
    build(&config, previous, &mut |_, _| Err("there is no TLS here".to_owned()), registry).unwrap()
}
