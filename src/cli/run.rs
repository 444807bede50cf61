//! `evenkeel run`

use std::io::{IsTerminal as _, Write as _, stderr};
use std::path::Path;
use std::process::ExitCode;

use tracing::Level;

use super::{FAILURE, bad_configuration, fail};
use crate::config::{self, Diagnostics, Files, Loaded, model::LogFormat};
use crate::{app, log};

pub(super) fn run(path: &Path) -> ExitCode {
    let (files, loaded) = config::read(path);
    let loaded = match loaded {
        Ok(loaded) => loaded,
        Err(mistakes) => return bad_configuration(&mistakes),
    };
    let json = loaded.config.log.format == LogFormat::Json;
    match start(loaded, Some((path, files)), |_| {}) {
        Ok(()) => ExitCode::SUCCESS,
        // a machine reads the log, so this is a record of it, unless the log is off
        Err(why) if json && tracing::enabled!(Level::ERROR) => {
            tracing::error!("{why}");
            ExitCode::from(FAILURE)
        }
        Err(why) => fail(&why),
    }
}

/// Runs a configuration to its end; `source` is the file that it came from, with what was read of it.
///
/// # Errors
///
/// Why it could not start.
pub(super) fn start(
    loaded: Loaded,
    source: Option<(&Path, Files)>,
    ready: impl FnOnce(&app::Ready),
) -> Result<(), String> {
    log::start(&loaded.config.log)?;
    warn(&loaded.warnings, loaded.config.log.format);
    app::run(loaded, source, ready)
}

/// Shows the warnings: to people as text, to a machine that reads JSON in one record.
fn warn(warnings: &Diagnostics, format: LogFormat) {
    let text = warnings.render(format == LogFormat::Text && stderr().is_terminal());
    match format {
        _ if text.is_empty() => {}
        LogFormat::Text => _ = stderr().write_all(text.as_bytes()),
        LogFormat::Json => tracing::warn!("{text}"),
    }
}
