//! `[cluster]`: one of several instances, and how one of them is elected.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::{Checker, all_or_nothing};
use crate::config::model::{self, Authorities};
use crate::config::tree::KeyPath;
use crate::config::{raw, syntax};

/// etcd makes a shorter lease longer (one and a half times its own time-out of elections, which is 1 s).
const SHORTEST: Duration = Duration::from_secs(2);
/// With a longer one nothing would be repaired for minutes when a leader is gone.
const LONGEST: Duration = Duration::from_secs(60);
/// The port of etcd for clients, as IANA has it.
const PORT: u16 = 2379;

impl Checker<'_> {
    /// `Some(None)` = the section is not there.
    pub(super) fn cluster(&mut self, raw: Option<&raw::Cluster>) -> Option<Option<model::Cluster>> {
        let at = KeyPath::default().key("cluster");
        all_or_nothing(raw.map(|raw| {
            let elect = raw.elect.as_ref().map(|elect| self.elect(&at.key("elect"), elect));
            if raw.share && raw.elect.is_none() && !self.present(&at.key("elect")) {
                let mistake = self.mistake(&at.key("share"), "there is no etcd through which anything could be shared");
                self.report(mistake.help("elect = { etcd = [\"http://127.0.0.1:2379\"] } says where it is"));
                return None;
            }
            let text = |text: &Option<String>| text.clone().filter(|text| !text.trim().is_empty());
            let (name, zone) = (text(&raw.name), text(&raw.zone));
            Some(model::Cluster { name, zone, elect: all_or_nothing(elect)?, share: raw.share })
        }))
    }

    fn elect(&mut self, at: &KeyPath, raw: &raw::Elect) -> Option<model::Elect> {
        self.check_ttl(&at.key("ttl"), raw.ttl.0);
        let access = Access {
            endpoints: ("etcd", &raw.etcd),
            ca: &raw.ca,
            cert: &raw.cert,
            key: &raw.key,
            user: &raw.user,
            password_file: &raw.password_file,
        };
        let etcd = self.etcd(at, &access)?;
        Some(model::Elect { etcd, prefix: raw.prefix.clone(), ttl: raw.ttl.0 })
    }

    fn check_ttl(&mut self, at: &KeyPath, ttl: Duration) {
        if ttl.subsec_nanos() != 0 || !(SHORTEST..=LONGEST).contains(&ttl) {
            let whole = Duration::from_secs(ttl.as_secs_f64().round() as u64).clamp(SHORTEST, LONGEST);
            let mistake = self.mistake(at, "no lease of etcd can last so long");
            self.report(mistake.expected("whole seconds, from 2s to 60s").near(Some(format!("{}s", whole.as_secs()))));
        }
    }

    /// Where etcd is, and who we are to it; `at` is the table that says so.
    pub(super) fn etcd(&mut self, at: &KeyPath, raw: &Access<'_>) -> Option<model::Etcd> {
        let (urls, written) = raw.endpoints;
        let endpoints = self.etcd_endpoints(&at.key(urls), written);
        let is_tls = endpoints.as_ref().is_none_or(|(_, is_tls)| *is_tls);
        for key in ["ca", "cert", "key"].into_iter().filter(|_| !is_tls) {
            if self.present(&at.key(key)) {
                let mistake =
                    self.key_mistake(&at.key(key), format!("`{key}` has no effect: no TLS is spoken to etcd"));
                self.report(mistake.warning().help(format!("begin the URLs of `{urls}` with https://")));
            }
        }
        let ca = match raw.ca {
            _ if !is_tls => Some(None),
            Some(file) => self.authorities(&at.key("ca"), file).map(|ca| Some(Authorities::File(ca))),
            None => Some(Some(Authorities::System(self.system_authorities()))),
        };
        let client = match (raw.cert, raw.key) {
            (None, None) => Some(None),
            (cert, key) => self
                .certificate(at, cert.as_deref(), key.as_deref())
                .map(|own| Some(Arc::new((own.chain().to_vec(), own.key.clone_key())))),
        };
        let user = self.etcd_user(at, raw);
        Some(model::Etcd { endpoints: endpoints?.0, ca: ca?, client: client?, user: user? })
    }

    /// The members, and whether TLS is spoken to them.
    fn etcd_endpoints(&mut self, at: &KeyPath, raw: &[String]) -> Option<(Vec<(String, u16)>, bool)> {
        if raw.is_empty() {
            // that the key is missing, or what is wrong with its only item, has been reported
            if self.root.has(at) && !self.present(&at.index(0)) {
                let mistake = self.mistake(at, "there is no member of etcd to ask");
                self.report(mistake.expected("[\"http://127.0.0.1:2379\"]"));
            }
            return None;
        }
        let (mut endpoints, mut seen, mut schemes) = (Vec::new(), HashSet::new(), HashSet::new());
        for (index, url) in raw.iter().enumerate() {
            // what is no URL has been reported
            let Ok(uri) = syntax::etcd(url) else { continue };
            let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_ascii_lowercase();
            let endpoint = (host, uri.port_u16().unwrap_or(PORT));
            schemes.insert(uri.scheme_str().unwrap_or_default().to_owned());
            if !seen.insert(endpoint.clone()) {
                let mistake = self.mistake(&at.index(index), "this member is here twice");
                self.report(mistake.help("each is to be there once: they are asked in turn when one does not answer"));
            }
            endpoints.push(endpoint);
        }
        if schemes.len() > 1 {
            let mistake = self.mistake(at, "some members are asked with TLS and some without");
            self.report(mistake.expected("either http:// or https:// for all"));
            return None;
        }
        (endpoints.len() == raw.len()).then(|| (endpoints, schemes.contains("https")))
    }

    fn etcd_user(&mut self, at: &KeyPath, raw: &Access<'_>) -> Option<Option<(String, model::NotifySecret)>> {
        match (raw.user, raw.password_file) {
            (None, None) => Some(None),
            (Some(user), Some(file)) => {
                let secret = self.notify_secret(&at.key("password_file"), file)?;
                Some(Some((user.clone(), secret)))
            }
            (Some(_), None) => {
                if !self.present(&at.key("password_file")) {
                    let mistake = self.mistake(&at.key("user"), "a user needs a password");
                    self.report(mistake.help("password_file = \"...\" names the file that has it"));
                }
                None
            }
            (None, Some(_)) => {
                if !self.present(&at.key("user")) {
                    let mistake = self.key_mistake(&at.key("password_file"), "a password needs a user");
                    self.report(mistake.help("user = \"...\" is whose password it is"));
                }
                None
            }
        }
    }
}

/// What a table says of etcd and of who we are to it.
pub(super) struct Access<'a> {
    /// The key that names the members, and what it says.
    pub endpoints: (&'static str, &'a [String]),
    pub ca: &'a Option<String>,
    pub cert: &'a Option<String>,
    pub key: &'a Option<String>,
    pub user: &'a Option<String>,
    pub password_file: &'a Option<String>,
}
