//! The files below `src/`, as the checks read them.

use std::path::{Path, PathBuf};

use super::rust_text::{blank_out, without_tests};

/// A file with what is no test of it.
#[derive(Debug)]
pub struct File {
    /// Its path below `src/`, with `/`.
    pub name: String,
    /// Its code, with comments, texts and tests replaced by spaces.
    pub code: String,
    /// How many lines it has outside tests, comments included.
    pub lines: usize,
}

impl File {
    /// The path of its module without `crate`; empty for `lib.rs`.
    pub fn module(&self) -> Vec<&str> {
        let path = self.name.trim_end_matches(".rs");
        let path = path.strip_suffix("/mod").unwrap_or(path);
        path.split('/').filter(|part| *part != "lib").collect()
    }
}

/// All files of a crate but those that are tests.
pub fn read(source: &Path) -> Vec<File> {
    let files = super::rust_files(source);
    files_of(files.iter().map(|path| {
        let name = path.strip_prefix(source).unwrap_or(path).to_string_lossy().replace('\\', "/");
        let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{name} can't be read: {error}"));
        (name, text)
    }))
}

/// As [`read`], with the texts given by name.
pub fn files_of(texts: impl Iterator<Item = (String, String)>) -> Vec<File> {
    let mut tests: Vec<PathBuf> = Vec::new();
    let mut files = Vec::new();
    for (name, text) in texts {
        let untested = without_tests(&blank_out(&text));
        let file = File { name, code: untested.code, lines: text.lines().count() - untested.lines_of_tests };
        let folder: PathBuf = file.module().iter().collect();
        tests.extend(untested.files_of_tests.iter().map(|module| folder.join(module)));
        files.push(file);
    }
    files.retain(|file| {
        let module: PathBuf = file.module().iter().collect();
        !tests.iter().any(|test| module.starts_with(test))
    });
    files
}
