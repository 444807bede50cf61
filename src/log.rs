//! What the process says of itself, on standard error: standard output is the access log's.

use std::io::{IsTerminal as _, stderr};

use tracing_subscriber::EnvFilter;

use crate::config::model::{Log, LogFormat};

/// Starts the log. To be called once.
///
/// # Errors
///
/// When `level` is no filter, or a log was started before; for people.
pub fn start(settings: &Log) -> Result<(), String> {
    let filter = EnvFilter::builder().parse(&settings.level);
    let filter = filter.map_err(|error| format!("log.level `{}`: {error}", settings.level))?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr).with_target(false);
    // told on standard error, which is what has failed, and whoever says so there panics
    let log = log.log_internal_errors(false);
    let started = match settings.format {
        LogFormat::Text => log.with_ansi(stderr().is_terminal()).try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| format!("the log can't be started: {error}"))
}
