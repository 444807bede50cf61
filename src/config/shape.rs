//! The shape of a file against the schema: unknown keys, wrong types, values out of range, strings that can't be read,
//! required keys that are missing.
//!
//! What is wrong is reported and taken out of the tree. What is left always deserialises into the raw types.

mod unknown;

use std::ops::Range;

use serde_json::Value as Json;

use super::code::Code;
use super::defaults;
use super::environment::Written;
use super::given;
use super::meant;
use super::mistake::{Findings, Mistake};
use super::other_proxies;
use super::path::Trail;
use super::schema::{self, Rules};
use super::syntax::{self, nearest};
use super::tree::{KeyValue, Node, Table, Value};
use super::units::{Size, TimeSpan};
use super::wording::{in_bytes, one_of, quoted, wanted};
use unknown::{Given, Unknown};

/// Reports every value that does not fit the schema, and takes it out of the tree.
pub(super) fn check(root: &mut Node<'_>, written: &mut Written, findings: &mut Findings) {
    let mut walker = Walker { written, findings };
    // nothing is around the root that it could be taken out of
    let _ = walker.node(&Trail::Root, schema::rules(), root, &(0..0));
}

struct Walker<'a> {
    written: &'a mut Written,
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
        given::read(path, rules, node, self.written);
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
        let message = format!("`{name}` can't be {}", given::kind(path, value, self.written));
        let mistake = Mistake::new(span.clone(), &path.path(), message).code(Code::WrongType).expected(wanted(rules));
        self.report(meant::instead(mistake, path, rules, value))
    }

    fn table(&mut self, path: &Trail<'_>, rules: &Rules, node: &mut Node<'_>, span: &Range<usize>) -> Checked {
        let Value::Table(table) = &mut node.value else { return Ok(()) };
        let properties = rules.properties.as_ref();
        let is_unknown = |entry: &KeyValue<'_>| properties.is_some_and(|known| !known.contains_key(&*entry.name));
        let given = if table.iter().any(is_unknown) { self.given(path, table) } else { Given::new() };
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
        // what the defaults leave out, each service may have
        let required = rules.required.iter().filter(|_| path.first_key() != Some(defaults::KEY));
        for key in required.filter(|key| table.get(key).is_none()) {
            // a key that was there, but could not be used or was misspelt, has been reported
            let at = path.key(key).path();
            if self.findings.removed(&at).is_none() {
                self.findings.remove(at, span.clone());
                let mistake = Mistake::new(span.clone(), &path.path(), format!("`{key}` is missing"));
                self.findings.add(mistake.code(Code::MissingKey).help(format!("{} needs it", path.path().section())));
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
            let is_key = values.properties.as_ref().is_some_and(|known| known.contains_key(&*entry.name));
            if is_key && !matches!(entry.node.value, Value::Table(_)) {
                return self.nameless(table, values, entry);
            }
            self.entry(table, values, entry)?;
        }
        match (&entry.node.value, rules.syntax) {
            (Value::Text(text), Some(language)) => {
                self.language(&table.key(&entry.name), (rules, language), text, &entry.node.span)
            }
            _ => Ok(()),
        }
    }

    /// `table` is the path of the table, `given` the keys in it.
    fn unknown_key(&mut self, table: &Trail<'_>, rules: &Rules, entry: &KeyValue<'_>, given: &Given) -> Checked {
        let (mistake, meant) = Unknown { path: table, rules, entry, given }.mistake();
        // the key that was probably meant is not reported as missing as well
        let is_added_to = |meant: &&str| {
            let known = rules.properties.as_ref().and_then(|known| known.get(*meant));
            known.is_some_and(|known| known.values.is_some() || known.items.is_some())
        };
        if let Some(meant) = meant.filter(|meant| !given.contains_key(*meant) || is_added_to(meant)) {
            self.findings.remove(table.key(meant).path(), entry.key.clone());
        }
        self.report(mistake)
    }

    /// The keys of a table, for what is said of an unknown one. What comes from the environment is not shown.
    fn given(&self, path: &Trail<'_>, table: &Table<'_>) -> Given {
        let value = |entry: &KeyValue<'_>| match &entry.node.value {
            Value::Text(_) if self.written.contains_key(&path.key(&entry.name).path()) => None,
            Value::Text(text) => Some(text.to_string()),
            Value::Integer(number) => Some(number.to_string()),
            _ => None,
        };
        table.iter().map(|entry| (entry.name.to_string(), value(entry))).collect()
    }

    /// A key of a section in the place of the name of one, as in `[service]` with a key below it.
    fn nameless(&mut self, table: &Trail<'_>, values: &Rules, entry: &KeyValue<'_>) -> Checked {
        let (at, name) = (table.path(), table.last_key().unwrap_or_default());
        // what names a section is not wrong as well, and several keys are one mistake
        if self.findings.removed(&at).is_some() {
            return Err(Unusable);
        }
        self.findings.remove(at, entry.key.clone());
        let message = format!("`{}` is a key of a {name}, and this {name} has no name", entry.name);
        let mistake = Mistake::new(entry.key.clone(), &table.key(&entry.name).path(), message);
        let is_list = values.properties.as_ref().and_then(|known| known.get(&*entry.name)?.items.as_ref()).is_some();
        let below = if is_list { format!(", and [[{name}.NAME.{}]]", entry.name) } else { String::new() };
        self.report(mistake.code(Code::MissingKey).help(format!("write [{name}.NAME]{below} with a name of your own")))
    }

    /// One element that does not fit takes the whole array out: the rest alone would mean something else.
    fn array(&mut self, path: &Trail<'_>, rules: &Rules, items: &mut [Node<'_>]) -> Checked {
        let mut verdict = Ok(());
        let Some(item_rules) = &rules.items else { return Ok(()) };
        for (index, item) in items.iter_mut().enumerate() {
            let (path, span) = (path.index(index), item.span.clone());
            let mut one = self.node(&path, item_rules, item, &span);
            if let (Ok(()), Value::Text(text), Some(language)) = (&one, &item.value, rules.syntax) {
                one = self.language(&path, (rules, language), text, &span);
            }
            verdict = verdict.and(one);
        }
        verdict
    }

    fn text(&mut self, path: &Trail<'_>, rules: &Rules, text: &str, span: &Range<usize>) -> Checked {
        if let Some(language) = rules.syntax {
            self.language(path, (rules, language), text, span)?;
            self.size_range(path, rules, text, span)?;
        }
        let words = &rules.words;
        if words.is_empty() || words.contains(&text) {
            return Ok(());
        }
        let name = path.last_key().unwrap_or_default();
        let mistake = Mistake::new(span.clone(), &path.path(), format!("`{name}` can't be {text:?}"));
        let mistake = mistake.code(Code::InvalidValue).expected(one_of(&quoted(words)));
        self.report(match other_proxies::word(text, words) {
            Some((meant, help)) => mistake.near(meant).help(help),
            None => {
                let near = meant::on_or_off(words, text).or_else(|| nearest(text, words.iter().copied()));
                mistake.near(near.or_else(|| version(text, words)))
            }
        })
    }

    fn language(
        &mut self,
        path: &Trail<'_>,
        (rules, language): (&Rules, &str),
        text: &str,
        span: &Range<usize>,
    ) -> Checked {
        let mistake = |problem| Mistake::problem(span.clone(), &path.path(), problem);
        if let Err(mut problem) = syntax::check(language, text) {
            problem.suggestion = problem.suggestion.or_else(|| meant::no_limit(rules, text));
            if text.contains("{{") {
                problem.help =
                    Some("it looks like a template that was not filled in; variables are `${NAME}`".to_owned());
            }
            return self.report(mistake(problem));
        }
        if let Some(problem) = syntax::doubt(path.last_keys(), language, text) {
            self.findings.add(mistake(problem).warning());
        }
        Ok(())
    }

    /// The range of a duration or a size that is written as a string.
    fn size_range(&mut self, path: &Trail<'_>, rules: &Rules, text: &str, span: &Range<usize>) -> Checked {
        if rules.positive && TimeSpan::parse(text).is_ok_and(|d| d.0.is_zero()) {
            let name = path.last_key().unwrap_or_default();
            let mistake = Mistake::new(span.clone(), &path.path(), format!("`{name}` can't be 0"));
            return self.report(mistake.code(Code::OutOfRange).expected("a duration above 0"));
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
            return self.report(mistake.code(Code::OutOfRange).expected(one_of(&listed)));
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
        let unlimited = if number == -1 { meant::no_limit(rules, "unlimited") } else { None };
        let meant = meant::percent(rules, number as f64).or(unlimited);
        self.report(mistake.code(Code::OutOfRange).expected(expected).instead(meant))
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
        self.report(mistake.code(Code::OutOfRange).expected(expected).instead(meant::percent(rules, number)))
    }
}

/// The number that a text has in it, of words that are numbers: "1.2" of "TLSv1.2".
fn version<'w>(text: &str, words: &[&'w str]) -> Option<&'w str> {
    let is_number = |word: &&&str| word.starts_with(|c: char| c.is_ascii_digit());
    words.iter().filter(is_number).copied().find(|word| text.contains(*word))
}
