//! Who may come in: `allow`, `deny` and `auth`. A further kind of `auth` is a further method here.

mod forward;
mod holes;
mod jwt;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use ipnet::IpNet;

use super::Checker;
use crate::auth::basic::BasicSettings;
use crate::auth::{AccessList, Auth, Basic, CertificateRule, FileProblem, Networks, TrustedProxies};
use crate::config::raw;
use crate::config::syntax::{self, NetworkSource};
use crate::config::tree::KeyPath;

/// The kinds of `auth`.
const KINDS: [&str; 4] = ["client_cert", "basic", "jwt", "forward"];

impl Checker<'_> {
    /// The lists `allow` and `deny` of the section at `at`: `Some(None)` = it has none.
    pub(super) fn access(
        &mut self,
        at: &KeyPath,
        (allow, deny): (&[String], &[String]),
    ) -> Option<Option<Arc<AccessList>>> {
        // an unusable list has been reported, and must not become one that lets everybody in
        if ["allow", "deny"].iter().any(|key| self.findings.removed(&at.key(key)).is_some()) {
            return None;
        }
        let mut seen = HashMap::new();
        let texts = [("allow", allow), ("deny", deny)];
        let (allow, deny) =
            (self.networks(&at.key("allow"), allow, &mut seen), self.networks(&at.key("deny"), deny, &mut seen));
        if allow.is_empty() && deny.is_empty() {
            // an empty list allows nobody, to those who read it as it stands
            if self.root.has(&at.key("allow")) {
                let mistake = self.mistake(&at.key("allow"), "an empty `allow` would let everybody in");
                self.report(mistake.help("take it out, or list the networks that may come in"));
                return None;
            }
            return Some(None);
        }
        match AccessList::new(allow, deny) {
            Ok(list) => Some(Some(Arc::new(list))),
            Err(problem) => {
                let found = texts.iter().find_map(|(key, list)| self.file_in(&at.key(key), list, &problem));
                self.bad_file(&found.unwrap_or_else(|| at.clone()), &problem, "a file with one network a line");
                None
            }
        }
    }

    /// `trusted_proxies` of the listener at `at`.
    pub(super) fn trusted_proxies(&mut self, at: &KeyPath, raw: &[String]) -> Option<Arc<TrustedProxies>> {
        let at = at.key("trusted_proxies");
        let mut networks = Networks::default();
        for text in raw {
            match syntax::proxy_or_file(text) {
                Ok(NetworkSource::File(path)) => networks.files.push(self.file(path)),
                Ok(NetworkSource::Network(network)) => networks.own.push(network),
                Err(_) => {} // reported
            }
        }
        match TrustedProxies::new(networks) {
            Ok(proxies) => Some(Arc::new(proxies)),
            Err(problem) => {
                let found = self.file_in(&at, raw, &problem);
                self.bad_file(&found.unwrap_or(at), &problem, "a file with one network a line");
                None
            }
        }
    }

    /// Where a list at `at` names the file with the problem.
    fn file_in(&self, at: &KeyPath, list: &[String], problem: &FileProblem) -> Option<KeyPath> {
        let is_it = |text: &String| text.strip_prefix("file:").is_some_and(|name| self.file(name) == problem.file);
        Some(at.index(list.iter().position(is_it)?))
    }

    /// `seen`: where each network of the other list stands.
    fn networks(&mut self, at: &KeyPath, raw: &[String], seen: &mut HashMap<IpNet, KeyPath>) -> Networks {
        let mut all = Networks::default();
        for (index, text) in raw.iter().enumerate() {
            let here = at.index(index);
            match syntax::network_or_file(text) {
                Ok(NetworkSource::File(path)) => all.files.push(self.file(path)),
                Ok(NetworkSource::Network(network)) => {
                    if let Some(first) = seen.insert(network, here.clone()) {
                        let mistake = self.mistake(&here, format!("`{text}` is listed already")).warning();
                        self.report(
                            mistake.help(format!(
                                "{}; where both lists have a network, it is denied",
                                self.first_in(&first)
                            )),
                        );
                    }
                    if let Some(around) = all.own.iter().find(|other| other.contains(&network) && **other != network) {
                        let mistake =
                            self.mistake(&here, format!("`{text}` is in `{around}` of the same list")).warning();
                        self.report(
                            mistake.help("it changes nothing, unless the other list has a network between the two"),
                        );
                    }
                    all.own.push(network);
                }
                Err(_) => {}
            }
        }
        all
    }

    /// `auth` of the route at `at`: `Some(None)` = it has none.
    pub(super) fn auth(&mut self, at: &KeyPath, raw: Option<&raw::Auth>) -> Option<Option<Arc<Auth>>> {
        let at = at.key("auth");
        // an unusable `auth` has been reported, and must not become none
        if self.findings.removed(&at).is_some() {
            return None;
        }
        let Some(raw) = raw else { return Some(None) };
        let present: Vec<&str> = KINDS.into_iter().filter(|key| self.present(&at.key(key))).collect();
        match present[..] {
            [_] => {}
            [] => {
                let mistake = self.mistake(&at, "this `auth` asks for nothing");
                self.report(mistake.expected(format!("one of {}", KINDS.join(", "))));
                return None;
            }
            [first, second, ..] => {
                let mistake = self.key_mistake(&at.key(second), format!("`{second}` beside `{first}`"));
                self.report(mistake.expected(format!("only one of {}", KINDS.join(", "))));
            }
        }
        let certificate = raw.client_cert.as_ref().map(|raw| self.client_cert(&at.key("client_cert"), raw));
        let basic = raw.basic.as_ref().map(|raw| self.basic(&at.key("basic"), raw));
        let jwt = raw.jwt.as_ref().map(|raw| self.jwt(&at.key("jwt"), raw));
        let forward = raw.forward.as_ref().map(|raw| self.forward(&at.key("forward"), raw));
        certificate.or(basic).or(jwt).or(forward)?.map(|auth| Some(Arc::new(auth)))
    }

    fn client_cert(&mut self, at: &KeyPath, raw: &raw::ClientCert) -> Option<Auth> {
        if raw.names.is_empty() && raw.spiffe.is_empty() {
            let mistake = self.mistake(at, "no certificate may come in");
            self.report(mistake.expected("`names` or `spiffe`, such as names = [\"*.svc.example\"]"));
            return None;
        }
        let mut is_good = true;
        for (key, texts) in [("names", &raw.names), ("spiffe", &raw.spiffe)] {
            for (index, text) in texts.iter().enumerate() {
                let one = std::slice::from_ref(text);
                let tried =
                    if key == "names" { CertificateRule::new(one, &[]) } else { CertificateRule::new(&[], one) };
                if let Err((text, expected)) = tried {
                    let mistake = self.mistake(&at.key(key).index(index), format!("`{text}` fits no certificate"));
                    self.report(mistake.expected(expected));
                    is_good = false;
                }
            }
        }
        let rule = CertificateRule::new(&raw.names, &raw.spiffe).ok().filter(|_| is_good);
        rule.map(Auth::ClientCertificate)
    }

    fn basic(&mut self, at: &KeyPath, raw: &raw::BasicAuth) -> Option<Auth> {
        let path = at.key("file");
        let file: PathBuf = self.file(raw.file.as_ref()?);
        let header = raw.user_header.as_deref().map(syntax::header_name);
        let settings = BasicSettings {
            realm: raw.realm.clone(),
            remember: raw.remember.0,
            user_header: header.transpose().ok()?,
            passes_on: raw.forward_authorization,
        };
        if let Some(name) = settings.user_header.as_ref().filter(|name| super::listener::is_taken(name)) {
            let mistake = self.mistake(&at.key("user_header"), format!("`{name}` says something else"));
            self.report(mistake.expected("a header of its own, such as \"x-remote-user\""));
            return None;
        }
        match Basic::new(file, settings) {
            Ok(basic) => Some(Auth::Basic(basic)),
            Err(problem) => {
                self.bad_file(&path, &problem, "a file with one user:hash a line, as `htpasswd -B` writes it");
                None
            }
        }
    }

    fn bad_file(&mut self, at: &KeyPath, problem: &FileProblem, expected: &str) {
        let mistake = self.mistake(at, problem.to_string());
        self.report(mistake.expected(expected));
    }

    /// Over a Unix socket nobody has an address, unless a PROXY header says it.
    pub(super) fn knows_addresses(&mut self, at: &KeyPath, raw: &raw::Listener) {
        let is_unix = raw.bind.as_deref().is_some_and(|bind| bind.starts_with("unix:"));
        if !is_unix || raw.proxy_protocol == raw::ProxyProtocol::Accept {
            return;
        }
        let routes = raw
            .route
            .iter()
            .enumerate()
            .map(|(index, route)| (at.key("route").index(index), &route.allow, &route.deny));
        let sections = std::iter::once((at.clone(), &raw.allow, &raw.deny)).chain(routes);
        let lists = sections.flat_map(|(at, allow, deny)| [(at.key("allow"), allow), (at.key("deny"), deny)]);
        let through = raw.maintenance.as_ref().map(|page| (at.key("maintenance").key("allow"), &page.allow));
        let lists = lists.chain(through);
        for (path, _) in lists.filter(|(_, list)| !list.is_empty()).collect::<Vec<_>>() {
            let mistake = self.key_mistake(&path, "clients of a Unix socket have no address: nobody comes in");
            self.report(
                mistake
                    .help("the permissions of the socket decide who may connect; or set proxy_protocol = \"accept\""),
            );
        }
    }

    /// A route that wants a certificate takes nothing where no client is asked for one.
    pub(super) fn certificates_are_shown(&mut self, at: &KeyPath, raw: &raw::Listener) {
        let tls = at.key("tls");
        let is_asked = raw.tls.as_ref().is_some_and(|tls| tls.client_auth != raw::ClientAuth::Off);
        if is_asked || self.findings.removed(&tls).is_some() || self.findings.removed(&tls.key("client_auth")).is_some()
        {
            return;
        }
        for (index, route) in raw.route.iter().enumerate() {
            if route.auth.as_ref().is_some_and(|auth| auth.client_cert.is_some()) {
                let path = at.key("route").index(index).key("auth").key("client_cert");
                let mistake =
                    self.key_mistake(&path, "nobody comes in: no client of this listener is asked for a certificate");
                self.report(mistake.help("set client_auth and client_ca in [listener.tls]"));
            }
        }
    }
}
