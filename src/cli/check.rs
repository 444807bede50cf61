//! `evenkeel check`

use std::io::{IsTerminal as _, Write as _, stderr};
use std::path::Path;
use std::process::ExitCode;

use super::{BAD_CONFIGURATION, print};
use crate::config::{self, model::Config};

pub(super) fn run(path: &Path) -> ExitCode {
    let (found, checked) = match config::load(path) {
        Ok(loaded) => (loaded.warnings, Some(loaded.config)),
        Err(mistakes) => (mistakes, None),
    };
    let _ = stderr().write_all(found.render(stderr().is_terminal()).as_bytes());
    match checked {
        Some(config) => print(&format!("{}: no mistakes ({})\n", path.display(), summary(&config))),
        None => ExitCode::from(BAD_CONFIGURATION),
    }
}

/// So that a file that was read in vain, such as an empty one, is noticed.
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
