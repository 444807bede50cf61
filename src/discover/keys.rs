//! The keys below a prefix of etcd, each of which is a backend: what they say, what of it was read, and what can't be used.
//!
//! A value is an entry as it stands in a file, `{ "address": "10.0.0.1:80", "weight": 2 }`, or an address and nothing else. The rest of the
//! key, behind the prefix, is the backend's id. A file with a mistake is refused as a whole; keys are written by many, each for itself, so a
//! mistake in one of them is that one's: its backend stays as it was, or is left out where it never was good.

use std::collections::BTreeMap;

use super::entry::{Entry, LookedUp, keep};
use super::file::LARGEST;
use super::{Answer, Backend, MOST, Refused};
use crate::etcd::{Change, KeyValue};

/// The keys below one prefix.
#[derive(Debug)]
pub(super) struct Keys {
    prefix: Vec<u8>,
    held: BTreeMap<Vec<u8>, Held>,
    /// How long all keys and values are together.
    bytes: usize,
}

/// What is known of one key.
#[derive(Debug, Default)]
struct Held {
    value: Vec<u8>,
    /// Whether `backend` and `refused` come from this value.
    is_read: bool,
    /// The backend of the last good value.
    backend: Option<Backend>,
    /// Why the value can't be used.
    refused: Option<String>,
}

/// A value that is to be read.
#[derive(Debug)]
pub(super) struct Unread {
    key: Vec<u8>,
    id: Result<String, String>,
    value: Vec<u8>,
    last: Option<Backend>,
}

/// What a value says.
#[derive(Debug)]
pub(super) struct Reading {
    key: Vec<u8>,
    value: Vec<u8>,
    backend: Result<Backend, String>,
}

impl Keys {
    pub(super) fn new(prefix: &[u8]) -> Self {
        Self { prefix: prefix.to_vec(), held: BTreeMap::new(), bytes: 0 }
    }

    /// These are all keys that there are. What was read of values that are the same stays.
    ///
    /// # Errors
    ///
    /// When they are too much.
    pub(super) fn replace(&mut self, all: Vec<KeyValue>) -> Result<(), String> {
        let mut before = std::mem::take(&mut self.held);
        self.bytes = 0;
        for KeyValue { key, value, .. } in all {
            self.bytes += key.len() + value.len();
            let mut held = before.remove(&key).unwrap_or_default();
            held.is_read &= held.value == value;
            self.held.insert(key, Held { value, ..held });
        }
        self.check()
    }

    /// Takes in one change.
    ///
    /// # Errors
    ///
    /// When it is too much now.
    pub(super) fn change(&mut self, change: Change) -> Result<(), String> {
        match change {
            Change::Put(KeyValue { key, value, .. }) => {
                let length = key.len();
                let held = self.held.entry(key).or_insert_with(|| {
                    self.bytes += length;
                    Held::default()
                });
                self.bytes = self.bytes - held.value.len() + value.len();
                held.is_read &= held.value == value;
                held.value = value;
            }
            Change::Deleted(key, _) => {
                if let Some(held) = self.held.remove(&key) {
                    self.bytes -= key.len() + held.value.len();
                }
            }
        }
        self.check()
    }

    fn check(&self) -> Result<(), String> {
        check_size(self.held.len(), self.bytes)
    }

    /// What has not been read yet.
    pub(super) fn unread(&self) -> Vec<Unread> {
        let unread = self.held.iter().filter(|(_, held)| !held.is_read);
        let unread = unread.map(|(key, held)| Unread {
            key: key.clone(),
            id: id(&self.prefix, key),
            value: held.value.clone(),
            last: held.backend.clone(),
        });
        unread.collect()
    }

    /// Takes in what was read. A value that has changed meanwhile is still unread.
    pub(super) fn read(&mut self, readings: Vec<Reading>) {
        for Reading { key, value, backend } in readings {
            let Some(held) = self.held.get_mut(&key).filter(|held| held.value == value) else { continue };
            held.is_read = true;
            match backend {
                Ok(backend) => (held.backend, held.refused) = (Some(backend), None),
                Err(reason) => held.refused = Some(reason),
            }
        }
    }

    /// Has the names looked up again that have no address. Gives back whether there are some.
    pub(super) fn forget_unresolved(&mut self) -> bool {
        let has_none = |backend: &Backend| backend.unresolved.is_some();
        let mut found = false;
        for held in self.held.values_mut().filter(|held| held.backend.as_ref().is_some_and(has_none)) {
            (held.is_read, found) = (false, true);
        }
        found
    }

    pub(super) fn answer(&self) -> Answer {
        // the keys are sorted and no key is there twice, and so it is with what stands behind their prefix
        let backends = self.held.values().filter_map(|held| held.backend.clone()).collect();
        let refused = self.held.iter().filter_map(|(key, held)| {
            let key = String::from_utf8_lossy(key).into_owned();
            Some(Refused { key, reason: held.refused.clone()?, is_kept: held.backend.is_some() })
        });
        Answer { backends, refused: refused.collect(), ttl: None }
    }
}

/// Refuses what is too much.
pub(super) fn check_size(keys: usize, bytes: usize) -> Result<(), String> {
    if keys > MOST {
        return Err(format!("it has {keys} keys, more than {MOST}"));
    }
    if bytes as u64 > LARGEST {
        return Err(format!("its keys have more than {} MiB", LARGEST >> 20));
    }
    Ok(())
}

/// Reads values. Blocks: names in them are looked up.
pub(super) fn read(unread: Vec<Unread>) -> Vec<Reading> {
    let entries: Vec<_> = unread.into_iter().map(|unread| (entry(&unread), unread)).collect();
    let names = LookedUp::of(entries.iter().filter_map(|(entry, _)| entry.as_ref().ok()));
    let read = entries.into_iter().map(|(entry, Unread { key, value, last, .. })| {
        let mut backend = entry.and_then(|entry| entry.backend(None, &names));
        if let (Ok(backend), Some(last)) = (&mut backend, &last) {
            keep(std::slice::from_mut(backend), [last]);
        }
        Reading { key, value, backend }
    });
    read.collect()
}

/// The id of the backend that stands in this key.
fn id(prefix: &[u8], key: &[u8]) -> Result<String, String> {
    match std::str::from_utf8(key.get(prefix.len()..).unwrap_or_default()) {
        Ok("") => Err("nothing stands behind the prefix: the backend has no id".to_owned()),
        Ok(id) => Ok(id.to_owned()),
        Err(_) => Err("the key is no text in UTF-8".to_owned()),
    }
}

fn entry(unread: &Unread) -> Result<Entry, String> {
    let id = unread.id.clone()?;
    let text = std::str::from_utf8(&unread.value).map_err(|_| "the value is no text in UTF-8".to_owned())?.trim();
    let mut entry = match text.chars().next() {
        Some('{') => serde_json::from_str::<Entry>(text).map_err(|error| error.to_string())?,
        Some('"') => Entry::at(serde_json::from_str(text).map_err(|error| error.to_string())?),
        Some(_) => Entry::at(text.to_owned()),
        None => return Err("the value is empty".to_owned()),
    };
    match entry.id.replace(id.clone()) {
        Some(other) if other != id => Err(format!("its id is `{other}`, but it is called by its key: leave `id` out")),
        _ => Ok(entry),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::Target;

    fn put(key: &str, value: &str) -> Change {
        Change::Put(kv(key, value))
    }

    fn kv(key: &str, value: &str) -> KeyValue {
        KeyValue { key: key.into(), value: value.into(), ..KeyValue::default() }
    }

    fn after(keys: &mut Keys) -> Answer {
        let readings = read(keys.unread());
        keys.read(readings);
        keys.answer()
    }

    fn ids(answer: &Answer) -> Vec<&str> {
        answer.backends.iter().map(|backend| &*backend.id).collect()
    }

    #[test]
    fn a_key_is_a_backend_and_what_stands_behind_the_prefix_its_id() {
        let mut keys = Keys::new(b"/api/");
        keys.replace(vec![
            kv("/api/b", r#"{ "address": "10.0.0.2:80", "weight": 7, "zone": "z" }"#),
            kv("/api/a", "10.0.0.1:80\n"),
            kv("/api/hosts/c", r#""10.0.0.3:80""#),
            kv("/api/d", r#"{ "id": "d", "addresses": ["10.0.0.4:80", "10.1.0.4:80"] }"#),
            kv("/api/e", "unix:/run/e.sock"),
        ])
        .unwrap();
        let answer = after(&mut keys);
        assert_eq!(ids(&answer), ["a", "b", "d", "e", "hosts/c"]);
        let b = &answer.backends[1];
        assert_eq!((&*b.name, b.weight, &*b.zone), ("10.0.0.2:80", 7, "z"));
        assert!(answer.backends[2].are_paths && answer.refused.is_empty());
        assert_eq!(answer.backends[3].target, Target::Unix("/run/e.sock".into()));
        assert!(keys.unread().is_empty());
    }

    #[test]
    fn a_bad_value_leaves_out_its_own_backend_or_keeps_it_as_it_was() {
        let mut keys = Keys::new(b"/api/");
        keys.replace(vec![kv("/api/a", "10.0.0.1:80"), kv("/api/b", "{"), kv("/api/", "10.0.0.3:80")]).unwrap();
        let answer = after(&mut keys);
        assert_eq!(ids(&answer), ["a"]);
        let refused: Vec<_> = answer.refused.iter().map(|refused| (&*refused.key, refused.is_kept)).collect();
        assert_eq!(refused, [("/api/", false), ("/api/b", false)]);

        keys.change(put("/api/a", "10.0.0.1")).unwrap();
        keys.change(put("/api/b", "10.0.0.2:80")).unwrap();
        keys.change(Change::Deleted(b"/api/".to_vec(), 9)).unwrap();
        let answer = after(&mut keys);
        assert_eq!((ids(&answer), &*answer.backends[0].name), (vec!["a", "b"], "10.0.0.1:80"));
        assert_eq!((answer.refused.len(), &*answer.refused[0].key, answer.refused[0].is_kept), (1, "/api/a", true));

        // the same when all keys are read anew
        keys.replace(vec![kv("/api/a", "10.0.0.1")]).unwrap();
        let answer = after(&mut keys);
        assert_eq!((ids(&answer), answer.refused.len()), (vec!["a"], 1));
        keys.change(put("/api/a", "10.0.0.9:80")).unwrap();
        assert_eq!(after(&mut keys).refused, []);
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (value, reason) in [
            ("", "empty"),
            ("api", "NAME:PORT"),
            ("[]", "NAME:PORT"),
            (r#"{ "address": "10.0.0.1:80", "wieght": 1 }"#, "`wieght`"),
            (r#"{ "address": "10.0.0.1:80", "id": "other" }"#, "called by its key"),
            ("unix:api.sock", "absolute"),
            ("\"10.0.0.1:80", "EOF"),
        ] {
            let mut keys = Keys::new(b"/api/");
            keys.change(put("/api/a", value)).unwrap();
            let refused = after(&mut keys).refused;
            assert!(refused[0].reason.contains(reason), "{value}: {refused:?}");
        }
        let mut keys = Keys::new(b"/api/");
        keys.change(Change::Put(KeyValue { key: b"/api/\xff".to_vec(), ..kv("", "10.0.0.1:80") })).unwrap();
        assert!(after(&mut keys).refused[0].reason.contains("UTF-8"));
    }

    #[test]
    fn what_has_not_changed_is_not_read_again() {
        let mut keys = Keys::new(b"/api/");
        keys.replace(vec![kv("/api/a", "10.0.0.1:80"), kv("/api/b", "10.0.0.2:80")]).unwrap();
        after(&mut keys);
        keys.replace(vec![kv("/api/a", "10.0.0.1:80"), kv("/api/b", "10.0.0.3:80")]).unwrap();
        keys.change(put("/api/a", "10.0.0.1:80")).unwrap();
        let unread = keys.unread();
        assert_eq!((unread.len(), &*unread[0].key), (1, &b"/api/b"[..]));
        // one that changes while it is read is unread still
        keys.change(put("/api/b", "10.0.0.4:80")).unwrap();
        keys.read(read(unread));
        assert_eq!(keys.unread().len(), 1);
        assert_eq!(ids(&after(&mut keys)), ["a", "b"]);
    }

    #[test]
    fn names_without_an_address_are_looked_up_again() {
        let mut keys = Keys::new(b"/api/");
        // RFC 6761: never resolves
        keys.replace(vec![kv("/api/a", "gone.invalid:80"), kv("/api/b", "10.0.0.2:80")]).unwrap();
        assert!(after(&mut keys).backends[0].unresolved.is_some());
        assert!(keys.forget_unresolved());
        assert_eq!(keys.unread().len(), 1);
        keys.change(Change::Deleted(b"/api/a".to_vec(), 5)).unwrap();
        assert!(!keys.forget_unresolved());
    }

    #[test]
    fn there_is_a_limit_to_how_many_and_how_much() {
        let mut keys = Keys::new(b"/");
        keys.replace((0..MOST).map(|at| kv(&format!("/{at}"), "10.0.0.1:80")).collect()).unwrap();
        assert!(keys.change(put("/one", "10.0.0.1:80")).unwrap_err().contains("10001"));
        keys.change(Change::Deleted(b"/one".to_vec(), 1)).unwrap();
        let long = "x".repeat(LARGEST as usize);
        assert!(keys.change(put("/1", &long)).unwrap_err().contains("MiB"));
        keys.change(put("/1", "10.0.0.1:80")).unwrap();
        keys.change(Change::Deleted(b"/1".to_vec(), 1)).unwrap();
        keys.change(Change::Deleted(b"/1".to_vec(), 1)).unwrap();
        let bytes: usize = keys.held.iter().map(|(key, held)| key.len() + held.value.len()).sum();
        assert_eq!(keys.bytes, bytes);
    }
}
