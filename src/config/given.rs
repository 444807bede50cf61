//! Values from the environment: read as the type that a key wants, and kept out of what is told of mistakes.

use std::borrow::Cow;
use std::ops::Range;

use super::disguise;
use super::environment::{Replaced, Written};
use super::mistake::Mistake;
use super::path::Trail;
use super::schema::Rules;
use super::tree::{Node, Value};

/// A shorter value is replaced in a message only where it stands in quotes: it is no secret, and may be a part of any word.
const SHORT: usize = 4;

/// Makes a string that was one `${NAME}` a number, a boolean or an array, where the key wants one and it can be read as one.
pub(super) fn read(path: &Trail<'_>, rules: &Rules, node: &mut Node<'_>, written: &mut Written) {
    let Value::Text(text) = &node.value else { return };
    if written.is_empty() || matches!(rules.kinds[..], [] | ["string"]) {
        return;
    }
    let Some(replaced) = written.get_mut(&path.path()).filter(|replaced| replaced.is_whole()) else { return };
    if let Some(value) = typed(text, rules, &node.span) {
        replaced.is_shown = !matches!(value, Value::Array(_));
        node.value = value;
    }
}

/// A text as the first of the types that it can be read as; `None` = it stays a string.
fn typed(text: &str, rules: &Rules, span: &Range<usize>) -> Option<Value<'static>> {
    let text = text.trim();
    rules.kinds.iter().find_map(|kind| match *kind {
        "integer" => text.parse().ok().map(Value::Integer),
        "number" => text.parse().ok().filter(|number: &f64| number.is_finite()).map(Value::Float),
        "boolean" => text.parse().ok().map(Value::Bool),
        "array" => {
            let rules = rules.items.as_ref()?;
            let item = |item: &str| {
                let value = match rules.kinds[..] {
                    ["string"] => Value::Text(Cow::Owned(item.to_owned())),
                    _ => typed(item, rules, span)?,
                };
                Some(Node { span: span.clone(), value })
            };
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            items.map(item).collect::<Option<_>>().map(Value::Array)
        }
        _ => None,
    })
}

/// What a value is, for a message: its type, or the variable that it comes from.
pub(super) fn kind(path: &Trail<'_>, value: &Value<'_>, written: &Written) -> String {
    match written.get(&path.path()).filter(|replaced| replaced.is_whole()) {
        Some(replaced) => format!("what `{}` stands for", replaced.written),
        None => value.kind().to_owned(),
    }
}

/// Puts the names of variables in the place of their values, wherever a mistake tells of one. A suggestion for a value that comes from a variable is made
/// of it, and left out.
pub(super) fn conceal(mistakes: &mut [Mistake], written: &Written) {
    if written.is_empty() {
        return;
    }
    // what is filled in later is no value of a variable
    let is_replaced = |replaced: &&Replaced| replaced.written != replaced.value;
    for mistake in mistakes {
        let at_fault = written.get(&mistake.path).or_else(|| {
            // an element of an array that was one variable
            mistake.path.is_listed().then(|| written.get(&mistake.path.parent())).flatten()
        });
        for other in written.values().filter(is_replaced).filter(|other| other.value.len() > SHORT) {
            conceal_other(mistake, other);
        }
        if let Some(replaced) = at_fault.filter(is_replaced) {
            conceal_own(mistake, replaced);
        }
    }
}

/// Conceals a value that is told of though it is at another place: a secret wherever it stands, any other one where it is quoted as a whole.
fn conceal_other(mistake: &mut Mistake, other: &Replaced) {
    let is_secret = other.may_be_secret();
    let hide = |text: &mut String| *text = if is_secret { other.hide(text) } else { other.hide_quoted(text) };
    let is_listed = |text: &str| mistake.expected.as_ref().is_some_and(|list| list.contains(&format!("{text:?}")));
    // a word that the key can be is known without the variable
    let tells = mistake.suggestion.as_ref().is_some_and(|text| text.contains(&other.value) && !is_listed(text));
    mistake.suggestion.take_if(|_| tells);
    hide(&mut mistake.message);
    if let Some(help) = &mut mistake.help {
        hide(help);
    }
    if let Some(expected) = mistake.expected.as_mut().filter(|_| is_secret) {
        hide(expected);
    }
}

/// Conceals the value that a mistake is about.
fn conceal_own(mistake: &mut Mistake, own: &Replaced) {
    mistake.suggestion = None;
    mistake.message = own.hide_parts(&own.hide(&mistake.message));
    mistake.expected = mistake.expected.take().map(|text| own.hide(&text));
    // what is said of a part of the value says what it is
    mistake.help = mistake.help.take().map(|text| own.hide(&text)).filter(|text| !own.has_part(text));
    let told = [Some(&mistake.message), mistake.help.as_ref()];
    if !told.into_iter().flatten().any(|text| text.contains("${")) {
        let origin = format!("it comes from `{}`", own.written);
        let help = mistake.help.as_ref().map(|help| format!("{origin}; {help}"));
        mistake.help = Some(help.unwrap_or(origin));
    }
}

/// What stands around the words of a message.
fn is_between(c: char) -> bool {
    c.is_whitespace() || matches!(c, '`' | '"' | '\'' | '(' | ')' | ',' | ';')
}

impl Replaced {
    /// Whether the whole string is one variable.
    fn is_whole(&self) -> bool {
        self.written.starts_with("${") && self.written.find('}') == Some(self.written.len() - 1)
    }

    /// Whether a variable in it has the name of one that people put secrets into.
    fn may_be_secret(&self) -> bool {
        let names = self.written.split("${").skip(1).filter_map(|rest| rest.split(['}', ':']).next());
        names.into_iter().any(disguise::is_secret)
    }

    /// A text with what is written in the place of what it stands for, or of one of the elements of a list that it stands for.
    fn hide(&self, text: &str) -> String {
        let elements = self.value.split(',').map(str::trim).filter(|element| !element.is_empty());
        let all = std::iter::once(&*self.value).chain(elements);
        all.fold(text.to_owned(), |text, value| match value.len() >= SHORT {
            true => text.replace(value, &self.written),
            false => self.in_quotes(&text, value),
        })
    }

    /// As [`hide`](Self::hide), only where it stands in quotes.
    fn hide_quoted(&self, text: &str) -> String {
        self.in_quotes(text, &self.value)
    }

    fn in_quotes(&self, text: &str, value: &str) -> String {
        let quoted = |quote: char| text.replace(&format!("{quote}{value}{quote}"), &format!("`{}`", self.written));
        ['`', '"'].into_iter().map(quoted).find(|hidden| hidden != text).unwrap_or_else(|| text.to_owned())
    }

    /// A text with what is written in the place of each word that is a part of the value, such as the address of one with a port.
    fn hide_parts(&self, text: &str) -> String {
        let hidden = |piece: &str| {
            let word = piece.trim_end_matches(|c| is_between(c) || c == ':');
            if self.is_part(word) { format!("{}{}", self.written, &piece[word.len()..]) } else { piece.to_owned() }
        };
        text.split_inclusive(is_between).map(hidden).collect()
    }

    /// Whether a text has a word that is a part of the value.
    fn has_part(&self, text: &str) -> bool {
        text.split(is_between).any(|word| self.is_part(word.trim_end_matches(':')))
    }

    /// Whether a word is a part of the value, and no plain word. What stands beside the variable in the file is told all the same.
    fn is_part(&self, word: &str) -> bool {
        let is_plain = word.chars().all(|c| c.is_alphabetic() || c == '-' || c == '_');
        let is_telling = word.len() > 1 && (!is_plain || (self.may_be_secret() && word.len() >= SHORT));
        is_telling
            && self.value.to_lowercase().contains(&word.to_lowercase())
            && !self.written.to_lowercase().contains(&word.to_lowercase())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::path::KeyPath;

    fn replaced(written: &str, value: &str) -> Replaced {
        Replaced { written: written.to_owned(), value: value.to_owned(), is_shown: false }
    }

    fn told(written: &str, value: &str, message: &str) -> (String, Option<String>, Option<String>) {
        let path = KeyPath::default().key("a");
        let mut mistakes = [Mistake::new(0..0, &path, message).near(Some("5s"))];
        conceal(&mut mistakes, &Written::from([(path, replaced(written, value))]));
        let [mistake] = mistakes;
        (mistake.message, mistake.suggestion, mistake.help)
    }

    #[test]
    fn a_value_is_told_by_the_name_of_its_variable() {
        // a suggestion is made of the value
        assert_eq!(told("${T}", "5 sec", "`5 sec` can't be read"), ("`${T}` can't be read".into(), None, None));
        assert_eq!(told("${T}", "5", "`5` is below 5"), ("`${T}` is below 5".into(), None, None));
        let origin = Some("it comes from `${T}`".to_owned());
        assert_eq!(told("${T}", "5", "it is below 10"), ("it is below 10".into(), None, origin));
        let hidden = told("${API_KEY}", "hunter2", "`x/hunter2` can't be read");
        assert_eq!(hidden, ("`x/${API_KEY}` can't be read".into(), None, None));
    }

    #[test]
    fn a_part_of_a_value_is_not_told_either() {
        let (message, ..) = told("${BIND}", "10.9.9.9:80", "this machine has no address 10.9.9.9");
        assert_eq!(message, "this machine has no address ${BIND}");
        let (message, ..) = told("${NETS}", "10.0.0.0/8, nonsense", "`nonsense` is not a network");
        assert_eq!(message, "`${NETS}` is not a network");
        let (message, ..) = told("${HOST}:8080", "inner:8080", "nothing listens on port 8080");
        assert_eq!(message, "nothing listens on port 8080");
    }

    #[test]
    fn secrets_are_hidden_wherever_they_are_told() {
        let written = Written::from([(KeyPath::default().key("b"), replaced("x ${TOKEN:-y}", "x hunter2"))]);
        let mut mistakes = [Mistake::new(0..0, &KeyPath::default().key("a"), "`x hunter2` is there twice")];
        conceal(&mut mistakes, &written);
        assert_eq!(mistakes[0].message, "`x ${TOKEN:-y}` is there twice");
    }
}
