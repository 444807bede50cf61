//! `evenkeel completions`

use std::process::ExitCode;

use clap::{Args, Command, CommandFactory as _, ValueEnum};
use clap_complete::Shell;

use super::{Arguments, print};

#[derive(Debug, Args)]
pub(super) struct Completions {
    /// The shell that is to complete
    #[arg(value_enum)]
    shell: Known,
}

/// The shells that are tested.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Known {
    Bash,
    Zsh,
    Fish,
}

pub(super) fn run(asked: &Completions) -> ExitCode {
    let shell = match asked.shell {
        Known::Bash => Shell::Bash,
        Known::Zsh => Shell::Zsh,
        Known::Fish => Shell::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut shown(), "evenkeel", &mut script);
    print(&String::from_utf8_lossy(&script))
}

/// The command without the subcommands that are hidden, which the scripts would offer.
fn shown() -> Command {
    let all = Arguments::command();
    let subcommands: Vec<Command> = all.get_subcommands().filter(|command| !command.is_hide_set()).cloned().collect();
    Command::new("evenkeel").version(env!("CARGO_PKG_VERSION")).subcommands(subcommands)
}
