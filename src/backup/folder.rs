//! Copies in a folder: of another disk, or one that is mounted from another machine.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::copies::Copy;

/// The end of the name of a file that is not whole.
const PARTIAL: &str = "partial";

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
    let partial = Scratch(path.with_extension(PARTIAL));
    let mut file = File::create(&partial.0)?;
    io::copy(&mut File::open(from)?, &mut file)?;
    file.sync_all()?;
    fs::rename(&partial.0, &path)?;
    File::open(parent)?.sync_all()
}
