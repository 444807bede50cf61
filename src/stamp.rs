//! What tells one version of a file from another, and where changes to it are seen.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use notify::EventKind;
use notify::event::{AccessKind, AccessMode};

/// What tells one version of a file from another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// Where it is once links are followed.
    at: PathBuf,
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// Files and folders, each with its stamp as of the last look.
pub type Seen = Vec<(PathBuf, Option<Stamp>)>;

impl Stamp {
    /// `None` when there is no such file.
    pub fn of(path: &Path) -> Option<Self> {
        let at = path.canonicalize().ok()?;
        let metadata: Metadata = at.metadata().ok()?;
        Some(Self {
            at,
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }
}

/// Whether a watch tells only of somebody who reads.
pub fn is_only_reading(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => false,
        EventKind::Access(_) => true,
        _ => false,
    }
}

/// The folder that the path names, and the one that the file is in once links are followed.
pub fn folders(path: &Path) -> Vec<PathBuf> {
    let parent = |path: &Path| match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => PathBuf::from("."),
        Some(parent) => parent.to_owned(),
        None => path.to_owned(),
    };
    let mut folders = vec![parent(path)];
    if let Ok(real) = path.canonicalize() {
        let real = parent(&real);
        if folders[0].canonicalize().ok().as_ref() != Some(&real) {
            folders.push(real);
        }
    }
    folders
}
