//! Traefik: the static configuration (`traefik.yml` or `.toml`) with the files of its file provider, or a file of the dynamic configuration alone.

mod entry_point;
mod general;
mod middleware;
mod points;
mod router;
mod rule;
mod service;
mod session;
mod tls;
#[cfg(test)]
mod tests;
mod transport;

use std::rc::Rc;

use super::document::{self, Node};
use super::original::{Files, Original};
use super::output::{Names, Output, Place};
use super::unused;

/// Keys of the static configuration that the dynamic one does not have.
const STATIC: [&str; 10] = [
    "entrypoints",
    "providers",
    "api",
    "certificatesresolvers",
    "log",
    "accesslog",
    "metrics",
    "ping",
    "global",
    "serverstransport",
];

/// Keys of the dynamic configuration.
const DYNAMIC: [&str; 4] = ["http", "tcp", "udp", "tls"];

/// Whether a file seems to be Traefik's.
pub fn guess(file: &str, text: &str) -> bool {
    let name = file.rsplit('/').next().unwrap_or(file).to_ascii_lowercase();
    if !name.ends_with(".yml") && !name.ends_with(".yaml") && !name.ends_with(".toml") {
        return false;
    }
    let top = |line: &str| {
        let key =
            line.trim_start_matches('[').split(['.', ':', ']', ' ']).next().unwrap_or_default().to_ascii_lowercase();
        !line.starts_with([' ', '\t', '#']) && STATIC.iter().chain(&DYNAMIC).any(|known| *known == key)
    };
    name.contains("traefik") || text.lines().any(top)
}

/// What is being converted.
struct Conversion<'a> {
    /// Documents of the dynamic configuration.
    dynamic: Vec<&'a Node>,
    /// The static configuration; `None` = only dynamic configuration was given.
    fixed: Option<&'a Node>,
    /// What comes out.
    out: Output,
    /// Services that were made: what they were made of, and how routes name them.
    made: Vec<(String, service::Target)>,
    /// Names of services that are taken.
    service_names: Names,
    /// Reads other files.
    files: &'a Files<'a>,
    /// The whole.
    place: Place,
}

impl<'a> Conversion<'a> {
    /// Something of the dynamic configuration that `name` says, such as a middleware: `auth` or `auth@file`.
    fn find(&self, way: &[&str], name: &str) -> Option<&'a Node> {
        let plain = match name.split_once('@') {
            Some((plain, "file")) => plain,
            Some(_) => return None,
            None => name,
        };
        self.dynamic.iter().filter_map(|document| document.at(way)).find_map(|all| all.get(plain))
    }

    /// All things of a kind, with their names.
    fn all(&self, way: &[&str]) -> Vec<(String, &'a Node)> {
        let mut all = Vec::new();
        for document in &self.dynamic {
            if let Some(found) = document.at(way) {
                all.extend(found.fields().map(|(name, node)| (name.to_owned(), node)));
            }
        }
        all
    }
}

/// Converts.
pub fn convert(original: &Original<'_>) -> Output {
    let file: Rc<str> = Rc::from(original.file);
    let mut out = Output::new("Traefik", original.file);
    let Some(root) = parse(&file, original.text, &mut out) else { return out };
    let has = |keys: &[&str]| root.fields().any(|(name, _)| keys.iter().any(|key| name.eq_ignore_ascii_case(key)));
    let (is_static, is_dynamic) = (has(&STATIC), has(&DYNAMIC));
    // `fields` has marked all of it as seen
    let Some(root) = parse(&file, original.text, &mut out) else { return out };
    let provided = if is_static { general::provided(&root, original, &mut out) } else { Vec::new() };
    let mut dynamic: Vec<&Node> = provided.iter().collect();
    if is_dynamic {
        dynamic.push(&root);
    }
    if !is_static && !is_dynamic {
        let advice =
            "give the static configuration (entryPoints, providers) or a file of the dynamic one (http, tcp, udp, tls)";
        out.findings.error(&original.whole(), "", "nothing of Traefik's is in this file", advice);
        return out;
    }
    let fixed = is_static.then_some(&root);
    let mut conversion = Conversion {
        dynamic,
        fixed,
        out,
        made: Vec::new(),
        service_names: Names::default(),
        files: original.files,
        place: original.whole(),
    };
    if let Some(root) = fixed {
        general::convert(root, &mut conversion.out);
    }
    points::convert(&mut conversion);
    let mut out = conversion.out;
    unused::take_out(&mut out);
    for document in std::iter::once(&root).chain(&provided) {
        tell_unseen(document, &mut out);
    }
    out
}

/// Reads one file.
fn parse(file: &Rc<str>, text: &str, out: &mut Output) -> Option<Node> {
    let toml = file.to_ascii_lowercase().ends_with(".toml");
    match if toml { document::toml(text, file) } else { document::yaml(text, file) } {
        Ok(root) => Some(root),
        Err((line, reason)) => {
            let advice =
                if text.contains("{{") { "the file is a template: give the file that comes of it" } else { "" };
            out.findings.error(&Place::new(file, line), "", format!("it can't be read: {reason}"), advice);
            None
        }
    }
}

/// Says what nobody has looked at. Below a middleware, or where it is about TLS, it may have been a protection.
fn tell_unseen(document: &Node, out: &mut Output) {
    for (way, node) in document.unseen() {
        let lower = way.to_ascii_lowercase();
        let unused = [
            "http.middlewares.",
            "http.services.",
            "http.serverstransports.",
            "tcp.middlewares.",
            "tcp.services.",
            "udp.services.",
            "tcp.serverstransports.",
            "tls.options.",
        ];
        if unused.iter().any(|start| lower.strip_prefix(start).is_some_and(|rest| !rest.contains('.')))
            || lower.ends_with(".middlewares")
        {
            out.findings.note(&node.place, way, "nothing that was converted uses it, and it is left out", "");
        } else if lower.contains("middlewares.") || lower.starts_with("tls.") || lower.contains("clientauth") {
            out.findings.error(
                &node.place,
                way,
                "the converter does not know it, and it is left out",
                "look whether it protects something",
            );
        } else {
            out.findings.warning(&node.place, way, "the converter does not know it, and it is left out", "");
        }
    }
}
