//! Texts with variables in them. They are taken apart when the configuration is built, so that a request only puts the pieces together.

use std::fmt;

use bytes::Bytes;
use http::header::HeaderValue;

use super::variables::Variable;

/// A text with variables in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    pieces: Box<[Piece]>,
}

/// A piece of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Stands for itself.
    Text(Box<str>),
    /// Is filled in.
    Variable(Variable),
}

/// The value of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldValue {
    /// It is the same for all messages.
    Fixed(HeaderValue),
    /// It has variables.
    Template(Template),
}

/// The body of an answer of our own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnswerBody {
    /// It is the same for all requests.
    Fixed(Bytes),
    /// It has variables, which are escaped as its content type wants it.
    Template(Template, Escape),
}

/// How the value of a variable is written into a text, so that what a client sends can't become markup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Escape {
    /// As it is.
    Nothing,
    /// With character references for what HTML and XML have a meaning for.
    Markup,
    /// As a part of a JSON string (RFC 8259, section 7).
    Json,
}

impl Template {
    /// Takes a text apart. `$${` stands for `${`; a `${...}` that names no variable stands for itself.
    pub fn parse(text: &str) -> Self {
        let (mut pieces, mut literal, mut rest) = (Vec::new(), String::new(), text);
        while let Some(at) = rest.find("${") {
            let (before, from) = rest.split_at(at);
            if let Some(before) = before.strip_suffix('$') {
                literal.push_str(before);
                literal.push_str("${");
                rest = &from[2..];
                continue;
            }
            literal.push_str(before);
            match from.find('}').and_then(|end| Some((end, Variable::named(&from[2..end])?))) {
                Some((end, variable)) => {
                    if !literal.is_empty() {
                        pieces.push(Piece::Text(std::mem::take(&mut literal).into()));
                    }
                    pieces.push(Piece::Variable(variable));
                    rest = &from[end + 1..];
                }
                None => {
                    literal.push_str("${");
                    rest = &from[2..];
                }
            }
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            pieces.push(Piece::Text(literal.into()));
        }
        Self { pieces: pieces.into() }
    }

    /// Its pieces, in order; no two texts stand side by side.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// What it says where it has no variables.
    pub fn fixed(&self) -> Option<&str> {
        match &*self.pieces {
            [] => Some(""),
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// The text in which each variable is what `value` has for it.
    pub fn filled_in<'a>(&'a self, value: impl Fn(Variable) -> &'a str) -> String {
        let pieces = self.pieces.iter();
        pieces
            .map(|piece| if let Piece::Variable(variable) = piece { value(*variable) } else { piece.text() })
            .collect()
    }
}

/// As it is written in the file, but for `$${`.
impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pieces.iter().try_for_each(|piece| match piece {
            Piece::Text(text) => f.write_str(text),
            Piece::Variable(variable) => write!(f, "${{{}}}", variable.name()),
        })
    }
}

impl Piece {
    fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Variable(_) => "",
        }
    }
}

impl FieldValue {
    /// Whether it has variables.
    pub fn is_template(&self) -> bool {
        matches!(self, Self::Template(_))
    }
}

impl AnswerBody {
    /// A body with this text, of this content type.
    pub fn new(text: &str, content_type: &HeaderValue) -> Self {
        let template = Template::parse(text);
        match template.fixed() {
            Some(text) => Self::Fixed(Bytes::copy_from_slice(text.as_bytes())),
            None => Self::Template(template, Escape::of(content_type)),
        }
    }

    /// Whether it is empty for every request.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Fixed(bytes) if bytes.is_empty())
    }

    /// Whether it has variables.
    pub fn is_template(&self) -> bool {
        matches!(self, Self::Template(..))
    }
}

impl Escape {
    /// What is right for bodies of this type.
    fn of(content_type: &HeaderValue) -> Self {
        let text = String::from_utf8_lossy(content_type.as_bytes()).to_ascii_lowercase();
        let kind = text.split(';').next().unwrap_or_default().trim();
        match kind {
            "text/html" | "text/xml" | "application/xml" => Self::Markup,
            "application/json" | "text/json" => Self::Json,
            kind if kind.ends_with("+xml") => Self::Markup,
            kind if kind.ends_with("+json") => Self::Json,
            _ => Self::Nothing,
        }
    }

    /// Writes bytes that are visible ASCII, or spaces.
    pub fn put(self, out: &mut Vec<u8>, value: &[u8]) {
        for &byte in value {
            match (self, byte) {
                (Self::Markup, b'&') => out.extend_from_slice(b"&amp;"),
                (Self::Markup, b'<') => out.extend_from_slice(b"&lt;"),
                (Self::Markup, b'>') => out.extend_from_slice(b"&gt;"),
                (Self::Markup, b'"') => out.extend_from_slice(b"&quot;"),
                (Self::Markup, b'\'') => out.extend_from_slice(b"&#39;"),
                (Self::Json, b'"' | b'\\') => out.extend_from_slice(&[b'\\', byte]),
                _ => out.push(byte),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(text: &str) -> Vec<Piece> {
        Template::parse(text).pieces().to_vec()
    }

    fn text(text: &str) -> Piece {
        Piece::Text(text.into())
    }

    #[test]
    fn variables_stand_between_texts() {
        assert_eq!(pieces("${host}"), [Piece::Variable(Variable::Host)]);
        assert_eq!(
            pieces("a ${client_ip}${tls.sni} b"),
            [text("a "), Piece::Variable(Variable::ClientIp), Piece::Variable(Variable::TlsSni), text(" b")]
        );
        assert_eq!(pieces(""), []);
    }

    #[test]
    fn what_names_no_variable_stands_for_itself() {
        for same in ["/$path/${port}/${path", "$", "${", "${}", "$host", "a}b", "${HOST}"] {
            assert_eq!(Template::parse(same).fixed(), Some(same));
        }
        assert_eq!(pieces("${x${host}"), [text("${x"), Piece::Variable(Variable::Host)]);
    }

    #[test]
    fn a_doubled_dollar_keeps_a_variable_from_being_filled_in() {
        assert_eq!(Template::parse("$${host} $${x}").fixed(), Some("${host} ${x}"));
        assert_eq!(Template::parse("$$${host}").fixed(), Some("$${host}"));
        assert_eq!(pieces("$$ ${host}"), [text("$$ "), Piece::Variable(Variable::Host)]);
    }

    #[test]
    fn values_are_escaped_as_their_content_type_wants_it() {
        let written = |content_type: &'static str| {
            let mut out = Vec::new();
            Escape::of(&HeaderValue::from_static(content_type)).put(&mut out, br#"<a b="c\'&">"#);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(written("text/plain"), r#"<a b="c\'&">"#);
        for html in ["text/html; charset=utf-8", "Text/HTML", "application/xhtml+xml", "image/svg+xml"] {
            assert_eq!(written(html), r#"&lt;a b=&quot;c\&#39;&amp;&quot;&gt;"#, "{html}");
        }
        assert_eq!(written("application/problem+json"), r#"<a b=\"c\\'&\">"#);
    }

    #[test]
    fn a_body_without_variables_is_made_once() {
        let plain = HeaderValue::from_static("text/plain");
        assert_eq!(AnswerBody::new("a $${host}", &plain), AnswerBody::Fixed(Bytes::from_static(b"a ${host}")));
        assert!(AnswerBody::new("", &plain).is_empty() && AnswerBody::new("${host}", &plain).is_template());
    }

    proptest::proptest! {
        #[test]
        fn a_text_with_its_dollars_doubled_comes_out_as_it_was(parts in proptest::collection::vec("[a-z]{0,3}|\\$|\\{|\\}|\\$\\{host\\}", 0..8)) {
            let text = parts.concat();
            let template = Template::parse(&text.replace("${", "$${"));
            proptest::prop_assert_eq!(template.fixed(), Some(text.as_str()));
        }
    }
}
