//! `evenkeel run`

use std::io::{IsTerminal as _, Write as _, stderr};
use std::path::Path;
use std::process::ExitCode;

use super::{BAD_CONFIGURATION, FAILURE, fail};
use crate::config::{self, Diagnostics, Loaded, model::LogFormat};
use crate::{app, log};

pub(super) fn run(path: &Path) -> ExitCode {
    let loaded = match config::load(path) {
        Ok(loaded) => loaded,
        Err(mistakes) => {
            let _ = stderr().write_all(mistakes.render(stderr().is_terminal()).as_bytes());
            return ExitCode::from(BAD_CONFIGURATION);
        }
    };
    start(loaded, |_| {})
}

/// Runs a configuration to its end.
pub(super) fn start(loaded: Loaded, ready: impl FnOnce(&app::Ready)) -> ExitCode {
    if let Err(why) = log::start(&loaded.config.log) {
        return fail(&why);
    }
    warn(&loaded.warnings, loaded.config.log.format);
    match app::run(loaded, ready) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            tracing::error!("{why}");
            ExitCode::from(FAILURE)
        }
    }
}

/// Shows the warnings: as they are to people, in one record to what reads JSON.
fn warn(warnings: &Diagnostics, format: LogFormat) {
    let text = warnings.render(format == LogFormat::Text && stderr().is_terminal());
    match format {
        _ if text.is_empty() => {}
        LogFormat::Text => _ = stderr().write_all(text.as_bytes()),
        LogFormat::Json => tracing::warn!("{text}"),
    }
}
