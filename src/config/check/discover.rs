//! `[service.NAME.discover]`: where backends are found.

use super::Checker;
use super::cluster::Access;
use crate::config::model::{Discover, Etcd, Source};
use crate::config::raw;
use crate::config::syntax::service as syntax;
use crate::config::tree::KeyPath;

/// The keys that say where etcd is, and who we are to it.
const ACCESS: [&str; 6] = ["endpoints", "ca", "cert", "key", "user", "password_file"];

impl Checker<'_> {
    pub(super) fn discover(&mut self, at: &KeyPath, raw: &raw::Discover) -> Option<Discover> {
        let sources = [
            ("dns", raw.dns.is_some()),
            ("srv", raw.srv.is_some()),
            ("file", raw.file.is_some()),
            ("etcd", raw.etcd.is_some()),
        ];
        let given: Vec<&str> = sources
            .into_iter()
            .filter_map(|(key, given)| (given || self.present(&at.key(key))).then_some(key))
            .collect();
        if given.len() != 1 {
            let message = match given.len() {
                0 => "`discover` does not say where backends are found".to_owned(),
                _ => format!("backends can't be discovered by {} at once", given.join(" and ")),
            };
            let mistake = self.mistake(at, message);
            self.report(mistake.expected("one of dns, srv, file and etcd"));
            return None;
        }
        if given != ["etcd"] {
            self.no_effect(at, &ACCESS, "only backends from `etcd` need it");
        }
        let from = match (&raw.dns, &raw.srv, &raw.file, &raw.etcd) {
            (Some(dns), ..) => {
                let (name, port) = syntax::name_and_port(dns).ok()?;
                Source::Dns { name, port }
            }
            (_, Some(srv), ..) => Source::Srv(srv.clone()),
            (.., Some(file), _) => Source::File(self.file(file)),
            (.., Some(prefix)) => self.etcd_source(at, prefix, raw)?,
            (None, None, None, None) => return None,
        };
        Some(Discover { from, refresh: raw.refresh.0 })
    }

    fn etcd_source(&mut self, at: &KeyPath, prefix: &str, raw: &raw::Discover) -> Option<Source> {
        let etcd = self.etcd_access(at, raw);
        if !prefix.ends_with('/') {
            let mistake =
                self.mistake(&at.key("etcd"), format!("keys such as `{prefix}2/a` begin with `{prefix}` as well"));
            self.report(mistake.warning().near(Some(format!("{prefix}/"))));
        }
        Some(Source::Etcd { etcd: etcd?, prefix: prefix.to_owned() })
    }

    /// Where etcd is: as the section says, or as `cluster.elect` does.
    fn etcd_access(&mut self, at: &KeyPath, raw: &raw::Discover) -> Option<Etcd> {
        if self.present(&at.key("endpoints")) {
            return self.etcd(
                at,
                &Access {
                    endpoints: ("endpoints", &raw.endpoints),
                    ca: &raw.ca,
                    cert: &raw.cert,
                    key: &raw.key,
                    user: &raw.user,
                    password_file: &raw.password_file,
                },
            );
        }
        let elect = KeyPath::default().key("cluster").key("elect");
        if self.etcd.is_none() && !self.present(&elect) {
            let mistake = self.mistake(at, "`discover` does not say where etcd is");
            self.report(
                mistake
                    .expected("endpoints = [\"http://127.0.0.1:2379\"]")
                    .help("with cluster.elect, its etcd is asked"),
            );
            return None;
        }
        self.no_effect(at, &ACCESS[1..], "without `endpoints`, etcd is asked as cluster.elect says");
        // where that is wrong, it has been reported
        self.etcd.clone()
    }

    /// Warns of those of these keys that are there.
    pub(super) fn no_effect(&mut self, at: &KeyPath, keys: &[&str], help: &str) {
        for key in keys {
            if self.present(&at.key(key)) {
                let mistake = self.key_mistake(&at.key(key), format!("`{key}` has no effect"));
                self.report(mistake.warning().help(help));
            }
        }
    }
}
