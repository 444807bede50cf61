//! `[admin]`: its address, the host names that it answers to, and its tokens.

use std::collections::HashMap;

use super::{Checker, all, all_or_nothing};
use crate::config::tree::KeyPath;
use crate::config::{model, raw, syntax};
use crate::policy::{Access, AdminToken, TokenSecret};
use crate::route::Host;

/// The name of the token in `token_file`.
const FIRST: &str = "admin";

/// A token with fewer characters is warned of. This many random letters and digits have 71 bits (5.95 each), which
/// nobody guesses over a network.
const SHORTEST: usize = 12;

impl Checker<'_> {
    pub(super) fn admin(&mut self, raw: &raw::Admin) -> Option<model::Admin> {
        let at = KeyPath::default().key("admin");
        let bind = syntax::socket(&raw.bind).ok();
        let tokens_at = at.key("tokens");
        let named = !raw.tokens.is_empty() || self.findings.removed(&tokens_at).is_some();
        let hosts = all(raw.hosts.iter().map(|host| syntax::host(host).ok()).collect());
        let tokens = self.tokens(&at, raw);
        // tokens that can't be used have been reported, and cross no network
        let has_tokens = named || self.present(&at.key("token_file"));
        let are_usable = tokens.as_ref().is_some_and(|tokens| !tokens.is_empty());
        if bind.is_some_and(|bind| !bind.ip().to_canonical().is_loopback()) && (are_usable || !has_tokens) {
            self.reachable_by_others(&at, has_tokens);
        }
        let tls = raw.tls.as_ref().map(|tls| self.admin_tls(&at.key("tls"), tls));
        if let (Some(hosts), Some(Some(tls))) = (&hosts, &tls) {
            self.certificate_names(&at.key("tls").key("cert"), hosts, tls);
        }
        Some(model::Admin { bind: bind?, hosts: hosts?, tokens: tokens?, tls: all_or_nothing(tls)? })
    }

    /// What keeps others out of an address that they can reach.
    fn reachable_by_others(&mut self, at: &KeyPath, tokens: bool) {
        let tls = self.present(&at.key("tls"));
        let authorities =
            self.present(&at.key("tls").key("client_ca")) || self.findings.removed(&at.key("tls")).is_some();
        let mistake = |message: &str| self.mistake(&at.key("bind"), message);
        let mistake = match (tokens, tls) {
            (false, false) => mistake("the admin address can be reached from other machines by anyone")
                .expected("an address on loopback")
                .help("or set token_file, tokens or tls in [admin]"),
            (false, true) if !authorities => mistake("anyone who can reach the admin address may drain backends")
                .warning()
                .help("add `token_file` or `tls.client_ca` to [admin]"),
            (true, false) => mistake("the tokens of the admin address cross the network in clear")
                .warning()
                .help("add `tls` to [admin], or listen on loopback"),
            _ => return,
        };
        self.report(mistake);
    }

    /// Warns of names in the certificate that the admin address does not answer to: whoever asks by one of them expects
    /// an answer.
    fn certificate_names(&mut self, at: &KeyPath, hosts: &[Host], tls: &model::ServerTls) {
        let is_known = |name: &str| {
            let is_listed = |host: &Host| match host {
                Host::Exact(known) => known == name,
                Host::Wildcard(parent) => name.strip_suffix(parent.as_str()).is_some_and(|below| below.ends_with('.')),
            };
            name == "localhost" || name.ends_with(".localhost") || hosts.iter().any(is_listed)
        };
        let names = tls.certificates.iter().flat_map(|certificate| &certificate.names);
        let unknown: Vec<String> = names.filter(|name| !is_known(name)).map(|name| format!("{name:?}")).collect();
        if !unknown.is_empty() {
            let unknown = unknown.join(", ");
            let mistake = self
                .mistake(at, format!("this certificate is for {unknown}, by which the admin address does not answer"));
            self.report(mistake.warning().help(format!("list what it is asked by in [admin]: hosts = [{unknown}]")));
        }
    }

    /// The token of `token_file` and the named ones; no two may have the same name or secret.
    fn tokens(&mut self, at: &KeyPath, raw: &raw::Admin) -> Option<Vec<AdminToken>> {
        let mut tokens = Vec::new();
        if let Some(file) = &raw.token_file {
            let path = at.key("token_file");
            let token = self.token(&path, FIRST, file, Access::Write);
            tokens.push((path, token));
        }
        for (index, token) in raw.tokens.iter().enumerate() {
            let at = at.key("tokens").index(index);
            // a missing key has been reported
            let (Some(name), Some(file)) = (&token.name, &token.file) else { continue };
            let access = match token.access {
                raw::TokenAccess::Read => Access::Read,
                raw::TokenAccess::Write => Access::Write,
            };
            let at = at.key("file");
            let token = self.token(&at, name, file, access);
            tokens.push((at, token));
        }
        self.unique_names(at, raw);
        self.unique_secrets(&tokens);
        all(tokens.into_iter().map(|(_, token)| token).collect())
    }

    fn unique_names(&mut self, at: &KeyPath, raw: &raw::Admin) {
        let mut names = HashMap::new();
        if raw.token_file.is_some() {
            names.insert(FIRST, at.key("token_file"));
        }
        for (index, token) in raw.tokens.iter().enumerate() {
            let at = at.key("tokens").index(index).key("name");
            let Some(name) = &token.name else { continue };
            if let Some(first) = names.insert(name, at.clone()) {
                let mistake = self.mistake(&at, format!("another token is named `{name}`"));
                let help = match first.steps().len() {
                    2 => format!("`{FIRST}` is the name of the token in token_file"),
                    _ => self.first_in(&first),
                };
                self.report(mistake.help(help));
            }
        }
    }

    /// Two tokens with one secret could not be told apart. Beside each token stands the place of its file.
    fn unique_secrets(&mut self, tokens: &[(KeyPath, Option<AdminToken>)]) {
        let mut secrets = HashMap::new();
        for (at, token) in tokens {
            let Some(token) = token else { continue };
            if let Some(first) = secrets.insert(&token.secret, &token.name) {
                let mistake = self.mistake(at, format!("this file holds the same token as that of `{first}`"));
                self.report(mistake.expected("a token of its own").help("a new one: openssl rand -base64 32"));
            }
        }
    }

    fn token(&mut self, at: &KeyPath, name: &str, file: &str, access: Access) -> Option<AdminToken> {
        let (file, text) = self.text(at, file)?;
        let token = text.trim();
        if token.is_empty() || !token.bytes().all(|b| b.is_ascii_graphic()) {
            let mistake = self.mistake(at, format!("`{}` holds no token", file.display()));
            self.report(mistake.expected("a file with one line of printable ASCII without spaces"));
            return None;
        }
        if token.len() < SHORTEST {
            let message = format!("the token in `{}` is short: it could be guessed", file.display());
            let mistake = self.mistake(at, message).expected(format!("at least {SHORTEST} characters"));
            self.report(mistake.warning().help("a new one: openssl rand -base64 32"));
        }
        Some(AdminToken { name: name.into(), secret: TokenSecret::new(token), access })
    }
}
