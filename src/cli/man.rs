//! `evenkeel man`

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Command, CommandFactory as _};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use super::{Arguments, fail, print};
use crate::config;

/// When what the pages say was last changed: a manual page has a date, and the same source has to make the same page.
const DATE: &str = "2026-11-28";

#[derive(Debug, Args)]
pub(super) struct Pages {
    /// Write a page for each command, and proxy.toml(5), into this folder; without it, evenkeel(1) goes to standard output
    #[arg(value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

pub(super) fn run(asked: &Pages) -> ExitCode {
    let command = whole();
    let Some(folder) = &asked.folder else {
        return match page(&command) {
            Ok((_, text)) => print(&text),
            Err(error) => fail(&error.to_string()),
        };
    };
    match write_all(&command, folder) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&format!("{} can't be written to: {error}", folder.display())),
    }
}

/// The command line with all names filled in.
fn whole() -> Command {
    let mut command = Arguments::command().disable_help_subcommand(true);
    command.build();
    command
}

fn write_all(command: &Command, folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    pages_below(command, folder)?;
    std::fs::write(folder.join("proxy.toml.5"), configuration()?)
}

/// The pages of a command and of those below it.
fn pages_below(command: &Command, folder: &Path) -> io::Result<()> {
    let (name, text) = page(command)?;
    std::fs::write(folder.join(name), text)?;
    command.get_subcommands().filter(|below| !below.is_hide_set()).try_for_each(|below| pages_below(below, folder))
}

/// The page of a command, and the name of its file.
fn page(command: &Command) -> io::Result<(String, String)> {
    let man = Man::new(command.clone().disable_help_subcommand(true)).source(version()).date(DATE).manual("Evenkeel");
    let mut text = Vec::new();
    man.render(&mut text)?;
    let mut more = Roff::new();
    more.control("SH", ["EXIT STATUS"]);
    for (code, meaning) in [
        ("0", "It is done."),
        ("1", "It failed; standard error says why."),
        ("2", "The configuration or the arguments can't be used."),
    ] {
        more.control("TP", []).text([bold(code)]).text([roman(meaning)]);
    }
    more.control("SH", ["SEE ALSO"]);
    more.text([bold("evenkeel"), roman("(1), "), bold("proxy.toml"), roman("(5)")]);
    more.to_writer(&mut text)?;
    // an empty line between two breaks is a space, and says so
    let text = String::from_utf8_lossy(&text).replace("\n.br\n\n.br\n", "\n.sp\n");
    Ok((man.get_filename(), text))
}

/// proxy.toml(5): all keys, as `evenkeel check --explain` has them.
fn configuration() -> io::Result<Vec<u8>> {
    let mut roff = Roff::new();
    roff.control("TH", ["proxy.toml", "5", DATE, &version(), "Evenkeel"]);
    roff.control("SH", ["NAME"]).text([roman("proxy.toml - configuration of Evenkeel")]);
    roff.control("SH", ["DESCRIPTION"]);
    roff.text([
        roman("A file in TOML. "),
        bold("evenkeel check"),
        roman(" tells every mistake in it, "),
        bold("evenkeel check --explain"),
        roman(" KEY has an example of each key, and "),
        bold("evenkeel fmt"),
        roman(" lays it out. NAME stands for a name that the file chooses."),
    ]);
    for section in config::sections() {
        let title = if section.header.starts_with('[') { section.header.as_str() } else { "SECTIONS" };
        roff.control("SH", [title]).text([roman(section.description)]);
        for key in section.keys {
            roff.control("TP", []).text([bold(key.name)]);
            roff.text([roman(format!("{} ({})", key.description, key.kind))]);
        }
    }
    roff.control("SH", ["SEE ALSO"]).text([bold("evenkeel"), roman("(1)")]);
    let mut text = Vec::new();
    roff.to_writer(&mut text)?;
    Ok(text)
}

fn version() -> String {
    format!("evenkeel {}", env!("CARGO_PKG_VERSION"))
}
