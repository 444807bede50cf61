//! `evenkeel check`

use std::path::Path;
use std::process::ExitCode;

use super::{bad_configuration, print, show};
use crate::config::{self, model::Config};

pub(super) fn run(path: &Path) -> ExitCode {
    match config::load(path) {
        Ok(loaded) => {
            show(&loaded.warnings);
            print(&format!("{}: no mistakes ({})\n", path.display(), summary(&loaded.config)))
        }
        Err(mistakes) => bad_configuration(&mistakes),
    }
}

/// What the configuration has, so that nobody takes an empty file for a good one.
fn summary(config: &Config) -> String {
    let counted = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let backends = config.services.iter().map(|service| service.backends.len()).sum();
    [
        counted(config.listeners.len(), "listener"),
        counted(config.services.len(), "service"),
        counted(backends, "backend"),
    ]
    .join(", ")
}
