//! Which process keeps the ledger of a folder: one alone, but for an upgrade, in which the process that takes over writes beside the one that it
//! replaces. It holds a lock, which the kernel takes back when the process ends in whatever way.

use std::fs::{File, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::Path;
use std::sync::LazyLock;
use std::time::Instant;

use super::file::lock_file;

/// The file that the lock is on. It names the process that holds it.
const NAME: &str = "ledger.keeper";

/// Tells this process from all others, those of the same number in other containers included.
static OURSELVES: LazyLock<u64> = LazyLock::new(|| fastrand::u64(1..));

/// What this process knows of it.
#[derive(Debug, Default)]
pub enum Claim {
    /// It has not asked, or has no place to hold a lock in.
    #[default]
    None,
    /// It keeps the ledger, for as long as this is open.
    Ours { _lock: File },
    /// The process that it replaces keeps it so far.
    Beside,
    /// A process that has nothing to do with this one has kept it since this one asked first.
    Elsewhere(Instant),
    /// It has given it away.
    Released,
}

/// The answer to whoever wants to keep it.
#[derive(Debug)]
pub enum Answer {
    /// It is ours, for as long as this is open.
    Ours(File),
    /// Ourselves keep it, by another handle, or the process that started this one as its successor.
    Beside,
    /// This process keeps it.
    Elsewhere(String),
}

/// Wants to keep the ledger of a folder.
pub fn ask(folder: &Path) -> io::Result<Answer> {
    let mut file = lock_file(folder, NAME)?;
    match file.try_lock() {
        Ok(()) => {
            file.set_len(0)?;
            writeln!(file, "{} {:016x} {}", std::process::id(), *OURSELVES, namespace())?;
            Ok(Answer::Ours(file))
        }
        Err(TryLockError::Error(error)) => Err(error),
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            file.rewind()?;
            // whoever has written more than that is no process of ours
            file.take(200).read_to_string(&mut text)?;
            Ok(holder(&text, std::os::unix::process::parent_id()))
        }
    }
}

/// Who holds the lock, by what the file says, where `parent` has started this process.
fn holder(text: &str, parent: u32) -> Answer {
    let mut words = text.split_whitespace();
    let (id, run, home) = (words.next(), words.next(), words.next().unwrap_or_default());
    let is_ourselves = run == Some(&format!("{:016x}", *OURSELVES));
    let is_parent = id == Some(&parent.to_string()) && home == namespace();
    match id {
        Some(_) if is_ourselves || is_parent => Answer::Beside,
        Some(id) if home == namespace() => Answer::Elsewhere(format!("the process {id}")),
        _ => Answer::Elsewhere("a process elsewhere, such as in another container".to_owned()),
    }
}

/// The space in which numbers of processes mean the same.
fn namespace() -> String {
    std::fs::read_link("/proc/self/ns/pid").map(|link| link.display().to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_that_is_replaced_is_told_from_others() {
        let here = namespace();
        let answer = |text: &str| match holder(text, 77) {
            Answer::Beside => "beside".to_owned(),
            Answer::Elsewhere(by) => by,
            Answer::Ours(_) => "ours".to_owned(),
        };
        assert_eq!(answer(&format!("77 0000000000000001 {here}\n")), "beside", "it has started this one");
        assert_eq!(answer(&format!("5 {:016x} {here}", *OURSELVES)), "beside", "another handle of this process");
        assert_eq!(answer(&format!("78 0000000000000001 {here}")), "the process 78");
        let elsewhere = "a process elsewhere, such as in another container";
        for text in ["77 0000000000000001 pid:[1]", "", "\n"] {
            assert_eq!(answer(text), elsewhere, "{text:?}");
        }
    }
}
