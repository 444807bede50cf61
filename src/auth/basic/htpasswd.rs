//! Reads the file: `user:hash`, one a line.

use std::path::Path;
use std::sync::Arc;

use ahash::AHashMap;

use super::hash::StoredHash;
use crate::auth::{FileProblem, text};

/// The largest file that is read.
const LARGEST: u64 = 16 << 20;

/// Users with the hashes of their passwords; at least one.
#[derive(Debug)]
pub(super) struct Users {
    by_name: AHashMap<Box<str>, Arc<StoredHash>>,
    all: Vec<Arc<StoredHash>>,
}

impl Users {
    pub(super) fn read(file: &Path) -> Result<Self, FileProblem> {
        let text = text(file, LARGEST)?;
        Self::parse(&text).map_err(|(line, reason)| FileProblem { file: file.to_owned(), line, reason })
    }

    fn parse(text: &str) -> Result<Self, (Option<usize>, String)> {
        let (mut by_name, mut all) = (AHashMap::new(), Vec::new());
        for (index, line) in text.lines().enumerate() {
            let wrong = |reason: String| (Some(index + 1), reason);
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (user, hash) = line.split_once(':').ok_or_else(|| wrong("it is not `user:hash`".to_owned()))?;
            if user.is_empty() {
                return Err(wrong("the user has no name".to_owned()));
            }
            let hash = Arc::new(StoredHash::parse(hash).map_err(|reason| wrong(format!("user `{user}`: {reason}")))?);
            if by_name.insert(user.into(), Arc::clone(&hash)).is_some() {
                return Err(wrong(format!("user `{user}` is there twice")));
            }
            all.push(hash);
        }
        match all.is_empty() {
            true => Err((None, "it has no users".to_owned())),
            false => Ok(Self { by_name, all }),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn find(&self, user: &str) -> Option<&Arc<StoredHash>> {
        self.by_name.get(user)
    }

    /// Somebody's hash, the same one for the same number.
    pub(super) fn somebody(&self, number: u64) -> &Arc<StoredHash> {
        let at = number % self.all.len().max(1) as u64;
        &self.all[usize::try_from(at).unwrap_or(0)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_read_and_mistakes_are_told_by_line() {
        let hash = bcrypt::hash("secret", 4).unwrap();
        let users = Users::parse(&format!("# ours\n\nann:{hash}\r\nbob:{hash}\n")).unwrap();
        assert_eq!(users.len(), 2);
        assert!(users.find("ann").is_some() && users.find("Ann").is_none());
        for (text, line, reason) in [
            ("", None, "no users"),
            ("ann", Some(1), "`user:hash`"),
            ("\n:x", Some(2), "no name"),
            ("ann:secret", Some(1), "user `ann`"),
            (&format!("ann:{hash}\nann:{hash}"), Some(2), "twice"),
        ] {
            let (at, why) = Users::parse(text).unwrap_err();
            assert_eq!((at, why.contains(reason)), (line, true), "{why}");
        }
    }
}
