//! Files of TLS that can't be used while what they held before stays in force, for whoever shows that.

use crate::admin::RefusedFile;
use crate::certificate::keeper::Owner;
use crate::certificate::unusable::Unusable;
use crate::clock::Stamp;

/// What is refused now.
#[derive(Debug, Default)]
pub(super) struct RefusedFiles(Vec<Entry>);

/// A file, or where `path` is empty all that its owner has read.
#[derive(Debug)]
struct Entry {
    owner: Owner,
    path: String,
    reason: String,
    since: Stamp,
}

impl RefusedFiles {
    /// These files of this owner can't be used, and no others.
    pub fn set(&mut self, owner: &Owner, files: &[Unusable], now: Stamp) {
        let of = |file: &Unusable| (file.path.display().to_string(), file.message.clone());
        self.replace(owner, |path| !path.is_empty(), files.iter().map(of), now);
    }

    /// All that was read for this owner is taken on; or it is refused, and why.
    pub fn taken(&mut self, owner: &Owner, refused: Option<&str>, now: Stamp) {
        self.replace(owner, str::is_empty, refused.iter().map(|why| (String::new(), (*why).to_owned())), now);
    }

    /// As the status shows them.
    pub fn shown(&self) -> Vec<RefusedFile> {
        let shown = self.0.iter().map(|Entry { owner, path, reason, since }| {
            let (listener, service) = match owner {
                Owner::Listener(name) => (Some(name.clone()), None),
                Owner::Service(name) => (None, Some(name.clone())),
                Owner::Admin => (None, None),
            };
            RefusedFile { listener, service, path: path.clone(), reason: reason.clone(), since: *since }
        });
        shown.collect()
    }

    /// Puts these in the place of those of this owner whose path is such. One that was there stays since when it was.
    fn replace(
        &mut self,
        owner: &Owner,
        is_such: fn(&str) -> bool,
        next: impl Iterator<Item = (String, String)>,
        now: Stamp,
    ) {
        let (old, mut others): (Vec<Entry>, Vec<Entry>) =
            std::mem::take(&mut self.0).into_iter().partition(|entry| entry.owner == *owner && is_such(&entry.path));
        others.extend(next.map(|(path, reason)| {
            let since = old.iter().find(|entry| entry.path == path).map_or(now, |entry| entry.since);
            Entry { owner: owner.clone(), path, reason, since }
        }));
        self.0 = others;
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::certificate::unusable::Part;

    fn at(millis: i64) -> Stamp {
        Stamp::from_millis(millis)
    }

    #[test]
    fn a_file_is_shown_since_it_is_refused_and_until_it_is_taken() {
        let mut refused = RefusedFiles::default();
        let (web, api) = (Owner::Listener("web".into()), Owner::Service("api".into()));
        let file = |path: &str, why: &str| Unusable::new(Part::Cert, Path::new(path), why.to_owned());
        let shown = |refused: &RefusedFiles| -> Vec<(String, String, Stamp)> {
            refused.shown().into_iter().map(|file| (file.path, file.reason, file.since)).collect()
        };
        refused.set(&web, &[file("a", "x")], at(1));
        refused.set(&api, &[file("b", "y")], at(2));
        refused.set(&web, &[file("a", "z"), file("c", "x")], at(3));
        let entry = |path: &str, why: &str, since| (path.to_owned(), why.to_owned(), at(since));
        assert_eq!(shown(&refused), [entry("b", "y", 2), entry("a", "z", 1), entry("c", "x", 3)]);
        refused.taken(&web, Some("all of it"), at(4));
        refused.set(&web, &[], at(5));
        assert_eq!(shown(&refused), [entry("b", "y", 2), entry("", "all of it", 4)]);
        refused.taken(&web, None, at(6));
        refused.set(&api, &[], at(7));
        assert!(refused.shown().is_empty());
    }
}
