//! Keys that are not known where they stand: what was probably meant by them, and where that belongs.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;

use super::super::code::Code;
use super::super::explain;
use super::super::meant::is_list_of_tables;
use super::super::mistake::Mistake;
use super::super::other_proxies;
use super::super::path::Trail;
use super::super::schema::{self, Rules};
use super::super::syntax::{self, nearest};
use super::super::tree::{KeyValue, Value};

/// The keys that a table has in the file, with what is said of its address by those that other proxies have for its parts.
pub(super) type Given = BTreeMap<String, Option<String>>;

/// Keys for the host in an address, where other proxies have one for the port as well.
const HOSTS: [&str; 7] = ["host", "hostname", "ip", "addr", "address", "bind", "server"];

/// An unknown key in a table: `path` is that of the table, and `rules` are its own.
pub(super) struct Unknown<'a> {
    pub(super) path: &'a Trail<'a>,
    pub(super) rules: &'a Rules,
    pub(super) entry: &'a KeyValue<'a>,
    pub(super) given: &'a Given,
}

/// What was probably meant by an unknown key.
#[derive(Default)]
struct Guess {
    /// The key to write, which may be one of a section below.
    key: Option<String>,
    /// The key of the same table that this is, or is in.
    own: Option<&'static str>,
    /// Whether it can simply be written in its place.
    is_replaced: bool,
    help: Option<String>,
}

impl Unknown<'_> {
    /// The mistake, and the key of the same table that was probably meant.
    pub(super) fn mistake(&self) -> (Mistake, Option<&'static str>) {
        let key = &*self.entry.name;
        let Guess { key: meant, own, is_replaced, help } = self.guess();
        let mistake = Mistake::new(self.entry.key.clone(), &self.path.key(key).path(), format!("unknown key `{key}`"));
        let mut mistake = mistake.code(Code::UnknownKey);
        let is_known = meant.is_some();
        mistake = mistake.near(meant);
        if !is_replaced {
            mistake = mistake.hint();
        }
        if !is_known && help.is_none() {
            return (self.elsewhere(mistake), own);
        }
        mistake.help = help;
        (mistake, own)
    }

    fn keys(&self) -> String {
        let known: Vec<&str> = self.known().collect();
        format!("one of {}", known.join(", "))
    }

    fn known(&self) -> impl Iterator<Item = &'static str> {
        self.rules.properties.iter().flatten().map(|(name, _)| *name)
    }

    fn guess(&self) -> Guess {
        let key = &*self.entry.name;
        let known: Vec<&str> = self.known().collect();
        if let Some(whole) = self.address() {
            return whole;
        }
        if let Some((meant, help)) = other_proxies::key(key, &known) {
            // how to write a list of tables is no help to who has written one
            let is_written = is_list_of_tables(&self.entry.node.value) && help.contains("= [{");
            let help = (!is_written).then(|| help.to_owned());
            let is_replaced = meant.is_some_and(|meant| self.can_be(meant, true));
            return Guess { key: meant.map(str::to_owned), own: meant, is_replaced, help };
        }
        if let Some(field) = self.field() {
            return field;
        }
        let near = nearest(key, known.iter().copied());
        let is_sure = near.is_some_and(|near| strsim::osa_distance(&key.to_ascii_lowercase(), near) <= 1);
        let below = if is_sure { None } else { self.below() };
        // a key of another section is more probably below the wrong header than misspelt
        if !is_sure && below.is_none() && !explain::sections_with(key, &self.path.path().section()).is_empty() {
            return Guess { help: other_proxies::elsewhere(key).map(str::to_owned), ..Guess::default() };
        }
        below.unwrap_or_else(|| match near {
            Some(near) => {
                let is_replaced = self.can_be(near, false);
                Guess { key: Some(near.to_owned()), own: Some(near), is_replaced, help: None }
            }
            None => Guess { help: self.help_elsewhere(), ..Guess::default() },
        })
    }

    /// Whether the key can be replaced by this one of the same table. A word of another proxy does not have the value of a section.
    fn can_be(&self, near: &str, is_foreign: bool) -> bool {
        let rules = self.rules.properties.as_ref().and_then(|known| known.get(near));
        let value = &self.entry.node.value;
        let is_scalar = !matches!(value, Value::Table(_) | Value::Array(_));
        let is_fitting = rules.is_none_or(|rules| match (is_section(rules), value) {
            (true, Value::Table(_)) => rules.items.is_none(),
            (true, Value::Array(_)) => rules.items.is_some(),
            (is_section, _) => !(is_section && is_scalar),
        });
        // nor may it be of another kind altogether
        let is_readable = match (value, rules.and_then(|rules| rules.syntax)) {
            (Value::Text(text), Some(language)) => {
                syntax::check(language, text).err().is_none_or(|problem| problem.suggestion.is_some())
            }
            _ => true,
        };
        // two tables of services, or two lists of tables, are one; of all else there would be two
        let is_added_to =
            rules.is_some_and(|rules| rules.values.is_some() || (rules.items.is_some() && is_list_of_tables(value)));
        (!is_foreign || (is_fitting && is_readable)) && (!self.given.contains_key(near) || is_added_to)
    }

    /// A key of a section right below the table.
    fn below(&self) -> Option<Guess> {
        let key = &*self.entry.name;
        let (section, below) = below(self.rules, key)?;
        let path = format!("{section}.{below}");
        let target = self.rules.properties.as_ref()?.get(section)?.properties.as_ref()?.get(below)?;
        let is_scalar = !matches!(self.entry.node.value, Value::Table(_) | Value::Array(_));
        let is_replaced = !(self.given.contains_key(section) || is_section(target) && is_scalar);
        let header = match self.path.path().section() {
            file if file == "the file" => format!("[{section}]"),
            header => format!("[{}.{section}]", header.trim_matches(['[', ']'])),
        };
        let help = match (below, is_section(target) && is_scalar) {
            ("certificates", true) => {
                "write `tls = { certificates = [{ cert = \"chain.pem\", key = \"key.pem\" }] }`".to_owned()
            }
            _ => format!("`{below}` is a key of {header}"),
        };
        let own = self.rules.properties.as_ref()?.get_key_value(section).map(|(own, _)| *own);
        Some(Guess { key: Some(path), own, is_replaced, help: Some(help) })
    }

    /// A field of a message, right in a table of changes to them.
    fn field(&self) -> Option<Guess> {
        let (own, set) = self.rules.properties.as_ref()?.get_key_value("set")?;
        let key = &*self.entry.name;
        let is_field = set.key_syntax == Some("header-name") && key.contains('-') && syntax::header_name(key).is_ok();
        let is_text = matches!(self.entry.node.value, Value::Text(_));
        (is_field && is_text).then(|| Guess {
            key: Some(format!("{own}.{key}")),
            own: Some(*own),
            is_replaced: !self.given.contains_key(*own),
            help: Some(format!("fields that are set are in `{own}`")),
        })
    }

    /// An address that is written in two keys.
    fn address(&self) -> Option<Guess> {
        let key = &*self.entry.name;
        let own = self.known().find(|known| matches!(*known, "address" | "bind"))?;
        let is_part = |name: &str| name == "port" || HOSTS.contains(&name);
        let host = HOSTS.iter().find_map(|host| self.given.get(*host)).filter(|_| is_part(key))?.as_ref()?;
        let port = self.given.get("port")?.as_ref()?;
        let host = match (host.contains(':'), host.parse::<Ipv6Addr>().is_ok()) {
            (true, true) => format!("[{host}]"),
            // it has a port
            (true, false) if !host.ends_with(']') => return None,
            _ => host.clone(),
        };
        let help = format!("write `{own} = \"{host}:{port}\"`: the port is a part of it");
        Some(Guess { key: Some(own.to_owned()), own: Some(own), is_replaced: false, help: Some(help) })
    }

    /// Where the key belongs, in words.
    fn help_elsewhere(&self) -> Option<String> {
        let key = &*self.entry.name;
        if let Some(help) = other_proxies::elsewhere(key) {
            return Some(help.to_owned());
        }
        let (section, below) = below(schema::rules(), key).filter(|_| !matches!(self.path, Trail::Root))?;
        Some(format!("it is `{below}` in [{section}]"))
    }

    /// Names the keys that there are, and the sections that have this one.
    fn elsewhere(&self, mistake: Mistake) -> Mistake {
        let key = &*self.entry.name;
        let mistake = mistake.expected(self.keys());
        let headers = explain::sections_with(key, &self.path.path().section());
        let is_list = |items: &Vec<_>| !items.is_empty() && is_list_of_tables(&self.entry.node.value);
        let is_list = matches!(&self.entry.node.value, Value::Array(items) if is_list(items));
        match (&headers[..], is_list) {
            ([], _) => mistake,
            ([only], true) => {
                let header = format!("[[{}.{key}]]", only.trim_matches(['[', ']']));
                mistake.help(format!("write {header}, below the section that it belongs to"))
            }
            (headers, _) => mistake.help(format!(
                "`{key}` is a key of {}; a key belongs to the last [header] above it",
                headers.join(", ")
            )),
        }
    }
}

/// Whether it is a section, or a list or a table of sections.
fn is_section(rules: &Rules) -> bool {
    let table = rules.items.as_deref().or(rules.values.as_deref()).unwrap_or(rules);
    table.properties.is_some()
}

/// The section right below a table, and the key of it, that were probably meant: by a name that has both, by a word of another proxy, or by a key that is
/// only there.
fn below(rules: &Rules, key: &str) -> Option<(&'static str, &'static str)> {
    let folded = key.to_ascii_lowercase().replace('-', "_");
    let sections = || {
        let all = rules.properties.iter().flatten();
        all.filter_map(|(name, below)| Some((*name, below.properties.as_ref().filter(|_| below.items.is_none())?)))
    };
    let both = sections().find_map(|(section, keys)| {
        let rest = folded.strip_prefix(section).and_then(|rest| rest.strip_prefix('_'));
        let rest = rest.or_else(|| folded.strip_suffix(section).and_then(|rest| rest.strip_suffix('_')));
        keys.get_key_value(rest?).map(|(key, _)| (section, *key))
    });
    let foreign = || {
        let keys = |section: &str| rules.properties.as_ref()?.get(section)?.properties.as_ref();
        other_proxies::below(key, |section, below| keys(section).is_some_and(|keys| keys.contains_key(below)))
    };
    both.or_else(foreign).or_else(|| {
        let mut having =
            sections().filter_map(|(section, keys)| keys.get_key_value(key).map(|(key, _)| (section, *key)));
        match (having.next(), having.next()) {
            (Some(only), None) if !is_common(key) => Some(only),
            _ => None,
        }
    })
}

/// Whether it is a key of the tables that most of a file consists of: then it may as well be one of those, below the wrong header.
fn is_common(key: &str) -> bool {
    let root = schema::rules().properties.as_ref();
    let list = |name: &str| root?.get(name)?.items.as_deref();
    let listener = list("listener");
    let below = |rules: Option<&'static Rules>, name: &str| rules?.properties.as_ref()?.get(name)?.items.as_deref();
    let service = root.and_then(|root| root.get("service")?.values.as_deref());
    let tables = [listener, below(listener, "route"), service, below(service, "backend")];
    tables.into_iter().flatten().any(|table| table.properties.as_ref().is_some_and(|keys| keys.contains_key(key)))
}
