//! The file in which the words that are known outlive a restart: what etcd had, and what waits to be put there.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::book::{Book, Entry};
use super::word::{Topic, Word};
use crate::operator::file::write;

/// Its name in `state_dir`.
pub(super) const NAME: &str = "shared-words.json";
/// The version of the file's format.
const VERSION: u32 = 1;

#[derive(Debug, Serialize, Deserialize)]
struct File {
    version: u32,
    /// Where they are shared: what is known of another place is no use.
    place: String,
    words: Vec<Saved>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Saved {
    key: String,
    word: serde_json::Value,
    revision: i64,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    waits: bool,
}

/// The text of the file; `place` is where they are shared.
pub(super) fn text(book: &Book, place: &str) -> io::Result<String> {
    let saved = |(topic, entry): (&Topic, &Entry)| {
        let word = serde_json::from_slice(&entry.word.to_json())?;
        Ok(Saved { key: topic.key(), word, revision: entry.revision, waits: entry.is_pending })
    };
    let words = book.entries().map(saved).collect::<io::Result<Vec<_>>>()?;
    Ok(serde_json::to_string_pretty(&File { version: VERSION, place: place.to_owned(), words })? + "\n")
}

/// Writes the text of the file.
pub(super) fn save(path: &Path, text: &str) -> io::Result<()> {
    write(path, text)
}

/// Reads the file. Where there is none, or none that can be understood, nothing is known: what holds here is known all the same, and etcd has the rest.
pub(super) fn read(path: &Path, place: &str) -> Vec<(Topic, Entry)> {
    let Ok(text) = std::fs::read(path) else { return Vec::new() };
    let file = match serde_json::from_slice::<File>(&text) {
        Ok(file) if file.version == VERSION => file,
        Ok(_) => return Vec::new(),
        Err(error) => {
            tracing::warn!(file = %path.display(), %error, "what was shared before the restart can't be read");
            return Vec::new();
        }
    };
    let is_same_place = file.place == place;
    let entry = |saved: Saved| {
        let topic = Topic::of_key(&saved.key)?;
        let word = Word::from_json(&topic, &serde_json::to_vec(&saved.word).ok()?).ok()?;
        let (revision, is_pending) = if is_same_place { (saved.revision, saved.waits) } else { (0, true) };
        Some((topic, Entry { word, revision, is_pending }))
    };
    file.words.into_iter().filter_map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::{Command, Note};
    use crate::share::word::Saying;

    #[test]
    fn what_is_written_is_read_and_is_put_again_in_another_place() {
        let path = std::env::temp_dir().join(format!("evenkeel-shared-words-{}.json", std::process::id()));
        let note = Note { who: "ci".to_owned(), reason: None, until: None };
        let word = Word { saying: Saying::Holds(Command::Drain), note, instance: "a".to_owned(), at: 5 };
        let topic = Topic::Backend("app".into(), "b/c".into());
        let entry = Entry { word, revision: 9, is_pending: false };
        let book = Book::new([(topic.clone(), entry.clone())]);
        save(&path, &text(&book, "here").unwrap()).unwrap();
        assert_eq!(read(&path, "here"), [(topic.clone(), entry.clone())]);
        assert_eq!(read(&path, "there"), [(topic, Entry { revision: 0, is_pending: true, ..entry })]);
        std::fs::write(&path, "{").unwrap();
        assert_eq!(read(&path, "here"), []);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(read(&path, "here"), []);
    }
}
