//! Rules that change what a request asks for: its path, its query, a part of a field.

use super::act::{Act, OF_THE_CONNECTION, Part};
use super::parse::Line;
use crate::convert::output::{Findings, Table};

/// What of a request is no longer what the client sent.
pub fn altered(verb: &str) -> Option<Vec<Part>> {
    Some(match verb {
        "set-query" => vec![Part::Query],
        "set-uri" | "replace-uri" | "set-pathq" | "replace-pathq" | "normalize-uri" => vec![Part::Path, Part::Query],
        "set-method" => vec![Part::Method],
        "set-src" => vec![Part::Source],
        _ => return None,
    })
}

/// `replace-header X-Role .* none`: what is left of the field is not known here, so that no client can send it.
pub fn replaced(line: &Line, findings: &mut Findings) -> Act {
    let (place, field) = (&line.place, line.word(2).to_ascii_lowercase());
    if field == "host" || OF_THE_CONNECTION.contains(&field.as_str()) {
        findings.warning(
            place,
            line.text(),
            "it is not done: the field goes on as it came",
            "docs/headers.md has what there is",
        );
        return Act::Alter(vec![if field == "host" { Part::Host } else { Part::Field(field) }]);
    }
    let why = "a part of a field can't be replaced: the field is taken out, so that no client can send it";
    findings.warning(place, line.text(), why, "`set` of `request_headers` replaces the whole of it: docs/headers.md");
    let mut change = Table::default();
    change.push_from(&["request_headers", "remove"], field, place);
    Act::Change(change)
}

/// `replace-path /old/(.*) /new/\1`, `set-path /new%[path]`
pub fn path(line: &Line, findings: &mut Findings) -> Act {
    let (regex, to) = (line.word(2), line.word(3));
    if line.word(1) == "set-path" {
        if let Some(before) = regex.strip_suffix("%[path]").filter(|before| !before.contains('%')) {
            return Act::Prefix("/".to_owned(), format!("{}/", before.trim_end_matches('/')));
        }
    } else {
        let inner = regex.trim_start_matches('^').trim_end_matches('$');
        let group = inner
            .strip_suffix("(.*)")
            .map(|from| (from, "\\1"))
            .or_else(|| inner.strip_suffix("(/.*)").map(|from| (from, "\\1")));
        if let Some((from, reference)) = group
            && !from.contains(['(', '[', '*', '+', '?', '|'])
            && let Some(to) = to.strip_suffix(reference)
        {
            let slash = if inner.ends_with("(/.*)") { "/" } else { "" };
            let from = from.replace('\\', "");
            let new = format!("{to}{slash}");
            return Act::Prefix(format!("{from}{slash}"), if new.is_empty() { "/".to_owned() } else { new });
        }
    }
    findings.warning(
        &line.place,
        line.text(),
        "the path goes on as it came",
        "`rewrite.prefix` replaces what `path` or `path_prefix` matched",
    );
    Act::Alter(vec![Part::Path])
}
