//! `evenkeel fmt`

use std::fs::{File, Metadata, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::{BAD_CONFIGURATION, FAILURE, fail, note, print, show};
use crate::config::{self, Diagnostics};

#[derive(Debug, Args)]
pub(super) struct Fmt {
    /// The files; proxy.toml when none is named
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Change nothing; name the files that would be laid out anew, and exit with 1 when there are any
    #[arg(long)]
    check: bool,
    /// Read standard input, and write to standard output
    #[arg(long, conflicts_with = "files")]
    stdin: bool,
}

/// What came of one file.
enum Outcome {
    /// Nothing had to be changed.
    Same,
    Changed,
}

/// Why a file stays as it is.
enum Left {
    /// It is not TOML.
    Mistakes(Diagnostics),
    /// It can't be read or written.
    Failure(String),
}

pub(super) fn run(asked: &Fmt) -> ExitCode {
    if asked.stdin {
        return standard_input(asked.check);
    }
    let usual = [PathBuf::from("proxy.toml")];
    let files = if asked.files.is_empty() { &usual[..] } else { &asked.files };
    let mut worst = 0;
    for file in files {
        let code = match lay_out(file, asked.check) {
            Ok(Outcome::Same) => 0,
            Ok(Outcome::Changed) => {
                let done = if asked.check { "would be laid out anew" } else { "laid out" };
                print(&format!("{}: {done}\n", file.display()));
                u8::from(asked.check) * FAILURE
            }
            Err(left) => tell(left),
        };
        worst = worst.max(code);
    }
    ExitCode::from(worst)
}

/// Says why a file was left as it is; the exit code.
fn tell(left: Left) -> u8 {
    match left {
        Left::Mistakes(mistakes) => {
            show(&mistakes);
            BAD_CONFIGURATION
        }
        Left::Failure(why) => {
            note(&why);
            FAILURE
        }
    }
}

fn standard_input(check: bool) -> ExitCode {
    let mut text = String::new();
    if let Err(error) = io::stdin().read_to_string(&mut text) {
        return fail(&format!("standard input can't be read: {error}"));
    }
    match config::format(&text, Path::new("standard input")) {
        Ok(laid_out) if check => ExitCode::from(if laid_out == text { 0 } else { FAILURE }),
        Ok(laid_out) => print(&laid_out),
        Err(mistakes) => ExitCode::from(tell(Left::Mistakes(mistakes))),
    }
}

fn lay_out(file: &Path, check: bool) -> Result<Outcome, Left> {
    let failure = |what: &str, error: io::Error| Left::Failure(format!("{} {what}: {error}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| failure("can't be read", error))?;
    let laid_out = config::format(&text, file).map_err(Left::Mistakes)?;
    if laid_out == text {
        return Ok(Outcome::Same);
    }
    if !check {
        replace(file, &laid_out).map_err(|error| failure("can't be written", error))?;
    }
    Ok(Outcome::Changed)
}

/// Writes the text of a file, whole or not at all. The file keeps its owner and its permissions; what a symbolic link leads to is replaced, and the link stays.
fn replace(file: &Path, text: &str) -> io::Result<()> {
    let file = file.canonicalize()?;
    let old = file.metadata()?;
    if !old.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let draft = file.with_file_name(format!(".{name}.{}", std::process::id()));
    let written = write(&draft, &old, text).and_then(|()| std::fs::rename(&draft, &file));
    if written.is_err() {
        let _ = std::fs::remove_file(&draft);
    }
    written?;
    // the rename lasts once the folder is on the disk (fsync(2), notes)
    file.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

/// Writes a draft with the owner and the permissions of the old file.
fn write(draft: &Path, old: &Metadata, text: &str) -> io::Result<()> {
    let mut new = OpenOptions::new().write(true).create_new(true).mode(0o600).open(draft)?;
    let own = new.metadata()?;
    if (own.uid(), own.gid()) != (old.uid(), old.gid()) {
        fchown(&new, Some(old.uid()), Some(old.gid()))
            .map_err(|error| io::Error::new(error.kind(), format!("its owner can't be kept: {error}")))?;
    }
    new.write_all(text.as_bytes())?;
    new.set_permissions(Permissions::from_mode(old.mode() & 0o7777))?;
    new.sync_all()
}
