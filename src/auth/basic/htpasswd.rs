//! Reads the file: `user:hash`, one a line.

use std::path::Path;
use std::sync::Arc;

use ahash::AHashMap;
use aws_lc_rs::hmac::{self, HMAC_SHA256};

use super::hash::StoredHash;
use crate::auth::file::{FileProblem, text};

/// The largest file that is read.
const LARGEST: u64 = 16 << 20;

/// Users with the hashes of their passwords; at least one.
#[derive(Debug)]
pub(super) struct Users {
    by_name: AHashMap<Box<str>, Arc<StoredHash>>,
    /// By what it costs to verify them.
    all: Vec<Arc<StoredHash>>,
    /// What the hash is chosen by that somebody's password is compared with who is no user.
    key: hmac::Key,
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
            false => {
                let key = hmac::Key::new(
                    HMAC_SHA256,
                    all.first().map_or(&[][..], |first: &Arc<StoredHash>| first.text().as_bytes()),
                );
                all.sort_by_key(|hash| hash.work());
                Ok(Self { by_name, all, key })
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn find(&self, user: &str) -> Option<&Arc<StoredHash>> {
        self.by_name.get(user)
    }

    /// The hash that the password of somebody with this name is compared with who is no user. Where hashes cost differently, it has to be one of the same cost each time, as a
    /// user's is, and of each cost as often as users have it: else the time tells who is none. So it is chosen by the name, and by the first hash of the file, which is known to all
    /// workers and to all instances with that file, and to nobody outside.
    pub(super) fn somebody(&self, user: &str) -> &Arc<StoredHash> {
        let tag = hmac::sign(&self.key, user.as_bytes());
        let number = tag.as_ref().first_chunk().map_or(0, |first| u64::from_le_bytes(*first));
        // a part of the list, so that a few more users change the cost for a few names only
        let at = (u128::from(number) * self.all.len() as u128) >> u64::BITS;
        &self.all[usize::try_from(at).unwrap_or(0)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_no_user_costs_the_same_each_time_and_as_much_as_users_do() {
        let (low, high) = (bcrypt::hash("secret", 4).unwrap(), bcrypt::hash("secret", 6).unwrap());
        let file = format!("ann:{high}\nbob:{low}\neve:{low}\nlea:{low}\n");
        // as two instances, or two readings of it, have it
        let (users, same) = (Users::parse(&file).unwrap(), Users::parse(&file).unwrap());
        let more = Users::parse(&format!("{file}zoe:{low}\n")).unwrap();
        let is_high = |users: &Users, name: &str| users.somebody(name).text() == high;
        let names: Vec<String> = (0..1000).map(|number| format!("n{number}")).collect();
        assert!(names.iter().all(|name| is_high(&users, name) == is_high(&same, name)));
        let count = |users: &Users| names.iter().filter(|name| is_high(users, name)).count();
        // 1 of 4; the salts are by chance, and the deviation is 14
        assert!((150..350).contains(&count(&users)), "{}", count(&users));
        let changed = names.iter().filter(|name| is_high(&users, name) != is_high(&more, name)).count();
        assert!(changed < 150, "a user more changes {changed} of 1000");
    }

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
