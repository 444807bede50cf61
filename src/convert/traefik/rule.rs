//! Rules of routers: their grammar, and the conditions that they stand for.

#[cfg(test)]
mod tests;

use crate::convert::decision::Clause;
use crate::convert::decision::conditions::{Conditions, Host, Meet, Path};
use crate::convert::{expression, hosts, networks};

/// More alternatives than that are not written out.
const MOST: usize = 128;

/// Bytes of a rule, at most.
const LONGEST: usize = 16 * 1024;

/// Parentheses in parentheses, at most.
const DEEPEST: usize = 64;

/// What a rule says, as alternatives, and what is not exactly the same here.
#[derive(Debug, Default)]
pub struct Rule {
    /// Requests of any of these kinds.
    pub clauses: Vec<Clause>,
    /// What is not exactly the same.
    pub remarks: Vec<String>,
}

/// A rule as it is written.
#[derive(Debug, Clone, PartialEq)]
enum Expression {
    Matcher(String, Vec<String>),
    Not(Box<Expression>),
    And(Box<Expression>, Box<Expression>),
    Or(Box<Expression>, Box<Expression>),
}

/// Reads a rule.
///
/// # Errors
/// What of it can't be read, or said by conditions of ours.
pub fn read(text: &str) -> Result<Rule, String> {
    let tokens = tokens(text)?;
    let mut parser = Parser { tokens: &tokens, at: 0, depth: 0 };
    let expression = parser.or()?;
    if parser.at < tokens.len() {
        return Err(format!("`{text}` goes on after its end"));
    }
    let mut rule = Rule::default();
    rule.clauses = alternatives(&expression, false, &mut rule.remarks)?;
    Ok(rule)
}

/// Requests of which all are that a rule could take: what of it can't be read, or said by conditions of ours, could be anything.
pub fn at_most(text: &str) -> Vec<Clause> {
    let Ok(tokens) = tokens(text) else { return vec![Clause::default()] };
    let mut parser = Parser { tokens: &tokens, at: 0, depth: 0 };
    match parser.or() {
        Ok(expression) if parser.at == tokens.len() => loosely(&expression),
        _ => vec![Clause::default()],
    }
}

fn loosely(expression: &Expression) -> Vec<Clause> {
    let exact = |expression: &Expression| {
        let mut remarks = Vec::new();
        let clauses = alternatives(expression, false, &mut remarks).ok()?;
        let plain =
            |clause: &Clause| clause.is.networks.is_none() && clause.not.iter().all(|not| not.networks.is_none());
        clauses.iter().all(plain).then_some(clauses)
    };
    match (exact(expression), expression) {
        (Some(clauses), _) => clauses,
        (None, Expression::Or(a, b)) => [loosely(a), loosely(b)].concat(),
        (None, Expression::And(a, b)) => {
            // a half is more than both together
            let (a, b) = (loosely(a), loosely(b));
            if a.contains(&Clause::default()) { b } else { a }
        }
        (None, Expression::Matcher(..) | Expression::Not(_)) => vec![Clause::default()],
    }
}

/// The names in `HostSNI` of a rule for TCP; empty = all. `None` = it says something else.
pub fn server_names(text: &str) -> Option<Vec<Host>> {
    fn of(expression: &Expression) -> Option<Vec<Host>> {
        match expression {
            Expression::Matcher(name, values) if name.eq_ignore_ascii_case("HostSNI") => {
                values.iter().map(|value| if value == "*" { Some(Host::Any) } else { Some(host(value)) }).collect()
            }
            Expression::Matcher(name, values) if name.eq_ignore_ascii_case("HostSNIRegexp") => values
                .iter()
                .map(|value| hosts::of_regex(&host_template(value)))
                .try_fold(Vec::new(), |mut all, some| {
                    all.extend(some?.0);
                    Some(all)
                }),
            Expression::Or(a, b) => {
                let (mut a, b) = (of(a)?, of(b)?);
                a.extend(b);
                Some(a)
            }
            _ => None,
        }
    }
    let tokens = tokens(text).ok()?;
    of(&Parser { tokens: &tokens, at: 0, depth: 0 }.or().ok()?)
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Name(String),
    Text(String),
    Sign(&'static str),
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    if text.len() > LONGEST {
        return Err(format!("it is longer than {LONGEST} bytes"));
    }
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(c) = rest.chars().next() {
        let sign = ["&&", "||", "!", "(", ")", ","].into_iter().find(|sign| rest.starts_with(sign));
        if let Some(sign) = sign {
            tokens.push(Token::Sign(sign));
            rest = &rest[sign.len()..];
        } else if matches!(c, '`' | '"') {
            let end = rest[1..].find(c).ok_or_else(|| format!("a text in `{text}` has no end"))?;
            let inner = &rest[1..=end];
            // in double quotes, a backslash is an escape, as in Go
            let inner = if c == '"' { inner.replace("\\\\", "\\") } else { inner.to_owned() };
            tokens.push(Token::Text(inner));
            rest = &rest[end + 2..];
        } else if c.is_ascii_alphabetic() {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
            tokens.push(Token::Name(rest[..end].to_owned()));
            rest = &rest[end..];
        } else {
            return Err(format!("`{c}` can't be read in `{text}`"));
        }
        rest = rest.trim_start();
    }
    Ok(tokens)
}

struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
    /// Parentheses and signs around the place.
    depth: usize,
}

impl Parser<'_> {
    fn takes(&mut self, sign: &'static str) -> bool {
        let there = self.tokens.get(self.at) == Some(&Token::Sign(sign));
        self.at += usize::from(there);
        there
    }

    fn or(&mut self) -> Result<Expression, String> {
        let mut left = self.and()?;
        while self.takes("||") {
            left = Expression::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Expression, String> {
        let mut left = self.one()?;
        while self.takes("&&") {
            left = Expression::And(Box::new(left), Box::new(self.one()?));
        }
        Ok(left)
    }

    fn one(&mut self) -> Result<Expression, String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err("its parentheses are too many".to_owned());
        }
        let one = self.within();
        self.depth -= 1;
        one
    }

    fn within(&mut self) -> Result<Expression, String> {
        if self.takes("!") {
            return Ok(Expression::Not(Box::new(self.one()?)));
        }
        if self.takes("(") {
            let inner = self.or()?;
            return if self.takes(")") { Ok(inner) } else { Err("a parenthesis is not closed".to_owned()) };
        }
        let Some(Token::Name(name)) = self.tokens.get(self.at) else { return Err("a matcher is missing".to_owned()) };
        self.at += 1;
        let mut values = Vec::new();
        if !self.takes("(") {
            return Err(format!("`{name}` has no values"));
        }
        while let Some(Token::Text(value)) = self.tokens.get(self.at) {
            values.push(value.clone());
            self.at += 1;
            if !self.takes(",") {
                break;
            }
        }
        if self.takes(")") && !values.is_empty() {
            Ok(Expression::Matcher(name.clone(), values))
        } else {
            Err(format!("the values of `{name}` can't be read"))
        }
    }
}

/// The alternatives of an expression, or of its contrary.
fn alternatives(expression: &Expression, contrary: bool, remarks: &mut Vec<String>) -> Result<Vec<Clause>, String> {
    match (expression, contrary) {
        (Expression::Not(inner), _) => alternatives(inner, !contrary, remarks),
        (Expression::Or(a, b), false) | (Expression::And(a, b), true) => {
            let mut all = alternatives(a, contrary, remarks)?;
            all.extend(alternatives(b, contrary, remarks)?);
            if all.len() > MOST { Err("it has too many alternatives".to_owned()) } else { Ok(merged(all)) }
        }
        (Expression::And(a, b), false) | (Expression::Or(a, b), true) => {
            let (a, b) = (alternatives(a, contrary, remarks)?, alternatives(b, contrary, remarks)?);
            let mut all = Vec::new();
            for (a, b) in a.iter().flat_map(|a| b.iter().map(move |b| (a, b))) {
                match a.is.meet(&b.is) {
                    Meet::Both(is) => all.push(Clause { is, not: a.not.iter().chain(&b.not).cloned().collect() }),
                    Meet::Never => {}
                    Meet::Unknown => {
                        return Err("a regular expression and a prefix of the path together can't be said".to_owned());
                    }
                }
            }
            if all.len() > MOST { Err("it has too many alternatives".to_owned()) } else { Ok(merged(all)) }
        }
        (Expression::Matcher(name, values), false) => {
            Ok(merged(matcher(name, values, remarks)?.into_iter().map(Clause::from).collect()))
        }
        (Expression::Matcher(name, values), true) => {
            let count = remarks.len();
            let not = matcher(name, values, remarks)?;
            if remarks.len() > count {
                return Err(format!("the contrary of `{name}` with these values can't be said"));
            }
            Ok(vec![Clause { is: Conditions::default(), not }])
        }
    }
}

/// Alternatives that differ in their methods or networks only are one.
fn merged(all: Vec<Clause>) -> Vec<Clause> {
    let mut few: Vec<Clause> = Vec::new();
    for clause in all {
        let alike = few.iter_mut().find(|known| {
            let plain = |clause: &Clause| Conditions { methods: None, ..clause.is.clone() };
            let (methods, others) = (known.is.methods.is_some(), clause.is.methods.is_some());
            methods && others && plain(known) == plain(&clause) && known.not == clause.not
        });
        match alike {
            Some(known) => {
                if let (Some(methods), Some(more)) = (&mut known.is.methods, clause.is.methods) {
                    methods.extend(more);
                }
            }
            None => few.push(clause),
        }
    }
    few
}

fn host(value: &str) -> Host {
    let value = value.trim_end_matches('.').to_ascii_lowercase();
    match value.strip_prefix("*.") {
        Some(rest) => Host::Below(rest.to_owned()),
        None => Host::Exact(value),
    }
}

fn host_regexp(values: &[String], remarks: &mut Vec<String>) -> Result<Vec<Conditions>, String> {
    let mut all = Vec::new();
    for value in values {
        let (hosts, exact) = hosts::of_regex(&host_template(value))
            .ok_or_else(|| format!("hosts are names or `*.name`, which `{value}` is not"))?;
        if !exact {
            let below = |host: &Host| match host {
                Host::Below(name) => format!("`*.{name}`"),
                Host::Exact(name) => format!("`{name}`"),
                Host::Any => "every host".to_owned(),
            };
            let names: Vec<_> = hosts.iter().map(below).collect();
            remarks
                .push(format!("`{value}` becomes {}, which takes all names below, not only those", names.join(", ")));
        }
        all.extend(hosts.into_iter().map(Conditions::host));
    }
    Ok(all)
}

/// The alternatives of one matcher.
fn matcher(name: &str, values: &[String], remarks: &mut Vec<String>) -> Result<Vec<Conditions>, String> {
    let each =
        |make: &mut dyn FnMut(&str) -> Result<Conditions, String>| values.iter().map(|value| make(value)).collect();
    let pairs =
        || values.chunks(2).map(|pair| Some((pair.first()?.clone(), pair.get(1)?.clone()))).collect::<Option<Vec<_>>>();
    let not_said = || format!("`{name}` can't be said by conditions of ours");
    match name.to_ascii_lowercase().as_str() {
        "host" | "hostheader" => each(&mut |value| {
            if value.starts_with("*.") {
                remarks.push(format!("`{value}` takes names with several labels before it, too"));
            }
            Ok(Conditions::host(if value == "*" { Host::Any } else { host(value) }))
        }),
        "hostregexp" => host_regexp(values, remarks),
        "path" => each(&mut |value| {
            Ok(Conditions::path(template(value, true).unwrap_or_else(|| Path::Exact(value.to_owned()))))
        }),
        "pathprefix" => each(&mut |value| {
            Ok(Conditions::path(template(value, false).unwrap_or_else(|| Path::Prefix(value.to_owned()))))
        }),
        "pathregexp" => each(&mut |value| {
            regex::Regex::new(value).map_err(|_| format!("`{value}` is no regular expression here"))?;
            Ok(Conditions::path(Path::Regex(expression::of_path(value))))
        }),
        "method" | "methods" => {
            let methods = values.iter().map(|value| value.to_ascii_uppercase()).collect();
            Ok(vec![Conditions { methods: Some(methods), ..Conditions::default() }])
        }
        "header" | "headers" => {
            let headers = pairs().ok_or_else(not_said)?;
            let headers = headers.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
            Ok(vec![Conditions { headers, ..Conditions::default() }])
        }
        "query" => {
            let split = |value: &String| value.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
            let query = match values.iter().map(split).collect::<Option<Vec<_>>>() {
                Some(query) => query,
                None => pairs().ok_or_else(not_said)?,
            };
            Ok(vec![Conditions { query: query.into_iter().collect(), ..Conditions::default() }])
        }
        "clientip" => {
            let nets = values.iter().map(|value| networks::parse(value)).collect::<Option<Vec<_>>>();
            let nets = nets.ok_or_else(|| "its network can't be read".to_owned())?;
            Ok(vec![Conditions { networks: Some(nets), ..Conditions::default() }])
        }
        _ => Err(not_said()),
    }
}

/// Whether `text` has `{name}` or `{name:expression}` in it, as rules of version 2 have.
fn has_template(text: &str) -> bool {
    text.split('{')
        .skip(1)
        .any(|part| part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && part.contains('}'))
}

/// Text with `{name}` and `{name:expression}` as a regular expression without anchors.
fn expanded(text: &str, anything: &str) -> String {
    let mut regex = String::new();
    let mut rest = text;
    while let Some(open) = rest.find('{') {
        regex.push_str(&regex::escape(&rest[..open]));
        // braces within the expression are counted
        let mut depth = 0;
        let end = rest[open..].char_indices().find(|(_, c)| {
            depth += i32::from(*c == '{') - i32::from(*c == '}');
            depth == 0
        });
        let Some((end, _)) = end else { break };
        let inner = &rest[open + 1..open + end];
        match inner.split_once(':') {
            Some((_, expression)) => regex.push_str(&format!("(?:{expression})")),
            None => regex.push_str(anything),
        }
        rest = &rest[open + end + 1..];
    }
    regex.push_str(&regex::escape(rest));
    regex
}

fn host_template(text: &str) -> String {
    if has_template(text) { format!("^{}$", expanded(text, "[^.]+").replace("\\-", "-")) } else { text.to_owned() }
}

fn template(text: &str, whole: bool) -> Option<Path> {
    let end = if whole { "$" } else { "" };
    has_template(text).then(|| Path::Regex(format!("^{}{end}", expanded(text, "[^/]+"))))
}
