//! `errorfile`: files of whole answers, whose bodies become pages.

use super::parse::{Line, Section};
use crate::convert::original::Original;
use crate::convert::output::{Output, Table};

/// Statuses that HAProxy has pages for, and that pages are for here.
const STATUSES: [&str; 14] =
    ["400", "401", "403", "404", "405", "407", "408", "410", "413", "425", "429", "500", "501", "502"];

/// The pages of a backend, but for those of defaults that all frontends have as well.
pub fn of_service(
    original: &Original<'_>,
    sections: &[Section],
    section: &Section,
    table: &mut Table,
    out: &mut Output,
) {
    let frontends = sections.iter().filter(|other| matches!(other.kind.as_str(), "frontend" | "listen"));
    let is_in = |line: &Line, other: &Section| other.defaults.iter().any(|known| known.place == line.place);
    let own = section.defaults.iter().filter(|line| !frontends.clone().all(|other| is_in(line, other)));
    let lines: Vec<&Line> = own.chain(&section.lines).collect();
    put(original, &lines, table, out);
}

/// The pages of a frontend, of its own lines or of its defaults.
pub fn of_listener(original: &Original<'_>, section: &Section, table: &mut Table, out: &mut Output) {
    let lines: Vec<&Line> = section.defaults.iter().chain(&section.lines).collect();
    put(original, &lines, table, out);
}

/// As `error_pages` of a listener or a service; each page is written to a file of its own.
fn put(original: &Original<'_>, lines: &[&Line], table: &mut Table, out: &mut Output) {
    for line in lines.iter().filter(|line| line.word(0) == "errorfile") {
        let status = line.word(1);
        let is_known = STATUSES.contains(&status) || matches!(status, "503" | "504");
        let Some(page) = body(original, line).filter(|_| is_known) else {
            let why = "its page can't be read: errors are told in text";
            let advice = "`error_pages` has a file for each status, without its head: docs/error-pages.md";
            out.findings.warning(&line.place, line.text(), why, advice);
            continue;
        };
        let name = format!("error-{status}-line-{}.{}", line.place.line, page.0);
        if !out.files.iter().any(|(known, _)| *known == name) {
            out.files.push((name.clone(), page.1));
        }
        table.put(&["error_pages", status], name, &line.place);
    }
}

/// What stands behind the head of the answer in the file of a line, and how the name of a file with that ends.
pub fn body(original: &Original<'_>, line: &Line) -> Option<(&'static str, String)> {
    let (_, text) = original.read(line.word(2)).ok()?;
    let (head, body) = text.split_once("\r\n\r\n").or_else(|| text.split_once("\n\n"))?;
    let json =
        head.to_ascii_lowercase().lines().any(|field| field.starts_with("content-type:") && field.contains("json"));
    (!body.trim().is_empty() && body.len() <= 64 << 10).then(|| (if json { "json" } else { "html" }, body.to_owned()))
}
