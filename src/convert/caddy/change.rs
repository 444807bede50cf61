//! `header` and `request_header`: changes of fields.

use std::rc::Rc;

use super::placeholder::template;
use super::scope::At;
use super::tree::Directive;
use super::{Conversion, left_out};
use crate::convert::decision::Step;
use crate::convert::output::{Output, Place, Table, Value};
use crate::convert::units;

/// Fields that belong to the connection, and that no route can change.
const FRAMING: [&str; 8] =
    ["content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer", "keep-alive", "proxy-connection"];

/// A change: what is done, with which field, to which value.
#[derive(Debug, Clone, PartialEq)]
pub struct Put {
    /// `set`, `add`, `remove`, `default`, or `user`: who has shown a password
    pub kind: &'static str,
    /// The field, in small letters.
    pub name: String,
    /// Its value; empty for `remove`.
    pub value: String,
    /// Where it stands.
    pub place: Place,
}

/// Reads `[+|-|?|>]FIELD [VALUE]`. `None` = it can't be carried over, which was told.
pub fn put(out: &mut Output, what: &str, words: &[&str], place: &Place) -> Option<Put> {
    let (first, values) = words.split_first()?;
    let (kind, name) = match first.chars().next()? {
        '+' => ("add", &first[1..]),
        '-' => ("remove", &first[1..]),
        '?' => ("default", &first[1..]),
        '>' => ("set", &first[1..]),
        _ => ("set", *first),
    };
    let name = name.trim_end_matches(':').to_ascii_lowercase();
    let kind = if kind == "set" && values.is_empty() { "remove" } else { kind };
    if FRAMING.contains(&name.as_str()) {
        left_out(
            out,
            place,
            what,
            &format!("`{name}` belongs to the connection, or frames the message, and can't be changed"),
            "",
        );
        return None;
    }
    let request = matches!(what, "header_up" | "request_header");
    if values.len() > 1 || name.contains('*') {
        return several(out, place, what, &name, request);
    }
    let value = match template(values.first().copied().unwrap_or_default()) {
        Ok(value) => value,
        Err(unknown) if request && kind == "set" && matches!(unknown.as_str(), "{http.auth.user.id}") => {
            return Some(Put { kind: "user", name, value: String::new(), place: place.clone() });
        }
        // what a client says in a field that the original sets must not get through
        Err(unknown) if request && kind == "set" => {
            left_out(
                out,
                place,
                what,
                &format!("`{unknown}` is not known: `{name}` is taken out"),
                "docs/headers.md has the variables",
            );
            return Some(Put { kind: "remove", name, value: String::new(), place: place.clone() });
        }
        Err(unknown) => {
            left_out(
                out,
                place,
                what,
                &format!("`{unknown}` is not known: `{name}` is left as it is"),
                "docs/headers.md has the variables",
            );
            return None;
        }
    };
    Some(Put { kind, name, value, place: place.clone() })
}

/// Tells that a change of a part of a value, or of several fields, is left out.
fn several(out: &mut Output, place: &Place, what: &str, name: &str, request: bool) -> Option<Put> {
    let why = format!("parts of a value can't be replaced, nor several fields at once: `{name}` is left as it is");
    if request {
        let why = format!("{why}, and backends get what clients say there");
        out.findings.error(place, what, why, "`request_headers = { remove = [...] }` takes fields out");
    } else {
        left_out(out, place, what, &why, "`set`, `add`, `remove`, `default`: docs/headers.md");
    }
    None
}

/// The changes of a directive: those on its line, or those in its block.
fn puts(out: &mut Output, at: &At<'_>) -> Vec<Put> {
    if at.directive.block.is_none() || !at.args.is_empty() {
        return put(out, at.word(), &at.args, at.place()).into_iter().collect();
    }
    let mut all = Vec::new();
    for directive in at.directive.inner() {
        match directive.word() {
            "defer" => {}
            "match" => left_out(out, directive.place(), "header match", "it holds for all answers", ""),
            word => {
                let words: Vec<&str> = std::iter::once(word).chain(directive.texts()).collect();
                all.extend(put(out, at.word(), &words, directive.place()));
            }
        }
    }
    all
}

/// A step that makes these changes.
pub fn step(at: &At<'_>, side: &'static str, puts: Vec<Put>) -> Option<Rc<Step>> {
    if puts.is_empty() {
        return None;
    }
    Some(at.change(move |treatment| {
        for Put { kind, name, value, place } in &puts {
            let user = ["auth", "basic", "user_header"];
            let alone = treatment.table.text(&user).is_none_or(|known| known == name);
            if *kind == "user" && alone && treatment.table.get(&["auth", "basic"]).is_some() {
                treatment.table.put(&user, name.clone(), place);
            } else if matches!(*kind, "remove" | "user") {
                treatment.table.remove(&[side, "set", name]);
                treatment.table.push_from(&[side, "remove"], name.clone(), place);
            } else {
                treatment.table.put(&[side, kind, name], value.clone(), place);
            }
        }
    }))
}

/// `header`
pub fn header(conversion: &mut Conversion, at: &At<'_>) -> Vec<Rc<Step>> {
    let puts = puts(&mut conversion.out, at);
    step(at, "response_headers", puts).into_iter().collect()
}

/// `request_header`
pub fn request_header(conversion: &mut Conversion, at: &At<'_>) -> Vec<Rc<Step>> {
    let (host, others): (Vec<_>, Vec<_>) =
        puts(&mut conversion.out, at).into_iter().partition(|put| put.name == "host");
    let mut steps: Vec<_> = step(at, "request_headers", others).into_iter().collect();
    for put in host {
        steps.push(rewrite_host(at, put));
    }
    steps
}

/// The host is changed by `rewrite.host`, which knows no variables.
pub fn rewrite_host(at: &At<'_>, put: Put) -> Rc<Step> {
    at.change(move |treatment| {
        if !put.value.contains("${") {
            treatment.table.put(&["rewrite", "host"], put.value.clone(), &put.place);
        }
    })
}

/// `encode [FORMAT...] { gzip [LEVEL], zstd [LEVEL], br [LEVEL], minimum_length N, match { header Content-Type ... } }`
pub fn encode(conversion: &mut Conversion, at: &At<'_>) -> Vec<Rc<Step>> {
    let out = &mut conversion.out;
    let mut compress = Table::default();
    let mut algorithms: Vec<&str> = at.args.iter().copied().filter(|one| ALGORITHMS.contains(one)).collect();
    for directive in at.directive.inner() {
        let (place, argument) = (directive.place(), directive.arg(0).unwrap_or_default());
        match directive.word() {
            format if ALGORITHMS.contains(&format) => {
                algorithms.push(format);
                if let Ok(level) = argument.parse::<i64>() {
                    compress.put(&["level", format], level.clamp(1, 9), place);
                }
            }
            "minimum_length" => {
                if let Some(bytes) = argument.parse::<u64>().ok().filter(|bytes| *bytes > 0) {
                    compress.put(&["min_size"], units::size(bytes), place);
                }
            }
            "match" => match types(directive) {
                Some(types) => compress.put(&["types"], types, place),
                None => {
                    let why = "answers are chosen by their type only: those of the usual types are compressed";
                    left_out(out, place, "encode match", why, "`compress = { types = [...] }`: docs/compression.md");
                }
            },
            word => left_out(out, place, &format!("encode {word}"), "it is left out", ""),
        }
    }
    if !algorithms.is_empty() {
        compress.put(&["algorithms"], algorithms, at.place());
    }
    let place = at.place().clone();
    let value: Value = if compress.is_empty() { true.into() } else { compress.into() };
    vec![at.change(move |treatment| treatment.table.put(&["compress"], value.clone(), &place))]
}

/// What answers may be compressed with.
const ALGORITHMS: [&str; 3] = ["gzip", "zstd", "br"];

/// The media types that `match` of `encode` names, where it names nothing else.
fn types(directive: &Directive) -> Option<Vec<String>> {
    let lines: Vec<Vec<&str>> = match directive.inner() {
        [] => vec![directive.texts()],
        inner => {
            inner.iter().map(|line| std::iter::once(line.word()).chain(line.texts()).collect::<Vec<_>>()).collect()
        }
    };
    let mut all = Vec::new();
    for line in &lines {
        let ["header", name, rest @ ..] = &line[..] else { return None };
        let plain = |text: &&str| {
            text.split_once('/')
                .is_some_and(|(kind, of)| !kind.contains('*') && (of == "*" || !of.trim_end_matches('*').contains('*')))
        };
        if !name.eq_ignore_ascii_case("content-type") || rest.is_empty() || !rest.iter().all(plain) {
            return None;
        }
        // `text/css*` is the type with its parameters
        let written =
            |text: &&str| if text.ends_with("/*") { (*text).to_owned() } else { text.trim_end_matches('*').to_owned() };
        all.extend(rest.iter().map(written));
    }
    Some(all)
}
