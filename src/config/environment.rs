//! `${NAME}` in the strings of the file: from `server.environment`, else from the process's environment. `${NAME:-default}` has a default, for where it is
//! not set or empty.
//!
//! `$${` stands for a literal `${`. A few strings have placeholders of their own, which stay: the [variables](crate::policy::variables) of header
//! values, redirects and answers, and what hooks are told. There a name of theirs never means the environment.

use std::collections::BTreeMap;
use std::ops::Range;

use super::code::Code;
use super::mistake::{Findings, Mistake};
use super::model::PLACEHOLDERS;
use super::other_proxies;
use super::path::{KeyPath, Trail};
use super::syntax::nearest;
use super::tree::{Node, Value};
use crate::policy::variables::{Place, Variable};

/// The strings in which something was replaced, by their places.
pub(super) type Written = BTreeMap<KeyPath, Replaced>;

/// A string in which something was replaced.
#[derive(Debug, Clone)]
pub(super) struct Replaced {
    /// As it is written: what is shown to people, since a value from the environment may be a secret.
    pub(super) written: String,
    /// What it is now.
    pub(super) value: String,
    /// Whether it may be shown as what it is: a number or a boolean is no secret.
    pub(super) is_shown: bool,
}

/// A variable of the process.
pub(super) fn process(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Whether there may be anything to replace in a file with this text: it has a `$`, or an escape, which may stand for
/// one.
pub(super) fn is_in(text: &str) -> bool {
    memchr::memchr2(b'$', b'\\', text.as_bytes()).is_some()
}

/// Replaces what there is to replace; a string in which something is unset is reported and taken out.
/// `process` looks a variable up in the process's environment.
pub(super) fn expand(
    root: &mut Node<'_>,
    process: &dyn Fn(&str) -> Option<String>,
    findings: &mut Findings,
) -> Written {
    let nothing = BTreeMap::new();
    let mut expansion = Expansion { own: &nothing, process, findings, written: Written::new() };
    // the values of the file come first; they can't refer to one another, so their order means nothing
    let own = root.table_mut("server").and_then(|server| server.table_mut("environment")).map(|own| {
        expansion.node(&Trail::Root.key("server").key("environment"), own, &(0..0));
        own.texts()
    });
    let own = own.unwrap_or_default();
    let mut expansion = Expansion { own: &own, ..expansion };
    expansion.node(&Trail::Root, root, &(0..0));
    expansion.written
}

/// The strings of `server.environment`, before anything has been replaced. What is wrong there is reported when the rest is.
pub(super) fn own(root: &Node<'_>, process: &dyn Fn(&str) -> Option<String>) -> BTreeMap<String, String> {
    let at = Trail::Root.key("server");
    let at = at.key("environment");
    let Some((own, _)) = root.at(&at.path()) else { return BTreeMap::new() };
    let (mut own, mut findings) = (own.clone(), Findings::default());
    let (nothing, written) = (BTreeMap::new(), Written::new());
    Expansion { own: &nothing, process, findings: &mut findings, written }.node(&at, &mut own, &(0..0));
    own.texts()
}

/// Replaces what there is to replace in one string, which stands at `at`; `None` = something is wrong, and has been reported.
pub(super) fn text(
    text: &str,
    at: (&Trail<'_>, &Range<usize>),
    own: &BTreeMap<String, String>,
    process: &dyn Fn(&str) -> Option<String>,
    findings: &mut Findings,
) -> Option<String> {
    match text.contains("${") {
        true => Expansion { own, process, findings, written: Written::new() }.text(at.0, text, at.1),
        false => Some(text.to_owned()),
    }
}

struct Expansion<'a> {
    own: &'a BTreeMap<String, String>,
    process: &'a dyn Fn(&str) -> Option<String>,
    findings: &'a mut Findings,
    written: Written,
}

impl Expansion<'_> {
    /// Replaces in a value and all below it; returns whether the value can stay.
    fn node(&mut self, path: &Trail<'_>, node: &mut Node<'_>, span: &Range<usize>) -> bool {
        match &mut node.value {
            Value::Table(table) => {
                table.retain(|entry| {
                    let path = path.key(&entry.name);
                    let span = entry.node.span.clone();
                    // these have been replaced already, and must not be replaced twice
                    let done = !self.own.is_empty() && path.is("server", "environment");
                    let keep = done || self.node(&path, &mut entry.node, &span);
                    if !keep {
                        self.findings.remove(path.path(), entry.key.clone());
                    }
                    keep
                });
                true
            }
            Value::Array(items) => {
                let mut keep = true;
                for (index, item) in items.iter_mut().enumerate() {
                    let span = item.span.clone();
                    keep &= self.node(&path.index(index), item, &span);
                }
                keep
            }
            // what is filled in there is not of the environment: names of fields
            Value::Text(_) if path.is("log", "access_template") => true,
            Value::Text(text) if text.contains("${") => match self.text(path, text, span) {
                Some(expanded) => {
                    let written = std::mem::replace(text, expanded.clone().into()).into_owned();
                    self.written.insert(path.path(), Replaced { written, value: expanded, is_shown: false });
                    true
                }
                None => false,
            },
            _ => true,
        }
    }

    /// `None` = something in it is wrong, and has been reported.
    fn text(&mut self, path: &Trail<'_>, text: &str, span: &Range<usize>) -> Option<String> {
        let filled = FilledInLater::at(path);
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        let mut good = true;
        while let Some(at) = rest.find("${") {
            let (before, from) = rest.split_at(at);
            if let Some(escaped) = before.strip_suffix('$') {
                out.push_str(escaped);
                out.push_str(filled.escaped());
                rest = &from[2..];
                continue;
            }
            out.push_str(before);
            let Some(end) = from.find('}') else {
                let mistake = Mistake::new(span.clone(), &path.path(), "`${` without a closing `}`");
                let is_of_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
                let name = &from[2..from[2..].find(|c| !is_of_name(c)).map_or(from.len(), |at| at + 2)];
                let meant = (!name.is_empty()).then(|| format!("${{{name}}}"));
                let part = meant.is_some().then(|| format!("${{{name}"));
                let mistake = mistake.code(Code::UnsetVariable).near(meant).part(part);
                self.findings.add(mistake.help("write `$${` for a literal `${`"));
                return None;
            };
            let reference = &from[2..end];
            rest = &from[end + 1..];
            let (name, default) =
                reference.split_once(":-").map_or((reference, None), |(name, default)| (name, Some(default)));
            if filled.has(name) && default.is_none() {
                self.hidden(path, name, span);
                out.push_str(&from[..=end]);
            } else if let Some((message, help)) = filled.no_default(name, default) {
                good = false;
                self.findings.add(Mistake::new(span.clone(), &path.path(), message).help(help));
            } else if let Some(why) = filled.unknown_here(name) {
                good = false;
                let mistake = Mistake::new(span.clone(), &path.path(), format!("`${{{name}}}` is not known here"));
                self.findings.add(mistake.code(Code::UnsetVariable).expected(filled.list()).help(why));
            } else if let Some(value) = self.value(name, default) {
                // what comes from the environment is not filled in again
                out.push_str(&value.replace("${", filled.escaped()));
            } else {
                good = false;
                self.unset(path, name, span, filled);
            }
        }
        out.push_str(rest);
        good.then_some(out)
    }

    /// What a variable stands for. A default is for where it is not set or empty, as in a shell (POSIX.1-2024, 2.6.2).
    fn value(&self, name: &str, default: Option<&str>) -> Option<String> {
        let set = self.own.get(name).cloned().or_else(|| (self.process)(name));
        match default {
            None => set,
            Some(default) => Some(set.filter(|value| !value.is_empty()).unwrap_or_else(|| default.to_owned())),
        }
    }

    /// Warns of a name in `server.environment` that means something else at this place.
    fn hidden(&mut self, path: &Trail<'_>, name: &str, span: &Range<usize>) {
        if self.own.contains_key(name) {
            let message =
                format!("`${{{name}}}` is a variable here, and not what server.environment has under this name");
            let mistake = Mistake::new(span.clone(), &path.path(), message).warning();
            self.findings
                .add(mistake.help("give it another name in server.environment; variables have names in small letters"));
        }
    }

    fn unset(&mut self, path: &Trail<'_>, name: &str, span: &Range<usize>, filled: FilledInLater) {
        let kept = filled.names();
        let near = nearest(name, kept.iter().copied().chain(self.own.keys().map(String::as_str)));
        let near = near.map(|near| format!("${{{near}}}"));
        let help = "set it in the environment or in server.environment; write `$${` for a literal `${`";
        let (near, help) = match other_proxies::placeholder(name) {
            Some((meant, help)) => {
                let meant = kept.contains(&meant).then(|| format!("${{{meant}}}"));
                (meant.or(near), help.to_owned())
            }
            None if near.is_none() && !kept.is_empty() => {
                (near, format!("{} are filled in here; else {help}", filled.list()))
            }
            None => (near, help.to_owned()),
        };
        let written = format!("${{{name}}}");
        let mistake = Mistake::new(span.clone(), &path.path(), format!("`{written}` is not set"));
        self.findings.add(mistake.code(Code::UnsetVariable).near(near).part(Some(written)).help(help));
    }
}

/// The keys of `[[service.NAME.recover]]` that say what is run or called.
const HOOKS: [&str; 6] = ["down", "down_webhook", "run", "systemd", "undo", "webhook"];

/// What is filled in later in a string of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FilledInLater {
    /// Nothing.
    Nothing,
    /// What a hook is told.
    Hook,
    /// What is known of a request at this place.
    Variables(Place),
}

impl FilledInLater {
    fn at(path: &Trail<'_>) -> Self {
        match path.last_keys() {
            [Some("to"), Some("redirect"), _] => Self::Variables(Place::Redirect),
            [Some("body"), Some("respond"), _] => Self::Variables(Place::Respond),
            [Some("body"), Some("fallback"), _] => Self::Variables(Place::Fallback),
            [_, Some("set" | "add" | "default"), Some("request_headers")] => Self::Variables(Place::RequestHeader),
            [_, Some("set" | "add" | "default"), Some("response_headers")] => Self::Variables(Place::ResponseHeader),
            [Some(key), Some("recover"), _] if HOOKS.contains(&key) => Self::Hook,
            _ => Self::Nothing,
        }
    }

    fn names(self) -> Vec<&'static str> {
        match self {
            Self::Nothing => Vec::new(),
            Self::Hook => PLACEHOLDERS.to_vec(),
            Self::Variables(place) => Variable::known_at(place).map(Variable::name).collect(),
        }
    }

    fn list(self) -> String {
        let names: Vec<String> = self.names().iter().map(|name| format!("${{{name}}}")).collect();
        names.join(", ")
    }

    fn has(self, name: &str) -> bool {
        match self {
            Self::Nothing => false,
            Self::Hook => PLACEHOLDERS.contains(&name),
            Self::Variables(place) => {
                Variable::named(name).is_some_and(|variable| variable.unknown_at(place).is_none())
            }
        }
    }

    /// Why this default can't be, and what to do.
    fn no_default(self, name: &str, default: Option<&str>) -> Option<(String, &'static str)> {
        let default = default?;
        if self.has(name) {
            let help = "only what comes from the environment has one";
            return Some((format!("`${{{name}}}` is filled in later, and has no default"), help));
        }
        let message = || format!("the default of `${{{name}}}` can't have a `${{`");
        default.contains("${").then(|| (message(), "give the variable a value in server.environment"))
    }

    /// Why a variable of this name is not known here; `None` = it is, or it is the name of no variable.
    fn unknown_here(self, name: &str) -> Option<&'static str> {
        match self {
            Self::Variables(place) => Variable::named(name)?.unknown_at(place),
            Self::Nothing | Self::Hook => None,
        }
    }

    /// How a literal `${` is handed on: where variables are filled in later, it stays what it is until then.
    fn escaped(self) -> &'static str {
        match self {
            Self::Variables(_) => "$${",
            Self::Nothing | Self::Hook => "${",
        }
    }
}

/// `server.state_dir` where the file says nothing: the folder that systemd has made for the service, by `STATE_DIRECTORY`
/// (systemd.exec(5): a list with colons), or `state` beside the file.
pub(super) fn state_dir(given: Option<&str>) -> String {
    let given = given.and_then(|list| list.split(':').find(|folder| !folder.is_empty()));
    given.unwrap_or("state").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(text: &str) -> (serde_json::Value, Findings) {
        let mut root = Node::parse(text).unwrap();
        let mut findings = Findings::default();
        let process = |name: &str| (name == "HOME").then(|| "/home/a".to_owned());
        expand(&mut root, &process, &mut findings);
        (root.to_json(), findings)
    }

    #[test]
    fn the_first_folder_of_systemd_is_the_state_dir_of_a_file_that_names_none() {
        assert_eq!(state_dir(None), "state");
        assert_eq!(state_dir(Some("")), "state");
        assert_eq!(state_dir(Some("/var/lib/evenkeel")), "/var/lib/evenkeel");
        assert_eq!(state_dir(Some("/var/lib/one:/var/lib/two")), "/var/lib/one");
    }

    #[test]
    fn the_file_hides_the_process() {
        let (json, findings) = expanded("a = '${HOME}/${X}'\n[server.environment]\nX = '1'\n");
        assert_eq!(json["a"], "/home/a/1");
        assert!(findings.mistakes.is_empty());
        let (json, _) = expanded("a = '${HOME}'\n[server.environment]\nHOME = '/other'\n");
        assert_eq!(json["a"], "/other");
    }

    #[test]
    fn a_value_may_come_from_the_process_and_is_replaced_once() {
        let (json, findings) = expanded("a = '${X}'\n[server.environment]\nX = '${HOME}$${HOME}'\n");
        assert_eq!(json["a"], "/home/a${HOME}");
        assert_eq!(json["server"]["environment"]["X"], "/home/a${HOME}");
        assert!(findings.mistakes.is_empty());
    }

    #[test]
    fn placeholders_of_later_stay() {
        let (json, findings) =
            expanded("[redirect]\nto = 'https://${host}${path}${HOME}$${x}'\n[[recover]]\nrun = ['${backend}']\n");
        assert_eq!(json["redirect"]["to"], "https://${host}${path}/home/a$${x}");
        assert_eq!(json["recover"][0]["run"][0], "${backend}");
        assert!(findings.mistakes.is_empty());
    }

    #[test]
    fn what_the_environment_says_is_no_variable() {
        let (json, findings) = expanded(
            "respond.body = '${host} ${X}'\n[server.environment]\nX = '$${host}'\n[listener.request_headers.set]\na = '${X}'\nb = '${tls.sni}'",
        );
        assert_eq!(json["respond"]["body"], "${host} $${host}");
        assert_eq!(
            json["listener"]["request_headers"]["set"],
            serde_json::json!({ "a": "$${host}", "b": "${tls.sni}" })
        );
        assert!(findings.mistakes.is_empty());
    }

    #[test]
    fn what_is_unset_is_reported_and_taken_out() {
        let (json, findings) = expanded("a = '${NO}${NEITHER}'\nb = ['x', '${NO}']\nc = '${'\nd = 1\n");
        assert_eq!(json, serde_json::json!({ "d": 1 }));
        assert_eq!(findings.mistakes.len(), 4);
        for key in ["a", "b", "c"] {
            assert!(findings.removed(&KeyPath::default().key(key)).is_some(), "{key}");
        }
    }
}
