//! `auth = { jwt = { ... } }`: tokens.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use http::header::{self, HeaderName};

use super::super::{Checker, listener};
use crate::auth::jwt::{Algorithm, Claim, KeySet, Rules};
use crate::auth::{Auth, Jwt};
use crate::config::model::{Authorities, KeySource};
use crate::config::syntax::jwt::JwksSource;
use crate::config::tree::KeyPath;
use crate::config::{raw, syntax};
use crate::policy::KeyFrom;

impl Checker<'_> {
    pub(super) fn jwt(&mut self, at: &KeyPath, raw: &raw::JwtAuth) -> Option<Auth> {
        // what restricts tokens and can't be used has been reported, and must not be left out
        let restricts = ["issuer", "audience", "algorithms", "from", "require", "claims"];
        if restricts.iter().any(|key| self.findings.removed(&at.key(key)).is_some()) {
            return None;
        }
        self.jwt_takes_any(at, raw);
        let claims = self.claim_fields(&at.key("claims"), &raw.claims);
        let from = syntax::service::token_from(&raw.from).ok()?;
        let keys = self.key_set(at, raw)?;
        let algorithms = raw.algorithms.iter().filter_map(|name| syntax::jwt::algorithm(name).ok());
        let algorithms = match raw.algorithms.is_empty() {
            true => Algorithm::ALL.into_iter().collect(),
            false => algorithms.collect(),
        };
        let claims = claims?;
        if let KeyFrom::Header(name) = &from
            && claims.iter().any(|(field, _)| field == name)
        {
            let mistake =
                self.mistake(&at.key("from"), format!("`{name}` is one of `claims`: nobody has a token there"));
            self.report(mistake.help("what clients send under the names of `claims` is dropped"));
            return None;
        }
        let rules = Rules {
            issuer: raw.issuer.clone(),
            audience: raw.audience.clone(),
            leeway: raw.leeway.0.as_secs(),
            may_last_for_ever: raw.allow_no_expiry,
            require: raw.require.iter().map(|(claim, value)| (Claim(claim.clone()), value.clone())).collect(),
        };
        Some(Auth::Jwt(Jwt { from, keys, algorithms, rules, claims }))
    }

    /// Warns where tokens that the issuer has made for others come in (RFC 8725, section 3.9).
    fn jwt_takes_any(&mut self, at: &KeyPath, raw: &raw::JwtAuth) {
        if raw.audience.is_empty() {
            let mistake = self.mistake(at, "tokens for every audience come in");
            self.report(
                mistake.warning().help("audience = [\"...\"] keeps out tokens that were issued for other services"),
            );
        }
    }

    fn claim_fields(&mut self, at: &KeyPath, raw: &BTreeMap<String, String>) -> Option<Vec<(HeaderName, Claim)>> {
        let mut fields = Vec::new();
        let mut is_good = true;
        for (name, claim) in raw {
            let Ok(field) = syntax::header_name(name) else { return None };
            let is_taken = listener::is_taken(&field) || [header::AUTHORIZATION, header::COOKIE].contains(&field);
            if is_taken || fields.iter().any(|(other, _)| *other == field) {
                let what = if is_taken { "says something else" } else { "is there twice" };
                let mistake = self.key_mistake(&at.key(name), format!("`{name}` {what}"));
                self.report(mistake.expected("a header of its own, such as \"x-user\""));
                is_good = false;
            }
            fields.push((field, Claim(claim.clone())));
        }
        is_good.then_some(fields)
    }

    fn has_no_use_of_url_keys(&mut self, at: &KeyPath) {
        for key in ["ca", "refresh"] {
            if self.present(&at.key(key)) {
                let mistake = self.key_mistake(&at.key(key), format!("`{key}` has no effect: the keys are in a file"));
                self.report(mistake.warning().help("a file is read again when it changes"));
            }
        }
    }

    /// The keys: routes with the same file or URL share them.
    fn key_set(&mut self, at: &KeyPath, raw: &raw::JwtAuth) -> Option<Arc<KeySet>> {
        let path = at.key("jwks");
        match syntax::jwt::jwks(raw.jwks.as_deref()?).ok()? {
            JwksSource::File(name) => {
                self.has_no_use_of_url_keys(at);
                let file = self.file(name);
                if let Some(known) = self.key_files.iter().find(|set| set.file() == Some(&file)) {
                    return Some(Arc::clone(known));
                }
                match KeySet::of_file(file) {
                    Ok(set) => {
                        let set = Arc::new(set);
                        self.key_files.push(Arc::clone(&set));
                        Some(set)
                    }
                    Err(problem) => {
                        self.bad_file(&path, &problem, "a JWK set (RFC 7517) with keys of RSA, EC or OKP");
                        None
                    }
                }
            }
            JwksSource::Url(uri) => {
                if uri.scheme_str() == Some("http") && !uri.host().is_some_and(is_this_machine) {
                    let mistake = self.mistake(&path, "keys that are fetched in clear can be replaced on their way");
                    self.report(mistake.warning().expected("an https URL"));
                }
                let ca = match raw.ca.as_deref() {
                    Some(file) => Authorities::File(self.authorities(&at.key("ca"), file)?),
                    None if uri.scheme_str() == Some("https") => Authorities::System(self.system_authorities()),
                    None => Authorities::System(Arc::default()),
                };
                let source = KeySource { uri, ca, refresh: raw.refresh.0, keys: Arc::new(KeySet::of_url()) };
                if let Some(known) = self.key_sources.iter_mut().find(|known| known.is_same(&source)) {
                    known.refresh = known.refresh.min(source.refresh);
                    return Some(Arc::clone(&known.keys));
                }
                let keys = Arc::clone(&source.keys);
                self.key_sources.push(source);
                Some(keys)
            }
        }
    }
}

fn is_this_machine(host: &str) -> bool {
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}
