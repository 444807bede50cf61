//! `[[listener.route]]`: which requests, what happens to them, what changes on the way.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use http::StatusCode;
use http::header::{HeaderName, HeaderValue};

use super::{Checker, all};
use crate::config::model::{Action, Route};
use crate::config::raw;
use crate::config::syntax;
use crate::config::tree::KeyPath;
use crate::policy::{HeaderChanges, Rewrite, TimeoutOverride};
use crate::route::{Conditions, Path};

const ACTIONS: [&str; 4] = ["service", "split", "redirect", "respond"];

/// Fields that belong to a connection or say where a message ends. Changing them by hand breaks the framing.
const FRAMING: [&str; 8] =
    ["connection", "content-length", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"];

/// Fields that are taken out of a request before it is routed: a condition on one would never hold.
const NEVER_SEEN: [&str; 4] = ["expect", "host", "proxy-authorization", "proxy-authenticate"];

impl Checker<'_> {
    pub(super) fn route(&mut self, at: &KeyPath, raw: &raw::Route) -> Option<Route> {
        let when = self.conditions(at, raw);
        let action = self.action(at, raw);
        self.changes_without_effect(at, raw);
        let rewrite = raw.rewrite.as_ref().map(|rewrite| self.rewrite(at, rewrite));
        let request_headers = self.header_changes(&at.key("request_headers"), &raw.request_headers, true);
        let response_headers = self.header_changes(&at.key("response_headers"), &raw.response_headers, false);
        let timeout = TimeoutOverride {
            connect: raw.timeout.connect.map(|t| t.0),
            response: raw.timeout.response.map(|t| t.0),
            idle: raw.timeout.idle.map(|t| t.0),
            total: raw.timeout.total.map(|t| (!t.0.is_zero()).then_some(t.0)),
            queue: raw.timeout.queue.map(|t| t.0),
            queue_length: raw.timeout.queue_length.map(|length| length as usize),
        };
        let rate_limits = self.rate_limits(&at.key("rate_limit"), &raw.rate_limit);
        Some(Route {
            when,
            action: action?,
            rewrite,
            request_headers,
            response_headers,
            rate_limits: rate_limits?,
            timeout,
        })
    }

    fn conditions(&mut self, at: &KeyPath, raw: &raw::Route) -> Conditions {
        let paths: Vec<&str> =
            ["path", "path_prefix", "path_regex"].into_iter().filter(|key| self.present(&at.key(key))).collect();
        if let [first, second, ..] = paths[..] {
            let mistake = self.key_mistake(&at.key(second), format!("`{second}` beside `{first}`"));
            self.report(mistake.expected("only one of path, path_prefix, path_regex"));
        }
        for key in raw.headers.keys() {
            self.may_be_asked_for(&at.key("headers").key(key), &key.to_ascii_lowercase());
        }
        let path = match (&raw.path, &raw.path_prefix, &raw.path_regex) {
            (Some(path), _, _) => Some(Path::Exact(path.clone())),
            (None, Some(prefix), _) => Some(Path::Prefix(prefix.clone())),
            (None, None, Some(regex)) => syntax::regex(regex).ok().map(Path::Regex),
            (None, None, None) => None,
        };
        Conditions {
            host: raw.host.as_deref().and_then(|text| syntax::host(text).ok()),
            path,
            methods: raw.methods.iter().filter_map(|text| syntax::method(text).ok()).collect(),
            headers: raw
                .headers
                .iter()
                .filter_map(|(name, value)| Some((syntax::header_name(name).ok()?, value.clone())))
                .collect(),
            query: raw.query.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
        }
    }

    fn may_be_asked_for(&mut self, at: &KeyPath, name: &str) {
        if !NEVER_SEEN.contains(&name) && !FRAMING.contains(&name) || name == "trailer" {
            return;
        }
        let mistake = self.key_mistake(at, format!("a condition on `{name}` would never hold"));
        self.report(mistake.help(match name {
            "host" => "use `host` of the route",
            _ => "it belongs to the connection or frames the message; routes don't see it",
        }));
    }

    fn action(&mut self, at: &KeyPath, raw: &raw::Route) -> Option<Action> {
        let present: Vec<&str> = ACTIONS.into_iter().filter(|key| self.present(&at.key(key))).collect();
        match present[..] {
            [] => {
                let mistake = self.mistake(at, "this route does not say what happens");
                self.report(mistake.help("set one of service, split, redirect, respond"));
            }
            [first, second, ..] => {
                let mistake = self.key_mistake(&at.key(second), format!("`{second}` beside `{first}`"));
                self.report(mistake.expected("only one of service, split, redirect, respond"));
            }
            _ => {}
        }
        // Each one that is there is looked at, so that no mistake hides behind the one above.
        let service = raw.service.as_ref().map(|name| self.service_named(&at.key("service"), name));
        let split = raw.split.as_ref().map(|shares| self.split(&at.key("split"), shares));
        let respond = raw.respond.as_ref().map(|respond| self.respond(&at.key("respond"), respond));
        let redirect = raw.redirect.as_ref().map(|redirect| {
            let status = StatusCode::from_u16(redirect.status).ok()?;
            Some(Action::Redirect { to: redirect.to.clone()?, status })
        });
        service.map(|id| id.map(Action::Service)).or(split).or(redirect).or(respond).flatten()
    }

    fn split(&mut self, at: &KeyPath, raw: &[raw::Share]) -> Option<Action> {
        let shares = raw.iter().enumerate().map(|(index, share)| {
            let name = share.service.as_ref()?;
            Some((self.service_named(&at.index(index).key("service"), name)?, share.weight))
        });
        let shares = all(shares.collect());
        // A weight that could not be read stands at its default, which is not 0.
        if raw.iter().all(|share| share.weight == 0) {
            let mistake = self.mistake(at, "no service of this split has a weight above 0");
            self.report(mistake.expected("at least one weight above 0"));
            return None;
        }
        shares.map(Action::Split)
    }

    fn respond(&mut self, at: &KeyPath, raw: &raw::Respond) -> Option<Action> {
        if matches!(raw.status, 204 | 205 | 304) && !raw.body.is_empty() {
            let mistake = self.mistake(&at.key("body"), format!("an answer with status {} has no body", raw.status));
            self.report(mistake.expected("no body, or another status"));
        }
        Some(Action::Respond {
            status: StatusCode::from_u16(raw.status).ok()?,
            body: Arc::from(raw.body.as_str()),
            content_type: syntax::header_value(&raw.content_type).ok()?,
        })
    }

    /// What changes on the way to a backend means nothing when there is no way to a backend.
    fn changes_without_effect(&mut self, at: &KeyPath, raw: &raw::Route) {
        let Some(action) = ["redirect", "respond"].into_iter().find(|key| self.root.has(&at.key(key))) else { return };
        if raw.service.is_some() || raw.split.is_some() {
            return;
        }
        for key in ["rewrite", "request_headers", "timeout"] {
            if self.root.has(&at.key(key)) {
                let mistake = self.key_mistake(&at.key(key), format!("`{key}` has no effect beside `{action}`"));
                self.report(mistake.warning().help("no backend is asked"));
            }
        }
    }

    fn rewrite(&mut self, at: &KeyPath, raw: &raw::Rewrite) -> Rewrite {
        let matched = self.present(&at.key("path")) || self.present(&at.key("path_prefix"));
        let path = at.key("rewrite").key("prefix");
        if raw.prefix.is_some() && !matched {
            let mistake = self.key_mistake(&path, "`prefix` has nothing to replace");
            self.report(mistake.help("it replaces what `path` or `path_prefix` matched; this route has neither"));
        }
        let host = raw.host.as_deref().and_then(|text| syntax::authority(text).ok());
        Rewrite { prefix: raw.prefix.clone(), host }
    }

    fn header_changes(&mut self, at: &KeyPath, raw: &raw::HeaderChanges, request: bool) -> HeaderChanges {
        let set = self.fields(&at.key("set"), &raw.set, request);
        let add = self.fields(&at.key("add"), &raw.add, request);
        let remove = at.key("remove");
        let remove = raw.remove.iter().enumerate().filter_map(|(index, name)| {
            let name = syntax::header_name(name).ok()?;
            let path = remove.index(index);
            self.may_change(&path, &name, request).then_some(name)
        });
        let remove = remove.collect();
        HeaderChanges::new(set, add, remove)
    }

    fn fields(
        &mut self,
        at: &KeyPath,
        raw: &BTreeMap<String, String>,
        request: bool,
    ) -> Vec<(HeaderName, HeaderValue)> {
        let mut seen = HashSet::new();
        let mut fields = Vec::with_capacity(raw.len());
        for (key, value) in raw {
            let path = at.key(key);
            let (Ok(name), Ok(value)) = (syntax::header_name(key), syntax::header_value(value)) else { continue };
            if !seen.insert(name.clone()) {
                let mistake = self.key_mistake(&path, format!("`{name}` is here twice"));
                self.report(mistake.help("the case of a header's name does not matter"));
            }
            if self.may_change(&path, &name, request) {
                fields.push((name, value));
            }
        }
        fields
    }

    fn may_change(&mut self, path: &KeyPath, name: &HeaderName, request: bool) -> bool {
        if FRAMING.contains(&name.as_str()) {
            let mistake = self.key_mistake(path, format!("`{name}` can't be changed"));
            self.report(mistake.help("it belongs to the connection or frames the message; Evenkeel writes it itself"));
            return false;
        }
        if request && name == http::header::HOST {
            let mistake = self.key_mistake(path, "`host` can't be changed here");
            self.report(mistake.help("use rewrite = { host = \"...\" }"));
            return false;
        }
        true
    }
}
