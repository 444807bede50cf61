//! `evenkeel check`

use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::{BAD_CONFIGURATION, ConfigFile, note, print, show_most};
use crate::config::{self, Diagnostics, MOST_SHOWN, model::Config};

#[derive(Debug, Args)]
pub(super) struct Check {
    #[command(flatten)]
    pub(super) file: ConfigFile,
    /// Tell all mistakes, and not only the first 50
    #[arg(long)]
    all: bool,
    /// How mistakes are told
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
    /// Explain a key, such as service.NAME.retry.attempts, or all keys of a section, and check nothing
    #[arg(long, value_name = "KEY", num_args = 0..=1, default_missing_value = "")]
    explain: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// With the lines that they are in, on standard error
    Human,
    /// As a JSON array, on standard output
    Json,
    /// A line for each, FILE:LINE:COLUMN: error: MESSAGE, on standard output
    Short,
    /// A line for each, as annotations of GitHub Actions, on standard output
    Github,
}

pub(super) fn run(asked: &Check) -> ExitCode {
    match &asked.explain {
        Some(key) => explain(key),
        None => check(asked),
    }
}

fn check(asked: &Check) -> ExitCode {
    let path = &asked.file.path;
    let (told, good) = match config::load(path) {
        Ok(loaded) => (loaded.warnings, Some(loaded.config)),
        Err(mistakes) => (mistakes, None),
    };
    let printed = tell(&told, asked);
    match good {
        Some(config) if asked.format == Format::Human => {
            print(&format!("{}: no mistakes ({})\n", path.display(), summary(&config)))
        }
        Some(_) => printed,
        None => ExitCode::from(BAD_CONFIGURATION),
    }
}

fn tell(found: &Diagnostics, asked: &Check) -> ExitCode {
    match asked.format {
        Format::Human => {
            show_most(found, if asked.all { usize::MAX } else { MOST_SHOWN });
            ExitCode::SUCCESS
        }
        Format::Json => print(&format!("{:#}\n", serde_json::to_value(found).unwrap_or_default())),
        Format::Short => print(&found.short()),
        Format::Github => print(&found.github()),
    }
}

fn explain(key: &str) -> ExitCode {
    match config::explain(key) {
        Ok(explained) => print(&explained),
        Err(unknown) => {
            note(&format!("{unknown}\n`evenkeel check --explain` lists all sections"));
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
