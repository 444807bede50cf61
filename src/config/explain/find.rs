//! From what somebody writes for a key to its place in the schema.

use std::fmt;
use std::sync::OnceLock;

use super::super::other_proxies;
use super::super::syntax::nearest;
use super::{Rules, schema};

/// What stands for a name that the file chooses, such as that of a service.
pub(super) const NAME: &str = "NAME";

/// More places of a key than this are not listed.
const MANY: usize = 12;

/// More sections with a key than this are not named beside a mistake.
const FEW: usize = 6;

/// A step of the path to a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// A key that the schema knows.
    Key(&'static str),
    /// A name that the file chooses.
    Name,
}

/// A key of the schema.
#[derive(Clone)]
pub(super) struct Found {
    pub(super) steps: Vec<Step>,
    pub(super) rules: &'static Rules,
    /// The rules of the table that it is a key of.
    pub(super) section: &'static Rules,
    /// Whether that table is an element of an array.
    pub(super) is_listed: bool,
}

/// A key that is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    /// What was asked for, as far as it is known.
    known: String,
    /// The first part that is not known.
    part: String,
    /// What may have been meant: whole keys.
    near: Vec<String>,
    /// What to do about a word of another proxy.
    help: Option<&'static str>,
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.known {
            "" => write!(f, "there is no key `{}`", self.part)?,
            known => write!(f, "`{known}` has no key `{}`", self.part)?,
        }
        match &self.near[..] {
            [] => {}
            [only] => write!(f, "; did you mean `{only}`?")?,
            several => write!(f, "; there are {}", several.join(", "))?,
        }
        self.help.map_or(Ok(()), |help| write!(f, " ({help})"))
    }
}

impl std::error::Error for Unknown {}

/// Finds a key by its path, or by the end of its path where only one key has that.
pub(super) fn find(key: &str) -> Result<Found, Unknown> {
    let root = root();
    let words = words(key);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    follow(root, &words).or_else(|(at, part)| {
        let mut ending: Vec<Found> = every().iter().filter(|found| found.ends_with(&words)).cloned().collect();
        match ending.pop() {
            Some(only) if ending.is_empty() => Ok(only),
            last => {
                ending.extend(last);
                Err(unknown(&at, part, &ending))
            }
        }
    })
}

/// The parts of a key. Headers (`[[listener.route]]`), the paths of mistakes (`listener[0].route`) and quoted names are understood, too.
fn words(key: &str) -> Vec<String> {
    let key = key.trim();
    let key = if key.starts_with('[') { key.trim_matches(['[', ']']) } else { key };
    let (mut words, mut word) = (Vec::new(), String::new());
    let (mut quote, mut in_index) = (None, false);
    for c in key.chars() {
        match c {
            _ if quote == Some(c) => quote = None,
            '"' | '\'' if quote.is_none() => quote = Some(c),
            '.' if quote.is_none() => words.push(std::mem::take(&mut word)),
            '[' if quote.is_none() => in_index = true,
            ']' if quote.is_none() => in_index = false,
            _ if in_index => {}
            _ => word.push(c),
        }
    }
    words.push(word);
    words.retain(|word| !word.trim().is_empty());
    words
}

/// Follows a path from a place; where it does not go on, the last place with the part that is not there. A name that the file chooses may be left out.
fn follow<'w>(at: Found, words: &[&'w str]) -> Result<Found, (Found, &'w str)> {
    let [first, rest @ ..] = words else { return Ok(at) };
    if let Some(below) = at.key(first) {
        return follow(below, rest);
    }
    let Some(named) = at.named() else { return Err((at, first)) };
    let with_name = follow(named.clone(), rest);
    let is_placeholder = matches!(*first, NAME | "*");
    match follow(named, words) {
        Ok(without_name) if !is_placeholder && (rest.is_empty() || with_name.is_err()) => Ok(without_name),
        _ => with_name,
    }
}

/// The file as a whole.
pub(super) fn root() -> Found {
    Found { steps: Vec::new(), rules: schema::rules(), section: schema::rules(), is_listed: false }
}

/// All keys of the file, but for those of defaults, which are the keys of what the defaults are for; they are the same for the life of the process.
pub(super) fn every() -> &'static [Found] {
    fn all(at: &Found) -> Vec<Found> {
        if matches!(&*at.path(), "defaults.service" | "defaults.listener") {
            return Vec::new();
        }
        at.below().into_iter().flat_map(|below| [vec![below.clone()], all(&below)].concat()).collect()
    }
    static EVERY: OnceLock<Vec<Found>> = OnceLock::new();
    EVERY.get_or_init(|| all(&root()))
}

/// The headers of sections that have such a key; of those in the same part of the file as `near`, a header, first.
pub(in crate::config) fn sections_with(key: &str, near: &str) -> Vec<String> {
    let part = |header: &str| header.trim_matches(['[', ']']).split('.').next().map(str::to_owned);
    let mut headers: Vec<String> =
        every().iter().filter(|found| found.key_name() == Some(key)).map(Found::parent_header).collect();
    headers.sort_by_key(|header| part(header) != part(near));
    headers.dedup();
    headers.truncate(FEW);
    headers
}

/// `ending`: the keys that end in what was asked for.
fn unknown(at: &Found, part: &str, ending: &[Found]) -> Unknown {
    let below = at.below();
    let known: Vec<&str> = below.iter().filter_map(Found::key_name).collect();
    let foreign = other_proxies::key(part, &known);
    let meant = foreign.and_then(|(meant, _)| meant).or_else(|| nearest(part, known.iter().copied()));
    let everywhere = || {
        let meant = nearest(part, every().iter().filter_map(Found::key_name));
        every().iter().filter(|found| meant.is_some() && found.key_name() == meant).map(Found::path).collect::<Vec<_>>()
    };
    let mut near: Vec<String> = match meant {
        Some(meant) => below.iter().filter(|found| found.key_name() == Some(meant)).map(Found::path).collect(),
        None if ending.is_empty() => everywhere(),
        None => ending.iter().map(Found::path).collect(),
    };
    near.truncate(MANY);
    Unknown { known: at.path(), part: part.to_owned(), near, help: foreign.map(|(_, help)| help) }
}

impl Found {
    /// The table whose keys this has: itself, or its elements.
    pub(super) fn table(&self) -> &'static Rules {
        self.rules.items.as_deref().unwrap_or(self.rules)
    }

    /// Whether it is a table, or an array of tables, with keys of its own.
    pub(super) fn is_section(&self) -> bool {
        let table = self.table();
        table.properties.is_some() || table.values.as_ref().is_some_and(|values| values.properties.is_some())
    }

    /// Whether its section needs it.
    pub(super) fn is_required(&self) -> bool {
        self.section.required.contains(&self.name())
    }

    fn step(&self, step: Step, rules: &'static Rules) -> Self {
        let steps = [&self.steps[..], &[step]].concat();
        Self { steps, rules, section: self.table(), is_listed: self.rules.items.is_some() }
    }

    fn key(&self, name: &str) -> Option<Self> {
        let (key, rules) = self.table().properties.as_ref()?.get_key_value(name)?;
        Some(self.step(Step::Key(key), rules))
    }

    /// One of the tables, or of the values, whose names the file chooses.
    fn named(&self) -> Option<Self> {
        Some(self.step(Step::Name, self.table().values.as_deref()?))
    }

    /// What is right below it; of tables with names that the file chooses, what is below one of them.
    pub(super) fn below(&self) -> Vec<Self> {
        let keys = self.table().properties.iter().flatten().map(|(key, rules)| self.step(Step::Key(key), rules));
        keys.chain(self.named().filter(Self::is_section)).collect()
    }

    fn key_name(&self) -> Option<&'static str> {
        match self.steps.last() {
            Some(Step::Key(key)) => Some(key),
            _ => None,
        }
    }

    pub(super) fn name(&self) -> &'static str {
        self.key_name().unwrap_or(NAME)
    }

    /// Whether its path ends so; names that the file chooses may be left out.
    fn ends_with(&self, words: &[&str]) -> bool {
        let keys = self.steps.iter().filter_map(|step| match step {
            Step::Key(key) => Some(*key),
            Step::Name => None,
        });
        self.key_name().is_some() && !words.is_empty() && keys.rev().take(words.len()).eq(words.iter().rev().copied())
    }

    /// Its path, such as `service.NAME.retry.attempts`.
    pub(super) fn path(&self) -> String {
        path(&self.steps)
    }

    /// The header of the section that it is, or is in, as it is written in the file.
    pub(super) fn header(&self) -> String {
        match self.is_section() {
            true => header(&self.steps, self.rules.items.is_some()),
            false => self.parent_header(),
        }
    }

    /// The header of the section that it is a key of.
    fn parent_header(&self) -> String {
        header(&self.steps[..self.steps.len().saturating_sub(1)], self.is_listed)
    }
}

fn header(steps: &[Step], is_listed: bool) -> String {
    match (steps, is_listed) {
        ([], _) => "the file".to_owned(),
        (steps, true) => format!("[[{}]]", path(steps)),
        (steps, false) => format!("[{}]", path(steps)),
    }
}

fn path(steps: &[Step]) -> String {
    let word = |step: &Step| match step {
        Step::Key(key) => *key,
        Step::Name => NAME,
    };
    steps.iter().map(word).collect::<Vec<_>>().join(".")
}
