//! The file with operators' commands: JSON that people can read. It is replaced as a whole.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::pages::{PageWord, Scope};
use super::{Command, KEY, Name, Note, ROOM, Said};
use crate::clock::{parse_rfc3339, rfc3339};
use crate::ledger;

/// Its name in `state_dir`.
pub(super) const NAME: &str = "operators.json";
/// The version of the file's format.
const VERSION: u32 = 1;

#[derive(Debug, Serialize, Deserialize)]
struct File {
    version: u32,
    said: Vec<SavedCommand>,
    /// Pages of maintenance; an older version has none, and passes over them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pages: Vec<SavedPage>,
}

/// What the file has.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// The commands for backends.
    pub(super) said: Vec<(Name, Said)>,
    /// Whose clients are shown a page.
    pub(super) pages: Vec<(Scope, PageWord)>,
}

/// A page that is shown, as it stands in the file: for a listener or a service.
#[derive(Debug, Serialize, Deserialize)]
struct SavedPage {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    listener: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    service: Option<String>,
    since: String,
    who: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<String>,
}

/// One command, as it stands in the file.
#[derive(Debug, Serialize, Deserialize)]
struct SavedCommand {
    service: String,
    backend: String,
    command: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    weight: Option<u32>,
    who: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<String>,
}

/// Reads the file; where there is none, there are no commands. A file that can't be understood is renamed, so that it is not lost.
///
/// # Errors
///
/// Why it can't be read or understood, and whether a new file may be written in its place.
pub(super) fn read(path: &Path) -> Result<Kept, (String, bool)> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Kept::default());
        }
        Err(error) => return Err((error.to_string(), false)),
    };
    let understood =
        serde_json::from_slice(&text).map_err(|error| error.to_string()).and_then(|file: File| match file.version {
            VERSION => understand(file),
            other => Err(format!("it is of version {other}, and this is an Evenkeel that knows {VERSION}")),
        });
    understood.map_err(|why| {
        let aside = path.with_extension("json.damaged");
        match std::fs::rename(path, &aside) {
            Ok(()) => (format!("{why}; it was set aside as {}", aside.display()), true),
            Err(error) => (format!("{why}; it can't be set aside: {error}"), false),
        }
    })
}

/// The text of the file.
pub(super) fn text(kept: &Kept) -> io::Result<String> {
    let said = kept.said.iter().flat_map(|(name, said)| to_saved(name, said)).collect();
    let file = File { version: VERSION, said, pages: kept.pages.iter().map(page_to_saved).collect() };
    Ok(serde_json::to_string_pretty(&file)? + "\n")
}

/// Writes the text of the file, whole or not at all, and waits until the disk has it.
pub(crate) fn write(path: &Path, text: &str) -> io::Result<()> {
    path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
    // with the process's id in its name: another process, which is about to take over, writes a draft of its own
    let draft = path.with_extension(format!("json.{}", std::process::id()));
    let mut new = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    new.write_all(text.as_bytes())?;
    new.sync_all()?;
    std::fs::rename(&draft, path)?;
    // the rename lasts once the folder is on the disk (fsync(2), notes)
    path.parent().map_or(Ok(()), |folder| std::fs::File::open(folder)?.sync_all())
}

/// Where there is a ledger and no file, as after a restoration on another machine, the file is made of the copy in the ledger.
pub(super) fn restore(file: &Path) {
    let Some(folder) = file.parent().filter(|folder| !file.exists() && folder.join(ledger::FILE_NAME).exists()) else {
        return;
    };
    let kept = ledger::Reader::open(folder).and_then(|reader| reader.kept(ROOM));
    if let Ok(Some(text)) = kept.map(|mut kept| kept.remove(KEY))
        && let Err(error) = write(file, &text)
    {
        tracing::warn!(file = %file.display(), %error, "what operators have said can't be restored from the ledger");
    }
}

fn understand(file: File) -> Result<Kept, String> {
    let said = file.said.into_iter().map(from_saved).collect::<Result<Vec<_>, _>>()?;
    let pages = file.pages.into_iter().map(page_from_saved).collect::<Result<Vec<_>, _>>()?;
    Ok(Kept { said: together(said), pages })
}

fn page_to_saved((scope, word): &(Scope, PageWord)) -> SavedPage {
    let PageWord { since, note: Note { who, reason, until } } = word.clone();
    let name = |scope: &Scope| Some(scope.name().to_string());
    let (listener, service) = match scope {
        Scope::Listener(_) => (name(scope), None),
        Scope::Service(_) => (None, name(scope)),
    };
    SavedPage { listener, service, since: rfc3339(since), who, reason, until: until.map(rfc3339) }
}

fn page_from_saved(saved: SavedPage) -> Result<(Scope, PageWord), String> {
    let SavedPage { listener, service, since, who, reason, until } = saved;
    let scope = match (listener, service) {
        (Some(name), None) => Scope::Listener(name.into()),
        (None, Some(name)) => Scope::Service(name.into()),
        _ => return Err("a page is that of a listener or of a service".to_owned()),
    };
    let word =
        PageWord { since: time(&since)?, note: Note { who, reason, until: until.as_deref().map(time).transpose()? } };
    Ok((scope, word))
}

fn time(text: &str) -> Result<SystemTime, String> {
    parse_rfc3339(text).ok_or_else(|| format!("{text:?} is no time"))
}

fn to_saved(name: &Name, said: &Said) -> impl Iterator<Item = SavedCommand> {
    let saved = |command: &'static str, weight, note: &Note| SavedCommand {
        service: name.service.to_string(),
        backend: name.backend.to_string(),
        command: command.to_owned(),
        weight,
        who: note.who.clone(),
        reason: note.reason.clone(),
        until: note.until.map(rfc3339),
    };
    let wanted = said.wanted.as_ref().map(|(command, note)| saved(command.name(), None, note));
    let weight = said.weight.as_ref().map(|(weight, note)| saved("weight", Some(*weight), note));
    wanted.into_iter().chain(weight)
}

fn from_saved(saved: SavedCommand) -> Result<(Name, Said), String> {
    let SavedCommand { service, backend, command, weight, who, reason, until } = saved;
    let note = Note { who, reason, until: until.as_deref().map(time).transpose()? };
    let mut said = Said::default();
    match (Command::named(&command), &*command, weight) {
        (Some(command), ..) => said.wanted = Some((command, note)),
        (None, "weight", Some(weight)) => said.weight = Some((weight, note)),
        _ => return Err(format!("{command:?} is no command")),
    }
    Ok((Name { service: service.into(), backend: backend.into() }, said))
}

/// Puts the commands for one backend together.
fn together(entries: Vec<(Name, Said)>) -> Vec<(Name, Said)> {
    let mut all: Vec<(Name, Said)> = Vec::new();
    for (name, said) in entries {
        match all.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => {
                known.wanted = said.wanted.or(known.wanted.take());
                known.weight = said.weight.or(known.weight.take());
            }
            None => all.push((name, said)),
        }
    }
    all
}
