//! `evenkeel diff`: what a reload would change.

mod compare;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use self::compare::{Difference, differences};
use super::ask::AdminOptions;
use super::{BAD_CONFIGURATION, bad_configuration, note, print, show};
use crate::config;

/// The exit code when both are the same but for what is listed, as diff(1) has it.
const DIFFERENT: u8 = 1;

/// The exit code when they can't be compared, as diff(1) has it.
const TROUBLE: u8 = BAD_CONFIGURATION;

/// Longer values are cut in what people read.
const LONGEST: usize = 100;

#[derive(Debug, Args)]
pub(super) struct Diff {
    /// The file that would be read [default: that of --config]
    file: Option<PathBuf>,
    /// Print the differences as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    admin: AdminOptions,
}

pub(super) fn run(Diff { file, json, admin }: &Diff) -> ExitCode {
    let path = file.as_deref().unwrap_or(admin.config());
    let loaded = match config::load(path) {
        Ok(loaded) => loaded,
        Err(mistakes) => return bad_configuration(&mistakes),
    };
    show(&loaded.warnings);
    let admin = admin.or_config(path);
    let get = |path| admin.ask("GET", path).map(|answer| answer.success());
    let (running, status) = match (get("/api/v1/config"), get("/api/v1/status")) {
        (Ok(Ok(running)), Ok(Ok(status))) if running["server"].is_object() => (running, status),
        (Ok(Ok(_)), Ok(Ok(_))) => return trouble("what answers there is not Evenkeel's admin address"),
        (Ok(Err(_)), _) | (_, Ok(Err(_))) => return ExitCode::from(TROUBLE),
        (Err(why), _) | (_, Err(why)) => return trouble(&why),
    };
    let found = differences(&running, &loaded.effective.to_json(), loaded.effective.of_process());
    let is_same_text = status["config_hash"] == loaded.effective.hash();
    let printed = print(&if *json { to_json(path, &found, is_same_text) } else { text(path, &found, is_same_text) });
    match found.is_empty() && is_same_text {
        true => printed,
        false => ExitCode::from(DIFFERENT),
    }
}

fn trouble(why: &str) -> ExitCode {
    note(why);
    ExitCode::from(TROUBLE)
}

/// The differences for people: a line for each, and one that counts them. Secrets are not shown, so that the files' texts may differ where nothing else does.
fn text(path: &Path, found: &[Difference], is_same_text: bool) -> String {
    let path = path.display();
    if found.is_empty() && !is_same_text {
        return format!(
            "what runs is what {path} says, as far as that is shown, but its text has changed: a secret, a comment or the layout. A reload takes it in\n"
        );
    }
    if found.is_empty() {
        return format!("what runs is what {path} says\n");
    }
    let mut out = String::new();
    for difference in found {
        let (sign, values) = match (&difference.running, &difference.file) {
            (None, Some(new)) => ('+', value(new)),
            (Some(old), None) => ('-', value(old)),
            (old, new) => {
                let [old, new] = [old, new].map(|side| side.as_ref().and_then(value).unwrap_or_default());
                ('~', Some(format!("{old} -> {new}")))
            }
        };
        let values = values.map(|values| format!(" = {values}")).unwrap_or_default();
        let restart = if difference.needs_restart { "  (with the next start)" } else { "" };
        // writing to a String can't fail
        let _ = writeln!(out, "{sign} {}{values}{restart}", difference.key);
    }
    let restarts = found.iter().filter(|difference| difference.needs_restart).count();
    let counted = |count: usize| format!("{count} difference{}", if count == 1 { "" } else { "s" });
    let total = counted(found.len());
    let _ = match restarts {
        0 => writeln!(out, "{total} between what runs and {path}: a reload makes it so"),
        all if all == found.len() => writeln!(out, "{total} between what runs and {path}: it takes a restart"),
        some => writeln!(
            out,
            "{total} between what runs and {path}: a reload makes it so, but for {some} that take a restart"
        ),
    };
    out
}

/// A value for people; of a table or a list of them, only its name is told.
fn value(value: &Value) -> Option<String> {
    let is_table = |value: &Value| value.is_object();
    if is_table(value) || value.as_array().is_some_and(|items| items.iter().any(is_table)) {
        return None;
    }
    let text = value.to_string();
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => Some(format!("{}...", &text[..end])),
        None => Some(text),
    }
}

fn to_json(path: &Path, found: &[Difference], is_same_text: bool) -> String {
    let differences = found.iter().map(|difference| {
        let change = match (&difference.running, &difference.file) {
            (None, _) => "added",
            (_, None) => "removed",
            _ => "changed",
        };
        json!({
            "key": difference.key,
            "change": change,
            "running": difference.running,
            "file": difference.file,
            "needs_restart": difference.needs_restart,
        })
    });
    let differences: Vec<_> = differences.collect();
    format!(
        "{:#}\n",
        json!({ "file": path.display().to_string(), "same_text": is_same_text, "differences": differences })
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_told_line_by_line_and_counted() {
        let old = json!({ "server": { "workers": 2, "environment": { "A": "***" } }, "log": { "level": "info" }, "service": { "a": {} } });
        let new = json!({ "server": { "workers": 4, "environment": {} }, "log": { "level": "info", "x": "y".repeat(200) }, "service": { "b": {} } });
        let found = differences(&old, &new, &[]);
        let long = format!("\"{}...", "y".repeat(99));
        assert_eq!(
            text(Path::new("p.toml"), &found, false),
            format!(
                "+ log.x = {long}\n- server.environment.A = \"***\"\n~ server.workers = 2 -> 4  (with the next start)\n- service.a\n+ service.b\n\
                 5 differences between what runs and p.toml: a reload makes it so, but for 1 that take a restart\n"
            )
        );
        let json: Value = serde_json::from_str(&to_json(Path::new("p.toml"), &found, false)).unwrap();
        let workers =
            json!({ "key": "server.workers", "change": "changed", "running": 2, "file": 4, "needs_restart": true });
        assert_eq!((&json["differences"][2], &json["differences"][4]["change"]), (&workers, &"added".into()));
        assert_eq!(text(Path::new("p.toml"), &[], true), "what runs is what p.toml says\n");
    }
}
