//! `evenkeel state`: what is kept in `state_dir`, as a file.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::{FAILURE, bad_configuration, fail, print};
use crate::backup;
use crate::clock::{Stamp, parse_rfc3339};
use crate::config;
use crate::config::model::BackupPlace;
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
    /// List the copies that a running process has made (state.backup)
    Backups {
        /// Where they are, such as s3://bucket/prefix [default: state.backup.to of the configuration]
        #[arg(long, value_name = "URL")]
        from: Option<BackupPlace>,
    },
    /// Look for damage, and for changes of what is sealed; exit code 1 when there is any
    Check {
        /// A copy [default: the ledger in use]
        file: Option<PathBuf>,
    },
    /// Put a copy in the place of the ledger; no process may run
    Restore(Restore),
    /// Delete the history before a day; what is deleted is gone
    Prune {
        /// The first day that is kept, such as 2026-01-01, or a time as RFC 3339 has it
        #[arg(long, value_name = "DAY", value_parser = day)]
        before: Stamp,
    },
}

#[derive(Debug, Args)]
struct Restore {
    /// The copy
    #[arg(required_unless_present = "from")]
    file: Option<PathBuf>,
    /// Take the newest one that a running process has made there (state.backup), such as s3://bucket/prefix
    #[arg(long, value_name = "URL", conflicts_with = "file")]
    from: Option<BackupPlace>,
    /// Take the newest one that was made no later than this, such as 2026-01-01T12:00:00Z
    #[arg(long, value_name = "TIME", value_parser = day, requires = "from")]
    at: Option<Stamp>,
    /// Take those of this instance, where there are several
    #[arg(long, value_name = "NAME", requires = "from")]
    name: Option<String>,
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
    if let Command::Backups { from: Some(from) } = &state.command {
        return backups(from);
    }
    let folder = match &state.folder {
        Some(folder) => folder.clone(),
        None => match config::load(&state.path) {
            Ok(loaded) => match (&state.command, &loaded.config.backup) {
                (Command::Backups { .. }, Some(backup)) => return backups(&backup.to),
                _ => loaded.config.server.state_dir,
            },
            Err(mistakes) => return bad_configuration(&mistakes),
        },
    };
    let done =
        match &state.command {
            Command::Check { .. } => return check(&folder.join(FILE_NAME)),
            Command::Backup { file } => tools::backup(&folder, file)
                .map(|()| format!("{} is a copy of the ledger, and sound\n", file.display())),
            Command::Backups { .. } => Err("say --from: the configuration has no state.backup".to_owned()),
            Command::Restore(asked) => {
                let is_new = !folder.exists();
                restore(asked, &folder).map(|text| if is_new { text + &made(&folder) } else { text })
            }
            Command::Prune { before } => tools::prune(&folder, *before)
                .map(|pruned| format!("{} rows before {before} are deleted\n", pruned.rows)),
        };
    match done {
        Ok(text) => print(&text),
        Err(why) => fail(&why),
    }
}

fn restore(asked: &Restore, folder: &Path) -> Result<String, String> {
    let aside = |aside: Option<PathBuf>| match aside {
        Some(aside) => format!("; what was there is now {}\n", aside.display()),
        None => "\n".to_owned(),
    };
    match (&asked.file, &asked.from) {
        (Some(file), _) => tools::restore(file, folder).map(|old| format!("restored{}", aside(old))),
        (None, Some(from)) => backup::restore(from, asked.name.as_deref(), asked.at, folder).map(|restored| {
            let damaged: String =
                restored.damaged.iter().map(|what| format!("{what}; the one before is taken\n")).collect();
            format!(
                "{damaged}restored from {from}: {} ({} bytes){}{}",
                restored.copy.key(),
                restored.copy.size,
                aside(restored.aside),
                recovery_point(restored.until, Stamp::now())
            )
        }),
        (None, None) => Err("say which copy, or --from".to_owned()),
    }
}

/// That a folder belongs to whoever has restored into it.
fn made(folder: &Path) -> String {
    format!("{} was made for it: see that the user that the process runs as may write there\n", folder.display())
}

/// What a restoration has lost, in words.
fn recovery_point(until: Option<Stamp>, now: Stamp) -> String {
    match until {
        Some(until) => format!(
            "its last entry is of {until}, {} s ago: what has happened since then is not in it, and counts as unknown\n",
            (now.since(until) / 1000).max(0)
        ),
        None => "it has no entries about time\n".to_owned(),
    }
}

fn backups(from: &BackupPlace) -> ExitCode {
    match backup::list(from) {
        Ok(copies) if copies.is_empty() => fail(&format!("there are no copies in {from}")),
        Ok(copies) => print(
            &copies
                .iter()
                .map(|copy| format!("{}  {}  {} bytes  {}\n", copy.made, copy.instance, copy.size, copy.key()))
                .collect::<String>(),
        ),
        Err(why) => fail(&format!("the copies in {from} can't be listed: {why}")),
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
