//! Changes to headers, by listeners, services and routes.

use std::collections::{BTreeMap, HashSet};

use http::header::HeaderName;

use super::Checker;
use crate::config::raw;
use crate::config::syntax;
use crate::config::tree::KeyPath;
use crate::policy::template::{FieldValue, Template};
use crate::policy::variables::Place;
use crate::policy::{Field, HeaderChanges};

/// Fields that belong to a connection or say where a message ends. Changing them by hand breaks the framing.
pub(super) const FRAMING: [&str; 8] =
    ["connection", "content-length", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"];

impl Checker<'_> {
    /// The changes in the section at this path. `request`: they are made to requests.
    pub(super) fn header_changes(&mut self, at: &KeyPath, raw: &raw::HeaderChanges, request: bool) -> HeaderChanges {
        let set = self.fields(&at.key("set"), &raw.set, request);
        let add = self.fields(&at.key("add"), &raw.add, request);
        let default = self.fields(&at.key("default"), &raw.default, request);
        self.never_missing(at, raw);
        let remove = at.key("remove");
        let remove = raw.remove.iter().enumerate().filter_map(|(index, name)| {
            let name = syntax::header_name(name).ok()?;
            let path = remove.index(index);
            self.may_change(&path, &name, request).then_some(name)
        });
        let remove = remove.collect();
        HeaderChanges::new(set, add, default, remove)
    }

    /// Warns of a default for a field that the same section writes anyway.
    fn never_missing(&mut self, at: &KeyPath, raw: &raw::HeaderChanges) {
        let is_written = |name: &str| raw.set.keys().chain(raw.add.keys()).any(|key| key.eq_ignore_ascii_case(name));
        for name in raw.default.keys().filter(|name| is_written(name)) {
            let path = at.key("default").key(name);
            let mistake = self.key_mistake(&path, format!("the default of `{name}` has no effect")).warning();
            self.report(mistake.help("the same section sets or adds it, so it is never missing"));
        }
    }

    fn fields(&mut self, at: &KeyPath, raw: &BTreeMap<String, String>, request: bool) -> Vec<Field> {
        let place = if request { Place::RequestHeader } else { Place::ResponseHeader };
        let mut seen = HashSet::new();
        let mut fields = Vec::with_capacity(raw.len());
        for (key, value) in raw {
            let path = at.key(key);
            self.foreign_variables(&path, value, place);
            let (Ok(name), Some(value)) = (syntax::header_name(key), field_value(value)) else { continue };
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
            self.report(mistake.help("use rewrite = { host = \"...\" } of a route"));
            return false;
        }
        true
    }
}

/// The value of a field; `None` = it can't be one.
fn field_value(text: &str) -> Option<FieldValue> {
    let template = Template::parse(text);
    match template.fixed() {
        Some(text) => syntax::header_value(text).ok().map(FieldValue::Fixed),
        None => syntax::header_value(text).ok().map(|_| FieldValue::Template(template)),
    }
}
