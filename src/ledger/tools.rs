//! What the command line does with a ledger, whether a process writes it or not. Everything here may take seconds.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use super::batch::{ENDED, RESTORED};
use super::check;
pub use super::check::{About, Finding};
use super::file::{self, Obstacle};
use super::level::Level;
use super::reader::Reader;
use super::seal::{self, Head};
use super::touched::with_end;
use super::{meta, owner, spans};
use crate::clock::Stamp;

/// Looks for damage, levels that don't add up, and changes of what was sealed; empty = the ledger is sound. An error says why it can't be read
/// at all.
pub fn check(file: &Path) -> Result<Vec<Finding>, String> {
    let reader = Reader::open_any(file)?;
    check::check(reader.connection()).map_err(|error| format!("{} can't be read: {error}", file.display()))
}

/// Copies the ledger of a folder to a file, as it is at this moment, also while a process writes it. The copy is checked before it gets its
/// name. Nothing is overwritten.
pub fn backup(folder: &Path, to: &Path) -> Result<(), String> {
    let wrong = |error: &dyn std::fmt::Display| format!("no backup was made to {}: {error}", to.display());
    if fs::exists(to).map_err(|error| wrong(&error))? {
        return Err(wrong(&"it exists already"));
    }
    let reader = Reader::open(folder)?;
    if reader.is_partial() {
        return Err(wrong(&"the newest entries can't be read, because nothing can be written beside the ledger"));
    }
    let partial = with_end(to, ".partial");
    let made = copy(reader.connection(), &partial).and_then(|()| {
        // another program may have made a file of that name meanwhile
        file::give_name(&partial, to).map_err(|error| error.to_string())
    });
    if made.is_err() {
        let _ = fs::remove_file(&partial);
    }
    made.map_err(|error| wrong(&error))
}

/// Puts a backup in the place of the ledger of a folder; that which is there is set aside, and where is returned. The backup is checked first.
/// One that an older version has made is taken to the present version. What is put in place says that it is a copy, and where the history is that
/// came after it, so that the time since then is not taken for that of a crash. While a process has the ledger open this is refused.
pub fn restore(from: &Path, folder: &Path) -> Result<Option<PathBuf>, String> {
    let wrong = |error: &dyn std::fmt::Display| format!("nothing was restored: {error}");
    let reader = Reader::open_any(from)?;
    let found = check::check(reader.connection()).map_err(|error| wrong(&error))?;
    if let Some(finding) = found.first() {
        return Err(wrong(&format!("{} is not sound: {}", from.display(), finding.text)));
    }
    fs::create_dir_all(folder).map_err(|error| wrong(&error))?;
    let lock = file::lock(folder).map_err(|error| wrong(&error))?;
    if lock.try_lock().is_err() {
        return Err(wrong(&format!("a process has the ledger in {} open; stop it first", folder.display())));
    }
    let new = folder.join("ledger.restored.sqlite");
    copy(reader.connection(), &new).map_err(|error| wrong(&error))?;
    if let Err(error) = owner::give(&new, &folder.join(file::NAME)) {
        let _ = fs::remove_file(&new);
        return Err(wrong(&error));
    }
    let aside = file::set_aside(folder, "replaced").map_err(|error| wrong(&error))?;
    let put = || {
        mark_restored(&new, aside.as_deref()).map_err(Obstacle::from)?;
        file::put_in_place(&new, folder)
    };
    put().map_err(|why| match &aside {
        Some(aside) => wrong(&format!("{why}; the ledger that was there is {} now", aside.display())),
        None => wrong(&why),
    })?;
    Ok(aside)
}

/// Has a copy say that it is one, and where the history is that came after it.
fn mark_restored(copy: &Path, after: Option<&Path>) -> rusqlite::Result<()> {
    let file = after.and_then(Path::file_name).map(|name| name.to_string_lossy());
    let word = file.map_or_else(|| RESTORED.to_owned(), |file| format!("{RESTORED} {file}"));
    let connection = Connection::open(copy)?;
    connection.pragma_update(None, "synchronous", "full")?;
    let (room, key) = ENDED;
    let sql = "INSERT OR REPLACE INTO kept (room, key, value, at) VALUES (?1, ?2, ?3, ?4)";
    connection.execute(sql, params![room, key, word, Stamp::now().as_millis()])?;
    Ok(())
}

/// Up to when a ledger accounts for time; `None` = for none.
pub fn until(file: &Path) -> Result<Option<Stamp>, String> {
    Reader::open_any(file)?.until()
}

/// What was deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pruned {
    /// How many rows.
    pub rows: usize,
}

/// Deletes the history before the day that `before` lies in, also while a process writes. The chain of seals keeps the hash where it was cut, and
/// a seal of its own says so. Before when history was deleted never goes back: it is what reports tell of, and what missing rows are measured by.
pub fn prune(folder: &Path, before: Stamp) -> Result<Pruned, String> {
    let in_words = |obstacle: Obstacle| format!("nothing was deleted: {obstacle}");
    if !fs::exists(folder.join(file::NAME)).unwrap_or(false) {
        return Err(format!("there is no ledger in {}", folder.display()));
    }
    let mut open = file::open(folder, true).map_err(in_words)?;
    let rows = delete(&mut open.connection, Level::Day.floor(before)).map_err(|error| in_words(error.into()))?;
    file::shrink(&open.connection, 0).map_err(|error| in_words(error.into()))?;
    Ok(Pruned { rows })
}

/// Copies what a connection reads into a new file, checks the copy, and has it on the disk.
fn copy(from: &Connection, to: &Path) -> Result<(), String> {
    let _ = fs::remove_file(to);
    let text = |error: rusqlite::Error| error.to_string();
    let mut copy = Connection::open(to).map_err(text)?;
    // all in one step: the reader's transaction holds one state, so that a process which writes meanwhile can't make it begin again
    let step = Backup::new(from, &mut copy).and_then(|backup| backup.step(-1)).map_err(text)?;
    if step != StepResult::Done {
        return Err("another program holds the copy".to_owned());
    }
    // one file, without a log beside it
    copy.pragma_update(None, "journal_mode", "delete").map_err(text)?;
    if let Some(finding) = check::check(&copy).map_err(text)?.first() {
        return Err(format!("the copy is not sound: {}", finding.text));
    }
    drop(copy);
    fs::File::open(to).and_then(|file| file.sync_all()).map_err(|error| error.to_string())
}

fn delete(connection: &mut Connection, before: Stamp) -> rusqlite::Result<usize> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut rows = spans::prune(&transaction, before)?;
    for sql in [
        "DELETE FROM note WHERE at < ?1",
        "DELETE FROM incident WHERE ended < ?1",
        "DELETE FROM recovery WHERE end < ?1",
        "DELETE FROM event WHERE time < ?1",
        "DELETE FROM gap WHERE end < ?1",
        "DELETE FROM clock_jump WHERE at < ?1",
        "DELETE FROM maintenance WHERE end < ?1",
        "DELETE FROM unsealed_day WHERE start < ?1",
    ] {
        rows += transaction.execute(sql, [before.as_millis()])?;
    }
    let is_more = meta::raise(&transaction, meta::PRUNED, before)?;
    let last = last_before(&transaction, before)?;
    if let Some(last) = &last {
        rows += seal::cut(&transaction, last)?;
    }
    if is_more || last.is_some() {
        let Head { seq, hash } = seal::start(&transaction)?;
        let content = format!("{{\"before\":{},\"seal\":{seq},\"hash\":\"{hash}\"}}", before.as_millis());
        seal::append(&transaction, "pruned", &before.as_millis().to_string(), &content)?;
    }
    transaction.commit()?;
    Ok(rows)
}

/// The last of the seals at the begin of the chain that are only about what lies before `before`.
fn last_before(transaction: &Transaction<'_>, before: Stamp) -> rusqlite::Result<Option<Head>> {
    let mut statement = transaction.prepare("SELECT seq, kind, key, content, hash FROM seal ORDER BY seq")?;
    let mut rows = statement.query([])?;
    let mut last = None;
    while let Some(row) = rows.next()? {
        let (kind, key, content): (String, String, String) = (row.get(1)?, row.get(2)?, row.get(3)?);
        let time = match kind.as_str() {
            "day" | "pruned" => key.parse().ok().map(Stamp::from_millis),
            _ => seal::time(&content),
        };
        if time.is_none_or(|time| time >= before) {
            break;
        }
        last = Some(Head { seq: row.get(0)?, hash: row.get(4)? });
    }
    Ok(last)
}
