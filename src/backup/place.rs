//! Where copies lie: a folder or a bucket.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::bucket::Bucket;
use super::copies::Copy;
use super::folder;
use crate::config::model::BackupPlace;

/// A place for copies, ready to be used.
pub(super) enum Place {
    Folder(PathBuf),
    Bucket(Box<Bucket>),
}

impl Place {
    /// The place of this description; for a bucket the environment says the rest.
    pub fn open(place: &BackupPlace) -> Result<Self, String> {
        match place {
            BackupPlace::Folder(path) => Ok(Self::Folder(path.clone())),
            BackupPlace::Bucket { name, prefix } => {
                let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
                Bucket::open(name, prefix, &variable).map(|bucket| Self::Bucket(Box::new(bucket)))
            }
        }
    }

    /// The copies there; of one instance only, where that is said.
    pub async fn list(&self, instance: Option<&str>) -> Result<Vec<Copy>, String> {
        let mut copies = match self {
            Self::Folder(path) => folder::list(path).map_err(|error| in_words(path, &error))?,
            Self::Bucket(bucket) => bucket.list(instance).await?,
        };
        copies.retain(|copy| instance.is_none_or(|name| copy.instance == name));
        Ok(copies)
    }

    /// Writes a file as this copy.
    pub async fn put(&self, copy: &Copy, from: &Path) -> Result<(), String> {
        match self {
            Self::Folder(path) => folder::put(path, &copy.key(), from).map_err(|error| in_words(path, &error)),
            Self::Bucket(bucket) => bucket.put(copy, from).await,
        }
    }

    /// Reads a copy.
    pub async fn get(&self, copy: &Copy, to: &mut dyn Write) -> Result<(), String> {
        match self {
            Self::Folder(path) => {
                let read = File::open(path.join(copy.key())).and_then(|mut file| io::copy(&mut file, to));
                read.map(drop).map_err(|error| in_words(path, &error))
            }
            Self::Bucket(bucket) => bucket.get(copy, to).await,
        }
    }

    /// Deletes a copy.
    pub async fn remove(&self, copy: &Copy) -> Result<(), String> {
        match self {
            Self::Folder(path) => std::fs::remove_file(path.join(copy.key())).map_err(|error| in_words(path, &error)),
            Self::Bucket(bucket) => bucket.remove(copy).await,
        }
    }
}

fn in_words(path: &Path, error: &io::Error) -> String {
    format!("{}: {error}", path.display())
}
