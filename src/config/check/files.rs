//! Files that the configuration names and that can't be used: which other one was probably meant.

use std::path::{Path, PathBuf};

use super::Checker;
use crate::certificate::Certificate;
use crate::certificate::files::PairFiles;
use crate::certificate::read;
use crate::certificate::unusable::{Part, Unusable};
use crate::config::code::Code;
use crate::config::syntax::nearest;
use crate::config::tree::KeyPath;

/// In a folder with more files than this, further ones are not looked at.
const MANY: usize = 1000;

/// So many files at most are read to find the key of a certificate.
const MANY_KEYS: usize = 50;

impl Checker<'_> {
    pub(super) fn unreadable(&mut self, path: &KeyPath, file: &Path, reason: &str) {
        let mistake = self.mistake(path, format!("`{}` can't be read: {reason}", file.display()));
        let mistake = mistake.code(Code::UnreadableFile).expected("a file that can be read");
        let near = self.meant_file(file, |_| true);
        self.report(match file.is_dir() {
            true => mistake.help("it is a folder: name a file in it"),
            false => mistake.near(near),
        });
    }

    /// The name of a file as it would be written: relative paths start at the folder of the configuration.
    pub(super) fn as_written(&self, file: &Path) -> String {
        let below = file.strip_prefix(self.folder).unwrap_or(file);
        below.strip_prefix(".").unwrap_or(below).display().to_string()
    }

    /// The file that was probably meant by one that is not there: the nearest name beside it, the same name with another ending, or the same one in the folder
    /// of the configuration or right below that. What is meant `is_good`.
    pub(super) fn meant_file(&self, file: &Path, is_good: impl Fn(&Path) -> bool) -> Option<String> {
        let name = file.file_name()?.to_str().filter(|_| !file.exists())?;
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let names = names(folder);
        let stem = |name: &str| name.rsplit_once('.').map_or(name.to_owned(), |(stem, _)| stem.to_owned());
        let is_near = |other: &&String| nearest(&stem(name), [&*stem(other)]).is_some() || stem(other) == stem(name);
        let names: Vec<&String> = names.iter().filter(is_near).collect();
        let near = nearest(name, names.iter().map(|name| name.as_str())).map(|near| folder.join(near));
        let same = names.iter().filter(|other| stem(other) == stem(name));
        let beside = near.into_iter().chain(same.map(|same| folder.join(same)));
        let mut found = beside.filter(|path| path.is_file() && is_good(path));
        found.next().or_else(|| self.elsewhere(name, is_good)).map(|path| self.as_written(&path))
    }

    /// The only file of this name in the folder of the configuration and in those right below.
    fn elsewhere(&self, name: &str, is_good: impl Fn(&Path) -> bool) -> Option<PathBuf> {
        let top = if self.folder.as_os_str().is_empty() { Path::new(".") } else { self.folder };
        let below = names(top).into_iter().map(|folder| self.folder.join(folder));
        let folders = std::iter::once(self.folder.to_path_buf()).chain(below);
        let mut found = folders.map(|folder| folder.join(name)).filter(|path| path.is_file() && is_good(path));
        found.next().filter(|_| found.next().is_none())
    }

    /// Reports a file of certificates, keys or authorities.
    pub(super) fn unusable(&mut self, at: &KeyPath, unusable: Unusable) {
        let Unusable { part, path, message, expected, help } = unusable;
        let mut mistake = self.mistake(at, message);
        mistake.expected = expected;
        mistake.help = help.map(str::to_owned);
        if path.is_dir() && part != Part::Folder {
            let written = self.as_written(&path);
            mistake = mistake.help(match part {
                Part::Cert | Part::Key => {
                    format!("it is a folder: {{ folder = {written:?} }} serves all certificates in it")
                }
                _ => "it is a folder: name a file in it".to_owned(),
            });
        } else if path.is_file() && part == Part::Folder {
            mistake = mistake.help("it is a file: a certificate in two files is { cert = \"...\", key = \"...\" }");
        } else if !path.exists() {
            let is_good = |path: &Path| match part {
                Part::Cert => read::chain(part, path).is_ok(),
                Part::Key => read::key(path).is_ok(),
                _ => true,
            };
            mistake = mistake.code(Code::UnreadableFile).near(self.meant_file(&path, is_good));
        }
        self.report(mistake);
    }

    /// The key that fits a certificate for which another one is named, out of those in the same folder.
    pub(super) fn fitting_key(&self, files: &PairFiles) -> Option<String> {
        let chain = read::chain(Part::Cert, &files.cert).ok()?;
        let folder = files.key.parent()?;
        let is_named_so = |name: &&String| name.contains("key") || name.ends_with(".pem");
        let fits = |path: &PathBuf| {
            let key = read::key(path).ok();
            key.is_some_and(|key| Certificate::new(chain.clone(), key, files.clone()).is_ok())
        };
        let names = names(folder);
        let mut paths = names.iter().filter(is_named_so).take(MANY_KEYS).map(|name| folder.join(name)).filter(fits);
        paths.next().map(|path| self.as_written(&path))
    }
}

/// The names in a folder, in their order.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().take(MANY);
    let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort_unstable();
    names
}
