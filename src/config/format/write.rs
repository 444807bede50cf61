//! Lines and lists as they are laid out.

use super::read::{List, Part, Remark, Value};

/// An array that makes its line longer than this, in characters, has a line for each element.
const WIDTH: usize = 100;

/// What is on lines of its own in a list is so far from the bracket.
const INDENT: usize = 4;

/// A line, with the comment behind it in the column where it was, if there is room; returns the column.
pub(super) fn line(out: &mut String, text: &str, remark: Option<&Remark<'_>>) -> usize {
    out.push_str(text);
    let used = width(text.rsplit('\n').next().unwrap_or_default());
    let Some(remark) = remark else { return 0 };
    let column = match remark.is_apart && !text.contains('\n') {
        true => remark.column.max(used + 1),
        false => used + 1,
    };
    comment(out, column - used, remark.text);
    column
}

/// A comment, behind so many spaces.
pub(super) fn comment(out: &mut String, spaces: usize, text: &str) {
    out.extend(std::iter::repeat_n(' ', spaces));
    out.push_str(text);
}

/// A key with its value; returns the column of the comment.
pub(super) fn entry(out: &mut String, key: &str, value: &Value<'_>, remark: Option<&Remark<'_>>) -> usize {
    let mut text = format!("{key} = ");
    let used = width(&text);
    whole(&mut text, value, 0, used);
    line(out, &text, remark)
}

/// A value behind `used` characters of its line, which may be given lines for its elements. `indent` is that of the line.
fn whole(out: &mut String, value: &Value<'_>, indent: usize, used: usize) {
    let Value::List(list) = value else { return flat(out, value, indent) };
    let mut short = String::new();
    flat(&mut short, value, indent);
    let is_long = list.is_array && !list.parts.is_empty() && !short.contains('\n') && used + width(&short) > WIDTH;
    if is_long && !list.on_lines {
        return on_lines(out, list, indent);
    }
    out.push_str(&short);
}

/// A value on one line, but for lists that stand on several.
fn flat(out: &mut String, value: &Value<'_>, indent: usize) {
    let list = match value {
        Value::Scalar(text) => return out.push_str(text),
        Value::List(list) if list.on_lines && !list.parts.is_empty() => return on_lines(out, list, indent),
        Value::List(list) => list,
    };
    let pad = if list.is_array || list.parts.is_empty() { "" } else { " " };
    out.push_str(if list.is_array { "[" } else { "{" });
    out.push_str(pad);
    for (at, part) in list.parts.iter().enumerate() {
        let Part::Element { key, value, .. } = part else { continue };
        if at > 0 {
            out.push_str(", ");
        }
        if let Some(key) = key {
            out.push_str(key);
            out.push_str(" = ");
        }
        flat(out, value, indent);
    }
    out.push_str(pad);
    out.push_str(if list.is_array { "]" } else { "}" });
}

/// A list with a line for each element.
fn on_lines(out: &mut String, list: &List<'_>, indent: usize) {
    out.push_str(if list.is_array { "[\n" } else { "{\n" });
    for part in &list.parts {
        match part {
            Part::Blank => {}
            Part::Comment(text) => comment(out, indent + INDENT, text),
            Part::Element { key, value, comment } => {
                let mut text = " ".repeat(indent + INDENT);
                if let Some(key) = key {
                    text.push_str(key);
                    text.push_str(" = ");
                }
                let used = width(&text);
                whole(&mut text, value, indent + INDENT, used + 1);
                text.push(',');
                line(out, &text, comment.as_ref());
            }
        }
        out.push('\n');
    }
    out.push_str(&" ".repeat(indent));
    out.push_str(if list.is_array { "]" } else { "}" });
}

fn width(text: &str) -> usize {
    text.chars().count()
}
