//! The words that are known, as a state machine: what was said here and what etcd tells goes in; what is to be put and what is to be followed comes out.
//!
//! etcd has one key for each topic, so of two words the one that it has taken later holds, everywhere. A word is put with the condition that the key is as
//! it was known last. Where it is not, somebody has spoken meanwhile (in an outage, or at the same moment): then the word that was said later by the
//! clocks is the one that stays, and each instance comes to the same.

use std::collections::BTreeMap;
use std::time::SystemTime;

use super::word::{Topic, Word};

/// The most words that are known. What comes beyond them is not followed.
pub const MOST: usize = 20_000;

/// What is known of each topic.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Book {
    entries: BTreeMap<Topic, Entry>,
}

/// The last word on a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The word.
    pub word: Word,
    /// The revision at which the key was changed last, as far as that is known; 0 = it is not there.
    pub revision: i64,
    /// It was said here and is not in etcd yet.
    pub is_pending: bool,
}

/// What follows from what etcd tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Another instance was told this.
    Follow(Topic, Word),
    /// The key is gone: this does not hold any more.
    Forget(Topic, Word),
}

impl Book {
    /// With these entries, as they were known before a restart.
    pub fn new(entries: impl IntoIterator<Item = (Topic, Entry)>) -> Self {
        Self { entries: entries.into_iter().collect() }
    }

    /// All that is known.
    pub fn entries(&self) -> impl Iterator<Item = (&Topic, &Entry)> {
        self.entries.iter()
    }

    /// What is known of this.
    pub fn get(&self, topic: &Topic) -> Option<&Entry> {
        self.entries.get(topic)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// This instance was told something. Gives back the word as it is put: it is later than the one that it replaces.
    pub fn say(&mut self, topic: Topic, mut word: Word) -> Word {
        let before = self.entries.get(&topic);
        word.at = before.map_or(word.at, |before| word.at.max(before.word.at.saturating_add(1)));
        let revision = before.map_or(0, |before| before.revision);
        self.entries.insert(topic, Entry { word: word.clone(), revision, is_pending: true });
        word
    }

    /// What is to be put, with the revision at which its key was changed last. What is over by now need not be put.
    pub fn pending(&mut self, now: SystemTime) -> Vec<(Topic, Word, i64)> {
        self.entries.retain(|_, entry| !entry.is_pending || entry.revision != 0 || !entry.word.is_over(now));
        let pending = self.entries.iter().filter(|(_, entry)| entry.is_pending);
        pending.map(|(topic, entry)| (topic.clone(), entry.word.clone(), entry.revision)).collect()
    }

    /// How many are to be put.
    pub fn waiting(&self) -> usize {
        self.entries.values().filter(|entry| entry.is_pending).count()
    }

    /// This word is in etcd since this revision.
    pub fn put(&mut self, topic: &Topic, word: &Word, revision: i64) {
        if let Some(entry) = self.entries.get_mut(topic) {
            entry.revision = entry.revision.max(revision);
            // another word may have been said meanwhile
            entry.is_pending &= entry.word != *word;
        }
    }

    /// The key has this word since this revision.
    pub fn heard(&mut self, topic: Topic, word: Word, revision: i64) -> Option<Effect> {
        let is_full = self.entries.len() >= MOST;
        let Some(entry) = self.entries.get_mut(&topic) else {
            if is_full {
                return None;
            }
            self.entries.insert(topic.clone(), Entry { word: word.clone(), revision, is_pending: false });
            return Some(Effect::Follow(topic, word));
        };
        if revision <= entry.revision {
            return None;
        }
        entry.revision = revision;
        if entry.word == word {
            entry.is_pending = false;
            return None;
        }
        if entry.is_pending && entry.word.is_newer_than(&word) {
            return None;
        }
        (entry.word, entry.is_pending) = (word.clone(), false);
        Some(Effect::Follow(topic, word))
    }

    /// The key is gone since this revision.
    pub fn gone(&mut self, topic: &Topic, revision: i64) -> Option<Effect> {
        let entry = self.entries.get_mut(topic).filter(|entry| revision > entry.revision)?;
        if entry.is_pending {
            // what was said here holds all the same
            entry.revision = 0;
            return None;
        }
        let (topic, entry) = self.entries.remove_entry(topic)?;
        Some(Effect::Forget(topic, entry.word))
    }

    /// The key has what can't be read since this revision: a word that is put may replace it.
    pub fn unreadable(&mut self, topic: &Topic, revision: i64) {
        if let Some(entry) = self.entries.get_mut(topic) {
            entry.revision = entry.revision.max(revision);
        }
    }

    /// These are all keys there are, as they are at this revision; the word of a key that can't be read is `None`.
    pub fn synced(&mut self, all: Vec<(Topic, Option<Word>, i64)>, revision: i64) -> Vec<Effect> {
        let there: BTreeMap<&Topic, i64> = all.iter().map(|(topic, _, changed)| (topic, *changed)).collect();
        let missing: Vec<Topic> = self.entries.keys().filter(|topic| !there.contains_key(topic)).cloned().collect();
        let went_back = self.entries.values().any(|entry| entry.revision > revision);
        for (topic, entry) in &mut self.entries {
            // an etcd that has lost what it had, or was restored from a copy, takes nothing back: it gets what it lost
            entry.is_pending |= went_back && !there.contains_key(topic);
            // what it has now is what counts
            if there.get(topic) != Some(&entry.revision) {
                entry.revision = 0;
            }
        }
        let mut effects: Vec<_> = missing.iter().filter_map(|topic| self.gone(topic, revision)).collect();
        for (topic, word, changed) in all {
            match word {
                Some(word) => effects.extend(self.heard(topic, word, changed)),
                None => self.unreadable(&topic, changed),
            }
        }
        effects
    }
}

#[cfg(test)]
mod tests;
