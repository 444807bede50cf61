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

/// Puts the names of variables in the place of their values, wherever a mistake tells of one.
pub(super) fn conceal(mistakes: &mut [Mistake], written: &Written) {
    let secrets: Vec<&Replaced> = written.values().filter(|replaced| replaced.may_be_secret()).collect();
    for mistake in mistakes {
        let at_fault = written.get(&mistake.path);
        let others = secrets.iter().copied().filter(|secret| secret.value.len() > SHORT);
        for replaced in at_fault.into_iter().chain(others) {
            let hide = |text: &mut String| *text = replaced.hide(text);
            hide(&mut mistake.message);
            [&mut mistake.expected, &mut mistake.suggestion, &mut mistake.help].into_iter().flatten().for_each(hide);
        }
        if let Some(replaced) = at_fault {
            mistake.suggestion.take_if(|_| replaced.may_be_secret());
            let told = [Some(&mistake.message), mistake.help.as_ref()];
            if !told.into_iter().flatten().any(|text| text.contains("${")) {
                let origin = format!("it comes from `{}`", replaced.written);
                let help = mistake.help.as_ref().map(|help| format!("{origin}; {help}"));
                mistake.help = Some(help.unwrap_or(origin));
            }
        }
    }
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

    /// A text with what is written in the place of what it stands for.
    fn hide(&self, text: &str) -> String {
        if self.value.len() >= SHORT {
            return text.replace(&self.value, &self.written);
        }
        let quoted =
            |quote: char| text.replace(&format!("{quote}{}{quote}", self.value), &format!("`{}`", self.written));
        ['`', '"'].into_iter().map(quoted).find(|hidden| hidden != text).unwrap_or_else(|| text.to_owned())
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
        let near = Some("5s".to_owned());
        assert_eq!(told("${T}", "5 sec", "`5 sec` can't be read"), ("`${T}` can't be read".into(), near.clone(), None));
        assert_eq!(told("${T}", "5", "`5` is below 5"), ("`${T}` is below 5".into(), near.clone(), None));
        let origin = Some("it comes from `${T}`".to_owned());
        assert_eq!(told("${T}", "5", "it is below 10"), ("it is below 10".into(), near, origin));
        let hidden = told("${API_KEY}", "hunter2", "`x/hunter2` can't be read");
        assert_eq!(hidden, ("`x/${API_KEY}` can't be read".into(), None, None));
    }

    #[test]
    fn secrets_are_hidden_wherever_they_are_told() {
        let written = Written::from([(KeyPath::default().key("b"), replaced("x ${TOKEN:-y}", "x hunter2"))]);
        let mut mistakes = [Mistake::new(0..0, &KeyPath::default().key("a"), "`x hunter2` is there twice")];
        conceal(&mut mistakes, &written);
        assert_eq!(mistakes[0].message, "`x ${TOKEN:-y}` is there twice");
    }
}
