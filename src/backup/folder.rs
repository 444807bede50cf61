//! Copies in a folder: of another disk, or one that is mounted from another machine.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::copies::Copy;

/// The end of the name of a file that is not whole.
const PARTIAL: &str = "partial";

/// What is not whole and has not been written to for so long was left by a process that was killed.
const LEFT: Duration = Duration::from_secs(3600);

/// Removes a file when it is dropped.
#[derive(Debug)]
pub(super) struct Scratch(pub PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        // it is gone when it has got its name
        let _ = fs::remove_file(&self.0);
    }
}

/// The copies below a folder. One that is not there has none.
pub(super) fn list(folder: &Path) -> io::Result<Vec<Copy>> {
    let mut found = Vec::new();
    for (name, entry) in entries(folder)? {
        if entry.file_type()?.is_dir() {
            for (file, entry) in entries(&entry.path())? {
                found.extend(Copy::parse(&format!("{name}/{file}"), entry.metadata()?.len()));
            }
        } else {
            found.extend(Copy::parse(&name, entry.metadata()?.len()));
        }
    }
    Ok(found)
}

fn entries(folder: &Path) -> io::Result<Vec<(String, fs::DirEntry)>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    entries.map(|entry| entry.map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry))).collect()
}

/// Writes a copy. It gets its name when it is on the disk.
pub(super) fn put(folder: &Path, key: &str, from: &Path) -> io::Result<()> {
    let path = folder.join(key);
    let parent = path.parent().unwrap_or(folder);
    fs::create_dir_all(parent)?;
    sweep(parent, SystemTime::now());
    let partial = Scratch(path.with_extension(PARTIAL));
    let mut file = File::create(&partial.0)?;
    io::copy(&mut File::open(from)?, &mut file)?;
    file.sync_all()?;
    fs::rename(&partial.0, &path)?;
    File::open(parent)?.sync_all()
}

/// Removes what processes that were killed have left. Where that is not possible it stays.
fn sweep(folder: &Path, now: SystemTime) {
    for (name, entry) in entries(folder).unwrap_or_default() {
        let is_partial = name.starts_with("ledger-") && Path::new(&name).extension().is_some_and(|end| end == PARTIAL);
        let written = entry.metadata().and_then(|file| file.modified());
        let is_left = written.is_ok_and(|at| now.duration_since(at).is_ok_and(|age| age > LEFT));
        if is_partial && is_left {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_process_has_left_goes_and_what_is_being_written_stays() {
        let folder = std::env::temp_dir().join(format!("evenkeel-sweep-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let names = ["ledger-1.partial", "ledger-2.partial", "ledger-3.sqlite", "other.partial"];
        let files = names.map(|name| File::create(folder.join(name)).unwrap());
        let now = SystemTime::now();
        [0, 2, 3].into_iter().for_each(|old| files[old].set_modified(now - 2 * LEFT).unwrap());
        sweep(&folder, now);
        let mut left: Vec<String> = entries(&folder).unwrap().into_iter().map(|(name, _)| name).collect();
        left.sort();
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(left, names[1..]);
    }
}
