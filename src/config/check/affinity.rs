//! `[service.NAME.affinity]`: what keeps a client with its backend, and what shares that with other instances.

use std::time::Duration;

use super::store::StoreKeys;
use super::{Checker, all, all_or_nothing};
use crate::config::model::{Affinity, SharedBy};
use crate::config::raw;
use crate::config::syntax::service as syntax;
use crate::config::tree::KeyPath;
use crate::policy::{self, KeyFrom};

/// The least bytes of a key for signing: an HMAC-SHA256 is no stronger than its key (RFC 2104, section 3).
const SECRET_BYTES: usize = 32;

/// The longest time for which a request may wait for a store.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// The keys that say something of the store.
const OF_STORE: [&str; 5] = ["store_password_file", "store_ca", "store_timeout", "store_prefix", "store_queue"];

impl Checker<'_> {
    pub(super) fn affinity(&mut self, at: &KeyPath, raw: &raw::Affinity) -> Option<Affinity> {
        let by = syntax::session_key(&raw.by).ok()?;
        self.without_effect(at, raw, by.as_ref());
        let secret = raw.secret_file.as_ref().map(|file| self.secret(&at.key("secret_file"), file));
        let secret = all_or_nothing(secret)?;
        let accepted = self.accepted_secrets(at, raw, secret.as_deref())?;
        let store = raw.store.as_ref().map(|url| self.shared_by(at, raw, url));
        let store = all_or_nothing(store)?.filter(|_| by.is_some());
        if store.is_some() && by == Some(KeyFrom::ClientIp) && !self.present(&at.key("secret_file")) {
            let mistake =
                self.mistake(&at.key("store"), "whoever reads the store can find out the addresses of clients");
            self.report(
                mistake
                    .warning()
                    .help("they are hashed; with a secret_file, the same on all instances, nobody can try them all"),
            );
        }
        let policy =
            policy::Affinity { by, cookie: raw.name.clone(), ttl: raw.ttl.0, max_entries: raw.max_entries as usize };
        Some(Affinity { policy, secret, accepted_secrets: accepted, store })
    }

    /// Warns of keys that say nothing for this kind of affinity.
    fn without_effect(&mut self, at: &KeyPath, raw: &raw::Affinity, by: Option<&KeyFrom>) {
        let warn = |check: &mut Self, key: &str, help: &str| {
            if check.present(&at.key(key)) {
                let mistake = check.key_mistake(&at.key(key), format!("`{key}` has no effect"));
                check.report(mistake.warning().help(help));
            }
        };
        if by.is_none() {
            warn(self, "max_entries", "a signed cookie needs no table");
            let help = "a signed cookie is understood by every instance with the same secret_file; a store is for the other kinds of affinity";
            warn(self, "store", help);
        } else {
            let of_cookie = "it is for by = \"cookie\", which Evenkeel sets";
            warn(self, "name", of_cookie);
            warn(self, "accepted_secret_files", of_cookie);
            if raw.store.is_none() {
                warn(self, "secret_file", of_cookie);
            }
        }
        if !self.present(&at.key("store")) {
            OF_STORE.iter().for_each(|key| warn(self, key, "there is no `store`"));
        }
    }

    /// The further keys that cookies may be signed with.
    fn accepted_secrets(&mut self, at: &KeyPath, raw: &raw::Affinity, own: Option<&[u8]>) -> Option<Vec<Vec<u8>>> {
        let at = at.key("accepted_secret_files");
        let files = raw.accepted_secret_files.iter().enumerate();
        let read: Vec<_> = files.map(|(index, file)| self.secret(&at.index(index), file)).collect();
        for (index, secret) in read.iter().enumerate() {
            let Some(secret) = secret else { continue };
            let message = match read[..index].contains(&Some(secret.clone())) {
                _ if own == Some(&**secret) => "this is the key that cookies are signed with",
                true => "this key is here twice",
                false => continue,
            };
            let mistake = self.mistake(&at.index(index), message);
            self.report(mistake.warning().help("name the key that was used before, or the one that will be next"));
        }
        all(read)
    }

    /// A file whose bytes sign cookies.
    fn secret(&mut self, at: &KeyPath, file: &str) -> Option<Vec<u8>> {
        let (file, bytes) = self.content(at, file)?;
        // random bytes may look like white space, as those of the key in state_dir
        if bytes.len() == SECRET_BYTES {
            return Some(bytes);
        }
        if bytes.trim_ascii().len() >= SECRET_BYTES {
            return Some(bytes.trim_ascii().to_vec());
        }
        let mistake = self.mistake(at, format!("`{}` is too short to be a key", file.display()));
        let help = "for instance: openssl rand -hex 32";
        self.report(mistake.expected(format!("at least {SECRET_BYTES} random bytes")).help(help));
        None
    }

    /// The store that shares a table.
    fn shared_by(&mut self, at: &KeyPath, raw: &raw::Affinity, url: &str) -> Option<SharedBy> {
        if raw.store_timeout.0 > LONGEST_WAIT {
            let mistake = self.mistake(&at.key("store_timeout"), "requests can't wait for the store so long");
            self.report(mistake.expected("at most 1s; a few milliseconds are usual"));
            return None;
        }
        let keys = StoreKeys { url, password_file: raw.store_password_file.as_ref(), ca: raw.store_ca.as_ref() };
        let queue = usize::try_from(raw.store_queue.0).unwrap_or(usize::MAX);
        let store = self.redis_store(at, keys, raw.store_timeout.0, queue)?;
        Some(SharedBy { store, prefix: raw.store_prefix.clone(), link: None })
    }
}
