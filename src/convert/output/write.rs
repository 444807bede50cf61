//! The text of a `proxy.toml` that was made.

use super::value::{Entry, Table, Value};
use super::{Finding, Output, Place, Severity};

/// A table that is written in one line is at most so long; a longer one is a section.
const LINE: usize = 110;

/// The whole file.
pub fn file(out: &Output) -> String {
    let mut text = head(out);
    for (name, table) in [("server", &out.server), ("admin", &out.admin), ("log", &out.log)] {
        if !table.is_empty() {
            section(&mut text, &[name.to_owned()], table, false);
        }
    }
    for listener in &out.listeners {
        section(&mut text, &["listener".to_owned()], listener, true);
    }
    for (name, service) in &out.services {
        section(&mut text, &["service".to_owned(), name.clone()], service, false);
    }
    text
}

/// The comments at the head: what has to be done before the file is used.
fn head(out: &Output) -> String {
    let mut text = format!("# Made by `evenkeel convert` from {} ({}).\n", out.file, out.from);
    let groups = [
        (Severity::Error, "NOT AS SAFE AS THE ORIGINAL, or closed, until somebody has looked at these:"),
        (Severity::Warning, "Not carried over, or done otherwise:"),
        (Severity::Note, "Worth knowing:"),
    ];
    for (severity, title) in groups {
        let found = out.findings.of(severity);
        if found.is_empty() {
            continue;
        }
        text.push_str(&format!("#\n# {title}\n"));
        for finding in found {
            told(&mut text, finding);
        }
    }
    text
}

fn told(text: &mut String, finding: &Finding) {
    text.push_str(&format!("#   {}\n", comment(&finding.line())));
    if !finding.advice.is_empty() {
        text.push_str(&format!("#     {}\n", comment(&finding.advice)));
    }
}

/// A comment is one line, and has no control characters.
fn comment(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A section: its header, its keys, and the sections below it.
fn section(text: &mut String, path: &[String], table: &Table, one_of_many: bool) {
    let (mut below, plain): (Vec<_>, Vec<_>) = table.entries.iter().partition(|entry| is_section(path, entry));
    // a reader looks for the backends first, and routes are read one after the other
    below.sort_by_key(|entry| (entry.key != "backend", entry.key == "route"));
    let named = path.iter().map(|part| key(part)).collect::<Vec<_>>().join(".");
    let needed = one_of_many || !plain.is_empty() || below.is_empty() || path.len() == 2 && path[0] == "service";
    if needed {
        text.push('\n');
        for remark in &table.remarks {
            text.push_str(&format!("# {}\n", comment(remark)));
        }
        let header = if one_of_many { format!("[[{named}]]") } else { format!("[{named}]") };
        text.push_str(&with_places(header, &table.from));
    }
    for entry in plain {
        let mut places = Vec::new();
        gather(entry, &mut places);
        // what comes from the line that the header names already needs no comment of its own
        if places == table.from {
            places.clear();
        }
        text.push_str(&with_places(format!("{} = {}", key(&entry.key), inline(&entry.value)), &places));
    }
    for entry in below {
        let path: Vec<_> = path.iter().cloned().chain([entry.key.clone()]).collect();
        match &entry.value {
            Value::Table(table) => section(text, &path, table, false),
            Value::List(list) => {
                for value in list {
                    if let Value::Table(table) = value {
                        section(text, &path, table, true);
                    }
                }
            }
            _ => {}
        }
    }
}

/// Whether an entry is written as sections of its own. What belongs to a listener or a service as a whole is; in a route what is too long for a line.
fn is_section(path: &[String], entry: &Entry) -> bool {
    let top = path.len() == 1 || path.len() == 2 && path[0] == "service";
    match &entry.value {
        Value::Table(_) if matches!(entry.key.as_str(), "request_headers" | "response_headers") => is_long(entry),
        Value::Table(_) => top && path[0] != "log" && path[0] != "admin" || is_long(entry),
        Value::List(list) => {
            let tables = !list.is_empty() && list.iter().all(|value| matches!(value, Value::Table(_)));
            tables && matches!(entry.key.as_str(), "route" | "backend" | "rate_limit" | "recover")
        }
        _ => false,
    }
}

fn is_long(entry: &Entry) -> bool {
    entry.key.len() + inline(&entry.value).len() > LINE
}

/// The places of an entry and of all that is in it, each once.
fn gather(entry: &Entry, places: &mut Vec<Place>) {
    fn of_value(value: &Value, places: &mut Vec<Place>) {
        match value {
            Value::Table(table) => {
                table.from.iter().for_each(|place| note(place, places));
                table.entries.iter().for_each(|entry| gather(entry, places));
            }
            Value::List(list) => list.iter().for_each(|value| of_value(value, places)),
            _ => {}
        }
    }
    fn note(place: &Place, places: &mut Vec<Place>) {
        if !places.contains(place) {
            places.push(place.clone());
        }
    }
    entry.from.iter().for_each(|place| note(place, places));
    of_value(&entry.value, places);
}

/// A line with the places that it comes from: `# a.conf:3, 5`.
fn with_places(line: String, places: &[Place]) -> String {
    let mut text = line;
    let mut file = None;
    for place in places {
        if file == Some(&place.file) {
            text.push_str(&format!(", {}", place.line));
        } else {
            let before = if file.is_none() { "    # " } else { ", " };
            text.push_str(&format!("{before}{}", comment(&place.to_string())));
            file = Some(&place.file);
        }
    }
    text.push('\n');
    text
}

/// A key, in quotes where it has to be.
fn key(text: &str) -> String {
    let bare = !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if bare { text.to_owned() } else { quoted(text) }
}

/// A value in one line.
fn inline(value: &Value) -> String {
    match value {
        Value::Text(text) => quoted(text),
        Value::Number(number) => number.to_string(),
        Value::Share(number) => format!("{number:?}"),
        Value::Flag(flag) => flag.to_string(),
        Value::List(list) => format!("[{}]", list.iter().map(inline).collect::<Vec<_>>().join(", ")),
        Value::Table(table) if table.is_empty() => "{}".to_owned(),
        Value::Table(table) => {
            let entries = table.entries.iter().map(|entry| format!("{} = {}", key(&entry.key), inline(&entry.value)));
            format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
        }
    }
}

/// A string of TOML.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
