//! `evenkeel state`: what is kept in `state_dir`, as a file.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::{FAILURE, bad_configuration, fail, print};
use crate::clock::{Stamp, parse_rfc3339};
use crate::config;
use crate::ledger::{FILE_NAME, tools};

#[derive(Debug, Args)]
pub(super) struct State {
    #[command(subcommand)]
    command: Command,
    /// The folder that is `state_dir` [default: that of the configuration]
    #[arg(long = "state", value_name = "DIR", global = true)]
    folder: Option<PathBuf>,
    /// The configuration
    #[arg(short = 'c', long = "config", value_name = "FILE", default_value = "proxy.toml", global = true)]
    path: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write a copy of the ledger, also while a process runs
    Backup {
        /// The copy; it must not be there yet
        file: PathBuf,
    },
    /// Look for damage, and for changes of what is sealed; exit code 1 when there is any
    Check {
        /// A copy [default: the ledger in use]
        file: Option<PathBuf>,
    },
    /// Put a copy in the place of the ledger; no process may run
    Restore {
        /// The copy
        file: PathBuf,
    },
    /// Delete the history before a day; what is deleted is gone
    Prune {
        /// The first day that is kept, such as 2026-01-01, or a time as RFC 3339 has it
        #[arg(long, value_name = "DAY", value_parser = day)]
        before: Stamp,
    },
}

fn day(text: &str) -> Result<Stamp, String> {
    let time = parse_rfc3339(text).or_else(|| parse_rfc3339(&format!("{text}T00:00:00Z")));
    time.map(Stamp::from).ok_or_else(|| "a day is such as 2026-01-01".to_owned())
}

pub(super) fn run(state: &State) -> ExitCode {
    if let Command::Prune { before } = &state.command
        && *before > Stamp::now()
    {
        return fail(&format!("{before} is still to come: all of the history would be deleted"));
    }
    // a copy that is checked belongs to no configuration
    if let Command::Check { file: Some(file) } = &state.command {
        return check(file);
    }
    let folder = match &state.folder {
        Some(folder) => folder.clone(),
        None => match config::load(&state.path) {
            Ok(loaded) => loaded.config.server.state_dir,
            Err(mistakes) => return bad_configuration(&mistakes),
        },
    };
    let done =
        match &state.command {
            Command::Check { .. } => return check(&folder.join(FILE_NAME)),
            Command::Backup { file } => tools::backup(&folder, file)
                .map(|()| format!("{} is a copy of the ledger, and sound\n", file.display())),
            Command::Restore { file } => tools::restore(file, &folder).map(|aside| match aside {
                Some(aside) => format!("restored; what was there is now {}\n", aside.display()),
                None => "restored\n".to_owned(),
            }),
            Command::Prune { before } => tools::prune(&folder, *before)
                .map(|pruned| format!("{} rows before {before} are deleted\n", pruned.rows)),
        };
    match done {
        Ok(text) => print(&text),
        Err(why) => fail(&why),
    }
}

fn check(file: &Path) -> ExitCode {
    match tools::check(file) {
        Ok(found) if found.is_empty() => print(&format!("{}: sound\n", file.display())),
        Ok(found) => {
            for finding in found {
                print(&format!("{}: {}\n", finding.about.as_str(), finding.text));
            }
            ExitCode::from(FAILURE)
        }
        Err(why) => fail(&why),
    }
}
