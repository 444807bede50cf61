//! `[[listener.route]]`: which requests, what happens to them, what changes on the way.

use std::sync::Arc;

use http::StatusCode;
use http::header::HeaderValue;

use super::headers::FRAMING;
use super::rate_limit::Claims;
use super::{Checker, all, all_or_nothing};
use crate::canary::WHOLE;
use crate::config::model::{Action, Canary, Route};
use crate::config::raw;
use crate::config::syntax;
use crate::config::tree::KeyPath;
use crate::pages::{PageFile, Purpose};
use crate::policy::compression::Recoding;
use crate::policy::template::AnswerBody;
use crate::policy::variables::Place;
use crate::policy::{Priority, Rewrite, SplitBy, TimeoutOverride};
use crate::route::{Conditions, Path, meaning};

const ACTIONS: [&str; 5] = ["service", "split", "canary", "redirect", "respond"];

/// Fields that are taken out of a request before it is routed: a condition on one would never hold.
const NEVER_SEEN: [&str; 4] = ["expect", "host", "proxy-authorization", "proxy-authenticate"];

impl Checker<'_> {
    /// `of_listener`: what is done with the content of answers where the route says nothing of it.
    pub(super) fn route(&mut self, at: &KeyPath, raw: &raw::Route, of_listener: &Recoding) -> Option<Route> {
        let when = self.conditions(at, raw);
        let canary = raw.canary.as_ref().map(|canary| self.canary(&at.key("canary"), canary));
        let action = self.action(at, raw, canary.as_ref());
        let (access, auth) = (self.access(at, (&raw.allow, &raw.deny)), self.auth(at, raw.auth.as_ref()));
        self.changes_without_effect(at, raw);
        let mirror = all_or_nothing(raw.mirror.as_ref().map(|mirror| self.mirror(at, raw, mirror)));
        let rewrite = raw.rewrite.as_ref().map(|rewrite| self.rewrite(at, rewrite));
        let request_headers = self.header_changes(&at.key("request_headers"), &raw.request_headers, true);
        let response_headers = self.header_changes(&at.key("response_headers"), &raw.response_headers, false);
        let cors = all_or_nothing(raw.cors.as_ref().map(|cors| self.cors(at, raw, cors)));
        let timeout = TimeoutOverride {
            connect: raw.timeout.connect.map(|t| t.0),
            response: raw.timeout.response.map(|t| t.0),
            idle: raw.timeout.idle.map(|t| t.0),
            total: raw.timeout.total.map(|t| (!t.0.is_zero()).then_some(t.0)),
            queue: raw.timeout.queue.map(|t| t.0),
            queue_length: raw.timeout.queue_length.map(|length| length as usize),
        };
        let verifies = self.present(&at.key("auth").key("jwt"));
        let claims = if verifies { Claims::Verified } else { Claims::NoToken };
        let rate_limits = self.rate_limits(&at.key("rate_limit"), &raw.rate_limit, claims);
        let error_pages = self.error_pages(at, &raw.error_pages);
        let split_by = all_or_nothing(raw.split_by.as_ref().map(|by| self.split_by(at, raw, by)));
        Some(Route {
            when,
            action: action?,
            split_by: split_by?,
            canary: all_or_nothing(canary)?,
            mirror: mirror?,
            rewrite,
            request_headers,
            response_headers,
            cors: cors?,
            error_pages: error_pages?,
            recoding: self.recoding(at, raw.compress.as_ref(), raw.decompress, of_listener),
            rate_limits: rate_limits?,
            priority: self.priority(at, raw),
            priority_header: raw.priority_header.as_deref().and_then(|name| syntax::header_name(name).ok()),
            timeout,
            access: access?,
            auth: auth?,
        })
    }

    /// How important its requests are.
    fn priority(&mut self, at: &KeyPath, raw: &raw::Route) -> Priority {
        let header = at.key("priority_header");
        if raw.priority_header.as_ref().is_some_and(|name| NEVER_SEEN.contains(&&*name.to_ascii_lowercase())) {
            let mistake = self.mistake(&header, "no request has this header any more when its priority is looked for");
            self.report(mistake.help("use a header of its own, such as \"x-priority\""));
        }
        match raw.priority {
            raw::Priority::High => Priority::High,
            raw::Priority::Normal => Priority::Normal,
            raw::Priority::Low => Priority::Low,
        }
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
            (Some(path), _, _) => Some(Path::Exact(self.compared(&at.key("path"), path, false))),
            (None, Some(prefix), _) => Some(Path::Prefix(self.compared(&at.key("path_prefix"), prefix, true))),
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

    /// The form of a path in which requests' paths are compared with it: in another one it would take none.
    fn compared(&mut self, at: &KeyPath, path: &str, is_prefix: bool) -> String {
        let compared = meaning::condition(path, is_prefix);
        if compared != path {
            let mistake = self.mistake(at, format!("`{path}` is compared as `{compared}`")).warning();
            self.report(mistake.near(Some(compared.as_ref())).help("docs/routing.md says what a path means"));
        }
        compared.into_owned()
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

    /// What happens to requests; `canary` is what the route says of one, as far as it can be used.
    fn action(&mut self, at: &KeyPath, raw: &raw::Route, canary: Option<&Option<Canary>>) -> Option<Action> {
        let present: Vec<&str> = ACTIONS.into_iter().filter(|key| self.present(&at.key(key))).collect();
        match present[..] {
            [] => {
                let mistake = self.mistake(at, "this route does not say what happens");
                self.report(mistake.help("set one of service, split, canary, redirect, respond"));
            }
            [first, second, ..] => {
                let mistake = self.key_mistake(&at.key(second), format!("`{second}` beside `{first}`"));
                self.report(mistake.expected("only one of service, split, canary, redirect, respond"));
            }
            _ => {}
        }
        // Each one that is there is looked at, so that no mistake hides behind the one above.
        let service = raw.service.as_ref().map(|name| self.service_named(&at.key("service"), name));
        let split = raw.split.as_ref().map(|shares| self.split(&at.key("split"), shares));
        let respond = raw.respond.as_ref().map(|respond| self.respond(&at.key("respond"), respond));
        let redirect = raw.redirect.as_ref().map(|redirect| {
            let status = StatusCode::from_u16(redirect.status).ok()?;
            let to = redirect.to.clone()?;
            self.foreign_variables(&at.key("redirect").key("to"), &to, Place::Redirect);
            Some(Action::Redirect { to, status })
        });
        // whoever shifts its weights finds it before the first request
        let canary = canary.map(|canary| {
            canary.as_ref().map(|canary| Action::Split(vec![(canary.stable, WHOLE), (canary.service, 0)]))
        });
        service.map(|id| id.map(Action::Service)).or(split).or(canary).or(redirect).or(respond).flatten()
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

    /// What keeps clients on their sides of a split.
    fn split_by(&mut self, at: &KeyPath, raw: &raw::Route, by: &str) -> Option<SplitBy> {
        if !self.present(&at.key("split")) && !self.present(&at.key("canary")) {
            let mistake = self.key_mistake(&at.key("split_by"), "`split_by` has no effect without `split`");
            self.report(mistake.warning().help("it keeps clients on their sides of a split, or of a canary"));
        } else if raw.split.as_ref().is_some_and(|sides| sides.len() == 1) {
            let mistake = self.key_mistake(&at.key("split_by"), "`split_by` has no effect: the split has one side");
            self.report(mistake.warning().help("name the service by `service`"));
        }
        let by = syntax::service::session_key(by).ok()?;
        Some(by.map_or(SplitBy::Cookie, SplitBy::Key))
    }

    fn respond(&mut self, at: &KeyPath, raw: &raw::Respond) -> Option<Action> {
        if matches!(raw.status, 204 | 205 | 304) && !raw.body.is_empty() {
            let mistake = self.mistake(&at.key("body"), format!("an answer with status {} has no body", raw.status));
            self.report(mistake.expected("no body, or another status"));
        }
        self.foreign_variables(&at.key("body"), &raw.body, Place::Respond);
        let content_type = syntax::header_value(&raw.content_type).ok()?;
        let status = StatusCode::from_u16(raw.status).ok()?;
        if let Some(file) = &raw.file {
            return self
                .respond_with_file(at, raw.status, file, content_type)
                .map(|file| Action::File { status, file });
        }
        Some(Action::Respond { status, body: AnswerBody::new(&raw.body, &content_type), content_type })
    }

    /// The file that a route responds with.
    fn respond_with_file(
        &mut self,
        at: &KeyPath,
        status: u16,
        file: &str,
        content_type: HeaderValue,
    ) -> Option<Arc<PageFile>> {
        let here = at.key("file");
        let is_said = self.present(&at.key("content_type"));
        let file = self.page_file(&here, file, Some(content_type).filter(|_| is_said), Purpose::Fixed);
        if self.present(&at.key("body")) {
            let mistake = self.key_mistake(&here, "`file` beside `body`");
            self.report(mistake.expected("only one of body, file"));
            return None;
        }
        if matches!(status, 204 | 205 | 304) {
            let mistake = self.mistake(&here, format!("an answer with status {status} has no body"));
            self.report(mistake.expected("no file, or another status"));
            return None;
        }
        file
    }

    /// What changes on the way to a backend means nothing when there is no way to a backend.
    fn changes_without_effect(&mut self, at: &KeyPath, raw: &raw::Route) {
        let Some(action) = ["redirect", "respond"].into_iter().find(|key| self.root.has(&at.key(key))) else { return };
        if raw.service.is_some() || raw.split.is_some() || raw.canary.is_some() {
            return;
        }
        for key in ["mirror", "rewrite", "request_headers", "timeout", "priority", "priority_header"] {
            if self.root.has(&at.key(key)) {
                let mistake = self.key_mistake(&at.key(key), format!("`{key}` has no effect beside `{action}`"));
                self.report(mistake.warning().help(match (key, action) {
                    ("rewrite", "redirect") => "no backend is asked; write the new path into `redirect.to`",
                    _ => "no backend is asked",
                }));
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
}
