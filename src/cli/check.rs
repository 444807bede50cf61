//! `evenkeel check`

use std::process::ExitCode;

use clap::Args;

use super::{BAD_CONFIGURATION, ConfigFile, print, show_most};
use crate::config::{self, MOST_SHOWN, model::Config};

#[derive(Debug, Args)]
pub(super) struct Check {
    #[command(flatten)]
    pub(super) file: ConfigFile,
    /// Tell all mistakes, and not only the first 50
    #[arg(long)]
    all: bool,
}

pub(super) fn run(asked: &Check) -> ExitCode {
    let path = &asked.file.path;
    let most = if asked.all { usize::MAX } else { MOST_SHOWN };
    match config::load(path) {
        Ok(loaded) => {
            show_most(&loaded.warnings, most);
            print(&format!("{}: no mistakes ({})\n", path.display(), summary(&loaded.config)))
        }
        Err(mistakes) => {
            show_most(&mistakes, most);
            ExitCode::from(BAD_CONFIGURATION)
        }
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
