//! A Redis through which instances share something: the keys that begin with `store`.

use std::sync::Arc;
use std::time::Duration;

use super::{Checker, all_or_nothing};
use crate::config::model::{Authorities, NotifySecret, RedisStore};
use crate::config::syntax::store;
use crate::config::tree::KeyPath;

/// The keys that say where a store is, and who may ask it.
pub(super) struct StoreKeys<'a> {
    pub url: &'a str,
    pub password_file: Option<&'a String>,
    pub ca: Option<&'a String>,
}

impl Checker<'_> {
    /// The store of these keys of a section.
    pub(super) fn redis_store(
        &mut self,
        at: &KeyPath,
        keys: StoreKeys<'_>,
        time_limit: Duration,
        queue: usize,
    ) -> Option<RedisStore> {
        let url = store::session_store(keys.url).ok()?;
        let file = keys.password_file;
        let file = file.map(|file| self.store_password(&at.key("store_password_file"), file, url.password.is_some()));
        let ca = match keys.ca {
            Some(file) => self.authorities(&at.key("store_ca"), file).map(Authorities::File)?,
            None if url.tls => Authorities::System(self.system_authorities()),
            None => Authorities::System(Arc::default()),
        };
        if keys.ca.is_some() && !url.tls {
            let mistake = self.key_mistake(&at.key("store_ca"), "`store_ca` has no effect");
            self.report(mistake.warning().help("the store is spoken to in clear; TLS is \"rediss://\""));
        }
        let password = match all_or_nothing(file)? {
            Some(password) => Some(password),
            None => url.password.as_ref().map(|password| NotifySecret::new(password.as_bytes())),
        };
        let tls = url.tls.then_some(ca);
        Some(RedisStore { address: url.address, tls, user: url.user, password, db: url.db, time_limit, queue })
    }

    /// The password of a store, from its file.
    fn store_password(&mut self, at: &KeyPath, file: &str, is_in_url: bool) -> Option<NotifySecret> {
        if is_in_url {
            let mistake = self.key_mistake(at, "the store has a password in its URL as well");
            self.report(mistake.help("take the one in the URL out"));
            return None;
        }
        let (file, text) = self.text(at, file)?;
        if text.trim().is_empty() {
            let mistake = self.mistake(at, format!("`{}` holds no password", file.display()));
            self.report(mistake.expected("a file with one line"));
            return None;
        }
        Some(NotifySecret::new(text.trim().as_bytes()))
    }
}
