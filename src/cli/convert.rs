//! `evenkeel convert`: another proxy's configuration as a `proxy.toml`.

mod files;
mod own_check;

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _, stderr};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::{FAILURE, fail, note, print};
use crate::convert::output::Output;
use crate::convert::{self, Format, Original};
use own_check::Checked;

#[derive(Debug, Args)]
pub(super) struct Convert {
    /// Whose configuration it is; by default its name and what is in it say so
    #[arg(long, value_enum)]
    from: Option<From>,
    /// The configuration; files that it includes are read too
    file: PathBuf,
    /// Where the result goes; by default to standard output
    #[arg(short, long, value_name = "OUT")]
    out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum From {
    /// nginx.conf
    Nginx,
    /// haproxy.cfg
    Haproxy,
    /// traefik.yml or .toml, with the files of its file provider; or such a file alone
    Traefik,
    /// Caddyfile
    Caddy,
}

/// What could not be carried over is listed on standard error; the exit code is 1 when the result would be less safe than the original, or can't
/// be used as it is.
pub(super) fn run(asked: &Convert) -> ExitCode {
    let text = match files::read(&asked.file) {
        Ok(text) => text,
        Err(why) => return fail(&format!("{}: {why}", asked.file.display())),
    };
    let name = asked.file.to_string_lossy();
    let format = match asked.from {
        Some(From::Nginx) => Some(Format::Nginx),
        Some(From::Haproxy) => Some(Format::Haproxy),
        Some(From::Traefik) => Some(Format::Traefik),
        Some(From::Caddy) => Some(Format::Caddy),
        None if convert::is_ours(&text) => {
            return fail(&format!(
                "{name}: this is a configuration of Evenkeel already: `evenkeel check -c {name}` says whether it is right"
            ));
        }
        None => convert::guess(&name, &text),
    };
    let Some(format) = format else {
        return fail(&format!("{name}: it can't be told whose configuration this is; say it by --from"));
    };
    let folder = asked.file.parent().unwrap_or(Path::new("")).to_path_buf();
    let others = |pattern: &str| files::named(&folder, pattern);
    let shown = asked.file.file_name().map_or_else(|| name.to_string(), |name| name.to_string_lossy().into_owned());
    let out = convert::convert(format, &Original { file: &shown, text: &text, files: &others });
    let text = out.render();
    let written = match write(asked.out.as_deref(), &out, &text) {
        Ok(written) => written,
        Err(why) => return fail(&why),
    };
    // paths in it are relative to where it stands
    let checked = match &asked.out {
        Some(to) => Checked::of(&text, to, &to.to_string_lossy()),
        None => Checked::of(&text, &folder.join("proxy.toml"), "the result"),
    };
    let _ = stderr().write_all((out.findings.list() + &checked.told()).as_bytes());
    if out.findings.any_error() || !checked.defects.is_empty() { ExitCode::from(FAILURE) } else { written }
}

/// Puts the result where it is wanted, with the files that belong beside it.
fn write(to: Option<&Path>, out: &Output, text: &str) -> Result<ExitCode, String> {
    let Some(to) = to else {
        for (name, _) in &out.files {
            note(&format!("the file `{name}` belongs beside the result: it is written with --out"));
        }
        return Ok(print(text));
    };
    let folder = to.parent().unwrap_or(Path::new(""));
    // hashes of passwords are for their reader only
    for (name, content) in &out.files {
        put(&folder.join(name), content, 0o600)?;
    }
    put(to, text, 0o644)?;
    Ok(ExitCode::SUCCESS)
}

/// Makes a file; one that is there is not written over, and half a one does not stay.
fn put(path: &Path, text: &str, mode: u32) -> Result<(), String> {
    let opened = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    let mut file = opened.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => {
            format!("{}: it is there already, and is not written over: take it away first", path.display())
        }
        _ => format!("{}: {error}", path.display()),
    })?;
    file.write_all(text.as_bytes()).map_err(|error| {
        let _ = std::fs::remove_file(path);
        format!("{}: {error}", path.display())
    })
}
