//! Texts with variables in them. They are taken apart when the configuration is built, so that a request only puts the pieces together.

use std::fmt;

use bytes::Bytes;
use http::header::HeaderValue;

use super::escape::Escape;
use super::markup::Scanner;
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
    /// It has variables; the second says for each of them in turn how it is written.
    Template(Template, Box<[Escape]>),
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
            None => {
                let escapes = escapes(&template, content_type);
                Self::Template(template, escapes)
            }
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

/// How each variable of a body is written: by its type, and in HTML and XML by where the variable stands.
fn escapes(template: &Template, content_type: &HeaderValue) -> Box<[Escape]> {
    let whole = Escape::of(content_type);
    let mut scanner = Scanner::default();
    let mut escapes = Vec::new();
    for piece in template.pieces() {
        match piece {
            Piece::Text(text) if whole == Escape::Markup => scanner.read(text),
            Piece::Text(_) => {}
            Piece::Variable(_) if whole == Escape::Markup => escapes.push(scanner.value()),
            Piece::Variable(_) => escapes.push(whole),
        }
    }
    escapes.into()
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
    fn each_variable_is_written_as_the_place_wants_it_where_it_stands() {
        let escapes = |text: &str, content_type: &'static str| match AnswerBody::new(
            text,
            &HeaderValue::from_static(content_type),
        ) {
            AnswerBody::Template(_, escapes) => escapes.to_vec(),
            AnswerBody::Fixed(_) => Vec::new(),
        };
        let page = "<p>${host}<a href=\"${path}\">${path}</a><script>let a = '${query}';</script>${host}";
        let (markup, link, script) = (Escape::Markup, Escape::Link, Escape::Script);
        assert_eq!(escapes(page, "text/html"), [markup, link, markup, script, markup]);
        assert_eq!(escapes(page, "text/plain"), [Escape::Nothing; 5]);
        assert_eq!(escapes("let a = '${query}'", "text/javascript"), [script]);
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
