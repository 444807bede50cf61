//! A line of the access log as text with names of fields in it: `${client} "${method} ${target}" ${status}`.

use super::FieldName;

/// A piece of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Text that stands in every line.
    Text(String),
    /// A field.
    Field(FieldName),
}

/// What is wrong with a template. Places are counted in characters, from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BadTemplate {
    /// `${` at this place has no `}`.
    Open(usize),
    /// There is no field with this name, which stands at this place.
    Unknown(String, usize),
    /// A control character, which could end the line or hide a part of it, stands at this place.
    Control(usize),
    /// It is empty.
    Empty,
}

/// Reads a template. `$${` stands for `${`.
///
/// # Errors
///
/// The first thing that is wrong with it.
pub fn parse(text: &str) -> Result<Vec<Piece>, BadTemplate> {
    if text.is_empty() {
        return Err(BadTemplate::Empty);
    }
    if let Some(at) = text.chars().position(char::is_control) {
        return Err(BadTemplate::Control(at + 1));
    }
    let place = |rest: &str| text[..text.len() - rest.len()].chars().count() + 1;
    let (mut pieces, mut plain, mut rest) = (Vec::new(), String::new(), text);
    while let Some(at) = rest.find("${") {
        let (before, from) = rest.split_at(at);
        if let Some(before) = before.strip_suffix('$') {
            plain.push_str(before);
            plain.push_str("${");
            rest = &from[2..];
            continue;
        }
        plain.push_str(before);
        let end = from.find('}').ok_or_else(|| BadTemplate::Open(place(from)))?;
        let name = &from[2..end];
        let field = FieldName::parse(name).ok_or_else(|| BadTemplate::Unknown(name.to_owned(), place(&from[2..])))?;
        if !plain.is_empty() {
            pieces.push(Piece::Text(std::mem::take(&mut plain)));
        }
        pieces.push(Piece::Field(field));
        rest = &from[end + 1..];
    }
    plain.push_str(rest);
    if !plain.is_empty() {
        pieces.push(Piece::Text(plain));
    }
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Result<String, BadTemplate> {
        let piece = |piece| match piece {
            Piece::Text(text) => text,
            Piece::Field(field) => format!("<{}>", field.text()),
        };
        Ok(parse(text)?.into_iter().map(piece).collect())
    }

    #[test]
    fn names_are_told_from_text() {
        for (text, want) in [
            ("${client}", "<client>"),
            ("a ${status}b${request_header:X-A}", "a <status>b<request_header:x-a>"),
            ("$ $1 {} $${time} ${time}", "$ $1 {} ${time} <time>"),
            ("${time}${time}", "<time><time>"),
            ("}", "}"),
        ] {
            assert_eq!(shown(text).unwrap(), want);
        }
    }

    #[test]
    fn what_is_wrong_has_its_place() {
        for (text, want) in [
            ("", BadTemplate::Empty),
            ("\u{e9}${client", BadTemplate::Open(2)),
            ("\u{e9} ${clientt} ${x}", BadTemplate::Unknown("clientt".into(), 5)),
            ("${}", BadTemplate::Unknown(String::new(), 3)),
            ("a\nb", BadTemplate::Control(2)),
        ] {
            assert_eq!(shown(text), Err(want), "{text}");
        }
    }
}
