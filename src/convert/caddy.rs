//! Caddy: a Caddyfile with what it imports.

mod access;
mod change;
mod flow;
mod lexer;
mod matcher;
mod options;
mod placeholder;
mod proxy;
mod scope;
mod site;
mod steps;
mod tls;
#[cfg(test)]
mod tests;
mod tree;

use std::collections::HashMap;

use super::original::Original;
use super::output::{Names, Output, Place, Table, Value};
use super::unused;
use tree::{Directive, Tree};

/// Whether a file seems to be a Caddyfile.
pub fn guess(file: &str, text: &str) -> bool {
    let name = file.rsplit('/').next().unwrap_or(file).to_ascii_lowercase();
    if name.contains("caddyfile") || name.ends_with(".caddy") {
        return true;
    }
    let words = ["reverse_proxy ", "file_server", "handle_path ", "handle ", "php_fastcgi ", "encode ", "respond "];
    let mut lines = text.lines().map(str::trim).filter(|line| !line.ends_with(';'));
    lines.any(|line| words.iter().any(|word| line == word.trim_end() || line.starts_with(word)))
}

/// What is being converted.
struct Conversion {
    /// What comes out.
    out: Output,
    /// Names of services that are taken.
    service_names: Names,
    /// Named routes, for `invoke`.
    routes: HashMap<String, Vec<Directive>>,
    /// The order in which directives are gone through.
    order: Vec<String>,
    /// What the global options say.
    options: options::Options,
}

/// Converts.
pub fn convert(original: &Original<'_>) -> Output {
    let mut out = Output::new("Caddy", original.file);
    let Some(Tree { options, sites, routes }) = tree::read(original, &mut out.findings) else { return out };
    let mut conversion = Conversion {
        out,
        service_names: Names::default(),
        routes,
        order: steps::ORDER.iter().map(|name| (*name).to_owned()).collect(),
        options: options::Options::default(),
    };
    options::read(&options, &mut conversion);
    site::convert(&sites, &mut conversion);
    let mut out = conversion.out;
    if out.listeners.is_empty() && !out.findings.any_error() {
        let advice = "give a Caddyfile with at least one site";
        out.findings.error(&original.whole(), "", "there is nothing that could be a listener", advice);
    }
    unused::take_out(&mut out);
    let Output { listeners, services, server, log, .. } = &mut out;
    listeners.iter_mut().chain(services.iter_mut().map(|(_, table)| table)).chain([server, log]).for_each(environment);
    out
}

/// Variables of the environment, which were marked, as a `proxy.toml` has them.
fn environment(table: &mut Table) {
    fn of(value: &mut Value) {
        match value {
            Value::Text(text) if text.contains(lexer::ENVIRONMENT) => {
                *text = text.replace(lexer::ENVIRONMENT, "${").replace(lexer::END, "}");
            }
            Value::List(list) => list.iter_mut().for_each(of),
            Value::Table(table) => environment(table),
            _ => {}
        }
    }
    table.entries.iter_mut().for_each(|entry| of(&mut entry.value));
}

/// Says that a directive, or a part of one, is left out.
fn left_out(out: &mut Output, place: &Place, what: &str, why: &str, advice: &str) {
    out.findings.warning(place, what, why, advice);
}
