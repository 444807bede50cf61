//! The shape of a file against the schema: unknown keys, wrong types, values out of range, strings that can't be read,
//! required keys that are missing.
//!
//! What is wrong is reported and taken out of the tree. What is left always deserialises into the raw types.

use std::collections::BTreeSet;
use std::ops::Range;

use serde_json::Value as Json;

use super::mistake::{Findings, Mistake};
use super::other_proxies;
use super::path::Trail;
use super::schema::{self, Rules};
use super::syntax::{self, nearest};
use super::tree::{KeyValue, Node, Table, Value};
use super::units::{self, Size, TimeSpan};

/// Reports every value that does not fit the schema, and takes it out of the tree.
pub(super) fn check(root: &mut Node<'_>, findings: &mut Findings) {
    let mut walker = Walker { findings };
    // nothing is around the root that it could be taken out of
    let _ = walker.node(&Trail::Root, schema::rules(), root, &(0..0));
}

struct Walker<'a> {
    findings: &'a mut Findings,
}

/// A value can't be used; it has been reported.
struct Unusable;

type Checked = Result<(), Unusable>;

impl Walker<'_> {
    fn report(&mut self, mistake: Mistake) -> Checked {
        self.findings.add(mistake);
        Err(Unusable)
    }

    /// `span` is what to underline when something is wrong with the value as a whole.
    fn node(&mut self, path: &Trail<'_>, rules: &Rules, node: &mut Node<'_>, span: &Range<usize>) -> Checked {
        self.check_type(path, rules, &node.value, span)?;
        match &mut node.value {
            Value::Table(_) => self.table(path, rules, node, span)?,
            Value::Array(items) => self.array(path, rules, items)?,
            Value::Text(text) => self.text(path, rules, text, span)?,
            Value::Integer(number) => self.integer(path, rules, *number, span)?,
            Value::Float(number) => self.float(path, rules, *number, span)?,
            Value::Bool(_) | Value::DateTime => {}
        }
        Ok(())
    }

    fn check_type(&mut self, path: &Trail<'_>, rules: &Rules, value: &Value<'_>, span: &Range<usize>) -> Checked {
        let fits = |kind: &str| match value {
            Value::Table(_) => kind == "object",
            Value::Array(_) => kind == "array",
            Value::Text(_) => kind == "string",
            Value::Integer(_) => kind == "integer" || kind == "number",
            Value::Float(_) => kind == "number",
            Value::Bool(_) => kind == "boolean",
            Value::DateTime => false,
        };
        if rules.kinds.is_empty() || rules.kinds.iter().any(|kind| fits(kind)) {
            return Ok(());
        }
        let name = path.last_key().unwrap_or_default();
        let message = format!("`{name}` can't be {}", value.kind());
        let mut mistake = Mistake::new(span.clone(), &path.path(), message).expected(wanted(rules));
        match (value, &rules.kinds[..], rules.syntax) {
            (Value::Table(table), ["array"], _) => {
                mistake =
                    mistake.help(shares(name, table).unwrap_or_else(|| {
                        format!("write [{}] for each one, with two brackets", path.path().section())
                    }));
            }
            (Value::Array(items), ["object"], _) if items.iter().any(|item| matches!(item.value, Value::Table(_))) => {
                mistake = mistake.help(format!("write {} once, with one bracket", path.path().section()));
            }
            (Value::Bool(on), ["string"], _) => mistake = mistake.near(switched(rules, *on)),
            (Value::Text(text), ["array"], _) => mistake = mistake.near(listed(rules, text)),
            (Value::Text(text), ["number"], _) => {
                let number = text.trim().strip_suffix('%').and_then(|number| number.trim().parse().ok());
                mistake = mistake.near(number.and_then(|number| percent(rules, number)));
            }
            (Value::Integer(seconds @ 0..), _, Some("duration")) => {
                mistake = mistake.near(Some(format!("\"{seconds}s\"")));
            }
            _ => {}
        }
        self.report(mistake)
    }

    fn table(&mut self, path: &Trail<'_>, rules: &Rules, node: &mut Node<'_>, span: &Range<usize>) -> Checked {
        let Value::Table(table) = &mut node.value else { return Ok(()) };
        let properties = rules.properties.as_ref();
        let is_unknown = |entry: &KeyValue<'_>| properties.is_some_and(|known| !known.contains_key(&*entry.name));
        let given: BTreeSet<String> = match table.iter().any(is_unknown) {
            true => table.iter().map(|entry| entry.name.to_string()).collect(),
            false => BTreeSet::new(),
        };
        table.retain(|entry| {
            let verdict = match properties.map(|known| known.get(&*entry.name)) {
                Some(Some(property)) => self.entry(path, property, entry),
                Some(None) => self.unknown_key(path, rules, entry, &given),
                None => self.free_key(path, rules, entry),
            };
            if verdict.is_err() {
                self.findings.remove(path.key(&entry.name).path(), entry.key.clone());
            }
            verdict.is_ok()
        });
        for key in rules.required.iter().filter(|key| table.get(key).is_none()) {
            // a key that was there, but could not be used or was misspelt, has been reported
            let at = path.key(key).path();
            if self.findings.removed(&at).is_none() {
                self.findings.remove(at, span.clone());
                let mistake = Mistake::new(span.clone(), &path.path(), format!("`{key}` is missing"));
                self.findings.add(mistake.help(format!("{} needs it", path.path().section())));
            }
        }
        Ok(())
    }

    fn entry(&mut self, table: &Trail<'_>, rules: &Rules, entry: &mut KeyValue<'_>) -> Checked {
        let span = entry.node.shown_span(Some(&entry.key));
        self.node(&table.key(&entry.name), rules, &mut entry.node, &span)
    }

    /// A key of a table whose keys are names that the file chooses.
    fn free_key(&mut self, table: &Trail<'_>, rules: &Rules, entry: &mut KeyValue<'_>) -> Checked {
        if let Some(Err(problem)) = rules.key_syntax.map(|language| syntax::check(language, &entry.name)) {
            self.findings.add(Mistake::problem(entry.key.clone(), &table.key(&entry.name).path(), problem));
            return Err(Unusable);
        }
        if let Some(values) = &rules.values {
            self.entry(table, values, entry)?;
        }
        match (&entry.node.value, rules.syntax) {
            (Value::Text(text), Some(language)) => {
                self.language(&table.key(&entry.name), language, text, &entry.node.span)
            }
            _ => Ok(()),
        }
    }

    /// `table` is the path of the table, `given` the keys in it.
    fn unknown_key(
        &mut self,
        table: &Trail<'_>,
        rules: &Rules,
        entry: &KeyValue<'_>,
        given: &BTreeSet<String>,
    ) -> Checked {
        let key = &*entry.name;
        let known: Vec<&str> = rules.properties.iter().flatten().map(|(name, _)| *name).collect();
        let meant = other_proxies::key(key, &known);
        let near = match meant {
            Some((meant, _)) => meant,
            None => nearest(key, known.iter().copied()),
        };
        // the key that was probably meant is not reported as missing as well
        if let Some(meant) = near.filter(|near| !given.contains(*near)) {
            self.findings.remove(table.key(meant).path(), entry.key.clone());
        }
        let elsewhere = tables_with(key);
        let mut mistake =
            Mistake::new(entry.key.clone(), &table.key(key).path(), format!("unknown key `{key}`")).near(near);
        if let Some((_, help)) = meant {
            // how to write a list of tables is no help to who has written one
            if !(is_list_of_tables(&entry.node.value) && help.contains("= [{")) {
                mistake = mistake.help(help);
            }
        } else if near.is_none() {
            mistake = mistake.expected(format!("one of {}", known.join(", ")));
            if !elsewhere.is_empty() {
                let help = format!(
                    "`{key}` is a key of {}; a key belongs to the last [header] above it",
                    elsewhere.join(", ")
                );
                mistake = mistake.help(help);
            }
        }
        self.report(mistake)
    }

    /// One element that does not fit takes the whole array out: the rest alone would mean something else.
    fn array(&mut self, path: &Trail<'_>, rules: &Rules, items: &mut [Node<'_>]) -> Checked {
        let mut verdict = Ok(());
        let Some(item_rules) = &rules.items else { return Ok(()) };
        for (index, item) in items.iter_mut().enumerate() {
            let (path, span) = (path.index(index), item.span.clone());
            let mut one = self.node(&path, item_rules, item, &span);
            if let (Ok(()), Value::Text(text), Some(language)) = (&one, &item.value, rules.syntax) {
                one = self.language(&path, language, text, &span);
            }
            verdict = verdict.and(one);
        }
        verdict
    }

    fn text(&mut self, path: &Trail<'_>, rules: &Rules, text: &str, span: &Range<usize>) -> Checked {
        if let Some(language) = rules.syntax {
            self.language(path, language, text, span)?;
            self.size_range(path, rules, text, span)?;
        }
        let words = &rules.words;
        if words.is_empty() || words.contains(&text) {
            return Ok(());
        }
        let name = path.last_key().unwrap_or_default();
        let mistake = Mistake::new(span.clone(), &path.path(), format!("`{name}` can't be {text:?}"));
        let mistake = mistake.expected(one_of(&quoted(words)));
        self.report(match other_proxies::word(text, words) {
            Some((meant, help)) => mistake.near(meant).help(help),
            None => mistake.near(nearest(text, words.iter().copied())),
        })
    }

    fn language(&mut self, path: &Trail<'_>, language: &str, text: &str, span: &Range<usize>) -> Checked {
        match syntax::check(language, text) {
            Ok(()) => Ok(()),
            Err(problem) => self.report(Mistake::problem(span.clone(), &path.path(), problem)),
        }
    }

    /// The range of a duration or a size that is written as a string.
    fn size_range(&mut self, path: &Trail<'_>, rules: &Rules, text: &str, span: &Range<usize>) -> Checked {
        if rules.positive && TimeSpan::parse(text).is_ok_and(|d| d.0.is_zero()) {
            let name = path.last_key().unwrap_or_default();
            let mistake = Mistake::new(span.clone(), &path.path(), format!("`{name}` can't be 0"));
            return self.report(mistake.expected("a duration above 0"));
        }
        match rules.syntax.filter(|language| *language == "size").map(|_| Size::parse(text)) {
            Some(Ok(size)) => self.integer(path, rules, i128::from(size.0), span),
            _ => Ok(()),
        }
    }

    fn integer(&mut self, path: &Trail<'_>, rules: &Rules, number: i128, span: &Range<usize>) -> Checked {
        if rules.kinds[..] == ["number"] {
            return self.float(path, rules, number as f64, span);
        }
        let bound = |word| rules.get(word).and_then(|v| v.as_i64().map(i128::from).or(v.as_f64().map(|f| f as i128)));
        let widest = match rules.get("format").and_then(Json::as_str) {
            Some("uint16") => i128::from(u16::MAX),
            Some("uint32") => i128::from(u32::MAX),
            _ => i128::from(i64::MAX),
        };
        let (least, most) = (bound("minimum").unwrap_or(0), bound("maximum").unwrap_or(widest));
        let listed = rules.get("enum").and_then(Json::as_array);
        let name = path.last_key().unwrap_or_default();
        if let Some(listed) = listed {
            if listed.iter().any(|v| v.as_i64().map(i128::from) == Some(number)) {
                return Ok(());
            }
            let listed: Vec<String> = listed.iter().map(Json::to_string).collect();
            let mistake = Mistake::new(span.clone(), &path.path(), format!("`{name}` can't be {number}"));
            return self.report(mistake.expected(one_of(&listed)));
        }
        if (least..=most).contains(&number) {
            return Ok(());
        }
        let expected = match (rules.syntax, number < least) {
            (Some("size"), true) => format!("at least {}", in_bytes(least)),
            (Some("size"), false) => format!("at most {}", in_bytes(most)),
            _ => format!("a number from {least} to {most}"),
        };
        let mistake = Mistake::new(span.clone(), &path.path(), format!("`{name}` is out of range"));
        self.report(mistake.expected(expected).near(percent(rules, number as f64)))
    }

    fn float(&mut self, path: &Trail<'_>, rules: &Rules, number: f64, span: &Range<usize>) -> Checked {
        let bound = |word| rules.get(word).and_then(Json::as_f64);
        let (least, most) = (bound("minimum").unwrap_or(0.0), bound("maximum").unwrap_or(f64::MAX));
        if (least..=most).contains(&number) {
            return Ok(());
        }
        let name = path.last_key().unwrap_or_default();
        let expected = match bound("maximum") {
            Some(most) => format!("a number from {least} to {most}"),
            None => format!("a number of at least {least}"),
        };
        let mistake = Mistake::new(span.clone(), &path.path(), format!("`{name}` is out of range"));
        self.report(mistake.expected(expected).near(percent(rules, number)))
    }
}

/// The word that was probably meant by true or false.
fn switched(rules: &Rules, on: bool) -> Option<String> {
    let words = if on { &["on", "standard"][..] } else { &["off"] };
    words.iter().find(|word| rules.words.contains(word)).map(|word| format!("{word:?}"))
}

/// Whether this is a list of tables, as `[[...]]` makes one.
fn is_list_of_tables(value: &Value<'_>) -> bool {
    matches!(value, Value::Array(items) if items.iter().all(|item| matches!(item.value, Value::Table(_))))
}

/// The share that was probably meant by a number of percent.
fn percent(rules: &Rules, number: f64) -> Option<String> {
    let is_share = rules.kinds.contains(&"number") && rules.get("maximum").and_then(Json::as_f64) == Some(1.0);
    let least = rules.get("minimum").and_then(Json::as_f64).unwrap_or(0.0);
    (is_share && number > 1.0 && (least..=1.0).contains(&(number / 100.0))).then(|| (number / 100.0).to_string())
}

/// The list of strings that was probably meant by one string, taken apart at its spaces.
fn listed(rules: &Rules, text: &str) -> Option<String> {
    let has_texts = rules.items.as_ref().is_some_and(|items| items.kinds[..] == ["string"]);
    let words: Vec<&str> = text.split_whitespace().collect();
    (has_texts && !words.is_empty()).then(|| format!("[{}]", quoted(&words).join(", ")))
}

/// What to write for a `split` that is a table of services and their weights.
fn shares(name: &str, table: &Table<'_>) -> Option<String> {
    let share = |entry: &KeyValue<'_>| match entry.node.value {
        Value::Integer(weight) => Some(format!("{{ service = {:?}, weight = {weight} }}", entry.name)),
        _ => None,
    };
    let shares: Option<Vec<String>> = table.iter().map(share).collect();
    let shares = shares.filter(|shares| name == "split" && !shares.is_empty())?;
    Some(format!("write split = [{}]", shares.join(", ")))
}

/// The tables that have such a key.
fn tables_with(key: &str) -> Vec<&'static str> {
    const TABLES: [(&str, &str); 16] = [
        ("Server", "[server]"),
        ("Admin", "[admin]"),
        ("Log", "[log]"),
        ("Listener", "[[listener]]"),
        ("Limits", "[listener.limits]"),
        ("ListenerTls", "[listener.tls]"),
        ("Route", "[[listener.route]]"),
        ("Service", "[service.NAME]"),
        ("Backend", "[[service.NAME.backend]]"),
        ("ServiceTls", "[service.NAME.tls]"),
        ("Timeout", "[service.NAME.timeout]"),
        ("Pool", "[service.NAME.pool]"),
        ("Detect", "[service.NAME.detect]"),
        ("Recover", "[[service.NAME.recover]]"),
        ("Recovery", "[service.NAME.recovery]"),
        ("Sla", "[service.NAME.sla]"),
    ];
    let properties = |name: &str| schema::get().get("$defs")?.get(name)?.get("properties");
    TABLES.iter().filter(|(name, _)| properties(name).is_some_and(|p| p.get(key).is_some())).map(|t| t.1).collect()
}

/// The type that the schema asks for, in words.
fn wanted(rules: &Rules) -> String {
    match rules.syntax {
        Some("duration") => return units::DURATION.to_owned(),
        Some("size") => return units::SIZE.to_owned(),
        Some("latency-factor") => return units::LATENCY_FACTOR.to_owned(),
        _ => {}
    }
    if !rules.words.is_empty() {
        return one_of(&quoted(&rules.words));
    }
    match rules.kinds[..] {
        ["object"] => "a table",
        ["array"] => "an array",
        ["string"] => "a string",
        ["integer"] => "an integer",
        ["number"] => "a number",
        ["boolean"] => "true or false",
        ["boolean", "object"] => "true, false or a table",
        _ => "something else",
    }
    .to_owned()
}

fn quoted(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| format!("{word:?}")).collect()
}

fn one_of(words: &[String]) -> String {
    match words {
        [only] => only.clone(),
        words => format!("one of {}", words.join(", ")),
    }
}

fn in_bytes(bytes: i128) -> String {
    let size = Size(u64::try_from(bytes).unwrap_or(u64::MAX));
    serde_json::to_value(size).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_else(|| bytes.to_string())
}
