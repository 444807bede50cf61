//! Where things are in etcd.

use super::Place;
use super::hint::Instance;
use super::word::{Topic, Word};
use crate::etcd::KeyValue;

/// What all that is shared begins with, behind the prefix.
pub(super) const ALL: &str = "shared/";
/// What all words begin with.
pub(super) const WORDS: &str = "shared/words/";
/// What that begins with which instances say of themselves.
pub(super) const INSTANCES: &str = "shared/instances/";

/// What a key is about.
pub(super) enum Part {
    Word(Topic),
    Instance(String),
}

/// What a key has; `None` in it = it can't be read.
pub(super) enum Read {
    Word(Topic, Option<Word>),
    Instance(String, Option<Instance>),
}

impl Place {
    /// What tells one place from another: revisions of one mean nothing in the other.
    pub(super) fn identity(&self) -> String {
        let endpoints: Vec<_> = self.etcd.endpoints.iter().map(ToString::to_string).collect();
        format!("{} {}", endpoints.join(","), self.prefix)
    }
}

/// What a key is about; `None` = it is none of ours.
pub(super) fn part(place: &Place, key: &[u8]) -> Option<Part> {
    let key = std::str::from_utf8(key).ok()?.strip_prefix(&*place.prefix)?;
    match key.strip_prefix(WORDS) {
        Some(topic) => Topic::of_key(topic).map(Part::Word),
        None => key.strip_prefix(INSTANCES).map(|name| Part::Instance(name.to_owned())),
    }
}

/// What a key has, and why it can't be read, for people. What this instance has said of itself is no news.
pub(super) fn read(place: &Place, kv: &KeyValue) -> (Option<Read>, Option<String>) {
    match part(place, &kv.key) {
        None => (None, Some("nothing has such a name".to_owned())),
        Some(Part::Word(topic)) => match Word::from_json(&topic, &kv.value) {
            Ok(word) => (Some(Read::Word(topic, Some(word))), None),
            Err(why) => (Some(Read::Word(topic, None)), Some(why)),
        },
        Some(Part::Instance(name)) if name == place.name => (None, None),
        Some(Part::Instance(name)) => match Instance::from_json(&kv.value) {
            Ok(instance) => (Some(Read::Instance(name, Some(instance))), None),
            Err(why) => (Some(Read::Instance(name, None)), Some(why)),
        },
    }
}
