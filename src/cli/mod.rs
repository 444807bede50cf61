//! The command line. There is one file for each command; it gets the arguments and gives back the exit code.

mod ask;
mod backend;
mod canary;
mod check;
mod completions;
mod convert;
mod demo;
mod detect;
mod diff;
mod fmt;
mod hook_runner;
mod keepalived;
mod maintenance;
mod man;
mod ready;
mod recovery;
mod reload;
mod report;
mod run;
mod schema;
mod slo;
mod state;
mod status;
mod top;
mod why;

use std::io::{IsTerminal as _, Write as _, stderr};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::config::{Diagnostics, MOST_SHOWN};

/// The exit code of a failure that is not the configuration's fault.
const FAILURE: u8 = 1;

/// The exit code for a configuration that can't be used. clap has the same for arguments that it does not understand.
const BAD_CONFIGURATION: u8 = 2;

/// A Layer-4/Layer-7 reverse proxy load balancer.
#[derive(Debug, Parser)]
#[command(name = "evenkeel", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the proxy until SIGTERM or SIGINT
    Run(ConfigFile),
    /// Tell every mistake in the configuration at once; or explain a key of it
    Check(check::Check),
    /// Lay configuration files out: spaces, empty lines, long lists. What they mean stays
    Fmt(fmt::Fmt),
    /// Tell what a reload would change: the configuration that runs against the file
    Diff(diff::Diff),
    /// Make a proxy.toml of another proxy's configuration
    Convert(convert::Convert),
    /// Show the whole thing on this machine, with backends of its own
    Demo(demo::Demo),
    /// Have the running proxy read its configuration again
    Reload(ask::AdminOptions),
    /// Give a backend no new work; it keeps its sessions. Or hand this whole instance over
    Drain(backend::Drain),
    /// Give a backend nothing
    Disable(backend::TakeOut),
    /// Let a backend take part again
    Enable(backend::Enable),
    /// Set the weight of a backend
    Weight(backend::Weigh),
    /// Show what the running proxy does
    Status(status::Status),
    /// Say by the exit code whether the running proxy serves
    Ready(ready::Ready),
    /// Print the keepalived.conf of a machine that shares an address with another one
    Keepalived(keepalived::Keepalived),
    /// Say why a backend is in its state, or was at a time
    Why(why::Why),
    /// Watch what the running proxy does, and act on it
    Top(top::Top),
    /// Report the availability that was promised, and what came of it
    Report(report::Report),
    /// Leave what happens to a service out of its accounts, for a while
    Maintenance(maintenance::Maintenance),
    /// Show how far a new version of a service has come; start it, send it back, promote it
    Canary(canary::Canary),
    /// Show what is done about faults; pause it, approve it, take it back
    Recovery(recovery::Recovery),
    /// Copy, check, restore or shorten the history in state_dir
    State(state::State),
    /// Read and write promises as OpenSLO files
    Slo(slo::Slo),
    /// Run the detectors of faults over recorded samples
    Detect(detect::Detect),
    /// Print the JSON Schema of proxy.toml
    Schema,
    /// Print a script by which a shell completes this command line
    Completions(completions::Completions),
    /// Print the manual page of this command, or write those of all commands and of proxy.toml
    Man(man::Pages),
    /// Run a command for the proxy, which starts this by itself
    #[command(hide = true)]
    HookRunner,
}

#[derive(Debug, Args)]
struct ConfigFile {
    /// The configuration
    #[arg(short = 'c', long = "config", value_name = "FILE", default_value = "proxy.toml")]
    path: PathBuf,
}

/// Runs the command that the arguments name.
pub fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Run(file) => run::run(&file.path),
        Command::Check(asked) => check::run(&asked),
        Command::Diff(asked) => diff::run(&asked),
        Command::Fmt(asked) => fmt::run(&asked),
        Command::Convert(asked) => convert::run(&asked),
        Command::Demo(asked) => demo::run(&asked),
        Command::Reload(admin) => reload::run(&admin),
        Command::Drain(said) => backend::drain(&said),
        Command::Disable(said) => backend::disable(&said),
        Command::Enable(said) => backend::enable(&said),
        Command::Weight(said) => backend::weigh(&said),
        Command::Status(status) => status::run(&status),
        Command::Ready(asked) => ready::run(&asked),
        Command::Keepalived(asked) => keepalived::run(&asked),
        Command::Why(asked) => why::run(&asked),
        Command::Top(asked) => top::run(&asked),
        Command::Report(asked) => report::run(&asked),
        Command::Maintenance(asked) => maintenance::run(&asked),
        Command::Canary(asked) => canary::run(&asked),
        Command::Recovery(asked) => recovery::run(&asked),
        Command::State(state) => state::run(&state),
        Command::Slo(asked) => slo::run(&asked),
        Command::Detect(asked) => detect::run(&asked),
        Command::Schema => schema::run(),
        Command::Completions(asked) => completions::run(&asked),
        Command::Man(asked) => man::run(&asked),
        Command::HookRunner => hook_runner::run(),
    }
}

/// Writes to standard output. It is no failure when the reader has closed it (`| head`).
fn print(text: &str) -> ExitCode {
    let mut out = std::io::stdout();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => fail(&error.to_string()),
        _ => ExitCode::SUCCESS,
    }
}

/// Shows on standard error what is wrong with a configuration.
fn bad_configuration(mistakes: &Diagnostics) -> ExitCode {
    show(mistakes);
    ExitCode::from(BAD_CONFIGURATION)
}

fn show(found: &Diagnostics) {
    show_most(found, MOST_SHOWN);
}

/// Shows so many of them on standard error, and how many more there are.
fn show_most(found: &Diagnostics, most: usize) {
    let (mut text, left_out) = found.render_most(stderr().is_terminal(), most);
    if left_out > 0 {
        text += &format!("{left_out} more are not shown: `evenkeel check --all` tells all\n");
    }
    let _ = stderr().write_all(text.as_bytes());
}

/// Says on standard error what went wrong; the exit code of a failure.
fn fail(why: &str) -> ExitCode {
    note(why);
    ExitCode::from(FAILURE)
}

/// Says something on standard error.
fn note(text: &str) {
    let _ = writeln!(stderr(), "evenkeel: {text}");
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_commands_are_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn the_file_is_proxy_toml_unless_it_is_named() {
        let path = |arguments: &[&str]| match Arguments::try_parse_from(arguments).map(|parsed| parsed.command) {
            Ok(Command::Run(file)) => Some(file.path),
            Ok(Command::Check(asked)) => Some(asked.file.path),
            _ => None,
        };
        assert_eq!(path(&["evenkeel", "run"]), Some(PathBuf::from("proxy.toml")));
        assert_eq!(path(&["evenkeel", "check", "-c", "a.toml"]), Some(PathBuf::from("a.toml")));
        assert_eq!(path(&["evenkeel", "nonsense"]), None);
    }
}
