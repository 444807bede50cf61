//! Where in HTML or XML a variable stands: in the text, in an attribute (of which kind), in a script, in a style sheet. It follows the tokenizer of the HTML standard
//! (section 13.2.5) as far as that tells these apart, and is run when the configuration is built.

use super::escape::Escape;

/// Attributes whose values are URLs, or lists with URLs in them.
const LINKS: [&str; 17] = [
    "action",
    "background",
    "cite",
    "codebase",
    "content",
    "data",
    "formaction",
    "from",
    "href",
    "manifest",
    "ping",
    "poster",
    "src",
    "srcset",
    "to",
    "usemap",
    "values",
];

/// Elements whose content is not taken apart up to their end.
const RAW: [&str; 8] = ["script", "style", "title", "textarea", "xmp", "iframe", "noembed", "noframes"];

/// So many bytes of a name are kept: no element or attribute that is looked for has more.
const LONGEST: usize = 16;

/// Reads a text and says where it is.
#[derive(Debug, Default)]
pub struct Scanner {
    state: State,
    /// The name of the tag that is being read, or was read last; within raw content, that of its element.
    tag: String,
    is_end_tag: bool,
    attribute: String,
    /// The last bytes of a comment, of a declaration or of raw content.
    tail: String,
    /// How deep in a script's comment the text is: 1 after `<!--`, 2 after a further `<script`, whose end tag ends nothing (section 13.2.5.20).
    script_depth: u8,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    /// Behind `<`.
    TagOpen,
    /// Behind `</`.
    EndTagOpen,
    TagName,
    /// Between attributes.
    InTag,
    AttributeName,
    AfterName,
    BeforeValue,
    /// In a value with quotes: this one.
    Quoted(char),
    Unquoted,
    /// Behind `<!` or `<?`.
    Declaration,
    Comment,
    /// In the content of a script and the like.
    Raw,
}

impl Scanner {
    /// Goes on with this text.
    pub fn read(&mut self, text: &str) {
        for c in text.chars() {
            self.state = self.step(c);
        }
    }

    /// How a value is written that stands here; goes on behind it.
    pub fn value(&mut self) -> Escape {
        let (escape, next) = match self.state {
            State::Text | State::Comment => (Escape::Markup, self.state),
            State::TagOpen
            | State::EndTagOpen
            | State::TagName
            | State::InTag
            | State::AttributeName
            | State::AfterName => (Escape::Omitted, self.state),
            State::Declaration => (Escape::Bare, self.state),
            State::Quoted(_) => (self.in_attribute(Escape::Markup), self.state),
            State::BeforeValue | State::Unquoted => (self.in_attribute(Escape::Bare), State::Unquoted),
            State::Raw => (self.in_raw(), self.state),
        };
        // what a value ends in is part of no name and of no end tag
        self.tail.clear();
        self.state = next;
        escape
    }

    fn in_attribute(&self, plain: Escape) -> Escape {
        match local(&self.attribute) {
            name if name.starts_with("on") => Escape::Script,
            "style" => Escape::Style,
            "srcdoc" if plain == Escape::Markup => Escape::Nested,
            "srcdoc" => Escape::Omitted,
            name if LINKS.contains(&name) => Escape::Link,
            _ => plain,
        }
    }

    fn in_raw(&self) -> Escape {
        match local(&self.tag) {
            "script" => Escape::Script,
            "style" => Escape::Style,
            _ => Escape::Markup,
        }
    }

    fn step(&mut self, c: char) -> State {
        let is_space = c.is_ascii_whitespace();
        match (self.state, c) {
            (State::Text, '<') => State::TagOpen,
            (State::Text, _) => State::Text,
            (State::TagOpen | State::EndTagOpen, _) => self.tag_open(c),
            (State::TagName | State::InTag | State::AttributeName | State::AfterName | State::BeforeValue, '>')
            | (State::Unquoted, '>') => self.tag_ends(),
            (State::TagName, '/') => State::InTag,
            (State::TagName, _) if is_space => State::InTag,
            (State::TagName, _) => {
                keep(&mut self.tag, c);
                State::TagName
            }
            (State::AttributeName | State::AfterName, '=') => State::BeforeValue,
            (State::AttributeName, _) if is_space => State::AfterName,
            (State::InTag | State::AfterName, _) if is_space => self.state,
            (State::InTag | State::AttributeName | State::AfterName, '/') => State::InTag,
            (State::AttributeName, _) => {
                keep(&mut self.attribute, c);
                State::AttributeName
            }
            (State::InTag | State::AfterName, _) => {
                self.attribute.clear();
                keep(&mut self.attribute, c);
                State::AttributeName
            }
            (State::BeforeValue, '"' | '\'') => State::Quoted(c),
            (State::BeforeValue, _) if is_space => State::BeforeValue,
            (State::BeforeValue, _) => State::Unquoted,
            (State::Quoted(quote), _) if c == quote => State::InTag,
            (State::Unquoted, _) if is_space => State::InTag,
            (State::Quoted(_) | State::Unquoted, _) => self.state,
            (State::Declaration, _) => self.in_declaration(c),
            (State::Comment, _) => self.in_comment(c),
            (State::Raw, _) => self.in_raw_content(c),
        }
    }

    fn tag_open(&mut self, c: char) -> State {
        self.tail.clear();
        self.is_end_tag = self.state == State::EndTagOpen;
        match c {
            c if c.is_ascii_alphabetic() => {
                self.tag.clear();
                keep(&mut self.tag, c);
                State::TagName
            }
            '>' if self.is_end_tag => State::Text,
            // what is no end tag is a comment up to `>`
            _ if self.is_end_tag => State::Declaration,
            '/' => State::EndTagOpen,
            '!' | '?' => State::Declaration,
            '<' => State::TagOpen,
            _ => State::Text,
        }
    }

    fn tag_ends(&mut self) -> State {
        let is_raw = !std::mem::take(&mut self.is_end_tag) && RAW.contains(&local(&self.tag));
        self.tail.clear();
        self.script_depth = 0;
        if is_raw { State::Raw } else { State::Text }
    }

    fn in_declaration(&mut self, c: char) -> State {
        keep_last(&mut self.tail, c);
        match c {
            // two dashes of the beginning are two of the end as well: `<!-->` is a whole comment
            _ if self.tail == "--" => State::Comment,
            '>' => State::Text,
            _ => State::Declaration,
        }
    }

    fn in_comment(&mut self, c: char) -> State {
        let ends = c == '>' && (self.tail.ends_with("--") || self.tail.ends_with("--!"));
        keep_last(&mut self.tail, c);
        if ends { State::Text } else { State::Comment }
    }

    fn in_raw_content(&mut self, c: char) -> State {
        let name_ends = c.is_ascii_whitespace() || matches!(c, '/' | '>');
        let is_script = local(&self.tag) == "script";
        if name_ends && is_script && self.script_depth == 1 && self.tail.ends_with("<script") {
            self.script_depth = 2;
        } else if name_ends && self.tail.strip_suffix(self.tag.as_str()).is_some_and(|before| before.ends_with("</")) {
            if self.script_depth == 2 {
                self.script_depth = 1;
            } else {
                self.is_end_tag = true;
                return if c == '>' { self.tag_ends() } else { State::InTag };
            }
        }
        keep_last(&mut self.tail, c);
        if is_script && self.tail.ends_with("<!--") {
            self.script_depth = self.script_depth.max(1);
        } else if is_script && self.tail.ends_with("-->") {
            self.script_depth = 0;
        }
        State::Raw
    }
}

/// A name without its prefix: `script` of `svg:script`.
fn local(name: &str) -> &str {
    name.rsplit(':').next().unwrap_or(name)
}

/// Adds to a name, in small letters; one that is longer than all that are looked for is none of them.
fn keep(name: &mut String, c: char) {
    if name.len() <= LONGEST {
        name.push(c.to_ascii_lowercase());
    }
}

/// Adds to the last bytes that were read.
fn keep_last(tail: &mut String, c: char) {
    if tail.len() >= 2 * LONGEST {
        let at = tail.char_indices().map(|(at, _)| at).find(|at| *at >= LONGEST).unwrap_or(tail.len());
        tail.drain(..at);
    }
    tail.push(c.to_ascii_lowercase());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How a value is written at each `$` of a text.
    fn at(text: &str) -> Vec<Escape> {
        let mut scanner = Scanner::default();
        let mut parts = text.split('$');
        scanner.read(parts.next().unwrap());
        let value = |part| {
            let escape = scanner.value();
            scanner.read(part);
            escape
        };
        parts.map(value).collect()
    }

    #[test]
    fn a_value_is_written_as_its_place_wants_it() {
        use Escape::{Bare, Link, Markup, Nested, Omitted, Script, Style};
        for (text, wanted) in [
            ("$<p>$</p>$", vec![Markup, Markup, Markup]),
            ("<title>$</title><textarea>$</textarea>", vec![Markup, Markup]),
            ("<p title=\"$\" class='$'>$", vec![Markup, Markup, Markup]),
            ("<p title=$ class= $>$", vec![Bare, Bare, Markup]),
            ("<a href=\"$\" HREF = '/a$' src=$>", vec![Link, Link, Link]),
            ("<meta http-equiv=refresh content=\"0; url=$\">", vec![Link]),
            ("<p onclick=\"f('$')\" OnLoad=f($)>$", vec![Script, Script, Markup]),
            ("<p style=\"color:$\"><style>p { color: $ }</style>$", vec![Style, Style, Markup]),
            ("<iframe srcdoc=\"<p>$\" srcdoc=$></iframe>", vec![Nested, Omitted]),
            ("<p$ $ a$ b $=\"$\">$", vec![Omitted, Omitted, Omitted, Omitted, Markup, Markup]),
            // without the value, it is no tag
            ("<$ $>", vec![Omitted, Markup]),
            ("<svg:script>$</svg:script>$<a xlink:href='$'>", vec![Script, Markup, Link]),
            ("</$><p>$", vec![Omitted, Markup]),
            ("<script>let a = \"$\"; </script>$", vec![Script, Markup]),
            ("<SCRIPT src='$' async>$</Script >$", vec![Link, Script, Markup]),
            ("<script>'</scripts> </ script>$'</script\n>$", vec![Script, Markup]),
            ("<!-- <script> $ -->$", vec![Markup, Markup]),
            ("<!--><script>$</script>$", vec![Script, Markup]),
            ("<!-- a --!><script>$", vec![Script]),
            ("<!doctype $><script>$", vec![Bare, Script]),
            ("a < b $ <3 $", vec![Markup, Markup]),
            ("<p a='>' b=\"<script>\">$", vec![Markup]),
            ("<p/title=\"$\"/>$", vec![Markup, Markup]),
        ] {
            assert_eq!(at(text), wanted, "{text}");
        }
    }

    #[test]
    fn a_script_in_a_comment_of_a_script_ends_nothing() {
        assert_eq!(at("<script><!-- <script> </script> $ --></script>$"), [Escape::Script, Escape::Markup]);
        assert_eq!(at("<script><!-- $ //--></script>$"), [Escape::Script, Escape::Markup]);
        assert_eq!(at("<script>$<!-- </script>$"), [Escape::Script, Escape::Markup]);
    }

    proptest::proptest! {
        #[test]
        fn a_text_that_is_cut_anywhere_is_read_as_in_one_piece(
            parts in proptest::collection::vec("<!--|-->|<script>|</script|<p |a=|[\"'> /]|x|<style>|</style>", 0..12),
            cut in 0usize..60,
        ) {
            let text = parts.concat();
            let cut = (0..=cut.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            let (mut whole, mut pieces) = (Scanner::default(), Scanner::default());
            whole.read(&text);
            pieces.read(&text[..cut]);
            pieces.read(&text[cut..]);
            proptest::prop_assert_eq!(whole.value(), pieces.value());
        }
    }
}
